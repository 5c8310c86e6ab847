"""A sink in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from stream_gov.sinks import SinkCounts

MOCK_CLUSTER_OPTIONS = {"session.timeout.ms": "4500"}
"""Options under `kafka` for a mock cluster: it notices only by this that a member has left."""


class Worker:
    """Runs a sink until its context ends, and keeps what it logged.

    Parameters
    ----------
    work
        The sink; takes what stops it and where it counts.
    """

    def __init__(self, work: Callable[[threading.Event, SinkCounts], None]) -> None:
        self.counts = SinkCounts()
        self.logs: list[Any] = []
        self._stop = threading.Event()
        self._work = work
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with capture_logs() as self.logs:
            self._work(self._stop, self.counts)

    def until(self, condition: Callable[[], object], timeout_s: float = 45.0) -> None:
        """Wait for something to come true."""
        waiting = threading.Event()
        for _ in range(int(timeout_s / 0.05)):
            if condition():
                return
            waiting.wait(0.05)
        pytest.fail(f"waited in vain; {self.counts}; {self.logs}")

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
