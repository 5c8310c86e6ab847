"""How the rows of each column of a reference depend on each other, from its counts in consecutive blocks of rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_gov.reference.block_counts import BlockCounts, ColumnBlocks
from stream_gov.summaries import Dependence, Inflation, LongRun, NumericSummary, PaneSummary

__all__ = [
    "MIN_BLOCKS",
    "Bandwidth",
    "MeanOfBlocks",
    "andrews_bandwidth",
    "bandwidth_of",
    "bartlett",
    "dependence_of",
    "spans_up_to",
]

_Array = NDArray[np.float64]

MIN_BLOCKS = 10
"""Fewer blocks beyond the number of cells say nothing of their covariance."""
_LARGEST_RHO = 0.97
"""Andrews's rule grows without bound towards a unit root; he proposes this bound."""
_LARGEST_LAG_SHARE = 1 / 8
"""A lag of more than this share of the blocks leaves fewer than 8 independent ones."""


def bartlett(series: _Array, lag: int) -> _Array:
    """Long-run covariance of a series by Bartlett's kernel, without negative eigenvalues.

    Parameters
    ----------
    series
        Of mean 0, shape `(k, d)`, rows in the order of time.
    lag
        Autocovariances up to it are summed with weights `1 - j / (lag + 1)`.

    Returns
    -------
    Shape `(d, d)`.

    References
    ----------
    Newey and West (1987), A simple, positive semi-definite, heteroskedasticity and autocorrelation consistent covariance matrix, Econometrica 55.
    """
    total = series.T @ series
    for j in range(1, lag + 1):
        lagged = series[j:].T @ series[:-j]
        total += (1 - j / (lag + 1)) * (lagged + lagged.T)
    result: _Array = total / len(series)
    return result


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """How far autocovariances are summed, and what the kernel loses by it."""

    lag: int
    correction: float
    """What the kernel's result is multiplied by: it would be the true variance if the series were the autoregression that chose the lag."""

    def cut(self, span: int) -> Bandwidth:
        """For windows of `span + 1` blocks: without a bias where they are shorter than the dependence is followed."""
        return self if span >= self.lag else Bandwidth(span, 1.0)


def andrews_bandwidth(series: _Array, *, lost: float = 0.0) -> Bandwidth:
    """Lag for Bartlett's kernel, from a first-order autoregression of each series.

    The bandwidth `1.1447 (alpha k)**(1/3)` minimises the mean squared error, with `alpha` from the estimated autoregressions, each series weighing 1.

    Parameters
    ----------
    series
        Of mean 0, shape `(k, d)`; series that are 0 throughout count for nothing.
    lost
        Autocorrelation at lag 1 that was taken away with estimated means: what that of independent numbers is below 0.

    Returns
    -------
    A lag of at least 0 and at most an eighth of `k`, and a correction of at least 1, from the series weighted as in `alpha`.

    References
    ----------
    Andrews (1991), Heteroskedasticity and autocorrelation consistent covariance matrix estimation, Econometrica 59, (6.2) and (6.4).
    """
    k = len(series)
    squares = np.einsum("ij,ij->j", series[:-1], series[:-1])
    filled = squares > 0
    if k < 3 or not filled.any():
        return Bandwidth(0, 1.0)
    x, y = series[:-1, filled], series[1:, filled]
    rho = np.clip(np.einsum("ij,ij->j", x, y) / squares[filled] + lost, -_LARGEST_RHO, _LARGEST_RHO)
    residuals = y - rho * x
    variance_squared = np.einsum("ij,ij->j", residuals, residuals) ** 2
    over = float((4 * rho**2 * variance_squared / ((1 - rho) ** 6 * (1 + rho) ** 2)).sum())
    weights = variance_squared / (1 - rho) ** 4
    under = float(weights.sum())
    if not under > 0:
        return Bandwidth(0, 1.0)
    bandwidth = 1.1447 * (over / under * k) ** (1 / 3)
    lag = int(min(max(math.ceil(bandwidth) - 1, 0), k * _LARGEST_LAG_SHARE))
    return Bandwidth(lag, max(_bias_correction(float(weights @ rho) / under, lag), 1.0))


def _bias_correction(rho: float, lag: int) -> float:
    """True long-run variance of a first-order autoregression over what Bartlett's kernel makes of it."""
    j = np.arange(1, lag + 1)
    kernel = 1 + 2 * float(((1 - j / (lag + 1)) * rho**j).sum())
    return (1 + rho) / (1 - rho) / kernel


def dependence_of(blocks: BlockCounts, pane: PaneSummary) -> dict[str, Dependence]:
    """How the rows of each column depend on each other; without columns that have too few blocks.

    Parameters
    ----------
    blocks
        Counts of all rows by block.
    pane
        Of the same rows.
    """
    found = {}
    for name, column in blocks.columns.items():
        summary = pane.columns[name]
        variance = summary.variance() * summary.layout.factor**2 if isinstance(summary, NumericSummary) else 0.0
        dependence = _of_column(column, blocks.n_blocks, blocks.block_rows, variance)
        if dependence is not None:
            found[name] = dependence
    return found


def _of_column(column: ColumnBlocks, n_blocks: int, block_rows: int, variance_of_steps: float) -> Dependence | None:
    counts = column.counts[:n_blocks].astype(np.float64)
    cells = counts[:, :-2]
    valid, rows = cells.sum(axis=1), counts.sum(axis=1)
    n_valid = float(valid.sum())
    if n_valid == 0 or n_blocks < MIN_BLOCKS + int((cells.sum(axis=0) > 0).sum()):
        return None
    # Shares are ratios of sums over blocks, so their errors are those of the sums of `count - share * n`.
    shares = cells.sum(axis=0) / n_valid
    residuals = cells - np.outer(valid, shares)
    filled = shares > 0
    bandwidth = bandwidth_of(residuals[:, filled] / np.sqrt(shares[filled]))
    mean = MeanOfBlocks.of(column.steps[:n_blocks].astype(np.float64), valid, variance_of_steps)
    missing, type_errors = MeanOfBlocks.of_share(counts[:, -2], rows), MeanOfBlocks.of_share(counts[:, -1], rows)
    longest = max(b.lag for b in (bandwidth, mean.bandwidth, missing.bandwidth, type_errors.bandwidth))
    spans = []
    for span in spans_up_to(longest):
        cut = bandwidth.cut(span)
        long_run = LongRun(
            block_rows=block_rows,
            n_blocks=n_blocks,
            lag=cut.lag,
            shares=shares,
            covariance=bartlett(residuals, cut.lag) * (cut.correction * n_blocks / n_valid),
            mean=mean.inflation(span),
            missing=missing.inflation(span),
            type_errors=type_errors.inflation(span),
        )
        spans.append((span, long_run))
    return Dependence(spans=tuple(spans))


def spans_up_to(longest: int) -> list[int]:
    """Lags 0, 1, 3, 7, ... for windows of up to 1, 2, 4, 8, ... blocks, and the longest."""
    return [2**i - 1 for i in range((longest + 1).bit_length()) if 2**i - 1 < longest] + [longest]


def bandwidth_of(normalised: _Array, *, lost: float = 0.0) -> Bandwidth:
    """The larger of two: for the normalised cells together, and for the direction in which blocks differ most.

    Dependence shows in a few directions (the level of a series) and hardly in single cells in the middle, and the distance between
    distributions is largest in the first.

    Parameters
    ----------
    normalised
        Counts less what is expected, over the root of the shares, shape `(k, d)`.
    lost
        As for :func:`andrews_bandwidth`.
    """
    if normalised.shape[1] < 2:
        return Bandwidth(0, 1.0)
    directions = np.linalg.eigh(normalised.T @ normalised)[1]
    largest = normalised @ directions[:, -1:]
    choices = andrews_bandwidth(normalised, lost=lost), andrews_bandwidth(largest, lost=lost)
    return max(choices, key=lambda choice: (choice.lag, choice.correction))


@dataclass(frozen=True, slots=True)
class MeanOfBlocks:
    """A mean `sum(sums) / sum(sizes)` over blocks, against that of independent draws."""

    residuals: _Array
    bandwidth: Bandwidth
    unit: float
    """Of the variance of a block's sum: that of independent draws; 0 where nothing varies."""

    @classmethod
    def of(cls, sums: _Array, sizes: _Array, variance: float) -> MeanOfBlocks:
        """From sums and sizes by block, shape `(k,)`, and the variance of a single value."""
        residuals = (sums - sums.sum() / sizes.sum() * sizes)[:, np.newaxis]
        unit = variance * float(sizes.mean())
        if not (0 < unit < math.inf and residuals.any()):
            return cls(residuals, Bandwidth(0, 1.0), 0.0)
        return cls(residuals, andrews_bandwidth(residuals), unit)

    @classmethod
    def of_share(cls, counts: _Array, rows: _Array) -> MeanOfBlocks:
        """From counts and rows by block, shape `(k,)`."""
        share = float(counts.sum() / rows.sum())
        return cls.of(counts, rows, share * (1 - share))

    def inflation(self, span: int) -> Inflation:
        """By dependence up to a lag."""
        if not self.unit:
            return Inflation()
        cut = self.bandwidth.cut(span)
        return Inflation(cut.correction * float(bartlett(self.residuals, cut.lag)[0, 0]) / self.unit, cut.lag)
