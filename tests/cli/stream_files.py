"""Small files for the commands: a stream whose `amount` shifts, its monitor, and the commands' arguments for both."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from functools import cache
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
    path = folder / name
    path.write_text(_stream(), encoding="utf-8")
    return path


@cache
def _stream() -> str:
    rng = np.random.default_rng(11)
    n = HOURS * ROWS_PER_HOUR
    hours = np.arange(n) // ROWS_PER_HOUR
    amounts = rng.lognormal(3, 0.5, n) * np.where(hours >= SHIFT_AT, 2, 1)
    countries = rng.choice(["DE", "FR", "NL"], n, p=[0.5, 0.3, 0.2])
    members, scores = rng.integers(2, size=n), rng.uniform(size=n)
    file = io.StringIO()
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(["timestamp", "amount", "country", "member", "prediction", "score"])
    for i in range(n):
        when = START + i * timedelta(hours=1) / ROWS_PER_HOUR
        prediction = "buy" if scores[i] > 0.5 else "leave"
        lines.writerow(
            [when.isoformat(), f"{amounts[i]:.2f}", countries[i], bool(members[i]), prediction, f"{scores[i]:.4f}"]
        )
    return file.getvalue()
