"""Series of one value per pane, which online detectors are fed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stream_gov.contracts.online_detector import SeriesName
from stream_gov.statistics import missing_share, type_error_share, unseen_share
from stream_gov.summaries import AnyColumnSummary, BooleanSummary, NumericSummary, PaneSummary

__all__ = ["KINDS_OF_SERIES", "RECKONED_WITH_THE_REFERENCE", "Unit", "pane_value", "unit_of"]

_ALL_KINDS = frozenset({"numeric", "categorical", "boolean"})

KINDS_OF_SERIES: dict[SeriesName, frozenset[str]] = {
    "mean": frozenset({"numeric", "boolean"}),
    "missing_share": _ALL_KINDS,
    "type_error_share": _ALL_KINDS,
    "unseen_share": frozenset({"categorical"}),
    "error_rate": frozenset({"boolean"}),
}
"""Kinds of columns that have the series; `events` is of no column."""

RECKONED_WITH_THE_REFERENCE = frozenset({"unseen_share", "type_error_share"})
"""What counts in them is what the reference does not know: with another reference they are other series."""


@dataclass(frozen=True, slots=True)
class Unit:
    """From the column's unit to that of the series: `(value - center) / scale`."""

    center: float = 0.0
    scale: float = 1.0
    why_undefined: str = ""
    """In words, where the reference gives no unit; then center and scale mean nothing."""


def unit_of(series: SeriesName, kind: str, reference: PaneSummary | None, column: str) -> Unit:
    """Unit of a series: for the mean of a numeric column the reference's mean and standard deviation; others are shares or counts.

    Parameters
    ----------
    series, kind
        What is watched, of what kind of column.
    reference
        The reference's summary of the segment; None if it has no rows of it.
    column
        Its name.
    """
    if series != "mean" or kind != "numeric":
        return Unit()
    known = None if reference is None else reference.columns.get(column)
    if not isinstance(known, NumericSummary) or known.n_valid == 0:
        return Unit(why_undefined="the reference has no valid values, so the mean has no unit")
    scale = known.standard_deviation()
    if not scale > 0:
        return Unit(why_undefined="the reference does not vary, so the mean has no unit")
    return Unit(known.mean(), scale)


def pane_value(series: SeriesName, summary: AnyColumnSummary, least: int) -> float:
    """Value of a pane, before its unit: `nan` if the pane has fewer than `least` values (events, for shares of events).

    Parameters
    ----------
    series
        One that this kind of column has.
    summary
        Of the column, over the pane.
    least
        Values with which a pane counts, at least 1.

    Returns
    -------
    The mean in the column's unit (for a boolean column the share of true), or a share in `[0, 1]`.
    """
    if series == "missing_share":
        n = summary.n
        return missing_share(summary.n_missing, n) if n >= least else math.nan
    if series == "type_error_share":
        n = summary.n
        return type_error_share(summary.n_type_errors, n) if n >= least else math.nan
    n = summary.n_valid
    if n < least:
        return math.nan
    if isinstance(summary, NumericSummary):
        return summary.mean()
    if isinstance(summary, BooleanSummary):
        return summary.n_true / n
    return unseen_share(summary.n_unseen, n)
