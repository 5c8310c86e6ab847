"""`stream-gov up` with its real workers on the embedded broker: a replay gives what a backtest of the same file gives."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from stream_gov.cli.topic_reader import read_records
from stream_gov.contracts import Alert, Monitor, Result
from stream_gov.detection import EVENTS_STATISTIC
from stream_gov.files.state_directory import StateDirectory
from stream_gov.runtime.replay import replay_events, wait_until_detected
from stream_gov.settings import Settings, load_settings
from tests.cli.stream_files import HOURS, MONITOR, ROWS_PER_HOUR, START, write_monitor, write_stream

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.xdist_group("up")]

START_S = 40.0
WAIT_S = 60.0


def command(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "stream_gov.cli.main", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a stream, a reference, and two monitors applied, as a new user would have it."""
    folder = tmp_path_factory.mktemp("up")
    write_stream(folder)
    write_monitor(folder)
    write_monitor(folder, MONITOR.replace("shop", "bank"), "bank.yaml")
    for name in ("monitor.yaml", "bank.yaml"):
        command("reference", "build", "shop.csv", "-m", name, "--rows", "0:2400", cwd=folder)
        command("monitor", "apply", name, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def running(place) -> Iterator[Settings]:
    """`stream-gov up`, without a flag; ended by SIGTERM."""
    environment = {
        **os.environ,
        "STREAM_GOV_CUT_INTERVAL": "300ms",
        "STREAM_GOV_METRICS_PORT": "0",
        "STREAM_GOV_LOG_LEVEL": "warning",
    }
    with (place / "up.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stream_gov.cli.main", "up", "--no-influx"],
            cwd=place,
            env=environment,
            stderr=log,
            start_new_session=True,
        )
        state = StateDirectory(place / ".stream-gov")
        try:
            deadline = time.monotonic() + START_S
            while (note := state.running_broker()) is None:
                assert process.poll() is None, (place / "up.log").read_text()
                assert time.monotonic() < deadline, "up did not start"
                time.sleep(0.1)
            yield load_settings(bootstrap=note.bootstrap, state_dir=state.path)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            with contextlib.suppress(ProcessLookupError):  # nothing it started is left
                os.killpg(process.pid, signal.SIGKILL)
    assert state.read_broker_note() is None


def on_the_topics(settings: Settings, model: str) -> tuple[dict[str, Result], dict[str, Alert]]:
    results: dict[str, Result] = {}
    alerts: dict[str, Alert] = {}
    for records in read_records(settings, ["metrics", "alerts"]):
        for record in records:
            if record.model != model:
                continue
            if isinstance(record, Alert):
                alerts[record.id] = record
            elif record.id not in results or record.revision >= results[record.id].revision:
                results[record.id] = record
    return results, alerts


def test_a_replay_gives_the_results_and_alerts_of_a_backtest(place, running):
    command("replay", "shop.csv", "--monitor", "monitor.yaml", "--wait", cwd=place)
    command(
        "backtest",
        "shop.csv",
        "--monitor",
        "monitor.yaml",
        "--reference",
        "shop-base@1",
        "--json",
        "out.jsonl",
        cwd=place,
    )
    lines = [json.loads(line) for line in (place / "out.jsonl").read_text().splitlines()]

    results, alerts = on_the_topics(running, "shop")

    expected = {line["id"]: line for line in lines if line.pop("type") == "result"}
    assert len(expected) == HOURS * 6  # the events, and PSI of five columns
    assert {r.id: r.value for r in results.values()} == {i: line["value"] for i, line in expected.items()}
    assert {r.id: (r.verdict, r.p_value, r.events, r.revision, r.reference) for r in results.values()} == {
        i: (line["verdict"], line["p_value"], line["events"], line["revision"], line["reference"])
        for i, line in expected.items()
    }
    assert {a.id: (a.message, a.columns) for a in alerts.values()} == {
        line["id"]: (line["message"], line["columns"]) for line in lines if "alert_id" in line
    }
    assert alerts


def test_events_counted_late_and_rejected_are_the_events_sent(running):
    """Over windows that do not overlap, every event stands in one of the three numbers."""
    start_ms = int(START.timestamp() * 1_000)
    step_ms = 3_600_000 // ROWS_PER_HOUR
    sent = [(i, start_ms + i * step_ms) for i in range(10 * ROWS_PER_HOUR)]
    late = [(len(sent) + i, start_ms + i * step_ms) for i in range(50)]  # hours behind the others

    def message(i: int, time_ms: int) -> bytes:
        event = {
            "event_id": f"e{i}",
            "model": "bank",
            "version": "1",
            "timestamp": time_ms,
            "features": {"amount": float(i % 40)},
        }
        if i % 37 == 0:
            event["features"] = "none"  # rejected: of a wrong type
        return json.dumps(event).encode()

    events = [(time_ms, f"e{i}", message(i, time_ms)) for i, time_ms in [*sent, *late]]
    monitor = Monitor.from_yaml(MONITOR.replace("shop", "bank"), source="bank.yaml")
    replay_events(running, monitor, events, from_ms=start_ms, until_ms=sent[-1][1], rate=600)
    assert wait_until_detected(running, timeout_s=WAIT_S)

    results, _ = on_the_topics(running, "bank")

    windows = [r for r in results.values() if r.statistic == EVENTS_STATISTIC]
    counted, too_late, rejected = (sum(getattr(w, name) for w in windows) for name in ("events", "late", "rejected"))
    assert counted + too_late + rejected == len(events)
    assert rejected == sum(i % 37 == 0 for i, _ in [*sent, *late])
    assert too_late > 0


def test_alerts_come_from_the_topic_while_it_runs(place, running):
    shown = command("alerts", "--json", "--status", "open", "--model", "shop", cwd=place)
    (alert,) = (json.loads(line) for line in shown.stdout.splitlines())
    assert alert["columns"] == ["amount"]
    assert "from the store" not in shown.stderr


def test_people_say_what_becomes_of_an_alert_and_the_detector_answers(place, running):
    """Acknowledged, snoozed and resolved on the command line; every change is one message of the same alert."""
    shown = command("alerts", "--json", "--status", "open", "--model", "shop", cwd=place)
    alert_id = json.loads(shown.stdout)["alert_id"]

    def say(action: str, *flags: str) -> Alert:
        printed = command("alerts", action, alert_id[:8], "--by", "anna", *flags, "--json", cwd=place).stdout
        return msgspec.json.decode(printed, type=Alert)

    told = [say("ack", "--note", "known"), say("snooze", "--for", "2h"), say("unsnooze")]
    listed = command("alerts", "--status", "acknowledged", "--model", "shop", cwd=place).stdout
    told.append(say("resolve", "--note", "retrained"))

    assert "still open, acknowledged by anna" in listed
    assert [a.change.value for a in told] == ["acknowledged", "snoozed", "unsnoozed", "resolved"]
    assert [a.status.value for a in told] == ["acknowledged"] * 3 + ["resolved"]
    assert [a.sequence - told[0].sequence for a in told] == [0, 1, 2, 3]
    assert told[1].snoozed_until_ms == told[1].at_ms + 7_200_000
    _, alerts = on_the_topics(running, "shop")
    assert [alerts[a.id] for a in told] == told
    again = subprocess.run(
        [sys.executable, "-m", "stream_gov.cli.main", "alerts", "ack", alert_id],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert again.returncode == 2
    assert "is resolved already (by anna)" in again.stderr


def test_doctor_is_content_while_it_runs(place, running):
    found = [json.loads(line) for line in command("doctor", "--json", cwd=place).stdout.splitlines()]
    assert not [f for f in found if f["level"] == "problem"]
    assert any("as shop-base@1 is" in f["text"] for f in found)


def test_doctor_passes_over_events_that_cannot_be_read(place, running):
    producer = Producer({"bootstrap.servers": running.bootstrap})
    for value in (b'{"model": "shop", "metadata": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", b"\xff{", b"", b"{}"):
        for partition in range(4):
            producer.produce("inference-events", value, partition=partition)
    assert producer.flush(20) == 0
    done = command("doctor", "--json", cwd=place)
    assert "Traceback" not in done.stderr
    assert any("as shop-base@1 is" in json.loads(line)["text"] for line in done.stdout.splitlines())


def test_a_replay_whose_monitor_was_not_applied_is_refused_before_anything_is_sent(place, running):
    (place / "nobody.yaml").write_text(MONITOR.replace("shop", "nobody"))
    done = subprocess.run(
        [sys.executable, "-m", "stream_gov.cli.main", "replay", "shop.csv", "-m", "nobody.yaml"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "stream-gov monitor apply nobody.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_up_for_the_same_state_directory_is_refused(place, running):
    done = subprocess.run(
        [sys.executable, "-m", "stream_gov.cli.main", "up"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "runs already" in done.stderr


def test_a_monitor_applied_while_it_runs_takes_effect(place, running):
    """The reference of another version is what doctor finds then."""
    command(
        "reference",
        "build",
        "shop.csv",
        "-m",
        "bank.yaml",
        "--rows",
        "0:2400",
        "--model-version",
        "9",
        cwd=place,
    )
    command("monitor", "apply", "bank.yaml", cwd=place)
    deadline = time.monotonic() + 20
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "stream_gov.cli.main", "doctor", "--json"],
            cwd=place,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        problems = [f for f in map(json.loads, done.stdout.splitlines()) if f["level"] == "problem"]
        if problems or time.monotonic() > deadline:
            break
    assert done.returncode == 1
    assert any("was made for version 9" in p["text"] and "--model-version 1" in p["remedy"] for p in problems)
