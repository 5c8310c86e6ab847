"""The demo's data and model: half-hours of an electricity market, and a classifier that says whether the price goes up."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from importlib import resources
from pathlib import Path

__all__ = [
    "EVENT_COLUMNS",
    "FEATURES",
    "TRAINING_ROWS",
    "MarketRow",
    "ModelReport",
    "market_rows",
    "monitor_text",
    "row_time",
    "write_events",
]

TRAINING_ROWS = 17_520
"""Half-hours of the first year, 1996-05-07 to 1997-05-06."""

FEATURES = ("period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")
EVENT_COLUMNS = ("timestamp", *FEATURES, "prediction", "score")

_FIRST = datetime(1996, 5, 7, tzinfo=timezone(timedelta(hours=10)))
_STEP = timedelta(minutes=30)
_DATA = "demo_data/electricity.csv.gz"
_MONITOR = "demo_data/monitor.yaml"


@dataclass(frozen=True, slots=True)
class MarketRow:
    """One half-hour."""

    time: datetime
    features: dict[str, float]
    price_up: bool
    """The label: whether the price is above its average of the last 24 hours."""


@dataclass(frozen=True, slots=True)
class ModelReport:
    """How often the model was right, which a monitor of inputs and predictions does not know."""

    n_rows: int
    accuracy_training: float
    """In the first year, each half-hour predicted before it was learned from."""
    accuracy_after: float
    """Afterwards, when the model no longer learns."""


def row_time(row: int) -> datetime:
    """Event time of a row, counted from 0: the data has one for each half-hour of New South Wales' standard time.

    Examples
    --------
    >>> row_time(0).isoformat(), row_time(17_520).isoformat()
    ('1996-05-07T00:00:00+10:00', '1997-05-07T00:00:00+10:00')
    """
    return _FIRST + row * _STEP


def monitor_text() -> str:
    """Text of the demo's monitor file."""
    return resources.files("stream_gov").joinpath(_MONITOR).read_text(encoding="utf-8")


def market_rows() -> Iterator[MarketRow]:
    """Yield the half-hours in order."""
    with (
        resources.files("stream_gov").joinpath(_DATA).open("rb") as packed,
        gzip.open(packed, "rt", encoding="utf-8", newline="") as lines,
    ):
        for i, row in enumerate(csv.DictReader(lines)):
            yield MarketRow(row_time(i), {name: float(row[name]) for name in FEATURES}, row["class"] == "1")


def write_events(path: Path) -> ModelReport:
    """Train a model on the first year and write every half-hour with its prediction to a CSV file.

    Logistic regression on standardised features. In the first year each half-hour is predicted before the model learns from it; after
    that it learns no more, as a model that was deployed.

    Returns
    -------
    How often it was right.
    """
    # river takes half a second to load, and only the demo needs it
    from river import linear_model, preprocessing

    model = preprocessing.StandardScaler() | linear_model.LogisticRegression()
    right = {True: 0, False: 0}
    n = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(EVENT_COLUMNS)
        for row in market_rows():
            training = n < TRAINING_ROWS
            score = float(model.predict_proba_one(row.features).get(True, 0.5))
            right[training] += (score >= 0.5) == row.price_up
            if training:
                model.learn_one(row.features, row.price_up)
            time = row.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            lines.writerow((time, *row.features.values(), "up" if score >= 0.5 else "down", round(score, 6)))
            n += 1
    return ModelReport(n, right[True] / TRAINING_ROWS, right[False] / max(n - TRAINING_ROWS, 1))
