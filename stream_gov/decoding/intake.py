"""From event bytes to pane records: what an ingest worker and a backtest have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import NO_WATERMARK, PaneRecord, RejectReason, SummaryRecord, WatermarkRecord
from stream_gov.decoding.careful_reader import RefusedMessage
from stream_gov.decoding.column_chunk import CHUNK_ROWS, ColumnChunk
from stream_gov.decoding.counting_plan import CountingPlan
from stream_gov.decoding.event_decoder import EventDecoder
from stream_gov.decoding.model_decoder import EventGroup, ModelDecoder
from stream_gov.decoding.pane_counter import Panes, count_chunk
from stream_gov.decoding.segment_names import SegmentNames
from stream_gov.decoding.sketch_counter import OPEN_LAYOUT, sketch_events
from stream_gov.decoding.timestamps import LARGEST_TIME_MS, TimeBounds, read_timestamps
from stream_gov.summaries import category_name

__all__ = ["MIN_EVENT_TIME_MS", "Intake", "Rejection"]

MIN_EVENT_TIME_MS = 315_532_800_000
"""1980-01-01: events that claim to be older come from a clock that was never set."""


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """A message that was not counted as an event: for the dead-letter topic."""

    offset: int
    reason: RejectReason
    detail: str
    """What is wrong, with the path to the field."""
    model: str | None
    """Where it could be read."""
    timestamp_ms: int
    """The event's own time where it is readable and in bounds, else the message's."""


_BLOCK = 512
"""Messages decoded at once."""

_SLICE = 512
"""Events made into columns at once. They become tuples for a moment: with fewer than 700 of them Python's garbage collector sleeps on."""

_MIXED_BLOCK = 8_192
"""The same where the models are mixed, so that each has some events in a block."""

_COUNT_AFTER = 65_536
"""Messages of a partition after which the rows of all its models are counted, however few each has: it bounds the rows held."""

_get_timestamp = attrgetter("timestamp")


class _Model:
    """Rows and segments of one model in one partition since the last cut."""

    def __init__(self, decoder: ModelDecoder) -> None:
        self.decoder = decoder
        self.names = SegmentNames(decoder.plan)
        self.chunk = ColumnChunk(decoder.types) if decoder.types is not None else None

    def add(self, group: EventGroup, times: NDArray[np.int64], longest: int, panes: Panes) -> None:
        """Add events with their times; counts whenever the chunk is full."""
        events, positions = group.events, group.positions
        if self.chunk is None:
            sketch_events(self.decoder.plan, events, times, panes, self.names)
            return
        done = 0
        while done < len(events):
            end = min(len(events), done + _SLICE, done + CHUNK_ROWS - self.chunk.n)
            news = (
                [
                    (i, group.new_columns[position])
                    for i, position in enumerate(positions[done:end])
                    if position in group.new_columns
                ]
                if group.new_columns
                else ()
            )
            self.chunk.append(
                events[done:end],
                times[done:end],
                doubtful=[i - done for i in group.doubtful if done <= i < end] if group.doubtful else (),
                longest_message=longest,
                version=group.version,
                new_columns=news,
            )
            if self.chunk.n == CHUNK_ROWS:
                self.count(panes)
            done = end

    def n_panes_to_come(self) -> int:
        """Bound on the panes of the rows not counted yet: by the span of their times, and by their number."""
        if self.chunk is None or not self.chunk.n:
            return 0
        plan, times = self.decoder.plan, self.chunk.times()
        span = int(times.max()) // plan.pane_ms - int(times.min()) // plan.pane_ms + 1
        return min(span * len(self.chunk.versions), self.chunk.n) * (1 + len(plan.segments))

    def count(self, panes: Panes) -> None:
        """Count the rows held."""
        if self.chunk is not None and self.chunk.n:
            count_chunk(self.chunk, panes, self.names)
            self.chunk.clear()


@dataclass(slots=True)
class _Partition:
    """What is held of one source partition since its last cut."""

    latest_refused_ms: int | None = None
    """Latest time of a message that was refused for something else than its time."""
    n_messages: int = 0
    is_mixed: bool = False
    models: dict[str, _Model] = field(default_factory=dict)
    panes: Panes = field(default_factory=dict)
    rejected: dict[tuple[str, str, int], int] = field(default_factory=dict)

    def n_panes(self) -> int:
        """Panes held, and the most that rows not counted yet can add."""
        return len(self.panes) + len(self.rejected) + sum(model.n_panes_to_come() for model in self.models.values())

    def count_all(self) -> None:
        """Count the rows of every model."""
        for model in self.models.values():
            model.count(self.panes)


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
        self._decoders: dict[str, ModelDecoder] = {}

    def n_pending(self, topic: str | None = None, partition: int | None = None) -> int:
        """Panes held, of one partition or of all; for rows not counted yet the most that they can make."""
        return sum(
            state.n_panes()
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
        if not len(offsets) == len(values) == len(timestamps_ms):
            msg = (
                f"offsets, values and times must be as many, got {len(offsets)}, {len(values)} and {len(timestamps_ms)}"
            )
            raise ValueError(msg)
        state = self._partitions.setdefault((topic, partition), _Partition())
        latest = LARGEST_TIME_MS if now_ms is None else min(now_ms + self._max_future_skew_ms, LARGEST_TIME_MS)
        bounds = TimeBounds(self._min_event_time_ms, latest)
        refused: list[tuple[int, RefusedMessage]] = []
        start = 0
        while start < len(values):
            room = _COUNT_AFTER - state.n_messages % _COUNT_AFTER
            end = min(len(values), start + room, start + (_MIXED_BLOCK if state.is_mixed else _BLOCK))
            refused.extend((start + i, message) for i, message in self._add_block(state, values[start:end], bounds))
            state.n_messages += end - start
            if state.n_messages % _COUNT_AFTER == 0:
                state.count_all()
            start = end
        refused.sort(key=itemgetter(0))
        return [self._reject(state, offsets[i], message, timestamps_ms[i], bounds, now_ms) for i, message in refused]

    def _add_block(
        self, state: _Partition, values: Sequence[bytes | None], bounds: TimeBounds
    ) -> list[tuple[int, RefusedMessage]]:
        decoder = EventDecoder(lambda model: self._decoder(state, model))
        block = decoder.decode(values, bounds, is_mixed=state.is_mixed)
        refused, state.is_mixed = block.refused, block.is_mixed
        for group in block.groups:
            times, untimely = read_timestamps(list(map(_get_timestamp, group.events)), bounds)
            if untimely:
                model = group.decoder.plan.model
                for i, error in untimely.items():
                    event = group.events[i]
                    message = RefusedMessage(error.reason, error.detail, model, event.version, None, monitored=True)
                    refused.append((group.positions[i], message))
                timely = [i for i in range(len(group.events)) if i not in untimely]
                if not timely:
                    continue
                times = times[timely]
                group.keep(timely)
            state.models[group.decoder.plan.model].add(group, times, block.n_longest, state.panes)
        return refused

    def _decoder(self, state: _Partition, model: str) -> ModelDecoder | None:
        """Give the decoder of a model; a plan that has once been used in a cut is used to its end."""
        held = state.models.get(model)
        if held is not None:
            return held.decoder
        plan = self._plan_of(model)
        if plan is None:
            self._decoders.pop(model, None)
            return None
        decoder = self._decoders.get(model)
        if decoder is None or decoder.plan is not plan:
            decoder = self._decoders[model] = ModelDecoder(plan)
        state.models[model] = _Model(decoder)
        return decoder

    def _reject(
        self,
        state: _Partition,
        offset: int,
        message: RefusedMessage,
        message_ms: int,
        bounds: TimeBounds,
        now_ms: int | None,
    ) -> Rejection:
        time_ms = message.time_ms
        if time_ms is not None:
            state.latest_refused_ms = max(time_ms, state.latest_refused_ms or time_ms)
        elif now_ms is not None and not bounds.contain(message_ms):
            time_ms = now_ms  # the producer's clock set both times: a pane far away would stay open for years
        else:
            time_ms = message_ms
        if message.monitored and message.model is not None:
            plan = state.models[message.model].decoder.plan
            key = (message.model, category_name(message.version), plan.pane_start_ms(time_ms))
            state.rejected[key] = state.rejected.get(key, 0) + 1
        return Rejection(offset, message.reason, message.detail, message.model, time_ms)

    def cut(
        self,
        topic: str,
        partition: int,
        *,
        n_partitions: int,
        from_offset: int,
        to_offset: int,
        now_ms: int | None = None,
    ) -> list[SummaryRecord]:
        """Return the records of the offsets added since the last cut, the partition's watermark last, and forget them.

        The order of the records, and their bytes (sketches excepted), depend on the events alone, not on how they came in batches.

        Parameters
        ----------
        topic, partition, n_partitions, from_offset, to_offset
            As they stand in the records.
        now_ms
            The clock: event time does not run ahead of it, so that a producer whose clock is fast, within `max_future_skew_ms`, does not
            make the events of all others late. None (a backtest): it follows the latest event.
        """
        state = self._partitions.pop((topic, partition), _Partition())
        records: list[SummaryRecord] = []
        state.count_all()
        for model, version, segment, start_ms in sorted({*state.panes, *((m, v, "", s) for m, v, s in state.rejected)}):
            plan = state.models[model].decoder.plan
            newest = plan.layouts[0] if plan.layouts else OPEN_LAYOUT
            panes = state.panes.get((model, version, segment, start_ms))
            for i, pane in enumerate(panes or [None]):
                n_rejected = state.rejected.get((model, version, start_ms), 0) if i == 0 and segment == "" else 0
                records.append(
                    PaneRecord(
                        model,
                        version,
                        segment,
                        newest.id if pane is None else pane.layout.id,
                        start_ms,
                        plan.pane_ms,
                        topic,
                        partition,
                        from_offset,
                        to_offset,
                        0 if pane is None else pane.n_events,
                        n_rejected,
                        b"" if pane is None else pane.to_bytes(),
                    )
                )
        times = [state.latest_refused_ms, *(pane.last_ms for panes in state.panes.values() for pane in panes)]
        latest_ms = max((time_ms for time_ms in times if time_ms is not None), default=None)
        if latest_ms is not None and now_ms is not None:
            latest_ms = min(latest_ms, now_ms)
        watermark = NO_WATERMARK if latest_ms is None else latest_ms - self._out_of_orderness_ms
        records.append(WatermarkRecord(topic, partition, n_partitions, from_offset, to_offset, watermark, idle=False))
        return records

    def forget(self, topic: str, partition: int) -> None:
        """Drop what is held of a partition: another worker has it now, and reads it again."""
        self._partitions.pop((topic, partition), None)
