"""Mergeable summaries: of a column, and of all columns of a model in a pane of time."""

from __future__ import annotations

from stream_gov.summaries.boolean import BooleanSummary
from stream_gov.summaries.categorical import UNSEEN_CAPACITY, CategoricalSummary, category_name
from stream_gov.summaries.column_sketch import ColumnSketch
from stream_gov.summaries.column_summary import ColumnSummary
from stream_gov.summaries.covariance import CovarianceSummary
from stream_gov.summaries.derivations import Derivation
from stream_gov.summaries.derived_values import DerivedValues
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
from stream_gov.summaries.text_derivation import TextDerivation
from stream_gov.summaries.vector_derivation import LARGEST_DIMENSION, PROJECTIONS, VectorDerivation
from stream_gov.summaries.vector_long_run import VectorDependence, VectorLongRun
from stream_gov.summaries.words import N_WORD_HASHES, text_blocks

__all__ = [
    "ASSUMED_INFLATION",
    "LARGEST_DIMENSION",
    "MAX_LONG_RUN_CELLS",
    "MAX_NEW_COLUMNS",
    "MAX_SKETCHED_COLUMNS",
    "N_WORD_HASHES",
    "PROJECTIONS",
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
    "Derivation",
    "DerivedValues",
    "HeavyHitters",
    "Inflation",
    "JsonType",
    "LongRun",
    "NumericColumns",
    "NumericLayout",
    "NumericSummary",
    "PaneLayout",
    "PaneSummary",
    "TextDerivation",
    "VectorDependence",
    "VectorDerivation",
    "VectorLongRun",
    "WindowDependence",
    "category_name",
    "empty_summary",
    "layout_from_state",
    "n_cells_of",
    "pooled_cells",
    "text_blocks",
]
