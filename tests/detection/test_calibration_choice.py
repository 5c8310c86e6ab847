from __future__ import annotations

import numpy as np
import pytest

from stream_gov.contracts import Verdict
from stream_gov.reference import ProfileBuilder, RowBatch, build_profile
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, monitor

CHECKS = "[{statistic: psi, tolerance: 0, level: 0.001}]"


def slow_series(rng: np.random.Generator, n: int, correlation: float) -> np.ndarray:
    values = np.empty(n)
    values[0] = rng.normal()
    noise = rng.normal(0, np.sqrt(1 - correlation**2), n)
    for i in range(1, n):
        values[i] = correlation * values[i - 1] + noise[i]
    return values


@pytest.mark.parametrize("calibration", ["independent", "long_run"])
def test_a_window_of_dependent_events_alarms_only_where_they_are_taken_for_independent(calibration):
    """Ten windows of an AR(1) series of correlation 0.9, without any drift; the reference is of the same series."""
    rng = np.random.default_rng(8)
    text = (
        f"monitor: m\nmodel: shop\nreference: base\nwindow: {{size: 1h}}\ncalibration: {calibration}\nchecks: {CHECKS}"
    )
    watched = monitor().from_yaml(text, source="test")
    series = slow_series(rng, 24_000, 0.9)
    rows = RowBatch({"x": series[:20_000]}, n_rows=20_000, times_ms=np.arange(20_000))
    profile = build_profile(
        lambda: [rows],
        ProfileBuilder.for_monitor(watched),
        name="base",
        revision=1,
        model="shop",
        source="t",
        created_ms=0,
    )
    driver = Driver(watched, profile)
    for hour in range(10):
        for i, x in enumerate(series[20_000 + 400 * hour : 20_400 + 400 * hour]):
            driver.feed({"x": float(x)}, at=T0 + hour * HOUR + i)
    driver.finish()
    results = driver.results(column="x", statistic="psi")
    assert {r.calibration for r in results} == {calibration}
    drifted = sum(r.verdict is Verdict.DRIFT for r in results)
    # At level 0.001 ten windows hold a false alarm with a chance of 1 %; taken for independent, half of them do.
    assert drifted >= 3 if calibration == "independent" else drifted == 0
