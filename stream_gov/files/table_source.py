"""What every kind of table file gives: batches of typed columns, and how their values become JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream_gov.files.csv_types import parse_vector, parse_word
from stream_gov.reference import ColumnValues

__all__ = ["ColumnForm", "TableBatch", "TableSource", "column_values", "json_values"]

ColumnForm = Literal["json", "text", "words", "vector", "lists", "moment"]
"""How values become JSON: as they are; text of a CSV file, where empty means missing; fields of a CSV file, each of its own type; fields of
a CSV file that hold lists of numbers in JSON; lists of numbers; dates and times, as ISO 8601 text."""


@dataclass(frozen=True)
class TableBatch:
    """Some rows of a file."""

    first_row: int
    """Position of the first row in the file, from 0, the header not counted."""
    rows: pa.RecordBatch
    forms: Mapping[str, ColumnForm]

    def slice(self, start: int, stop: int | None) -> TableBatch:
        """Return the rows that stand at `start` to `stop - 1` in the file; there may be none."""
        begin = min(max(start - self.first_row, 0), self.rows.num_rows)
        end = self.rows.num_rows if stop is None else min(max(stop - self.first_row, begin), self.rows.num_rows)
        return TableBatch(self.first_row + begin, self.rows.slice(begin, end - begin), self.forms)


class TableSource(Protocol):
    """A file of rows."""

    columns: list[str]

    @property
    def n_rows(self) -> int:
        """Rows of the file."""

    def batches(self, columns: list[str]) -> Iterator[TableBatch]:
        """Yield the rows in order with the columns asked for."""


def json_values(values: pa.Array, form: ColumnForm) -> list[Any]:
    """Give the values as JSON has them: None where missing (NaN too), infinity as the text `Infinity`, which no column of numbers takes."""
    if form == "text":
        return [text or None for text in values.to_pylist()]
    if form == "words":
        return [_finite(parse_word(text)) for text in values.to_pylist()]
    if form == "vector":
        return [parse_vector(text) for text in values.to_pylist()]
    if form == "lists":
        return _lists(values)
    if form == "moment":
        return pc.cast(values, pa.string()).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_decimal(values.type):
        values = pc.cast(values, pa.float64())
    if pa.types.is_floating(values.type):
        if pc.all(pc.is_finite(values), min_count=0).as_py():
            return values.to_pylist()  # type: ignore[no-any-return]
        return [_finite(value) for value in values.to_pylist()]
    return values.to_pylist()  # type: ignore[no-any-return]


def _lists(values: pa.Array) -> list[Any]:
    """Lists of numbers, as Python has them; a null, NaN or infinity in a list is None, which is no number."""
    numbers = pc.cast(values.flatten(), pa.float64(), safe=False)
    flat = numbers.to_numpy(zero_copy_only=False)
    listed = flat.tolist()
    for i in np.flatnonzero(~np.isfinite(flat)).tolist():
        listed[i] = None
    ends = np.cumsum(pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)).tolist()
    starts = [0, *ends[:-1]]
    return [
        listed[start:end] if is_there else None
        for start, end, is_there in zip(starts, ends, values.is_valid().to_pylist(), strict=True)
    ]


def _finite(value: Any) -> Any:
    if isinstance(value, float) and value - value != 0:
        return None if value != value else "Infinity" if value > 0 else "-Infinity"
    return value


def column_values(values: pa.Array, form: ColumnForm) -> ColumnValues:
    """Give the values as a profile builder takes them: numbers as float64 with NaN for missing, all else as JSON."""
    kind = values.type
    if form == "json" and (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        numbers = pc.fill_null(pc.cast(values, pa.float64(), safe=False), np.nan)
        return numbers.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]
    return json_values(values, form)
