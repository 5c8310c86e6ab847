"""Reconstruction error and correlations, against the rows themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.contracts import ConfigurationError, Monitor
from stream_gov.reference import ProfileBuilder, RowBatch, build_profile
from stream_gov.statistics import correlation_shift, most_shifted_pair, reconstruction_error
from stream_gov.summaries import PaneSummary
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0

NAMES = ("a", "b", "c", "d")
MONITOR = "monitor: m\nmodel: shop\nreference: base\nwindow: {size: 1h}\nmin_events: 20\ncovariance: true\n"
CHECKS = "checks: [{statistic: reconstruction_error, threshold: 0.5}, {statistic: correlation_shift, threshold: 0.3}]"


def rows(seed: int, n: int, *, coupling: float = 0.9, shift: float = 0.0) -> np.ndarray:
    """Two hidden causes, four columns; `c` follows `a` as closely as `coupling` says."""
    rng = np.random.default_rng(seed)
    a, b, e, f = rng.normal(size=(4, n))
    c = coupling * a + math.sqrt(1 - coupling**2) * e
    return np.stack([10 + 2 * a, 5 * b, c + shift, 0.5 * b + 0.1 * f], axis=1)


def profile_of(table: np.ndarray, text: str = MONITOR + CHECKS):
    batch = RowBatch({name: table[:, i] for i, name in enumerate(NAMES)}, len(table))
    builder = ProfileBuilder.for_monitor(Monitor.from_yaml(text, source="test"))
    return build_profile(lambda: [batch], builder, name="base", revision=1, model="shop", source="", created_ms=0)


def pane_of(profile, table: np.ndarray) -> PaneSummary:
    pane = PaneSummary(profile.layout)
    assert pane.covariance is not None
    pane.covariance.update_rows(table[:, [NAMES.index(name) for name in pane.covariance.columns]])
    pane.n_events = len(table)
    return pane


def rebuilt(before: np.ndarray, after: np.ndarray) -> float:
    """Each row standardised, projected and rebuilt: the mean squared distance of the rows, by singular vectors of the reference's rows."""
    mean, sd = before.mean(axis=0), before.std(axis=0, ddof=1)
    z = (before - mean) / sd
    _, singular, vectors = np.linalg.svd(z, full_matrices=False)
    n_kept = int(np.argmax(np.cumsum(singular**2) / (singular**2).sum() >= 0.8)) + 1
    kept = vectors[:n_kept]

    def error(table: np.ndarray) -> float:
        x = (table - mean) / sd
        return float(((x - x @ kept.T @ kept) ** 2).sum(axis=1).mean())

    return math.log(error(after) / error(before))


CASES = [{}, {"coupling": 0.2}, {"coupling": -0.9}, {"shift": 1.5}]


@pytest.mark.parametrize("change", CASES)
def test_the_error_from_moments_is_that_of_the_rows_rebuilt_one_by_one(change):
    before, after = rows(1, 5_000), rows(2, 700, **change)
    profile = profile_of(before)
    found = reconstruction_error(profile.segments[""], pane_of(profile, after))
    assert found == pytest.approx(rebuilt(before, after), abs=5e-3)  # values are rounded to a 4,096th of the scale
    if change:
        assert found > 0.3
    else:
        assert abs(found) < 0.15


@pytest.mark.parametrize("change", CASES)
def test_the_largest_change_of_a_correlation_is_that_of_numpy(change):
    before, after = rows(1, 5_000), rows(2, 700, **change)
    profile = profile_of(before)
    changes = np.abs(np.corrcoef(after.T) - np.corrcoef(before.T))
    window = pane_of(profile, after)
    assert correlation_shift(profile.segments[""], window) == pytest.approx(changes.max(), abs=2e-3)
    i, j = np.unravel_index(int(np.argmax(np.triu(changes, 1))), changes.shape)
    pair = most_shifted_pair(profile.segments[""], window)
    assert pair is not None
    assert {pair[0], pair[1]} == {NAMES[i], NAMES[j]}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 199), max_size=4))
def test_panes_merge_to_the_same_value_however_the_window_is_split(cuts):
    profile, after = profile_of(rows(1, 2_000)), rows(2, 200, coupling=0.3)
    parts = [pane_of(profile, part) for part in np.split(after, sorted(cuts))]
    whole, merged = pane_of(profile, after), PaneSummary.merge_all(parts, profile.layout)
    for statistic in (reconstruction_error, correlation_shift):
        assert statistic(profile.segments[""], merged) == statistic(profile.segments[""], whole)


def test_what_cannot_be_compared_is_undefined():
    table = rows(1, 2_000)
    profile = profile_of(table)
    few = pane_of(profile, rows(2, 39))
    constant = table.copy()
    constant[:, 1:] = 3.0
    still = profile_of(constant)
    same = np.repeat(table[:, :1], 4, axis=1)
    one = profile_of(same)
    assert math.isnan(reconstruction_error(profile.segments[""], few))
    assert math.isnan(correlation_shift(profile.segments[""], few))
    assert math.isnan(reconstruction_error(still.segments[""], pane_of(still, constant)))
    assert math.isnan(correlation_shift(still.segments[""], pane_of(still, constant)))
    assert math.isnan(reconstruction_error(one.segments[""], pane_of(one, same))), "its component explains everything"
    assert most_shifted_pair(still.segments[""], pane_of(still, constant)) is None


def test_a_broken_relation_is_an_alert_that_names_the_pair_though_each_column_looks_as_ever():
    watched = Monitor.from_yaml(MONITOR + CHECKS, source="test")
    driver = Driver(watched, profile_of(rows(1, 5_000)))
    for hour, coupling in enumerate((0.9, -0.5)):
        for i, row in enumerate(rows(10 + hour, 400, coupling=coupling)):
            driver.feed(dict(zip(NAMES, row.tolist(), strict=True)), at=T0 + hour * HOUR + i * 9_000)
        driver.advance(T0 + (hour + 1) * HOUR)
    (alert,) = driver.alerts()
    assert {c.statistic for c in alert.causes} == {"reconstruction_error", "correlation_shift"}
    assert "correlation of a and c 0.90 -> -0." in alert.message
    assert "squared reconstruction error x" in alert.message


def test_without_covariance_it_is_refused_and_a_reference_without_it_is_insufficient():
    with pytest.raises(ConfigurationError, match="add `covariance: true`, and build the reference with it"):
        Monitor.from_yaml(MONITOR.replace("covariance: true\n", "") + CHECKS, source="test")
    bare = MONITOR.replace("covariance: true\n", "") + "checks: [{statistic: psi, threshold: 0.1}]"
    driver = Driver(Monitor.from_yaml(MONITOR + CHECKS, source="test"), profile_of(rows(1, 2_000), bare))
    for i, row in enumerate(rows(2, 100)):
        driver.feed(dict(zip(NAMES, row.tolist(), strict=True)), at=T0 + i * 9_000)
    driver.advance(T0 + HOUR)
    (result,) = driver.results(statistic="reconstruction_error")
    assert result.verdict == "insufficient"
    assert "built without `covariance: true`" in result.reason
