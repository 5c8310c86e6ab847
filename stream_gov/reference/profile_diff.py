"""Two reference profiles column by column: what differs, and by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stream_gov.reference.profile import ReferenceProfile
from stream_gov.statistics import ks_statistic, psi
from stream_gov.summaries import (
    AnyColumnSummary,
    BooleanSummary,
    CategoricalSummary,
    ColumnSketch,
    NumericSummary,
)

__all__ = ["ColumnDiff", "ColumnFacts", "NumericDistribution", "ProfileDiff", "diff_profiles"]

_BINS = 16
_TAIL = 0.01
_NAMED_CATEGORIES = 20
"""Categories named that only one side has, and those shown as a histogram."""


class NumericDistribution:
    """Distribution function of a column of a profile, from its cells and its sketch.

    Parameters
    ----------
    summary
        Exact counts in the profile's cells.
    sketch
        KLL sketch of the same values; None: only the cells are there.

    Notes
    -----
    Error: none at the edges of the column's own cells, beyond its least and largest value, and anywhere if it has at most 256 distinct
    values. Elsewhere that of KLL (1.33 % of rank), and never more than the share of the cell.
    """

    def __init__(self, summary: NumericSummary, sketch: ColumnSketch | None) -> None:
        self._summary = summary
        self._sketch = sketch if sketch is not None and sketch.n_numbers else None
        self._edges = summary.layout.edges
        self._below_edges = np.cumsum(summary.counts)[:-1] / max(summary.n_valid, 1)
        self._values: NDArray[np.float64] | None = None
        numbers = None if self._sketch is None else self._sketch.numbers
        if numbers is not None and not numbers.error:
            values = np.array([float(text) for text in numbers.counts])
            order = np.argsort(values)
            counts = np.array(list(numbers.counts.values()), np.float64)[order]
            self._values, self._upto = values[order], np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])

    def below(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Share of the values below each point, and whether it is exact.

        Parameters
        ----------
        points
            Finite, rising, shape `(k,)`.

        Returns
        -------
        Shares not falling, in `[0, 1]`, shape `(k,)`; and flags of the same shape.
        """
        if self._values is not None:
            shares = self._upto[self._values.searchsorted(points)]
            return shares, np.ones(points.size, bool)
        place = self._edges.searchsorted(points)
        bounds = np.concatenate([[0.0], self._below_edges, [1.0]])
        least, largest = bounds[place], bounds[np.minimum(place + 1, bounds.size - 1)]
        own = np.append(self._edges, np.inf)[place] == points
        under, over = points <= self._summary.minimum, points > self._summary.maximum
        exact = own | under | over
        shares = (least + largest) / 2
        if self._sketch is not None:
            ranks = [float(self._sketch.quantiles.get_rank(float(point))) for point in points]
            shares = np.clip(np.array(ranks), least, largest)
        shares = np.where(own, largest, shares)
        shares = np.where(under, 0.0, np.where(over, 1.0, shares))
        return np.maximum.accumulate(shares), exact


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """A column of one profile in a few numbers."""

    kind: str
    """`numeric`, `categorical` or `boolean`."""
    dtype: str
    """JSON type of its values."""
    valid: int
    missing_share: float
    """In `[0, 1]`; 0 without rows."""
    type_error_share: float
    mean: float = math.nan
    """Of a numeric column, in its unit; `nan` without values."""
    sd: float = math.nan
    """Sample standard deviation; `nan` with fewer than two values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDiff:
    """A column in both profiles, or in one."""

    column: str
    before: ColumnFacts | None
    """None: only the second profile has the column."""
    after: ColumnFacts | None
    same_cells: bool = False
    distance: float = math.nan
    """Population stability index in nats, in the groups of cells of the first profile, or in the categories that both can tell apart; `nan`
    where the types differ, or a side has no values."""
    ks: float = math.nan
    """Largest difference of the distribution functions of a numeric column at the edges of the cells of both, in `[0, 1]`."""
    approximate: bool = False
    """The cells differ, and shares in them come from a sketch within 1.33 % of rank; for categories: the rare ones are one group."""
    new_categories: dict[str, float] = field(default_factory=dict)
    """Categories that only the second profile knows, with their shares in it: the most frequent 20."""
    gone_categories: dict[str, float] = field(default_factory=dict)
    """The same of the first."""
    histogram_before: tuple[float, ...] = ()
    """Shares in common bins, for a picture: of equal length between the 1 % and 99 % quantiles of both, or of the categories."""
    histogram_after: tuple[float, ...] = ()
    bins: tuple[str, ...] = ()
    """Names of the categories, or the edges of the bins."""

    @property
    def type_changed(self) -> bool:
        """Whether both have the column, and as different kinds or JSON types."""
        if self.before is None or self.after is None:
            return False
        return (self.before.kind, self.before.dtype) != (self.after.kind, self.after.dtype)

    @property
    def is_comparable(self) -> bool:
        """Whether there is a distance."""
        return not math.isnan(self.distance)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileDiff:
    """Two profiles, the columns that differ most first."""

    before: ReferenceProfile
    after: ReferenceProfile
    columns: tuple[ColumnDiff, ...]
    """Those only in one profile or of another type first, then by falling distance."""

    @property
    def same_data(self) -> bool:
        """Whether both were built from the same values in the same order."""
        return self.before.data_hash == self.after.data_hash

    @property
    def new_segments(self) -> tuple[str, ...]:
        """Segments that only the second profile keeps apart."""
        return tuple(sorted(self.after.known_segments - self.before.known_segments))

    @property
    def gone_segments(self) -> tuple[str, ...]:
        """Segments that only the first profile keeps apart."""
        return tuple(sorted(self.before.known_segments - self.after.known_segments))

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs that a window is compared with: data, model, columns, cells, segments."""
        return (
            self.same_data
            and self.before.model == self.after.model
            and self.before.known_segments == self.after.known_segments
            and all(
                c.before is not None and c.after is not None and c.same_cells and not c.type_changed
                for c in self.columns
            )
        )


def diff_profiles(before: ReferenceProfile, after: ReferenceProfile) -> ProfileDiff:
    """Compare two profiles.

    Examples
    --------
    >>> from stream_gov.reference import ProfileBuilder, RowBatch, build_profile
    >>> def profile(values):
    ...     rows = RowBatch({"color": values}, len(values))
    ...     return build_profile(lambda: [rows], ProfileBuilder(), name="p", revision=1, model="m", source="-", created_ms=0)
    >>> (column,) = diff_profiles(profile(["red", "blue"] * 50), profile(["red"] * 90 + ["blue"] * 10)).columns
    >>> round(column.distance, 4)
    0.8789
    """
    names = dict.fromkeys([*before.layout.columns, *after.layout.columns])
    columns = [_column(name, before, after) for name in names]
    columns.sort(key=lambda c: (c.is_comparable, -c.distance if c.is_comparable else 0.0, c.column))
    return ProfileDiff(before=before, after=after, columns=tuple(columns))


def _column(name: str, before: ReferenceProfile, after: ReferenceProfile) -> ColumnDiff:
    one, other = before.segments[""].columns.get(name), after.segments[""].columns.get(name)
    facts = (None if one is None else _facts(one), None if other is None else _facts(other))
    if one is None or other is None:
        return ColumnDiff(column=name, before=facts[0], after=facts[1])
    same = one.layout == other.layout
    match one, other:
        case NumericSummary(), NumericSummary():
            sketches = before.sketches.get(name), after.sketches.get(name)
            found = _numeric(one, other, sketches)
        case (CategoricalSummary(), CategoricalSummary()) if one.layout.dtype == other.layout.dtype:
            found = _categorical(one, other)
        case BooleanSummary(), BooleanSummary():
            found = _Found(
                psi(one.cell_counts(), other.cell_counts()),
                histograms=(_shares(one.cell_counts().tolist()), _shares(other.cell_counts().tolist())),
                bins=("false", "true"),
            )
        case _:
            return ColumnDiff(column=name, before=facts[0], after=facts[1])
    return ColumnDiff(
        column=name,
        before=facts[0],
        after=facts[1],
        same_cells=same,
        distance=found.distance,
        ks=found.ks,
        approximate=found.approximate,
        new_categories=found.new_categories,
        gone_categories=found.gone_categories,
        histogram_before=found.histograms[0],
        histogram_after=found.histograms[1],
        bins=found.bins,
    )


@dataclass(slots=True)
class _Found:
    distance: float
    ks: float = math.nan
    approximate: bool = False
    new_categories: dict[str, float] = field(default_factory=dict)
    gone_categories: dict[str, float] = field(default_factory=dict)
    histograms: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    bins: tuple[str, ...] = ()


def _facts(summary: AnyColumnSummary) -> ColumnFacts:
    n = max(summary.n, 1)
    moments = (
        (summary.mean(), summary.standard_deviation()) if isinstance(summary, NumericSummary) else (math.nan, math.nan)
    )
    return ColumnFacts(
        kind=summary.kind,
        dtype=summary.layout.dtype,
        valid=summary.n_valid,
        missing_share=summary.n_missing / n,
        type_error_share=summary.n_type_errors / n,
        mean=moments[0],
        sd=moments[1],
    )


def _numeric(
    one: NumericSummary, other: NumericSummary, sketches: tuple[ColumnSketch | None, ColumnSketch | None]
) -> _Found:
    if not (one.n_valid and other.n_valid):
        return _Found(math.nan)
    distributions = NumericDistribution(one, sketches[0]), NumericDistribution(other, sketches[1])
    edges = np.union1d(one.layout.edges, other.layout.edges)
    if one.layout == other.layout:
        shares = one.counts / one.n_valid, other.counts / other.n_valid
        approximate = False
        ks = ks_statistic(*shares)
    else:
        upto, exact = zip(*(d.below(edges) for d in distributions), strict=True)
        cuts, is_exact = distributions[1].below(one.layout.edges)
        shares = one.counts / one.n_valid, np.diff(np.concatenate([[0.0], cuts, [1.0]]))
        approximate = not (is_exact.all() and all(e.all() for e in exact))
        ks = float(np.abs(upto[0] - upto[1]).max(initial=0.0))
    groups, n_groups = one.layout.groups, one.layout.n_groups
    grouped = [np.bincount(groups, weights=s, minlength=n_groups) for s in shares]
    histograms, bins = _bins(one, other, sketches, distributions)
    return _Found(psi(*grouped), ks, approximate, histograms=histograms, bins=bins)


def _bins(
    one: NumericSummary,
    other: NumericSummary,
    sketches: tuple[ColumnSketch | None, ColumnSketch | None],
    distributions: tuple[NumericDistribution, NumericDistribution],
) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], tuple[str, ...]]:
    """Shares in bins of equal length; what lies beyond the quantiles of 1 and 99 % of both goes into the outer ones."""
    ends = []
    for summary, sketch in zip((one, other), sketches, strict=True):
        if sketch is not None and sketch.n_numbers:
            ends.append((sketch.quantile(_TAIL), sketch.quantile(1 - _TAIL)))
        else:
            ends.append((summary.minimum, summary.maximum))
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    width = high / _BINS - low / _BINS  # each by itself: their difference may be beyond the largest float
    if not width > 0:
        return ((1.0,), (1.0,)), (f"{low:.6g}",)
    edges = np.array([low + i * width for i in range(1, _BINS)])
    histograms = []
    for distribution in distributions:
        below = np.concatenate([[0.0], distribution.below(edges)[0], [1.0]])
        histograms.append(tuple(np.diff(below).tolist()))
    return (histograms[0], histograms[1]), tuple(f"{e:.6g}" for e in edges)


def _categorical(one: CategoricalSummary, other: CategoricalSummary) -> _Found:
    counts = [dict(zip(s.layout.categories, s.counts.tolist(), strict=True)) for s in (one, other)]
    complete = [s.n_unseen == 0 for s in (one, other)]
    # A side that knows all of its categories has none of any other; one that does not may have it among the rest.
    told_apart = [
        c
        for c in dict.fromkeys([*counts[0], *counts[1]])
        if all(c in mine or whole for mine, whole in zip(counts, complete, strict=True))
    ]
    cells = [[mine.get(c, 0) for c in told_apart] for mine in counts]
    rest = [s.n_valid - sum(mine) for s, mine in zip((one, other), cells, strict=True)]
    if any(rest):
        cells = [[*mine, left] for mine, left in zip(cells, rest, strict=True)]
    distance = psi(*cells) if cells[0] else math.nan
    shares = [_shares(mine) for mine in cells]
    shown = sorted(range(len(told_apart)), key=lambda i: (-max(shares[0][i], shares[1][i]), i))[:_NAMED_CATEGORIES]
    only = [_only_in(counts[i], counts[1 - i], (one, other)[i].n_valid) for i in (0, 1)]
    return _Found(
        distance,
        approximate=any(rest) and one.layout != other.layout,
        new_categories=only[1],
        gone_categories=only[0],
        histograms=(tuple(shares[0][i] for i in shown), tuple(shares[1][i] for i in shown)),
        bins=tuple(told_apart[i] for i in shown),
    )


def _only_in(mine: dict[str, int], others: dict[str, int], n_valid: int) -> dict[str, float]:
    ranked = sorted(((c, n) for c, n in mine.items() if c not in others), key=lambda item: (-item[1], item[0]))
    return {c: n / n_valid for c, n in ranked[:_NAMED_CATEGORIES]}


def _shares(counts: Sequence[int]) -> tuple[float, ...]:
    total = max(sum(counts), 1)
    return tuple(c / total for c in counts)
