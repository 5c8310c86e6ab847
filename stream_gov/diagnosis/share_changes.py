"""Both distributions in the same few bars: for the histograms of an alert, and to name the shares that moved most."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from stream_gov.contracts import Histogram, ShareChange
from stream_gov.diagnosis.wording import number_words
from stream_gov.summaries import AnyColumnSummary, BooleanSummary, CategoricalSummary, NumericSummary

__all__ = ["CATEGORY_BARS", "MAX_BARS", "OTHERS", "Bar", "SharedBars", "moved_share", "numeric_bars", "shared_bars"]

MAX_BARS = 20
"""Bars of a numeric histogram."""
CATEGORY_BARS = 12
"""Categories that a histogram names, those that moved most; all others are one bar more."""
OTHERS = "(others)"


@dataclass(slots=True)
class Bar:
    """A stretch of values `[low, high)`, a single value (`low == high`) or a category, and how many of each side it holds."""

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
    m, n = max(reference.n_valid, 1), max(window.n_valid, 1)
    weights = [bar.reference / m + bar.window / n for bar in bars]
    pairs = [left + right for left, right in itertools.pairwise(weights)]
    while len(bars) > MAX_BARS:
        at = pairs.index(min(pairs))
        bars[at : at + 2] = [_joined(bars[at], bars[at + 1])]
        weights[at : at + 2] = [pairs[at]]
        del pairs[at]
        if at < len(pairs):
            pairs[at] = weights[at] + weights[at + 1]
        if at > 0:
            pairs[at - 1] = weights[at - 1] + weights[at]
    _label(bars)
    return bars


def _joined(left: Bar, right: Bar) -> Bar:
    high = right.high if right.high > right.low else math.nextafter(right.low, math.inf)
    return Bar(left.low, high, left.reference + right.reference, left.window + right.window)


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


@dataclass(frozen=True, slots=True)
class SharedBars:
    """Both sides of a column in the same bars."""

    bars: list[Bar]
    """Of numbers in the order of the values, at most 20; of other columns one for each value that has a name."""
    n_reference: int
    n_window: int
    is_numeric: bool

    def changes(self) -> list[ShareChange]:
        """Give the shares on both sides, the largest move first; where a side has no values its shares are 0."""
        m, n = max(self.n_reference, 1), max(self.n_window, 1)
        changes = [ShareChange(category=b.label, reference=b.reference / m, window=b.window / n) for b in self.bars]
        return sorted(changes, key=lambda c: (-abs(c.window - c.reference), c.category))

    def histogram(self) -> Histogram | None:
        """Give both histograms; None where a side has no values.

        Numbers: every bar. Categories: the 12 that moved most, largest move first, then all others together. Flags: false and true.
        """
        m, n = self.n_reference, self.n_window
        if not (m and n):
            return None
        bars = self.bars
        if not self.is_numeric:
            bars = sorted(bars, key=lambda b: (-abs(b.window / n - b.reference / m), b.label))[:CATEGORY_BARS]
            rest = Bar(0.0, 0.0, m - sum(b.reference for b in bars), n - sum(b.window for b in bars), OTHERS)
            bars = [*bars, rest] if rest.reference or rest.window else bars
        return Histogram(
            labels=[b.label for b in bars],
            low=[_end(b.low) for b in bars] if self.is_numeric else [],
            high=[_end(b.high) for b in bars] if self.is_numeric else [],
            reference=[b.reference / m for b in bars],
            window=[b.window / n for b in bars],
        )


def shared_bars(reference: AnyColumnSummary, window: AnyColumnSummary) -> SharedBars:
    """Count both sides of a column in the same bars.

    Categories that the reference does not know are among them, as far as the heavy hitters kept their names: their counts may then be
    too small, by at most `1/33` of all unseen values.
    """
    match reference, window:
        case NumericSummary(), NumericSummary():
            bars = numeric_bars(reference, window)
        case CategoricalSummary(), CategoricalSummary():
            bars = _category_bars(reference, window)
        case BooleanSummary(), BooleanSummary():
            bars = [
                Bar(0.0, 0.0, reference.n_true, window.n_true, "true"),
                Bar(0.0, 0.0, reference.n_false, window.n_false, "false"),
            ]
        case _:
            msg = f"a {reference.kind} and a {window.kind} column cannot be compared; give two summaries of one layout"
            raise TypeError(msg)
    return SharedBars(bars, reference.n_valid, window.n_valid, reference.kind == "numeric")


def _category_bars(reference: CategoricalSummary, window: CategoricalSummary) -> list[Bar]:
    known = zip(reference.layout.categories, reference.counts.tolist(), window.counts.tolist(), strict=True)
    bars = [Bar(0.0, 0.0, r, w, name) for name, r, w in known if r or w]
    before, after = reference.unseen.counts, window.unseen.counts
    new = (before.keys() | after.keys()) - reference.layout.index.keys()
    return [*bars, *(Bar(0.0, 0.0, before.get(name, 0), after.get(name, 0), name) for name in sorted(new))]


def moved_share(reference: AnyColumnSummary, window: AnyColumnSummary) -> float:
    """Total variation distance over the groups of cells: the share of values that would have to change their group; `nan` if a side is empty."""
    if not (reference.n_valid and window.n_valid):
        return math.nan
    before = reference.cell_counts() / reference.n_valid
    after = window.cell_counts() / window.n_valid
    return float(np.abs(after - before).sum()) / 2


def _end(value: float) -> float | None:
    return value if math.isfinite(value) else None
