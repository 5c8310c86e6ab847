"""CSV files, plain or compressed, as typed batches; read as a stream, so a file may be larger than memory."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv as pa_csv

from stream_gov.contracts import DataError
from stream_gov.files.csv_types import FALSE_WORDS, NULL_WORDS, TRUE_WORDS, CsvColumnScan, CsvType
from stream_gov.files.table_source import ColumnForm, TableBatch

__all__ = ["CsvSource"]

_BLOCK_BYTES = 1 << 19  # Arrow reads 32 of them ahead
_ARROW_TYPES = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}


class CsvSource:
    """One CSV file with a header.

    Parameters
    ----------
    path
        `.csv`, or `.csv.gz`.
    types
        Types known beforehand, from a reference or a monitor: `number` or `numeric`, `string`, `boolean`, `categorical`, `text`, `vector`.

    Notes
    -----
    Types are found by a first pass over all rows (:attr:`scans`), since a column may look like integers for a million rows.
    """

    def __init__(self, path: Path, *, types: Mapping[str, str] | None = None) -> None:
        self.path = path
        self.types = dict(types or {})
        self.columns = self._header()

    def _header(self) -> list[str]:
        try:
            # A later line that is no UTF-8 is told when it is read, with its number.
            with self._open_text(errors="surrogateescape") as lines:
                header = next(csv.reader(lines), None)
            for name in header or ():
                name.encode()
        except (OSError, EOFError, UnicodeError, csv.Error) as err:
            msg = f"{self.path}: the header cannot be read: {err}; a CSV file is UTF-8 text with the columns' names in its first line"
            raise DataError(msg) from err
        if not header:
            msg = f"{self.path}: the file is empty; a CSV file has the columns' names in its first line"
            raise DataError(msg)
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            msg = f"{self.path}: the column {twice[0]!r} stands twice in the header; give each column a name of its own"
            raise DataError(msg)
        return header

    def _open_text(self, errors: str = "strict") -> IO[str]:
        if self.path.suffix == ".gz":
            return gzip.open(self.path, "rt", encoding="utf-8-sig", errors=errors, newline="")
        return self.path.open(encoding="utf-8-sig", errors=errors, newline="")

    @cached_property
    def scans(self) -> dict[str, CsvColumnScan]:
        """Kinds of fields of every column, from a pass over the whole file."""
        scans = {name: CsvColumnScan() for name in self.columns}
        last: dict[str, str] = {}
        for first_row, batch in self._read({}):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                scans[name].update(column, first_row)
            last = batch.slice(batch.num_rows - 1).to_pylist()[0]
        if any("\n" in text for text in last.values()):
            self._check_last_quote()
        return scans

    def _check_last_quote(self) -> None:
        """Refuse a file that ends inside quotes: Arrow takes all that follows a lone quote as one field."""
        try:
            with self._open_text() as lines:
                for _ in (reader := csv.reader(lines, strict=True)):
                    pass
        except csv.Error as err:
            msg = (
                f"{self.path}:{reader.line_num}: the file ends inside a quoted field ({err}); a quote lacks its partner"
            )
            raise DataError(msg) from err

    @cached_property
    def n_rows(self) -> int:
        """Rows of the file, without the header."""
        return next(iter(self.scans.values())).n.total()

    def type_of(self, column: str) -> CsvType:
        """Type that a column is read as.

        Raises
        ------
        DataError
            It holds numbers (or booleans) and text, and nobody said what it should be.
        """
        scan = self.scans[column]
        found, known = scan.type(), self.types.get(column)
        if known == "vector":
            return "vector"
        if known in ("string", "text") or (known == "categorical" and found in ("mixed", "missing")):
            return "string"
        if known in ("number", "numeric"):
            return found if found in ("integer", "number") else "mixed"
        if known == "boolean":
            return found if found == "boolean" else "mixed"
        if found == "mixed":
            row, text = scan.first_text or (0, "")
            parts = (
                (scan.n_numbers, "numbers"),
                (scan.n["boolean"], "booleans"),
                (scan.n["string"], f"text (first in row {row}: {text[:40]!r})"),
            )
            kinds = ", ".join(f"{n} {what}" for n, what in parts if n)
            msg = (
                f"{self.path}: column {column!r} has mixed types: {kinds}; mend or empty the wrong fields, declare the column's type in "
                f"the monitor (`columns.types: {{{column}: numeric}}` or `categorical`), or leave it out (--ignore {column})"
            )
            raise DataError(msg)
        return found

    def batches(self, columns: list[str]) -> Iterator[TableBatch]:
        """Yield the rows in order with the columns asked for."""
        types = {name: self.type_of(name) for name in columns}
        arrow: dict[str, pa.DataType] = {}
        forms: dict[str, ColumnForm] = {}
        for name, kind in types.items():
            if kind in _ARROW_TYPES and self.scans[name].is_padded:
                forms[name] = "words"
            elif kind in _ARROW_TYPES:
                arrow[name], forms[name] = _ARROW_TYPES[kind], "json"
            else:
                forms[name] = "text" if kind == "string" else "vector" if kind == "vector" else "words"
        for first_row, batch in self._read(arrow, columns):
            yield TableBatch(first_row, batch, forms)

    def _read(
        self, types: Mapping[str, pa.DataType], columns: list[str] | None = None
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        wanted = self.columns if columns is None else columns
        row = 0
        try:
            with pa.input_stream(self.path, compression="gzip" if self.path.suffix == ".gz" else None) as stream:
                reader = pa_csv.open_csv(
                    stream,
                    read_options=pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
                    parse_options=pa_csv.ParseOptions(newlines_in_values=True),
                    convert_options=pa_csv.ConvertOptions(
                        column_types={name: types.get(name, pa.string()) for name in wanted},
                        include_columns=wanted,
                        null_values=list(NULL_WORDS),
                        true_values=list(TRUE_WORDS),
                        false_values=list(FALSE_WORDS),
                        strings_can_be_null=False,
                    ),
                )
                for batch in reader:
                    if batch.num_rows:
                        yield row, batch
                        row += batch.num_rows
        except (pa.ArrowException, OSError, EOFError) as err:
            raise DataError(self._explain(err)) from err

    def _explain(self, error: Exception) -> str:
        """Find the line that a reader stumbled over: Arrow's stream does not tell."""
        expected = len(self.columns)
        try:
            with self._open_text() as lines:
                reader = csv.reader(lines, strict=True)
                for fields in reader:
                    if fields and len(fields) != expected:
                        return (
                            f"{self.path}:{reader.line_num}: the row has {len(fields)} fields where the header has {expected}; mend or "
                            "remove it (a comma inside a field needs quotes around the field)"
                        )
        except UnicodeDecodeError:
            return f"{self.path}:{self._first_line_not_utf8()}: the row is no UTF-8 text; convert the file to UTF-8"
        except csv.Error as err:
            return f"{self.path}:{reader.line_num}: the row cannot be read: {err}; a quote may lack its partner"
        except (OSError, EOFError) as err:
            return f"{self.path}: the file is damaged or cut off: {err}; copy it again"
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "straddling" in first_line:
            return f"{self.path}: a row is longer than {_BLOCK_BYTES} bytes; a quote may lack its partner"
        return f"{self.path}: the file cannot be read: {first_line}"

    def _first_line_not_utf8(self) -> int:
        with gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return number
        return 0
