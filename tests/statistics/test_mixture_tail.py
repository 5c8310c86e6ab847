from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stream_gov.statistics.mixture_tail import mixture_tail

RNG = np.random.default_rng(1)
CASES = {
    "one": (np.array([2.0]), np.array([0.0])),
    "equal weights": (np.ones(9), np.zeros(9)),
    "falling weights": (0.5 ** np.arange(9), np.zeros(9)),
    "one large weight": (np.array([20.0, 1, 1, 0.5, 0.1]), np.zeros(5)),
    "noncentral": (RNG.gamma(1, 1, 9), RNG.gamma(1, 3, 9)),
    "noncentral along the largest": (np.array([20.0, 1, 1, 0.5, 0.1]), np.array([8.0, 0, 0, 0, 0])),
    "a weight of 0": (np.array([1.0, 0.0]), np.array([0.0, 5.0])),
}


def imhof(value, weights, noncentralities):
    """Tail of the sum by numerical inversion of its characteristic function: Imhof (1961), integrated as Davies (1980) does.

    The step makes the aliasing error the chance of a sum some 60 standard deviations from its mean; a million steps leave a negligible rest.
    """
    mean, deviation = moments(weights, noncentralities)
    step = 2 * np.pi / (abs(value - mean) + mean + 60 * deviation)
    u = (np.arange(1_000_000) + 0.5) * step
    angle, log_modulus = -0.5 * value * u, np.zeros_like(u)
    for weight, noncentrality in zip(weights, noncentralities, strict=True):
        squares = (weight * u) ** 2
        angle += 0.5 * (np.arctan(weight * u) + noncentrality * weight * u / (1 + squares))
        log_modulus += 0.25 * np.log1p(squares) + 0.5 * noncentrality * squares / (1 + squares)
    return 0.5 + step / np.pi * float((np.sin(angle) * np.exp(-log_modulus) / u).sum())


def moments(weights, noncentralities):
    return weights @ (1 + noncentralities), np.sqrt(2 * (weights**2) @ (1 + 2 * noncentralities))


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("one", "a weight of 0")])
@pytest.mark.parametrize("deviations", [0, 1, 2, 4, 5])
def test_tail_is_near_imhofs_integral(name, deviations):
    weights, noncentralities = CASES[name]
    mean, deviation = moments(weights, noncentralities)
    value = mean + deviations * deviation
    exact = imhof(value, weights, noncentralities)
    if name == "equal weights":
        assert exact == pytest.approx(stats.chi2.sf(value, 9), abs=1e-9)

    found = mixture_tail(value, weights, noncentralities)

    assert abs(found - exact) < 0.02
    if deviations >= 2:
        assert found == pytest.approx(exact, rel=0.15)


@pytest.mark.parametrize("name", CASES)
def test_tail_is_near_simulated_shares(name):
    weights, noncentralities = CASES[name]
    rng, n = np.random.default_rng(2), 100_000
    sums = sum(w * (rng.normal(size=n) + np.sqrt(d)) ** 2 for w, d in zip(weights, noncentralities, strict=True))
    for share in (0.5, 0.1, 0.01):
        assert mixture_tail(float(np.quantile(sums, 1 - share)), weights, noncentralities) == pytest.approx(
            share, rel=0.15
        )


def test_equal_weights_are_chi_squared():
    for value in (1.0, 10.0, 30.0):
        assert mixture_tail(value * 3, np.full(7, 3.0)) == pytest.approx(stats.chi2.sf(value, 7), rel=1e-9)
        one = mixture_tail(value, np.ones(4), np.full(4, 2.0))
        assert one == pytest.approx(stats.ncx2.sf(value, 4, 8), rel=1e-6)


def test_nothing_below_zero_and_little_far_out():
    assert mixture_tail(-1e9, np.ones(3)) == 1.0
    assert 0 <= mixture_tail(1e9, np.ones(3)) < 1e-300
    assert 0 <= mixture_tail(1e9, np.ones(3), np.ones(3)) < 1e-12
