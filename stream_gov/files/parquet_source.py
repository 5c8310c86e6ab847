"""Parquet files as typed batches; read as a stream, so a file may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stream_gov.contracts import DataError
from stream_gov.files.table_source import ColumnForm, TableBatch

__all__ = ["ParquetSource"]

_BATCH_ROWS = 8_192
_LISTED_ROWS = 512  # the numbers of a list become objects of 24 bytes each
# With `pre_buffer`, its default, Arrow keeps what it has read of the file; without a buffer it reads a row group's whole column at once.
_BUFFER_BYTES = 1 << 20


class ParquetSource:
    """One Parquet file.

    Parameters
    ----------
    path
        The file.
    types
        Types known beforehand, from a reference or a monitor; of use for lists only, which must be declared as `vector`.

    Notes
    -----
    Memory: a buffer of 1 MiB and some pages for each column asked for.
    """

    def __init__(self, path: Path, *, types: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.types = dict(types or {})
        try:
            with pq.ParquetFile(path) as file:
                self.schema: pa.Schema = file.schema_arrow
                self._n_rows: int = file.metadata.num_rows
        except (pa.ArrowException, OSError) as err:
            msg = f"{path}: this is no Parquet file, or it is damaged: {_first_line(err)}; copy it again, or name a CSV file `.csv`"
            raise DataError(msg) from err
        self.columns: list[str] = list(self.schema.names)
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            msg = f"{path}: the column {twice[0]!r} stands twice; give each column a name of its own"
            raise DataError(msg)

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return self._n_rows

    def form_of(self, column: str) -> ColumnForm:
        """Say how values of a column become JSON.

        Raises
        ------
        DataError
            Its type has no place in a feature.
        """
        kind = self.schema.field(column).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
            return "moment"
        plain = (
            pa.types.is_integer,
            pa.types.is_floating,
            pa.types.is_decimal,
            pa.types.is_boolean,
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_null,
        )
        if any(test(kind) for test in plain):
            return "json"
        if _is_list(kind) and (pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)):
            if self.types.get(column) == "vector":
                return "lists"
            msg = (
                f"{self.path}: column {column!r} holds {kind}; if these are vectors, such as embeddings, declare it in the monitor "
                f"(`columns.types: {{{column}: vector}}`), or leave the column out (--ignore {column})"
            )
            raise DataError(msg)
        msg = f"{self.path}: column {column!r} holds {kind}; a feature is a number, text, a boolean or a list of numbers; leave the column out (--ignore {column})"
        raise DataError(msg)

    def batches(self, columns: list[str]) -> Iterator[TableBatch]:
        """Yield the rows in order with the columns asked for."""
        forms: Mapping[str, ColumnForm] = {name: self.form_of(name) for name in columns}
        row = 0
        try:
            with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
                rows = _LISTED_ROWS if "lists" in forms.values() else _BATCH_ROWS
                for batch in file.iter_batches(rows, columns=columns):
                    yield TableBatch(row, _decoded(batch), forms)
                    row += batch.num_rows
        except (pa.ArrowException, OSError) as err:
            msg = f"{self.path}: the file cannot be read after row {row}: {_first_line(err)}; it may be damaged, copy it again"
            raise DataError(msg) from err


def _is_list(kind: pa.DataType) -> bool:
    tests = pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list
    return any(test(kind) for test in tests)


def _decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Replace dictionary codes by their values."""
    columns = [
        pc.cast(column, column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
