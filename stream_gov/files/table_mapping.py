"""What the columns of a table mean: time, prediction, version, id, scores; the others are features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream_gov.contracts import DataError
from stream_gov.contracts.unknown_keys import nearest
from stream_gov.decoding import PREDICTION_COLUMN, SCORE_COLUMN

__all__ = ["TIMESTAMP_NAMES", "TableColumns", "TableMapping"]

TIMESTAMP_NAMES = ("timestamp", "event_time", "event_timestamp", "datetime", "time", "date", "ts")


@dataclass(frozen=True, kw_only=True)
class TableMapping:
    """Roles of the columns of a file; each name must be a column of it."""

    timestamp: str | None = None
    """Event time; without it the first of `timestamp`, `event_time`, `event_timestamp`, `datetime`, `time`, `date`, `ts` that is there."""
    prediction: str | None = None
    """The prediction; without it the column `prediction`, if there is one."""
    version_column: str | None = None
    """Version of the model, by row; wins over `model_version`."""
    model_version: str = "1"
    """Version of the model, of all rows."""
    event_id: str | None = None
    """Id of the event; without it the file's name and the number of the row, from 0: `electricity-17`."""
    scores: tuple[str, ...] | None = None
    """One column: a probability. Several: one for each class, named by the column (without `score.`). Without it the columns `score` or `score.<class>`."""
    ignore: tuple[str, ...] = ()
    """Columns that are no features, such as the label."""

    def resolve(self, columns: Sequence[str], *, source: str) -> TableColumns:
        """Find the roles of the columns of a file.

        Raises
        ------
        DataError
            A name is no column, or a column has two roles.
        """
        for flag, name in self._named():
            if name not in columns:
                msg = f"{source}: there is no column {name!r} ({flag}){nearest(name, list(columns))}"
                raise DataError(msg)
        roles: dict[str, str] = {}
        for flag, name in self._named():
            if name in roles and (flag, roles[name]) != ("--ignore", "--ignore"):
                msg = f"{source}: column {name!r} stands for {roles[name]} and for {flag}; a column has one role"
                raise DataError(msg)
            roles[name] = flag
        free = [name for name in columns if name not in roles]
        timestamp = self.timestamp or next((name for name in TIMESTAMP_NAMES if name in free), None)
        prediction = self.prediction or (PREDICTION_COLUMN if PREDICTION_COLUMN in free else None)
        scores = self.scores
        if scores is None:
            scores = tuple(name for name in free if name.startswith(f"{SCORE_COLUMN}."))
            if not scores and SCORE_COLUMN in free:
                scores = (SCORE_COLUMN,)
        taken = {*roles, *scores, timestamp, prediction}
        features = tuple(name for name in columns if name not in taken and name)
        resolved = TableColumns(
            timestamp=timestamp,
            prediction=prediction,
            version=self.version_column,
            event_id=self.event_id,
            scores=_score_names(scores),
            features=features,
        )
        clash = set(features) & ({PREDICTION_COLUMN, *resolved.scores} if prediction or scores else set())
        if clash:
            name = min(clash)
            msg = f"{source}: the feature {name!r} has the name under which the prediction or its score is watched; rename the column, or ignore it (--ignore {name})"
            raise DataError(msg)
        if not features and prediction is None:
            msg = f"{source}: no column is left to watch; its columns are {', '.join(columns)}"
            raise DataError(msg)
        return resolved

    def _named(self) -> list[tuple[str, str]]:
        """Flags and the columns they name."""
        single = (
            ("--timestamp", self.timestamp),
            ("--prediction", self.prediction),
            ("--version-column", self.version_column),
            ("--event-id", self.event_id),
        )
        return [
            *((flag, name) for flag, name in single if name is not None),
            *(("--score", name) for name in self.scores or ()),
            *(("--ignore", name) for name in self.ignore),
        ]


@dataclass(frozen=True, kw_only=True)
class TableColumns:
    """Roles of the columns of one file."""

    timestamp: str | None
    prediction: str | None
    version: str | None
    event_id: str | None
    scores: dict[str, str]
    """Name in a pane (`score` or `score.<class>`) to the file's column."""
    features: tuple[str, ...]

    def watched(self) -> dict[str, str]:
        """Name in a pane to the file's column: features, then the prediction and scores."""
        watched = {name: name for name in self.features}
        if self.prediction is not None:
            watched[PREDICTION_COLUMN] = self.prediction
        return {**watched, **self.scores}

    def needed(self) -> list[str]:
        """Columns of the file that have to be read."""
        other = (self.timestamp, self.version, self.event_id)
        return list(dict.fromkeys([*self.watched().values(), *(name for name in other if name is not None)]))


def _score_names(columns: tuple[str, ...]) -> dict[str, str]:
    if len(columns) == 1 and not columns[0].startswith(f"{SCORE_COLUMN}."):
        return {SCORE_COLUMN: columns[0]}
    return {f"{SCORE_COLUMN}.{name.removeprefix(f'{SCORE_COLUMN}.')}": name for name in columns}
