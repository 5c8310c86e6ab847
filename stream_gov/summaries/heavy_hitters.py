"""The most frequent items of a stream in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["HeavyHitters"]


class HeavyHitters:
    """Misra-Gries counters: the items that make up more than `1 / (capacity + 1)` of the stream are among those kept.

    Parameters
    ----------
    capacity
        Items kept, at least 1.

    Notes
    -----
    Error: exact while there were never more than `capacity` items. Otherwise a kept count is too small by at most `error`, and
    `error <= n / (capacity + 1)`; the sum over all merges keeps that bound. `n` is exact always, and so is merging within the bound.

    References
    ----------
    Misra and Gries (1982), Finding repeated elements, Science of Computer Programming 2. Agarwal, Cormode, Huang, Phillips, Wei and Yi
    (2013), Mergeable summaries, ACM Transactions on Database Systems 38.

    Examples
    --------
    >>> h = HeavyHitters(2)
    >>> h.update({"a": 5, "b": 3, "c": 1})
    >>> h.counts, h.n, h.other, h.error
    ({'a': 4, 'b': 2}, 9, 3, 1)
    """

    __slots__ = ("capacity", "counts", "error", "n")

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            msg = f"capacity must be at least 1, got {capacity}"
            raise ValueError(msg)
        self.capacity = capacity
        self.counts: dict[str, int] = {}
        self.n = 0
        self.error = 0

    @property
    def other(self) -> int:
        """Occurrences that no kept count holds."""
        return self.n - sum(self.counts.values())

    def update(self, counts: Mapping[str, int]) -> None:
        """Add occurrences by item."""
        mine = self.counts
        for item, count in counts.items():
            mine[item] = mine.get(item, 0) + count
            self.n += count
        self._prune()

    def _prune(self) -> None:
        if len(self.counts) <= self.capacity:
            return
        cut = sorted(self.counts.values(), reverse=True)[self.capacity]
        self.error += cut
        self.counts = {item: count - cut for item, count in self.counts.items() if count > cut}

    def merge(self, other: HeavyHitters) -> HeavyHitters:
        """Return the summary of both; neither is changed."""
        merged = HeavyHitters(max(self.capacity, other.capacity))
        merged.counts = dict(self.counts)
        for item, count in other.counts.items():
            merged.counts[item] = merged.counts.get(item, 0) + count
        merged.n = self.n + other.n
        merged.error = self.error + other.error
        merged._prune()
        return merged

    def most_common(self) -> list[tuple[str, int]]:
        """Items and counts, most frequent first, equal counts by name."""
        return sorted(self.counts.items(), key=lambda kv: (-kv[1], kv[0]))

    def to_state(self) -> list[Any]:
        """Plain data, for packing; sorted, so that equal content gives equal bytes."""
        return [self.capacity, sorted(self.counts.items()), self.n, self.error]

    @classmethod
    def from_state(cls, state: list[Any]) -> HeavyHitters:
        """Read what :meth:`to_state` gave."""
        capacity, counts, n, error = state
        summary = cls(capacity)
        summary.counts = dict(counts)
        summary.n, summary.error = n, error
        return summary
