from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from threading import Event, Thread

import pytest

from stream_gov.runtime import supervisor as module
from stream_gov.runtime.supervisor import Supervisor, WorkerSpec, default_workers
from stream_gov.settings import Settings

WORKER = """
from stream_gov.runtime.stop_signals import stop_on_signals
import sys
stop = stop_on_signals()
print("up", sys.argv[1], flush=True)
stop.wait()
print("down", sys.argv[1], flush=True)
"""


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def scripted(monkeypatch):
    """A supervisor whose workers run little scripts in place of the command."""
    lines: list[tuple[str, str]] = []

    def make(scripts: dict[str, str], **more) -> Supervisor:
        real = subprocess.Popen

        def popen(command, **options):
            name = command[3]
            return real([sys.executable, "-c", textwrap.dedent(scripts[name]), name], **options)

        monkeypatch.setattr(module.subprocess, "Popen", popen)
        workers = [WorkerSpec(name, (name,)) for name in scripts]
        made = Supervisor(
            Settings(bootstrap="127.0.0.1:1"), workers, on_line=lambda name, line: lines.append((name, line)), **more
        )
        made.lines = lines
        return made

    return make


def test_workers_are_stopped_in_the_order_of_the_flow(scripted):
    supervisor = scripted({"first": WORKER, "second": WORKER})
    stop = Event()
    thread = Thread(target=supervisor.run, args=(stop,))
    thread.start()
    until(lambda: len(supervisor.lines) == 2)
    pids = supervisor.running
    stop.set()
    thread.join(20)
    assert [line for line in supervisor.lines if line[1].startswith("down")] == [
        ("first", "down first"),
        ("second", "down second"),
    ]
    assert set(pids) == {"first", "second"}
    assert not any(alive(pid) for pid in pids.values())


def test_a_worker_that_crashes_is_started_again_after_a_while(scripted, monkeypatch):
    monkeypatch.setattr(module, "_FIRST_BACKOFF_S", 0.05)
    supervisor = scripted({"weak": "import sys; print('up', flush=True); sys.exit(3)"})
    for worker in supervisor._workers:
        worker.backoff_s = 0.05
    stop = Event()
    thread = Thread(target=supervisor.run, args=(stop,))
    thread.start()
    until(lambda: supervisor.crashes.get("weak", 0) >= 2)
    stop.set()
    thread.join(20)
    assert supervisor.lines.count(("weak", "up")) >= 2


def test_a_worker_that_does_not_stop_is_killed(scripted):
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    supervisor = scripted({"deaf": deaf}, grace_s=0.2)
    supervisor.start()
    until(lambda: bool(supervisor.lines))
    (pid,) = supervisor.running.values()
    supervisor.stop()
    assert not alive(pid)


def test_workers_do_not_outlive_a_supervisor_that_was_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import os, subprocess, sys, time
            env = dict(os.environ, STREAM_GOV_PARENT_PID=str(os.getpid()))
            child = subprocess.Popen([sys.executable, "-c", {WORKER!r}, "orphan"], env=env, start_new_session=True)
            print(child.pid, flush=True)
            time.sleep(600)
            """
        )
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline().startswith("up")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until(lambda: not alive(child))


def test_the_influx_sink_runs_where_a_token_is_configured():
    assert [w.name for w in default_workers(Settings())] == ["ingest", "detect", "sink-store", "sink-prometheus"]
    with_token = default_workers(Settings(influx={"token": "t"}))
    assert with_token[-1].arguments == ("sink", "influx")
    ports = [w.environment["STREAM_GOV_METRICS_PORT"] for w in with_token]
    assert ports == ["9464", "9465", "9466", "9467", "9468"]
    assert {w.environment["STREAM_GOV_METRICS_PORT"] for w in default_workers(Settings(metrics_port=0))} == {"0"}
