"""Rates of false alarms, and of alarms, of the tests of dependent draws.

The columns are stationary first-order autoregressions. Every assertion of a rate allows as many alarms as a test that keeps its level exceeds with
probability 1e-6 (binomial quantile), times 1.5 in the level where the docstring says so, so a correct implementation fails one of the roughly
20 assertions with probability below 1e-4 if the seed were drawn anew. Windows of one reference share its errors, hence many references.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest
from scipy import optimize, signal, stats

from stream_gov.contracts import Check, Verdict
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.statistics import STATISTICS, decide, psi_p_value
from stream_gov.statistics.calibrated_long_run import (
    long_run_mean_shift_p_value,
    long_run_p_value,
    long_run_rise_p_value,
    spread_p_value,
)
from stream_gov.statistics.divergences import PSI_NATS
from stream_gov.summaries import Inflation, LongRun, empty_summary

SURE = 1 - 1e-6
LEVEL = 0.01
N_REFERENCES, WINDOWS = 30, 40
INNER = stats.norm.ppf(np.arange(1, 10) / 10)


def autoregressions(rng, rho, shape):
    innovations = rng.normal(size=shape)
    innovations[..., 1:] *= math.sqrt(1 - rho * rho)
    return signal.lfilter([1.0], [1.0, -rho], innovations, axis=-1)


def colors_of(values):
    return [("green", "red", "blue")[i] for i in np.searchsorted([0.6, 1.3], values).tolist()]


def reference(rng, rho, *, m=20_000) -> ReferenceProfile:
    x, gaps = autoregressions(rng, rho, (2, m))
    columns = {"x": x, "color": colors_of(x), "flag": (x > 0.5).tolist(), "gappy": np.where(gaps > 1.5, np.nan, x)}
    rows = RowBatch(columns, m, times_ms=np.arange(m))
    return build_profile(lambda: [rows], ProfileBuilder(), name="r", revision=1, model="m", source="", created_ms=0)


@lru_cache(maxsize=3)
def references(rho) -> list[ReferenceProfile]:
    rng = np.random.default_rng([10, round(1_000 * rho)])
    return [reference(rng, rho) for _ in range(N_REFERENCES)]


def summary(profile, column, values, n_missing=0):
    counted = empty_summary(profile.layout.columns[column])
    counted.update_values(values, n_missing=n_missing)
    return counted


def shift_of(index: float) -> float:
    """Shift of a standard normal column whose deciles have this population stability index."""

    def true_index(shift):
        after = np.diff(stats.norm.cdf(np.concatenate([[-np.inf], INNER, [np.inf]]) - shift))
        return ((after - 0.1) * np.log(after / 0.1)).sum() - index

    return optimize.brentq(true_index, 1e-9, 3) if index else 0.0


def verdicts(rho, n, check, column, *, index=0.0, runs=N_REFERENCES, windows=WINDOWS):
    rng, found = np.random.default_rng([11, round(1_000 * rho), n]), []
    for profile in references(rho)[:runs]:
        for values, gaps in autoregressions(rng, rho, (windows, 2, n)):
            shifted = values + shift_of(index)
            n_missing = 0
            match column:
                case "color":
                    chosen = colors_of(shifted)
                case "flag":
                    chosen = (shifted > 0.5).tolist()
                case "gappy":
                    chosen = shifted[gaps <= 1.5]
                    n_missing = n - len(chosen)
                case _:
                    chosen = shifted
            decision = decide(
                STATISTICS[check.statistic],
                profile.segments[""].columns[column],
                summary(profile, column, chosen, n_missing),
                check,
                1,
                dependence=profile.long_run[column],
            )
            assert decision.calibration == "long_run"
            found.append(decision.verdict is Verdict.DRIFT)
    return np.array(found)


def assert_holds(drifts, *, allowed=1.0):
    most = stats.binom.ppf(SURE, drifts.size, allowed * LEVEL)
    assert drifts.sum() <= most, f"{drifts.mean():.4f} of {drifts.size} at level {LEVEL}"


@pytest.mark.parametrize("n", [200, 1_000])
@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_psi_holds_its_level_where_rows_depend_on_each_other(rho, n, tolerance):
    assert_holds(verdicts(rho, n, Check(statistic="psi", tolerance=tolerance, level=LEVEL), "x", index=tolerance))


@pytest.mark.parametrize(
    ("statistic", "column"),
    [
        ("jensen_shannon", "x"),
        ("ks", "x"),
        ("mean_shift", "x"),
        ("hellinger", "x"),
        ("kullback_leibler", "color"),
        ("mann_whitney", "x"),
        ("mann_whitney", "gappy"),
        ("cramer_von_mises", "x"),
        ("anderson_darling", "x"),
        ("energy_distance", "x"),
        ("missing_share", "gappy"),
        ("psi", "color"),
        ("psi", "flag"),
        ("unseen_share", "color"),
    ],
)
def test_every_calibrated_statistic_holds_its_level_at_an_autocorrelation_of_0_9(statistic, column):
    assert_holds(verdicts(0.9, 1_000, Check(statistic=statistic, tolerance=0.0, level=LEVEL), column), allowed=1.5)


@pytest.mark.parametrize(
    ("rho", "n", "index", "tolerance", "power"),
    [
        (0.0, 1_000, 0.1, 0.0, 0.99),
        (0.5, 1_000, 0.341, 0.1, 0.95),
        (0.9, 10_000, 0.341, 0.1, 0.9),
        (0.9, 1_000, 1.0, 0.0, 0.95),
    ],
)
def test_a_clear_shift_is_found(rho, n, index, tolerance, power):
    check = Check(statistic="psi", tolerance=tolerance, level=LEVEL)
    drifts = verdicts(rho, n, check, "x", index=index, runs=10, windows=10)
    assert drifts.mean() >= power


def test_taking_the_rows_for_independent_draws_would_fail():
    # the reason for all this: the same windows at the same level
    rng, p_values = np.random.default_rng(12), []
    for profile in references(0.9)[:5]:
        expected = profile.segments[""].columns["x"].cell_counts()
        p_values += [
            psi_p_value(expected, summary(profile, "x", values).cell_counts())
            for values in autoregressions(rng, 0.9, (40, 1_000))
        ]
    assert np.mean(np.array(p_values) < LEVEL) > 0.4


@pytest.fixture(scope="module")
def profile():
    return reference(np.random.default_rng(13), 0.5)


@pytest.mark.parametrize("statistic", [name for name, s in STATISTICS.items() if s.long_run is not None])
def test_never_less_conservative_than_independent_draws(profile, statistic):
    rng, checked = np.random.default_rng(14), 0
    for column in ("x", "color", "flag", "gappy"):
        if not STATISTICS[statistic].applies_to(profile.layout.columns[column].kind):
            continue
        before, checked = profile.segments[""].columns[column], checked + 1
        for shift in (0.0, 0.3, 1.0):
            values = autoregressions(rng, 0.5, (500,)) + shift
            chosen = {"color": colors_of(values), "flag": (values > 0.5).tolist()}.get(column, values)
            window = summary(profile, column, chosen, 70)
            for check in (Check(statistic=statistic, tolerance=0.05), Check(statistic=statistic, tolerance=0.0)):
                both = [
                    decide(STATISTICS[statistic], before, window, check, 1, dependence=known)
                    for known in (profile.long_run[column], None)
                ]
                assert both[0].p_value >= both[1].p_value
                assert (both[0].calibration, both[1].calibration) == ("long_run", "independent")
                assert both[0].value == both[1].value
    assert checked


def test_statistics_with_a_calibrated_test_have_one_for_dependent_draws():
    assert {n for n, s in STATISTICS.items() if s.calibrated} == {n for n, s in STATISTICS.items() if s.long_run}


@pytest.mark.parametrize("check", [Check(statistic="psi", threshold=0.1), Check(statistic="psi", p_value=0.05)])
def test_classic_rules_do_not_heed_the_dependence(profile, check):
    before = profile.segments[""].columns["x"]
    window = summary(profile, "x", np.random.default_rng(15).normal(0.2, 1, 500))
    both = [
        decide(STATISTICS["psi"], before, window, check, 1, dependence=known) for known in (profile.long_run["x"], None)
    ]
    assert both[0] == both[1]
    assert both[0].calibration == ""


def known_of(shares, covariance, *, n_blocks=10**9, lag=0):
    return LongRun(
        block_rows=50,
        n_blocks=n_blocks,
        lag=lag,
        shares=np.asarray(shares, float),
        covariance=np.asarray(covariance, float),
        mean=Inflation(),
        missing=Inflation(),
        type_errors=Inflation(),
    )


def test_with_the_covariance_of_independent_draws_it_is_the_test_of_independent_draws():
    shares = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
    known = known_of(shares, np.diag(shares) - np.outer(shares, shares))
    expected = (20_000 * shares).astype(int)
    for observed in ([300, 250, 200, 150, 100], [330, 260, 190, 130, 90], [420, 260, 150, 100, 70]):
        for tolerance in (0.0, 0.02):
            mine = long_run_p_value(expected, observed, known, PSI_NATS, tolerance=tolerance)
            assert mine == pytest.approx(psi_p_value(expected, observed, tolerance=tolerance), rel=0.03)


def test_ten_times_the_covariance_is_a_tenth_of_the_events():
    shares = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
    known = known_of(shares, 10 * (np.diag(shares) - np.outer(shares, shares)))
    # many events, so that half an event more in each cell makes no difference
    expected, observed = (20_000_000 * shares).astype(int), np.array([301_000, 251_000, 200_000, 149_000, 99_000])
    mine = long_run_p_value(expected, observed, known, PSI_NATS)
    assert mine == pytest.approx(psi_p_value(expected // 10, observed // 10), rel=0.01)


def test_few_blocks_make_a_test_more_careful():
    shares = np.array([0.3, 0.25, 0.2, 0.15, 0.1])
    covariance = np.diag(shares) - np.outer(shares, shares)
    expected, observed = (20_000 * shares).astype(int), [360, 260, 180, 120, 80]
    p_values = [
        long_run_p_value(expected, observed, known_of(shares, covariance, n_blocks=k, lag=3), PSI_NATS)
        for k in (10**6, 400, 40)
    ]
    assert p_values == sorted(p_values)
    assert p_values[2] > 3 * p_values[0]


def test_small_and_unseen_cells_are_merged_and_judged():
    shares = np.array([0.9, 0.0996, 0.0002, 0.0002, 0.0])
    known = known_of(shares, 5 * (np.diag(shares) - np.outer(shares, shares)), n_blocks=400)
    expected = np.array([18_000, 1_992, 4, 4, 0])
    stable = long_run_p_value(expected, [179, 21, 0, 0, 0], known, PSI_NATS, kind="categorical")
    unseen = long_run_p_value(expected, [80, 20, 0, 0, 100], known, PSI_NATS, tolerance=0.1, kind="categorical")

    assert stable > 0.05
    assert unseen < 1e-6
    assert math.isnan(long_run_p_value(expected, [0] * 5, known, PSI_NATS, kind="categorical"))


def test_many_categories_are_pooled():
    rng = np.random.default_rng(16)
    shares = np.append(1 / np.arange(1, 301), 0)
    shares /= shares.sum()
    rows = RowBatch(
        {"c": [f"c{i}" for i in rng.choice(301, 20_000, p=shares).tolist()]}, 20_000, times_ms=np.arange(20_000)
    )
    built = build_profile(lambda: [rows], ProfileBuilder(), name="r", revision=1, model="m", source="", created_ms=0)
    known, before = built.long_run["c"].long_run, built.segments[""].columns["c"].cell_counts()

    assert known.shares.size == 33
    assert before.size > 250
    same = rng.multinomial(1_000, before / before.sum())
    other = same.copy()
    other[:2] = other[1::-1]
    assert long_run_p_value(before, same, known, PSI_NATS, kind="categorical") > 0.001
    assert long_run_p_value(before, other, known, PSI_NATS, kind="categorical") < 1e-6


def test_spreading_a_p_value_is_students_tail():
    for p_value in (0.3, 0.01, 1e-6):
        assert spread_p_value(p_value, 20) == pytest.approx(stats.t.sf(stats.norm.isf(p_value), 20))
    assert math.isnan(spread_p_value(math.nan, 20))
    assert [spread_p_value(p, 20) for p in (0.0, 0.5, 1.0)] == [0.0, 0.5, 1.0]


def test_a_rise_of_a_share_uses_as_many_events_as_are_independent():
    def limit(shares):
        return shares

    one = long_run_rise_p_value(40, 400, 200, 4_000, limit, inflation=Inflation(4.0, 2), degrees=1e9)
    assert one == pytest.approx(stats.fisher_exact([[10, 90], [50, 950]], "greater").pvalue, rel=1e-4)
    below_one = long_run_rise_p_value(40, 400, 200, 4_000, limit, inflation=Inflation(0.2, 0), degrees=1e9)
    assert below_one == pytest.approx(stats.fisher_exact([[40, 360], [200, 3_800]], "greater").pvalue, rel=1e-4)


def test_mean_shift_is_students_test_of_as_many_values_as_are_independent():
    known = LongRun(
        block_rows=50,
        n_blocks=400,
        lag=0,
        shares=np.array([1.0]),
        covariance=np.zeros((1, 1)),
        mean=Inflation(9.0, 3),
        missing=Inflation(),
        type_errors=Inflation(),
    )
    given = {"mean_reference": 0.0, "variance_reference": 1.0, "n_reference": 9_000, "n_window": 900, "long_run": known}
    found = long_run_mean_shift_p_value(**given, mean_window=0.3, variance_window=1.0, tolerance=0.0)
    error = math.sqrt(9 / 900 + 9 / 9_000)
    assert found == pytest.approx(2 * stats.t.sf(0.3 / error, 99))
    steadier = long_run_mean_shift_p_value(**given, mean_window=0.3, variance_window=0.1, tolerance=0.0)
    assert steadier == found
    none = {**given, "variance_reference": 0.0}
    assert math.isnan(long_run_mean_shift_p_value(**none, mean_window=0.0, variance_window=0.0, tolerance=0.0))


def test_a_reference_whose_blocks_are_all_alike_leaves_the_test_of_independent_draws():
    rows = RowBatch({"x": np.arange(5_000.0) % 50}, 5_000, times_ms=np.arange(5_000))
    built = build_profile(lambda: [rows], ProfileBuilder(), name="r", revision=1, model="m", source="", created_ms=0)
    before, known = built.segments[""].columns["x"], built.long_run["x"]
    assert np.abs(known.long_run.covariance).max() < 1e-9
    window = summary(built, "x", np.arange(500.0) % 25)
    check = Check(statistic="psi", tolerance=0.1)
    found = decide(STATISTICS["psi"], before, window, check, 1, dependence=known)
    assert found.verdict is Verdict.DRIFT
    assert found.p_value == decide(STATISTICS["psi"], before, window, check, 1).p_value
