"""Rows of CSV and Parquet files: as batches for a reference, and as inference events for a replay or a backtest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stream_gov.contracts import DataError, Monitor
from stream_gov.decoding import PREDICTION_COLUMN, SCORE_COLUMN
from stream_gov.files.csv_source import CsvSource
from stream_gov.files.event_times import EventTimes
from stream_gov.files.parquet_source import ParquetSource
from stream_gov.files.table_mapping import TableMapping
from stream_gov.files.table_source import TableBatch, TableSource, column_values, json_values
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile

__all__ = ["TabularFile", "build_reference", "column_types", "iter_events"]

_FORMATS = "`.csv`, `.csv.gz` or `.parquet`"


def column_types(monitor: Monitor | None = None, profile: ReferenceProfile | None = None) -> dict[str, str]:
    """Collect the types that are known before a file is read: those of the reference, else those that the monitor declares.

    A CSV file has no types of its own. With these, a field that is no number stays text in a column that should hold numbers, and is
    counted as a type error as it would be in live events; a code such as `0042` stays text where the reference has text.
    """
    declared: dict[str, str] = dict(monitor.columns.types) if monitor is not None else {}
    if profile is None:
        return declared
    layout = profile.layout
    known: dict[str, str] = {
        name: column.dtype for name, column in layout.columns.items() if name not in layout.derived
    }
    return {**declared, **known, **{derivation.source: derivation.kind for derivation in layout.derivations}}


class TabularFile:
    """One CSV or Parquet file, its columns with their roles.

    Parameters
    ----------
    path
        A file that ends in `.csv`, `.csv.gz` or `.parquet`.
    mapping
        Roles of its columns.
    types
        Types by column that are known beforehand (see :func:`column_types`); of use for CSV, and for lists in Parquet.

    Raises
    ------
    DataError
        The file is missing, unreadable or of an unknown kind, or the mapping names a column that it does not have.

    Notes
    -----
    Order: that of the file. Memory: some batches of rows, whatever the length of the file.
    A CSV file is read once more beforehand, to find the types of its columns.
    """

    def __init__(
        self, path: Path | str, mapping: TableMapping | None = None, *, types: Mapping[str, str] | None = None
    ) -> None:
        self.path = Path(path)
        self.mapping = mapping if mapping is not None else TableMapping()
        self._source = _open(self.path, _types_by_file_column(self.mapping, types or {}))
        self.columns = self.mapping.resolve(self._source.columns, source=str(self.path))
        self.stem = self.path.name.removesuffix(".gz").rsplit(".", 1)[0]
        self._notices: dict[str, None] = {}
        if "" in self._source.columns:
            self._notices["a column without a name is left out"] = None

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return self._source.n_rows

    @property
    def notices(self) -> tuple[str, ...]:
        """What was assumed about the file so far, for the user to see: time zone, unit of times, columns left out."""
        return tuple(self._notices)

    def row_batches(self, start: int = 0, stop: int | None = None) -> Iterator[RowBatch]:
        """Yield rows `start` to `stop - 1` (counted from 0) as a profile builder takes them."""
        watched = self.columns.watched()
        times = self._times()
        for batch in self._batches(start, stop):
            yield RowBatch(
                {name: column_values(batch.rows.column(c), batch.forms[c]) for name, c in watched.items()},
                batch.rows.num_rows,
                None if times is None else self._read_times(times, batch),
                self._versions(batch) if self.columns.version is not None else None,
            )

    def events(self, *, model: str, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, str, bytes]]:
        """Yield rows `start` to `stop - 1` as inference events: event time (epoch milliseconds), event id, and the message.

        Raises
        ------
        DataError
            There is no column of times, or a row cannot be read.
        """
        times = self._times()
        if times is None:
            msg = (
                f"{self.path}: no column of event times was found; name it with --timestamp (its columns are "
                f"{', '.join(self._source.columns)})"
            )
            raise DataError(msg)
        names = self.columns.features
        for batch in self._batches(start, stop):
            moments = self._read_times(times, batch).tolist()
            ids = self._event_ids(batch)
            heads = (
                {"event_id": event_id, "model": model, "version": version, "timestamp": moment}
                for event_id, version, moment in zip(ids, self._versions(batch), moments, strict=True)
            )
            features = self._features(batch, names)
            tails = self._tails(batch)
            for moment, event_id, head, feature, tail in zip(moments, ids, heads, features, tails, strict=True):
                head["features"] = feature
                head.update(tail)
                yield moment, event_id, orjson.dumps(head)

    def _features(self, batch: TableBatch, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        if not names:
            return ({} for _ in range(batch.rows.num_rows))
        columns = [json_values(batch.rows.column(name), batch.forms[name]) for name in names]
        return (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))

    def _tails(self, batch: TableBatch) -> list[dict[str, Any]]:
        """Prediction and scores of each row."""
        tails: list[dict[str, Any]] = [{} for _ in range(batch.rows.num_rows)]
        columns = self.columns
        if columns.prediction is not None:
            values = json_values(batch.rows.column(columns.prediction), batch.forms[columns.prediction])
            for tail, value in zip(tails, values, strict=True):
                tail["prediction"] = value
        for name, column in columns.scores.items():
            values = json_values(batch.rows.column(column), batch.forms[column])
            if name == SCORE_COLUMN:
                for tail, value in zip(tails, values, strict=True):
                    tail["scores"] = value
            else:
                for tail, value in zip(tails, values, strict=True):
                    tail.setdefault("scores", {})[name.removeprefix(f"{SCORE_COLUMN}.")] = value
        return tails

    def _batches(self, start: int, stop: int | None) -> Iterator[TableBatch]:
        if start < 0 or (stop is not None and stop < start):
            msg = f"rows are counted from 0, and the last comes after the first; got rows {start} to {stop}"
            raise DataError(msg)
        n = 0
        for batch in self._source.batches(self.columns.needed()):
            if stop is not None and batch.first_row >= stop:
                break
            rows = batch.slice(start, stop)
            if rows.rows.num_rows:
                n += rows.rows.num_rows
                yield rows
        if not n:
            where = (
                "the file has no rows"
                if not self.n_rows
                else f"the file has {self.n_rows} rows, none from {start} on"
                + (f" before {stop}" if stop is not None else "")
            )
            msg = f"{self.path}: {where}; name a file with rows, or another range"
            raise DataError(msg)

    def _times(self) -> EventTimes | None:
        column = self.columns.timestamp
        return None if column is None else EventTimes(column, source=str(self.path))

    def _read_times(self, times: EventTimes, batch: TableBatch) -> NDArray[np.int64]:
        column = batch.rows.column(times.column)
        if batch.forms[times.column] in ("text", "words"):
            column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        moments = times.read(column, batch.first_row)
        self._notices.update(times.notices)
        return moments

    def _versions(self, batch: TableBatch) -> list[str]:
        column = self.columns.version
        if column is None:
            return [self.mapping.model_version] * batch.rows.num_rows
        return self._texts(batch, column, "model version")

    def _event_ids(self, batch: TableBatch) -> list[str]:
        column = self.columns.event_id
        if column is None:
            first = batch.first_row
            return [f"{self.stem}-{row}" for row in range(first, first + batch.rows.num_rows)]
        return self._texts(batch, column, "event id")

    def _texts(self, batch: TableBatch, column: str, what: str) -> list[str]:
        values = json_values(batch.rows.column(column), batch.forms[column])
        if None in values:
            msg = (
                f"{self.path}: row {batch.first_row + values.index(None)}: the {what} in column {column!r} is empty; fill it in, or "
                "name another column"
            )
            raise DataError(msg)
        return [value if type(value) is str else str(value) for value in values]


def _types_by_file_column(mapping: TableMapping, types: Mapping[str, str]) -> dict[str, str]:
    """Types are told by the names in a pane; a prediction or a score may have another in the file. Ids and versions are text."""
    by_column = dict(types)
    if mapping.prediction is not None and PREDICTION_COLUMN in types:
        by_column[mapping.prediction] = types[PREDICTION_COLUMN]
    for column in (mapping.event_id, mapping.version_column):
        if column is not None:
            by_column[column] = "string"
    return by_column


def _open(path: Path, types: Mapping[str, str]) -> TableSource:
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        msg = f"{path}: the file {what}; name a file that ends in {_FORMATS}"
        raise DataError(msg)
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return CsvSource(path, types=types)
    if name.endswith((".parquet", ".pq")):
        return ParquetSource(path, types=types)
    msg = f"{path}: files that end in {path.suffix!r} are not read; give {_FORMATS}"
    raise DataError(msg)


def iter_events(
    path: Path | str,
    *,
    model: str,
    mapping: TableMapping | None = None,
    types: Mapping[str, str] | None = None,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[tuple[int, str, bytes]]:
    """Yield the rows of a file as inference events: see :meth:`TabularFile.events`."""
    return TabularFile(path, mapping, types=types).events(model=model, start=start, stop=stop)


def build_reference(
    file: TabularFile,
    builder: ProfileBuilder,
    *,
    name: str,
    revision: int,
    model: str,
    created_ms: int,
    start: int = 0,
    stop: int | None = None,
) -> ReferenceProfile:
    """Build a reference profile from rows `start` to `stop - 1` of a file."""
    rows = "" if start == 0 and stop is None else f", rows {start} to {file.n_rows if stop is None else stop}"
    return build_profile(
        lambda: file.row_batches(start, stop),
        builder,
        name=name,
        revision=revision,
        model=model,
        version=None if file.columns.version is not None else file.mapping.model_version,
        source=f"{file.path.name}{rows}",
        created_ms=created_ms,
    )
