"""Which windows of a series are to be closed, as event time passes their ends."""

from __future__ import annotations

from stream_gov.detection.state import Series
from stream_gov.detection.windows import first_end_after, window_ends_containing

__all__ = ["MAX_EMPTY_WINDOWS", "due_windows"]

MAX_EMPTY_WINDOWS = 30
"""Windows without events that a silent series still reports, one after the other; then it is forgotten until it speaks again."""


def due_windows(series: Series, now_ms: int, *, size_ms: int, every_ms: int) -> list[int]:
    """Ends of the windows to close now, least first: all that hold a pane, and the first empty ones after events.

    Parameters
    ----------
    series
        Whose; windows that it has closed are not among them.
    now_ms
        Event time.
    size_ms, every_ms
        Length of a window, and distance of the starts of two.
    """
    with_panes: set[int] = set()
    for start, length, _ in series.panes:
        with_panes.update(window_ends_containing(start, start + length, size_ms=size_ms, every_ms=every_ms))
    closed = series.closed_until_ms
    due = {e for e in with_panes if e <= now_ms and (closed is None or e > closed)}
    if closed is None and not due:
        return []
    # A silent series reports a bounded number of empty windows after each stretch of events.
    speaking = sorted({series.last_event_end_ms, *due} - {0})
    for last in speaking:
        end = first_end_after(last, size_ms=size_ms, every_ms=every_ms)
        for _ in range(MAX_EMPTY_WINDOWS):
            if end > now_ms or end in due:
                break
            if closed is None or end > closed:
                due.add(end)
            end += every_ms
    return sorted(due)
