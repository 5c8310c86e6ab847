"""How rows depend on each other once the season is taken out: from counts in consecutive blocks less what the slots let expect.

A cycle of day and night makes blocks differ far more than dependence does, and would be taken for it. So from the counts of each block is taken
what its rows' slots let expect, `sum(n_s p_s)` with the shares `p_s` of slot `s`. What remains is written in coordinates that mean the same in every
slot, though its values lie elsewhere (`slot_coordinates`): a night in which all values are a little high and such a day are then the same
thing, and one matrix serves every mixture of slots.

The slots' shares are estimates from the same rows, which takes some of the variance away: of two weeks with a slot for each hour of the week
half of it. For independent rows the share that is left is known from the numbers of rows by block and slot (`_kept_share`), and for rows that depend on
each other within one stretch of a slot it is the same where the kernel spans the stretch; so variances are divided by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stream_gov.reference.block_counts import BlockCounts, ColumnBlocks
from stream_gov.reference.long_run import (
    MIN_BLOCKS,
    Bandwidth,
    MeanOfBlocks,
    andrews_bandwidth,
    bandwidth_of,
    bartlett,
    spans_up_to,
)
from stream_gov.reference.profile import ReferenceProfile
from stream_gov.summaries import (
    AnyColumnSummary,
    Dependence,
    Inflation,
    LongRun,
    NumericSummary,
    PaneSummary,
    pooled_cells,
)

__all__ = [
    "MIN_KEPT_SHARE",
    "MixtureDependence",
    "long_run_by_slot",
    "seasonal_dependence_of",
    "slot_coordinates",
]

_Array = NDArray[np.float64]

MIN_KEPT_SHARE = 0.3
"""Where the slots' shares take more of the variance than the rest of it, what is left says too little: less than two cycles."""


def slot_coordinates(shares: _Array, *, kind: str) -> _Array:
    """Orthonormal directions in which the counts of some slots vary, over the square roots of the shares.

    Of ordered cells (of numbers, and false and true) they are the constant, and polynomials in the rank of a cell, by rising degree: the first says that
    values are high *for this slot*, the second that they are far from its middle. Of categories they are the categories themselves, less the constant.

    Parameters
    ----------
    shares
        Of the cells in each slot, shape `(s, c)`; each row sums to 1.
    kind
        Of the column.

    Returns
    -------
    Shape `(s, c, c)`, directions in columns. A slot with `f` cells that have rows has `f` directions of ordered cells; the others are 0.
    """
    root = np.sqrt(shares)
    n_cells = shares.shape[1]
    if kind == "categorical":
        own: _Array = np.eye(n_cells) - root[:, :, np.newaxis] * root[:, np.newaxis, :]
        return own * (shares > 0)[:, :, np.newaxis]
    ranks = 2 * (np.cumsum(shares, axis=1) - shares / 2) - 1
    q, r = np.linalg.qr(root[:, :, np.newaxis] * np.polynomial.legendre.legvander(ranks, n_cells - 1))
    signs = np.where(np.diagonal(r, axis1=1, axis2=2) < 0, -1.0, 1.0)
    known = np.arange(n_cells) < (shares > 0).sum(axis=1)[:, np.newaxis]
    directions: _Array = q * (signs * known)[:, np.newaxis, :]
    return directions


@dataclass(frozen=True)
class _Expected:
    """What the slots of a column let expect of each block."""

    shares: _Array
    """Of the cells, shape `(k, c)`."""
    steps: _Array
    """Mean of the steps of a numeric column, shape `(k,)`."""
    variance: _Array
    """Of the steps within slots, per value, shape `(k,)`."""
    missing: tuple[_Array, _Array]
    """Missing values by block, and their variance if they are independent, shape `(k,)`."""
    type_errors: tuple[_Array, _Array]

    @classmethod
    def of(cls, slots: Sequence[AnyColumnSummary], slot_rows: _Array, pool: NDArray[np.int64]) -> _Expected:
        n_rows = np.array([slot.n for slot in slots], np.float64)
        n_valid = np.array([slot.n_valid for slot in slots], np.float64)
        shares = _slot_shares(slots, pool)
        # valid values that each slot gives a block
        valid = slot_rows * (n_valid / n_rows)
        weights = valid / np.maximum(valid.sum(axis=1, keepdims=True), 1e-300)
        numbers = [slot for slot in slots if isinstance(slot, NumericSummary)]
        means = np.array([slot.sum_q / max(slot.n_valid, 1) for slot in numbers] or np.zeros(len(slots)))
        variances = np.array([_variance_of_steps(slot) for slot in numbers] or np.zeros(len(slots)))
        rare = []
        for counts in ([slot.n_missing for slot in slots], [slot.n_type_errors for slot in slots]):
            share = np.array(counts) / n_rows
            rare.append((slot_rows @ share, slot_rows @ (share * (1 - share))))
        return cls(weights @ shares, weights @ means, weights @ variances, rare[0], rare[1])


def _slot_shares(slots: Sequence[AnyColumnSummary], pool: NDArray[np.int64]) -> _Array:
    """Shares of the pooled cells in each slot, shape `(s, c)`; 0 for a slot without values."""
    width = int(pool.max()) + 1
    counts = np.array([np.bincount(pool, weights=slot.cell_counts(), minlength=width) for slot in slots])
    shares: _Array = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return shares


def _variance_of_steps(slot: NumericSummary) -> float:
    return slot.variance() * slot.layout.factor**2 if slot.n_valid > 1 else 0.0


@dataclass
class _Design:
    """Rows by block and slot: how much of the variance is left when the slots' shares are taken from the same rows."""

    slot_rows: _Array
    """Shape `(k, s)`, without slots that have no rows."""
    _kept: dict[int, float] = field(default_factory=dict)

    def kept_share(self, lag: int) -> float:
        """Share of the variance of independent rows that Bartlett's kernel finds in what is left of them."""
        kept = self._kept.get(lag)
        if kept is None:
            scaled = self.slot_rows / np.sqrt(self.slot_rows.sum(axis=0))
            lost = float(np.vdot(scaled, scaled))
            for j in range(1, lag + 1):
                lost += 2 * (1 - j / (lag + 1)) * float(np.vdot(scaled[j:], scaled[:-j]))
            kept = self._kept[lag] = 1 - lost / float(self.slot_rows.sum())
        return kept

    @cached_property
    def lost_autocorrelation(self) -> float:
        """By how much the autocorrelation of neighbouring blocks of independent rows is below 0."""
        # kept(1) is kept(0) less the autocovariance that was lost
        return max((self.kept_share(0) - self.kept_share(1)) / max(self.kept_share(0), MIN_KEPT_SHARE), 0.0)


def seasonal_dependence_of(blocks: BlockCounts, slots: Mapping[int, PaneSummary]) -> dict[str, Dependence]:
    """How the rows of each column depend on each other beyond the season; without columns that have too few blocks or cycles.

    Parameters
    ----------
    blocks
        Counts of all rows by block, and of rows by block and slot.
    slots
        Summaries of the same rows by slot.

    Returns
    -------
    By column; the covariances are of `slot_coordinates`, times the number of rows. See :class:`MixtureDependence`.
    """
    found = {}
    present = sorted(slots)
    design = _Design(blocks.slot_rows[: blocks.n_blocks, present].astype(np.float64))
    for name, column in blocks.columns.items():
        dependence = _of_column(column, [slots[slot].columns[name] for slot in present], design, blocks.block_rows)
        if dependence is not None:
            found[name] = dependence
    return found


def _of_column(
    column: ColumnBlocks, slots: Sequence[AnyColumnSummary], design: _Design, block_rows: int
) -> Dependence | None:
    n_blocks = len(design.slot_rows)
    counts = column.counts[:n_blocks].astype(np.float64)
    cells = counts[:, :-2]
    valid, rows = cells.sum(axis=1), counts.sum(axis=1)
    n_valid, filled = float(valid.sum()), int((cells.sum(axis=0) > 0).sum())
    if n_valid == 0 or n_blocks < MIN_BLOCKS + filled:
        return None
    kind = column.layout.kind
    expected = _Expected.of(slots, design.slot_rows, column.pool[:-2])
    residuals, present = _in_coordinates(cells, valid, expected.shares, kind)
    lost = design.lost_autocorrelation
    bandwidth = bandwidth_of(residuals, lost=lost)
    mean = _mean(column.steps[:n_blocks] - valid * expected.steps, valid, expected.variance * valid, lost)
    missing = _mean(counts[:, -2] - expected.missing[0], rows, expected.missing[1], lost)
    type_errors = _mean(counts[:, -1] - expected.type_errors[0], rows, expected.type_errors[1], lost)
    longest = max(b.lag for b in (bandwidth, mean.bandwidth, missing.bandwidth, type_errors.bandwidth))
    if design.kept_share(longest) < MIN_KEPT_SHARE or n_blocks * design.kept_share(longest) < MIN_BLOCKS + filled:
        return None
    # Of a direction that only some slots have, the other rows say nothing.
    seen = np.sqrt(np.maximum(valid @ present, 1.0) / n_valid)
    spans = []
    for span in spans_up_to(longest):
        cut = bandwidth.cut(span)
        kept = design.kept_share(cut.lag)
        covariance = bartlett(residuals, cut.lag) * (cut.correction * n_blocks / n_valid / kept) / np.outer(seen, seen)
        if kind == "categorical":
            # The constant of each slot has no variance, and no other slot may take that for its own.
            roots = np.sqrt(expected.shares)
            covariance += (roots * valid[:, np.newaxis]).T @ roots / n_valid / np.outer(seen, seen)
        long_run = LongRun(
            block_rows=block_rows,
            n_blocks=max(round(n_blocks * design.kept_share(longest)), 2),
            lag=cut.lag,
            shares=cells.sum(axis=0) / n_valid,
            covariance=covariance,
            mean=_inflation(mean, span, design),
            missing=_inflation(missing, span, design),
            type_errors=_inflation(type_errors, span, design),
        )
        spans.append((span, long_run))
    return Dependence(spans=tuple(spans))


def _in_coordinates(cells: _Array, valid: _Array, shares: _Array, kind: str) -> tuple[_Array, _Array]:
    """Counts less what is expected, in the coordinates of each block's slots, and which of them it has; both of shape `(k, c)`."""
    residuals = cells - valid[:, np.newaxis] * shares
    over = np.divide(residuals, np.sqrt(shares), out=np.zeros_like(residuals), where=shares > 0)
    if kind == "categorical":
        return over, (shares > 0).astype(np.float64)
    directions = slot_coordinates(shares, kind=kind)
    present = np.arange(shares.shape[1]) < (shares > 0).sum(axis=1)[:, np.newaxis]
    return np.einsum("kc,kcd->kd", over, directions), present.astype(np.float64)


def _mean(residuals: _Array, sizes: _Array, variances: _Array, lost: float) -> MeanOfBlocks:
    """Sums less what is expected, each over the root of its variance per row."""
    varies = variances > 0
    scale = np.sqrt(np.divide(sizes, variances, out=np.zeros_like(sizes), where=varies))
    scaled = (residuals * scale)[:, np.newaxis]
    if not (np.isfinite(scaled).all() and scaled.any()):
        return MeanOfBlocks(scaled, Bandwidth(0, 1.0), 0.0)
    return MeanOfBlocks(scaled, andrews_bandwidth(scaled, lost=lost), float((sizes * varies).mean()))


def _inflation(mean: MeanOfBlocks, span: int, design: _Design) -> Inflation:
    found = mean.inflation(span)
    return replace(found, ratio=found.ratio / design.kept_share(found.lag)) if mean.unit else found


class MixtureDependence:
    """How the values of one column depend on each other in a window that is compared with a mixture of slots.

    The covariance of the cells' shares is `sum(w_s A_s K A_s')` with the covariance `K` of the coordinates and `A_s` the coordinates of slot `s` times
    the roots of its shares. It is computed when it is asked for: most tests are decided without it.

    Parameters
    ----------
    seasonal
        Of the column, from the profile.
    slots
        Summaries of the column in each slot of the mixture, shape `(s,)`.
    window
        Events of the window in each slot, shape `(s,)`.
    """

    assumed = False

    def __init__(self, seasonal: Dependence, slots: Sequence[AnyColumnSummary], window: Sequence[int]) -> None:
        self._seasonal = seasonal
        self._slots = slots
        self._window = window

    def of_window(self, n: int, n_reference: int) -> LongRun:
        """Covariance for the comparison of a window of `n` rows with the mixture, as precise as `n_reference` rows."""
        known = self._seasonal.of_window(n, n_reference)
        first = self._slots[0]
        shares = _slot_shares(self._slots, pooled_cells(first.cell_counts().size, kind=first.kind))
        valid = np.array([slot.n_valid / max(slot.n, 1) for slot in self._slots])
        weights = np.array(self._window, np.float64) * valid
        if not weights.any():
            return known
        weights /= weights.sum()
        directions = (
            slot_coordinates(shares, kind=first.kind) * np.sqrt(shares * weights[:, np.newaxis])[:, :, np.newaxis]
        )
        covariance = np.einsum("sij,jk,slk->il", directions, known.covariance, directions, optimize=True)
        mean = replace(known.mean, ratio=known.mean.ratio * self._share_within_slots(weights))
        return replace(known, shares=weights @ shares, covariance=(covariance + covariance.T) / 2, mean=mean)

    def _share_within_slots(self, weights: _Array) -> float:
        """Variance within slots over the variance of the mixture: the mean of the window varies by the former."""
        numbers = [slot for slot in self._slots if isinstance(slot, NumericSummary)]
        if not numbers:
            return 1.0
        means = np.array([slot.sum_q / max(slot.n_valid, 1) for slot in numbers])
        within = float(weights @ np.array([_variance_of_steps(slot) for slot in numbers]))
        total = within + float(weights @ (means - weights @ means) ** 2)
        return within / total if total > 0 else 1.0


def long_run_by_slot(profile: ReferenceProfile, segment: str, column: str) -> dict[int, LongRun]:
    """Long-run covariance of a column's shares in each slot, were all rows in it; empty where it is not known."""
    seasonal = profile.seasonal_long_run.get(column)
    if seasonal is None or profile.slots is None:
        return {}
    known = seasonal.long_run
    slots = sorted(profile.slots.rows(segment))
    columns = [summary.columns[column] for summary in profile.slots.summaries(segment, slots)]
    kind = columns[0].kind
    shares = _slot_shares(columns, pooled_cells(columns[0].cell_counts().size, kind=kind))
    directions = slot_coordinates(shares, kind=kind) * np.sqrt(shares)[:, :, np.newaxis]
    covariances = directions @ known.covariance @ directions.transpose(0, 2, 1)
    return {
        slot: replace(known, shares=mine, covariance=covariance)
        for slot, mine, covariance in zip(slots, shares, covariances, strict=True)
    }
