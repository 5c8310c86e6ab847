"""Reconstruction error and correlations, against the rows themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

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


def one_hour(driver: Driver, hour: int, table: np.ndarray, *, without=lambda _: ()) -> None:
    """Feed an hour of events; `without` names the columns without a number in an event, by its place."""
    for i, row in enumerate(table):
        event = dict(zip(NAMES, row.tolist(), strict=True))
        for name in without(i):
            event[name] = "n/a" if i % 20 > 9 else None  # of a wrong type, or missing
        driver.feed(event, at=T0 + hour * HOUR + i * 9_000)
    driver.advance(T0 + (hour + 1) * HOUR)


def of_hour(driver: Driver, hour: int) -> dict:
    """Results of the two statistics in an hour, by name."""
    names = ("reconstruction_error", "correlation_shift")
    found = {
        name: [r for r in driver.results(statistic=name) if r.window_start_ms == T0 + hour * HOUR] for name in names
    }
    return {name: result for name, (result,) in found.items()}


@pytest.mark.parametrize(
    ("compared", "named", "n_reference"),
    [("season: hour_of_day", "hour_of_day", 400), ("trailing: {length: 4h}", "4h", 1_600)],
)
def test_they_are_compared_with_the_slots_of_a_season_and_with_the_recent_past(compared, named, n_reference):
    watched = Monitor.from_yaml(f"{MONITOR}{CHECKS}\n{compared}", source="test")
    table, n = rows(1, 9_600), 9_600
    batch = RowBatch({k: table[:, i] for i, k in enumerate(NAMES)}, n, times_ms=T0 + np.arange(n) * (HOUR // 400))
    builder = ProfileBuilder.for_monitor(watched)
    known = build_profile(lambda: [batch], builder, name="base", revision=1, model="shop", source="", created_ms=0)
    driver = Driver(watched, known)
    hours = [rows(50 + hour, 400, coupling=-0.5 if hour == 5 else 0.9) for hour in range(6)]
    for hour, part in enumerate(hours):
        one_hour(driver, hour, part)
    before = {4: table[1_600:2_000], 5: table[2_000:2_400]} if "season" in compared else None
    for hour, verdict in ((4, "stable"), (5, "drift")):
        against = np.concatenate(hours[hour - 4 : hour]) if before is None else before[hour]
        found = of_hour(driver, hour)
        changes = np.abs(np.corrcoef(hours[hour].T) - np.corrcoef(against.T))
        assert found["correlation_shift"].value == pytest.approx(changes.max(), abs=3e-3)
        assert found["reconstruction_error"].value == pytest.approx(rebuilt(against, hours[hour]), abs=1e-2)
        assert {r.verdict for r in found.values()} == {verdict}
        assert {r.reference.partition("~")[2] for r in found.values()} == {named}
        assert {r.n_reference for r in found.values()} == {n_reference}


def test_only_rows_without_missing_numbers_count_in_the_value_and_in_the_sample():
    known = profile_of(rows(1, 5_000))
    driver = Driver(Monitor.from_yaml(MONITOR + CHECKS, source="test"), known)
    window = rows(9, 400, coupling=0.2)
    one_hour(driver, 0, window, without=lambda i: {0: ["a"], 1: ["b", "d"]}.get(i % 10, []))
    complete = window[[i for i in range(400) if i % 10 > 1]]
    for result in of_hour(driver, 0).values():
        assert (result.n_window, result.events, result.verdict) == (320, 400, "drift")
    assert of_hour(driver, 0)["reconstruction_error"].value == reconstruction_error(
        known.segments[""], pane_of(known, complete)
    )
    assert of_hour(driver, 0)["correlation_shift"].value == correlation_shift(
        known.segments[""], pane_of(known, complete)
    )


@pytest.mark.parametrize(
    ("complete", "reason"), [(0, "the window has 0 events without missing numbers"), (45, "the window has 45 ")]
)
def test_min_events_is_of_rows_without_missing_numbers(complete, reason):
    watched = Monitor.from_yaml(MONITOR.replace("min_events: 20", "min_events: 50") + CHECKS, source="test")
    driver = Driver(watched, profile_of(rows(1, 5_000)))
    one_hour(driver, 0, rows(9, 400, coupling=-0.9), without=lambda i: ["c"] if i >= complete else [])
    for result in of_hour(driver, 0).values():
        assert result.verdict == "insufficient"
        assert result.reason.startswith(reason)
        assert result.reason.endswith("fewer than min_events = 50")


def test_an_error_that_falls_is_drift_as_well():
    """The components left out lose their variance: rows lie closer to the others than those of the reference."""
    driver = Driver(Monitor.from_yaml(MONITOR + CHECKS, source="test"), profile_of(rows(1, 5_000)))
    window = rows(9, 400, coupling=0.9999)
    window[:, 3] = 0.1 * window[:, 1]
    one_hour(driver, 0, window)
    result = of_hour(driver, 0)["reconstruction_error"]
    assert result.value < -2
    assert result.verdict == "drift"


def test_a_column_that_stands_still_in_the_window_has_no_correlation_but_an_error():
    before, window = rows(1, 5_000), rows(9, 400)
    window[:, 0] = 10.0
    known = profile_of(before)
    pane = pane_of(known, window)
    changes = np.abs(np.corrcoef(window[:, 1:].T) - np.corrcoef(before[:, 1:].T))
    assert correlation_shift(known.segments[""], pane) == pytest.approx(changes.max(), abs=3e-3)
    assert reconstruction_error(known.segments[""], pane) == pytest.approx(rebuilt(before, window), abs=5e-3)


def test_one_numeric_column_alone_has_nothing_to_hang_together_with():
    watched = Monitor.from_yaml(MONITOR + CHECKS, source="test")
    batch = RowBatch({"a": rows(1, 2_000)[:, 0], "color": ["red", "blue"] * 1_000}, 2_000)
    builder = ProfileBuilder.for_monitor(watched)
    known = build_profile(lambda: [batch], builder, name="base", revision=1, model="shop", source="", created_ms=0)
    driver = Driver(watched, known)
    for i in range(100):
        driver.feed({"a": 10.0 + i % 7, "color": "red"}, at=T0 + i * 9_000)
    driver.advance(T0 + HOUR)
    for result in of_hour(driver, 0).values():
        assert result.verdict == "insufficient"
        assert "fewer than two numeric columns vary" in result.reason


@pytest.mark.parametrize("rule", ["tolerance: 0.1", "p_value: 0.01"])
@pytest.mark.parametrize("statistic", ["reconstruction_error", "correlation_shift"])
def test_there_is_no_test_of_them_and_the_refusal_names_the_rule_there_is(statistic, rule):
    with pytest.raises(ConfigurationError, match=f"{statistic} has no .*; use `threshold`"):
        Monitor.from_yaml(f"{MONITOR}checks: [{{statistic: {statistic}, {rule}}}]", source="test")


@pytest.mark.parametrize(("law", "least", "most"), [("normal", 0.0, 0.02), ("lognormal", 0.5, 0.9)])
def test_fishers_law_of_a_correlation_would_not_hold_its_level_for_skewed_columns(law, least, most):
    """Why there is no test: at level 0.001, of six columns, without drift and with independent rows."""
    rng = np.random.default_rng(11)
    root = np.linalg.cholesky(0.4 * np.eye(6) + 0.6)
    pairs = np.triu_indices(6, 1)
    n_fired = 0
    for _ in range(100):
        tables = [rng.normal(size=(n, 6)) @ root.T for n in (5_000, 1_000)]
        before, after = (np.corrcoef((np.exp(t) if law == "lognormal" else t).T)[pairs] for t in tables)
        z = np.abs(np.arctanh(after) - np.arctanh(before)).max() / math.sqrt(1 / 4_997 + 1 / 997)
        n_fired += 2 * norm.sf(z) * len(pairs[0]) < 0.001
    assert least <= n_fired / 100 <= most


def test_one_extreme_event_can_move_a_correlation_as_far_as_the_page_says():
    window = rows(9, 400)
    window[0] = 1e300
    known = profile_of(rows(1, 5_000))
    _, _, before, after = most_shifted_pair(known.segments[""], pane_of(known, window)) or ("", "", math.nan, math.nan)
    assert abs(before) < 0.05
    assert after == pytest.approx(0.75, abs=0.01)
