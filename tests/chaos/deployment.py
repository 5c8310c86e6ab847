"""All workers of a deployment as processes, the faults that befall them, and what stands on the topics and in the stores afterwards."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from confluent_kafka import Producer

from tests.broker.cluster import TestCluster
from tests.broker.worker_process import Worker
from tests.chaos.traffic import Message
from tests.servers.finder import Server, stop_process

START_PAUSE_S = 0.3


@dataclass
class Deployment:
    """Workers by name, such as `ingest-1` or `sink influx`; a context manager that ends every process it started."""

    cluster: TestCluster
    folder: Path
    counts: Mapping[str, int]
    """How many of each command."""
    environment: Mapping[str, str] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._starts = 0
        self._broker_pid: int | None = None
        self._frozen: dict[str, threading.Timer] = {}

    def __enter__(self) -> Deployment:
        for command, n in self.counts.items():
            self.scale(command, n)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for thaw in self._frozen.values():
            thaw.cancel()
        for worker in self._workers.values():
            worker.__exit__(None, None, None)

    @property
    def names(self) -> list[str]:
        """Of the workers that are not frozen just now."""
        return sorted(n for n in self._workers if n not in self._frozen or not self._frozen[n].is_alive())

    def wait_for_the_frozen(self) -> None:
        for thaw in self._frozen.values():
            thaw.join()

    def pid(self, name: str) -> int:
        return self._workers[name].process.pid

    def start(self, name: str) -> None:
        self._starts += 1
        folder = self.folder / f"{self._starts:03}-{name.replace(' ', '-')}"
        folder.mkdir(parents=True)
        self._workers[name] = Worker(self.cluster, *name.partition("-")[0].split(), folder=folder, **self.environment)

    def scale(self, command: str, n: int) -> None:
        """Have so many workers of a command; those that are too many are stopped in order."""
        there = [name for name in self.names if name.partition("-")[0] == command]
        for i in range(1, n + 1):
            if f"{command}-{i}" not in there:
                self.start(f"{command}-{i}")
        for name in there:
            if int(name.partition("-")[2]) > n:
                worker = self._workers.pop(name)
                code, seconds = worker.stop()
                assert code == 0, worker.lines()
                assert seconds < 20, f"{name} took {seconds:.0f} s to stop"
                worker.__exit__(None, None, None)

    def kill(self, name: str) -> None:
        """`kill -9`, and start it again."""
        self._workers[name].__exit__(None, None, None)
        self.start(name)
        self.faults[f"kill -9 {name.partition('-')[0]}"] += 1

    def stop_in_mid_work(self, name: str) -> None:
        """SIGTERM, as in a rolling upgrade, and start it again."""
        worker = self._workers[name]
        code, seconds = worker.stop()
        assert code == 0, worker.lines()
        assert seconds < 20, f"{name} took {seconds:.0f} s to stop"
        worker.__exit__(None, None, None)
        self.start(name)
        self.faults[f"SIGTERM {name.partition('-')[0]}"] += 1

    def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP for longer than a session lasts: others take over, and then the zombie wakes up; returns at once."""
        process = self._workers[name].process
        process.send_signal(signal.SIGSTOP)
        thaw = threading.Timer(seconds, lambda: process.poll() is None and process.send_signal(signal.SIGCONT))
        thaw.start()
        self._frozen[name] = thaw
        self.faults[f"SIGSTOP {name.partition('-')[0]}"] += 1

    def restart_broker(self, server: Server, how: signal.Signals) -> None:
        assert server.start_again is not None
        assert server.pid is not None
        stop_process(self.broker_pid(server), how)
        time.sleep(1.0)
        self._broker_pid = server.start_again()
        self.faults[f"{how.name} broker"] += 1

    def broker_pid(self, server: Server) -> int:
        pid = self._broker_pid or server.pid
        assert pid is not None
        return pid

    def assert_all_run(self) -> None:
        """No worker has given up, and none has fallen over its own error."""
        for name, worker in self._workers.items():
            assert worker.process.poll() is None, f"{name} has ended: {worker.lines()[-3000:]}"
        for log in self.folder.glob("*/worker.log"):
            assert "Traceback" not in log.read_text(encoding="utf-8"), log

    def resident_mb(self) -> dict[str, float]:
        """Memory of each worker."""
        return {name: resident_mb(worker.process.pid) for name, worker in self._workers.items()}

    def peak_mb(self) -> dict[str, float]:
        """Memory of each worker at its highest."""
        return {name: resident_mb(worker.process.pid, peak=True) for name, worker in self._workers.items()}

    def lines(self, name: str) -> str:
        """What a worker has logged."""
        return self._workers[name].lines()


def resident_mb(pid: int, *, peak: bool = False) -> float:
    """Resident memory of a process, now or at its highest."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM" if peak else "VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


class Sender:
    """Sends messages at a rate, in order, through whatever happens to the broker."""

    def __init__(self, cluster: TestCluster, *, rate: float) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": cluster.settings.bootstrap,
                "enable.idempotence": True,  # keeps the order, and repeats nothing, over a restart of the broker
                "linger.ms": 20,
                "message.timeout.ms": 300_000,
                "topic.metadata.refresh.interval.ms": 1_000,
                "log_level": 0,
                "queue.buffering.max.messages": 200_000,
            }
        )
        self._topic = cluster.topic("events")
        self._rate = rate
        self.sent = 0
        self.failed: list[str] = []

    def send(self, messages: Iterable[Message], between: Callable[[], None] = lambda: None) -> None:
        """Send, and call `between` every now and then."""
        began = time.monotonic()
        for n, message in enumerate(messages, start=1):
            while True:
                try:
                    self._producer.produce(
                        self._topic, value=message.value, partition=message.partition, on_delivery=self._delivered
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
            if n % 200 == 0:
                self._producer.poll(0)
                between()
                if (ahead := n / self._rate - (time.monotonic() - began)) > 0:
                    time.sleep(ahead)
        while self._producer.flush(5):
            between()
        assert not self.failed, self.failed[:3]

    def _delivered(self, error: object, _message: object) -> None:
        if error is not None:
            self.failed.append(str(error))
        else:
            self.sent += 1


class FaultSchedule:
    """Calls a fault after random times, until told to stop."""

    def __init__(self, deployment: Deployment, *, seed: int, every_s: tuple[float, float]) -> None:
        self.random = random.Random(seed)
        self._every_s = every_s
        self._next = time.monotonic() + self.random.uniform(*every_s)
        self._deployment = deployment

    def is_due(self) -> bool:
        """Whether it is time for a fault."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self.random.uniform(*self._every_s)
        return True

    def victim(self, *commands: str) -> str:
        """Any worker, or one of some commands."""
        names = [n for n in self._deployment.names if not commands or n.partition("-")[0] in commands]
        return self.random.choice(names)

    def signal(self) -> signal.Signals:
        """How a broker ends."""
        return self.random.choice([signal.SIGTERM, signal.SIGKILL])


__all__ = ["Deployment", "FaultSchedule", "Sender", "resident_mb"]
