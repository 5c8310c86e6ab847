"""Both distributions in the same few bars: for the histograms of an alert, and to name the shares that moved most."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stream_gov.contracts import Histogram, ShareChange
from stream_gov.diagnosis.wording import number_words
from stream_gov.summaries import AnyColumnSummary, BooleanSummary, CategoricalSummary, NumericSummary

__all__ = ["CATEGORY_BARS", "MAX_BARS", "OTHERS", "Bar", "histogram_of", "moved_share", "numeric_bars", "share_changes"]

MAX_BARS = 20
"""Bars of a numeric histogram."""
CATEGORY_BARS = 12
"""Categories that a histogram names, those that moved most; all others are one bar more."""
OTHERS = "(others)"


@dataclass(slots=True)
class Bar:
    """A stretch of values `[low, high)`, or a single value (`low == high`), and how many of each side it holds."""

    low: float
    high: float
    reference: int
    window: int
    label: str = ""


def numeric_bars(reference: NumericSummary, window: NumericSummary) -> list[Bar]:
    """Give at most 20 bars in the order of the values: cells that hold anything, neighbours that hold least joined.

    The bars hold every valid value of both sides; where one side has none, all its counts are 0.
    """
    edges = reference.layout.edges
    lows, highs = np.concatenate(([-math.inf], edges)), np.concatenate((edges, [math.inf]))
    bars: list[Bar] = []
    for low, high, r, w in zip(
        lows.tolist(), highs.tolist(), reference.counts.tolist(), window.counts.tolist(), strict=True
    ):
        if r or w:
            bars.append(Bar(low, low if math.nextafter(low, math.inf) == high else high, r, w))
    n_reference, n_window = max(reference.n_valid, 1), max(window.n_valid, 1)
    while len(bars) > MAX_BARS:
        weights = [b.reference / n_reference + b.window / n_window for b in bars]
        at = min(range(len(bars) - 1), key=lambda i: weights[i] + weights[i + 1])
        left, right = bars[at], bars.pop(at + 1)
        high = right.high if right.high > right.low else math.nextafter(right.low, math.inf)
        bars[at] = Bar(left.low, high, left.reference + right.reference, left.window + right.window)
    _label(bars)
    return bars


def _label(bars: list[Bar]) -> None:
    ends = sorted({e for bar in bars for e in (bar.low, bar.high) if math.isfinite(e)})
    # As many digits as it takes to tell the ends apart; the next float after a value stands for the value.
    distinct = [e for i, e in enumerate(ends) if not i or math.nextafter(ends[i - 1], math.inf) != e]
    digits = next((d for d in range(4, 17) if len({number_words(e, digits=d) for e in distinct}) == len(distinct)), 17)
    for bar in bars:
        low, high = number_words(bar.low, digits=digits), number_words(bar.high, digits=digits)
        if bar.low == bar.high:
            bar.label = low
        elif math.isinf(bar.low):
            bar.label = "all" if math.isinf(bar.high) else f"below {high}"
        else:
            bar.label = f"from {low}" if math.isinf(bar.high) else f"{low} to {high}"


def _category_counts(reference: CategoricalSummary, window: CategoricalSummary) -> dict[str, tuple[int, int]]:
    counts = {
        name: (r, w)
        for name, r, w in zip(
            reference.layout.categories, reference.counts.tolist(), window.counts.tolist(), strict=True
        )
        if r or w
    }
    for name in reference.unseen.counts.keys() | window.unseen.counts.keys():
        counts[name] = (reference.unseen.counts.get(name, 0), window.unseen.counts.get(name, 0))
    return counts


def share_changes(reference: AnyColumnSummary, window: AnyColumnSummary) -> list[ShareChange]:
    """Shares on both sides, the largest move first: of the categories, of true, or of the bars of a numeric column.

    Categories that the reference does not know are among them, as far as the heavy hitters kept their names: their counts may then be
    too small, by at most `1/33` of all unseen values. A side without values has shares of 0.
    """
    match reference, window:
        case NumericSummary(), NumericSummary():
            counts = [(b.label, b.reference, b.window) for b in numeric_bars(reference, window)]
        case CategoricalSummary(), CategoricalSummary():
            counts = [(name, r, w) for name, (r, w) in _category_counts(reference, window).items()]
        case BooleanSummary(), BooleanSummary():
            counts = [("true", reference.n_true, window.n_true)]
        case _:
            msg = f"a {reference.kind} and a {window.kind} column cannot be compared; give two summaries of one layout"
            raise TypeError(msg)
    m, n = max(reference.n_valid, 1), max(window.n_valid, 1)
    changes = [ShareChange(category=name, reference=r / m, window=w / n) for name, r, w in counts]
    return sorted(changes, key=lambda c: (-abs(c.window - c.reference), c.category))


def histogram_of(reference: AnyColumnSummary, window: AnyColumnSummary) -> Histogram | None:
    """Give both histograms in the same bars; None where a side has no values.

    Numbers: at most 20 bars in order. Categories: the 12 that moved most, largest move first, then all others together.
    """
    m, n = reference.n_valid, window.n_valid
    if not (m and n):
        return None
    match reference, window:
        case NumericSummary(), NumericSummary():
            bars = numeric_bars(reference, window)
            return Histogram(
                labels=[b.label for b in bars],
                low=[_end(b.low) for b in bars],
                high=[_end(b.high) for b in bars],
                reference=[b.reference / m for b in bars],
                window=[b.window / n for b in bars],
            )
        case CategoricalSummary(), CategoricalSummary():
            counts = _category_counts(reference, window)
            named = [c.category for c in share_changes(reference, window)[:CATEGORY_BARS]]
            shown = [(name, *counts[name]) for name in named]
            rest = (m - sum(r for _, r, _ in shown), n - sum(w for _, _, w in shown))
            if any(rest):
                shown.append((OTHERS, *rest))
        case BooleanSummary(), BooleanSummary():
            shown = [("false", reference.n_false, window.n_false), ("true", reference.n_true, window.n_true)]
        case _:
            msg = f"a {reference.kind} and a {window.kind} column cannot be compared; give two summaries of one layout"
            raise TypeError(msg)
    return Histogram(
        labels=[name for name, _, _ in shown],
        low=[],
        high=[],
        reference=[r / m for _, r, _ in shown],
        window=[w / n for _, _, w in shown],
    )


def moved_share(reference: AnyColumnSummary, window: AnyColumnSummary) -> float:
    """Total variation distance over the groups of cells: the share of values that would have to change their group; `nan` if a side is empty."""
    if not (reference.n_valid and window.n_valid):
        return math.nan
    before = reference.cell_counts() / reference.n_valid
    after = window.cell_counts() / window.n_valid
    return float(np.abs(after - before).sum()) / 2


def _end(value: float) -> float | None:
    return value if math.isfinite(value) else None
