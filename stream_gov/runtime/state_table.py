"""The detector's state in a table of keys and bytes: by partition, and changed as a whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence

import msgspec

__all__ = ["Change", "StateTable"]

Change = tuple[bytes, bytes | None]
"""A key of the table and its new value; None: deleted."""

_REDO = "!redo/"
_PART_BYTES = 4 * 1024 * 1024

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[tuple[str, int, list[tuple[str, bytes | None]]]] = msgspec.msgpack.Decoder(
    tuple[str, int, list[tuple[str, bytes | None]]]
)


class StateTable:
    """Keys and values of every partition, over a mapping that a changelog restores key by key.

    A step of the detector changes several keys that make sense only together (the window is closed, its panes are gone, the alert is
    open), but a changelog keeps keys one by one, and a crash may leave it with some of them. So a change of several keys is
    written in three phases, each acknowledged before the next: all of it under a key of its own (the redo), then key by key, then the
    redo is deleted. A table that is restored with a redo in it takes the change from there.

    Parameters
    ----------
    table
        What is restored from the changelog; read by :meth:`restore`, written by :meth:`apply`.
    new_id
        Gives the ids that hold the parts of a redo together.
    """

    def __init__(
        self, table: MutableMapping[bytes, bytes | None], *, new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    ) -> None:
        self._table = table
        self._new_id = new_id
        self._grouped: dict[int, dict[str, bytes]] | None = None

    def restore(self, partition: int) -> tuple[dict[str, bytes], list[list[Change]]]:
        """Return what is kept of a partition, and the phases that are left of a change a crash has cut short.

        The caller writes the phases before anything else of this partition.
        """
        if self._grouped is None:  # one pass over the table for all partitions that are about to be asked for
            self._grouped = {}
            for packed, value in self._table.items():
                if value is not None:
                    number, _, key = packed.partition(b"|")
                    self._grouped.setdefault(int(number), {})[key.decode()] = value
        items = self._grouped.pop(partition, {})
        parts = {key: items.pop(key) for key in [k for k in items if k.startswith(_REDO)]}
        if not parts:
            return items, []
        change = _complete_change(parts)
        _update(items, change)
        forget: list[Change] = [(_pack(partition, key), None) for key in sorted(parts)]
        repair: list[Change] = [(_pack(partition, key), value) for key, value in change]
        return items, [phase for phase in (repair, forget) if phase]

    def phases(self, partition: int, updates: Mapping[str, bytes | None]) -> list[list[Change]]:
        """Return what to write for a change, in phases: each to be acknowledged before the next is begun."""
        changes: list[Change] = [(_pack(partition, key), value) for key, value in updates.items()]
        if len(changes) <= 1:
            return [changes] if changes else []
        parts = _split(list(updates.items()))
        redo_id = self._new_id()
        redo: list[Change] = [
            (_pack(partition, f"{_REDO}{i}"), _encoder.encode((redo_id, len(parts), part)))
            for i, part in enumerate(parts)
        ]
        return [redo, changes, [(key, None) for key, _ in redo]]

    def apply(self, changes: Iterable[Change]) -> None:
        """Put changes that were acknowledged into the table."""
        for key, value in changes:
            if value is None:
                self._table.pop(key, None)
            else:
                self._table[key] = value

    def rescan(self) -> None:
        """Forget what was read of the table: it was restored anew, or a state was dropped."""
        self._grouped = None

    def keep_only(self, partitions: Collection[int]) -> None:
        """Delete what belongs to partitions that another worker has now; the changelog keeps it."""
        self.rescan()
        for key in [k for k in self._table if int(k.partition(b"|")[0]) not in partitions]:
            del self._table[key]


def _pack(partition: int, key: str) -> bytes:
    return f"{partition}|{key}".encode()


def _split(updates: Sequence[tuple[str, bytes | None]]) -> list[list[tuple[str, bytes | None]]]:
    parts: list[list[tuple[str, bytes | None]]] = [[]]
    size = 0
    for key, value in updates:
        size += len(key) + len(value or b"")
        if size > _PART_BYTES and parts[-1]:
            parts.append([])
            size = len(key) + len(value or b"")
        parts[-1].append((key, value))
    return parts


def _complete_change(parts: Mapping[str, bytes]) -> list[tuple[str, bytes | None]]:
    """Put a redo together; nothing if parts are missing: then it was being written, or being deleted after all was done."""
    read = {int(key.removeprefix(_REDO)): _decoder.decode(value) for key, value in parts.items()}
    if 0 not in read:
        return []
    redo_id, n_parts, _ = read[0]
    wanted = [read.get(i) for i in range(n_parts)]
    change = []
    for part in wanted:
        if part is None or part[0] != redo_id:
            return []
        change += part[2]
    return change


def _update(items: dict[str, bytes], change: Iterable[tuple[str, bytes | None]]) -> None:
    for key, value in change:
        if value is None:
            items.pop(key, None)
        else:
            items[key] = value
