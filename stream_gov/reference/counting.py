"""Second pass: exact counts of rows in the cells of a pane."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stream_gov.reference.rows import ColumnValues, RowBatch, as_numbers, split_values
from stream_gov.summaries import (
    AnyColumnSummary,
    BooleanSummary,
    CategoricalSummary,
    NumericSummary,
    PaneSummary,
)

__all__ = ["count_rows"]


def count_rows(pane: PaneSummary, batch: RowBatch) -> None:
    """Count every row of the batch in the pane, each column as its layout says; a column that the batch lacks is missing."""
    for name, summary in pane.columns.items():
        values = batch.columns.get(name)
        if values is None:
            values = [None] * batch.n_rows
        _count_column(summary, values)
    for covariance in pane.covariances.values():
        if covariance.columns:
            covariance.update_rows(_numeric_rows(covariance.columns, batch))
    if batch.times_ms is not None and batch.n_rows:
        pane.update_times(int(batch.times_ms.min()), int(batch.times_ms.max()), batch.n_rows)
    else:
        pane.n_events += batch.n_rows


def _count_column(summary: AnyColumnSummary, values: ColumnValues) -> None:
    numbers, strings, booleans, n_missing, n_other = split_values(values)
    n_valid = {"number": numbers.size, "string": len(strings), "boolean": len(booleans)}[summary.layout.dtype]
    n_type_errors = numbers.size + len(strings) + len(booleans) - n_valid + n_other
    match summary:
        case NumericSummary():
            summary.update_values(numbers, n_missing=n_missing, n_type_errors=n_type_errors)
        case CategoricalSummary():
            dtype = summary.layout.dtype
            chosen = strings if dtype == "string" else numbers.tolist() if dtype == "number" else booleans
            summary.update_values(chosen, n_missing=n_missing, n_type_errors=n_type_errors)
        case BooleanSummary():
            summary.update_values(booleans, n_missing=n_missing, n_type_errors=n_type_errors)


def _numeric_rows(names: Iterable[str], batch: RowBatch) -> NDArray[np.float64]:
    """Values of `d` numeric columns, shape `(n_rows, d)`; NaN where a row has no finite number."""
    columns = []
    for name in names:
        values = batch.columns.get(name, [None] * batch.n_rows)
        numbers = values if isinstance(values, np.ndarray) else as_numbers(values)
        columns.append(np.where(np.isfinite(numbers), numbers, np.nan))
    return np.column_stack(columns)
