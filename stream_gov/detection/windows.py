"""Windows as unions of panes, in event time. A start is inclusive, an end exclusive; starts are multiples of `every` since 1970."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["closing_watermark", "first_end_after", "last_end_containing", "window_ends_containing"]


def window_ends_containing(start_ms: int, end_ms: int, *, size_ms: int, every_ms: int) -> Iterator[int]:
    """Ends of all windows that contain the whole of `[start_ms, end_ms)`, least first.

    Examples
    --------
    >>> list(window_ends_containing(20, 30, size_ms=30, every_ms=10))
    [30, 40, 50]
    >>> list(window_ends_containing(20, 30, size_ms=10, every_ms=10))
    [30]
    """
    # Window starts are k * every with end_ms - size <= k * every <= start_ms.
    k = -((size_ms - end_ms) // every_ms)
    while k * every_ms <= start_ms:
        yield k * every_ms + size_ms
        k += 1


def last_end_containing(start_ms: int, *, size_ms: int, every_ms: int) -> int:
    """End of the last window that contains the time `start_ms`.

    Examples
    --------
    >>> last_end_containing(25, size_ms=30, every_ms=10)
    50
    """
    return start_ms // every_ms * every_ms + size_ms


def first_end_after(time_ms: int, *, size_ms: int, every_ms: int) -> int:
    """Least end of a window that is greater than `time_ms`.

    Examples
    --------
    >>> first_end_after(30, size_ms=30, every_ms=10), first_end_after(31, size_ms=30, every_ms=10)
    (40, 40)
    >>> first_end_after(31, size_ms=35, every_ms=10)
    35
    """
    return (time_ms - size_ms) // every_ms * every_ms + every_ms + size_ms


def closing_watermark(last_event_ms: int, *, size_ms: int, every_ms: int, allowed_lateness_ms: int) -> int:
    """Event time at which every window that may contain an event of `last_event_ms` or before is closed for good.

    The end of a replay, and of a backtest.

    Examples
    --------
    >>> closing_watermark(25, size_ms=30, every_ms=10, allowed_lateness_ms=5)
    55
    """
    return last_end_containing(last_event_ms, size_ms=size_ms, every_ms=every_ms) + allowed_lateness_ms
