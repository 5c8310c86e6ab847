"""What is remembered of the reasons of an alert: since when each check drifts, and what the last message said of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from stream_gov.contracts import Alert, AlertCause, Result, Verdict
from stream_gov.detection.evidence import Evidence
from stream_gov.detection.explanation import explain
from stream_gov.detection.reason_memory import DriftRuns, Reason, ReasonMemory
from stream_gov.detection.state import Series

__all__ = ["continue_runs", "give_reasons", "recall_reasons"]

_Key = tuple[str, str]


def give_reasons(
    series: Series,
    results: Sequence[Result],
    said: Sequence[Alert],
    evidence: Evidence | None,
    *,
    again: bool,
    maintenance: bool = False,
) -> list[Alert]:
    """Add to messages why they are there, and remember it.

    Parameters
    ----------
    series
        That was judged, with its alert as the window leaves it; its `reasons` are changed.
    results
        Of the window.
    said
        The messages that the window caused.
    evidence
        What the window's verdicts rest on.
    again
        The window is judged once more, since late events have changed it.
    maintenance
        The window overlaps a maintenance: it begins no run of drift and ends none.

    Returns
    -------
    The messages, explained. A cause that does not drift in this window, such as one that is not over yet, keeps the kind and the words that were
    found when it did.
    """
    before = series.reasons.runs_before if again else series.reasons.runs
    standing = series.alert.last
    named = frozenset(_key(c) for c in standing.causes) if standing is not None else frozenset[_Key]()
    runs = before if maintenance else continue_runs(before, results, frozenset(c.key for c in series.alert.causes))
    drifting = {(r.column, r.statistic) for r in results if r.verdict is Verdict.DRIFT and not maintenance}
    calm = {(r.column, r.statistic) for r in results if r.verdict is Verdict.STABLE}
    told = {reason.key: reason for reason in series.reasons.told}
    explained: list[Alert] = []
    for event in said:
        event = explain(_with_recalled(event, told, drifting), evidence, runs, calm)
        told = _told(event)
        explained.append(event)
    if not said and standing is not None and standing.causes and not named <= told.keys():
        # Nothing is to be said of it now, since it is snoozed; when it is, the reasons must be known.
        told = _told(explain(_with_recalled(standing, told, drifting), evidence, runs, calm))
    series.reasons = ReasonMemory(runs, before, tuple(told.values()))
    return explained


def recall_reasons(series: Series, said: Sequence[Alert]) -> list[Alert]:
    """Add to messages that no window caused, such as the answer to someone's command, what was said of their causes last."""
    told = {reason.key: reason for reason in series.reasons.told}
    since = {(column, statistic): start for column, statistic, start in series.reasons.runs}
    return [
        msgspec.structs.replace(
            event,
            causes=[msgspec.structs.replace(_recalled(c, told), since_ms=since.get(_key(c))) for c in event.causes],
        )
        for event in said
    ]


def continue_runs(
    before: DriftRuns, results: Sequence[Result], open_causes: frozenset[_Key] = frozenset()
) -> DriftRuns:
    """Take in the next window of a series.

    A window in which a check drifts begins its run or continues it. One in which it is stable ends it, unless it is a cause of the open alert:
    then it lasts until the alert has done with it. A window that cannot be judged (`insufficient`), or has no events, does neither. A check that
    knows itself when its drift began, such as the e-detector, is believed.

    Parameters
    ----------
    before
        Runs as they stood before the window.
    results
        All results of the window.
    open_causes
        Column and statistic of the causes of the open alert, as the window leaves it.

    Returns
    -------
    Runs as they stand now. A check that the window was not asked about is forgotten, unless the window had no events.
    """
    known = {(column, statistic): start for column, statistic, start in before}
    checks = [r for r in results if r.rule != "none"]
    if not checks:
        return before
    runs: dict[_Key, int] = {}
    for result in checks:
        key = result.column, result.statistic
        if result.verdict is Verdict.DRIFT:
            runs[key] = known.get(key, result.window_start_ms) if result.since_ms is None else result.since_ms
        elif key in known and (result.verdict is Verdict.INSUFFICIENT or key in open_causes):
            runs[key] = known[key]
    return tuple(sorted((column, statistic, start) for (column, statistic), start in runs.items()))


def _key(cause: AlertCause) -> _Key:
    return cause.column, cause.statistic


def _told(event: Alert) -> dict[_Key, Reason]:
    return {_key(c): Reason(c.column, c.statistic, c.kind, c.description) for c in event.causes if c.kind}


def _with_recalled(event: Alert, told: Mapping[_Key, Reason], drifting: Collection[_Key]) -> Alert:
    causes = [cause if _key(cause) in drifting else _recalled(cause, told) for cause in event.causes]
    return msgspec.structs.replace(event, causes=causes)


def _recalled(cause: AlertCause, told: Mapping[_Key, Reason]) -> AlertCause:
    reason = told.get(_key(cause))
    return cause if reason is None else msgspec.structs.replace(cause, kind=reason.kind, description=reason.description)
