"""Mergeable summaries: of a column, and of all columns of a model in a pane of time."""

from __future__ import annotations

from stream_gov.summaries.boolean import BooleanSummary
from stream_gov.summaries.categorical import UNSEEN_CAPACITY, CategoricalSummary, category_name
from stream_gov.summaries.column_sketch import ColumnSketch
from stream_gov.summaries.column_summary import ColumnSummary
from stream_gov.summaries.covariance import CovarianceSummary
from stream_gov.summaries.heavy_hitters import HeavyHitters
from stream_gov.summaries.layout import (
    BooleanLayout,
    CategoricalLayout,
    ColumnLayout,
    JsonType,
    NumericLayout,
    PaneLayout,
    layout_from_state,
)
from stream_gov.summaries.long_run import (
    ASSUMED_INFLATION,
    MAX_LONG_RUN_CELLS,
    Dependence,
    Inflation,
    LongRun,
    WindowDependence,
    n_cells_of,
    pooled_cells,
)
from stream_gov.summaries.numeric import NumericColumns, NumericSummary
from stream_gov.summaries.pane import (
    MAX_NEW_COLUMNS,
    MAX_SKETCHED_COLUMNS,
    AnyColumnSummary,
    PaneSummary,
    empty_summary,
)

__all__ = [
    "ASSUMED_INFLATION",
    "MAX_LONG_RUN_CELLS",
    "MAX_NEW_COLUMNS",
    "MAX_SKETCHED_COLUMNS",
    "UNSEEN_CAPACITY",
    "AnyColumnSummary",
    "BooleanLayout",
    "BooleanSummary",
    "CategoricalLayout",
    "CategoricalSummary",
    "ColumnLayout",
    "ColumnSketch",
    "ColumnSummary",
    "CovarianceSummary",
    "Dependence",
    "HeavyHitters",
    "Inflation",
    "JsonType",
    "LongRun",
    "NumericColumns",
    "NumericLayout",
    "NumericSummary",
    "PaneLayout",
    "PaneSummary",
    "WindowDependence",
    "category_name",
    "empty_summary",
    "layout_from_state",
    "n_cells_of",
    "pooled_cells",
]
