"""The online detectors of one series (model, version, segment): fed when a window closes, once with each pane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stream_gov.contracts import Monitor, Result, Verdict, result_id
from stream_gov.contracts.online_detector import DETECTOR_RULE, MODEL_SERIES, OnlineDetector
from stream_gov.detection.change_detector import ChangeDetector, fingerprint_of
from stream_gov.detection.check_choice import watches_column
from stream_gov.detection.judge import Window
from stream_gov.detection.pane_log import NamedSeries, PaneLog
from stream_gov.detection.pane_series import (
    KINDS_OF_SERIES,
    RECKONED_WITH_THE_REFERENCE,
    Unit,
    pane_value,
    unit_of,
)
from stream_gov.reference import ReferenceProfile
from stream_gov.summaries import PaneSummary

__all__ = ["MAX_SILENT_PANES", "ChangePoints", "FedPane"]

MAX_SILENT_PANES = 100
"""Panes without events that the series `events` counts as 0 between two panes with events; a longer silence is left out."""


@dataclass(frozen=True, slots=True)
class FedPane:
    """A pane that the newest step of a window is made of."""

    start_ms: int
    events: int
    summary: PaneSummary | None
    """None without a profile: then only its number of events is known."""


@dataclass(frozen=True, slots=True)
class _Watch:
    """One detector of one column (empty: of the model), or why it cannot watch it."""

    column: str
    config: OnlineDetector
    kind: str
    unit: Unit
    why_not: str

    @property
    def place(self) -> tuple[str, str]:
        return (self.column, self.config.statistic)

    @property
    def name(self) -> NamedSeries:
        return (self.column, self.config.series)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be watched, as long as monitor and profile are these."""

    monitor: Monitor
    profile: ReferenceProfile | None
    watches: tuple[_Watch, ...]
    least: int
    """Values with which a pane counts."""


@dataclass(slots=True)
class _Said:
    """What a detector made of one window."""

    n_before: int
    n_fed: int = 0
    newest: float = math.nan
    signalled: bool = False


class ChangePoints:
    """Feeds detectors with one value per pane and says in which windows they signalled.

    Each pane is fed once, when the first window that holds it closes, in the order of event time. Later events of a pane that was fed change
    nothing here. Panes that overlap a maintenance are left out: what happens in them is expected, and so is its end.
    """

    __slots__ = ("_detectors", "_plan", "_profile", "_said", "kept", "log")

    def __init__(self) -> None:
        self.log = PaneLog()
        self.kept = b""
        """What was kept last of :meth:`to_state`, packed."""
        self._detectors: dict[tuple[str, str], ChangeDetector] = {}
        """By column and statistic."""
        self._profile = ""
        """Id of the profile that the newest panes were counted for."""
        self._said: tuple[int, list[list[Any]]] = (0, [])
        """End of the newest window, and what was said of it; kept only where late events may revise it."""
        self._plan: _Plan | None = None

    # --- judging -------------------------------------------------------------------------------------------------------------------

    def judge(
        self, monitor: Monitor, window: Window, panes: Sequence[FedPane], profile: ReferenceProfile | None
    ) -> list[Result]:
        """Feed the newest panes of a window that closes for the first time.

        Parameters
        ----------
        monitor
            Its `detectors`.
        window
            The window.
        panes
            Of the newest step of the window, those with events, counted for `profile`; in any order.
        profile
            The reference; None: only the series `events` is watched.

        Returns
        -------
        One result for each detector and column: `drift` if it signalled in one of the panes, `insufficient` while it has too few values to
        signal, or was fed none.
        """
        plan = self._plan_for(monitor, window.segment, profile)
        self._follow(plan)
        watched = [(w, self._detectors[w.place]) for w in plan.watches if not w.why_not]
        for watch, detector in watched:
            detector.wake(watch.config, watch.unit, self.log)
        said = {watch.place: _Said(detector.n) for watch, detector in watched}
        for pane in sorted(panes, key=lambda p: p.start_ms):
            if self.log.until_ms is None or pane.start_ms >= self.log.until_ms:
                self._feed_silence(monitor, pane.start_ms, watched, said)
                self._feed(self._row(plan, pane), watched, said)
                self.log.until_ms = pane.start_ms + monitor.pane_ms
        self.log.drop_before(min((d.first_row for d in self._detectors.values()), default=self.log.next_row))
        results = [self._result(plan, window, watch, said.get(watch.place)) for watch in plan.watches]
        if monitor.window.allowed_lateness:
            self._said = (
                window.end_ms,
                [[r.column, r.statistic, r.verdict, r.value, r.n_reference, r.n_window] for r in results],
            )
        return results

    def said_of(self, monitor: Monitor, window: Window, profile: ReferenceProfile | None) -> list[Result]:
        """Return again what was said of the newest window, which late events revise: detectors do not hear them."""
        end, said = self._said
        if end != window.end_ms:
            return []
        return [
            _result(monitor, window, profile, column, statistic, Verdict(verdict), value, n_before, n_fed, "")
            for column, statistic, verdict, value, n_before, n_fed in said
        ]

    # --- what is watched -------------------------------------------------------------------------------------------------------------

    def _plan_for(self, monitor: Monitor, segment: str, profile: ReferenceProfile | None) -> _Plan:
        plan = self._plan
        if plan is None or plan.monitor is not monitor or plan.profile is not profile:
            watches = [_Watch("", config, "", Unit(), "") for config in monitor.model_detectors()]
            if profile is not None:
                reference = profile.segments.get(segment)
                for column, layout in profile.layout.columns.items():
                    if watches_column(monitor, column, profile.layout.derived.get(column)):
                        watches += _watches_of(monitor, column, layout.kind, reference)
            # A pane has its share of the values that a window needs.
            least = max(1, -(-monitor.min_events * monitor.pane_ms // monitor.window.size))
            plan = self._plan = _Plan(monitor, profile, tuple(watches), least)
        return plan

    def _follow(self, plan: _Plan) -> None:
        """Begin, begin anew or end detectors as monitor and profile ask for."""
        next_row = self.log.next_row
        if plan.profile is not None and plan.profile.id != self._profile:
            self._profile = plan.profile.id
            for (_, series), detector in [(d.name, d) for d in self._detectors.values()]:
                if series in RECKONED_WITH_THE_REFERENCE:
                    detector.start_anew(next_row)
        wanted = {watch.place for watch in plan.watches if not watch.why_not}
        for place, detector in list(self._detectors.items()):
            # Without a profile nothing is known of the columns: their detectors wait.
            if place not in wanted and (plan.profile is not None or detector.name[1] in MODEL_SERIES):
                del self._detectors[place]
        for watch in plan.watches:
            if watch.why_not:
                continue
            fingerprint = fingerprint_of(watch.config, watch.kind, plan.monitor.pane_ms)
            known = self._detectors.get(watch.place)
            if known is None or known.fingerprint != fingerprint:
                self._detectors[watch.place] = ChangeDetector(watch.name, fingerprint, next_row)

    # --- feeding -------------------------------------------------------------------------------------------------------------------

    def _row(self, plan: _Plan, pane: FedPane) -> dict[NamedSeries, float]:
        row: dict[NamedSeries, float] = {}
        for watch in plan.watches:
            if watch.why_not or watch.name in row:
                continue
            if watch.config.series in MODEL_SERIES:
                row[watch.name] = float(pane.events)
            elif pane.summary is not None:
                row[watch.name] = pane_value(watch.config.series, pane.summary.columns[watch.column], plan.least)
        return row

    def _feed_silence(
        self,
        monitor: Monitor,
        until_ms: int,
        watched: Sequence[tuple[_Watch, ChangeDetector]],
        said: dict[tuple[str, str], _Said],
    ) -> None:
        """Count the panes without events since the last one with events as 0, for the series `events`."""
        if self.log.until_ms is None or not monitor.model_detectors():
            return
        silent = range(self.log.until_ms, until_ms, monitor.pane_ms)
        if len(silent) <= MAX_SILENT_PANES:
            for start in silent:
                if not monitor.in_maintenance(start, start + monitor.pane_ms):
                    self._feed(dict.fromkeys((("", series) for series in MODEL_SERIES), 0.0), watched, said)

    def _feed(
        self,
        row: dict[NamedSeries, float],
        watched: Sequence[tuple[_Watch, ChangeDetector]],
        said: dict[tuple[str, str], _Said],
    ) -> None:
        number = self.log.next_row
        for _, detector in watched:
            detector.make_room(self.log)
        self.log.append(row, sorted({d.name for d in self._detectors.values()}))
        for watch, detector in watched:
            value = detector.in_unit(row.get(watch.name, math.nan))
            if not math.isnan(value):
                mine = said[watch.place]
                mine.newest = value
                mine.n_fed += 1
                mine.signalled |= detector.feed(value, number)

    # --- saying --------------------------------------------------------------------------------------------------------------------

    def _result(self, plan: _Plan, window: Window, watch: _Watch, said: _Said | None) -> Result:
        said = said or _Said(0)
        reason = "" if said.signalled else self._why_insufficient(plan, watch, said)
        verdict = Verdict.DRIFT if said.signalled else Verdict.INSUFFICIENT if reason else Verdict.STABLE
        value = None if math.isnan(said.newest) else said.newest
        return _result(
            plan.monitor,
            window,
            plan.profile,
            *watch.place,
            verdict,
            value,
            said.n_before,
            said.n_fed,
            reason,
        )

    def _why_insufficient(self, plan: _Plan, watch: _Watch, said: _Said) -> str:
        if watch.why_not:
            return watch.why_not
        n, needed = self._detectors[watch.place].n, watch.config.values_needed
        if not said.n_fed:
            return f"no pane since the window before has a value (at least {plan.least} of {plan.monitor.min_events} min_events)"
        if n < needed:
            return f"{watch.config.detector} has {n} of the {needed} pane values it needs, since it began or signalled last"
        return ""

    # --- keeping -------------------------------------------------------------------------------------------------------------------

    def to_state(self) -> list[Any]:
        """Plain data of all but the log, for packing."""
        return [
            self._profile,
            [
                [*place, detector.name[1], detector.fingerprint, detector.first_row]
                for place, detector in self._detectors.items()
            ],
            list(self._said),
        ]

    def restore(self, state: list[Any]) -> None:
        """Read what :meth:`to_state` gave."""
        self._profile, detectors, (end, said) = state
        self._said = (end, said)
        self._detectors = {
            (column, statistic): ChangeDetector((column, series), fingerprint, first_row)
            for column, statistic, series, fingerprint, first_row in detectors
        }


def _watches_of(monitor: Monitor, column: str, kind: str, reference: PaneSummary | None) -> list[_Watch]:
    watches = []
    for config in monitor.detectors_of(column):
        kinds = KINDS_OF_SERIES[config.series]
        unit = unit_of(config.series, kind, reference, column)
        if kind in kinds:
            watches.append(_Watch(column, config, kind, unit, unit.why_undefined))
        elif config.columns is not None:
            why_not = f"{config.series} is of {' and '.join(sorted(kinds))} columns, and {column} is {kind}; see `columns.types`"
            watches.append(_Watch(column, config, kind, unit, why_not))
    return watches


def _result(
    monitor: Monitor,
    window: Window,
    profile: ReferenceProfile | None,
    column: str,
    statistic: str,
    verdict: Verdict,
    value: float | None,
    n_before: int,
    n_fed: int,
    reason: str,
) -> Result:
    return Result(
        id=result_id(window.model, window.version, window.segment, column, statistic, window.start_ms, window.end_ms),
        monitor=monitor.name,
        model=window.model,
        version=window.version,
        segment=window.segment,
        column=column,
        statistic=statistic,
        window_start_ms=window.start_ms,
        window_end_ms=window.end_ms,
        revision=window.revision,
        value=value,
        rule=DETECTOR_RULE,
        n_reference=n_before,
        n_window=n_fed,
        verdict=verdict,
        reason=reason,
        reference=profile.id if profile is not None else "",
        events=window.events,
        late=window.late,
        rejected=window.rejected,
        maintenance=window.maintenance,
    )
