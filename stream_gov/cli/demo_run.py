"""The demo's middle part: the reference, the broker and the workers, the replay, and what is seen of it meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import ClassVar

from stream_gov.cli.demo_display import DemoDisplay
from stream_gov.cli.demo_folder import DemoFolder
from stream_gov.cli.demo_model import TRAINING_ROWS
from stream_gov.cli.demo_watch import DemoWatch
from stream_gov.cli.local_stack import LocalStack
from stream_gov.cli.row_choice import RowChoice
from stream_gov.cli.topic_reader import read_records
from stream_gov.contracts import Alert, Monitor, Result, StreamGovError, UnavailableError
from stream_gov.files import TabularFile, build_reference, column_types
from stream_gov.reference import ProfileBuilder
from stream_gov.runtime.replay import ReplayTotals, replay_events, wait_until_detected
from stream_gov.runtime.supervisor import default_workers
from stream_gov.settings import Settings

__all__ = ["run_demo"]

_DAY_S = 86_400
_SETTLE_S = 120.0
_READY_S = 30.0
_LOOK_EVERY_S = 0.1
_MOST_CRASHES = 3


def run_demo(
    folder: DemoFolder, settings: Settings, display: DemoDisplay, *, days_per_second: float, stop: threading.Event
) -> bool:
    """Run until everything was replayed, judged and stored; no process is left behind.

    Returns
    -------
    False if `stop` was set before the end.

    Raises
    ------
    StreamGovError
        The broker or a worker does not do its work.
    """
    monitor = Monitor.from_yaml(folder.monitor.read_text(encoding="utf-8"), source=str(folder.monitor))
    display.stage("building the reference from that year")
    table = _keep_reference(folder, monitor)
    if stop.is_set():
        return False
    workers = default_workers(settings, influx=False)
    display.stage(f"starting a broker and the workers {', '.join(w.name for w in workers)}")
    ready = _Readiness()
    with folder.log.open("w", encoding="utf-8") as log:

        def on_line(worker: str, line: str) -> None:
            ready.take(worker, line)
            if not log.closed:
                log.write(f"{worker:<16} {line}\n")

        with LocalStack(settings, lambda s: default_workers(s, influx=False), on_line=on_line, stop=stop) as stack:
            if not ready.wait(stop):
                display.stage(f"the workers take long to start, see {folder.log}; replaying all the same")
            display.stage("replaying the rest as inference events, each with the model's prediction")
            replay = _Replay(stack.settings, monitor, table, days_per_second, stop)
            try:
                _watch(folder, stack, replay, display, stop)
            finally:
                stop_early = replay.end()
    if replay.error is not None:
        raise replay.error
    return replay.finished and not stop_early


def _keep_reference(folder: DemoFolder, monitor: Monitor) -> TabularFile:
    name = (monitor.reference or monitor.name).partition("@")[0]
    profile = build_reference(
        TabularFile(folder.events, types=column_types(monitor)),
        ProfileBuilder.for_monitor(monitor),
        name=name,
        revision=folder.state.next_revision(name),
        model=monitor.model,
        created_ms=time.time_ns() // 1_000_000,
        stop=TRAINING_ROWS,
    )
    folder.state.save_profile(profile)
    folder.state.save_monitor(monitor, text=folder.monitor.read_text(encoding="utf-8"))
    return TabularFile(folder.events, types=column_types(monitor, profile))


class _Readiness:
    """Knows from the workers' lines when they have their partitions; before that there would be nothing to see."""

    _WORDS: ClassVar[dict[str, str]] = {"ingest": "partitions taken over", "detect": "partitions assigned"}

    def __init__(self) -> None:
        self._missing = dict(self._WORDS)

    def take(self, worker: str, line: str) -> None:
        if self._missing.get(worker, "\0") in line:
            del self._missing[worker]

    def wait(self, stop: threading.Event) -> bool:
        """Wait for all of them for a while; False if that was not enough."""
        give_up_s = time.monotonic() + _READY_S
        while self._missing and time.monotonic() < give_up_s:
            if stop.wait(_LOOK_EVERY_S):
                break
        return not self._missing or stop.is_set()


class _Replay:
    """The replay, and the waiting until it has come through, in a thread of its own."""

    def __init__(
        self, settings: Settings, monitor: Monitor, table: TabularFile, days_per_second: float, stop: threading.Event
    ) -> None:
        self.monitor = monitor
        self.totals = ReplayTotals()
        self.n_events, from_ms, until_ms = RowChoice(TRAINING_ROWS).extent(table)
        self.finished = False
        self.error: StreamGovError | None = None
        self._stop = stop
        self._work = (settings, monitor, table, from_ms, until_ms, days_per_second * _DAY_S)
        self._thread = threading.Thread(target=self._run, name="demo-replay", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        settings, monitor, table, from_ms, until_ms, speed = self._work
        try:
            replay_events(
                settings,
                monitor,
                RowChoice(TRAINING_ROWS).events(table, monitor.model),
                from_ms=from_ms,
                until_ms=until_ms,
                speed=speed,
                progress=self._note,
                stop=self._stop,
            )
            self.finished = wait_until_detected(settings, sinks=("store",), timeout_s=_SETTLE_S, stop=self._stop)
        except StreamGovError as err:
            self.error = err

    def _note(self, totals: ReplayTotals) -> None:
        self.totals = totals

    def end(self) -> bool:
        """Wait for the thread; tell whether it was stopped early."""
        stopped = self._stop.is_set()
        if self.running:
            self._stop.set()
        self._thread.join(_SETTLE_S)
        return stopped


def _watch(folder: DemoFolder, stack: LocalStack, replay: _Replay, display: DemoDisplay, stop: threading.Event) -> None:
    """Show what comes, until the replay has come through and all of it was seen, or `stop` is set."""
    watch = DemoWatch(replay.monitor)
    for records in _records(stack.settings, stop):
        news = watch.take(records)
        totals = replay.totals
        display.show(watch, totals.events, replay.n_events, totals.events_per_second, news)
        stack.supervisor.look_after()
        for worker, n in stack.supervisor.crashes.items():
            if n >= _MOST_CRASHES:
                msg = f"the worker {worker} has ended {n} times; its last words are in {folder.log}"
                raise UnavailableError(msg)
        if not replay.running and not records:
            return


def _records(settings: Settings, stop: threading.Event) -> Iterator[list[Result | Alert]]:
    yield from read_records(settings, ["metrics", "alerts"], follow=True, stop=stop)
