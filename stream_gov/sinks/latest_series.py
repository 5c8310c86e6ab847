"""The newest value of each of a bounded number of series."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["LatestSeries"]

T = TypeVar("T")

_MISSED_WINDOWS = 2
"""A series that has not reported for so many of its own windows gives way when there is no room left."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    start_ms: int
    end_ms: int
    revision: int
    value: T


class LatestSeries(Generic[T]):
    """Keeps the value of the newest window of each series, for at most `max_series` of them.

    A window that ends earlier than the one kept changes nothing, nor does a lower revision of the same. At the bound, series that have
    fallen silent (such as those of a model version that was retired) are forgotten; if there are none, the new series is left out, since
    series that come and go are worse than one that is missing and counted.

    Parameters
    ----------
    max_series
        The bound.
    is_over
        Values that may be forgotten at the bound, in place of those of silent series.

    Examples
    --------
    >>> latest = LatestSeries[float](max_series=1)
    >>> latest.update(("a",), 0, 10, 0, 0.5), latest.update(("b",), 0, 10, 0, 0.7)
    (True, False)
    >>> list(latest), latest.n_dropped
    ([(('a',), 0.5)], 1)
    """

    def __init__(self, max_series: int, *, is_over: Callable[[T], bool] | None = None) -> None:
        if max_series < 1:
            msg = f"max_series is {max_series}; it must be at least 1"
            raise ValueError(msg)
        self.n_dropped = 0
        """Values that were left out for lack of room."""
        self._max_series = max_series
        self._is_over = is_over
        self._entries: dict[tuple[str, ...], _Entry[T]] = {}
        self._searched_until_ms: int | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], T]]:
        return ((key, entry.value) for key, entry in self._entries.items())

    def update(self, key: tuple[str, ...], start_ms: int, end_ms: int, revision: int, value: T) -> bool:
        """Take the value of a window; false if there was no room for its series."""
        known = self._entries.get(key)
        if known is None and len(self._entries) >= self._max_series:
            self._make_room(end_ms)
            if len(self._entries) >= self._max_series:
                self.n_dropped += 1
                return False
        if known is None or (end_ms, revision) >= (known.end_ms, known.revision):
            self._entries[key] = _Entry(start_ms, end_ms, revision, value)
        return True

    def _make_room(self, now_ms: int) -> None:
        if self._searched_until_ms is not None and now_ms <= self._searched_until_ms:
            return  # looked through all series for this time already
        self._searched_until_ms = now_ms
        self._entries = {key: entry for key, entry in self._entries.items() if not self._may_forget(entry, now_ms)}

    def _may_forget(self, entry: _Entry[T], now_ms: int) -> bool:
        if self._is_over is not None:
            return self._is_over(entry.value)
        return entry.end_ms + _MISSED_WINDOWS * (entry.end_ms - entry.start_ms) < now_ms
