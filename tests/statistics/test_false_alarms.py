"""Rates of false alarms of the tests, by simulation of independent draws.

Every assertion allows as many alarms as a test that keeps its level exceeds with probability 1e-6 (binomial quantile), so a correct
implementation fails one of the roughly 300 assertions of this file with probability below 3e-4 if the seed were drawn anew.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from stream_gov.statistics import (
    hellinger,
    hellinger_p_value,
    jensen_shannon,
    jensen_shannon_p_value,
    ks_p_value,
    ks_statistic,
    kullback_leibler,
    kullback_leibler_p_value,
    mann_whitney,
    mann_whitney_p_value,
    mean_shift_p_value,
    psi,
    psi_p_value,
    share_rise_p_value,
    unseen_share_p_value,
)
from stream_gov.statistics.anderson_darling import anderson_darling_rows
from stream_gov.statistics.cramer_von_mises import cramer_von_mises_rows
from stream_gov.statistics.energy_distance import energy_distance_rows
from stream_gov.statistics.quadratic_form import distance, quadratic_form_p_value

SURE = 1 - 1e-6
WINDOWS = (50, 200, 1_000, 10_000)
REFERENCES = (2_000, 20_000)


def zipf(k, exponent):
    shares = np.arange(1, k + 1) ** -exponent
    return shares / shares.sum()


SHARES = {
    "10 equal": np.full(10, 0.1),
    "2 skewed": np.array([0.95, 0.05]),
    "3 skewed": np.array([0.9, 0.09, 0.01]),
    "30 Zipf": zipf(30, 1.5),
    "300 Zipf": zipf(300, 1.2),
}


def assert_holds(p_values, level, *, allowed=1.0):
    p_values = np.asarray(p_values)
    most = stats.binom.ppf(SURE, p_values.size, min(allowed * level, 1.0))
    assert (p_values < level).sum() <= most, f"{(p_values < level).mean():.5f} at level {level}"


def draws(rng, m, n, reference, window, runs):
    return zip(rng.multinomial(m, reference, runs), rng.multinomial(n, window, runs), strict=True)


def from_its_own_reference(e, o):
    """Counts as a monitor sees them: the categories of the reference by falling count, and all others as unseen."""
    known = e > 0
    order = np.argsort(-e[known], kind="stable")
    return np.append(e[known][order], 0), np.append(o[known][order], o[~known].sum())


@pytest.mark.parametrize("seen", ["all cells", "cells of the reference"])
@pytest.mark.parametrize("name", SHARES)
def test_psi_holds_its_level_without_drift(name, seen):
    shares, rng, runs = SHARES[name], np.random.default_rng([3, len(name), len(seen)]), 1_200
    together = []
    for m in REFERENCES:
        for n in WINDOWS:
            p_values = []
            for e, o in draws(rng, m, n, shares, shares, runs):
                if seen == "all cells":
                    p_values.append(psi_p_value(e, o))
                else:
                    p_values.append(psi_p_value(*from_its_own_reference(e, o), ordered=False))
            # twice, for the exception that the docstring names
            assert_holds(p_values, 0.01, allowed=2.0)
            together += p_values
    assert_holds(together, 0.01)
    assert_holds(together, 0.001)


def test_psi_uses_its_level_in_cells_that_hold_enough():
    # Not only safe but useful: a test that never fires would pass all others
    rng = np.random.default_rng(4)
    p_values = np.array([psi_p_value(e, o) for e, o in draws(rng, 20_000, 1_000, *[SHARES["10 equal"]] * 2, 4_000)])
    assert stats.binom.ppf(1e-6, 4_000, 0.01) <= (p_values < 0.01).sum()
    assert stats.binom.ppf(1e-6, 4_000, 0.1) <= (p_values < 0.1).sum() <= stats.binom.ppf(SURE, 4_000, 0.1)


def moved(reference, direction, measure, distance):
    """Shares at this distance from the reference along `reference * exp(s * direction)`."""

    def at(s):
        shares = reference * np.exp(s * direction)
        return shares / shares.sum()

    return at(optimize.brentq(lambda s: measure(reference * 1e12, at(s) * 1e12) - distance, 1e-9, 30))


CALIBRATED = {
    "psi": (psi, psi_p_value, (0.02, 0.1, 0.25)),
    "jensen_shannon": (jensen_shannon, jensen_shannon_p_value, (0.05, 0.1, 0.15)),
    "hellinger": (hellinger, hellinger_p_value, (0.05, 0.1, 0.15)),
    "kullback_leibler": (kullback_leibler, kullback_leibler_p_value, (0.01, 0.05, 0.1)),
}


@pytest.mark.parametrize("measure", CALIBRATED)
@pytest.mark.parametrize(
    ("reference", "direction"),
    [
        (np.full(10, 0.1), np.linspace(-1, 1, 10)),
        (np.full(10, 0.1), -np.eye(10)[0]),
        (np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.03, 0.01, 0.005, 0.005]), np.eye(10)[9]),
        (np.array([0.9, 0.1]), np.array([0.0, 1.0])),
    ],
    ids=["tilt", "a cell empties", "a small cell fills", "two cells"],
)
def test_calibrated_test_holds_its_level_with_the_truth_at_the_tolerance(measure, reference, direction):
    statistic, p_value, tolerances = CALIBRATED[measure]
    rng, runs, together = np.random.default_rng(5), 300, []
    for tolerance in tolerances:
        window = moved(reference, direction, statistic, tolerance)
        for m in REFERENCES:
            for n in (200, 1_000, 10_000):
                together += [p_value(e, o, tolerance=tolerance) for e, o in draws(rng, m, n, reference, window, runs)]
    assert_holds(together, 0.01)
    assert_holds(together, 0.001, allowed=1.5)


@pytest.mark.parametrize("tolerance", [0.0, 0.02])
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3])
def test_rise_of_a_share_holds_its_level_with_the_truth_at_the_tolerance(share, tolerance):
    rng, runs = np.random.default_rng(6), 300
    for m in REFERENCES:
        together = []
        for n in WINDOWS:
            counts = rng.binomial(n, share + tolerance, runs), rng.binomial(m, share, runs)
            together += [
                share_rise_p_value(int(x), n, int(e), m, tolerance=tolerance) for x, e in zip(*counts, strict=True)
            ]
        assert_holds(together, 0.01)


@pytest.mark.parametrize("name", ["30 Zipf", "300 Zipf"])
def test_unseen_share_holds_its_level_though_the_reference_knows_no_unseen_category(name):
    shares, rng, together = SHARES[name], np.random.default_rng(7), []
    for m in REFERENCES:
        for n in WINDOWS:
            p_values = [
                unseen_share_p_value(*from_its_own_reference(e, o)) for e, o in draws(rng, m, n, shares, shares, 400)
            ]
            together += p_values
    assert_holds(together, 0.01)


@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_ks_holds_its_level_with_the_truth_at_the_tolerance(tolerance):
    rng = np.random.default_rng(8)
    reference = np.full(40, 1 / 40)
    window = reference + np.repeat(
        [tolerance / 20, -tolerance / 20], 20
    )  # the cumulative shares differ most in the middle
    for m in REFERENCES:
        for n in WINDOWS:
            p_values = [
                ks_p_value(ks_statistic(e, o), n, m, tolerance=tolerance)
                for e, o in draws(rng, m, n, reference, window, 500)
            ]
            assert_holds(p_values, 0.01)


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.5])
def test_mean_shift_holds_its_level_with_the_truth_at_the_tolerance(tolerance):
    rng, runs = np.random.default_rng(9), 2_000
    for m in REFERENCES:
        for n in WINDOWS:
            # means and variances of normal samples are independent, so they can be drawn without the samples
            means = rng.normal(0, 1 / math.sqrt(m), runs), rng.normal(tolerance, 1 / math.sqrt(n), runs)
            variances = rng.chisquare(m - 1, runs) / (m - 1), rng.chisquare(n - 1, runs) / (n - 1)
            p_values = [
                mean_shift_p_value(
                    mean_reference=a,
                    variance_reference=s,
                    n_reference=m,
                    mean_window=b,
                    variance_window=t,
                    n_window=n,
                    tolerance=tolerance,
                )
                for a, b, s, t in zip(*means, *variances, strict=True)
            ]
            assert_holds(p_values, 0.01)
            assert_holds(p_values, 0.001)


LUMPY = {
    "40 equal": np.full(40, 1 / 40),
    "2 even": np.array([0.5, 0.5]),
    "2 rare": np.array([0.998, 0.002]),
    "99 % one value, others on both sides": np.array([0.001] * 5 + [0.99] + [0.001] * 5),
    "90 % one value, others above": np.array([0.9] + [0.005] * 20),
    "geometric": 0.5 ** np.minimum(np.arange(1, 15), 13),
}


def spread_evenly(e, o, scale):
    """Rows of the energy distance of cells of growing width, as of a column with a long tail."""
    widths = np.exp(scale * np.linspace(0, 1, e.size))
    edges = np.cumsum(widths)
    return energy_distance_rows(edges[:-1], e, o, low=0.0, high=float(edges[-1]), unit=float(edges[-1]) / 4)


FORMS = {
    "cramer_von_mises": cramer_von_mises_rows,
    "anderson_darling": anderson_darling_rows,
    "energy_distance": lambda e, o: spread_evenly(e, o, 0.0),
    "energy_distance, long tail": lambda e, o: spread_evenly(e, o, 5.0),
}


@pytest.mark.parametrize("name", LUMPY)
def test_mann_whitney_holds_its_level_without_drift_whatever_the_column(name):
    shares, rng, together = LUMPY[name], np.random.default_rng([20, len(name)]), []
    for m in REFERENCES:
        for n in WINDOWS:
            p_values = [mann_whitney_p_value(e, o) for e, o in draws(rng, m, n, shares, shares, 600)]
            assert_holds(p_values, 0.01, allowed=1.5)
            together += p_values
    assert_holds(together, 0.01)
    assert_holds(together, 0.001)


def test_mann_whitney_uses_its_level():
    rng, shares = np.random.default_rng(21), LUMPY["40 equal"]
    p_values = np.array([mann_whitney_p_value(e, o) for e, o in draws(rng, 20_000, 200, shares, shares, 4_000)])
    for level in (0.01, 0.1):
        assert stats.binom.ppf(1e-6, 4_000, level) <= (p_values < level).sum() <= stats.binom.ppf(SURE, 4_000, level)


NORMAL_EDGES = stats.norm.ppf(np.arange(41) / 40)


def family(name, s):
    """Shares of 40 cells that are equal in the reference, moved by `s` from it in one of several ways."""
    reference, ends, middle = np.full(40, 1 / 40), np.zeros(40), np.zeros(40)
    ends[0], ends[-1], middle[28] = (1 - s) / 2, (1 + s) / 2, 1.0
    match name:
        case "shift":
            return np.diff(stats.norm.cdf(NORMAL_EDGES - 3 * s))
        case "spread":
            return np.diff(stats.norm.cdf((NORMAL_EDGES - 3 * s) / (1 + 4 * s)))
        case "narrow":
            return np.diff(stats.norm.cdf((NORMAL_EDGES - 3 * s) * (1 + 4 * s)))
        case "two ends":
            return (1 - s) * reference + s * ends
        case "one cell":
            return (1 - s) * reference + s * middle
    raise AssertionError(name)


@pytest.mark.parametrize("name", ["shift", "spread", "narrow", "two ends", "one cell"])
def test_mann_whitney_holds_its_level_with_the_truth_at_the_tolerance_whatever_way_the_window_moved(name):
    rng, reference, together = np.random.default_rng([22, len(name)]), np.full(40, 1 / 40), []
    for tolerance in (0.02, 0.1):
        window = family(
            name, optimize.brentq(lambda s, t=tolerance: mann_whitney(reference, family(name, s)) - t, 0, 0.99)
        )
        for m in REFERENCES:
            for n in WINDOWS:
                p_values = [
                    mann_whitney_p_value(e, o, tolerance=tolerance) for e, o in draws(rng, m, n, reference, window, 250)
                ]
                assert_holds(p_values, 0.01, allowed=1.5)
                together += p_values
    assert_holds(together, 0.01)
    assert_holds(together, 0.001, allowed=1.5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", LUMPY)
def test_quadratic_forms_hold_their_level_without_drift_whatever_the_column(form, name):
    shares, rng, together = LUMPY[name], np.random.default_rng([23, len(name), len(form)]), []
    for m in REFERENCES:
        for n in WINDOWS:
            p_values = [
                quadratic_form_p_value(FORMS[form](e, o), e, o) for e, o in draws(rng, m, n, shares, shares, 200)
            ]
            together += p_values
    assert_holds(together, 0.01, allowed=1.1)
    assert_holds(together, 0.001, allowed=1.5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["shift", "spread", "one cell", "two ends"])
def test_quadratic_forms_hold_their_level_with_the_truth_at_the_tolerance(form, name):
    rng, reference, together = np.random.default_rng([24, len(name), len(form)]), np.full(40, 1 / 40), []
    rows_of = FORMS[form]
    for m, n in ((2_000, 200), (20_000, 50), (20_000, 1_000), (20_000, 10_000)):
        window = family(name, 0.15)
        # the distance of these shares, were they those of samples of these sizes
        tolerance = distance(rows_of(m * reference, n * window), m * reference, n * window)
        p_values = [
            quadratic_form_p_value(rows_of(e, o), e, o, tolerance=tolerance)
            for e, o in draws(rng, m, n, reference, window, 300)
        ]
        together += p_values
    assert_holds(together, 0.01, allowed=1.5)
    assert_holds(together, 0.001, allowed=1.5)


def test_energy_distance_holds_its_level_where_a_few_values_move_far_out():
    # a lognormal column: the window's own covariance counts where it varies more than at the edge of the tolerance
    rng, reference = np.random.default_rng(26), np.full(40, 1 / 40)
    edges = np.exp(1.5 * stats.norm.ppf(np.arange(1, 40) / 40))

    def rows_of(e, o):
        return energy_distance_rows(edges, e, o, low=0.0, high=float(np.exp(6.0)), unit=9.0)

    def value(s):
        return distance(rows_of(reference, family("two ends", s)), reference, family("two ends", s))

    window = family("two ends", optimize.brentq(lambda s: value(s) - 0.1, 0, 0.9))
    p_values = [
        quadratic_form_p_value(rows_of(e, o), e, o, tolerance=0.1)
        for e, o in draws(rng, 2_000, 50, reference, window, 6_000)
    ]
    assert_holds(p_values, 0.01)


def test_quadratic_forms_use_their_level():
    rng, shares = np.random.default_rng(25), LUMPY["40 equal"]
    for form in FORMS.values():
        p_values = np.array(
            [quadratic_form_p_value(form(e, o), e, o) for e, o in draws(rng, 20_000, 500, shares, shares, 1_500)]
        )
        assert stats.binom.ppf(1e-6, 1_500, 0.1) <= (p_values < 0.1).sum() <= stats.binom.ppf(SURE, 1_500, 0.1)
