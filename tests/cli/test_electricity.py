"""The demo's data, model and monitor: the change of regime is found in the first window that holds enough of it."""

from __future__ import annotations

import itertools
import json
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


def test_the_change_is_found_in_the_first_window_with_enough_events_and_its_columns_are_named(run, events, tmp_path):
    found = records(run, events, tmp_path, TRAINING_ROWS)
    monitor = Monitor.from_yaml(monitor_text(), source="monitor.yaml")
    windows = [r for r in found if r.get("statistic") == "events"]
    first = next(w for w in windows if w["events"] >= monitor.min_events)
    opened = next(r for r in found if r["type"] == "alert")
    assert opened["change"] == "opened"
    assert (opened["window_start_ms"], opened["window_end_ms"]) == (first["window_start_ms"], first["window_end_ms"])
    assert {c["column"] for c in opened["causes"]} >= MOVED
    assert {c["column"] for c in opened["causes"][:3]} == MOVED


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
    days = (opened[0]["window_end_ms"] - moved_ms) / 86_400_000
    assert days < 2


def test_the_example_is_the_monitor_of_the_demo():
    example = Path(__file__).parents[2] / "examples" / "electricity" / "monitor.yaml"
    assert example.read_text() == monitor_text()


def test_the_rows_are_half_hours_without_a_gap():
    times = [row.time for row in market_rows()]
    assert times[0].isoformat() == "1996-05-07T00:00:00+10:00"
    assert {(b - a).total_seconds() for a, b in itertools.pairwise(times)} == {1_800.0}
