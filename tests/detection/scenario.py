from __future__ import annotations

import numpy as np

from stream_gov.contracts import Monitor
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile

HOUR = 3_600_000
T0 = 1_767_225_600_000  # 2026-01-01T00:00Z
MONITOR = """
monitor: shop
model: shop
reference: base
window: {size: 1h}
min_events: 20
checks:
  - {statistic: psi, threshold: 0.2}
  - {statistic: missing_share, threshold: 0.5}
  - {statistic: new_columns, threshold: 0}
  - {statistic: missing_columns, threshold: 0}
"""


def monitor(extra: str = "", **replaced: str) -> Monitor:
    """The monitor above, lines replaced or added."""
    text = MONITOR
    for key, value in replaced.items():
        text = "\n".join(f"{key}: {value}" if line.startswith(f"{key}:") else line for line in text.splitlines())
    return Monitor.from_yaml(text + "\n" + extra, source="test")


def profile_for(watched: Monitor, *, revision: int = 1, shift: float = 0.0, version: str = "1") -> ReferenceProfile:
    """Profile of 4,000 rows: x standard normal, color red or blue."""
    rng = np.random.default_rng(7)
    rows = RowBatch({"x": rng.normal(shift, 1, 4_000), "color": ["red", "blue", "red", "red"] * 1_000}, n_rows=4_000)
    builder = ProfileBuilder.for_monitor(watched)
    return build_profile(
        lambda: [rows],
        builder,
        name="base",
        revision=revision,
        model="shop",
        source="test",
        created_ms=0,
        version=version,
    )
