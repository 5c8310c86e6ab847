"""`stream-gov backtest --compare` and `--inject`, end to end on a small file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stream_gov.detection import evenly

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
    return compared_with(run, "rows.csv", "a.yaml", *flags)


def compared_with(run, data, monitor, *flags):
    done = run("backtest", data, "-m", monitor, "--from", "2026-01-31", "--json", "-", *flags)
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
    every, never = found["1 alarm at even distances"], found["never"]
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
        "backtest", "rows.csv", "-m", "b.yaml", "--compare", "a.yaml", "--from", "2026-01-31", "--picture", "p.html"
    )
    assert done.exit_code == 0, done.output
    assert "at even distances" in done.output
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


def test_a_shift_of_what_no_event_has_or_of_a_derived_column_is_refused(run, shop):
    lines = (shop / "rows.csv").read_text().splitlines()
    (shop / "narrow.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")
    gone = run(
        "backtest", "narrow.csv", "-m", "a.yaml", "--from", "2026-01-31", "--inject", "color=missing+0.2@2026-02-10"
    )
    assert (gone.exit_code, "no event of that time has 'color'" in " ".join(gone.output.split())) == (2, True), (
        gone.output
    )
    (shop / "t.yaml").write_text(
        "monitor: t\nmodel: shop\nreference: t\nwindow: {size: 1d}\ncolumns: {types: {color: text}}\n"
    )
    assert run("reference", "build", "rows.csv", "-m", "t.yaml", "--name", "t", "--until", "2026-01-31").exit_code == 0
    derived = run(
        "backtest", "rows.csv", "-m", "t.yaml", "--from", "2026-01-31", "--inject", "color.length=mean+1@2026-02-10"
    )
    assert (derived.exit_code, "color.length is derived from 'color'" in " ".join(derived.output.split())) == (2, True)


def test_missing_values_rise_by_what_was_asked_of_all_though_some_are_missing_already(run, shop):
    lines = (shop / "rows.csv").read_text().splitlines()
    half = [
        line if i % 2 else ",".join([line.split(",")[0], "", line.split(",")[2]]) for i, line in enumerate(lines[1:])
    ]
    (shop / "half.csv").write_text("\n".join([lines[0], *half]) + "\n")
    assert run("reference", "build", "half.csv", "-m", "a.yaml", "--until", "2026-01-31").exit_code == 0
    (shop / "m.yaml").write_text(
        MONITOR.format(rule="tolerance: 0.2").replace("missing_share, tolerance: 0.02", "missing_share, threshold: 0.6")
    )
    found = compared_with(run, "half.csv", "m.yaml", "--inject", "amount=missing+0.2@2026-02-10")
    assert found["m.yaml"]["shifts"][0]["delay_windows"] == 1, "0.7 of the values are missing, and not 0.6"
    too_many = run(
        "backtest", "half.csv", "-m", "m.yaml", "--from", "2026-01-31", "--inject", "amount=missing+0.6@2026-02-10"
    )
    assert (too_many.exit_code, "is more than 1" in " ".join(too_many.output.split())) == (2, True)


def test_each_monitor_gets_the_same_events_whatever_its_reference(run, shop):
    rows = (shop / "rows.csv").read_text().splitlines()
    wide = [rows[0], *(",".join([t, str(4 * float(x)), c]) for t, x, c in (line.split(",") for line in rows[1:]))]
    (shop / "wide.csv").write_text("\n".join(wide) + "\n")
    (shop / "w.yaml").write_text(MONITOR.format(rule="threshold: 0.01").replace("reference: base", "reference: wide"))
    assert (
        run("reference", "build", "wide.csv", "-m", "w.yaml", "--name", "wide", "--until", "2026-01-31").exit_code == 0
    )
    seen = []
    from stream_gov.detection import inject

    def noted(events, shifts, *more):
        seen.append([s.add for s in shifts])
        return inject(events, shifts, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stream_gov.detection.inject", noted)
        compared(run, "--compare", "w.yaml", "--inject", "amount=mean+1sd@2026-02-10")
    assert seen[0] == seen[1] == [pytest.approx(10, rel=0.05)]


def test_the_baseline_raises_as_many_alerts_as_the_first_monitor():
    ends = tuple(range(1, 101))
    for n_alerts in (1, 20, 60, 100):
        assert len(evenly(n_alerts, ends, ()).alerts) == n_alerts
    assert evenly(3, ends, ()).flagged == (33, 66, 100)
    assert evenly(200, ends, ()).flagged == ends


def test_a_first_monitor_without_alerts_is_compared_with_never_alone(run, shop):
    found = compared(run, "--inject", "amount=mean+0.001sd@2026-02-10")
    assert list(found) == ["a.yaml", "never"]


def test_monitors_that_cannot_be_compared_are_refused(run, shop):
    (shop / "other.yaml").write_text(MONITOR.format(rule="tolerance: 0.2").replace("model: shop", "model: other"))
    (shop / "season.yaml").write_text(MONITOR.format(rule="tolerance: 0.2") + "season: hour_of_day\npane: 1h\n")
    (shop / "unknown.yaml").write_text(MONITOR.format(rule="tolerance: 0.2").replace("[amount]", "[amuont]"))
    for name, code, words in (
        ("other.yaml", 2, "model 'other'"),
        ("season.yaml", 2, "season.yaml: season:"),
        ("unknown.yaml", 0, "has no column 'amuont'"),
    ):
        done = run("backtest", "rows.csv", "--compare", "a.yaml", name, "--from", "2026-01-31")
        assert (done.exit_code, words in " ".join(done.output.split())) == (code, True), done.output
