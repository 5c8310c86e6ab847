from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, stats

from stream_gov.contracts import Check, Verdict
from stream_gov.statistics import STATISTICS, decide
from stream_gov.statistics.frechet_distance import (
    LEAST_VECTORS_PER_DIMENSION,
    frechet_distance,
    frechet_of_summaries,
    frechet_p_value,
    mean_vector_p_value,
)
from stream_gov.summaries import CovarianceSummary, NumericLayout

STATISTIC = STATISTICS["frechet_distance"]


def by_scipy(mean_a, a, mean_b, b) -> float:
    """Heusel et al. 2017, with a general matrix square root; not squared, in spreads of the first."""
    root = linalg.sqrtm(a @ b)
    squared = np.square(mean_a - mean_b).sum() + np.trace(a + b - 2 * root.real)
    return math.sqrt(max(squared, 0) / np.trace(a))


def summary_of(rows: np.ndarray, scale: float = 1.0) -> CovarianceSummary:
    layout = NumericLayout(np.array([0.0]), np.array([0, 1]), 0.0, scale)
    summary = CovarianceSummary({f"v.{j}": layout for j in range(rows.shape[1])})
    summary.update_rows(rows)
    return summary


def random_covariance(rng: np.random.Generator, k: int, spread: float = 1.0) -> np.ndarray:
    basis = linalg.qr(rng.normal(size=(k, k)))[0]
    return basis @ np.diag(np.exp(rng.normal(0, spread, k))) @ basis.T


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8))
def test_agrees_with_the_general_matrix_root_of_scipy(seed, k):
    rng = np.random.default_rng(seed)
    a, b = random_covariance(rng, k), random_covariance(rng, k)
    mean_a, mean_b = rng.normal(size=k), rng.normal(size=k)
    found = frechet_distance(mean_reference=mean_a, covariance_reference=a, mean_window=mean_b, covariance_window=b)
    assert found == pytest.approx(by_scipy(mean_a, a, mean_b, b), rel=1e-6)
    same = frechet_distance(mean_reference=mean_a, covariance_reference=a, mean_window=mean_a, covariance_window=a)
    assert same == pytest.approx(0, abs=1e-6)


def test_of_one_dimension_it_is_the_closed_form():
    """sqrt((a - b)**2 + (s - t)**2) / s, and of a shift alone the shift in spreads, whatever the unit."""
    for unit in (1e-6, 1.0, 1e6):
        found = frechet_distance(
            mean_reference=np.array([1.0]) * unit,
            covariance_reference=np.array([[4.0]]) * unit**2,
            mean_window=np.array([4.0]) * unit,
            covariance_window=np.array([[36.0]]) * unit**2,
        )
        assert found == pytest.approx(math.hypot(3, 4) / 2)


def test_singular_covariances_have_a_distance_and_constant_references_none():
    flat, mean = np.diag([1.0, 0.0]), np.zeros(2)
    found = frechet_distance(
        mean_reference=mean, covariance_reference=flat, mean_window=mean, covariance_window=np.diag([0.0, 1.0])
    )
    assert found == pytest.approx(math.sqrt(2))
    for a, b in ((0 * flat, flat), (flat * math.nan, flat), (flat, flat * math.nan)):
        undefined = frechet_distance(mean_reference=mean, covariance_reference=a, mean_window=mean, covariance_window=b)
        assert math.isnan(undefined)


@pytest.mark.parametrize(("n", "m"), [(100, 10_000), (400, 400), (2_000, 50_000)])
def test_without_drift_the_bias_is_taken_away_from_the_square(n, m):
    """Over 400 pairs of samples the plain square is positive by several times its error, the corrected one (before it is cut at 0) is not.

    The mean of the corrected squares is within 4 standard errors of 0, plus the term of second order, 2 % of the bias for 100 vectors.
    """
    rng = np.random.default_rng(n)
    k = 6
    covariance = random_covariance(rng, k)
    root = linalg.cholesky(covariance, lower=True)
    plain, corrected = [], []
    for _ in range(400):
        # Sums of normal vectors and Wishart matrices: the moments of the samples without the samples.
        moments = []
        for size in (m, n):
            mean = root @ rng.normal(size=k) / math.sqrt(size)
            moments += [mean, stats.wishart.rvs(size - 1, covariance, random_state=rng) / (size - 1)]
        mean_a, a, mean_b, b = moments
        keys = {"mean_reference": mean_a, "covariance_reference": a, "mean_window": mean_b, "covariance_window": b}
        plain.append(frechet_distance(**keys) ** 2)
        # A shift known to be far away keeps the square positive, so that nothing is cut.
        far = np.zeros(k)
        far[0] = 100.0
        shifted = {**keys, "mean_window": mean_b + far}
        known = (100.0**2 + 2 * 100.0 * (mean_b - mean_a)[0]) / np.trace(a)
        corrected.append(frechet_distance(**shifted, n_reference=m, n_window=n) ** 2 - known)
    error = np.std(corrected) / math.sqrt(len(corrected))
    assert np.mean(plain) > 20 * error
    assert abs(np.mean(corrected)) < 4 * error + 0.03 * np.mean(plain)


def test_few_vectors_for_their_dimensions_are_insufficient_whatever_min_events_says():
    rows = np.random.default_rng(0).normal(size=(2_000, 8))
    reference, window = summary_of(rows), summary_of(rows[: LEAST_VECTORS_PER_DIMENSION * 8 - 1])
    assert math.isnan(frechet_of_summaries(reference, window))
    assert math.isnan(frechet_of_summaries(window, reference))
    decision = decide(STATISTIC, reference, window, Check(statistic="frechet_distance", threshold=0.1), 1)
    assert decision.verdict is Verdict.INSUFFICIENT
    assert "fewer than 10 vectors for each dimension" in decision.reason
    enough = decide(STATISTIC, reference, summary_of(rows[:80]), Check(statistic="frechet_distance", threshold=0.5), 1)
    assert enough.verdict is Verdict.STABLE
    assert (enough.n_reference, enough.n_window) == (2_000, 80)
    too_few = decide(
        STATISTIC, reference, summary_of(rows[:80]), Check(statistic="frechet_distance", threshold=0.5), 100
    )
    assert too_few.reason == "the window has 80 vectors, fewer than min_events = 100"


def test_of_one_dimension_the_test_of_the_mean_is_the_normal_one():
    for difference, allowed in ((0.3, 0.0), (0.3, 0.1), (-0.5, 0.2)):
        found = mean_vector_p_value(np.array([difference]), np.array([[0.01]]), allowed=allowed)
        expected = stats.norm.sf((abs(difference) - allowed) / 0.1) + stats.norm.sf((abs(difference) + allowed) / 0.1)
        assert found == pytest.approx(expected, rel=0.08)  # below 0.05 by a saddlepoint
    assert mean_vector_p_value(np.array([0.1]), np.array([[0.01]]), allowed=0.2) == 1.0
    assert math.isnan(mean_vector_p_value(np.array([0.1]), np.array([[0.0]])))


def rates(draw, *, tolerance: float, level: float, sizes=(1_000, 20_000), rounds: int = 2_000) -> float:
    """Share of rounds in which the test fires; `draw(n)` gives the rows of a window or, first, of the reference."""
    fired = 0
    for i in range(rounds):
        if i % 20 == 0:
            reference = summary_of(draw(sizes[1], False))
        fired += frechet_p_value(reference, summary_of(draw(sizes[0], True)), tolerance) < level
    return fired / rounds


@pytest.mark.parametrize("tail", ["normal", "heavy", "skewed"])
@pytest.mark.parametrize("n", [100, 1_000])
def test_the_test_holds_its_level_without_drift_and_at_the_tolerance(tail, n):
    """At level 0.01 of 2,000 windows at most 1.7 % may fire: with a true rate of 0.01 that has a chance of 0.3 %.

    At the tolerance the means are apart by just that; covariances are the same.
    """
    rng = np.random.default_rng([n, len(tail)])
    k, level = 8, 0.01
    root = linalg.cholesky(random_covariance(rng, k, 0.7), lower=True)
    direction = rng.normal(size=k)

    def noise(size):
        if tail == "heavy":
            return rng.standard_t(5, size=(size, k)) / math.sqrt(5 / 3)
        return rng.exponential(size=(size, k)) - 1 if tail == "skewed" else rng.normal(size=(size, k))

    total = math.sqrt(np.trace(root @ root.T))
    for tolerance in (0.0, 0.15):
        shift = direction / np.linalg.norm(direction) * tolerance * total

        def draw(size, is_window, shift=shift):
            return noise(size) @ root.T + shift * is_window

        fired = rates(draw, tolerance=tolerance, level=level, sizes=(n, 20_000))
        assert fired <= 0.017
        if tolerance == 0.0:
            assert fired >= 0.004  # neither does it waste its level


def test_a_shift_of_the_mean_beyond_the_tolerance_is_found_and_a_wider_spread_alone_is_not():
    rng = np.random.default_rng(5)
    reference = summary_of(rng.normal(size=(20_000, 8)))
    shifted = summary_of(rng.normal(size=(1_000, 8)) + 0.3)
    wider = summary_of(3 * rng.normal(size=(1_000, 8)))
    calibrated = Check(statistic="frechet_distance", tolerance=0.1)
    found = decide(STATISTIC, reference, shifted, calibrated, 200)
    assert found.verdict is Verdict.DRIFT
    assert found.value == pytest.approx(0.3, abs=0.05)
    assert found.calibration == "independent"
    unseen = decide(STATISTIC, reference, wider, calibrated, 200)
    assert unseen.verdict is Verdict.STABLE
    assert unseen.value == pytest.approx(2, abs=0.1)
    by_threshold = decide(STATISTIC, reference, wider, Check(statistic="frechet_distance", threshold=0.5), 200)
    assert by_threshold.verdict is Verdict.DRIFT


def test_a_window_without_variance_and_one_without_vectors_have_defined_outcomes():
    rng = np.random.default_rng(6)
    reference = summary_of(rng.normal(size=(5_000, 4)))
    same = summary_of(np.full((500, 4), 2.0))
    assert frechet_p_value(reference, same, 0.1) < 1e-6
    assert frechet_of_summaries(reference, same) == pytest.approx(math.sqrt(4 + 1), abs=0.05)
    empty = summary_of(np.empty((0, 4)))
    assert math.isnan(frechet_p_value(reference, empty, 0.0))
    assert math.isnan(frechet_of_summaries(reference, empty))
    assert frechet_p_value(same, reference, 0.0) < 1e-6
    assert math.isnan(frechet_of_summaries(same, reference))
