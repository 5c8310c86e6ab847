"""The levels of all tests add up to the budget, and windows without drift alarm no more often than it allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.contracts import Alert, AlertChange, AlertPolicy, Monitor
from stream_gov.contracts.alert_policy import OpenAfter
from stream_gov.detection import LARGEST_LEVEL, AlertMemory, Window, advance, judge_window, levels_of
from stream_gov.summaries import PaneSummary
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, profile_for

DAY_H = 24


def watched(budget: str, checks: str, every: str = "1d") -> Monitor:
    text = f"{{monitor: m, model: m, window: {{size: 1d, every: {every}}}, segments: [color], budget: {budget}, checks: {checks}}}"
    return Monitor.from_yaml(text, source="test")


@given(
    false_alarms=st.floats(0.01, 2),
    every=st.sampled_from(["1h", "6h", "1d"]),
    n_numeric=st.integers(0, 40),
    n_categorical=st.integers(1, 40),
    n_segments=st.integers(0, 60),
)
def test_the_expected_number_of_false_alarms_is_the_budget(false_alarms, every, n_numeric, n_categorical, n_segments):
    checks = (
        "[{statistic: psi, tolerance: 0.1}, {statistic: ks, tolerance: 0.1}, {statistic: unseen_share, tolerance: 0}]"
    )
    monitor = watched(f"{{false_alarms: {false_alarms}, per: 30d}}", checks, every)
    columns = {f"n{i}": "numeric" for i in range(n_numeric)} | {f"c{i}": "categorical" for i in range(n_categorical)}
    levels = levels_of(monitor, columns, n_segments)
    tests = 2 * n_numeric + 2 * n_categorical  # psi and ks of numbers, psi and unseen_share of categories
    windows = {"1h": 720, "6h": 120, "1d": 30}[every]
    expected = windows * tests * (levels.whole + n_segments * levels.segment)
    if max(levels.whole, levels.segment) < LARGEST_LEVEL:
        assert expected == pytest.approx(false_alarms)
    assert expected <= false_alarms * (1 + 1e-9)


def test_checks_that_state_a_level_or_a_threshold_take_nothing_of_the_budget():
    alone = levels_of(watched("{}", "[{statistic: psi, tolerance: 0.1}]"), {"x": "numeric"}, 0)
    beside = levels_of(
        watched(
            "{}",
            "[{statistic: psi, tolerance: 0.1}, {statistic: ks, tolerance: 0, level: 0.01}, {statistic: l_infinity, threshold: 1}]",
        ),
        {"x": "numeric"},
        0,
    )
    assert (beside.n_tests, beside.whole) == (alone.n_tests, alone.whole)
    stated = watched("{}", "[{statistic: ks, tolerance: 0, level: 0.01}]").checks[0]
    assert beside.of(stated, "") == beside.of(stated, "color=red") == 0.01


def test_a_test_may_fire_k_times_as_often_where_an_alert_takes_k_windows():
    checks = "[{statistic: psi, tolerance: 0.1}, {statistic: e_detector, tolerance: 0.1}]"
    once = watched("{}", checks)
    thrice = once.model_copy(update={"alerts": AlertPolicy(open_after=OpenAfter(windows=3, of=5))})
    levels, persistent = (levels_of(m, {"x": "numeric", "y": "numeric"}, 4) for m in (once, thrice))
    psi, e_detector = once.checks
    for segment in ("", "color=red"):
        assert persistent.of(psi, segment) == pytest.approx(3 * levels.of(psi, segment))
        assert persistent.of(e_detector, segment) == levels.of(e_detector, segment), "one alarm of it lasts for windows"


def test_segments_share_half_of_the_budget_and_leave_the_other_to_all_events():
    checks = "[{statistic: psi, tolerance: 0.1}]"
    without = levels_of(watched("{}", checks), {"x": "numeric"}, 0)
    with_hundred = levels_of(watched("{}", checks), {"x": "numeric"}, 100)
    assert with_hundred.whole == pytest.approx(without.whole / 2)
    assert with_hundred.segment == pytest.approx(without.whole / 200)


def test_a_column_that_is_not_watched_takes_no_part():
    monitor = Monitor.from_yaml(
        "{monitor: m, model: m, window: {size: 1d}, columns: {exclude: [b]}, checks: [{statistic: psi, tolerance: 0.1}]}",
        source="",
    )
    assert levels_of(monitor, {"a": "numeric", "b": "numeric"}, 0).n_tests == 1


def test_the_level_is_capped_however_large_the_budget():
    assert (
        levels_of(
            watched("{false_alarms: 1000, per: 1h}", "[{statistic: psi, tolerance: 0}]"), {"x": "numeric"}, 0
        ).whole
        == LARGEST_LEVEL
    )


def test_every_result_says_the_level_that_the_budget_leaves_for_it():
    text = "[{statistic: psi, tolerance: 0.1}, {statistic: missing_share, tolerance: 0.02, level: 0.004}, {statistic: ks, threshold: 0.3}]"
    mine = Monitor.from_yaml(
        f"{{monitor: shop, model: shop, reference: base, window: {{size: 1h}}, min_events: 20, budget: {{false_alarms: 2, per: 10d}}, checks: {text}}}",
        source="test",
    )
    driver = Driver(mine, profile_for(mine))
    for i in range(50):
        driver.feed({"x": 0.1, "color": "red"}, at=T0 + i)
    driver.finish()
    levels = {(r.column, r.statistic): r.level for r in driver.results() if r.column}
    assert levels[("x", "psi")] == levels[("color", "psi")] == pytest.approx(2 / (240 * 2))
    assert levels[("x", "missing_share")] == 0.004
    assert levels[("x", "ks")] is None


def test_windows_without_drift_raise_no_more_alerts_than_the_budget():
    """Five models of two columns and hourly windows, each for 60 days: 10 periods, at a budget of 2 alarms in 30 days.

    The number of alerts has at most the mean 20; more than 33 come with a chance of 0.3 % were it Poisson with that mean.
    """
    checks = "[{statistic: psi, tolerance: 0}, {statistic: mean_shift, tolerance: 0}, {statistic: missing_share, tolerance: 0}]"
    opened = 0
    for seed in range(5):
        rng = np.random.default_rng([3, seed])
        mine = Monitor.from_yaml(
            f"{{monitor: shop, model: shop, reference: base, window: {{size: 1h}}, min_events: 20, budget: {{false_alarms: 2, per: 30d}}, calibration: independent, checks: {checks}}}",
            source="test",
        )
        profile = profile_for(mine)
        opened += sum(
            a.change is AlertChange.OPENED for a in alerts_without_drift(mine, profile, rng, hours=60 * DAY_H)
        )
    assert 0 < opened <= 33


def alerts_without_drift(mine, profile, rng, *, hours: int) -> list[Alert]:
    memory, alerts = AlertMemory(), []
    for hour in range(hours):
        pane = PaneSummary(profile.layout)
        pane.columns["x"].update_values(rng.normal(0, 1, 200))
        pane.columns["color"].update_values(rng.choice(["red", "blue"], 200, p=[0.75, 0.25]).tolist())
        pane.update_times(T0, T0, 200)
        window = Window(
            model="shop",
            version="1",
            segment="",
            start_ms=T0 + hour * HOUR,
            end_ms=T0 + (hour + 1) * HOUR,
            revision=0,
            events=200,
            late=0,
            rejected=0,
        )
        judged = judge_window(mine, window, pane, profile)
        memory, alert = advance(memory, judged.results, mine.alerts)
        alerts += [alert] if alert is not None else []
    return alerts
