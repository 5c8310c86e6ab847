"""From value to verdict: three rules, and when nothing can be said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream_gov.contracts import Check, ConfigurationError, Verdict
from stream_gov.statistics import STATISTICS, decide
from stream_gov.summaries import NumericLayout, NumericSummary, PaneLayout, PaneSummary

EDGES = np.linspace(-1.5, 1.5, 9)
LAYOUT = NumericLayout(edges=EDGES, groups=np.arange(10), center=0.0, scale=1.0)


def column(values, *, n_missing=0):
    summary = NumericSummary(LAYOUT)
    summary.update_values(np.asarray(values, float), n_missing=n_missing)
    return summary


def normal(n, *, mean=0.0, spread=1.0, seed=1):
    return column(np.random.default_rng(seed).normal(mean, spread, n))


def judge(reference, window, *, min_events=100, **check):
    check = Check(**check)
    return decide(STATISTICS[check.statistic], reference, window, check, min_events)


def test_threshold_is_exceeded_only_by_a_greater_value():
    reference, window = normal(5_000), normal(500, mean=0.5, seed=2)
    value = judge(reference, window, statistic="psi", threshold=0.1).value
    assert value > 0.1
    above = judge(reference, window, statistic="psi", threshold=np.nextafter(value, 0))
    assert (above.verdict, above.rule, above.threshold) == (Verdict.DRIFT, "threshold", np.nextafter(value, 0))
    assert (above.p_value, above.level, above.tolerance) == (None, None, None)
    assert judge(reference, window, statistic="psi", threshold=value).verdict is Verdict.STABLE


def test_threshold_of_a_signed_statistic_is_compared_with_its_size():
    reference, window = normal(5_000), normal(500, mean=-0.5, seed=2)
    decision = judge(reference, window, statistic="mean_shift", threshold=0.3)
    assert decision.value < -0.3
    assert decision.verdict is Verdict.DRIFT
    assert judge(reference, window, statistic="mean_shift", threshold=1.0).verdict is Verdict.STABLE


def test_p_value_below_the_level_is_drift():
    reference = normal(5_000)
    drift = judge(reference, normal(500, mean=0.5, seed=2), statistic="ks", p_value=0.01)
    assert drift.verdict is Verdict.DRIFT
    assert drift.p_value < drift.level == 0.01
    assert (drift.rule, drift.threshold, drift.tolerance) == ("p_value", None, None)
    stable = judge(reference, normal(500, seed=2), statistic="ks", p_value=0.01)
    assert stable.verdict is Verdict.STABLE
    assert stable.p_value > 0.01


def test_calibrated_rule_tells_change_that_matters_from_change_that_can_be_seen():
    reference, window = normal(20_000), normal(20_000, mean=0.1, seed=2)
    strict = judge(reference, window, statistic="psi", tolerance=0.0, level=0.001)
    tolerant = judge(reference, window, statistic="psi", tolerance=0.1, level=0.001)
    assert (strict.verdict, tolerant.verdict) == (Verdict.DRIFT, Verdict.STABLE)
    assert (tolerant.rule, tolerant.tolerance, tolerant.level) == ("calibrated", 0.1, 0.001)
    assert strict.p_value < 0.001 < tolerant.p_value
    assert judge(reference, normal(2_000, mean=0.7), statistic="psi", tolerance=0.1).verdict is Verdict.DRIFT


def test_decision_states_both_sample_sizes():
    decision = judge(normal(5_000), normal(321), statistic="psi", tolerance=0.1)
    assert (decision.n_reference, decision.n_window) == (5_000, 321)
    assert decision.reason == ""


@pytest.mark.parametrize("rule", [{"threshold": 0.0}, {"p_value": 0.4}, {"tolerance": 0.0, "level": 0.4}])
def test_too_few_events_are_insufficient_whatever_the_rule_and_however_large_the_value(rule):
    decision = judge(normal(5_000), normal(99, mean=9.0), statistic="psi", **rule)
    assert decision.verdict is Verdict.INSUFFICIENT
    assert decision.reason == "the window has 99 valid values, fewer than min_events = 100"
    assert decision.value > 1
    assert decision.p_value is None


def test_small_or_empty_reference_is_insufficient():
    decision = judge(normal(99), normal(500), statistic="psi", threshold=0.1)
    assert (decision.verdict, decision.reason) == (
        Verdict.INSUFFICIENT,
        "the reference has 99 valid values, fewer than min_events = 100",
    )
    decision = judge(column([]), normal(500), statistic="psi", threshold=0.1)
    assert (decision.verdict, decision.reason) == (Verdict.INSUFFICIENT, "the reference has no valid values")
    assert math.isnan(decision.value)


def test_undefined_value_is_insufficient_and_says_why():
    decision = judge(column(np.full(500, 0.4)), normal(500), statistic="mean_shift", threshold=0.1)
    assert decision.verdict is Verdict.INSUFFICIENT
    assert decision.reason == "mean_shift is undefined: the reference does not vary"


def test_column_that_is_wholly_missing_is_drift_of_its_missing_share_and_insufficient_for_the_rest():
    reference, window = normal(5_000), column([], n_missing=500)
    missing = judge(reference, window, statistic="missing_share", tolerance=0.02, level=0.001)
    assert (missing.verdict, missing.value, missing.n_window) == (Verdict.DRIFT, 1.0, 500)
    index = judge(reference, window, statistic="psi", tolerance=0.1, level=0.001)
    assert index.verdict is Verdict.INSUFFICIENT
    assert index.reason == "the window has 0 valid values, fewer than min_events = 100"


def test_model_statistic_counts_events():
    layout = PaneLayout("r@1", {"x": LAYOUT})
    reference, window = PaneSummary(layout), PaneSummary(layout)
    reference.n_events, window.n_events = 5_000, 500
    window.update_new_columns({"y": 3})
    decision = judge(reference, window, statistic="new_columns", threshold=0)
    assert (decision.verdict, decision.value) == (Verdict.DRIFT, 1.0)
    assert (decision.n_reference, decision.n_window) == (5_000, 500)
    window.n_events = 5
    assert judge(reference, window, statistic="new_columns", threshold=0).reason.startswith("the window has 5 events")


def test_rule_that_the_statistic_has_no_test_for_is_a_mistake_of_the_configuration():
    reference, window = normal(500), normal(500)
    with pytest.raises(ConfigurationError, match="no calibrated test"):
        decide(STATISTICS["l_infinity"], reference, window, Check(statistic="psi", tolerance=0.1), 100)
    with pytest.raises(ConfigurationError, match="no p-value"):
        decide(STATISTICS["l_infinity"], reference, window, Check(statistic="psi", p_value=0.1), 100)


def test_a_check_that_states_no_level_is_given_one():
    reference, window = normal(5_000), normal(500, mean=0.3, seed=2)
    given = decide(STATISTICS["psi"], reference, window, Check(statistic="psi", tolerance=0.0), 100, level=1e-9)
    stated = decide(
        STATISTICS["psi"], reference, window, Check(statistic="psi", tolerance=0.0, level=0.01), 100, level=1e-9
    )
    assert (given.level, given.verdict) == (1e-9, Verdict.STABLE)
    assert (stated.level, stated.verdict) == (0.01, Verdict.DRIFT)
    assert given.p_value == stated.p_value


def test_the_distance_is_what_the_bound_is_compared_with():
    reference, window = column(np.zeros(900), n_missing=100), column(np.zeros(150), n_missing=50)
    rise = judge(reference, window, statistic="missing_share", tolerance=0.02)
    assert (rise.value, rise.distance) == (0.25, pytest.approx(0.15)), "the tolerance is of the rise over 0.1"
    share = judge(reference, window, statistic="missing_share", threshold=0.02)
    assert (share.value, share.distance) == (0.25, 0.25), "a threshold is of the share itself"
    fall = judge(window, reference, statistic="missing_share", tolerance=0.02)
    assert fall.distance == 0.0
    signed = judge(normal(5_000), normal(500, mean=-0.5, seed=2), statistic="mean_shift", tolerance=0.1)
    assert signed.distance == -signed.value > 0.3
    assert judge(normal(5_000), normal(500), statistic="ks", p_value=0.01).distance is None
