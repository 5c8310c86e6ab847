"""Sketches the columns of models that have no reference yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.decoding.column_values import plain_value, segment_value
from stream_gov.decoding.counting_plan import PREDICTION_COLUMN, SCORE_COLUMN, CountingPlan
from stream_gov.decoding.pane_counter import Panes
from stream_gov.decoding.segment_names import SegmentNames
from stream_gov.summaries import MAX_SKETCHED_COLUMNS, ColumnSketch, PaneLayout, PaneSummary, category_name

__all__ = ["OPEN_LAYOUT", "row_of", "sketch_events"]

OPEN_LAYOUT = PaneLayout("", {})
"""Layout of a model without a reference: no columns, so that they are sketched as they come."""


def row_of(features: dict[str, Any], prediction: Any, scores: Any) -> dict[str, Any]:
    """Columns of an event: its features, and over them its prediction and scores.

    Examples
    --------
    >>> row_of({"x": 1}, 0.5, {"good": 0.5})
    {'x': 1, 'prediction': 0.5, 'score.good': 0.5}
    """
    row = dict(features)
    if prediction is not None:
        row[PREDICTION_COLUMN] = prediction
    if isinstance(scores, dict):
        row.update({f"{SCORE_COLUMN}.{name}": value for name, value in scores.items()})
    elif scores is not None:
        row[SCORE_COLUMN] = scores
    return row


def sketch_events(
    plan: CountingPlan, events: Iterable[Any], times: NDArray[np.int64], panes: Panes, names: SegmentNames
) -> None:
    """Add events to the sketches of their panes. A column counts as missing only where the event has it, as null or NaN."""
    groups: dict[tuple[str, str, str, int], list[tuple[int, dict[str, Any]]]] = {}
    wants, without_sketch = plan.columns.wants, plan.columns.derived
    for event, time_ms in zip(events, times.tolist(), strict=True):
        row = row_of(event.features, event.prediction, event.scores)
        segments = [""]
        for definition in plan.segments:
            values = tuple(segment_value(row.get(column)) for column in definition)
            segments.append(names.resolve(definition, values))
        # Texts do not leave ingest, and of a vector a sketch says nothing: they are watched once there is a reference.
        kept = {name: plain_value(value) for name, value in row.items() if wants(name) and name not in without_sketch}
        for segment in segments:
            key = (plan.model, category_name(event.version), segment, plan.pane_start_ms(time_ms))
            groups.setdefault(key, []).append((time_ms, kept))
    for key, rows in groups.items():
        if key not in panes:
            panes[key] = [PaneSummary(OPEN_LAYOUT)]
        _sketch(panes[key][0], rows)


def _sketch(pane: PaneSummary, rows: Sequence[tuple[int, dict[str, Any]]]) -> None:
    times = [time_ms for time_ms, _ in rows]
    pane.update_times(min(times), max(times), len(times))
    columns: dict[str, list[Any]] = {}
    for _, row in rows:
        for name, value in row.items():
            columns.setdefault(category_name(name), []).append(value)
    # The least names of all are among the least of each part, so cutting early loses nothing of a column that stays.
    kept = set(sorted({*pane.sketches, *columns})[:MAX_SKETCHED_COLUMNS])
    for name in [name for name in pane.sketches if name not in kept]:
        del pane.sketches[name]
    for name in sorted(kept & columns.keys()):
        sketch = pane.sketches.get(name)
        if sketch is None:
            sketch = pane.sketches[name] = ColumnSketch()
        sketch.update_values(columns[name])
