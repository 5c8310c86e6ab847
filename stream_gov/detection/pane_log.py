"""What online detectors were fed: one row for each pane, kept in blocks so that a new row rewrites little."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_ROWS", "NamedSeries", "PaneLog"]

BLOCK_ROWS = 32
"""Rows of a block: half of them are written again, on average, for each new row."""

NamedSeries = tuple[str, str]
"""Column (empty: the whole model) and series."""


@dataclass(slots=True)
class _Block:
    names: tuple[NamedSeries, ...] = ()
    values: array[float] = field(default_factory=lambda: array("d"))
    """Row by row, one value for each name; `nan` where the pane has none."""
    n_rows: int = 0


class PaneLog:
    """Values of several series by pane, numbered from 0 on and in the order of event time.

    Invariants: blocks follow each other without a gap; all but the last hold :data:`BLOCK_ROWS` rows; the last is never dropped, since it
    tells the number of the next row and how far event time has come.
    """

    __slots__ = ("_blocks", "changed", "dropped", "next_row", "until_ms")

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self.next_row = 0
        """Number of the row to come."""
        self.until_ms: int | None = None
        """End of the last pane with events; None before the first."""
        self.changed: set[int] = set()
        """Blocks that differ from what was kept of them last."""
        self.dropped: set[int] = set()
        """Blocks to be kept no longer."""

    @property
    def block_numbers(self) -> list[int]:
        """Blocks that are there, in order."""
        return sorted(self._blocks)

    def append(self, row: Mapping[NamedSeries, float], names: Sequence[NamedSeries]) -> None:
        """Add a row; a series of `names` that the row lacks has no value in it."""
        number = self.next_row // BLOCK_ROWS
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = _Block(tuple(names))
        elif block.names != tuple(names):
            self._arrange(block, tuple(names))
        block.values.extend(row.get(name, math.nan) for name in block.names)
        block.n_rows += 1
        self.next_row += 1
        self.changed.add(number)

    @staticmethod
    def _arrange(block: _Block, names: tuple[NamedSeries, ...]) -> None:
        """Give a block other series; what it held of those that stay, stays."""
        width = len(block.names)
        places = {name: i for i, name in enumerate(block.names)}
        kept = (
            block.values[row * width + places[name]] if name in places else math.nan
            for row in range(block.n_rows)
            for name in names
        )
        block.values = array("d", kept)
        block.names = names

    def values(self, name: NamedSeries, first: int, end: int) -> NDArray[np.float64]:
        """Values of a series in the rows `[first, end)`, `nan` where a pane had none; shape `(end - first,)`."""
        found = np.full(max(end - first, 0), np.nan)
        for number in range(first // BLOCK_ROWS, -(-end // BLOCK_ROWS)):
            block = self._blocks.get(number)
            if block is None or name not in block.names:
                continue
            start = number * BLOCK_ROWS
            low, high = max(first, start), min(end, start + block.n_rows)
            column = np.array(block.values[block.names.index(name) :: len(block.names)], np.float64)
            found[low - first : high - first] = column[low - start : high - start]
        return found

    def drop_before(self, row: int) -> None:
        """Forget blocks of which no row is as new as `row`, but for the last block."""
        last = max(self._blocks, default=0)
        for number in [n for n in self._blocks if n < last and (n + 1) * BLOCK_ROWS <= row]:
            del self._blocks[number]
            self.changed.discard(number)
            self.dropped.add(number)

    def block_state(self, number: int) -> list[Any]:
        """Plain data of a block, for packing."""
        block = self._blocks[number]
        return [self.until_ms, block.n_rows, [list(n) for n in block.names], np.array(block.values, "<f8").tobytes()]

    def restore_block(self, number: int, state: list[Any]) -> None:
        """Read what :meth:`block_state` gave; blocks may come in any order.

        Raises
        ------
        ValueError
            It is damaged.
        """
        until, n_rows, names, packed = state
        values = np.frombuffer(packed, "<f8")
        if values.size != n_rows * len(names) or not 0 <= n_rows <= BLOCK_ROWS:
            msg = f"a block of {n_rows} rows and {len(names)} series has {values.size} values"
            raise ValueError(msg)
        self._blocks[number] = _Block(tuple((c, s) for c, s in names), array("d", values.tolist()), n_rows)
        self.next_row = max(self.next_row, number * BLOCK_ROWS + n_rows)
        self.until_ms = max(until, until if self.until_ms is None else self.until_ms)
