"""Notices that the process stood still: stopped by a signal, swapped out, or its machine paused."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType

__all__ = ["StallWatch"]

_TICK_S = 0.25


class StallWatch:
    """A thread that looks at the clock; who finds a gap in its looks knows that the process stood still.

    A consumer whose process stood still for longer than its session has lost its partitions, but learns of it only with the next
    heartbeat; what it would write until then would stand above what the new owner has written. So it asks here before it writes.

    Parameters
    ----------
    limit_s
        Longest gap that is harmless, in seconds: less than the session timeout of the group.
    """

    def __init__(self, limit_s: float, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._monotonic_s = monotonic_s
        self._last = monotonic_s()
        self._longest = 0.0
        self._stop = Event()
        self._thread = Thread(target=self._run, name="stall-watch", daemon=True)

    def stalled_s(self) -> float | None:
        """Longest gap in seconds if there was one beyond the limit; once found it stays."""
        # The caller may be the first thread to run again, before the watching one could look.
        gap = max(self._longest, self._monotonic_s() - self._last)
        return gap if gap > self._limit_s else None

    def look(self) -> None:
        """Look at the clock."""
        now = self._monotonic_s()
        self._longest = max(self._longest, now - self._last)
        self._last = now

    def _run(self) -> None:
        while not self._stop.wait(_TICK_S):
            self.look()

    def __enter__(self) -> StallWatch:
        self._last = self._monotonic_s()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=2.0)
