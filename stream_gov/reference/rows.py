"""Batches of rows: what a reference is built from, whatever file or table they came out of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ColumnValues", "Rechunker", "RowBatch", "as_numbers", "concatenate", "split_values"]

ColumnValues = NDArray[np.float64] | Sequence[Any]
"""Values of a column, one for each row: a float64 array (NaN: missing), or a sequence of JSON values (None or NaN: missing)."""


@dataclass(frozen=True)
class RowBatch:
    """Some rows, by column.

    Parameters
    ----------
    columns
        Values by column name, each of length `n_rows`: features by their own names, the prediction as `prediction`, scores as `score` or
        `score.<class>`.
    n_rows
        Rows in the batch.
    times_ms
        Event times, epoch milliseconds, shape `(n_rows,)`; None if the rows have none.
    versions
        Version of the model that each row belongs to, None if not told.
    """

    columns: Mapping[str, ColumnValues]
    n_rows: int
    times_ms: NDArray[np.int64] | None = None
    versions: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name, values in self.columns.items():
            if len(values) != self.n_rows:
                msg = f"column {name!r} has {len(values)} values in a batch of {self.n_rows} rows"
                raise ValueError(msg)
        for what, times in (("times_ms", self.times_ms), ("versions", self.versions)):
            if times is not None and len(times) != self.n_rows:
                msg = f"{what} has {len(times)} values in a batch of {self.n_rows} rows"
                raise ValueError(msg)

    def slice(self, start: int, stop: int) -> RowBatch:
        """Return rows `start` to `stop - 1`."""
        stop = min(stop, self.n_rows)
        return RowBatch(
            {name: values[start:stop] for name, values in self.columns.items()},
            max(stop - start, 0),
            None if self.times_ms is None else self.times_ms[start:stop],
            None if self.versions is None else self.versions[start:stop],
        )

    def take(self, rows: NDArray[np.int64]) -> RowBatch:
        """Return the rows at these positions."""
        positions = rows.tolist()
        return RowBatch(
            {
                name: values[rows] if isinstance(values, np.ndarray) else [values[i] for i in positions]
                for name, values in self.columns.items()
            },
            len(positions),
            None if self.times_ms is None else self.times_ms[rows],
            None if self.versions is None else [self.versions[i] for i in positions],
        )


class Rechunker:
    """Cuts a stream of batches into chunks of one fixed size, so that nothing depends on where a file's batches end.

    Examples
    --------
    >>> chunks = Rechunker(2)
    >>> [c.columns["x"] for n in (1, 4) for c in chunks.feed(RowBatch({"x": [n] * n}, n))]
    [[1, 4], [4, 4]]
    >>> [c.columns["x"] for c in chunks.rest()]
    [[4]]
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._pending: list[RowBatch] = []
        self._n = 0

    def feed(self, batch: RowBatch) -> Iterator[RowBatch]:
        """Add a batch; yield the chunks that are full."""
        if batch.n_rows:
            self._pending.append(batch)
            self._n += batch.n_rows
        if self._n >= self.size:
            whole = concatenate(self._pending)
            full = self._n - self._n % self.size
            self._pending = [whole.slice(full, self._n)] if full < self._n else []
            self._n -= full
            for start in range(0, full, self.size):
                yield whole.slice(start, start + self.size)

    def rest(self) -> Iterator[RowBatch]:
        """Yield what is left, if any."""
        if self._pending:
            yield concatenate(self._pending)
        self._pending, self._n = [], 0


def concatenate(batches: list[RowBatch]) -> RowBatch:
    """Return the rows of all batches (at least one) as one; a column that a batch lacks is missing there."""
    if len(batches) == 1:
        return batches[0]
    names = dict.fromkeys(name for batch in batches for name in batch.columns)
    times = [batch.times_ms for batch in batches]
    versions = [batch.versions for batch in batches]
    return RowBatch(
        {name: _join([batch.columns.get(name, [None] * batch.n_rows) for batch in batches]) for name in names},
        sum(batch.n_rows for batch in batches),
        np.concatenate([t for t in times if t is not None]) if all(t is not None for t in times) else None,
        [v for part in versions if part is not None for v in part] if all(v is not None for v in versions) else None,
    )


def _join(parts: list[ColumnValues]) -> ColumnValues:
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return [value for part in parts for value in (part.tolist() if isinstance(part, np.ndarray) else part)]


def split_values(values: ColumnValues) -> tuple[NDArray[np.float64], list[str], list[bool], int, int]:
    """Sort the values of a column by JSON type.

    Returns
    -------
    numbers, strings, booleans
        The values of each type in their order; numbers are finite.
    n_missing, n_other
        How many are None or NaN, and how many are infinite or of any other type.
    """
    if isinstance(values, np.ndarray):
        finite = np.isfinite(values)
        n_missing = int(np.isnan(values).sum())
        numbers = values if finite.all() else values[finite]
        return numbers, [], [], n_missing, values.size - numbers.size - n_missing
    strings = [v for v in values if type(v) is str]
    n_missing = sum(v is None for v in values)
    if len(strings) + n_missing == len(values):
        return np.empty(0), strings, [], n_missing, 0
    booleans = [v for v in values if type(v) is bool]
    numbers = as_numbers([v for v in values if type(v) in (int, float)])
    n_other = len(values) - len(strings) - n_missing - len(booleans) - numbers.size
    n_nan = int(np.isnan(numbers).sum())
    finite = numbers[np.isfinite(numbers)]
    return finite, strings, booleans, n_missing + n_nan, n_other + numbers.size - n_nan - finite.size


def as_numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    """Turn JSON values into float64, shape `(len(values),)`; NaN where a value is no number, infinity where it is too large for a float."""
    try:
        return np.array([v if type(v) in (int, float) else np.nan for v in values], np.float64)
    except OverflowError:
        return np.array([_to_float(v) for v in values], np.float64)


def _to_float(value: Any) -> float:
    if type(value) not in (int, float):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("inf")
