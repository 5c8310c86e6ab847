"""A fixed sample of rows, for quantiles that are the same each time the same data is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowSample"]

SAMPLE_SIZE = 100_000


class RowSample:
    """The numbers of the rows whose position hashes lowest: all rows up to `size`, beyond that a uniform sample of `size` rows.

    The hash (SplitMix64 of the row's position) stands in for a random draw, so that the same data gives the same sample, however it is
    cut into batches.

    Parameters
    ----------
    size
        Rows kept, at least 1.

    Notes
    -----
    Error: the rank of a quantile of the sample has a standard error of at most `0.5 / sqrt(size)`, 0.16 % for the 100,000 rows used:
    three times that is a third of the error of a KLL sketch with `k` = 200. Exact up to `size` rows.
    Cost: 8 to 16 bytes for each row kept and column.

    References
    ----------
    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA. Cohen and Kaplan (2007), Summarizing data using
    bottom-k sketches, PODC.
    """

    def __init__(self, size: int = SAMPLE_SIZE) -> None:
        if size < 1:
            msg = f"size must be at least 1, got {size}"
            raise ValueError(msg)
        self.size = size
        self.n_rows = 0
        self._bound = np.uint64(2**64 - 1)
        self._ranks: list[NDArray[np.uint64]] = []
        self._n_kept = 0
        self._columns: dict[str, list[NDArray[np.float64]]] = {}

    def update(self, columns: dict[str, NDArray[np.float64]], n_rows: int) -> None:
        """Add rows: for each column its numbers, NaN where a row has none, shape `(n_rows,)`; a column left out has none."""
        ranks = _split_mix(np.arange(self.n_rows, self.n_rows + n_rows, dtype=np.uint64))
        chosen = ranks <= self._bound
        for name, values in columns.items():
            parts = self._columns.setdefault(name, [])
            if not parts and self._n_kept:
                parts.append(np.full(self._n_kept, np.nan))
            parts.append(values[chosen])
        self._ranks.append(ranks[chosen])
        kept = self._ranks[-1].size
        for name in self._columns.keys() - columns.keys():
            self._columns[name].append(np.full(kept, np.nan))
        self._n_kept += kept
        self.n_rows += n_rows
        if self._n_kept > 2 * self.size:
            self._prune()

    def numbers(self, column: str) -> NDArray[np.float64]:
        """Numbers of the column in the sample, in the order of the rows."""
        if self._n_kept > self.size:
            self._prune()
        parts = self._columns.get(column, [])
        values = np.concatenate(parts) if parts else np.empty(0)
        return values[np.isfinite(values)]

    def _prune(self) -> None:
        ranks = np.concatenate(self._ranks)
        self._bound = np.partition(ranks, self.size - 1)[self.size - 1]
        keep = ranks <= self._bound
        self._ranks = [ranks[keep]]
        self._n_kept = self._ranks[0].size
        for name, parts in self._columns.items():
            self._columns[name] = [np.concatenate(parts)[keep]]


def _split_mix(position: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread positions evenly over 64 bits, each to a number of its own."""
    z = (position + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
