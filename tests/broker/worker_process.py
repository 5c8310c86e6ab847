"""A worker as users run it: a process of its own, which tests stop, kill and freeze."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tests.broker.cluster import TestCluster, wait_until


class Worker:
    """A worker process and the lines it has written."""

    def __init__(self, cluster: TestCluster, *command: str, folder: Path, **environment: str) -> None:
        self._log = (folder / "worker.log").open("a+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stream_gov.cli.main", *command],
            env=cluster.environment(**environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._path = Path(self._log.name)

    def lines(self) -> str:
        return self._path.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        wait_until(lambda: text in self.lines() or self.process.poll() is not None, f"{text!r} in the log")
        assert text in self.lines(), self.lines()

    def stop(self) -> tuple[int, float]:
        """Send SIGTERM; return exit code and seconds."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30), time.monotonic() - began

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()
