"""What the detector remembers of one partition of the topic of summaries, and how it is kept in a table of keys and bytes.

Keys are JSON arrays, so that no name can be mistaken for another:

- `["time"]`: watermarks of the source partitions;
- `["incidents", segment]`: the alert that the monitor has raised about itself;
- `["model", model]`: how far the replays of a model have come;
- `["series", model, version, segment]`: what was closed, and the open alert;
- `["sequential", model, version, segment]`: evidence of the e-detector;
- `["pane", model, version, segment, start_ms, pane_ms, profile]`: the merged summary, and the cuts merged into it;
- `["trail", model, version, segment]`: since when a series was watched whose windows are compared with the past;
- `["step", model, version, segment, start_ms, step_ms, profile]`: a piece of that past;
- `["reasons", model, version, segment]`: since when each check drifts, and why;
- `["detectors", model, version, segment]`: where the memory of each online detector begins;
- `["detectors", model, version, segment, block]`: what they were fed, in blocks of panes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stream_gov.contracts import NO_WATERMARK, Alert, PaneRecord, Result, UnreadableRecordError
from stream_gov.detection.alert_attention import Attention
from stream_gov.detection.alert_lifecycle import AlertMemory, upgraded
from stream_gov.detection.change_points import ChangePoints
from stream_gov.detection.incidents import Incidents
from stream_gov.detection.reason_memory import ReasonMemory
from stream_gov.detection.sequential import SequentialState
from stream_gov.detection.state_keys import PaneKey, SeriesKey, table_key
from stream_gov.detection.trailing import Trail, TrailStep
from stream_gov.detection.watermarks import SourceWatermarks
from stream_gov.summaries import PaneLayout, PaneSummary

__all__ = [
    "ModelState",
    "PaneState",
    "PartitionState",
    "Series",
    "forgotten_detectors",
    "kept_detectors",
    "kept_incidents",
    "merge_panes",
]

STATE_FORMAT = 1

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


@dataclass(slots=True)
class PaneState:
    """Summaries of one pane, merged as far as their layout is known."""

    n_events: int = 0
    n_rejected: int = 0
    merged_to: dict[tuple[str, int], int] = field(default_factory=dict)
    """By source partition the end of the last cut that was merged: a repeated record changes nothing."""
    parts: list[bytes] = field(default_factory=list)
    """Packed summaries not merged yet."""
    summary: PaneSummary | None = None

    def add(self, summary: bytes, n_events: int, n_rejected: int, source: tuple[str, int], to_offset: int) -> bool:
        """Take in a record's summary; False if it was merged before."""
        if self.merged_to.get(source, -1) >= to_offset:
            return False
        self.merged_to[source] = to_offset
        self.n_events += n_events
        self.n_rejected += n_rejected
        if summary:
            self.parts.append(summary)
        return True

    def merged(self, layout: PaneLayout) -> PaneSummary:
        """Return the summary of all that was added; the caller must not change it."""
        for part in self.parts:
            summary = PaneSummary.from_bytes(part, layout)
            self.summary = summary if self.summary is None else self.summary.merge(summary)
        self.parts = []
        if self.summary is None:
            self.summary = PaneSummary(layout)
        return self.summary

    def pack_away(self) -> None:
        """Give up the unpacked form, which takes about ten times the memory."""
        if self.summary is not None:
            self.parts.insert(0, self.summary.to_bytes())
            self.summary = None

    def to_bytes(self) -> bytes:
        """Pack."""
        parts = ([self.summary.to_bytes()] if self.summary is not None else []) + self.parts
        merged_to = [[t, p, to] for (t, p), to in sorted(self.merged_to.items())]
        return _encoder.encode([STATE_FORMAT, self.n_events, self.n_rejected, merged_to, parts])

    @classmethod
    def from_state(cls, state: list[Any]) -> PaneState:
        """Read what :meth:`to_bytes` packed, but for the format."""
        n_events, n_rejected, merged_to, parts = state
        return cls(n_events, n_rejected, {(t, p): to for t, p, to in merged_to}, list(parts))


def merge_panes(panes: Iterable[PaneState], layout: PaneLayout) -> PaneSummary:
    """Return the summary of all events of some panes, and pack the panes away."""
    chosen = list(panes)
    total = PaneSummary.merge_all([pane.merged(layout) for pane in chosen], layout)
    for pane in chosen:
        pane.pack_away()
    return total


@dataclass(slots=True)
class TooLate:
    """Which panes that came too late were counted as late: sent again before their watermark, they are a repetition.

    The records of a cut come in the order of their panes, so that the newest one says which were counted. A pane that is counted on two
    profiles, while a reference is replaced, comes twice and counts once.
    """

    newest: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    """By source partition the end of the cut, and the start of the pane."""

    def add(self, record: PaneRecord, time: SourceWatermarks) -> bool:
        """Take a record in; False if it was counted before."""
        self.newest = {s: seen for s, seen in self.newest.items() if not time.is_repetition(*s, seen[0])}
        source, place = (record.topic, record.partition), (record.to_offset, record.pane_start_ms)
        if place <= self.newest.get(source, (-1, -1)):
            return False
        self.newest[source] = place
        return True

    def forget(self, source: tuple[str, int]) -> bool:
        """Forget a source partition whose offsets begin anew; False if nothing was known of it."""
        return self.newest.pop(source, None) is not None

    def to_state(self) -> list[list[Any]]:
        """Plain data, for packing."""
        return [[t, p, to, start] for (t, p), (to, start) in sorted(self.newest.items())]

    @classmethod
    def from_state(cls, state: list[list[Any]]) -> TooLate:
        """Read what :meth:`to_state` gave."""
        return cls({(t, p): (to, start) for t, p, to, start in state})


@dataclass(slots=True)
class Series:
    """One model, version and segment through time."""

    closed_until_ms: int | None = None
    """Every window that ends at or before it is closed; None before the first pane."""
    last_event_end_ms: int = 0
    """End of the last closed window that held events."""
    reported: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """By window end, of closed windows that may still be revised: revision, and the late and rejected events reported with it that
    are not in its panes."""
    dirty: set[int] = field(default_factory=set)
    """Ends of closed windows that late events have changed since they were last judged."""
    pending_late: int = 0
    """Events that came too late, not yet reported in a result."""
    pending_rejected: int = 0
    """Rejected events of windows that are closed for good, not yet reported in a result."""
    too_late: TooLate = field(default_factory=TooLate)
    """What of these must not be counted once more."""
    last_events_result: Result | None = None
    """The `events` result of the newest window."""
    alert: AlertMemory = field(default_factory=AlertMemory)
    alert_before: AlertMemory = field(default_factory=AlertMemory)
    """As it was before the newest window, which a revision judges once more."""
    alert_said: Alert | None = None
    """The last message sent since the newest window was judged first, if there was one."""
    attention: Attention = field(default_factory=Attention)
    """What people have said of the newest alert that they said anything of."""
    taken_back: tuple[Alert, ...] = ()
    """Alerts that were open when a replay took the windows back, until these have shown whether they open again."""
    panes: dict[PaneKey, PaneState] = field(default_factory=dict)
    """Kept under keys of their own."""
    trail: Trail = field(default_factory=Trail)
    """Kept under keys of their own."""
    change_points: ChangePoints | None = None
    """The online detectors, if the monitor has any; kept under keys of their own."""
    sequential: SequentialState | None = None
    """Kept under a key of its own."""
    reasons: ReasonMemory = field(default_factory=ReasonMemory)
    """Kept under a key of its own."""
    wake_ms: int = NO_WATERMARK
    """Event time before which nothing is to be done; not kept, only saves looking."""

    def to_bytes(self) -> bytes:
        """Pack all but the panes and the trail."""
        return _encoder.encode(
            [
                STATE_FORMAT,
                self.closed_until_ms,
                self.last_event_end_ms,
                [[end, *said] for end, said in sorted(self.reported.items())],
                sorted(self.dirty),
                self.pending_late,
                self.pending_rejected,
                self.last_events_result,
                self.alert,
                self.alert_before,
                self.alert_said,
                self.attention,
                self.taken_back,
                *([self.too_late.to_state()] if self.too_late.newest else []),
            ]
        )

    def sequential_bytes(self) -> bytes | None:
        """Pack the evidence of the e-detector; None if there is none."""
        return None if self.sequential is None else _encoder.encode([STATE_FORMAT, *self.sequential.to_state()])

    def reasons_bytes(self) -> bytes | None:
        """Pack the reasons; None if there are none."""
        return None if self.reasons == ReasonMemory() else _encoder.encode([STATE_FORMAT, self.reasons])

    @classmethod
    def from_state(cls, state: list[Any]) -> Series:
        """Read what :meth:`to_bytes` packed, but for the format."""
        closed, last_event_end, reported, dirty, late, rejected, result, alert, before, said, *later = state
        # Earlier releases kept less of an alert.
        defaults: list[Any] = [None, (), ()]
        attention, taken_back, too_late = [*later, *defaults[len(later) :]]
        return cls(
            closed_until_ms=closed,
            last_event_end_ms=last_event_end,
            reported={
                end: (revision, late_said, rejected_said) for end, revision, late_said, rejected_said in reported
            },
            dirty=set(dirty),
            pending_late=late,
            pending_rejected=rejected,
            last_events_result=None if result is None else msgspec.convert(result, Result),
            alert=upgraded(msgspec.convert(alert, AlertMemory)),
            alert_before=upgraded(msgspec.convert(before, AlertMemory)),
            alert_said=None if said is None else msgspec.convert(said, Alert),
            attention=Attention() if attention is None else msgspec.convert(attention, Attention),
            taken_back=msgspec.convert(taken_back, tuple[Alert, ...]),
            too_late=TooLate.from_state(list(too_late)),
        )


def kept_detectors(key: SeriesKey, points: ChangePoints) -> dict[str, bytes | None]:
    """Return what has changed of a series' online detectors since the last time, by table key."""
    log = points.log
    updates: dict[str, bytes | None] = {table_key("detectors", *key, number): None for number in sorted(log.dropped)}
    for number in sorted(log.changed):
        updates[table_key("detectors", *key, number)] = _encoder.encode([STATE_FORMAT, *log.block_state(number)])
    packed = _encoder.encode([STATE_FORMAT, *points.to_state()])
    if packed != points.kept:
        updates[table_key("detectors", *key)] = points.kept = packed
    log.changed.clear()
    log.dropped.clear()
    return updates


def forgotten_detectors(key: SeriesKey, points: ChangePoints) -> dict[str, bytes | None]:
    """Return what is to be deleted where a series' online detectors are given up."""
    updates: dict[str, bytes | None] = {table_key("detectors", *key): None}
    for number in sorted({*points.log.block_numbers, *points.log.dropped}):
        updates[table_key("detectors", *key, number)] = None
    return updates


def kept_incidents(incidents: Incidents) -> bytes | None:
    """Pack the incidents of one kind; None if nothing is to be remembered."""
    return None if incidents == Incidents() else _encoder.encode([STATE_FORMAT, incidents])


@dataclass(slots=True)
class ModelState:
    """The clock of a model that is, or was, replayed."""

    replay: str = ""
    """Id of the newest replay."""
    replayed_to: dict[tuple[str, int], int] = field(default_factory=dict)
    """By source partition how far it has come."""
    ended: set[tuple[str, int]] = field(default_factory=set)
    """Source partitions in which it is over."""
    settled: bool = False
    """It is over in all of them, and the model has gone back to the clock of live traffic."""

    def to_bytes(self) -> bytes:
        """Pack."""
        marks = [[t, p, mark, (t, p) in self.ended] for (t, p), mark in sorted(self.replayed_to.items())]
        return _encoder.encode([STATE_FORMAT, self.replay, marks, self.settled])

    @classmethod
    def from_state(cls, state: list[Any]) -> ModelState:
        """Read what :meth:`to_bytes` packed, but for the format."""
        replay, marks, settled = state
        return cls(
            replay, {(t, p): mark for t, p, mark, _ in marks}, {(t, p) for t, p, _, ended in marks if ended}, settled
        )


@dataclass(slots=True)
class PartitionState:
    """All that is remembered of one partition of the topic of summaries."""

    time: SourceWatermarks = field(default_factory=SourceWatermarks)
    models: dict[str, ModelState] = field(default_factory=dict)
    series: dict[str, dict[SeriesKey, Series]] = field(default_factory=dict)
    """By model."""
    incidents: dict[str, Incidents] = field(default_factory=dict)
    """By what stands for the segment in their alert."""
    now_ms: int = 0
    """The latest clock of an ingest worker; not kept."""
    stirred: set[str] = field(default_factory=set)
    """Models of which something arrived since their windows were looked at last; not kept."""

    def series_of(self, key: SeriesKey) -> Series | None:
        """Return one series, if it is known."""
        return self.series.get(key[0], {}).get(key)

    def _kept_series(self, parts: list[Any]) -> Series:
        """Series that a key names, made where none of its keys was met yet."""
        model, version, segment = parts
        return self.series.setdefault(model, {}).setdefault((model, version, segment), Series())

    def time_bytes(self) -> bytes:
        """Pack the watermarks."""
        return _encoder.encode([STATE_FORMAT, *self.time.to_state()])

    @classmethod
    def from_items(cls, items: Iterable[tuple[str, bytes]]) -> PartitionState:
        """Build from what a table holds of this partition.

        Raises
        ------
        UnreadableRecordError
            A later release wrote it, or it is damaged.
        """
        state = cls()
        for key, value in items:
            try:
                version, *rest = _decoder.decode(value)
                if version != STATE_FORMAT:
                    msg = f"state {key} of format {version}, this release reads format {STATE_FORMAT}; upgrade `detect`"
                    raise UnreadableRecordError(msg)
                kind, *parts = json.loads(key)
                match kind:
                    case "time":
                        state.time = SourceWatermarks.from_state(rest)
                    case "incidents":
                        state.incidents[parts[0]] = msgspec.convert(rest[0], Incidents)
                    case "model":
                        state.models[parts[0]] = ModelState.from_state(rest)
                    case "series":
                        fresh = Series.from_state(rest)
                        by_key = state.series.setdefault(parts[0], {})
                        known = by_key.get(tuple(parts))
                        if known is not None:
                            fresh.panes, fresh.trail, fresh.sequential = known.panes, known.trail, known.sequential
                            fresh.reasons = known.reasons
                            fresh.change_points = known.change_points
                        by_key[tuple(parts)] = fresh
                    case "sequential":
                        state._kept_series(parts).sequential = SequentialState.from_state(rest)
                    case "reasons":
                        state._kept_series(parts).reasons = msgspec.convert(rest[0], ReasonMemory)
                    case "pane":
                        *of_series, start_ms, pane_ms, profile = parts
                        state._kept_series(of_series).panes[(start_ms, pane_ms, profile)] = PaneState.from_state(rest)
                    case "trail":
                        state._kept_series(parts).trail.watched = Trail.watched_from_state(rest)
                    case "step":
                        *of_series, start_ms, step_ms, profile = parts
                        n_events, summary = rest
                        step = TrailStep(n_events, summary)
                        state._kept_series(of_series).trail.steps[(start_ms, step_ms, profile)] = step
                    case "detectors":
                        *of_series, block = parts if len(parts) > 3 else (*parts, None)
                        series = state._kept_series(of_series)
                        if series.change_points is None:
                            series.change_points = ChangePoints()
                        if block is not None:
                            series.change_points.log.restore_block(block, rest)
                        else:
                            series.change_points.restore(rest)
                            series.change_points.kept = bytes(value)
                    case _:
                        msg = f"state under the unknown key {key}; upgrade `detect`"
                        raise UnreadableRecordError(msg)
            except (msgspec.MsgspecError, ValueError, TypeError) as err:
                msg = f"damaged state under the key {key} ({len(value)} bytes): {err}"
                raise UnreadableRecordError(msg) from err
        return state
