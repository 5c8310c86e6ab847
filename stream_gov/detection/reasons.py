"""What is remembered of the reasons of an alert: since when each check drifts, and what the last message said of it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stream_gov.contracts import Alert, AlertCause, Result, Verdict
from stream_gov.detection.evidence import Evidence
from stream_gov.detection.explanation import explain
from stream_gov.detection.reason_memory import DriftRuns, Reason, ReasonMemory
from stream_gov.detection.state import Series

__all__ = ["continue_runs", "give_reasons"]


def give_reasons(
    series: Series, results: Sequence[Result], said: Sequence[Alert], evidence: Evidence | None, *, again: bool
) -> list[Alert]:
    """Add to messages why they are there, and remember it.

    Parameters
    ----------
    series
        That was judged; its `reasons` are changed.
    results
        Of the window.
    said
        The messages that the window caused.
    evidence
        What the window's verdicts rest on.
    again
        The window is judged once more, since late events have changed it.

    Returns
    -------
    The messages, explained. A cause that does not drift in this window (since the message repeats what was said of an earlier one) gets the
    kind and the words that were found then.
    """
    before = series.reasons.runs_before if again else series.reasons.runs
    runs = continue_runs(before, results)
    drifting = {(r.column, r.statistic) for r in results if r.verdict is Verdict.DRIFT}
    told = {reason.key: reason for reason in series.reasons.told}
    explained: list[Alert] = []
    for event in said:
        causes = [_recalled(cause, told) if _key(cause) not in drifting else cause for cause in event.causes]
        event = explain(msgspec.structs.replace(event, causes=causes), evidence, runs)
        told = {_key(c): Reason(c.column, c.statistic, c.kind, c.description) for c in event.causes if c.kind}
        explained.append(event)
    series.reasons = ReasonMemory(runs, before, tuple(told.values()))
    return explained


def continue_runs(before: DriftRuns, results: Sequence[Result]) -> DriftRuns:
    """Take in the next window of a series.

    A window in which a check drifts begins its run or continues it, one in which it is stable ends it. One that cannot be judged
    (`insufficient`), or has no events, does neither. A check that knows itself when its drift began, such as the e-detector, is believed.

    Parameters
    ----------
    before
        Runs as they stood before the window.
    results
        All results of the window.

    Returns
    -------
    Runs as they stand now. A check that the window was not asked about is forgotten, unless the window had no events.
    """
    known = {(column, statistic): start for column, statistic, start in before}
    checks = [r for r in results if r.rule != "none"]
    if not checks:
        return before
    runs: dict[tuple[str, str], int] = {}
    for result in checks:
        key = result.column, result.statistic
        if result.verdict is Verdict.DRIFT:
            runs[key] = known.get(key, result.window_start_ms) if result.since_ms is None else result.since_ms
        elif result.verdict is Verdict.INSUFFICIENT and key in known:
            runs[key] = known[key]
    return tuple(sorted((column, statistic, start) for (column, statistic), start in runs.items()))


def _key(cause: AlertCause) -> tuple[str, str]:
    return cause.column, cause.statistic


def _recalled(cause: AlertCause, told: dict[tuple[str, str], Reason]) -> AlertCause:
    reason = told.get(_key(cause))
    return cause if reason is None else msgspec.structs.replace(cause, kind=reason.kind, description=reason.description)
