from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from stream_gov.contracts import Check, Season, Verdict
from stream_gov.reference import (
    MixtureDependence,
    ProfileBuilder,
    ReferenceProfile,
    RowBatch,
    build_profile,
    mixture,
)
from stream_gov.reference.counting import count_rows
from stream_gov.reference.seasonal_long_run import _Design, slot_coordinates
from stream_gov.statistics import STATISTICS, decide
from stream_gov.summaries import PaneSummary

HOUR = 3_600_000
MONDAY = 1_767_571_200_000
DAY = Season("hour_of_day")


def autoregression(rng: np.random.Generator, rho: float, n: int) -> np.ndarray:
    innovations = rng.normal(size=n)
    innovations[1:] *= math.sqrt(1 - rho * rho)
    return signal.lfilter([1.0], [1.0, -rho], innovations)


def build(rows: RowBatch, season: Season = DAY) -> ReferenceProfile:
    return build_profile(
        lambda: [rows], ProfileBuilder(season=season), name="r", revision=1, model="m", source="rows", created_ms=0
    )


def times(n_hours: int, per_hour: int) -> np.ndarray:
    return MONDAY + np.arange(n_hours * per_hour) * (HOUR // per_hour)


def day_and_night(rng: np.random.Generator, rho: float, n_hours: int, per_hour: int, *, shift: float = 0.0) -> RowBatch:
    """x moves with the hour by three of its standard deviations, and its spread by a half."""
    t = times(n_hours, per_hour)
    phase = 2 * math.pi * ((t - MONDAY) // HOUR % 24) / 24
    x = 1.5 * np.sin(phase) + (1 + 0.5 * np.cos(phase)) * (autoregression(rng, rho, t.size) + shift)
    return RowBatch({"x": x}, t.size, times_ms=t)


def dependence_in(profile: ReferenceProfile, slots: list[int], window: list[int], column: str = "x"):
    summaries = [s.columns[column] for s in profile.slots.summaries("", slots)]
    return MixtureDependence(profile.seasonal_long_run[column], summaries, window).of_window(10**9, 10**9)


def multinomial(shares: np.ndarray) -> np.ndarray:
    return np.diag(shares) - np.outer(shares, shares)


@settings(max_examples=100)
@given(
    counts=st.lists(st.lists(st.integers(0, 1_000), min_size=7, max_size=7).filter(any), min_size=1, max_size=5),
    kind=st.sampled_from(["numeric", "boolean", "categorical"]),
)
def test_coordinates_span_all_that_the_counts_of_a_slot_can_do(counts, kind):
    shares = np.array(counts, np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    for p, directions in zip(shares, slot_coordinates(shares, kind=kind), strict=True):
        root = np.sqrt(p)
        free = directions if kind == "categorical" else directions[:, 1:]
        # with independent rows every coordinate has variance 1, and the counts that of a multinomial
        np.testing.assert_allclose(root[:, None] * (free @ free.T) * root, multinomial(p), atol=1e-9)
        if kind != "categorical":
            np.testing.assert_allclose(directions[:, 0], root, atol=1e-9)
            filled = np.flatnonzero(p)
            np.testing.assert_allclose(directions.T @ directions, np.diag(np.arange(7) < filled.size), atol=1e-7)
            if filled.size > 1:  # the first one rises with the cells
                assert (np.diff(directions[filled, 1] / root[filled]) > 0).all()


@pytest.mark.parametrize("slots", [[2], [14], list(range(24)), [3, 4, 15]])
def test_independent_rows_have_the_covariance_of_a_multinomial_in_every_slot(slots):
    rng = np.random.default_rng(1)
    profile = build(day_and_night(rng, 0.0, 24 * 60, 100))
    known = dependence_in(profile, slots, [1] * len(slots))

    shares = np.array([s.columns["x"].cell_counts() / s.n_events for s in profile.slots.summaries("", slots)])
    expected = np.mean([multinomial(p) for p in shares], axis=0)
    np.testing.assert_allclose(known.shares, shares.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(known.covariance, expected, atol=0.15 * expected.max())
    # without the season the cycle is taken for dependence
    assert profile.long_run["x"].long_run.mean.ratio > 20
    assert profile.seasonal_long_run["x"].long_run.mean.ratio == pytest.approx(1, abs=0.15)


def test_the_mean_of_a_window_varies_by_the_variance_within_slots():
    rng, slots = np.random.default_rng(11), [0, 6, 12, 18]
    profile = build(day_and_night(rng, 0.5, 24 * 60, 100))
    known = dependence_in(profile, slots, [3, 1, 1, 1])
    parts = [s.columns["x"] for s in profile.slots.summaries("", slots)]
    within = np.average([part.variance() for part in parts], weights=[3, 1, 1, 1])
    mixed = mixture(profile.slots.summaries("", slots), [3, 1, 1, 1]).columns["x"]
    # of an autoregression with 0.5 the variance of the mean is three times that of independent draws
    assert known.mean.ratio * mixed.variance() == pytest.approx(3 * within, rel=0.1)
    assert mixed.variance() > 1.5 * within


@pytest.mark.parametrize("slot", [0, 6, 13])
@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_a_slot_has_the_covariance_of_rows_that_are_always_like_it(slot, rho):
    found, expected, ratios = [], [], []
    for seed in range(3):
        rng = np.random.default_rng([2, seed])
        profile = build(day_and_night(rng, rho, 24 * 60, 100))
        (summary,) = profile.slots.summaries("", [slot])
        found.append(dependence_in(profile, [slot], [1]).covariance)
        ratios.append(profile.seasonal_long_run["x"].long_run.mean.ratio)
        # the same cells, and rows of this hour only, 24 times as many days
        phase = 2 * math.pi * slot / 24
        x = 1.5 * math.sin(phase) + (1 + 0.5 * math.cos(phase)) * autoregression(rng, rho, 24 * 60 * 100)
        codes = profile.layout.columns["x"].groups[profile.layout.columns["x"].edges.searchsorted(x, side="right")]
        indicators = np.eye(10)[codes]
        blocks = indicators.reshape(-1, 500, 10).sum(axis=1) - 500 * indicators.mean(axis=0)
        expected.append(blocks.T @ blocks / x.size)
        assert summary.n_events == 6_000
    expected = np.mean(expected, axis=0)
    largest = np.linalg.eigh(expected)[1][:, -1]
    assert largest @ np.mean(found, axis=0) @ largest == pytest.approx(largest @ expected @ largest, rel=0.2)
    np.testing.assert_allclose(np.mean(found, axis=0), expected, atol=0.25 * expected.max())
    assert np.mean(ratios) == pytest.approx((1 + rho) / (1 - rho), rel=0.15)


def test_categories_whose_shares_follow_the_hour_are_independent_beyond_it():
    rng, t = np.random.default_rng(3), times(24 * 60, 100)
    is_day = (t - MONDAY) // HOUR % 24 >= 12
    u = rng.random(t.size)
    s = np.where(is_day, np.where(u < 0.8, "a", np.where(u < 0.9, "b", "c")), np.where(u < 0.1, "a", "d"))
    profile = build(RowBatch({"s": s.tolist()}, t.size, times_ms=t))
    for slots in ([3], [20], [3, 20], list(range(24))):
        known = dependence_in(profile, slots, [5] * len(slots), "s")
        shares = np.array([c.columns["s"].cell_counts() / c.n_events for c in profile.slots.summaries("", slots)])
        np.testing.assert_allclose(known.covariance, np.mean([multinomial(p) for p in shares], axis=0), atol=0.03)
    assert np.trace(profile.long_run["s"].long_run.normalised) > 30


def test_reference_of_one_slot_has_the_covariance_it_has_without_a_season():
    rng, n_days, per_hour = np.random.default_rng(4), 400, 100
    t = (MONDAY + np.arange(n_days)[:, None] * 24 * HOUR + np.arange(per_hour) * 36_000).ravel()
    x = autoregression(rng, 0.8, t.size)
    rows = RowBatch({"x": x, "s": np.where(x > 1, "high", "low").tolist()}, t.size, times_ms=t)
    profile = build(rows)
    for column in ("x", "s"):
        plain = profile.long_run[column].long_run
        known = dependence_in(profile, [0], [1], column)
        assert known.lag == plain.lag
        # but for what the mean takes away, which the season undoes
        np.testing.assert_allclose(known.covariance, plain.covariance, rtol=0.02, atol=0.01 * plain.covariance.max())


@pytest.mark.parametrize(("n_weeks", "rho"), [(2, 0.0), (2, 0.9), (4, 0.9)])
def test_what_the_slots_take_of_the_variance_is_given_back(n_weeks, rho):
    week, ratios = Season("hour_of_week"), []
    for seed in range(10):
        rows = day_and_night(np.random.default_rng([5, seed]), rho, 168 * n_weeks, 40)
        ratios.append(build(rows, week).seasonal_long_run["x"].long_run.mean.ratio)
    # the standard error of the mean of 10 is about 5 % for two weeks of strong dependence
    assert np.mean(ratios) == pytest.approx((1 + rho) / (1 - rho), rel=0.2)


@pytest.mark.parametrize("lag", [0, 1, 4])
def test_the_share_that_is_kept_is_that_of_simulated_independent_rows(lag):
    rng = np.random.default_rng(6)
    slot_of = np.repeat(np.tile(np.arange(6), 4), rng.integers(20, 90, 24))  # four cycles of six slots
    block_of = np.arange(slot_of.size) // 50
    n_blocks = block_of[-1] + 1
    slot_rows = np.zeros((n_blocks, 6))
    np.add.at(slot_rows, (block_of, slot_of), 1)
    variances = []
    for _ in range(2_000):
        x = rng.normal(size=slot_of.size)
        means = np.bincount(slot_of, weights=x) / np.bincount(slot_of)
        sums = np.bincount(block_of, weights=x - means[slot_of])
        variances.append(sums @ sums + sum(2 * (1 - j / (lag + 1)) * sums[j:] @ sums[:-j] for j in range(1, lag + 1)))
    assert _Design(slot_rows).kept_share(lag) == pytest.approx(np.mean(variances) / slot_of.size, rel=0.04)


def test_missing_values_of_the_night_are_no_spells():
    rng, t = np.random.default_rng(7), times(24 * 60, 100)
    night = (t - MONDAY) // HOUR % 24 < 6
    x = np.where(rng.random(t.size) < np.where(night, 0.5, 0.01), np.nan, rng.normal(size=t.size))
    profile = build(RowBatch({"x": x}, t.size, times_ms=t))
    assert profile.long_run["x"].long_run.missing.ratio > 10
    assert profile.seasonal_long_run["x"].long_run.missing.ratio == pytest.approx(1, abs=0.15)
    assert profile.seasonal_long_run["x"].long_run.type_errors.ratio == 1


def test_too_few_cycles_give_no_covariance_and_a_warning():
    rng = np.random.default_rng(8)
    profile = build(day_and_night(rng, 0.9, 168, 40), Season("hour_of_week"))
    assert profile.seasonal_long_run == {}
    assert set(profile.long_run) == {"x"}
    assert (
        "season hour_of_week: it is not known how strongly the values of x depend on those before them beyond the season"
        in profile.warnings[-1]
    )
    assert build(day_and_night(rng, 0.9, 168 * 2, 40), Season("hour_of_week")).warnings == ()


def windows_of(profile: ReferenceProfile, rows: RowBatch, hours: int):
    """Each window with its mixture and its dependence."""
    hour_of = (rows.times_ms - MONDAY) // HOUR
    panes = dict(zip(range(24), profile.slots.summaries("", range(24)), strict=True))
    for start in range(int(hour_of[0]), int(hour_of[-1]) + 1, hours):
        inside = np.flatnonzero((hour_of >= start) & (hour_of < start + hours))
        window = PaneSummary(profile.layout)
        count_rows(window, rows.take(inside))
        slots, counts = np.unique(hour_of[inside] % 24, return_counts=True)
        parts = [panes[slot] for slot in slots.tolist()]
        columns = [part.columns["x"] for part in parts]
        yield (
            mixture(parts, counts.tolist()).columns["x"],
            window.columns["x"],
            MixtureDependence(profile.seasonal_long_run["x"], columns, counts.tolist()),
        )


@pytest.mark.parametrize(("rho", "hours"), [(0.0, 1), (0.9, 1), (0.9, 24)])
def test_the_level_is_held_in_windows_of_an_hour_and_of_a_day(rho, hours):
    checks = {s: Check(statistic=s, tolerance=0.0, level=0.01) for s in ("psi", "mean_shift", "ks")}
    drifts, fixed, n_windows = dict.fromkeys(checks, 0), 0, 0
    for seed in range(5 if hours == 1 else 15):
        rng = np.random.default_rng([9, seed])
        profile = build(day_and_night(rng, rho, 24 * 21, 80))
        whole = profile.segments[""].columns["x"]
        for reference, window, dependence in windows_of(profile, day_and_night(rng, rho, 24 * 8, 80), hours):
            n_windows += 1
            for name, check in checks.items():
                statistic = STATISTICS[name]
                decided = decide(statistic, reference, window, check, 1, level=0.01, dependence=dependence)
                drifts[name] += decided.verdict is Verdict.DRIFT
            without = decide(STATISTICS["psi"], whole, window, checks["psi"], 1, level=0.01)
            fixed += without.verdict is Verdict.DRIFT
    # a rate of 0.01, times 1.5; windows share references, so the standard error is taken twice as large as that of independent ones
    allowed = 0.015 + 3 * 2 * math.sqrt(0.01 / n_windows)
    assert all(count / n_windows <= allowed for count in drifts.values()), drifts
    if hours == 1:
        assert fixed / n_windows > 0.7


def test_a_shift_hidden_by_the_cycle_is_found():
    rng = np.random.default_rng(10)
    profile = build(day_and_night(rng, 0.5, 24 * 28, 120))
    check = Check(statistic="psi", tolerance=0.0, level=0.001)
    found = [
        decide(STATISTICS["psi"], reference, window, check, 1, level=0.001, dependence=dependence).verdict
        for reference, window, dependence in windows_of(profile, day_and_night(rng, 0.5, 24 * 10, 120, shift=0.3), 24)
    ]
    assert found == [Verdict.DRIFT] * 10
