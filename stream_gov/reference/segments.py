"""Which segment each row of a batch belongs to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.reference.rows import RowBatch
from stream_gov.summaries import HeavyHitters, category_name

__all__ = ["SegmentScan", "Segmenter"]

MISSING = "(missing)"
OTHER = "(other)"
_NAMES_CAPACITY = 20_000
_LARGEST_EXACT = 2.0**53


def segment_names(batch: RowBatch, columns: tuple[str, ...]) -> list[str]:
    """Name the segment of each row: `region=NSW`, or `region=NSW,device=web` for a definition by two columns."""
    parts = [[f"{column}={value}" for value in _categories(batch, column)] for column in columns]
    return parts[0] if len(parts) == 1 else [",".join(row) for row in zip(*parts, strict=True)]


def other_segment(columns: tuple[str, ...]) -> str:
    """Name the segment of all rows whose own is not kept apart: `region=(other)`."""
    return ",".join(f"{column}={OTHER}" for column in columns)


def _categories(batch: RowBatch, column: str) -> list[str]:
    values = batch.columns.get(column)
    if values is None:
        return [MISSING] * batch.n_rows
    plain: Iterable[Any] = values.tolist() if isinstance(values, np.ndarray) else values
    return [_category(value) for value in plain]


def _category(value: Any) -> str:
    if type(value) is str:
        return category_name(value)
    if type(value) not in (bool, int, float):
        return MISSING if value is None else OTHER
    number = _as_float(value)
    if not math.isfinite(number):
        return MISSING if number != number else OTHER
    return category_name(value if abs(number) <= _LARGEST_EXACT else number)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


class SegmentScan:
    """First pass: how often each segment occurs."""

    def __init__(self, definitions: Sequence[tuple[str, ...]]) -> None:
        self._counts = {definition: HeavyHitters(_NAMES_CAPACITY) for definition in definitions}

    def update(self, batch: RowBatch) -> None:
        """Add rows."""
        for definition, counts in self._counts.items():
            counts.update(Counter(segment_names(batch, definition)))

    def most_frequent(self, largest: int) -> frozenset[str]:
        """Return the names of the `largest` most frequent segments of all definitions together, of equal ones the first by name."""
        ranked = sorted(
            ((name, count) for counts in self._counts.values() for name, count in counts.counts.items()),
            key=lambda item: (-item[1], item[0]),
        )
        return frozenset(name for name, _ in ranked[:largest])


class Segmenter:
    """Second pass: rows by segment, those of segments that are not known together in one segment for each definition."""

    def __init__(self, definitions: Sequence[tuple[str, ...]], known: frozenset[str]) -> None:
        self.definitions = tuple(definitions)
        self.known = known

    def rows_of(self, batch: RowBatch) -> dict[str, NDArray[np.int64]]:
        """Return the rows of each segment that occurs, by name; the segment `""` of all rows is not among them."""
        found: dict[str, NDArray[np.int64]] = {}
        for definition in self.definitions:
            other = other_segment(definition)
            codes: dict[str, int] = {}
            code_of_row = np.array(
                [
                    codes.setdefault(name if name in self.known else other, len(codes))
                    for name in segment_names(batch, definition)
                ],
                np.int64,
            )
            for name, code in codes.items():
                found[name] = np.flatnonzero(code_of_row == code)
        return found
