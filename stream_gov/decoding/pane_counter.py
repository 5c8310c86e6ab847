"""Counts a chunk of rows into the panes they belong to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stream_gov.decoding.column_chunk import ColumnChunk
from stream_gov.decoding.column_values import TYPE_ERROR
from stream_gov.decoding.segment_names import SegmentNames, segment_labels
from stream_gov.summaries import NumericSummary, PaneSummary

__all__ = ["PaneKey", "Panes", "count_chunk"]

PaneKey = tuple[str, str, str, int]
"""Model, version, segment and start of the pane."""

Panes = dict[PaneKey, list[PaneSummary]]
"""One summary for each layout of the model's plan."""

_Rows = NDArray[np.intp] | None
"""Rows of a group in rising order; None: all."""


def count_chunk(chunk: ColumnChunk, panes: Panes, names: SegmentNames) -> None:
    """Add the rows of a chunk (at least one) to the panes; panes that are not there yet are made.

    The order of the chunk's numbers is lost.
    """
    plan = chunk.types.plan
    counter = _ChunkCounter(chunk)
    for version, segment, start_ms, rows in _groups(chunk, counter.times, names):
        key = (plan.model, version, segment, start_ms)
        group = panes.get(key)
        if group is None:
            group = panes[key] = [PaneSummary(layout) for layout in plan.layouts]
        counter.count(group, rows)


def _groups(chunk: ColumnChunk, times: NDArray[np.int64], names: SegmentNames) -> Iterator[tuple[str, str, int, _Rows]]:
    """Give version, segment, pane and rows of every group; each row is in one group, and in one more per definition of segments."""
    pane_ms = chunk.types.plan.pane_ms
    starts = times - times % pane_ms
    first_start = int(starts[0])
    bases = [(chunk.versions[0][0], first_start)]
    base_labels = None
    if len(chunk.versions) > 1 or (starts != first_start).any():
        bases, base_labels = _bases(chunk, starts)
    for base, rows in zip(bases, _split(base_labels, len(bases)), strict=True):
        yield base[0], "", base[1], rows
    for segments, labels in segment_labels(chunk.types.plan.segments, chunk.segment_columns, names):
        both = labels if base_labels is None else base_labels * len(segments) + labels
        met, compact = np.unique(both, return_inverse=True)
        for label, rows in zip(met.tolist(), _split(compact, met.size), strict=True):
            base, segment = divmod(label, len(segments))
            yield bases[base][0], segments[segment], bases[base][1], rows


def _bases(chunk: ColumnChunk, starts: NDArray[np.int64]) -> tuple[list[tuple[str, int]], NDArray[np.int64]]:
    numbers = {version: i for i, version in enumerate(dict.fromkeys(version for version, _ in chunk.versions))}
    versions = np.repeat([numbers[version] for version, _ in chunk.versions], [length for _, length in chunk.versions])
    panes, pane_labels = np.unique(starts, return_inverse=True)
    met, labels = np.unique(versions * panes.size + pane_labels, return_inverse=True)
    by_number = list(numbers)
    pairs = (divmod(label, panes.size) for label in met.tolist())
    return [(by_number[version], int(panes[pane])) for version, pane in pairs], labels


def _split(labels: NDArray[np.int64] | None, n_labels: int) -> Iterator[_Rows]:
    """Give the rows of each label, `0 .. n_labels - 1`."""
    if labels is None or n_labels == 1:
        yield None
        return
    order = np.argsort(labels, kind="stable")
    ends = np.searchsorted(labels[order], np.arange(n_labels), side="right")
    yield from np.split(order, ends[:-1])


class _ChunkCounter:
    """Counts groups of rows of one chunk; work that groups share is done once."""

    def __init__(self, chunk: ColumnChunk) -> None:
        self.chunk = chunk
        self.is_one_group = not chunk.types.plan.segments
        """Whether a group of all rows is the only one."""
        self.times = chunk.times()
        self.numbers = chunk.numbers()
        self._coded: list[tuple[list[Any], NDArray[np.int64]] | None] = [None] * len(chunk.categories)
        self._wrong: NDArray[np.bool_] | None = None
        if chunk.type_errors:
            self._wrong = np.zeros(self.numbers.shape, np.bool_)
            for place, rows in chunk.type_errors.items():
                self._wrong[place, rows] = True

    def count(self, group: list[PaneSummary], rows: _Rows) -> None:
        """Add rows to the summaries of each layout."""
        numbers = self.numbers if rows is None else self.numbers[:, rows]
        is_ours = rows is not None or self.is_one_group
        times = self.times if rows is None else self.times[rows]
        wrong = np.zeros(len(numbers), np.int64)
        if self._wrong is not None:
            wrong = (self._wrong if rows is None else self._wrong[:, rows]).sum(axis=1)
        for pane, places in zip(group, self.chunk.types.places, strict=True):
            for group_name, covariance in pane.covariances.items():
                covariance.update_rows(numbers[places.covariance_places[group_name]].T)
        if is_ours:
            numbers.sort(axis=1)
        else:
            numbers = np.sort(numbers, axis=1)
        first_ms, last_ms = int(times.min()), int(times.max())
        categories = [self._category_counts(place, rows) for place in range(len(self.chunk.categories))]
        new_columns = self._new_columns(rows)
        for pane, places in zip(group, self.chunk.types.places, strict=True):
            pane.update_times(first_ms, last_ms, times.size)
            numeric = cast(list[NumericSummary], [pane.columns[name] for name in places.numeric_names])
            if numeric:
                chosen = places.numeric_places
                places.numeric.update_sorted(numeric, numbers[chosen], wrong[chosen])
            for name, place in places.categories:
                _add_categories(pane.columns[name], categories[place])
            if new_columns:
                pane.update_new_columns(new_columns)

    def _category_counts(self, place: int, rows: _Rows) -> dict[Any, int]:
        values = self.chunk.categories[place]
        if rows is None:
            return Counter(values)
        coded = self._coded[place]
        if coded is None:
            distinct = list(dict.fromkeys(values))
            number = {value: i for i, value in enumerate(distinct)}
            codes = np.fromiter(map(number.__getitem__, values), np.int64, len(values))
            coded = self._coded[place] = distinct, codes
        distinct, codes = coded
        counts = np.bincount(codes[rows], minlength=len(distinct))
        return {distinct[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()}

    def _new_columns(self, rows: _Rows) -> dict[str, int]:
        if not self.chunk.new_columns:
            return {}
        within = None if rows is None else set(rows.tolist())
        counts: Counter[str] = Counter()
        for row, names in self.chunk.new_columns:
            if within is None or row in within:
                counts.update(names)
        return counts


def _add_categories(summary: Any, counts: dict[Any, int]) -> None:
    counts = dict(counts)
    n_missing, n_type_errors = counts.pop(None, 0), counts.pop(TYPE_ERROR, 0)
    summary.update_counts(counts, n_missing=n_missing, n_type_errors=n_type_errors)
