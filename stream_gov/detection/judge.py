"""Judge one closed window: every check of the monitor, against the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stream_gov.contracts import Check, Monitor, Result, Verdict, result_id
from stream_gov.detection.baselines import Baseline, whole_baseline
from stream_gov.detection.check_choice import checks_of_column, checks_of_vectors
from stream_gov.detection.column_verdicts import DRIFTED_COLUMNS, describe_columns, judge_columns
from stream_gov.detection.levels import Levels, levels_of
from stream_gov.detection.sequential import E_DETECTOR, SequentialState, sequential_decision
from stream_gov.reference import ReferenceProfile
from stream_gov.statistics import (
    STATISTICS,
    Decision,
    decide,
    missing_column_names,
    most_shifted_pair,
    reconstruction_error,
)
from stream_gov.summaries import CovarianceSummary, PaneSummary

__all__ = ["EVENTS_STATISTIC", "JudgedWindow", "Window", "judge_window", "levels_for"]

EVENTS_STATISTIC = "events"
"""The result that every window has, of the whole model: how many events it held. It is never `drift`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window of one series, with its accounting."""

    model: str
    version: str
    segment: str
    start_ms: int
    end_ms: int
    revision: int
    events: int
    late: int
    rejected: int
    maintenance: bool = False
    """It overlaps a maintenance of the monitor."""


@dataclass(frozen=True, slots=True)
class JudgedWindow:
    """The results of a window, the `events` result first, and words for the alert by statistic."""

    results: list[Result]
    details: dict[str, str]
    reference: PaneSummary | None = None
    """What the columns were compared with; None if they were not."""


def levels_for(monitor: Monitor, profile: ReferenceProfile) -> Levels:
    """Levels of a monitor's checks on a profile."""
    n_segments = len(profile.known_segments) if monitor.segments else 0
    kinds = {name: column.kind for name, column in profile.layout.columns.items()}
    return levels_of(monitor, kinds, n_segments, derivations=profile.layout.derivations)


def judge_window(
    monitor: Monitor,
    window: Window,
    summary: PaneSummary | None,
    profile: ReferenceProfile | None,
    *,
    levels: Levels | None = None,
    sequential: SequentialState | None = None,
    baseline: Baseline | None = None,
    why_not: str = "",
) -> JudgedWindow:
    """Compare a window with its reference by every check of the monitor.

    Parameters
    ----------
    monitor
        The checks.
    window
        Where and when, and the accounting.
    summary
        Of all events of the window, counted in the profile's layout; None if there are no events.
    profile
        That it was counted for; None if there is none.
    levels
        Of the monitor's checks on this profile; None: they are computed.
    sequential
        Evidence for lasting shifts, this window included; None: it was not gathered.
    baseline
        What it is compared with; None: the whole of the profile.
    why_not
        Why it is compared with nothing, in words.

    Returns
    -------
    One result for each check and column that it applies to. Only the `events` result without events, without a profile, or where `why_not` says why not.
    """
    if baseline is None:
        baseline = Baseline("", None) if profile is None else whole_baseline(profile, window.segment)
    reference_id, reference = baseline.id, baseline.pane
    if window.events < monitor.min_events:
        reason = f"{window.events} events, fewer than min_events = {monitor.min_events}"
    elif profile is None or why_not:
        reason = why_not
    elif reference is None:
        reason = f"the reference {reference_id} has no rows of this segment"
    else:
        reason = ""
    n_reference = reference.n_events if reference is not None else 0
    results = [_events_result(monitor, window, reference_id, n_reference, reason)]
    if summary is None or profile is None or why_not:
        return JudgedWindow(results, {})
    if reference is None:
        reference = PaneSummary(profile.layout)
    heeds_dependence = monitor.calibration == "long_run"
    levels = levels_for(monitor, profile) if levels is None else levels
    for column, mine in summary.columns.items():
        for check in checks_of_column(monitor, column, profile.layout.derived.get(column)):
            level = levels.of(check, window.segment)
            if check.statistic == E_DETECTOR:
                # it judges what has lasted through many slots of a season, against all of them
                before = profile.segments.get(window.segment, reference).columns[column]
                decision = sequential_decision(
                    sequential, column, before, mine, check, level=level, min_events=monitor.min_events
                )
                results.append(_result(monitor, window, reference_id, column, check, decision))
                continue
            statistic = STATISTICS[check.statistic]
            if statistic.applies_to(mine.kind):
                decision = decide(
                    statistic,
                    reference.columns[column],
                    mine,
                    check,
                    monitor.min_events,
                    level=level,
                    dependence=baseline.dependence.get(column) if heeds_dependence else None,
                )
                results.append(_result(monitor, window, reference_id, column, check, decision))
    for vector, check in checks_of_vectors(monitor, profile.layout.derivations):
        decision = decide(
            STATISTICS[check.statistic],
            _vectors_of(reference, vector),
            _vectors_of(summary, vector),
            check,
            monitor.min_events,
            level=levels.of(check, window.segment),
            dependence=baseline.vector_dependence.get(vector) if heeds_dependence else None,
        )
        results.append(_result(monitor, window, reference_id, vector, check, decision))
    details: dict[str, str] = {}
    for check in monitor.model_checks():
        if check.statistic == DRIFTED_COLUMNS:
            found, decision = judge_columns(check, results, n_reference, window.events)
            results.append(_result(monitor, window, reference_id, "", check, decision))
            if decision.verdict is Verdict.DRIFT:
                details[check.statistic] = describe_columns(found)
            continue
        decision = decide(
            STATISTICS[check.statistic],
            reference,
            summary,
            check,
            monitor.min_events,
            level=levels.of(check, window.segment),
        )
        results.append(_result(monitor, window, reference_id, "", check, decision))
        if decision.verdict is Verdict.DRIFT:
            details[check.statistic] = _model_detail(check.statistic, reference, summary)
    return JudgedWindow(results, details, reference)


def _vectors_of(pane: PaneSummary, vector: str) -> CovarianceSummary:
    """Moments of a vector; empty where a part of the pane was counted before it was kept."""
    found = pane.covariances.get(vector)
    return PaneSummary(pane.layout).covariances[vector] if found is None else found


def _model_detail(statistic: str, reference: PaneSummary, summary: PaneSummary) -> str:
    if statistic == "reconstruction_error":
        error = math.exp(reconstruction_error(reference, summary))
        return f"numeric columns hang together differently: squared reconstruction error x{error:.3g}"
    if statistic == "correlation_shift":
        pair = most_shifted_pair(reference, summary)
        return "" if pair is None else f"correlation of {pair[0]} and {pair[1]} {pair[2]:.2f} -> {pair[3]:.2f}"
    names = sorted(summary.new_columns) if statistic == "new_columns" else missing_column_names(reference, summary)
    words = "new columns" if statistic == "new_columns" else "missing columns"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{words} {', '.join(names[:5])}{more}"


def _events_result(monitor: Monitor, window: Window, reference_id: str, n_reference: int, reason: str) -> Result:
    return Result(
        id=result_id(
            window.model, window.version, window.segment, "", EVENTS_STATISTIC, window.start_ms, window.end_ms
        ),
        monitor=monitor.name,
        model=window.model,
        version=window.version,
        segment=window.segment,
        column="",
        statistic=EVENTS_STATISTIC,
        window_start_ms=window.start_ms,
        window_end_ms=window.end_ms,
        revision=window.revision,
        value=float(window.events),
        rule="none",
        n_reference=n_reference,
        n_window=window.events,
        verdict=Verdict.INSUFFICIENT if reason else Verdict.STABLE,
        reason=reason,
        reference=reference_id,
        events=window.events,
        late=window.late,
        rejected=window.rejected,
        maintenance=window.maintenance,
    )


def _result(
    monitor: Monitor, window: Window, reference_id: str, column: str, check: Check, decision: Decision
) -> Result:
    return Result(
        id=result_id(
            window.model, window.version, window.segment, column, check.statistic, window.start_ms, window.end_ms
        ),
        monitor=monitor.name,
        model=window.model,
        version=window.version,
        segment=window.segment,
        column=column,
        statistic=check.statistic,
        window_start_ms=window.start_ms,
        window_end_ms=window.end_ms,
        revision=window.revision,
        value=decision.value if decision.value is not None and math.isfinite(decision.value) else None,
        rule=decision.rule,
        threshold=decision.threshold,
        p_value=decision.p_value if decision.p_value is not None and math.isfinite(decision.p_value) else None,
        level=decision.level,
        tolerance=decision.tolerance,
        distance=decision.distance if decision.distance is not None and math.isfinite(decision.distance) else None,
        n_reference=decision.n_reference,
        n_window=decision.n_window,
        verdict=decision.verdict,
        calibration=decision.calibration,
        since_ms=decision.since_ms,
        reason=decision.reason,
        reference=reference_id,
        events=window.events,
        late=window.late,
        rejected=window.rejected,
        maintenance=window.maintenance,
    )
