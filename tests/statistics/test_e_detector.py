"""The e-detector: a mean of at most 1 for every distribution within the tolerance, a stated run length, and an early end to a lasting shift."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, signal, special

from stream_gov.contracts import Season
from stream_gov.reference import ProfileBuilder, RowBatch, build_profile, long_run_by_slot
from stream_gov.statistics import Evidence, e_detector_plan, psi_p_value

TEN = np.full(10, 2_000)


def shifted_tenths(shift: float) -> np.ndarray:
    """Shares of a normal distribution, moved by `shift`, between the deciles of the standard one."""
    edges = np.concatenate([[-np.inf], special.ndtri(np.arange(1, 10) / 10), [np.inf]])
    return np.diff(special.ndtr(edges - shift))


def psi_of(v, r):
    return float(((v - r) * np.log(v / r)).sum())


def run(plan, windows, level=1e-3) -> list[Evidence]:
    evidence, all_of_it = plan.fresh(), []
    for i, counts in enumerate(windows):
        evidence = plan.update(evidence, counts, level, start_ms=i)
        all_of_it.append(evidence)
    return all_of_it


@settings(max_examples=200, deadline=None)
@given(
    direction=st.lists(st.floats(-3, 3), min_size=10, max_size=10),
    tolerance=st.sampled_from([0.0, 0.02, 0.1, 1.0]),
)
def test_no_distribution_within_the_tolerance_has_a_mean_e_value_above_one(direction, tolerance):
    """Against a search along rays: K must be the largest log mean of exp(lambda a) over the ball."""
    plan = e_detector_plan(TEN, kind="numeric", tolerance=tolerance)
    r = plan.shares

    def at(s):
        v = r * np.exp(s * np.array(direction))
        return v / v.sum()

    if psi_of(at(1.0), r) > tolerance:
        edge = optimize.brentq(lambda s: psi_of(at(s), r) - tolerance, 0, 1) if tolerance else 0.0
    else:
        edge = 1.0
    means = np.exp(plan.slopes[..., np.newaxis] * plan.scores[:, np.newaxis, :]) @ at(edge)
    assert (np.log(means) <= plan.cumulants + 1e-9).all()


def test_the_bound_is_the_largest_mean_that_a_general_optimiser_finds():
    plan = e_detector_plan([600, 300, 80, 20, 0], kind="categorical", tolerance=0.05)
    r = plan.shares
    for d, j in ((0, 0), (1, 3), (3, 2), (4, 5), (len(plan.scores) - 1, 1)):
        x = np.exp(plan.slopes[d, j] * plan.scores[d])
        widened = (math.sqrt(0.05) + 2.5 / math.sqrt(1_000)) ** 2
        found = optimize.minimize(
            lambda v, x=x: -v @ x / x.max(),
            r,
            jac=lambda v, x=x: -x / x.max(),
            bounds=[(1e-9, 1)] * 5,
            constraints=[
                {"type": "eq", "fun": lambda v: v.sum() - 1},
                {"type": "ineq", "fun": lambda v, t=widened: t - psi_of(v, r)},
            ],
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        assert plan.cumulants[d, j] == pytest.approx(math.log(-found.fun * x.max()), abs=2e-4)


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_false_alarms_come_no_more_often_than_stated(tolerance):
    """20 references and 2,000 windows each with the truth at the tolerance: the mean number of alarms at level 0.005 is at most 200.

    Alarms of one reference hang together, so the test allows what 20 independent counts with a mean of 10 exceed once in 1,000 times: 250.
    """
    rng = np.random.default_rng(4)
    shift = optimize.brentq(lambda s: psi_of(shifted_tenths(s), np.full(10, 0.1)) - tolerance, 0, 2) if tolerance else 0
    alarms = 0
    for _ in range(20):
        plan = e_detector_plan(rng.multinomial(20_000, np.full(10, 0.1)), kind="numeric", tolerance=tolerance)
        seen = [e.alarm for e in run(plan, rng.multinomial(200, shifted_tenths(shift), 2_000), 0.005)]
        alarms += sum(now and not before for before, now in zip([False, *seen], seen, strict=False))
    assert alarms <= 250


def test_a_small_shift_that_no_window_shows_is_found_when_it_lasts():
    """A shift of 0.45 sd (PSI 0.2) at tolerance 0.1 and 200 events: 9 of 10 single windows at least say nothing, ten together do."""
    rng = np.random.default_rng(5)
    found, single, n = [], 0, 60
    for _ in range(20):
        expected = rng.multinomial(20_000, np.full(10, 0.1))
        plan = e_detector_plan(expected, kind="numeric", tolerance=0.1)
        windows = rng.multinomial(200, shifted_tenths(0.45), n)
        found.append(next((i for i, e in enumerate(run(plan, windows)) if e.alarm), n) + 1)
        single += sum(psi_p_value(expected, w, tolerance=0.1) < 1e-3 for w in windows)
    assert single / (20 * n) < 0.1
    assert np.median(found) <= 12


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("numeric", np.full(10, 0.1), [0.06, 0.1, 0.11, 0.115, 0.115, 0.115, 0.115, 0.11, 0.1, 0.06]),  # narrower
        ("categorical", [0.5, 0.3, 0.19, 0.01], [0.35, 0.3, 0.34, 0.01]),
        ("categorical", [0.5, 0.3, 0.19, 0.01], [0.47, 0.28, 0.18, 0.07]),  # a rare one rises
        ("boolean", [0.9, 0.1], [0.8, 0.2]),
    ],
    ids=["spread", "category", "rare category", "boolean"],
)
def test_shifts_of_other_kinds_are_found_too(kind, before, after):
    rng = np.random.default_rng(6)
    plan = e_detector_plan(np.round(20_000 * np.asarray(before)).astype(int), kind=kind, tolerance=0.0)
    seen = run(plan, rng.multinomial(500, np.asarray(after) / np.sum(after), 20))
    assert any(e.alarm for e in seen[:8])


def test_the_alarm_says_since_when_and_ends_soon_after_the_shift():
    rng = np.random.default_rng(7)
    plan = e_detector_plan(TEN, kind="numeric", tolerance=0.0)
    shares = [np.full(10, 0.1)] * 50 + [shifted_tenths(0.2)] * 30 + [np.full(10, 0.1)] * 30
    seen = run(plan, [rng.multinomial(300, p) for p in shares])
    alarms = [i for i, e in enumerate(seen) if e.alarm]
    assert alarms == list(range(alarms[0], alarms[-1] + 1)), "it does not begin and end again and again"
    assert 50 <= alarms[0] <= 60
    assert all(45 <= seen[i].since_ms <= alarms[0] for i in alarms)
    assert seen[79].since_counts.sum() == 300 * (80 - seen[79].since_ms)
    assert 79 <= alarms[-1] <= 90, "however long the shift lasted"


def test_a_window_without_values_changes_nothing_and_a_huge_one_overflows_nothing():
    plan = e_detector_plan(TEN, kind="numeric", tolerance=0.1)
    some = plan.update(plan.fresh(), TEN, 1e-3, start_ms=1)
    assert plan.update(some, np.zeros(10), 1e-3, start_ms=2) is some
    huge = plan.update(some, [10**9] + [0] * 9, 1e-9, start_ms=3)
    assert huge.alarm
    assert np.isfinite(huge.values).all()
    assert huge.value == pytest.approx(1e10)


def test_windows_that_depend_on_each_other_raise_no_more_alarms_than_stated():
    """A first-order autoregression of 0.9, 10 references of 20,000 rows, 1,000 windows of 200 each: at level 0.005 at most 50 on average."""
    rng = np.random.default_rng(8)
    alarms, alarms_if_independent = 0, 0
    for _ in range(10):
        innovations = rng.normal(size=220_000) * math.sqrt(1 - 0.81)
        series = signal.lfilter([1.0], [1.0, -0.9], innovations)
        rows = RowBatch({"x": series[:20_000]}, 20_000, times_ms=np.arange(20_000))
        profile = build_profile(
            lambda rows=rows: [rows], ProfileBuilder(), name="r", revision=1, model="m", source="t", created_ms=0
        )
        column = profile.segments[""].columns["x"]
        cells = column.layout.groups[column.layout.edges.searchsorted(series[20_000:], side="right")].reshape(-1, 200)
        windows = [np.bincount(w, minlength=10) for w in cells]
        for long_run in (profile.long_run["x"].long_run, None):
            plan = e_detector_plan(column.cell_counts(), kind="numeric", tolerance=0.0, long_run=long_run)
            seen = [e.alarm for e in run(plan, windows, 0.005)]
            n = sum(now and not before for before, now in zip([False, *seen], seen, strict=False))
            alarms += n if long_run is not None else 0
            alarms_if_independent += n if long_run is None else 0
    assert alarms <= 75
    assert alarms_if_independent > 150, "the dependence is what makes the difference"


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("boolean", [17_520, 0]),
        ("numeric", [20_000, 0]),
        ("categorical", [5, 0]),
        ("categorical", [*np.sort(np.random.default_rng(1).zipf(1.5, 300) % 10**6)[::-1], 0]),
        ("numeric", [1, 1, 1]),
        ("numeric", [10**9] * 32),
    ],
    ids=["one value of two", "constant", "one category", "zipf", "three rows", "a billion rows"],
)
@pytest.mark.parametrize("tolerance", [0.0, 0.1, 5.0])
def test_plans_of_extreme_references_are_finite(kind, counts, tolerance):
    plan = e_detector_plan(counts, kind=kind, tolerance=tolerance)
    assert plan is not None
    assert np.isfinite(plan.cumulants).all()
    assert np.isfinite(plan.slopes).all()
    assert (plan.slopes >= 0).all()
    assert plan.weights.sum() == pytest.approx(1)
    at_reference = np.exp(plan.slopes[..., np.newaxis] * plan.scores[:, np.newaxis, :]) @ plan.shares
    assert (np.log(at_reference) <= plan.cumulants + 1e-9).all()


def test_what_was_constant_and_moves_is_found_at_once():
    plan = e_detector_plan([17_520, 0], kind="numeric", tolerance=0.1)
    assert run(plan, [[0, 336]])[-1].alarm


@pytest.mark.parametrize("counts", [[5], [0, 0]])
def test_a_column_that_cannot_shift_has_no_plan(counts):
    assert e_detector_plan(counts, kind="numeric", tolerance=0.1) is None


def test_a_season_of_the_reference_is_no_shift():
    rng = np.random.default_rng(9)
    plan = e_detector_plan(TEN, kind="numeric", tolerance=0.0)
    night = np.round(shifted_tenths(0.6) * 5_000)
    evidence = plain = plan.fresh()
    for i in range(100):
        window = rng.multinomial(200, night / night.sum())
        evidence = plan.update(evidence, window, 1e-3, start_ms=i, expected=night)
        plain = plan.update(plain, window, 1e-3, start_ms=i)
    assert plain.alarm
    assert not evidence.alarm


def test_with_a_season_the_errors_of_the_slots_count_and_cumulants_are_those_of_a_normal_law_at_least():
    plain, seasonal = (e_detector_plan(TEN, kind="numeric", tolerance=0.02, seasonal=s) for s in (False, True))
    variances = ((plain.scores**2) @ plain.shares - (plain.scores @ plain.shares) ** 2)[:, np.newaxis]
    root = math.sqrt(0.02) + 2.5 * np.sqrt(1 / 20_000)
    normal = plain.slopes * ((plain.scores @ plain.shares)[:, np.newaxis] + root * np.sqrt(variances))
    np.testing.assert_allclose(
        seasonal.cumulants, np.maximum(plain.cumulants, normal + plain.slopes**2 * variances / 2), rtol=1e-9
    )
    assert (seasonal.cumulants > plain.cumulants).any()

    counts = np.array([50, 60, 40, 55, 45, 60, 50, 40, 50, 50])
    alone = seasonal.update(seasonal.fresh(), counts, 1e-3, start_ms=0)
    # slots with the shares of the whole and 250 rows: half as many events as the window's 500 add their error
    with_slots = seasonal.update(seasonal.fresh(), counts, 1e-3, start_ms=0, expected=np.full(10, 25))
    held = alone.values > 1e-20  # what single precision holds of both
    np.testing.assert_allclose(
        np.log(with_slots.values[held]), np.log(alone.values[held]) * 250 / 750, rtol=1e-3, atol=1e-4
    )
    assert held.sum() > 40


def test_what_the_slots_let_expect_is_no_shift():
    plan = e_detector_plan(TEN, kind="numeric", tolerance=0.0, seasonal=True)
    of_slot = np.array([4_000, 3_000, 2_000, 1_000, 0, 0, 0, 0, 0, 0])
    as_expected = plan.update(plan.fresh(), of_slot // 20, 1e-3, start_ms=0, expected=of_slot)
    shifted = plan.update(plan.fresh(), np.roll(of_slot, 1) // 20, 1e-3, start_ms=0, expected=of_slot)
    blind = plan.update(plan.fresh(), of_slot // 20, 1e-3, start_ms=0)
    assert (as_expected.alarm, shifted.alarm, blind.alarm) == (False, True, True)
    # counted as if the window had as much of each slot as the reference
    np.testing.assert_allclose(as_expected.since_counts, 50, atol=1)
    assert plan.update(plan.fresh(), of_slot, 1e-3, start_ms=0, expected=np.zeros(10)).value == 0


def test_in_slots_with_bursts_the_mean_e_value_stays_below_one():
    """Slots whose values lie elsewhere and come in spells: every mean of every e-detector's first step, over windows of one slot."""
    rng, n_days, n = np.random.default_rng(8), 40, 100
    hour = np.repeat(np.arange(24 * n_days), n)

    def values(start):
        series = signal.lfilter([1.0], [1.0, -0.9], rng.normal(size=hour.size) * math.sqrt(1 - 0.81))
        return 2 * np.sin(2 * math.pi * ((hour + start) % 24) / 24) + np.where((hour + start) % 24 < 8, 0.5, 1) * series

    rows = RowBatch(
        {"x": values(0)}, hour.size, times_ms=hour * 3_600_000 + np.tile(np.arange(n) * 36_000, 24 * n_days)
    )
    profile = build_profile(
        lambda: [rows],
        ProfileBuilder(season=Season("hour_of_day")),
        name="r",
        revision=1,
        model="m",
        source="rows",
        created_ms=0,
    )
    layout, slots = profile.layout.columns["x"], long_run_by_slot(profile, "", "x")
    whole = profile.segments[""].columns["x"].cell_counts()
    long_run = replace(slots[0], covariance=np.mean([k.covariance for k in slots.values()], axis=0))
    plan = e_detector_plan(whole, kind="numeric", tolerance=0.0, long_run=long_run, slots=slots, seasonal=True)
    expected = [s.columns["x"].cell_counts() for s in profile.slots.summaries("", range(24))]
    means = []
    for _ in range(4):
        groups = layout.groups[layout.edges.searchsorted(values(0), side="right")].reshape(-1, n)
        means += [
            plan.update(
                plan.fresh(),
                np.bincount(window, minlength=10),
                1e-9,
                start_ms=0,
                expected=expected[i % 24],
                slots={i % 24: n},
            ).values
            for i, window in enumerate(groups)
        ]
    # 3,840 windows; the means of the steepest e-values are far below one, of the flattest about one
    assert np.mean(means, axis=0).max() < 1.1


def test_categories_that_a_small_reference_happens_to_lack_raise_no_alarm():
    """Of 300 categories 2,000 rows lack some, and one event in forty is of such a one: no shift, and as likely as the reference's single ones say."""
    shares = 1 / np.arange(1, 301)
    shares /= shares.sum()
    level, alarms = 0.001, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(2_000, shares)
        known = drawn > 0
        plan = e_detector_plan(np.append(drawn[known], 0), kind="categorical", tolerance=0.02)
        evidence = plan.fresh()
        for i in range(100):
            window = rng.multinomial(1_000, shares)
            evidence = plan.update(evidence, np.append(window[known], window[~known].sum()), level, start_ms=i)
            alarms += evidence.alarm
    assert alarms == 0  # 2 are allowed
