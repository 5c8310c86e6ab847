"""How strongly the rows of a reference depend on the rows before them: the long-run covariance of a column's cell shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries.layout import CategoricalLayout, ColumnLayout, NumericLayout

__all__ = [
    "ASSUMED_INFLATION",
    "MAX_LONG_RUN_CELLS",
    "Dependence",
    "Inflation",
    "LongRun",
    "WindowDependence",
    "n_cells_of",
    "pooled_cells",
]

_Array = NDArray[np.float64]

MAX_LONG_RUN_CELLS = 32
"""Cells whose covariance is kept, the unseen values apart: a matrix of at most 4.5 kB for a column."""
ASSUMED_INFLATION = 5.0
"""Events that are taken to tell as much as one independent draw where the reference does not show it: right for a first-order autocorrelation of
2/3, too careful below, not careful enough above."""
_AS_IF_KNOWN = 1_000_000
_SINGLE_CELLS = 24
_SCATTER = 2_654_435_761  # Knuth's multiplicative hash: pools that have nothing to do with the counts


def n_cells_of(layout: ColumnLayout) -> int:
    """Length of `cell_counts()` of a column's summary."""
    if isinstance(layout, NumericLayout):
        return layout.n_groups
    return len(layout.categories) + 1 if isinstance(layout, CategoricalLayout) else 2


def pooled_cells(n_cells: int, *, kind: str) -> NDArray[np.int64]:
    """Number of the pooled cell that each cell belongs to, from 0 on; shape `(n_cells,)`.

    Few cells stand for themselves. Of more, cells of numbers are joined with their neighbours; of categories the 24 most frequent stand for
    themselves and the others are scattered over 8 pools. The last cell of a categorical column, its unseen values, always stands for itself.

    Examples
    --------
    >>> pooled_cells(3, kind="categorical").tolist(), int(pooled_cells(1_001, kind="categorical").max())
    ([0, 1, 2], 32)
    """
    cells = np.arange(n_cells)
    known = n_cells - (kind == "categorical")
    if known <= MAX_LONG_RUN_CELLS:
        return cells
    if kind != "categorical":
        return cells * MAX_LONG_RUN_CELLS // n_cells
    pools = MAX_LONG_RUN_CELLS - _SINGLE_CELLS
    scattered = cells.astype(np.uint64) * np.uint64(_SCATTER) % np.uint64(2**32) * np.uint64(pools) // np.uint64(2**32)
    pooled = np.where(cells < _SINGLE_CELLS, cells, _SINGLE_CELLS + scattered.astype(np.int64))
    pooled[-1] = MAX_LONG_RUN_CELLS
    return pooled


@dataclass(frozen=True, slots=True)
class Inflation:
    """By how much dependence inflates the variance of a mean."""

    ratio: float = 1.0
    """Long-run variance over the variance of independent draws; below 1 where rows alternate."""
    lag: int = 0
    """Blocks over which the autocovariance was summed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LongRun:
    """Covariance of one column's shares in windows of some length, from the reference's rows in the order of time.

    For `n` rows in a row the covariance of the shares of the (pooled) cells is about `covariance / n`. For independent draws `covariance` is
    `diag(shares) - outer(shares, shares)`.
    """

    block_rows: int
    """Rows of a block, whose counts it was computed from."""
    n_blocks: int
    lag: int
    """Blocks over which autocovariances were summed (Bartlett kernel)."""
    shares: _Array
    """Of the pooled cells in the reference, shape `(c,)`."""
    covariance: _Array
    """Per event, shape `(c, c)`."""
    mean: Inflation
    """Of the mean of a numeric column."""
    missing: Inflation
    """Of the share of missing values."""
    type_errors: Inflation
    """Of the share of values of a wrong type."""

    def __post_init__(self) -> None:
        c = self.shares.size
        if self.shares.shape != (c,) or self.covariance.shape != (c, c) or not np.isfinite(self.covariance).all():
            msg = f"a long-run covariance of {c} shares must be a finite {c} x {c} matrix, got shape {self.covariance.shape}"
            raise ValueError(msg)
        if self.block_rows < 1 or self.n_blocks < 2 or self.lag < 0:
            msg = f"a long-run covariance needs blocks and a lag >= 0, got {self.n_blocks} of {self.block_rows} rows and lag {self.lag}"
            raise ValueError(msg)

    @cached_property
    def degrees(self) -> float:
        """Degrees of freedom of a variance estimated from it: blocks that are independent of each other."""
        return self.degrees_at(self.lag)

    def degrees_at(self, lag: int) -> float:
        """Degrees of freedom of a variance whose autocovariances were summed up to a lag."""
        return max(self.n_blocks / (1 + lag) - 1, 1.0)

    @cached_property
    def normalised(self) -> _Array:
        """`D**-1/2 C D**-1/2` with `D = diag(shares)`: the covariance of `2 sqrt(share)`; rows of cells without rows are 0."""
        weights = np.divide(1.0, np.sqrt(self.shares), out=np.zeros_like(self.shares), where=self.filled)
        result: _Array = self.covariance * np.outer(weights, weights)
        return result

    @cached_property
    def filled(self) -> NDArray[np.bool_]:
        """Which cells have rows in the reference."""
        filled: NDArray[np.bool_] = self.shares > 0
        return filled

    @cached_property
    def eigen(self) -> tuple[_Array, _Array]:
        """Eigenvalues and eigenvectors (in columns) of `normalised` over the cells with rows."""
        values, vectors = np.linalg.eigh(self.normalised[np.ix_(self.filled, self.filled)])
        return values, vectors

    @cached_property
    def typical(self) -> Inflation:
        """Of the share of a cell about which nothing is known: the mean over the others."""
        filled = int(self.filled.sum())
        ratio = float(np.trace(self.normalised)) / (filled - 1) if filled > 1 else 1.0
        return Inflation(max(ratio, 1.0), self.lag)

    @cached_property
    def cumulative(self) -> Inflation:
        """The largest of the share of values below an edge, over the edges of the cells."""
        below = np.cumsum(self.shares)[:-1]
        variances = np.cumsum(np.cumsum(self.covariance, axis=0), axis=1).diagonal()[:-1]
        spread = below * (1 - below)
        inside = spread > 1e-9
        ratio = float((variances[inside] / spread[inside]).max(initial=1.0))
        return Inflation(ratio, self.lag)


class WindowDependence(Protocol):
    """How the rows of a window that is compared with a reference depend on each other."""

    @property
    def assumed(self) -> bool:
        """Whether it is not known, but taken to be as :meth:`Dependence.assume` says."""

    def of_window(self, n: int, n_reference: int) -> LongRun:
        """Covariance for the comparison of a window of `n` rows in a row with a reference of `n_reference`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Dependence:
    """How the rows of one column depend on each other: the covariance of its shares by the length of a window.

    The variance of the sum over `b` blocks in a row is `b` times Bartlett's kernel with lag `b - 1`, so a short window has a covariance
    of its own, which is smaller than the long-run covariance where the dependence lasts longer than the window.
    """

    spans: tuple[tuple[int, LongRun], ...]
    """Lag up to which autocovariances were summed at most, and the result; by rising lag. The last is the long-run covariance."""
    assumed: bool = False
    """Whether it is not known, but taken to be as :meth:`assume` says."""

    def __post_init__(self) -> None:
        lags = [lag for lag, _ in self.spans]
        if not lags or lags != sorted(set(lags)) or len({known.shares.size for _, known in self.spans}) != 1:
            msg = f"the covariances of a column must stand by rising lag and have the same cells, got lags {lags}"
            raise ValueError(msg)

    @classmethod
    def assume(cls, counts: NDArray[np.int64], *, kind: str) -> Dependence:
        """Take so many events for one independent draw, since the reference does not show how they depend on each other.

        Parameters
        ----------
        counts
            Of the reference per cell; not all 0.
        kind
            Of the column.
        """
        pooled = np.bincount(pooled_cells(counts.size, kind=kind), weights=counts)
        shares = pooled / pooled.sum()
        inflation = Inflation(ASSUMED_INFLATION)
        long_run = LongRun(
            block_rows=1,
            n_blocks=_AS_IF_KNOWN,
            lag=0,
            shares=shares,
            covariance=ASSUMED_INFLATION * (np.diag(shares) - np.outer(shares, shares)),
            mean=inflation,
            missing=inflation,
            type_errors=inflation,
        )
        return cls(spans=((0, long_run),), assumed=True)

    @property
    def long_run(self) -> LongRun:
        """For windows that are long against the dependence."""
        return self.spans[-1][1]

    def of_window(self, n: int, n_reference: int) -> LongRun:
        """Covariance for the comparison of a window of `n` rows in a row with a reference of `n_reference`.

        It is `(short / n + long / n_reference) / (1 / n + 1 / n_reference)`. Between the lengths kept the variance of the window's sum is taken
        for linear: it is convex where blocks depend positively on each other, so this is never too small.
        """
        n_blocks = n / self.long_run.block_rows
        if n_blocks >= self.spans[-1][0] + 1:
            return self.long_run
        above = next(i for i, (lag, _) in enumerate(self.spans) if lag + 1 >= n_blocks)
        of_window = n_reference / (n + n_reference)
        longest, longer = self.spans[above]
        if above == 0:
            return _mixed(longer, (longer, self.long_run), (of_window, 1 - of_window))
        shortest, shorter = self.spans[above - 1]
        t = (n_blocks - shortest - 1) / (longest - shortest)
        parts = (1 - t) * (shortest + 1) / n_blocks, t * (longest + 1) / n_blocks
        weights = of_window * parts[0], of_window * parts[1], 1 - of_window
        return _mixed(longer, (shorter, longer, self.long_run), weights)

    def to_state(self) -> dict[str, Any]:
        """Plain data, for a file."""
        last = self.long_run
        upper = np.triu_indices(last.shares.size)
        return {
            "block_rows": last.block_rows,
            "n_blocks": last.n_blocks,
            "shares": last.shares.astype("<f8").tobytes(),
            "spans": [
                [
                    lag,
                    known.lag,
                    known.covariance[upper].astype("<f8").tobytes(),
                    [[i.ratio, i.lag] for i in (known.mean, known.missing, known.type_errors)],
                ]
                for lag, known in self.spans
            ],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Dependence:
        """Read what :meth:`to_state` gave."""
        shares = np.frombuffer(state["shares"], "<f8").astype(np.float64)
        rows, columns = np.triu_indices(shares.size)
        spans = []
        for span, lag, packed, inflations in state["spans"]:
            covariance = np.zeros((shares.size, shares.size))
            upper = np.frombuffer(packed, "<f8")
            covariance[rows, columns] = upper
            covariance[columns, rows] = upper
            mean, missing, type_errors = (Inflation(float(ratio), int(of)) for ratio, of in inflations)
            known = LongRun(
                block_rows=int(state["block_rows"]),
                n_blocks=int(state["n_blocks"]),
                lag=int(lag),
                shares=shares,
                covariance=covariance,
                mean=mean,
                missing=missing,
                type_errors=type_errors,
            )
            spans.append((int(span), known))
        return cls(spans=tuple(spans))


def _mixed(like: LongRun, parts: Sequence[LongRun], weights: Sequence[float]) -> LongRun:
    """Weighted mean, with the lags of one of them."""
    pairs = list(zip(weights, parts, strict=True))
    return replace(
        like,
        covariance=sum((w * p.covariance for w, p in pairs), start=np.zeros_like(like.covariance)),
        mean=replace(like.mean, ratio=sum(w * p.mean.ratio for w, p in pairs)),
        missing=replace(like.missing, ratio=sum(w * p.missing.ratio for w, p in pairs)),
        type_errors=replace(like.type_errors, ratio=sum(w * p.type_errors.ratio for w, p in pairs)),
    )
