"""What a monitor is said to see is what it sees."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import signal, stats

from stream_gov.contracts import Check, Monitor, Verdict
from stream_gov.detection import CheckOutlook, expected_events, levels_for, outlooks_of
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.statistics import STATISTICS, decide
from stream_gov.summaries import NumericSummary

MONITOR = "monitor: m\nmodel: m\nreference: r\nwindow: {size: 1d}\nmin_events: 20\ncalibration: independent\n"
N_ROWS = 20_000


def monitor(checks: str, more: str = "") -> Monitor:
    return Monitor.from_yaml(f"{MONITOR}checks: [{checks}]\n{more}", source="test")


def profile_of(watched: Monitor, *, times: bool = True) -> ReferenceProfile:
    rng = np.random.default_rng(3)
    columns = {"x": rng.normal(10, 2, N_ROWS), "color": rng.choice(["red", "blue", "green"], N_ROWS, p=[0.5, 0.3, 0.2])}
    stamps = 1_767_225_600_000 + np.arange(N_ROWS) * 86_400 if times else None
    batch = RowBatch({"x": columns["x"], "color": columns["color"].tolist()}, N_ROWS, times_ms=stamps)
    builder = ProfileBuilder.for_monitor(watched)
    return build_profile(lambda: [batch], builder, name="r", revision=1, model="m", source="", created_ms=0)


def of_column(watched: Monitor, profile: ReferenceProfile, n: int, column: str = "x") -> CheckOutlook:
    (found,) = [o for o in outlooks_of(watched, profile, n) if o.column == column]
    return found


def in_sd(words: str) -> float:
    return float(re.search(r"(-?[\d.]+) sd", words)[1])


@pytest.mark.parametrize("n", [100, 1_000])
@pytest.mark.parametrize("p", [0.01, 0.0001])
def test_the_shift_that_a_z_test_sees_is_that_of_the_textbook(n: int, p: float) -> None:
    watched = monitor(f"{{statistic: mean_shift, p_value: {p}}}")
    found = of_column(watched, profile_of(watched), n)
    error = np.sqrt(1 / n + 1 / N_ROWS)
    for words, chance in ((found.half, 0.5), (found.most, 0.9)):
        expected = error * (stats.norm.isf(p / 2) + stats.norm.ppf(chance))
        assert in_sd(words) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("checks", ["{statistic: psi, tolerance: 0.1}", "{statistic: psi, threshold: 0.1}"])
def test_as_many_normal_windows_with_that_shift_are_called_drift_as_it_says(checks: str) -> None:
    watched = monitor(checks)
    profile = profile_of(watched)
    found = of_column(watched, profile, 300)
    reference = profile.segments[""].columns["x"]
    check: Check = watched.checks[0]
    level = levels_for(watched, profile).of(check, "")
    rng = np.random.default_rng(8)
    for words, low, high in ((found.half, 0.3, 0.7), (found.most, 0.78, 0.98)):
        verdicts = []
        for _ in range(300):
            window = NumericSummary(reference.layout)
            window.update_values(rng.normal(10 + 2 * in_sd(words), 2, 300))
            decision = decide(STATISTICS["psi"], reference, window, check, 20, level=level)
            verdicts.append(decision.verdict is Verdict.DRIFT)
        assert low < np.mean(verdicts) < high


def test_a_share_is_seen_from_where_the_binomial_law_says() -> None:
    watched = monitor("{statistic: missing_share, threshold: 0.02}")
    found = of_column(watched, profile_of(watched), 1_000)
    half, most = (float(re.search(r"-> ([\d.]+)%", words)[1]) / 100 for words in (found.half, found.most))
    assert stats.binom.sf(20, 1_000, half) == pytest.approx(0.5, abs=0.15)
    assert stats.binom.sf(20, 1_000, most) == pytest.approx(0.9, abs=0.08)


def test_expected_false_alarms_of_a_budget_are_at_most_the_budget_and_those_of_a_threshold_are_counted() -> None:
    watched = monitor("{statistic: psi, tolerance: 0.1}, {statistic: missing_share, tolerance: 0.02}")
    found = list(outlooks_of(watched, profile_of(watched), 200))
    assert sum(o.false_alarms for o in found) == pytest.approx(watched.budget.false_alarms)
    loud = monitor("{statistic: psi, threshold: 0.1}")
    profile = profile_of(loud)
    assert of_column(loud, profile, 50).false_alarms > 20  # of 30 windows
    assert of_column(loud, profile, 50).half == "chance alone"
    assert of_column(loud, profile, 5_000).false_alarms == 0


def test_more_events_show_smaller_shifts_and_too_few_none() -> None:
    watched = monitor("{statistic: psi, tolerance: 0.1}")
    profile = profile_of(watched)
    sizes = [in_sd(of_column(watched, profile, n).half) for n in (100, 1_000, 10_000)]
    assert sizes == sorted(sizes, reverse=True)
    few = of_column(watched, profile, 10)
    assert (few.half, few.note) == ("", "never judged: 10 events a window, fewer than min_events = 20")
    assert of_column(watched, profile, 1_000, "color").half.startswith("'red' 49.5% -> ")


def test_the_e_detector_finds_less_than_one_window_shows_where_it_lasts() -> None:
    single, lasting = (monitor(f"{{statistic: {s}, tolerance: 0.1}}") for s in ("psi", "e_detector"))
    profile = profile_of(single)
    alone, together = of_column(single, profile, 200), of_column(lasting, profile, 200)
    assert together.half.endswith("lasting 30 windows")
    assert in_sd(together.half) < in_sd(alone.half)


def test_events_of_a_window_are_those_of_the_reference_in_that_time() -> None:
    watched = monitor("{statistic: psi, tolerance: 0.1}")
    assert expected_events(watched, profile_of(watched)) == 1_000
    assert expected_events(watched, profile_of(watched, times=False)) is None


def test_missing_values_of_the_reference_are_missing_in_the_windows_too() -> None:
    watched = monitor("{statistic: missing_share, threshold: 0.05}, {statistic: mean_shift, p_value: 0.01}")
    rng = np.random.default_rng(3)
    x = np.where(rng.random(N_ROWS) < 0.75, np.nan, rng.normal(10, 2, N_ROWS))
    builder = ProfileBuilder.for_monitor(watched)
    batch = RowBatch({"x": x}, N_ROWS)
    profile = build_profile(lambda: [batch], builder, name="r", revision=1, model="m", source="", created_ms=0)
    shares, means = outlooks_of(watched, profile, 400)
    if shares.check.statistic != "missing_share":
        shares, means = means, shares
    assert shares.false_alarms == 30, "in every window of 30 days"
    assert shares.half == "chance alone"
    expected = np.sqrt(1 / 100 + 4 / N_ROWS) * stats.norm.isf(0.005)  # a hundred of the 400 have a value
    assert in_sd(means.half) == pytest.approx(expected, rel=0.15)


def test_with_persistence_expected_false_alarms_are_within_the_budget() -> None:
    watched = monitor(
        "{statistic: psi, tolerance: 0.1}, {statistic: e_detector, tolerance: 0.1}",
        "alerts: {open_after: {windows: 3, of: 3}}",
    )
    found = list(outlooks_of(watched, profile_of(watched), 200))
    assert sum(o.false_alarms for o in found) <= watched.budget.false_alarms + 1e-9


def test_of_rows_that_depend_on_each_other_it_sees_as_much_as_the_windows_show() -> None:
    """Windows of the same autoregression, shifted by what it says, against the same reference."""
    watched = monitor("{statistic: psi, tolerance: 0}").model_copy(update={"calibration": "long_run"})
    rng = np.random.default_rng(6)

    def series(n: int) -> np.ndarray:
        return signal.lfilter([1.0], [1.0, -0.9], rng.normal(size=n + 200) * 0.6)[200:]

    builder = ProfileBuilder.for_monitor(watched)
    times = 1_767_225_600_000 + np.arange(N_ROWS) * 60_000
    batch = RowBatch({"x": series(N_ROWS)}, N_ROWS, times_ms=times)
    profile = build_profile(lambda: [batch], builder, name="r", revision=1, model="m", source="", created_ms=0)
    found = of_column(watched, profile, 1_000)
    reference = profile.segments[""].columns["x"]
    level = levels_for(watched, profile).of(watched.checks[0], "")
    sd = reference.standard_deviation()
    seen = []
    for words in (found.half, found.most):
        drifts = []
        for _ in range(200):
            window = NumericSummary(reference.layout)
            window.update_values(series(1_000) + in_sd(words) * sd)
            decision = decide(
                STATISTICS["psi"],
                reference,
                window,
                watched.checks[0],
                20,
                level=level,
                dependence=profile.dependence["x"],
            )
            drifts.append(decision.verdict is Verdict.DRIFT)
        seen.append(np.mean(drifts))
    half, most = seen
    assert 0.4 < half < 0.65
    assert 0.75 < most <= 0.95
    assert most - half > 0.2  # were the windows drawn as independent, the two shifts would lie too close together: 0.1


def test_the_e_detector_says_how_many_windows_a_shift_beyond_the_tolerance_takes() -> None:
    watched = monitor("{statistic: e_detector, tolerance: 0.1}")
    found = of_column(watched, profile_of(watched), 1_000)
    slow, fast = found.delays
    assert slow is not None
    assert fast is not None
    assert 1 <= fast <= slow <= 30
