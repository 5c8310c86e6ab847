"""Saddlepoint tails: against Imhof's integral, tabulated points, binomial and Poisson tails, and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import optimize, stats

from stream_gov.statistics.mixture_tail import mixture_tail
from stream_gov.statistics.saddlepoint import Scores, difference_tail, mixture_tail_far_out
from tests.statistics.test_mixture_tail import CASES, imhof, moments

CERTAIN = Scores(np.array([0.0]), np.array([1.0]), 1)


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("one", "a weight of 0")])
@pytest.mark.parametrize("chance", [0.5, 0.01, 1e-4, 1e-6])
def test_tail_of_a_mixture_is_within_a_tenth_of_imhofs_integral_however_far_out(name, chance):
    weights, noncentralities = CASES[name]
    mean, deviation = moments(weights, noncentralities)
    value = optimize.brentq(
        lambda x: mixture_tail_far_out(x, weights, noncentralities) / chance - 1, 1e-9, mean + 60 * deviation
    )
    assert imhof(value, weights, noncentralities) == pytest.approx(chance, rel=0.1)


def test_far_out_matching_moments_would_find_too_small_a_tail():
    # the reason for this: eigenvalues of a statistic of cumulative shares
    weights = 1 / np.arange(1, 60) ** 2
    exact = imhof(25.0, weights, np.zeros(59))
    assert 1e-7 < exact < 1e-5
    assert mixture_tail_far_out(25.0, weights, np.zeros(59)) == pytest.approx(exact, rel=0.1)
    assert mixture_tail(25.0, weights) < 0.75 * exact


@pytest.mark.parametrize(("point", "level"), [(0.46136, 0.05), (0.74346, 0.01), (1.16786, 0.001)])
def test_tail_at_the_tabulated_points_of_cramer_and_von_mises(point, level):
    # Anderson and Darling (1952), Ann. Math. Stat. 23, table 1
    weights = 1 / (math.pi * np.arange(1, 400)) ** 2
    assert mixture_tail_far_out(point, weights, np.zeros(399)) == pytest.approx(level, rel=0.08)


@pytest.mark.parametrize(("point", "level"), [(2.492, 0.05), (3.857, 0.01)])
def test_tail_at_the_published_points_of_anderson_and_darling(point, level):
    # Anderson and Darling (1954), J. Am. Stat. Assoc. 49
    j = np.arange(1, 2_000)
    assert mixture_tail_far_out(point, 1 / (j * (j + 1.0)), np.zeros(j.size)) == pytest.approx(level, rel=0.08)


def test_tail_of_a_mixture_falls_smoothly_from_one():
    weights, noncentralities = np.array([0.1, 0.2, 1.0]), np.array([0.0, 1.0, 0.5])
    mean, _ = moments(weights, noncentralities)
    values = np.concatenate(
        [np.linspace(-1, mean, 200), mean + np.linspace(-1e-3, 1e-3, 200), np.linspace(mean, 60, 200)]
    )
    tails = [mixture_tail_far_out(float(x), weights, noncentralities) for x in np.sort(values)]
    assert tails[0] == 1.0
    assert all(later <= before + 0.005 for before, later in itertools.pairwise(tails))
    assert 0 <= tails[-1] < 1e-9


@pytest.mark.parametrize(("n", "share"), [(50, 0.5), (50, 0.1), (1_000, 0.002), (20, 0.05)])
def test_tail_of_a_mean_of_zeros_and_ones_is_the_binomial_tail(n, share):
    sample, checked = Scores(np.array([0.0, 1.0]), np.array([1 - share, share]), n), 0
    for count in range(1, n + 1):
        exact = stats.binom.sf(count - 1, n, share)
        if 1e-6 < exact < 0.3:
            checked += 1
            assert difference_tail((count - 0.5) / n, sample, CERTAIN) == pytest.approx(exact, rel=0.3)
    assert checked > 3


def test_tail_of_a_difference_is_that_of_simulations():
    rng = np.random.default_rng(1)
    scores, first, second = (
        np.array([-1.0, 0.0, 0.1, 3.0]),
        np.array([0.1, 0.6, 0.25, 0.05]),
        np.array([0.3, 0.3, 0.3, 0.1]),
    )
    draws = rng.multinomial(40, first, 400_000) @ scores / 40 - rng.multinomial(90, second, 400_000) @ scores / 90
    for share in (0.9, 0.5, 0.1, 0.01, 0.001):
        value = float(np.quantile(draws, 1 - share))
        exact = (draws >= value - 1e-9).mean() / 2 + (draws > value + 1e-9).mean() / 2
        found = difference_tail(value, Scores(scores, first, 40), Scores(scores, second, 90))
        assert found == pytest.approx(exact, rel=0.12)


def test_tail_of_a_normal_mean_is_normal():
    scores = np.linspace(-8, 8, 4_001)
    shares = stats.norm.pdf(scores) / stats.norm.pdf(scores).sum()
    for value in (-0.3, 0.0, 1e-5, 0.01, 0.2, 0.5):
        found = difference_tail(value, Scores(scores, shares, 100), Scores(scores, shares, 400))
        assert found == pytest.approx(stats.norm.sf(value / math.sqrt(1 / 100 + 1 / 400)), rel=1e-3)


def test_beyond_the_scores_nothing_is_possible_and_at_their_end_only_that():
    sample = Scores(np.array([0.0, 1.0]), np.array([0.7, 0.3]), 3)
    assert difference_tail(1.01, sample, CERTAIN) == 0.0
    assert difference_tail(1.0, sample, CERTAIN) == pytest.approx(0.027)
    assert difference_tail(-0.01, sample, CERTAIN) == 1.0
    assert difference_tail(0.1, CERTAIN, CERTAIN) == 0.0
    assert difference_tail(-0.1, CERTAIN, CERTAIN) == 1.0


def test_cells_without_a_share_do_not_count():
    scores, shares = np.array([0.0, 1.0, 99.0]), np.array([0.7, 0.3, 0.0])
    with_empty, without = Scores(scores, shares, 30), Scores(scores[:2], shares[:2], 30)
    assert difference_tail(0.5, with_empty, CERTAIN) == difference_tail(0.5, without, CERTAIN)
