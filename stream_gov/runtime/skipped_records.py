"""Notices records of the topic of summaries that were skipped on their way to the detector."""

from __future__ import annotations

from collections.abc import Mapping

from stream_gov.contracts import UnavailableError

__all__ = ["SkippedRecords", "SkippedRecordsError"]


class SkippedRecordsError(UnavailableError):
    """Records did not reach the detector. Remedy: none needed; the worker reads them again from what was committed."""


class SkippedRecords:
    """Offsets of a topic without transactions and compaction have no gaps; one means that records were skipped.

    At the first sight of a gap the reader begins anew from what was committed, which is before the gap. A gap that is there again is
    in the log itself: retention was faster than the detector. It is accepted, and told as a loss.
    """

    def __init__(self) -> None:
        self._expected: dict[int, int] = {}
        self._seen: set[tuple[int, int, int]] = set()

    def begin(self, positions: Mapping[int, int]) -> None:
        """Begin to read partitions, each at the offset that comes next by what was committed."""
        self._expected = dict(positions)

    def check(self, partition: int, offset: int) -> int:
        """Take the offset of the next record; return how many were lost before it.

        Raises
        ------
        SkippedRecordsError
            Some were skipped: begin anew.
        """
        expected = self._expected.get(partition, offset)
        self._expected[partition] = max(expected, offset + 1)
        if offset <= expected:  # in order, or a repetition
            return 0
        gap = (partition, expected, offset)
        if gap in self._seen:
            return offset - expected
        self._seen.add(gap)
        msg = f"records {expected} to {offset - 1} of partition {partition} of the summaries did not reach the detector"
        raise SkippedRecordsError(msg)
