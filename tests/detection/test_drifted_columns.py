"""How many columns drift, as a verdict of the model: in results, in alerts, and when it cannot be told."""

from __future__ import annotations

import numpy as np
import pytest

from stream_gov.contracts import AlertChange, Check, ConfigurationError, Monitor, Verdict
from stream_gov.detection.column_verdicts import describe_columns, judge_columns
from stream_gov.reference import ProfileBuilder, RowBatch, build_profile
from stream_gov.statistics import DriftedColumns
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0

MONITOR = """
monitor: shop
model: shop
reference: base
window: {size: 1h}
min_events: 50
checks:
  - {statistic: drifted_columns, threshold: 0.5}
  - {statistic: psi, threshold: 0.5}
  - {statistic: ks, columns: [a, b], threshold: 0.4}
"""
COLUMNS = ("a", "b", "c", "color")


def driver_of(text=MONITOR, *, columns=COLUMNS):
    watched = Monitor.from_yaml(text, source="test")
    rng = np.random.default_rng(1)
    data = {c: rng.choice(["red", "blue"], 4_000).tolist() if c == "color" else rng.normal(size=4_000) for c in columns}
    profile = build_profile(
        lambda: [RowBatch(data, 4_000)],
        ProfileBuilder.for_monitor(watched),
        name="base",
        revision=1,
        model="shop",
        source="",
        created_ms=0,
        version="1",
    )
    return Driver(watched, profile)


def feed(driver, rng, *, hour=0, moved=(), missing=(), n=200):
    for i in range(n):
        values = {"a": rng.normal(), "b": rng.normal(), "c": rng.normal(), "color": rng.choice(["red", "blue"])}
        event = {
            name: None if name in missing and i >= 20 else (value + 3 if name in moved else value)
            for name, value in values.items()
        }
        driver.feed(
            {k: v if isinstance(v, str | None) else float(v) for k, v in event.items()},
            at=T0 + hour * HOUR + i * HOUR // n,
        )


def results_of(driver):
    return [r for r in driver.results() if r.statistic == "drifted_columns"]


def test_more_drifting_columns_than_the_threshold_are_drift_and_the_alert_names_them(rng):
    driver = driver_of()
    feed(driver, rng, moved=("c", "a", "b"))
    driver.finish()
    (result,) = results_of(driver)
    assert (result.verdict, result.value, result.threshold) == (Verdict.DRIFT, 0.75, 0.5)
    assert (result.column, result.rule, result.distance, result.p_value) == ("", "threshold", 0.75, None)
    assert (result.n_reference, result.n_window) == (4_000, 200)
    (alert,) = driver.alerts()
    cause = next(c for c in alert.causes if c.statistic == "drifted_columns")
    assert cause.detail == "3 of 4 columns drift: a, b, c"


def test_few_drifting_columns_are_stable_for_the_model(rng):
    driver = driver_of()
    feed(driver, rng, moved=("a", "b"))
    driver.finish()
    (result,) = results_of(driver)
    assert (result.verdict, result.value) == (Verdict.STABLE, 0.5)
    (alert,) = driver.alerts()
    assert {c.statistic for c in alert.causes} == {"psi", "ks"}


def test_columns_that_cannot_be_judged_are_not_counted_until_they_are_the_greater_part(rng):
    driver = driver_of()
    feed(driver, rng, moved=("a",), missing=("b", "c"))
    feed(driver, rng, hour=1, moved=("a",), missing=("b", "c", "color"))
    driver.finish()
    first, second = results_of(driver)
    assert (first.verdict, first.value) == (Verdict.STABLE, 0.5)
    assert (second.verdict, second.value) == (Verdict.INSUFFICIENT, 1.0)
    assert second.reason == "1 of 4 columns could be judged, fewer than half"


def test_any_check_makes_a_column_drift_and_be_judged(rng):
    # the missing share judges what psi cannot, and calls it drift
    driver = driver_of(MONITOR + "  - {statistic: missing_share, threshold: 0.5}\n")
    feed(driver, rng, missing=("a", "b", "c"))
    driver.finish()
    (result,) = results_of(driver)
    assert (result.verdict, result.value) == (Verdict.DRIFT, 0.75)


def test_a_small_window_is_insufficient(rng):
    driver = driver_of()
    feed(driver, rng, moved=COLUMNS[:3], n=40)
    driver.finish()
    (result,) = results_of(driver)
    assert (result.verdict, result.value) == (Verdict.INSUFFICIENT, None)
    assert result.reason == "0 of 4 columns could be judged, fewer than half"


def test_columns_that_the_monitor_leaves_out_do_not_count(rng):
    driver = driver_of(MONITOR + "columns: {exclude: [c, color]}\n")
    feed(driver, rng, moved=("a", "b"))
    driver.finish()
    (result,) = results_of(driver)
    assert (result.verdict, result.value) == (Verdict.DRIFT, 1.0)


def test_the_alert_resolves_when_fewer_columns_drift(rng):
    driver = driver_of()
    feed(driver, rng, moved=("a", "b", "c"))
    feed(driver, rng, hour=1)
    driver.finish()
    assert [a.change for a in driver.alerts()] == [AlertChange.OPENED, AlertChange.RESOLVED]
    assert [r.value for r in results_of(driver)] == [0.75, 0.0]


def test_many_columns_are_named_in_part():
    found = DriftedColumns(30, 30, tuple(f"c{i:02}" for i in range(25)))
    assert describe_columns(found).startswith("25 of 30 columns drift: c00, c01, ")
    assert describe_columns(found).endswith("c19 and 5 more")


def test_a_rule_it_has_no_test_for_is_a_mistake_of_the_configuration():
    check = Check.model_construct(statistic="drifted_columns", p_value=0.1)
    with pytest.raises(ConfigurationError, match="needs a `threshold`"):
        judge_columns(check, [], 100, 100)
