"""Streams that break in a known way, one for each kind of cause, driven through the whole flow to an alert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream_gov.contracts import Alert, Monitor
from stream_gov.reference import ProfileBuilder, RowBatch, build_profile
from stream_gov.testing import Driver

HOUR = 3_600_000
T0 = 1_767_225_600_000  # 2026-01-01T00:00Z
N_REFERENCE, N_WINDOW = 8_000, 1_000
Column = list[Any]
Make = Callable[[np.random.Generator, int], Column]

_CHECKS = """
checks:
  - {statistic: psi, tolerance: 0.1}
  - {statistic: missing_share, tolerance: 0.02}
  - {statistic: type_error_share, tolerance: 0.01}
  - {statistic: new_columns, threshold: 0}
  - {statistic: missing_columns, threshold: 0}
"""


@dataclass(frozen=True)
class BrokenStream:
    """A column as it was and as it comes; the other columns of the events stay as they are."""

    column: str
    before: Make
    after: Make
    monitor: str = ""


def numbers(draw: Callable[[np.random.Generator, int], Any]) -> Make:
    return lambda rng, n: np.asarray(draw(rng, n)).tolist()


def words(shares: dict[str, float]) -> Make:
    names, p = list(shares), list(shares.values())
    return lambda rng, n: rng.choice(names, n, p=p).tolist()


def some(make: Make, share: float, instead: Any) -> Make:
    """`instead`, or what it makes of a value, in place of a share of the values."""

    def mixed(rng: np.random.Generator, n: int) -> Column:
        values, hit = make(rng, n), rng.random(n) < share
        return [(instead(v) if callable(instead) else instead) if h else v for v, h in zip(values, hit, strict=True)]

    return mixed


def hours(turn: int = 0) -> Make:
    p = np.array([1, 1, 1, 1, 2, 4, 8, 12, 14, 10, 9, 9, 10, 9, 8, 8, 9, 10, 8, 5, 3, 2, 2, 1.0])
    return lambda rng, n: ((rng.choice(24, n, p=p / p.sum()) + turn) % 24).tolist()


amounts = numbers(lambda rng, n: rng.lognormal(3, 1, n))
countries = words({"DE": 0.4, "FR": 0.3, "NL": 0.2, "IT": 0.1})

STREAMS = {
    "missing_values_rose": BrokenStream("amount", some(amounts, 0.01, None), some(amounts, 0.12, None)),
    "type_change": BrokenStream("amount", amounts, some(amounts, 0.3, lambda v: f"{v:.2f} EUR")),
    "constant": BrokenStream("amount", amounts, numbers(lambda rng, n: np.full(n, 19.5))),
    "new_category": BrokenStream(
        "country", countries, words({"DE": 0.36, "FR": 0.26, "NL": 0.17, "IT": 0.09, "UK": 0.12})
    ),
    "lost_category": BrokenStream("country", countries, words({"FR": 0.5, "NL": 0.33, "IT": 0.17})),
    "no_longer_constant": BrokenStream(
        "price",
        some(numbers(lambda rng, n: np.full(n, 0.25)), 0.01, 0.3),
        numbers(lambda rng, n: rng.normal(0.25, 0.05, n)),
    ),
    "unit_change": BrokenStream("amount", amounts, numbers(lambda rng, n: 1000 * rng.lognormal(3, 1, n))),
    "clock_shift": BrokenStream("hour", hours(), hours(2)),
    "range_change": BrokenStream("amount", amounts, some(amounts, 0.2, -999.0)),
    "population_drift": BrokenStream("amount", amounts, numbers(lambda rng, n: rng.lognormal(3.7, 1, n))),
}


def drive(stream: BrokenStream, *, window: str = "{size: 1h}", more: str = "") -> Driver:
    """A good hour, then one that is broken; `shop` has two further columns that stay as they are."""
    rng = np.random.default_rng(42)
    watched = Monitor.from_yaml(
        f"monitor: shop\nmodel: shop\nreference: base\nwindow: {window}\ncalibration: independent\n{_CHECKS}{more}{stream.monitor}",
        source="test",
    )

    def rows(make: Make, n: int) -> dict[str, Column]:
        others = {"age": np.round(rng.normal(40, 9, n)).tolist(), "is_new": (rng.random(n) < 0.3).tolist()}
        return others | {stream.column: make(rng, n)}

    base = RowBatch({name: _as_array(values) for name, values in rows(stream.before, N_REFERENCE).items()}, N_REFERENCE)
    profile = build_profile(
        lambda: [base],
        ProfileBuilder.for_monitor(watched),
        name="base",
        revision=1,
        model="shop",
        source="test",
        created_ms=0,
    )
    driver = Driver(watched, profile)
    for hour, make in enumerate((stream.before, stream.after)):
        columns = rows(make, N_WINDOW)
        for i in range(N_WINDOW):
            features = {name: values[i] for name, values in columns.items()}
            driver.feed(features, at=T0 + hour * HOUR + i * HOUR // N_WINDOW)
    driver.finish()
    return driver


def alert_of(name: str) -> Alert:
    """The only message of a stream that broke in its second hour."""
    (alert,) = drive(STREAMS[name]).alerts()
    return alert


def _as_array(values: Column) -> Any:
    kinds = {type(v) for v in values}
    if kinds <= {int, float}:
        return np.asarray(values, np.float64)
    if kinds <= {int, float, type(None)}:
        return np.array([np.nan if v is None else v for v in values])
    return values
