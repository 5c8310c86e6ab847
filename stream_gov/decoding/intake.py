"""From event bytes to pane records: what an ingest worker and a backtest have in common."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stream_gov.contracts import NO_WATERMARK, PaneRecord, RejectReason, SummaryRecord, WatermarkRecord
from stream_gov.decoding.careful_reader import CarefulEvent, RefusedMessage, read_message
from stream_gov.decoding.counting_plan import CountingPlan
from stream_gov.decoding.timestamps import LARGEST_TIME_MS, TimeBounds
from stream_gov.summaries import (
    BooleanSummary,
    CategoricalSummary,
    ColumnSketch,
    NumericSummary,
    PaneLayout,
    PaneSummary,
    category_name,
)

__all__ = ["MIN_EVENT_TIME_MS", "Intake", "Rejection"]

MIN_EVENT_TIME_MS = 315_532_800_000
"""1980-01-01: events that claim to be older come from a clock that was never set."""

_SAMPLE = 16


@dataclass(frozen=True, slots=True)
class Rejection:
    """A message that was not counted as an event: for the dead-letter topic."""

    offset: int
    reason: RejectReason
    detail: str
    """What is wrong, with the path to the field."""
    model: str | None
    """Where it could be read."""
    timestamp_ms: int
    """The event's own time where it is readable and in bounds, else the message's."""


@dataclass(slots=True)
class _Partition:
    latest_ms: int | None = None
    plans: dict[str, CountingPlan] = field(default_factory=dict)
    panes: dict[tuple[str, str, str, int], dict[str, PaneSummary]] = field(default_factory=dict)
    rejected: dict[tuple[str, str, int], int] = field(default_factory=dict)
    segments: dict[str, set[str]] = field(default_factory=dict)


class Intake:
    """Counts events by model, version, segment and pane, between one cut and the next of each source partition.

    Parameters
    ----------
    plan_of
        Gives the plan of a model, None for a model that no monitor watches. A plan holds for a partition from the first event of the
        model in a cut to the end of that cut.
    out_of_orderness_ms
        How far the watermark stays behind the latest event time.
    max_future_skew_ms
        How far ahead of `now_ms` an event's time may be.
    min_event_time_ms
        Events older than this are rejected.
    max_panes
        Panes held beyond which :attr:`is_full` asks the caller to cut.
    """

    def __init__(
        self,
        plan_of: Callable[[str], CountingPlan | None],
        *,
        out_of_orderness_ms: int,
        max_future_skew_ms: int,
        min_event_time_ms: int = MIN_EVENT_TIME_MS,
        max_panes: int = 10_000,
    ) -> None:
        self._plan_of = plan_of
        self._out_of_orderness_ms = out_of_orderness_ms
        self._max_future_skew_ms = max_future_skew_ms
        self._min_event_time_ms = min_event_time_ms
        self.max_panes = max_panes
        self._partitions: dict[tuple[str, int], _Partition] = {}

    def n_pending(self, topic: str | None = None, partition: int | None = None) -> int:
        """Panes held: of one partition, or of all."""
        return sum(
            len(state.panes) + len(state.rejected)
            for (name, number), state in self._partitions.items()
            if (topic is None or name == topic) and (partition is None or number == partition)
        )

    @property
    def is_full(self) -> bool:
        """Tell whether more panes are held than `max_panes`: time to cut."""
        return self.n_pending() >= self.max_panes

    def add(
        self,
        topic: str,
        partition: int,
        offsets: Sequence[int],
        values: Sequence[bytes | None],
        timestamps_ms: Sequence[int],
        *,
        now_ms: int | None,
    ) -> list[Rejection]:
        """Count messages of one partition, in the order of their offsets; return those that are no good.

        Parameters
        ----------
        offsets, values, timestamps_ms
            Of the messages, each of the same length; `timestamps_ms` are Kafka's own, the time of a rejected event that has none.
        now_ms
            The clock, against events from the future; None (a backtest) lets all times up to the year 9999 pass.
        """
        state = self._partitions.setdefault((topic, partition), _Partition())
        latest = LARGEST_TIME_MS if now_ms is None else min(now_ms + self._max_future_skew_ms, LARGEST_TIME_MS)
        bounds = TimeBounds(self._min_event_time_ms, latest)
        rejections = []
        for offset, value, message_ms in zip(offsets, values, timestamps_ms, strict=True):
            read = read_message(value, lambda model: self._plan(state, model) is not None, bounds)
            if read.time_ms is not None:
                state.latest_ms = read.time_ms if state.latest_ms is None else max(state.latest_ms, read.time_ms)
            if isinstance(read, RefusedMessage):
                time_ms = read.time_ms if read.time_ms is not None else message_ms
                if read.time_ms is None and now_ms is not None and not bounds.contain(message_ms):
                    time_ms = now_ms
                rejections.append(Rejection(offset, read.reason, read.detail, read.model, time_ms))
                if read.monitored and read.model is not None:
                    plan = state.plans[read.model]
                    key = (read.model, category_name(read.version), plan.pane_start_ms(time_ms))
                    state.rejected[key] = state.rejected.get(key, 0) + 1
            else:
                self._count(state, read)
        return rejections

    def _plan(self, state: _Partition, model: str) -> CountingPlan | None:
        plan = state.plans.get(model)
        if plan is None:
            plan = self._plan_of(model)
            if plan is not None:
                state.plans[model] = plan
        return plan

    def _count(self, state: _Partition, event: CarefulEvent) -> None:
        plan = state.plans[event.model]
        row = dict(event.features)
        if event.prediction is not None:
            row["prediction"] = event.prediction
        if isinstance(event.scores, dict):
            row.update({f"score.{name}": value for name, value in event.scores.items()})
        elif event.scores is not None:
            row["score"] = event.scores
        row = {name: _plain(value) for name, value in row.items()}
        segments = [""]
        seen = state.segments.setdefault(event.model, set())
        for definition in plan.segments:
            name = ",".join(f"{column}={_segment_value(row.get(column))}" for column in definition)
            if plan.known_segments is None and len(seen) < plan.max_segments:
                seen.add(name)
            if name not in (seen if plan.known_segments is None else plan.known_segments):
                name = ",".join(f"{column}=(other)" for column in definition)
            segments.append(name)
        sampled = zlib.crc32(event.event_id.encode()) % _SAMPLE == 0
        new = [name for name in event.features if sampled and name not in plan.known_columns]
        layouts = plan.layouts or (PaneLayout("", {}),)
        for segment in segments:
            key = (event.model, category_name(event.version), segment, plan.pane_start_ms(event.time_ms))
            panes = state.panes.setdefault(key, {layout.id: PaneSummary(layout) for layout in layouts})
            for pane in panes.values():
                pane.update_times(event.time_ms, event.time_ms, 1)
                if plan.layouts:
                    _count_row(pane, row)
                    pane.update_new_columns(dict.fromkeys(new, 1))
                    continue
                for name, value in row.items():
                    if plan.columns.wants(name):
                        pane.sketches.setdefault(name, ColumnSketch()).update_values([value])

    def cut(
        self, topic: str, partition: int, *, n_partitions: int, from_offset: int, to_offset: int
    ) -> list[SummaryRecord]:
        """Return the records of the offsets added since the last cut, the partition's watermark last, and forget them.

        The order of the records, and their bytes (sketches excepted), depend on the events alone, not on how they came in batches.
        """
        state = self._partitions.pop((topic, partition), _Partition())
        records: list[SummaryRecord] = []
        rejected = dict(state.rejected)
        for (model, version, segment, start_ms), panes in sorted(state.panes.items()):
            plan = state.plans[model]
            newest = plan.layouts[0].id if plan.layouts else ""
            for profile, pane in panes.items():
                n_rejected = rejected.pop((model, version, start_ms), 0) if segment == "" and profile == newest else 0
                records.append(
                    PaneRecord(
                        model, version, segment, profile, start_ms, plan.pane_ms, topic, partition, from_offset,
                        to_offset, pane.n_events, n_rejected, pane.to_bytes(),
                    )
                )  # fmt: skip
        for (model, version, start_ms), n_rejected in sorted(rejected.items()):
            plan = state.plans[model]
            profile = plan.layouts[0].id if plan.layouts else ""
            records.append(
                PaneRecord(
                    model, version, "", profile, start_ms, plan.pane_ms, topic, partition, from_offset, to_offset, 0,
                    n_rejected, b"",
                )
            )  # fmt: skip
        watermark = NO_WATERMARK if state.latest_ms is None else state.latest_ms - self._out_of_orderness_ms
        records.append(WatermarkRecord(topic, partition, n_partitions, from_offset, to_offset, watermark, idle=False))
        return records

    def forget(self, topic: str, partition: int) -> None:
        """Drop what is held of a partition: another worker has it now, and reads it again."""
        self._partitions.pop((topic, partition), None)


def _plain(value: Any) -> Any:
    """JSON value with NaN as None, and integers beyond 2**53 as floats."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return value


def _segment_value(value: Any) -> str:
    if value is None:
        return "(missing)"
    if isinstance(value, str | int | float) and not (isinstance(value, float) and math.isinf(value)):
        return category_name(value)
    return "(other)"


def _fits(value: Any, dtype: str) -> bool:
    if dtype == "number":
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, bool) if dtype == "boolean" else isinstance(value, str)


def _count_row(pane: PaneSummary, row: dict[str, Any]) -> None:
    for name, summary in pane.columns.items():
        value = row.get(name)
        if value is None:
            summary.n_missing += 1
        elif not _fits(value, summary.layout.dtype):
            summary.n_type_errors += 1
        elif isinstance(summary, NumericSummary):
            summary.update_values(np.array([value], np.float64))
        elif isinstance(summary, CategoricalSummary | BooleanSummary):
            summary.update_values([value])
    if pane.covariance is not None:
        numbers = [row.get(name) for name in pane.covariance.columns]
        fitting = [float(v) if v is not None and _fits(v, "number") else math.nan for v in numbers]
        pane.covariance.update_rows(np.array([fitting]))
