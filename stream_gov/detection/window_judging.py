"""Judging a window: what it is compared with, its results, the e-detector, the alert and its reasons."""

from __future__ import annotations

from collections.abc import Mapping

from stream_gov.contracts import Monitor
from stream_gov.detection.alert_driver import judge_alert
from stream_gov.detection.alert_groups import AlertGroups
from stream_gov.detection.catalog import Catalog
from stream_gov.detection.comparison import choose_comparison, expect_of_newest, profile_to_compare
from stream_gov.detection.evidence import evidence_of
from stream_gov.detection.judge import Window, judge_window, levels_for
from stream_gov.detection.levels import Levels
from stream_gov.detection.reasons import give_reasons
from stream_gov.detection.sequential import EDetectorPlans, SequentialState, advance_evidence
from stream_gov.detection.series_detectors import feed_detectors
from stream_gov.detection.state import Series, merge_panes
from stream_gov.detection.state_keys import SeriesKey, table_key
from stream_gov.detection.step import Step
from stream_gov.reference import ReferenceProfile
from stream_gov.summaries import PaneSummary

__all__ = ["WindowJudge"]

_MAX_LEVELS_KEPT = 10_000


class WindowJudge:
    """Judges windows, and remembers what only has to be computed once for a monitor and its profile.

    Parameters
    ----------
    catalog
        Monitors and reference profiles.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._levels: dict[str, tuple[Monitor, ReferenceProfile, Levels]] = {}
        """By model, as long as its monitor and profile stay the same."""
        self._plans = EDetectorPlans()

    def judge(
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
        online = feed_detectors(monitor, series, window, inside, profile_id, profile)
        compared = None if profile is None else choose_comparison(monitor, profile, key[2], series, start, chosen)
        newest = summary = None
        if profile is not None and compared is not None and events:
            fresh = [k for k in compared.panes if k[0] >= end - monitor.window.every_ms]
            older = [k for k in compared.panes if k[0] < end - monitor.window.every_ms]
            newest = merge_panes((chosen[k] for k in fresh), profile.layout)
            summary = newest.merge(merge_panes((chosen[k] for k in older), profile.layout)) if older else newest
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
        if not revision:
            judged.results.extend(online)
        step.results.extend(judged.results)
        if revision:  # said before, and unchanged by late events; the alert must hear of it all the same
            judged.results.extend(online)
        series.pending_late = series.pending_rejected = 0
        series.reported[end] = (revision, late, rejected)
        if series.last_events_result is None or end >= series.last_events_result.window_end_ms:
            messages = judge_alert(
                series,
                monitor,
                judged.results,
                judged.details,
                again=revision > 0,
                maintenance=window.maintenance,
                group_id=groups.of(monitor.name, key, start, end),
            )
            evidence = evidence_of(monitor, window, summary, profile, judged.reference, groups.series)
            known = series.reasons
            step.alerts += give_reasons(
                series, judged.results, messages, evidence, again=revision > 0, maintenance=window.maintenance
            )
            if series.reasons != known:
                step.updates[table_key("reasons", *key)] = series.reasons_bytes()
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

    def _profile(self, monitor: Monitor, profile_id: str) -> tuple[ReferenceProfile | None, str]:
        if not profile_id:
            if monitor.reference is None:
                return None, f"monitor {monitor.name} names no reference"
            return None, f"the events were counted without a reference: {monitor.reference} was not there"
        profile = self._catalog.profile(profile_id)
        return profile, "" if profile is not None else f"the reference {profile_id} is not there any more"
