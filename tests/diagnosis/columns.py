"""Summaries of a column, with the cells that a reference build chooses for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from stream_gov.contracts import Monitor
from stream_gov.reference import ProfileBuilder, RowBatch, build_profile
from stream_gov.summaries import AnyColumnSummary, NumericSummary, empty_summary

_MONITOR = Monitor.from_yaml("{monitor: m, model: m, reference: m, window: {size: 1h}}", source="test")


def reference_of(values: Any) -> AnyColumnSummary:
    """The column as a reference profile keeps it."""
    rows = RowBatch({"x": values}, len(values))
    profile = build_profile(
        lambda: [rows],
        ProfileBuilder.for_monitor(_MONITOR),
        name="m",
        revision=1,
        model="m",
        source="test",
        created_ms=0,
    )
    return profile.segments[""].columns["x"]


def window_of(reference: AnyColumnSummary, values: Any, *, n_missing: int = 0, n_type_errors: int = 0) -> Any:
    """A window's summary in the cells of the reference."""
    window = empty_summary(reference.layout)
    if isinstance(window, NumericSummary):
        values = np.asarray(values, np.float64)
    window.update_values(values, n_missing=n_missing, n_type_errors=n_type_errors)  # type: ignore[arg-type]
    return window
