from __future__ import annotations

import numpy as np
import pytest

from stream_gov.contracts import Monitor
from stream_gov.reference import ProfileBuilder, RowBatch, build_profile
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0

MONITOR = """
monitor: shop
model: shop
reference: base
window: {size: 1h}
min_events: 20
calibration: long_run
checks:
  - {statistic: psi, tolerance: 0.1}
  - {statistic: l_infinity, threshold: 0.5}
"""


@pytest.mark.parametrize("in_order", [True, False])
def test_results_say_what_their_calibration_rests_on(rng, in_order):
    watched = Monitor.from_yaml(MONITOR, source="test")
    times = np.arange(4_000) * 1_000 if in_order else None
    rows = RowBatch({"x": rng.normal(size=4_000)}, 4_000, times_ms=times)
    builder = ProfileBuilder.for_monitor(watched)
    profile = build_profile(
        lambda: [rows], builder, name="base", revision=1, model="shop", source="", created_ms=0, version="1"
    )
    driver = Driver(watched, profile)
    for i in range(200):
        driver.feed({"x": float(rng.normal(3, 1))}, at=T0 + i * HOUR // 200)
    driver.finish()

    found = {r.statistic: (r.calibration, r.verdict.value) for r in driver.results()}
    assert found["psi"] == ("long_run" if in_order else "assumed", "drift")
    assert found["l_infinity"][0] == found["events"][0] == ""
