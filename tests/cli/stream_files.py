"""Small files for the commands: a stream whose `amount` shifts, its monitor, and the commands' arguments for both."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

MONITOR = """\
monitor: shop
model: shop
reference: shop-base
window: {size: 1h}
min_events: 50
checks:
  - {statistic: psi, tolerance: 0.1, level: 0.001}
"""

ROWS_PER_HOUR = 120
HOURS = 40
SHIFT_AT = 30
"""Hour from which `amount` is twice as large; the reference is made of the 20 hours before the 20th."""
REFERENCE_HOURS = 20
START = datetime(2026, 1, 1, tzinfo=UTC)


def write_monitor(folder: Path, text: str = MONITOR, name: str = "monitor.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def write_stream(folder: Path, name: str = "shop.csv") -> Path:
    rng = np.random.default_rng(11)
    path = folder / name
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["timestamp", "amount", "country", "member", "prediction", "score"])
        for i in range(HOURS * ROWS_PER_HOUR):
            hour = i // ROWS_PER_HOUR
            amount = rng.lognormal(3, 0.5) * (2 if hour >= SHIFT_AT else 1)
            score = rng.uniform()
            when = START + i * timedelta(hours=1) / ROWS_PER_HOUR
            country = rng.choice(["DE", "FR", "NL"], p=[0.5, 0.3, 0.2])
            lines.writerow(
                [
                    when.isoformat(),
                    f"{amount:.2f}",
                    country,
                    bool(rng.integers(2)),
                    "buy" if score > 0.5 else "leave",
                    f"{score:.4f}",
                ]
            )
    return path
