"""How a worker is told to stop: a signal, or the end of the process that started it."""

from __future__ import annotations

import os
import signal
from threading import Event, Thread
from types import FrameType

__all__ = ["PARENT_VARIABLE", "stop_on_signals"]

PARENT_VARIABLE = "STREAM_GOV_PARENT_PID"
"""Process that a worker must not outlive; the supervisor sets it."""

_LOOK_EVERY_S = 1.0


def stop_on_signals() -> Event:
    """Return an event that SIGTERM and SIGINT set, and the end of the supervisor, if one started this process.

    A second signal ends the process at once, as if nothing were handled. Call it from the main thread.
    """
    stop = Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is not None:
        Thread(target=_watch_parent, args=(int(parent), stop), name="parent-watch", daemon=True).start()
    return stop


def _watch_parent(parent: int, stop: Event) -> None:
    # A killed supervisor cannot say goodbye: its children are then children of another process.
    while not stop.wait(_LOOK_EVERY_S):
        if os.getppid() != parent:
            stop.set()
