"""`stream-gov backtest --compare` and `--inject`, end to end on a small file."""

from __future__ import annotations

import json

import numpy as np
import pytest

DAY = 86_400
START = 1_767_225_600  # 2026-01-01T00:00Z
MONITOR = """monitor: shop
model: shop
reference: base
window: {{size: 1d}}
calibration: independent
checks:
  - {{statistic: mean_shift, columns: [amount], {rule}}}
  - {{statistic: missing_share, tolerance: 0.02}}
  - {{statistic: psi, columns: [color], tolerance: 0.1}}
"""


@pytest.fixture
def shop(run, tmp_path):
    """Sixty days of 200 events; the first thirty are the reference."""
    rng = np.random.default_rng(4)
    n = 60 * 200
    lines = ["timestamp,amount,color"]
    for i, (x, c) in enumerate(zip(rng.normal(50, 10, n), rng.choice(["red", "blue"], n), strict=True)):
        lines.append(f"{START + i * (DAY // 200)},{x:.3f},{c}")
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "a.yaml").write_text(MONITOR.format(rule="tolerance: 0.2"))
    (tmp_path / "b.yaml").write_text(MONITOR.format(rule="threshold: 0.05"))
    assert run("reference", "build", "rows.csv", "-m", "a.yaml", "--until", "2026-01-31").exit_code == 0
    return tmp_path


def compared(run, *flags):
    done = run("backtest", "rows.csv", "-m", "a.yaml", "--from", "2026-01-31", "--json", "-", *flags)
    assert done.exit_code == 0, done.output
    return {entry["monitor"]: entry for entry in json.loads(done.stdout)}


def test_monitors_stand_side_by_side_with_delays_and_baselines(run, shop):
    found = compared(run, "--compare", "b.yaml", "--inject", "amount=mean+1sd@2026-02-10T12:00")
    careful, loud = found["a.yaml"], found["b.yaml"]
    assert careful["windows"] == loud["windows"] == 30
    assert (careful["alerts"], careful["alerts_before_the_shift"]) == (1, 0)
    assert careful["shifts"][0]["delay_windows"] == 1
    assert careful["shifts"][0]["delay_ms"] == DAY * 1_000 // 2, "the window of the tenth ends at midnight"
    assert careful["columns"] == ["amount"]
    assert loud["flagged"] > careful["flagged"]
    assert loud["alerts_before_the_shift"] > 0
    every, never = found["an alarm every 30 windows"], found["never"]
    assert (every["alerts"], every["shifts"][0]["delay_windows"]) == (1, 20)
    assert (never["alerts"], never["shifts"][0]["found_ms"]) == (0, None)


def test_each_kind_of_shift_is_put_in_and_found(run, shop):
    shifts = (
        "amount=mean*1.5@2026-02-10",
        "amount=missing+0.2@2026-02-15",
        "color=share:red+0.4@2026-02-05..2026-02-12",
    )
    found = compared(run, *(part for shift in shifts for part in ("--inject", shift)))["a.yaml"]
    by_shift = {s["shift"]: s for s in found["shifts"]}
    assert by_shift[shifts[0]]["delay_windows"] == 1
    assert by_shift[shifts[1]]["named_before"], "the mean has moved the column already"
    assert by_shift[shifts[2]]["delay_windows"] == 1
    assert set(found["columns"]) == {"amount", "color"}


def test_without_an_injection_every_alert_is_one_before_and_a_table_and_a_picture_are_made(run, shop):
    done = run(
        "backtest", "rows.csv", "-m", "a.yaml", "--compare", "b.yaml", "--from", "2026-01-31", "--picture", "p.html"
    )
    assert done.exit_code == 0, done.output
    assert "an alarm every" in done.output
    assert "b.yaml" in done.output
    picture = (shop / "p.html").read_text()
    assert picture.count("<rect class=spell") >= 2
    assert "http" not in picture


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        ("amount+0.2", "this is no shift; write COLUMN=mean+0.2sd@TIME"),
        ("amuont=mean+1@2026-02-10", "has no column 'amuont'; did you mean `amount`?"),
        ("color=mean+1@2026-02-10", "color is categorical and has no mean"),
        ("amount=share:red+0.1@2026-02-10", "amount is numeric and has no categories"),
        ("amount=missing-0.1@2026-02-10", "a share can only rise"),
        ("color=share:red+0.9@2026-02-10", "is more than 1"),
        ("amount=mean+1@2027-02-10", "choose a time between"),
        ("amount=mean+1@2026-02-10..2026-02-01", "the end must come after the start"),
        ("amount=mean+1@soon", "--inject soon: this is no time"),
    ],
)
def test_a_shift_that_cannot_be_put_in_is_one_clear_line(run, shop, shift, words):
    done = run("backtest", "rows.csv", "-m", "a.yaml", "--from", "2026-01-31", "--inject", shift)
    assert done.exit_code == 2, done.output
    assert words in " ".join(done.output.split())


def test_monitors_may_stand_one_after_the_other(run, shop):
    done = run("backtest", "rows.csv", "--compare", "a.yaml", "b.yaml", "--from", "2026-01-31", "--json", "-")
    assert done.exit_code == 0, done.output
    assert [entry["monitor"] for entry in json.loads(done.stdout)][:2] == ["a.yaml", "b.yaml"]


def test_without_a_monitor_or_with_one_too_many_it_says_what_to_write(run, shop):
    none = run("backtest", "rows.csv")
    assert (none.exit_code, "name a monitor with -m FILE" in none.output) == (2, True)
    two = run("backtest", "rows.csv", "b.yaml", "-m", "a.yaml")
    assert (two.exit_code, "b.yaml: a second file is a monitor to compare" in two.output) == (2, True)
