"""The demo's data, model and monitor: the change of regime is found in the first window that holds enough of it."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream_gov.cli.demo_model import TRAINING_ROWS, market_rows, monitor_text, row_time
from stream_gov.contracts import Monitor

MOVED = {"vicprice", "vicdemand", "transfer"}


@pytest.fixture
def events(electricity) -> Path:
    return electricity[0]


def test_the_model_is_good_in_its_year_and_worse_after_it(electricity):
    report = electricity[1]
    assert report.n_rows == 45_312
    assert 0.8 < report.accuracy_training < 0.9
    assert report.accuracy_after < report.accuracy_training - 0.05


def records(run, events, tmp_path, first):
    (tmp_path / "monitor.yaml").write_text(monitor_text())
    built = run("reference", "build", events, "-m", "monitor.yaml", "--rows", f"0:{TRAINING_ROWS}")
    assert built.exit_code == 0, built.output
    done = run("backtest", events, "-m", "monitor.yaml", "--rows", f"{first}:", "--json", "out.jsonl")
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


DAY_MS = 86_400_000


def test_the_change_opens_an_alert_a_day_after_the_first_window_with_enough_events_and_all_that_moved_is_named_the_next(
    run, events, tmp_path
):
    found = records(run, events, tmp_path, TRAINING_ROWS)
    monitor = Monitor.from_yaml(monitor_text(), source="monitor.yaml")
    first = next(r for r in found if r.get("statistic") == "events" and r["events"] >= monitor.min_events)
    opened, named = [r for r in found if r["type"] == "alert"][:2]
    assert (opened["change"], opened["window_end_ms"] - first["window_end_ms"]) == ("opened", DAY_MS)
    assert {c["column"] for c in opened["causes"]} == {"transfer"}
    assert (named["change"], named["window_end_ms"] - first["window_end_ms"]) == ("updated", 2 * DAY_MS)
    assert {c["column"] for c in named["causes"]} == MOVED


def test_the_walk_through_the_alerts_is_what_the_demo_sends(run, events, tmp_path):
    text = (Path(__file__).parents[2] / "examples" / "electricity" / "README.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \| ([\d-]+) \| (.*?) \|", text, re.MULTILINE)
    found = [r for r in records(run, events, tmp_path, TRAINING_ROWS) if r["type"] == "alert"]
    assert len({r["alert_id"] for r in found}) == 1
    named: set[str] = set()
    for (change, day, about), alert in zip(told, found, strict=True):
        end = datetime.fromtimestamp(alert["window_end_ms"] / 1_000, UTC)
        assert (change, day) == (alert["change"], end.date().isoformat())
        columns = set(re.findall(r"`(\w+)`", about))
        named = named | columns if about.startswith("and") else named - columns if "without" in about else columns
        assert named == {c["column"] for c in alert["causes"]}


def test_the_training_year_raises_no_alert(run, events, tmp_path):
    found = records(run, events, tmp_path, 0)
    moved_ms = int(row_time(17_424).timestamp() * 1_000)
    assert len([r for r in found if r.get("statistic") == "events" and r["window_end_ms"] <= moved_ms]) > 350
    assert [r for r in found if r["type"] == "alert" and r["window_end_ms"] <= moved_ms] == []


def test_before_the_change_these_columns_never_drift(run, events, tmp_path):
    moved_at = 17_424
    found = records(run, events, tmp_path, 8_760)  # the second half of the year, whose last two days hold the change
    moved_ms = int(row_time(moved_at).timestamp() * 1_000)
    for r in found:
        if r["type"] == "result" and r["column"] in MOVED and r["window_end_ms"] <= moved_ms:
            assert r["verdict"] != "drift"
    opened = [
        r
        for r in found
        if r["type"] == "alert" and {c["column"] for c in r["causes"]} >= MOVED and r["window_end_ms"] > moved_ms
    ]
    # The reference holds two days of the new regime at its end, so that a few such days a year count as known.
    assert (opened[0]["window_end_ms"] - moved_ms) / DAY_MS < 7


def test_a_reference_that_ends_before_the_change_finds_it_within_the_day(run, events, tmp_path):
    (tmp_path / "monitor.yaml").write_text(monitor_text())
    assert run("reference", "build", events, "-m", "monitor.yaml", "--rows", "0:17424").exit_code == 0
    done = run("backtest", events, "-m", "monitor.yaml", "--rows", "16000:", "--json", "out.jsonl")
    assert done.exit_code == 0, done.output
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    opened = next(r for r in found if r["type"] == "alert")
    assert {c["column"] for c in opened["causes"]} == MOVED
    assert 0 < opened["window_end_ms"] - int(row_time(17_424).timestamp() * 1_000) < DAY_MS


def test_the_example_is_the_monitor_of_the_demo():
    example = Path(__file__).parents[2] / "examples" / "electricity" / "monitor.yaml"
    assert example.read_text() == monitor_text()


def test_the_rows_are_half_hours_without_a_gap():
    times = [row.time for row in market_rows()]
    assert times[0].isoformat() == "1996-05-07T00:00:00+10:00"
    assert {(b - a).total_seconds() for a, b in itertools.pairwise(times)} == {1_800.0}
