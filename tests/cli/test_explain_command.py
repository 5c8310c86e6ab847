"""`stream-gov monitor explain`."""

from __future__ import annotations

import json

import numpy as np
import pytest

MONITOR = """monitor: shop
model: shop
reference: base
window: {size: 1d}
checks:
  - {statistic: psi, tolerance: 0.1}
  - {statistic: ks, threshold: 0.01}
  - {statistic: missing_share, tolerance: 0.02}
"""


@pytest.fixture
def rows(tmp_path):
    rng = np.random.default_rng(2)
    lines = ["timestamp,amount,color"]
    for i, (x, c) in enumerate(zip(rng.normal(50, 10, 4_000), rng.choice(["red", "blue"], 4_000), strict=True)):
        lines.append(f"{1_767_225_600 + i * 300},{x:.3f},{c}")
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "monitor.yaml").write_text(MONITOR)
    return tmp_path / "rows.csv"


def test_it_says_levels_shifts_and_false_alarms_and_what_to_doubt(run, rows):
    assert run("reference", "build", rows, "-m", "monitor.yaml").exit_code == 0
    done = run("monitor", "explain", "monitor.yaml")
    assert done.exit_code == 0, done.output
    assert "windows of 1d every 1d, 288 events each" in done.output
    assert "for 30 windows of 4 tests" in done.output
    assert "psi beyond 0.1" in done.output
    assert "of those outside it" in done.output
    assert "amount: ks > 0.01 fires by chance in" in done.output


def test_as_json_and_for_another_volume(run, rows):
    assert run("reference", "build", rows, "-m", "monitor.yaml").exit_code == 0
    done = run("monitor", "explain", "monitor.yaml", "--events", "5000", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["events_per_window"] == 5_000
    psi = next(c for c in document["checks"] if (c["column"], c["statistic"]) == ("amount", "psi"))
    assert psi["level"] == document["level"] == pytest.approx(1 / 120)
    assert " sd" in psi["half_of_windows_show"]
    assert 50 < psi["half_value"] < psi["nine_of_ten_value"]  # the mean, in the column's own unit


def test_without_a_reference_or_its_times_it_says_what_is_missing(run, rows, tmp_path):
    done = run("monitor", "explain", "monitor.yaml")
    assert done.exit_code == 2
    assert "base" in done.output
    (tmp_path / "bare.csv").write_text("amount\n" + "\n".join(str(i % 97) for i in range(500)) + "\n")
    assert run("reference", "build", "bare.csv", "-m", "monitor.yaml").exit_code == 0
    done = run("monitor", "explain", "monitor.yaml")
    assert done.exit_code == 2
    assert "give --events N" in done.output
    (tmp_path / "none.yaml").write_text(MONITOR.replace("reference: base\n", ""))
    done = run("monitor", "explain", "none.yaml")
    assert done.exit_code == 2
    assert "the monitor names none" in done.output


def test_a_monitor_of_qualities_alone_is_not_told_that_it_sees_no_values(run, rows, tmp_path):
    (tmp_path / "q.yaml").write_text(
        MONITOR.partition("checks:")[0] + "checks: [{statistic: missing_share, tolerance: 0.02}]\n"
    )
    assert run("reference", "build", rows, "-m", "q.yaml").exit_code == 0
    done = run("monitor", "explain", "q.yaml")
    assert done.exit_code == 0, done.output
    assert "no check sees" not in done.output


def test_what_is_outside_the_budget_is_named_and_a_season_and_the_recent_past_are_said_to_be_left_out(
    run, rows, tmp_path
):
    assert run("reference", "build", rows, "-m", "monitor.yaml").exit_code == 0
    more = (
        "  - {statistic: new_columns, threshold: 0}\ndetectors: [{detector: adwin, series: mean, columns: [amount]}]\n"
    )
    (tmp_path / "more.yaml").write_text(MONITOR + more)
    done = run("monitor", "explain", "more.yaml")
    assert "of the model: new_columns > 0; online detectors: adwin_mean" in " ".join(done.output.split())
    (tmp_path / "past.yaml").write_text(MONITOR + "trailing: {length: 7d}\n")
    assert "compared with the whole reference here" in " ".join(run("monitor", "explain", "past.yaml").output.split())
    (tmp_path / "season.yaml").write_text(MONITOR + "season: hour_of_day\npane: 1h\n")
    season = run("monitor", "explain", "season.yaml")
    assert (season.exit_code, "season.yaml: season:" in season.output) == (2, True)


def test_validate_warns_of_windows_that_will_never_hold_enough(run, rows, tmp_path):
    assert run("reference", "build", rows, "-m", "monitor.yaml").exit_code == 0
    (tmp_path / "many.yaml").write_text(MONITOR + "min_events: 5000\n")
    done = run("monitor", "validate", "many.yaml")
    assert done.exit_code == 0
    assert "min_events: a window will hold about 288 events" in " ".join(done.output.split())
    assert "min_events" not in run("monitor", "validate", "monitor.yaml").output
