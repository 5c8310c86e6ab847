"""Cells of a numeric column, from its own values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries import NumericLayout

__all__ = ["ValueCounts", "atom_layout", "empty_layout", "has_few_values", "location_and_scale", "quantile_layout"]

_MAX_ATOMS = 50
# Good and Turing: the chance that the next value was never seen is about the share of values seen once. Beyond 1 % a column of few
# values is rather a short sample of a continuous one, and a cell for each value would call most new values unseen.
_MAX_SINGLETON_SHARE = 0.01
_MIN_GROUP_SHARE = 0.01
_MIN_RARE_SHARE = 0.001
_N_GROUPS = 10  # PSI's deciles
_CELLS_PER_GROUP = 4
_MIN_GROUPS_BESIDE_ATOMS = 4
_HEAVY_SHARE = 1 / 20
_MIN_COUNT = 10  # seen less often, a value's share is mostly chance
# Moments are integers of (value - center) * 2**16 / scale: the factor must be a finite float, and so must the square of the scale.
_SMALLEST_SCALE = 2.0**-500
_LARGEST_SCALE = 2.0**500


@dataclass(frozen=True)
class ValueCounts:
    """Distinct values (finite, strictly increasing, shape `(m,)`) and how often each occurs."""

    values: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, sample: NDArray[np.float64]) -> ValueCounts:
        """Count the distinct values of a sample (finite)."""
        values, counts = np.unique(sample + 0.0, return_counts=True)  # + 0.0: minus zero becomes zero
        return cls(values, counts.astype(np.int64))

    @property
    def n(self) -> int:
        """Values, repeated ones included."""
        return int(self.counts.sum())


def location_and_scale(mean: float, variance: float, counts: ValueCounts) -> tuple[float, float]:
    """Give center and scale of a layout: mean and standard deviation, or the next best where floats cannot hold them.

    A constant column has the scale `|center|`, or 1 where the center is 0. A mean that overflows gives way to the median, a scale is
    held between `2**-500` and `2**500`.
    """
    center = mean
    if not math.isfinite(center):
        center = float(counts.values[np.searchsorted(np.cumsum(counts.counts), counts.n / 2)])
    # A mean of equal values may be off by a rounding, and so may its variance: constant is what has one value.
    if counts.values.size == 1:
        center = float(counts.values[0])
        scale = abs(center) or 1.0
    elif math.isfinite(variance) and variance > 0:
        scale = math.sqrt(variance)
    else:  # two values so close, or so far apart, that their squares are 0 or infinite
        half = counts.values[-1] / 2 - counts.values[0] / 2
        scale = float(half) or abs(center) or 1.0
    return center, min(max(scale, _SMALLEST_SCALE), _LARGEST_SCALE)


def has_few_values(counts: ValueCounts) -> bool:
    """Tell whether each value should have a cell of its own: at most 50 values, nearly all of them seen again and again."""
    singletons = int((counts.counts == 1).sum())
    return counts.values.size <= _MAX_ATOMS and singletons <= _MAX_SINGLETON_SHARE * counts.n


def empty_layout() -> NumericLayout:
    """Give the layout of a column without values: one cell."""
    return NumericLayout(edges=np.empty(0), groups=np.zeros(1, np.int64), center=0.0, scale=1.0)


def atom_layout(counts: ValueCounts, *, center: float, scale: float) -> NumericLayout:
    """Give each value its own cell, and all others together one group "unseen" that holds nothing of the reference.

    Neighbouring values with less than 1 % each share a group. What is left of such a run, still below 1 %, goes with the leftovers of
    other runs into one group of rare values; if even that is below 0.1 %, into the smallest group, unless there is only one.

    Where the values themselves were hardly seen (fewer than 10 times), as in the tail of a count, others near them must be expected: a
    gap with such values on both sides, or beyond the last one, belongs to the group of its neighbour and is not unseen.

    Notes
    -----
    The group of unseen values is the last.
    """
    atoms = counts.values
    group_of_atom = _group_atoms(counts.counts)
    unseen = int(group_of_atom.max()) + 1
    edges = np.union1d(atoms, _just_above(atoms))
    lower_ends = np.concatenate(([-np.inf], edges))
    # The atom at or below each cell, -1 for none. A gap's other neighbour is the next atom, and at the ends there is only one.
    below = np.searchsorted(atoms, lower_ends, side="right") - 1
    sparse = counts.counts < _MIN_COUNT
    near_sparse = sparse[np.maximum(below, 0)] & sparse[np.minimum(below + 1, atoms.size - 1)]
    groups = np.where(near_sparse, group_of_atom[np.maximum(below, 0)], unseen)
    # The cell of an atom is the one that begins at it: cell i + 1 for edge i.
    groups[np.searchsorted(edges, atoms) + 1] = group_of_atom
    return NumericLayout(edges=edges, groups=groups, center=center, scale=scale, atoms=atoms)


def _just_above(atoms: NDArray[np.float64]) -> NDArray[np.float64]:
    """The next larger float of each atom: where its cell ends. The largest float has none."""
    with np.errstate(over="ignore"):
        above = np.nextafter(atoms, np.inf)
    return above[np.isfinite(above)]


def _group_atoms(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    least = _MIN_GROUP_SHARE * counts.sum()
    groups: list[list[int]] = []
    rare: list[int] = []
    run: list[int] = []

    def end_run() -> None:
        if not run:
            return
        if groups and groups[-1][-1] == run[0] - 1 and counts[groups[-1][0]] < least:
            groups[-1].extend(run)  # the group before is of the same run
        else:
            rare.extend(run)
        run.clear()

    for i, count in enumerate(counts):
        if count >= least:
            end_run()
            groups.append([i])
            continue
        run.append(i)
        if counts[run].sum() >= least:
            groups.append(run.copy())
            run.clear()
    end_run()
    if rare:
        if len(groups) > 1 and counts[rare].sum() < _MIN_RARE_SHARE * counts.sum():
            min(groups, key=lambda members: int(counts[members].sum())).extend(rare)
        else:
            groups.append(rare)
    group_of_atom = np.empty(counts.size, np.int64)
    for number, members in enumerate(groups):
        group_of_atom[members] = number
    return group_of_atom


def quantile_layout(counts: ValueCounts, *, center: float, scale: float) -> NumericLayout:
    """Cut at the column's own quantiles: about 40 cells in 10 groups of about equal share.

    A value that makes up a twentieth of the column or more (and was seen at least 10 times) is an atom: it has a cell and a group of
    its own, and the others share quantile cells, with fewer groups where fewer values are left. Every edge of a quantile cell is a
    value of the column, so no group is empty in the reference.
    """
    n = counts.n
    heavy = (counts.counts >= _HEAVY_SHARE * n) & (counts.counts >= _MIN_COUNT)
    atoms = counts.values[heavy]
    rest, weights = counts.values[~heavy], counts.counts[~heavy]
    if not rest.size:  # a few values and no more; those never seen must not share a group with one of them
        return atom_layout(counts, center=center, scale=scale)
    share = float(weights.sum()) / n
    n_groups = min(_N_GROUPS, max(math.ceil(_N_GROUPS * share), _MIN_GROUPS_BESIDE_ATOMS if atoms.size else _N_GROUPS))
    n_groups = max(1, min(n_groups, int(share / _MIN_GROUP_SHARE), rest.size))
    cuts = _quantiles(rest, weights, n_groups * _CELLS_PER_GROUP)
    cell_of_rest = np.searchsorted(cuts, rest, side="right")
    cell_weights = np.bincount(cell_of_rest, weights=weights, minlength=cuts.size + 1).astype(np.float64)
    group_of_cell = _equal_groups(cell_weights, n_groups, least=_MIN_GROUP_SHARE * n)

    edges = np.union1d(cuts, np.union1d(atoms, _just_above(atoms)))
    # A cell between edges belongs to the quantile cell around it: that of its lower end.
    lower_ends = np.concatenate(([-np.inf], edges))
    groups = group_of_cell[np.searchsorted(cuts, lower_ends, side="right")]
    groups[np.searchsorted(edges, atoms) + 1] = group_of_cell.max() + 1 + np.arange(atoms.size)
    return NumericLayout(edges=edges, groups=groups, center=center, scale=scale, atoms=atoms)


def _quantiles(values: NDArray[np.float64], weights: NDArray[np.int64], n_cells: int) -> NDArray[np.float64]:
    """Values at which cells of about equal weight begin, without the least value: strictly increasing, shape `(< n_cells,)`."""
    before = np.concatenate(([0], np.cumsum(weights)[:-1]))
    ranks = np.arange(1, n_cells) * (float(weights.sum()) / n_cells)
    # The value whose beginning lies nearest to the rank: half of a tied value must not stay behind in the cell before.
    place = np.searchsorted(before, ranks)
    place = np.minimum(place, values.size - 1)
    nearer = np.abs(before[np.maximum(place - 1, 0)] - ranks) < np.abs(before[place] - ranks)
    place = np.where(nearer, np.maximum(place - 1, 0), place)
    return values[np.unique(place[place > 0])]


def _equal_groups(weights: NDArray[np.float64], n_groups: int, *, least: float) -> NDArray[np.int64]:
    """Give neighbouring cells (none empty) group numbers `0, 1, ...`: at most `n_groups` of about equal weight, each at least `least`.

    A single group may weigh less, where all cells together do.
    """
    middle = np.cumsum(weights) - weights / 2
    group = np.minimum((middle * (n_groups / weights.sum())).astype(np.int64), n_groups - 1)
    group = np.unique(group, return_inverse=True)[1].astype(np.int64)
    while group.max() > 0:
        sizes = np.bincount(group, weights=weights)
        smallest = int(sizes.argmin())
        if sizes[smallest] >= least:
            break
        left_is_lighter = smallest == sizes.size - 1 or (smallest > 0 and sizes[smallest - 1] < sizes[smallest + 1])
        group = np.where(group >= smallest + (not left_is_lighter), group - 1, group)
    return group
