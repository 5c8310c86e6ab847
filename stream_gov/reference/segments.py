"""Which segment each row of a batch belongs to; named as in the counting of live events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_gov.decoding import CountingPlan
from stream_gov.decoding.column_values import segment_value
from stream_gov.decoding.segment_names import SegmentNames, segment_labels, segment_name
from stream_gov.reference.rows import RowBatch
from stream_gov.summaries import HeavyHitters

__all__ = ["SegmentScan", "Segmenter"]

_NAMES_CAPACITY = 20_000


def _value_names(batch: RowBatch, column: str) -> list[str]:
    """Names of the values of a column, by row."""
    values = batch.columns.get(column)
    if values is None:
        return [segment_value(None)] * batch.n_rows
    if isinstance(values, np.ndarray):
        distinct, place = np.unique(values, return_inverse=True)
        names = [segment_value(value) for value in distinct.tolist()]
        return [names[i] for i in place.tolist()]
    return [segment_value(value) for value in values]


class SegmentScan:
    """First pass: how often each segment occurs.

    Notes
    -----
    Error: exact up to 20,000 segments of a definition, beyond that as `HeavyHitters` says.
    """

    def __init__(self, definitions: Sequence[tuple[str, ...]]) -> None:
        self._counts = {definition: HeavyHitters(_NAMES_CAPACITY) for definition in definitions}

    def update(self, batch: RowBatch) -> None:
        """Add rows."""
        for definition, counts in self._counts.items():
            met = Counter(zip(*(_value_names(batch, column) for column in definition), strict=True))
            counts.update({segment_name(definition, values): count for values, count in met.items()})

    def ranked(self) -> list[str]:
        """Return the names of the segments of all definitions together, the most frequent first, of equal ones the first by name."""
        counted = sorted(
            ((name, count) for counts in self._counts.values() for name, count in counts.counts.items()),
            key=lambda item: (-item[1], item[0]),
        )
        return [name for name, _ in counted]

    def most_frequent(self, largest: int) -> frozenset[str]:
        """Return the names of the `largest` most frequent segments."""
        return frozenset(self.ranked()[:largest])


class Segmenter:
    """Second pass: rows by segment, those of segments that are not known together in one segment for each definition."""

    def __init__(self, definitions: Sequence[tuple[str, ...]], known: frozenset[str]) -> None:
        self.definitions = tuple(definitions)
        self._columns = sorted({column for definition in definitions for column in definition})
        self._names = SegmentNames(CountingPlan("", (), 1, self.definitions, known_segments=known))

    def rows_of(self, batch: RowBatch) -> dict[str, NDArray[np.int64]]:
        """Return the rows of each segment that occurs, by name; the segment `""` of all rows is not among them."""
        columns = {column: _value_names(batch, column) for column in self._columns}
        return {
            name: np.flatnonzero(labels == i)
            for names, labels in segment_labels(self.definitions, columns, self._names)
            for i, name in enumerate(names)
        }
