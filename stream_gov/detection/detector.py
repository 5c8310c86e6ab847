"""The detector: one step for each summary record. It has no clock and does no I/O; everything moves by records."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from stream_gov.contracts import (
    MONITOR_ITSELF,
    NO_WATERMARK,
    Alert,
    AlertCommandRecord,
    IncidentKind,
    IncidentRecord,
    Monitor,
    PaneRecord,
    ReplayRecord,
    ResetRecord,
    SummaryRecord,
    WatermarkRecord,
)
from stream_gov.detection.alert_driver import (
    end_alert,
    find_alert,
    obey_command,
    settle_taken_back,
    snoozed_until,
    take_back,
    wake_alert,
)
from stream_gov.detection.alert_groups import AlertGroups
from stream_gov.detection.catalog import Catalog
from stream_gov.detection.due_windows import MAX_EMPTY_WINDOWS, due_windows
from stream_gov.detection.incidents import (
    Incidents,
    incident_segment,
    obey_incident_command,
    settle_incidents,
    take_incident,
)
from stream_gov.detection.reasons import recall_reasons
from stream_gov.detection.series_detectors import detector_updates, detectors_wait
from stream_gov.detection.state import (
    ModelState,
    PaneState,
    PartitionState,
    Series,
    forgotten_detectors,
    kept_incidents,
)
from stream_gov.detection.state_keys import PaneKey, SeriesKey, table_key
from stream_gov.detection.step import Step
from stream_gov.detection.trailing_choice import (
    forget_trail,
    keep_in_trail,
    resume_trail,
    rewind_trail,
    trim_trail,
    watch_trail,
)
from stream_gov.detection.window_judging import WindowJudge
from stream_gov.detection.windows import first_end_after, last_end_containing, window_ends_containing

__all__ = ["MAX_SERIES_PER_MODEL", "Detector", "Step"]

MAX_SERIES_PER_MODEL = 20_000
"""Versions times segments of one model; records of further ones are counted in `Step.bound_hits`."""


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
        self._judge = WindowJudge(catalog)

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
            case IncidentRecord():
                return self._take_incident(state, record, Step())
            case ResetRecord():
                return self._take_reset(state, record)

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
                return self._leave_out(state, record, step)
            series = by_key[key] = Series(closed_until_ms=self._already_final(state, monitor))
            step.updates[table_key("series", *key)] = series.to_bytes()
        size, every = monitor.window.size, monitor.window.every_ms
        start, end = record.pane_start_ms, record.pane_start_ms + record.pane_ms
        ends = list(window_ends_containing(start, end, size_ms=size, every_ms=every))
        final = self._event_time(state, record.model) - monitor.window.allowed_lateness
        missed = [e for e in ends if e <= final]
        series.wake_ms = NO_WATERMARK
        state.stirred.add(record.model)
        if missed and (record.n_events or record.n_rejected):
            if series.too_late.add(record, state.time):
                # Reported once, by the series of all events or of the segment; the pane may still serve windows that are open.
                series.pending_late += record.n_events
                if len(missed) == len(ends):
                    series.pending_rejected += record.n_rejected
                if record.n_events and not record.segment:
                    step.late[record.model] = record.n_events
                step.updates[table_key("series", *key)] = series.to_bytes()
            elif len(missed) == len(ends):
                step.repeated += 1
        if len(missed) == len(ends):
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
        layout_owner = self._catalog.profile(record.profile) if record.profile else None
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
            if series.change_points is not None:
                # What they were fed cannot be taken back in part: they begin anew, as on the first replay.
                step.updates.update(forgotten_detectors(key, series.change_points))
            fresh = Series(
                closed_until_ms=min(series.closed_until_ms or reopened, reopened),
                panes=series.panes,
                trail=series.trail,
            )
            fresh.taken_back, over = take_back(series, reopened)
            step.alerts += over
            if series.sequential is not None:
                step.updates[table_key("sequential", *key)] = None
            if series.reasons_bytes() is not None:
                step.updates[table_key("reasons", *key)] = None
            state.series[record.model][key] = fresh
            step.updates[table_key("series", *key)] = fresh.to_bytes()

    def _take_watermark(self, state: PartitionState, record: WatermarkRecord) -> Step:
        step = Step()
        state.now_ms = max(state.now_ms, record.now_ms)
        for segment in sorted(state.incidents):
            self._keep_incidents(state, segment, settle_incidents(state.incidents[segment], state.now_ms), step)
        before = state.time.event_time()
        state.time.update(record)
        step.updates[table_key("time")] = state.time_bytes()
        moved = state.time.event_time() != before
        due = state.series.keys() if moved else state.stirred & state.series.keys()
        for model in sorted(due):
            self._close_windows(state, model, step)
        state.stirred.clear()
        return step

    def _take_reset(self, state: PartitionState, record: ResetRecord) -> Step:
        step = Step()
        if not state.time.reset(record.topic, record.partition, record.reset_id):
            step.repeated += 1
            return step
        step.updates[table_key("time")] = state.time_bytes()
        source = (record.topic, record.partition)
        for model, replay in state.models.items():
            if replay.replayed_to.pop(source, None) is not None or source in replay.ended:
                replay.ended.discard(source)
                step.updates[table_key("model", model)] = replay.to_bytes()
        for of_model in state.series.values():
            for key, series in of_model.items():
                if series.too_late.forget(source):
                    step.updates[table_key("series", *key)] = series.to_bytes()
                for pane_key, pane in series.panes.items():
                    if pane.merged_to.pop(source, None) is not None:
                        step.updates[table_key("pane", *key, *pane_key)] = pane.to_bytes()
        return step

    # --- what the monitor says of itself ---------------------------------------------------------------------------------------------

    def _take_incident(self, state: PartitionState, record: IncidentRecord, step: Step) -> Step:
        if record.kind is IncidentKind.TOPIC_RECREATED:
            subject, (topic, _, partition) = record.subject, record.subject.rpartition("/")
            if not state.time.is_another(topic, int(partition), record.incident_id.removeprefix(f"{subject}/")):
                return step
        segment = incident_segment(record)
        before = state.incidents.get(segment, Incidents())
        after, alert = take_incident(before, record)
        if after == before:
            step.repeated += 1
        self._keep_incidents(state, segment, (after, alert), step)
        return step

    def _leave_out(self, state: PartitionState, record: PaneRecord, step: Step) -> Step:
        """Count and tell the events of a series beyond the bound."""
        step.bound_hits["series_per_model"] = record.n_events
        incident = IncidentRecord(
            IncidentKind.BOUND_HIT,
            "series_per_model",
            record.n_events,
            f"{record.model} has more than {MAX_SERIES_PER_MODEL:,} versions and segments; events of further ones are left out",
            f"{record.topic}/{record.partition}/{record.to_offset}/{record.version}/{record.segment}/{record.pane_start_ms}",
            state.now_ms,
            scope=record.model,
        )
        return self._take_incident(state, incident, step)

    @staticmethod
    def _keep_incidents(
        state: PartitionState, segment: str, outcome: tuple[Incidents, Alert | None], step: Step
    ) -> None:
        after, alert = outcome
        if after == state.incidents.get(segment, Incidents()):
            return
        state.incidents[segment] = after
        step.updates[table_key("incidents", segment)] = kept_incidents(after)
        if alert is not None:
            step.alerts.append(alert)

    def _take_command(self, state: PartitionState, record: AlertCommandRecord) -> Step:
        step = Step()
        if record.model == MONITOR_ITSELF:
            for segment, incidents in state.incidents.items():
                if incidents.alert is not None and incidents.alert.alert_id == record.alert_id:
                    outcome = obey_incident_command(incidents, record)
                    self._keep_incidents(state, segment, outcome, step)
                    step.repeated += outcome[1] is None
                    return step
            step.unanswered += 1
            return step
        of_model = state.series.get(record.model, {})
        key = find_alert(of_model, record.alert_id)
        if key is None:
            step.unanswered += 1
            return step
        series = of_model[key]
        step.alerts += recall_reasons(series, obey_command(series, record))
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
            self._judge.judge(monitor, key, series, end, groups, step)
        series.dirty.clear()
        for end in due_windows(series, now, size_ms=size, every_ms=every):
            step.alerts += recall_reasons(series, wake_alert(series, end - 1))
            self._judge.judge(monitor, key, series, end, groups, step)
            step.windows_closed[key[0]] = step.windows_closed.get(key[0], 0) + 1
        # Windows between the due ones were empty and beyond the number that a silent series reports.
        if series.closed_until_ms is not None:
            passed = first_end_after(now, size_ms=size, every_ms=every) - every
            series.closed_until_ms = max(series.closed_until_ms, passed)
        step.alerts += recall_reasons(series, wake_alert(series, now))
        step.alerts += settle_taken_back(series)
        for pane_key in [k for k in series.panes if last_end_containing(k[0], size_ms=size, every_ms=every) <= final]:
            profile = self._catalog.profile(pane_key[2]) if pane_key[2] else None
            keep_in_trail(monitor, key, series, pane_key, profile, step.updates)
            del series.panes[pane_key]
            step.updates[table_key("pane", *key, *pane_key)] = None
        trail_wakes = trim_trail(monitor, key, series.trail, final, step.updates)
        _report_leftovers(series, step)
        for end in [e for e in series.reported if e <= final]:
            del series.reported[end]
        closed = series.closed_until_ms
        quiet = 0 if closed is None else (closed - series.last_event_end_ms) // every
        forgettable = not series.panes and series.alert.last is None and not series.taken_back
        is_silent = quiet > MAX_EMPTY_WINDOWS and forgettable and not detectors_wait(series, now)
        if is_silent and trail_wakes is None:
            _forget(key, series, step)
            return True
        step.updates.update(detector_updates(monitor, key, series))
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
    if series.change_points is not None:
        step.updates.update(forgotten_detectors(key, series.change_points))
    if series.sequential is not None:
        step.updates[table_key("sequential", *key)] = None
    if series.reasons_bytes() is not None:
        step.updates[table_key("reasons", *key)] = None
    for pane_key in series.panes:
        step.updates[table_key("pane", *key, *pane_key)] = None
