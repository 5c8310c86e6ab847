"""Run the workers as processes of their own: start, restart after a crash, stop in order, leave none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import IO

from stream_gov.runtime.stop_signals import PARENT_VARIABLE
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.settings import ENV_PREFIX, Settings

__all__ = ["Supervisor", "WorkerSpec", "default_workers"]

_LOOK_EVERY_S = 0.1
_GRACE_S = 15.0
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 1.0, 30.0
_HEALTHY_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One worker: its name, and the arguments of the `stream-gov` command that runs it."""

    name: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def default_workers(settings: Settings, *, influx: bool | None = None) -> list[WorkerSpec]:
    """Workers of `stream-gov up`, in the order of the flow: each is stopped before the next.

    Parameters
    ----------
    settings
        `metrics_port` is that of the first worker; the others count on from it. 0: each takes none.
    influx
        Run the InfluxDB sink; None: if a token is configured.
    """
    with_influx = bool(settings.influx.token.get_secret_value()) if influx is None else influx
    commands = [("ingest",), ("detect",), ("sink", "store"), ("sink", "prometheus")]
    if with_influx:
        commands.append(("sink", "influx"))
    workers = []
    for i, command in enumerate(commands):
        port = settings.metrics_port + i if settings.metrics_port else 0
        workers.append(WorkerSpec("-".join(command), command, {f"{ENV_PREFIX}METRICS_PORT": str(port)}))
    return workers


@dataclass(slots=True)
class _Worker:
    spec: WorkerSpec
    process: subprocess.Popen[str] | None = None
    reader: Thread | None = None
    started_s: float = 0.0
    backoff_s: float = _FIRST_BACKOFF_S
    restart_at_s: float | None = None
    crashes: int = 0


class Supervisor:
    """Runs workers until it is told to stop.

    Parameters
    ----------
    settings
        The broker, the state directory and the log format are handed to every worker through its environment; the rest they read
        themselves, from the same file and environment.
    workers
        In the order of the flow.
    on_line
        Takes every line that a worker writes: its name, and the line. Called from threads of its own.
    grace_s
        How long a worker may take to stop before it is killed.
    """

    def __init__(
        self,
        settings: Settings,
        workers: Sequence[WorkerSpec],
        *,
        on_line: Callable[[str, str], None],
        grace_s: float = _GRACE_S,
    ) -> None:
        self._settings = settings
        self._workers = [_Worker(spec) for spec in workers]
        self._on_line = on_line
        self._grace_s = grace_s
        self._log = get_logger("up")

    def start(self) -> None:
        """Start every worker."""
        for worker in self._workers:
            self._start(worker)

    def run(self, stop: Event) -> None:
        """Start every worker, restart those that end, until `stop` is set; then stop them all."""
        try:
            self.start()
            while not stop.wait(_LOOK_EVERY_S):
                self.look_after()
        finally:
            self.stop()

    def look_after(self) -> None:
        """Restart workers that have ended, each time after a longer wait."""
        now = time.monotonic()
        for worker in self._workers:
            if worker.process is None:
                if worker.restart_at_s is not None and now >= worker.restart_at_s:
                    self._start(worker)
                continue
            code = worker.process.poll()
            if code is None:
                if now - worker.started_s > _HEALTHY_AFTER_S:
                    worker.backoff_s = _FIRST_BACKOFF_S
                continue
            worker.crashes += 1
            worker.process = None
            worker.restart_at_s = now + worker.backoff_s
            self._log.error(
                "a worker has ended; it is started again",
                ended=worker.spec.name,
                exit_code=code,
                after_seconds=round(now - worker.started_s, 1),
                wait_seconds=worker.backoff_s,
            )
            worker.backoff_s = min(2 * worker.backoff_s, _LAST_BACKOFF_S)

    @property
    def running(self) -> dict[str, int]:
        """Process id of each running worker by name."""
        return {w.spec.name: w.process.pid for w in self._workers if w.process is not None and w.process.poll() is None}

    @property
    def crashes(self) -> dict[str, int]:
        """How often each worker has ended by itself, by name."""
        return {w.spec.name: w.crashes for w in self._workers if w.crashes}

    def _start(self, worker: _Worker) -> None:
        environment = {
            **os.environ,
            f"{ENV_PREFIX}BOOTSTRAP": self._settings.bootstrap,
            f"{ENV_PREFIX}STATE_DIR": str(self._settings.state_dir.absolute()),
            f"{ENV_PREFIX}LOG_FORMAT": self._settings.log_format,
            f"{ENV_PREFIX}LOG_LEVEL": self._settings.log_level,
            "PYTHONUNBUFFERED": "1",
            **worker.spec.environment,
            PARENT_VARIABLE: str(os.getpid()),
        }
        command = [sys.executable, "-m", "stream_gov.cli.main", *worker.spec.arguments]
        # A session of its own: Ctrl-C reaches only the supervisor, which stops the workers in order.
        worker.process = subprocess.Popen(  # noqa: S603  # our own command
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        worker.started_s = time.monotonic()
        worker.restart_at_s = None
        if worker.process.stdout is not None:
            worker.reader = Thread(
                target=self._read, args=(worker.spec.name, worker.process.stdout), name=worker.spec.name, daemon=True
            )
            worker.reader.start()

    def _read(self, name: str, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                self._on_line(name, line.rstrip("\n"))

    def stop(self) -> None:
        """Stop the workers in the order of the flow, so that what one still sends the next still takes; kill what does not stop."""
        for worker in self._workers:
            worker.restart_at_s = None
            process = worker.process
            if process is None:
                continue
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(self._grace_s)
                except subprocess.TimeoutExpired:
                    self._log.warning("a worker does not stop; it is killed", killed=worker.spec.name)
                    process.kill()
                    process.wait()
            if worker.reader is not None:
                worker.reader.join(1.0)
            worker.process = None
