"""Which rows of a file a command takes: by their numbers, or by their event times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stream_gov.contracts import ConfigurationError, DataError

if TYPE_CHECKING:
    from stream_gov.files import TabularFile
    from stream_gov.reference import RowBatch

__all__ = ["RowChoice", "parse_rows", "parse_time"]

_ROWS = re.compile(r"(\d*):(\d*)")


def parse_rows(text: str) -> tuple[int, int | None]:
    """Read `FIRST:END`, counted from 0, the end not included; either may be left out.

    Raises
    ------
    ConfigurationError
        The text is no range.

    Examples
    --------
    >>> parse_rows("0:17520"), parse_rows("17520:")
    ((0, 17520), (17520, None))
    """
    match = _ROWS.fullmatch(text.replace("_", ""))
    if match is None or text == ":" or (match[1] and match[2] and int(match[2]) <= int(match[1])):
        msg = f"--rows {text}: this is no range of rows; write FIRST:END, counted from 0 and the end not included, such as 0:17520 or 17520:"
        raise ConfigurationError(msg)
    return int(match[1] or 0), int(match[2]) if match[2] else None


def parse_time(text: str, flag: str) -> int:
    """Read a date or a time in RFC 3339 (taken as UTC where it has no offset) as epoch milliseconds.

    Raises
    ------
    ConfigurationError
        The text is neither.

    Examples
    --------
    >>> parse_time("1970-01-02", "--from"), parse_time("1970-01-01T10:00:00+10:00", "--from")
    (86400000, 0)
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as err:
        msg = f"{flag} {text}: this is no time; write a date or a time such as 2026-02-01 or 2026-02-01T12:00:00+01:00"
        raise ConfigurationError(msg) from err
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000)


@dataclass(frozen=True, slots=True)
class RowChoice:
    """Rows `start` to `stop - 1`, and of these the ones whose event time is at least `from_ms` and before `until_ms`."""

    start: int = 0
    stop: int | None = None
    from_ms: int | None = None
    until_ms: int | None = None

    @classmethod
    def from_flags(cls, rows: str | None, from_time: str | None, until_time: str | None) -> RowChoice:
        """Read the flags `--rows`, `--from` and `--until`; each may be None.

        Raises
        ------
        ConfigurationError
            A flag cannot be read, or the end comes before the start.
        """
        start, stop = parse_rows(rows) if rows is not None else (0, None)
        from_ms = None if from_time is None else parse_time(from_time, "--from")
        until_ms = None if until_time is None else parse_time(until_time, "--until")
        if from_ms is not None and until_ms is not None and until_ms <= from_ms:
            msg = (
                f"--from {from_time} --until {until_time}: the end must come after the start, since it is not included"
            )
            raise ConfigurationError(msg)
        return cls(start, stop, from_ms, until_ms)

    @property
    def by_time(self) -> bool:
        """Whether event times decide."""
        return self.from_ms is not None or self.until_ms is not None

    @property
    def text(self) -> str:
        """Say it in words; empty where every row is taken."""
        parts = []
        if self.start or self.stop is not None:
            parts.append(f"rows {self.start} to {'the end' if self.stop is None else self.stop - 1}")
        for word, time_ms in (("from", self.from_ms), ("until", self.until_ms)):
            if time_ms is not None:
                parts.append(f"{word} {datetime.fromtimestamp(time_ms / 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}")
        return ", ".join(parts)

    def batches(self, file: TabularFile) -> Iterator[RowBatch]:
        """Yield the chosen rows as a profile builder takes them.

        Raises
        ------
        DataError
            None is left, or the file has no event times where they should decide.
        """
        if not self.by_time:
            yield from file.row_batches(self.start, self.stop)
            return
        import numpy as np

        n = 0
        for batch in file.row_batches(self.start, self.stop):
            if batch.times_ms is None:
                msg = (
                    f"{file.path}: no column of event times was found for --from and --until; name it with --timestamp"
                )
                raise DataError(msg)
            wanted = np.ones(batch.n_rows, bool)
            if self.from_ms is not None:
                wanted &= batch.times_ms >= self.from_ms
            if self.until_ms is not None:
                wanted &= batch.times_ms < self.until_ms
            if wanted.any():
                n += int(wanted.sum())
                yield batch if wanted.all() else batch.take(np.flatnonzero(wanted))
        self._refuse_nothing(n, file)

    def extent(self, file: TabularFile) -> tuple[int, int, int]:
        """Count the chosen rows, and find their least and largest event time (epoch milliseconds).

        Raises
        ------
        DataError
            None is left, or the file has no event times.
        """
        n, first, last = 0, 2**62, -(2**62)
        for batch in self.batches(file):
            if batch.times_ms is None:
                msg = f"{file.path}: no column of event times was found; name it with --timestamp"
                raise DataError(msg)
            n += batch.n_rows
            first, last = min(first, int(batch.times_ms.min())), max(last, int(batch.times_ms.max()))
        return n, first, last

    def events(self, file: TabularFile, model: str) -> Iterator[tuple[int, str, bytes]]:
        """Yield the chosen rows as inference events: event time, event id, message.

        Raises
        ------
        DataError
            None is left, or the file has no event times.
        """
        if not self.by_time:
            yield from file.events(model=model, start=self.start, stop=self.stop)
            return
        n = 0
        for event in file.events(model=model, start=self.start, stop=self.stop):
            if (self.from_ms is None or event[0] >= self.from_ms) and (
                self.until_ms is None or event[0] < self.until_ms
            ):
                n += 1
                yield event
        self._refuse_nothing(n, file)

    def _refuse_nothing(self, n: int, file: TabularFile) -> None:
        if not n:
            msg = f"{file.path}: no row lies in the time asked for ({self.text}); choose another --from or --until"
            raise DataError(msg)
