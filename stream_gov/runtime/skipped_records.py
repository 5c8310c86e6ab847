"""Notices records of the topic of summaries that were skipped on their way to the detector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from stream_gov.contracts import UnavailableError

__all__ = ["SkippedRecords", "SkippedRecordsError"]


_IN_THE_LOG = 5
"""Times that the same gap is met until it is taken for one of the log itself."""


class SkippedRecordsError(UnavailableError):
    """Records did not reach the detector. Remedy: none needed; the worker reads them again from what was committed."""


class SkippedRecords:
    """Offsets of a topic without transactions and compaction have no gaps; one means that records were skipped.

    What the broker has deleted meanwhile is a loss, which is told. What it still has was skipped by the library in between: the
    reader begins anew from what was committed, which is before the gap. Should a gap be there every time, it is in the log itself
    (marks of transactions, say), and is accepted too.
    """

    def __init__(self) -> None:
        self._expected: dict[int, int] = {}
        self._first_offset_of: Callable[[int], int] = lambda _partition: 0
        self._seen: Counter[tuple[int, int, int]] = Counter()

    def begin(self, positions: Mapping[int, int], first_offset_of: Callable[[int], int]) -> None:
        """Begin to read partitions.

        Parameters
        ----------
        positions
            By partition the offset that comes next, by what was committed.
        first_offset_of
            Asks the broker for the first offset it still has of a partition.
        """
        self._expected = dict(positions)
        self._first_offset_of = first_offset_of

    def check(self, partition: int, offset: int) -> int:
        """Take the offset of the next record; return how many were lost before it.

        Raises
        ------
        SkippedRecordsError
            Some were skipped: begin anew.
        """
        expected = self._expected.get(partition, offset)
        if offset <= expected:  # in order, or a repetition
            self._expected[partition] = max(expected, offset + 1)
            return 0
        gap = (partition, expected, offset)
        self._seen[gap] += 1
        if self._first_offset_of(partition) < offset and self._seen[gap] < _IN_THE_LOG:
            msg = f"records {expected} to {offset - 1} of partition {partition} of the summaries did not reach the detector"
            raise SkippedRecordsError(msg)
        self._expected[partition] = offset + 1
        return offset - expected
