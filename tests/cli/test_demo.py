from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from stream_gov.cli import demo_folder
from stream_gov.cli.demo_display import LinesDisplay
from stream_gov.cli.demo_folder import DemoFolder, free_ports
from stream_gov.cli.demo_model import monitor_text
from stream_gov.cli.demo_report import WHAT_IT_IS, column_rows
from stream_gov.cli.demo_watch import DemoWatch
from stream_gov.contracts import Alert, AlertPolicy, ConfigurationError, Monitor, Verdict
from stream_gov.detection import AlertMemory, advance
from tests.files.test_drift_picture import a_result, events

MONITOR = Monitor.from_yaml(
    "{monitor: shop, model: shop, window: {size: 1d}, checks: [{statistic: psi, threshold: 0.1}]}", source="m"
)


def a_day(window: int, value: float):
    return [events(window), a_result(window, "amount", value, threshold=0.1)]


def test_the_watch_follows_columns_windows_and_alerts():
    watch, memory = DemoWatch(MONITOR), AlertMemory()
    news: list[Alert] = []
    for window, value in enumerate([0.0, 0.5, 0.7, 0.0]):
        results = a_day(window, value)
        memory, alert = advance(memory, results, AlertPolicy())
        news += watch.take([*results, *([alert] if alert else [])])
    column = watch.columns["amount"]
    assert (watch.n_windows, column.n_windows, column.n_drift) == (4, 4, 2)
    assert column.peak.value == 0.7
    assert [n.change.value for n in news] == ["opened", "resolved"]
    assert watch.open_alerts == []


def test_a_column_drifts_in_a_window_if_any_of_its_checks_does_until_a_revision_takes_it_back():
    watch = DemoWatch(MONITOR)
    shift = a_result(1, "amount", 3.0, threshold=0.1, statistic="mean_shift")
    watch.take([*a_day(0, 0.5), *a_day(1, 0.0), shift, *a_day(2, 0.7)])
    column = watch.columns["amount"]
    assert (column.n_drift, column.n_windows, column.found_by) == (3, 3, ["psi", "mean_shift"])
    watch.take([msgspec.structs.replace(shift, verdict=Verdict.STABLE, revision=1)])
    assert (column.n_drift, column.found_by) == (2, ["psi"])


def test_the_line_says_how_things_stand():
    watch = DemoWatch(MONITOR)
    results = a_day(0, 0.5)
    watch.take([*results, advance(AlertMemory(), results, AlertPolicy())[1]])
    assert watch.line(1_000, 27_792, 950.0) == (
        "1,000 of 27,792 events (950/s), 1 windows closed, the newest to 1970-01-02, 1 open alert (amount)"
    )


def test_only_columns_that_drifted_stand_in_the_table():
    rows = column_rows(MONITOR, [*a_day(0, 0.0), *a_day(1, 0.9), a_result(0, "calm", 0.01)])
    assert [(r[0], r[1], r[2], r[3]) for r in rows] == [("amount", "1970-01-03", "1 of 2", "psi")]


def test_each_watched_column_of_the_demo_is_explained():
    from stream_gov.cli.demo_model import FEATURES

    monitor = Monitor.from_yaml(monitor_text(), source="monitor.yaml")
    watched = {c for c in (*FEATURES, "prediction", "score") if monitor.columns.wants(c)}
    assert set(WHAT_IT_IS) == watched


@pytest.fixture
def _quick_model(monkeypatch):
    """Training takes a second or two, and these tests are about the folder."""
    monkeypatch.setattr(demo_folder, "write_events", lambda path: path.write_text("timestamp\n"))


@pytest.mark.usefixtures("_quick_model")
def test_a_folder_that_no_demo_made_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="no demo made it"):
        DemoFolder(tmp_path).make()
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.usefixtures("_quick_model")
def test_the_folder_of_an_earlier_demo_is_made_anew(tmp_path):
    folder = DemoFolder(tmp_path / "demo")
    folder.make()
    folder.picture.write_text("old")
    (folder.path / "notes.txt").write_text("mine")
    folder.make()
    assert not folder.picture.exists()
    assert (folder.path / "notes.txt").exists()


@pytest.mark.usefixtures("_quick_model")
def test_a_running_demo_is_not_disturbed(tmp_path):
    folder = DemoFolder(tmp_path / "demo")
    folder.make()
    folder.state.write_broker_note("127.0.0.1:1", os.getpid())
    with pytest.raises(ConfigurationError, match="a demo runs there"):
        folder.make()


def test_the_demo_works_with_settings_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAM_GOV_BOOTSTRAP", "production:9092")
    monkeypatch.setenv("STREAM_GOV_STORE_URL", "postgresql://production/gov")
    folder = DemoFolder(tmp_path / "demo")
    folder.path.mkdir()
    folder.settings_file.write_text("cut_interval: 500ms\n")
    with folder.settings() as settings:
        assert settings.bootstrap == ""
        assert settings.store == f"sqlite:///{folder.state.path / 'store.sqlite'}"
        assert "STREAM_GOV_BOOTSTRAP" not in os.environ
    assert os.environ["STREAM_GOV_BOOTSTRAP"] == "production:9092"
    assert "STREAM_GOV_CONFIG" not in os.environ


def test_free_ports_are_free():
    import socket

    first = free_ports(3)
    for port in range(first, first + 3):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_without_a_terminal_alerts_are_told_as_they_open(capsys):
    watch, results = DemoWatch(MONITOR), a_day(0, 0.5)
    alert = advance(AlertMemory(), results, AlertPolicy())[1]
    with LinesDisplay() as display:
        display.stage("replaying")
        display.show(watch, 10, 100, 5.0, [alert])
    assert capsys.readouterr().err.splitlines() == ["replaying", f"alert opened: {alert.message}"]


def children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


def start(folder: Path, *flags: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stream_gov.cli.main", "demo", *flags],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.xdist_group("up")
def test_the_demo_finds_the_change_and_leaves_what_it_promises(tmp_path):
    process = start(tmp_path, "--speed", "80")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "take long to start" not in err  # the words in the workers' log that say they are ready are still theirs
    folder = tmp_path / "demo-out"
    opened = next(line for line in err.splitlines() if line.startswith("alert opened"))
    assert re.search(r"transfer: .*no longer constant at ", opened)
    table = next(line for line in out.splitlines() if line.startswith("1997-05-12"))
    assert "still open" in table
    for column, day in (("transfer", "12"), ("vicdemand", "13"), ("vicprice", "13")):
        assert re.search(rf"^{column} +1997-05-{day} +5\d\d of 586 ", out, re.MULTILINE)
    assert "never drifted: nswdemand" in out
    assert "<svg" in (folder / "drift.html").read_text()
    assert (folder / "results.jsonl").read_text().count('"statistic":"events"') == 586
    again = subprocess.run(
        [sys.executable, "-m", "stream_gov.cli.main", "alerts", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"vicprice"' in again.stdout


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.xdist_group("up")
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_ctrl_c_in_the_middle_stops_every_process(tmp_path):
    process = start(tmp_path)
    log = tmp_path / "demo-out" / "workers.log"
    deadline = time.monotonic() + 60
    while not (log.exists() and len(children_of(process.pid)) == 4):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = children_of(process.pid)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "nothing runs any more" in err
    assert "Traceback" not in err
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not (tmp_path / "demo-out" / ".stream-gov" / "broker.json").exists()
