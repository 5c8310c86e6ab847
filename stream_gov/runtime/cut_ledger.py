"""Bookkeeping of write-ahead cuts: what to commit, which offsets to send, where to begin after a crash. It does no I/O."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Commit", "Committed", "CutLedger", "CutRange", "Intent", "SourcePartition", "Start"]


class SourcePartition(NamedTuple):
    """A partition that events are read from."""

    topic: str
    partition: int


class Intent(NamedTuple):
    """A cut announced before it was sent: the metadata of the commit of its first offset."""

    to_offset: int
    now_ms: int
    """The wall clock that events of the cut were held against, so that a second reading judges them alike."""

    def to_metadata(self, topic_id: str = "") -> str:
        """Write, with the id of the topic where it is known.

        Examples
        --------
        >>> Intent(12, 1_700_000_000_000).to_metadata()
        '{"cut":12,"now":1700000000000}'
        """
        return _metadata({"cut": self.to_offset, "now": self.now_ms}, topic_id)

    @classmethod
    def from_metadata(cls, metadata: str | None) -> Intent | None:
        """Read; None where no cut was announced, or something else wrote the metadata."""
        try:
            content = json.loads(metadata) if metadata else None
            return cls(int(content["cut"]), int(content["now"])) if isinstance(content, dict) else None
        except (ValueError, KeyError, TypeError):
            return None


def _metadata(content: Mapping[str, int], topic_id: str) -> str:
    named = {**content, **({"topic": topic_id} if topic_id else {})}
    return json.dumps(named, separators=(",", ":")) if named else ""


class Committed(NamedTuple):
    """What the group has committed for a source partition."""

    offset: int
    metadata: str | None

    @property
    def topic_id(self) -> str:
        """Id of the topic that the offset belongs to; empty where it was not known."""
        try:
            content = json.loads(self.metadata) if self.metadata else None
        except ValueError:
            return ""
        return str(content.get("topic", "")) if isinstance(content, dict) else ""


class Commit(NamedTuple):
    """One commit to make."""

    source: SourcePartition
    offset: int
    metadata: str
    """Without an intent where the cut before `offset` is finished."""


class CutRange(NamedTuple):
    """The part of a cut that comes from one source partition: offsets `[from_offset, to_offset)`."""

    source: SourcePartition
    from_offset: int
    to_offset: int
    now_ms: int
    recovered: bool
    """It was announced by an owner that did not finish it, so its intent is committed already."""


@dataclass(frozen=True)
class Start:
    """Where to begin to read a source partition."""

    offset: int
    n_lost: int = 0
    """Offsets that were deleted before they were read."""
    made_anew: bool = False
    """The topic is another one of the same name: it is read from its beginning."""
    n_cut_off: int = 0
    """Offsets at the end of the log that were read and counted, and that the broker has lost since."""
    is_new: bool = False
    """The group has no commit for this partition yet."""


@dataclass(slots=True)
class _Progress:
    start: int
    """First offset of the running cut."""
    position: int
    """Next offset to be read."""
    stop_at: int | None = None
    """Offset at which the running cut must end."""
    recovered: Intent | None = None
    now_ms: int | None = None
    unfinished: bool = False
    """`start` is to be committed without an intent: the cut before it was sent, or the group has no commit yet."""


class CutLedger:
    """Progress of each assigned source partition through its cuts.

    A cut `[from, to)` of a partition goes through these steps, in this order; after a crash between any two of them the next owner
    sends the same cut, or nothing was sent:

    1. commit `from` with the intent `to` (one commit with 3. of the cut before);
    2. send the records of the cut and wait until they were delivered;
    3. commit `to` without an intent.

    Invariant: `start <= position <= stop_at`.
    """

    def __init__(self) -> None:
        self._progress: dict[SourcePartition, _Progress] = {}
        self.topic_ids: dict[str, str] = {}
        """Of the source topics, where the broker tells them: a topic that was made anew has another one."""

    # --- assignment ----------------------------------------------------------------------------------------------------------------

    def assign(
        self, source: SourcePartition, committed: Committed | None, *, low: int, high: int, start_at: str
    ) -> Start:
        """Take a partition over; return where to begin.

        Parameters
        ----------
        source
            The partition.
        committed
            What the group committed last; None: nothing yet.
        low, high
            First offset of the log, and the one after its last.
        start_at
            `earliest` or `latest`, for a partition without a commit.
        """
        if committed is None:
            first = low if start_at == "earliest" else high
            self._progress[source] = _Progress(first, first, unfinished=True)
            return Start(first, is_new=True)
        known, topic_id = committed.topic_id, self.topic_ids.get(source.topic, "")
        if known != topic_id if known and topic_id else committed.offset > high:
            # Where no id tells the two apart, rather read what was read than leave out what was not.
            self._progress[source] = _Progress(low, low, unfinished=True)
            return Start(low, made_anew=True)
        if committed.offset > high:
            self._progress[source] = _Progress(high, high, unfinished=True)
            return Start(high, n_cut_off=committed.offset - high)
        first = max(committed.offset, low)
        intent = Intent.from_metadata(committed.metadata)
        if intent is not None and intent.to_offset > first:
            # Should the log have lost its end, what is left of the cut is sent under the same offsets as far as it goes.
            to_offset = min(intent.to_offset, high)
            self._progress[source] = _Progress(
                committed.offset, first, stop_at=to_offset, recovered=intent, now_ms=intent.now_ms
            )
        else:
            self._progress[source] = _Progress(first, first, unfinished=intent is not None or first > committed.offset)
        return Start(first, n_lost=first - committed.offset)

    def revoke(self, source: SourcePartition) -> Commit | None:
        """Give a partition up; return the commit that finishes its last cut, if it was sent and not yet finished."""
        progress = self._progress.pop(source, None)
        if progress is None or not progress.unfinished:
            return None
        return Commit(source, progress.start, self._finished(source))

    def forget(self, source: SourcePartition) -> None:
        """Drop a partition that was lost: its new owner begins at what was committed."""
        self._progress.pop(source, None)

    def __contains__(self, source: object) -> bool:
        return source in self._progress

    @property
    def sources(self) -> list[SourcePartition]:
        """Assigned partitions, sorted."""
        return sorted(self._progress)

    # --- reading -------------------------------------------------------------------------------------------------------------------

    def position(self, source: SourcePartition) -> int:
        """Next offset to be read."""
        return self._progress[source].position

    def stop_at(self, source: SourcePartition) -> int | None:
        """Offset at which the running cut must end; what is behind it belongs to the next one."""
        return self._progress[source].stop_at

    def end_at(self, source: SourcePartition, offset: int) -> None:
        """End the running cut at `offset`, unless it ends before."""
        progress = self._progress[source]
        progress.stop_at = offset if progress.stop_at is None else min(progress.stop_at, offset)

    def advance(self, source: SourcePartition, position: int) -> None:
        """Note that everything below `position` was read."""
        progress = self._progress[source]
        if progress.stop_at is not None:
            position = min(position, progress.stop_at)
        progress.position = max(progress.position, position)

    def clock(self, source: SourcePartition, now_ms: int) -> int:
        """Wall clock of the running cut: the first that is asked for, or the one of the cut that is recovered."""
        progress = self._progress[source]
        if progress.now_ms is None:
            progress.now_ms = now_ms
        return progress.now_ms

    def is_quiet(self, source: SourcePartition) -> bool:
        """Whether nothing was read since the last cut."""
        progress = self._progress[source]
        return progress.position == progress.start and progress.recovered is None

    def is_recovering(self, source: SourcePartition) -> bool:
        """Whether the running cut was announced by another owner: it ends where that one said, and nowhere else."""
        return self._progress[source].recovered is not None

    def at_boundary(self) -> list[SourcePartition]:
        """Partitions that can be read no further before they are cut."""
        return [s for s, p in self._progress.items() if p.stop_at is not None and p.position >= p.stop_at]

    # --- cutting -------------------------------------------------------------------------------------------------------------------

    def next_cut(self, sources: Collection[SourcePartition] | None = None, *, now_ms: int) -> list[CutRange]:
        """Return what can be cut now, of all partitions or of some; changes nothing."""
        ranges = []
        for source in sorted(self._progress if sources is None else sources):
            progress = self._progress[source]
            if progress.recovered is not None:
                # The cut must be the same as the one announced, so it waits until all of it was read again.
                if progress.stop_at is not None and progress.position >= progress.stop_at:
                    to_offset = progress.recovered.to_offset
                    ranges.append(CutRange(source, progress.start, to_offset, progress.recovered.now_ms, True))
            elif progress.position > progress.start:
                clock = now_ms if progress.now_ms is None else progress.now_ms
                ranges.append(CutRange(source, progress.start, progress.position, clock, False))
        return ranges

    def intents(self, cut: Iterable[CutRange]) -> list[Commit]:
        """Commits to make before the cut is sent; each finishes the cut before it as well."""
        return [
            Commit(
                r.source,
                r.from_offset,
                Intent(r.to_offset, r.now_ms).to_metadata(self.topic_ids.get(r.source.topic, "")),
            )
            for r in cut
            if not r.recovered
        ]

    def _finished(self, source: SourcePartition) -> str:
        """Metadata of a commit without an intent."""
        return _metadata({}, self.topic_ids.get(source.topic, ""))

    def sent(self, cut: Iterable[CutRange]) -> None:
        """Note that the cut was delivered; the next one begins where it ends."""
        for r in cut:
            progress = self._progress.get(r.source)
            if progress is None:  # revoked meanwhile
                continue
            position = progress.position if not r.recovered else progress.stop_at or r.to_offset
            self._progress[r.source] = _Progress(position, position, unfinished=True)

    def finishing(self) -> list[Commit]:
        """Commits that finish cuts that were sent."""
        return [Commit(s, p.start, self._finished(s)) for s, p in sorted(self._progress.items()) if p.unfinished]

    def committed(self, commits: Iterable[Commit]) -> None:
        """Note that these commits were made."""
        for commit in commits:
            progress = self._progress.get(commit.source)
            if progress is not None and progress.start == commit.offset:
                progress.unfinished = False
