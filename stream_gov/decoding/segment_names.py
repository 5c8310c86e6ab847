"""Names of the segments that rows belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stream_gov.decoding.column_values import segment_value
from stream_gov.decoding.counting_plan import CountingPlan

__all__ = ["SegmentNames", "segment_labels", "segment_name"]


def segment_name(definition: Sequence[str], values: Sequence[str]) -> str:
    """Name of a segment from its columns and the names of their values.

    Examples
    --------
    >>> segment_name(("region", "device"), ("NSW", "web"))
    'region=NSW,device=web'
    """
    return ",".join(f"{column}={value}" for column, value in zip(definition, values, strict=True))


class SegmentNames:
    """Tells which segments are kept apart in one cut of one partition; the others become `(other)`.

    Parameters
    ----------
    plan
        Where it leaves open which segments are kept, the first `max_segments` met are.
    """

    def __init__(self, plan: CountingPlan) -> None:
        self._known = plan.known_segments
        self._room = plan.max_segments
        self._met: set[str] = set()

    def resolve(self, definition: tuple[str, ...], values: tuple[str, ...]) -> str:
        """Name of the segment of a row; to be called in the order of the rows."""
        name = segment_name(definition, values)
        if self._known is not None:
            is_kept = name in self._known
        else:
            is_kept = name in self._met or len(self._met) < self._room
            if is_kept:
                self._met.add(name)
        return name if is_kept else segment_name(definition, ["(other)"] * len(definition))


def segment_labels(
    definitions: Sequence[tuple[str, ...]], columns: Mapping[str, Sequence[str | None]], names: SegmentNames
) -> Iterator[tuple[list[str], NDArray[np.int64]]]:
    """Give for each definition the names of its segments and, for each row, the number of its name.

    Parameters
    ----------
    columns
        Values, or their names, by row.
    """
    met = []
    met_in_order: list[tuple[int, int, int]] = []
    for place, definition in enumerate(definitions):
        distinct, first_rows, labels = _combine([columns[name] for name in definition])
        met.append((definition, distinct, labels))
        met_in_order.extend((row, place, i) for i, row in enumerate(first_rows))
    resolved: dict[tuple[int, int], str] = {}
    for _, place, i in sorted(met_in_order):
        definition, distinct, _ = met[place]
        resolved[place, i] = names.resolve(definition, distinct[i])
    for place, (_, distinct, labels) in enumerate(met):
        segments = [resolved[place, i] for i in range(len(distinct))]
        numbers = {name: i for i, name in enumerate(dict.fromkeys(segments))}
        yield list(numbers), np.array([numbers[name] for name in segments], np.int64)[labels]


def _combine(
    columns: Sequence[Sequence[str | None]],
) -> tuple[list[tuple[str, ...]], list[int], NDArray[np.int64]]:
    """Distinct tuples of value names, the first row of each, and the number of the tuple of every row."""
    tuples: list[tuple[str, ...]] = [()]
    labels = np.zeros(len(columns[0]), np.int64)
    for values in columns:
        names = {value: segment_value(value) for value in dict.fromkeys(values)}
        numbers = {name: i for i, name in enumerate(dict.fromkeys(names.values()))}
        code_of = {value: numbers[name] for value, name in names.items()}
        codes = np.fromiter(map(code_of.__getitem__, values), np.int64, len(values))
        by_number = list(numbers)
        met, labels = np.unique(labels * len(numbers) + codes, return_inverse=True)
        pairs = (divmod(label, len(numbers)) for label in met.tolist())
        tuples = [(*tuples[left], by_number[right]) for left, right in pairs]
    first_rows = np.unique(labels, return_index=True)[1]
    return tuples, first_rows.tolist(), labels
