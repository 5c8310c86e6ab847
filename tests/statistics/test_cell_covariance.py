"""The covariance of cells, from that of pooled groups: its laws, and against simulated windows of an autoregression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.statistics.cell_covariance import long_run_cell_covariance, pool_of_cells, score_inflation
from stream_gov.summaries import Inflation, LongRun, NumericLayout
from tests.statistics.test_calibrated_long_run import autoregressions, references

SHARES = st.lists(st.integers(0, 50), min_size=8, max_size=8).filter(lambda counts: sum(counts) > 0)
POOL = np.array([0, 0, 1, 2, 1, 3, 3, 2])  # groups of a column with atoms need not be neighbours


def known_of(pooled, covariance):
    return LongRun(
        block_rows=50,
        n_blocks=400,
        lag=0,
        shares=np.asarray(pooled, float),
        covariance=np.asarray(covariance, float),
        mean=Inflation(),
        missing=Inflation(),
        type_errors=Inflation(),
    )


def multinomial(shares):
    return np.diag(shares) - np.outer(shares, shares)


@given(reference=SHARES, now=SHARES)
def test_of_independent_draws_it_is_the_covariance_of_the_shares_whatever_they_are(reference, now):
    r, w = (np.array(counts) + 1.0 for counts in (reference, now))
    r, w = r / r.sum(), w / w.sum()
    pooled = np.bincount(POOL, weights=r)
    known = known_of(pooled, multinomial(pooled))
    assert long_run_cell_covariance(known, POOL, r) == pytest.approx(multinomial(r), abs=1e-12)
    # scaled to other shares it keeps their variances, and the rest nearly: exactly, where groups are equally far from theirs
    moved = long_run_cell_covariance(known, POOL, w)
    assert moved.sum(axis=0) == pytest.approx(np.zeros(8), abs=1e-12)
    assert np.linalg.eigvalsh(moved).min() > -1e-12


@given(reference=SHARES, now=SHARES, factor=st.floats(0.5, 50), seed=st.integers(0, 100))
def test_rows_sum_to_zero_and_no_variance_is_negative(reference, now, factor, seed):
    r, w = np.array(reference) / sum(reference), np.array(now) / sum(now)
    pooled = np.bincount(POOL, weights=r, minlength=4)
    directions = np.random.default_rng(seed).normal(size=(4, 4)) * factor
    # what blocks show: deviations of shares, whose sum is 0, and none where there are no rows
    blocks = np.where(pooled > 0, directions, 0.0)
    blocks -= np.where(pooled > 0, blocks.sum(axis=1, keepdims=True) / max((pooled > 0).sum(), 1), 0.0)
    covariance = long_run_cell_covariance(known_of(pooled, blocks.T @ blocks), POOL, w)
    scale = np.abs(covariance).max() + 1e-12
    assert covariance == pytest.approx(covariance.T)
    assert np.abs(covariance.sum(axis=0)).max() <= 1e-9 * scale
    assert np.linalg.eigvalsh(covariance).min() >= -1e-9 * scale
    assert (covariance.diagonal()[w == 0] == 0).all()


def test_inflation_of_scores_is_their_variance_over_that_of_independent_draws():
    rng = np.random.default_rng(2)
    r = rng.dirichlet(np.ones(8))
    pooled = np.bincount(POOL, weights=r)
    blocks = rng.normal(size=(30, 4)) * pooled
    blocks -= np.outer(blocks.sum(axis=1), pooled)
    known, scores = known_of(pooled, blocks.T @ blocks), rng.normal(size=8)
    found = score_inflation(known, POOL, r, scores)
    covariance = long_run_cell_covariance(known, POOL, r)
    assert found == pytest.approx(scores @ covariance @ scores / (scores @ multinomial(r) @ scores))
    assert score_inflation(known, POOL, r, np.ones(8)) == known.typical.ratio


def test_inside_a_group_values_come_in_spells_as_long_as_those_of_the_group():
    r = np.full(8, 1 / 8)
    pooled = np.bincount(POOL, weights=r)
    # group 0 against all others alone, with thirty times the variance of independent draws
    towards = np.eye(4)[0] - pooled
    spells = 30 * pooled[0] * (1 - pooled[0]) * np.outer(towards, towards) / (1 - pooled[0]) ** 2
    covariance = long_run_cell_covariance(known_of(pooled, spells), POOL, r)
    first = np.array([1, -1, 0, 0, 0, 0, 0, 0]) / 2  # one cell of group 0 against the other
    last = (
        np.array([0, 0, 0, 0, 0, 1, -1, 0]) / 2
    )  # the same of group 3, whose own inflation is less than the typical one
    typical = known_of(pooled, spells).typical.ratio
    assert first @ covariance @ first == pytest.approx(30 / 16)
    assert last @ covariance @ last == pytest.approx(typical / 16)
    assert typical < 15


def test_inflation_of_the_mean_rank_is_that_of_simulated_windows():
    rng, n = np.random.default_rng(3), 1_000
    ratios, means = [], []
    for profile in references(0.9)[:10]:
        layout, summary = profile.layout.columns["x"], profile.segments[""].columns["x"]
        assert isinstance(layout, NumericLayout)
        shares = summary.counts / summary.n_valid
        ranks = np.cumsum(shares) - shares / 2
        known = profile.long_run["x"].of_window(n, summary.n_valid)
        ratios.append(score_inflation(known, pool_of_cells(layout), shares, ranks))
        for values in autoregressions(rng, 0.9, (100, n)):
            means.append(ranks[layout.edges.searchsorted(values, side="right")].mean())
    simulated = n * np.var(means) * 12
    assert simulated > 10
    assert np.mean(ratios) == pytest.approx(simulated, rel=0.2)
