"""Counts of consecutive blocks of rows: what the long-run covariance of a reference is computed from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import Season
from stream_gov.reference.rows import ColumnValues, RowBatch, as_numbers
from stream_gov.reference.season_slots import slots_of
from stream_gov.summaries import (
    CategoricalLayout,
    ColumnLayout,
    NumericLayout,
    PaneLayout,
    category_name,
    n_cells_of,
    pooled_cells,
)

__all__ = ["BLOCK_ROWS", "MAX_BLOCKS", "MAX_STRAGGLERS", "BlockCounts", "ColumnBlocks"]

BLOCK_ROWS = 50
"""Rows of a block while there are few."""
MAX_BLOCKS = 2_000
"""Beyond it neighbouring blocks are joined, so that memory is bounded."""
MAX_STRAGGLERS = 0.01
"""Share of the rows that may be out of order and be left out; more of them would leave gaps in what the blocks show."""

_CHUNK = 8_192
# Sums of a block's steps in a chunk stay below 2**(40 + 13), so float sums of them are exact whatever their order.
_CLIP = 2.0**40


class ColumnBlocks:
    """Counts of one column by block.

    Parameters
    ----------
    layout
        Cells of the column.

    Notes
    -----
    The last two places of `counts` are missing values and values of a wrong type; the others the pooled cells. `steps` are the sums of
    `rint((value - center) * factor)` of a numeric column.
    """

    __slots__ = ("counts", "layout", "pool", "steps")

    def __init__(self, layout: ColumnLayout) -> None:
        self.layout = layout
        n_cells = n_cells_of(layout)
        pool = pooled_cells(n_cells, kind=layout.kind)
        width = int(pool.max()) + 1
        self.pool = np.concatenate([pool, [width, width + 1]])
        self.counts: NDArray[np.int64] = np.zeros((0, width + 2), np.int64)
        self.steps: NDArray[np.int64] = np.zeros(0, np.int64)

    def update(self, values: ColumnValues, blocks: NDArray[np.int64], n_blocks: int) -> None:
        """Add rows: their values, the block each belongs to (not decreasing), and the number of blocks with them."""
        self.counts = _with_room(self.counts, n_blocks)
        self.steps = _with_room(self.steps, n_blocks)
        first, width = int(blocks[0]), self.counts.shape[1]
        local = blocks - first
        n_local = int(local[-1]) + 1
        codes, steps = _codes(self.layout, values)
        flat = np.bincount(local * width + self.pool[codes], minlength=n_local * width)
        self.counts[first : first + n_local] += flat.reshape(n_local, width)
        if steps is not None:
            self.steps[first : first + n_local] += np.bincount(local, weights=steps, minlength=n_local).astype(np.int64)

    def join_neighbours(self) -> None:
        """Join blocks 0 and 1, 2 and 3, and so on."""
        self.counts = _joined(self.counts)
        self.steps = _joined(self.steps)


def _with_room(of_blocks: NDArray[np.int64], n_blocks: int) -> NDArray[np.int64]:
    """Return it with at least so many blocks, the new ones 0."""
    room = max(n_blocks, min(2 * len(of_blocks), MAX_BLOCKS + 1)) - len(of_blocks)
    return np.concatenate([of_blocks, np.zeros((room, *of_blocks.shape[1:]), np.int64)]) if room > 0 else of_blocks


def _joined(of_blocks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sums of blocks 0 and 1, 2 and 3, and so on."""
    padded = np.concatenate([of_blocks, np.zeros((len(of_blocks) % 2, *of_blocks.shape[1:]), np.int64)])
    sums: NDArray[np.int64] = padded[::2] + padded[1::2]
    return sums


class BlockCounts:
    """Counts of every column in consecutive blocks of rows, if the rows come in the order of time.

    Stragglers, rows whose event time is before that of a row that came earlier, are in no block. If there are more than 1 % of them the rows
    are taken to have no order.

    Parameters
    ----------
    layout
        Columns and their cells.
    season
        Count the rows of each block by slot as well.

    Notes
    -----
    A function of the rows and their order, whatever the sizes of the batches: a block is 50 rows, or the least power of two times as many
    with which there are at most 2,000 blocks. Memory: at most 0.6 MB for each column, and 2.7 MB for the slots of a season.
    """

    def __init__(self, layout: PaneLayout, season: Season | None = None) -> None:
        self.season = season
        self.slot_rows: NDArray[np.int64] = np.zeros((0, 0 if season is None else season.n_slots), np.int64)
        """Rows by block and slot; without columns where there is no season."""
        self.block_rows = BLOCK_ROWS
        self.n_rows = 0
        """Rows in blocks, without stragglers."""
        self.n_stragglers = 0
        self._columns = {name: ColumnBlocks(column) for name, column in layout.columns.items()}
        self._has_times = True
        self._last_ms = -(2**63)

    @property
    def columns(self) -> dict[str, ColumnBlocks]:
        """By column; empty if there is no order of time."""
        return {} if self.why_not else self._columns

    @property
    def why_not(self) -> str:
        """Why there is no order of time, in words; empty if there is one."""
        if not self._has_times:
            return "have no event times"
        if self.n_stragglers > MAX_STRAGGLERS * (self.n_rows + self.n_stragglers):
            return "are not in the order of their event times"
        return ""

    @property
    def n_blocks(self) -> int:
        """Blocks, the last of which may not be full."""
        return math.ceil(self.n_rows / self.block_rows)

    def update(self, batch: RowBatch) -> None:
        """Add rows."""
        if not self._has_times or not batch.n_rows:
            return
        if batch.times_ms is None:
            self._has_times = False
            return
        latest = np.maximum.accumulate(np.maximum(batch.times_ms, self._last_ms))
        self._last_ms = int(latest[-1])
        timely = np.flatnonzero(batch.times_ms == latest)
        if timely.size < batch.n_rows:
            self.n_stragglers += batch.n_rows - timely.size
            batch = batch.take(timely)
        for start in range(0, batch.n_rows, _CHUNK):
            self._update_chunk(batch.slice(start, start + _CHUNK))

    def _update_chunk(self, chunk: RowBatch) -> None:
        rows = np.arange(self.n_rows, self.n_rows + chunk.n_rows)
        self.n_rows += chunk.n_rows
        while self.n_blocks > MAX_BLOCKS:
            self.block_rows *= 2
            self.slot_rows = _joined(self.slot_rows)
            for column in self._columns.values():
                column.join_neighbours()
        blocks = rows // self.block_rows
        if self.season is not None and chunk.times_ms is not None:
            self.slot_rows = _with_room(self.slot_rows, self.n_blocks)
            np.add.at(self.slot_rows, (blocks, slots_of(self.season, chunk.times_ms)), 1)
        for name, column in self._columns.items():
            values = chunk.columns.get(name)
            column.update([None] * chunk.n_rows if values is None else values, blocks, self.n_blocks)


def _codes(layout: ColumnLayout, values: ColumnValues) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Cell of each row, `n_cells` where it is missing and one more where it has a wrong type; and the steps of a numeric column."""
    n_cells = n_cells_of(layout)
    if isinstance(layout, NumericLayout):
        numbers = values if isinstance(values, np.ndarray) else as_numbers(values)
        valid = np.isfinite(numbers)
        codes = np.full(numbers.size, n_cells + 1)
        codes[valid] = layout.groups[layout.edges.searchsorted(numbers[valid], side="right")]
        if isinstance(values, np.ndarray):
            codes[np.isnan(numbers)] = n_cells
        else:
            for i in np.flatnonzero(~valid).tolist():
                if _is_missing(values[i]):
                    codes[i] = n_cells
        with np.errstate(over="ignore"):
            steps = (np.where(valid, numbers, layout.center) - layout.center) * layout.factor
        return codes, np.clip(np.rint(steps), -_CLIP, _CLIP)
    if isinstance(layout, CategoricalLayout):
        return _category_codes(layout, values), None
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    found = [int(v) if type(v) is bool else n_cells if _is_missing(v) else n_cells + 1 for v in listed]
    return np.array(found, np.int64), None


def _category_codes(layout: CategoricalLayout, values: ColumnValues) -> NDArray[np.int64]:
    n_cells = n_cells_of(layout)
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    if layout.dtype == "number":
        # Through floats, as they are counted: 1 and 1.0 are one category, and what no float holds is of a wrong type.
        numbers = values if isinstance(values, np.ndarray) else as_numbers(values)
        chosen: list[Any] = [v if math.isfinite(v) else None for v in numbers.tolist()]
    else:
        wanted = str if layout.dtype == "string" else bool
        chosen = [v if type(v) is wanted else None for v in listed]
    known: dict[Any, int] = {None: -1}
    codes = np.empty(len(listed), np.int64)
    for i, value in enumerate(chosen):
        code = known.get(value)
        if code is None:
            code = known[value] = layout.index.get(category_name(value), n_cells - 1)
        codes[i] = code if code >= 0 else n_cells if _is_missing(listed[i]) else n_cells + 1
    return codes


def _is_missing(value: Any) -> bool:
    return value is None or (type(value) is float and math.isnan(value))
