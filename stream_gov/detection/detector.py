"""The detector: one step for each summary record. It has no clock and does no I/O; everything moves by records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from stream_gov.contracts import (
    NO_WATERMARK,
    Alert,
    AlertCommandRecord,
    Monitor,
    PaneRecord,
    ReplayRecord,
    Result,
    SummaryRecord,
    WatermarkRecord,
)
from stream_gov.detection.alert_driver import (
    end_alert,
    find_alert,
    judge_alert,
    obey_command,
    settle_taken_back,
    snoozed_until,
    take_back,
    wake_alert,
)
from stream_gov.detection.alert_groups import AlertGroups
from stream_gov.detection.catalog import Catalog
from stream_gov.detection.comparison import choose_comparison, expect_of_newest, merge_panes, profile_to_compare
from stream_gov.detection.due_windows import MAX_EMPTY_WINDOWS, due_windows
from stream_gov.detection.judge import Window, judge_window, levels_for
from stream_gov.detection.levels import Levels
from stream_gov.detection.sequential import EDetectorPlans, SequentialState, advance_evidence
from stream_gov.detection.state import (
    ModelState,
    PaneKey,
    PaneState,
    PartitionState,
    Series,
    SeriesKey,
    table_key,
)
from stream_gov.detection.trailing_choice import (
    forget_trail,
    keep_in_trail,
    resume_trail,
    rewind_trail,
    trim_trail,
    watch_trail,
)
from stream_gov.detection.windows import first_end_after, last_end_containing, window_ends_containing
from stream_gov.reference import ReferenceProfile
from stream_gov.summaries import PaneSummary

__all__ = ["MAX_SERIES_PER_MODEL", "Detector", "Step"]

MAX_SERIES_PER_MODEL = 20_000
"""Versions times segments of one model; records of further ones are counted in `Step.bound_hits`."""


_MAX_LEVELS_KEPT = 10_000


@dataclass(slots=True)
class Step:
    """What one record changed."""

    updates: dict[str, bytes | None] = field(default_factory=dict)
    """By table key the new value; None: delete. To be kept once results and alerts were delivered."""
    results: list[Result] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    windows_closed: dict[str, int] = field(default_factory=dict)
    """By model."""
    late: dict[str, int] = field(default_factory=dict)
    """Events that came too late, by model."""
    repeated: int = 0
    """Records received before, which changed nothing."""
    unwatched: int = 0
    """Records of a model without a monitor."""
    unanswered: int = 0
    """Commands of people that name no open alert."""
    bound_hits: dict[str, int] = field(default_factory=dict)
    """By the name of the bound."""


class Detector:
    """Merges pane summaries, closes windows as event time passes, judges them, and drives the life of alerts.

    Parameters
    ----------
    catalog
        Monitors and reference profiles.

    Notes
    -----
    Nothing is counted twice: a record whose cut was received in full, or was merged into its pane, changes nothing. Given the same
    records of each source partition in their order, results and alerts do not depend on how the partitions interleave, as long as no
    event is late.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._levels: dict[str, tuple[Monitor, ReferenceProfile, Levels]] = {}
        """By model, as long as its monitor and profile stay the same."""
        self._plans = EDetectorPlans()

    def restore(self, items: Iterable[tuple[str, bytes]]) -> PartitionState:
        """Build the state of one partition from the keys and values that were kept of it."""
        return PartitionState.from_items(items)

    def step(self, state: PartitionState, record: SummaryRecord) -> Step:
        """Take in one record; `state` is changed, and what is to be kept of it stands in the step's `updates`."""
        match record:
            case PaneRecord():
                return self._take_pane(state, record)
            case ReplayRecord():
                return self._take_replay(state, record)
            case WatermarkRecord():
                return self._take_watermark(state, record)
            case AlertCommandRecord():
                return self._take_command(state, record)

    # --- records -------------------------------------------------------------------------------------------------------------------

    def _take_pane(self, state: PartitionState, record: PaneRecord) -> Step:
        step = Step()
        monitor = self._catalog.monitor(record.model)
        if monitor is None:
            step.unwatched += 1
            return step
        if state.time.is_repetition(record.topic, record.partition, record.to_offset):
            step.repeated += 1
            return step
        key: SeriesKey = (record.model, record.version, record.segment)
        by_key = state.series.setdefault(record.model, {})
        series = by_key.get(key)
        if series is None:
            if len(by_key) >= MAX_SERIES_PER_MODEL:
                step.bound_hits["series_per_model"] = record.n_events
                return step
            series = by_key[key] = Series(closed_until_ms=self._already_final(state, monitor))
            step.updates[table_key("series", *key)] = series.to_bytes()
        size, every = monitor.window.size, monitor.window.every_ms
        start, end = record.pane_start_ms, record.pane_start_ms + record.pane_ms
        ends = list(window_ends_containing(start, end, size_ms=size, every_ms=every))
        final = self._event_time(state, record.model) - monitor.window.allowed_lateness
        missed = [e for e in ends if e <= final]
        series.wake_ms = NO_WATERMARK
        state.stirred.add(record.model)
        if missed and record.n_events:
            # Reported once, by the series of all events or of the segment; the pane may still serve windows that are open.
            series.pending_late += record.n_events
            if not record.segment:
                step.late[record.model] = record.n_events
            step.updates[table_key("series", *key)] = series.to_bytes()
        if len(missed) == len(ends):
            if record.n_rejected:
                series.pending_rejected += record.n_rejected
                step.updates[table_key("series", *key)] = series.to_bytes()
            return step
        pane_key: PaneKey = (start, record.pane_ms, record.profile)
        pane = series.panes.setdefault(pane_key, PaneState())
        source = (record.topic, record.partition)
        if not pane.add(record.summary, record.n_events, record.n_rejected, source, record.to_offset):
            step.repeated += 1
            return step
        if monitor.trailing is not None:
            replay = state.models.get(record.model)
            replayed = replay is not None and not replay.settled
            watch_trail(monitor, key, series.trail, record.profile, start, step.updates, replayed=replayed)
        layout_owner = self._profile_of_pane(record.profile)
        if layout_owner is not None:
            pane.merged(layout_owner.layout)
        step.updates[table_key("pane", *key, *pane_key)] = pane.to_bytes()
        closed = series.closed_until_ms
        changed = {e for e in ends if closed is not None and e <= closed and e > final}
        if not changed <= series.dirty:
            series.dirty |= changed
            step.updates[table_key("series", *key)] = series.to_bytes()
        return step

    def _take_replay(self, state: PartitionState, record: ReplayRecord) -> Step:
        step = Step()
        if state.time.is_repetition(record.topic, record.partition, record.to_offset):
            step.repeated += 1
            return step
        model = state.models.get(record.model)
        if model is None or model.replay != record.replay:
            model = state.models[record.model] = ModelState(record.replay)
            self._rewind(state, record, step)
        source = (record.topic, record.partition)
        model.replayed_to[source] = max(record.watermark_ms, model.replayed_to.get(source, NO_WATERMARK))
        if record.ended:
            model.ended.add(source)
        step.updates[table_key("model", record.model)] = model.to_bytes()
        state.stirred.add(record.model)
        return step

    def _rewind(self, state: PartitionState, record: ReplayRecord, step: Step) -> None:
        """Take back what the windows of a model have held in the time that is replayed, so that they can be closed anew."""
        monitor = self._catalog.monitor(record.model)
        if monitor is None or not record.replay:
            return
        size, every = monitor.window.size, monitor.window.every_ms
        reopened = first_end_after(record.from_ms, size_ms=size, every_ms=every) - every
        for key, series in state.series.get(record.model, {}).items():
            for pane_key in [k for k in series.panes if record.from_ms < k[0] + k[1] and k[0] <= record.until_ms]:
                del series.panes[pane_key]
                step.updates[table_key("pane", *key, *pane_key)] = None
            rewind_trail(monitor, key, series, record.from_ms, record.until_ms, step.updates)
            fresh = Series(
                closed_until_ms=min(series.closed_until_ms or reopened, reopened),
                panes=series.panes,
                trail=series.trail,
            )
            fresh.taken_back, over = take_back(series, reopened)
            step.alerts += over
            if series.sequential is not None:
                step.updates[table_key("sequential", *key)] = None
            state.series[record.model][key] = fresh
            step.updates[table_key("series", *key)] = fresh.to_bytes()

    def _take_watermark(self, state: PartitionState, record: WatermarkRecord) -> Step:
        step = Step()
        before = state.time.event_time()
        state.time.update(record)
        step.updates[table_key("time")] = state.time_bytes()
        moved = state.time.event_time() != before
        due = state.series.keys() if moved else state.stirred & state.series.keys()
        for model in sorted(due):
            self._close_windows(state, model, step)
        state.stirred.clear()
        return step

    def _take_command(self, state: PartitionState, record: AlertCommandRecord) -> Step:
        step = Step()
        of_model = state.series.get(record.model, {})
        key = find_alert(of_model, record.alert_id)
        if key is None:
            step.unanswered += 1
            return step
        series = of_model[key]
        step.alerts += obey_command(series, record)
        if not step.alerts:
            step.repeated += 1
            return step
        series.wake_ms = NO_WATERMARK
        state.stirred.add(record.model)
        step.updates[table_key("series", *key)] = series.to_bytes()
        return step

    # --- time ----------------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _event_time(state: PartitionState, model: str) -> int:
        replay = state.models.get(model)
        if replay is None:
            return state.time.event_time()
        replayed = state.time.replay_time(replay.replayed_to)
        return max(replayed, state.time.event_time()) if replay.settled else replayed

    def _already_final(self, state: PartitionState, monitor: Monitor) -> int | None:
        """Return the end of the last window that a series which begins now can no longer fill."""
        now = self._event_time(state, monitor.model)
        if now == NO_WATERMARK:
            return None
        size, every = monitor.window.size, monitor.window.every_ms
        return first_end_after(now - monitor.window.allowed_lateness, size_ms=size, every_ms=every) - every

    def _close_windows(self, state: PartitionState, model: str, step: Step) -> None:
        monitor = self._catalog.monitor(model)
        if monitor is None:
            for key, series in state.series.pop(model).items():
                _forget(key, series, step)
            return
        replay = state.models.get(model)
        if replay is not None and not replay.settled and state.time.has_ended(replay.ended):
            # First everything that was replayed, by the clock of the replay; then live time, which may be years ahead: the time
            # between is no silence of the model.
            replayed_to = state.time.replay_time(replay.replayed_to)
            self._close_until(monitor, state, replayed_to, step)
            replay.settled = True
            step.updates[table_key("model", model)] = replay.to_bytes()
            for key, series in state.series.get(model, {}).items():
                series.last_event_end_ms = 0
                series.wake_ms = NO_WATERMARK
                resume_trail(monitor, key, series.trail, replayed_to, state.time.event_time(), step.updates)
        self._close_until(monitor, state, self._event_time(state, model), step)

    def _close_until(self, monitor: Monitor, state: PartitionState, now: int, step: Step) -> None:
        if now == NO_WATERMARK:
            return
        of_model = state.series.get(monitor.model, {})
        groups = AlertGroups(of_model)
        for key in sorted(k for k, series in of_model.items() if series.wake_ms <= now):
            if self._close_series(monitor, key, of_model[key], now, groups, step):
                del of_model[key]
        if not of_model:
            state.series.pop(monitor.model, None)

    def _close_series(
        self, monitor: Monitor, key: SeriesKey, series: Series, now: int, groups: AlertGroups, step: Step
    ) -> bool:
        """Revise and close what is due; True if the series has nothing left to remember."""
        size, every, lateness = monitor.window.size, monitor.window.every_ms, monitor.window.allowed_lateness
        final = now - lateness
        as_kept = series.to_bytes()
        for end in sorted(series.dirty):
            self._judge(monitor, key, series, end, groups, step)
        series.dirty.clear()
        for end in due_windows(series, now, size_ms=size, every_ms=every):
            step.alerts += wake_alert(series, end - 1)
            self._judge(monitor, key, series, end, groups, step)
            step.windows_closed[key[0]] = step.windows_closed.get(key[0], 0) + 1
        # Windows between the due ones were empty and beyond the number that a silent series reports.
        if series.closed_until_ms is not None:
            passed = first_end_after(now, size_ms=size, every_ms=every) - every
            series.closed_until_ms = max(series.closed_until_ms, passed)
        step.alerts += wake_alert(series, now)
        step.alerts += settle_taken_back(series)
        for pane_key in [k for k in series.panes if last_end_containing(k[0], size_ms=size, every_ms=every) <= final]:
            keep_in_trail(monitor, key, series, pane_key, self._profile_of_pane(pane_key[2]), step.updates)
            del series.panes[pane_key]
            step.updates[table_key("pane", *key, *pane_key)] = None
        trail_wakes = trim_trail(monitor, key, series.trail, final, step.updates)
        _report_leftovers(series, step)
        for end in [e for e in series.reported if e <= final]:
            del series.reported[end]
        closed = series.closed_until_ms
        quiet = 0 if closed is None else (closed - series.last_event_end_ms) // every
        is_silent = (
            quiet > MAX_EMPTY_WINDOWS and not series.panes and series.alert.last is None and not series.taken_back
        )
        if is_silent and trail_wakes is None:
            _forget(key, series, step)
            return True
        packed = series.to_bytes()
        if packed != as_kept or table_key("series", *key) in step.updates:
            step.updates[table_key("series", *key)] = packed
        next_end = min(first_end_after(now, size_ms=size, every_ms=every), snoozed_until(series))
        if is_silent and trail_wakes is not None:
            series.wake_ms = trail_wakes + lateness  # nothing but to forget the past, step by step
            return False
        purges = (last_end_containing(start, size_ms=size, every_ms=every) + lateness for start, _, _ in series.panes)
        series.wake_ms = (
            min(next_end, *purges, *(end + lateness for end in series.reported)) if series.panes else next_end
        )
        return False

    # --- judging -------------------------------------------------------------------------------------------------------------------

    def _judge(
        self, monitor: Monitor, key: SeriesKey, series: Series, end: int, groups: AlertGroups, step: Step
    ) -> None:
        """Judge a window for the first time, or once more after late events."""
        start = end - monitor.window.size
        inside = {k: p for k, p in series.panes.items() if start <= k[0] and k[0] + k[1] <= end}
        profile_id = profile_to_compare(inside, monitor.reference)
        chosen = {k: p for k, p in inside.items() if k[2] == profile_id}
        events = sum(p.n_events for p in chosen.values())
        said = series.reported.get(end)
        revision = 0 if said is None else said[0] + 1
        late = series.pending_late + (0 if said is None else said[1])
        rejected = series.pending_rejected + (0 if said is None else said[2])
        window = Window(
            model=key[0],
            version=key[1],
            segment=key[2],
            start_ms=start,
            end_ms=end,
            revision=revision,
            events=events,
            late=late,
            rejected=rejected + sum(p.n_rejected for p in inside.values()),
            maintenance=monitor.in_maintenance(start, end),
        )
        profile, why_not = self._profile(monitor, profile_id)
        compared = None if profile is None else choose_comparison(monitor, profile, key[2], series, start, chosen)
        newest = summary = None
        if profile is not None and compared is not None and events:
            fresh = [k for k in compared.panes if k[0] >= end - monitor.window.every_ms]
            older = [k for k in compared.panes if k[0] < end - monitor.window.every_ms]
            newest = merge_panes([chosen[k] for k in fresh], profile)
            summary = newest.merge(merge_panes([chosen[k] for k in older], profile)) if older else newest
        levels = None
        if newest is not None and profile is not None:
            levels = self._levels_of(monitor, profile)
            if compared is not None and not compared.why_not:
                expected, slots = expect_of_newest(monitor, profile, key[2], compared, chosen, fresh)
                self._gather_evidence(monitor, key, series, newest, profile, levels, end, step, expected, slots)
        judged = judge_window(
            monitor,
            window,
            summary,
            profile,
            levels=levels,
            sequential=series.sequential,
            baseline=None if compared is None else compared.baseline,
            why_not=why_not if compared is None else compared.why_not,
        )
        step.results.extend(judged.results)
        series.pending_late = series.pending_rejected = 0
        series.reported[end] = (revision, late, rejected)
        if series.last_events_result is None or end >= series.last_events_result.window_end_ms:
            step.alerts += judge_alert(
                series,
                monitor,
                judged.results,
                judged.details,
                again=revision > 0,
                maintenance=window.maintenance,
                group_id=groups.of(monitor.name, key, start, end),
            )
            series.last_events_result = judged.results[0]
            groups.note(key, series, end)
        series.closed_until_ms = end if series.closed_until_ms is None else max(end, series.closed_until_ms)
        if events or not series.last_event_end_ms:
            series.last_event_end_ms = max(series.last_event_end_ms, end)

    def _gather_evidence(
        self,
        monitor: Monitor,
        key: SeriesKey,
        series: Series,
        summary: PaneSummary,
        profile: ReferenceProfile,
        levels: Levels,
        end: int,
        step: Step,
        expected: PaneSummary | None,
        slots: Mapping[int, int],
    ) -> None:
        """Let the e-detector take in what is new in a window."""
        if key[2] not in profile.segments:
            return
        state = series.sequential if series.sequential is not None else SequentialState()
        start = end - monitor.window.every_ms
        if advance_evidence(
            state,
            summary,
            monitor,
            profile,
            key[2],
            plans=self._plans,
            levels=levels,
            start_ms=start,
            end_ms=end,
            expected=expected,
            slots=slots,
        ):
            series.sequential = state
            step.updates[table_key("sequential", *key)] = series.sequential_bytes()

    def _levels_of(self, monitor: Monitor, profile: ReferenceProfile) -> Levels:
        known = self._levels.get(monitor.model)
        if known is None or known[0] is not monitor or known[1] is not profile:
            if len(self._levels) >= _MAX_LEVELS_KEPT:
                self._levels.clear()
            known = self._levels[monitor.model] = monitor, profile, levels_for(monitor, profile)
        return known[2]

    def _profile_of_pane(self, profile_id: str) -> ReferenceProfile | None:
        return self._catalog.profile(profile_id) if profile_id else None

    def _profile(self, monitor: Monitor, profile_id: str) -> tuple[ReferenceProfile | None, str]:
        if not profile_id:
            if monitor.reference is None:
                return None, f"monitor {monitor.name} names no reference"
            return None, f"the events were counted without a reference: {monitor.reference} was not there"
        profile = self._catalog.profile(profile_id)
        return profile, "" if profile is not None else f"the reference {profile_id} is not there any more"


def _report_leftovers(series: Series, step: Step) -> None:
    """Report late and rejected events for which no window is left to wait for, by a revision of the newest result."""
    last = series.last_events_result
    if last is None or series.panes or not (series.pending_late or series.pending_rejected):
        return
    series.last_events_result = msgspec.structs.replace(
        last,
        revision=last.revision + 1,
        late=last.late + series.pending_late,
        rejected=last.rejected + series.pending_rejected,
    )
    series.pending_late = series.pending_rejected = 0
    step.results.append(series.last_events_result)


def _forget(key: SeriesKey, series: Series, step: Step) -> None:
    forget_trail(key, series.trail, step.updates)
    step.alerts += end_alert(series, "over, since its monitor was taken away")
    step.updates[table_key("series", *key)] = None
    if series.sequential is not None:
        step.updates[table_key("sequential", *key)] = None
    for pane_key in series.panes:
        step.updates[table_key("pane", *key, *pane_key)] = None
