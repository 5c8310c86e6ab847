"""One side of a comparison in numbers, and how far the column moved."""

from __future__ import annotations

import math

from stream_gov.contracts import ColumnFacts, Shift
from stream_gov.diagnosis.cell_distribution import mean_holds, quantile, spread_holds
from stream_gov.diagnosis.share_changes import SharedBars
from stream_gov.summaries import AnyColumnSummary, NumericSummary

__all__ = ["SHARES_KEPT", "facts_of", "shift_of"]

SHARES_KEPT = 5
"""Shares that a shift names, those that moved most."""

_RANKS = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}


def facts_of(summary: AnyColumnSummary) -> ColumnFacts:
    """Describe a column: missing values and wrong types by their share, numbers by moments, extremes and quartiles.

    Notes
    -----
    What cannot be told is None: everything of a column without values; `sd` of a single value, and of values
    nearer to each other than `2**-12` spreads of the reference; `mean` and `sd` where values lie beyond `2**28` of these spreads, so that the
    sums were clipped; a quartile whose cell is longer than the standard deviation.
    """
    shares = {
        "missing_share": _finite(summary.n_missing / summary.n) if summary.n else None,
        "type_error_share": _finite(summary.n_type_errors / summary.n) if summary.n else None,
    }
    if not isinstance(summary, NumericSummary) or not summary.n_valid:
        return ColumnFacts(n_valid=summary.n_valid, **shares)
    sd = summary.standard_deviation() if spread_holds(summary) else math.nan
    quartiles = {name: quantile(summary, rank) for name, rank in _RANKS.items()}
    told = {name: q for name, q in quartiles.items() if q.error == 0 or q.error <= sd}
    return ColumnFacts(
        n_valid=summary.n_valid,
        **shares,
        mean=_finite(_mean(summary)) if mean_holds(summary) else None,
        sd=_finite(sd),
        minimum=_finite(summary.minimum),
        **{name: _finite(q.value) for name, q in told.items()},
        quartile_error=max((q.error for q in told.values()), default=None),
        maximum=_finite(summary.maximum),
    )


def _mean(summary: NumericSummary) -> float:
    # a mean of rounded values may be a rounding outside of the range of the values
    return min(max(summary.mean(), summary.minimum), summary.maximum)


def shift_of(reference: AnyColumnSummary, window: AnyColumnSummary, bars: SharedBars) -> Shift:
    """Describe both sides and their difference; the summaries are of one layout, the bars of both."""
    before, after = facts_of(reference), facts_of(window)
    change = change_sd = None
    if before.mean is not None and after.mean is not None:
        change = _finite(after.mean - before.mean)
        if before.sd and change is not None:
            change_sd = _finite(change / before.sd)
    return Shift(
        reference=before,
        window=after,
        mean_change=change,
        mean_change_sd=change_sd,
        shares=bars.changes()[:SHARES_KEPT],
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
