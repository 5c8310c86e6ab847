"""The life of an alert: it opens, is updated while its columns change, and resolves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from stream_gov.contracts import (
    Alert,
    AlertCause,
    AlertChange,
    AlertPolicy,
    AlertStatus,
    Result,
    Verdict,
    alert_event_id,
    alert_id,
)

__all__ = ["AlertMemory", "advance", "revise", "weight"]

_NAMED_COLUMNS = 5


class AlertMemory(msgspec.Struct, frozen=True, array_like=True):
    """Where the alert of one series stands."""

    last: Alert | None = None
    """Last message of the open alert; None while none is open."""
    n_windows: int = 0
    """Windows with drift since it opened."""
    stable_run: int = 0
    """Stable windows in a row."""
    active: tuple[tuple[str, str], ...] = ()
    """Column and statistic of what drifted last."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an alert belongs, taken from any result of the window."""

    monitor: str
    model: str
    version: str
    segment: str
    reference: str
    window_start_ms: int
    window_end_ms: int


def weight(result: Result) -> float:
    """How far a result is beyond its rule: 1 at the edge, larger beyond; causes are listed by it.

    The distance over the threshold or the tolerance; where that is 0 (any distance is too much) or the rule is a p-value, the level over the
    p-value.
    """
    bound = result.threshold if result.rule == "threshold" else result.tolerance
    if result.rule == "sequential" and result.value is not None and result.threshold:
        # All in units of the tolerance, or of the evidence where any shift is too much.
        return max(
            result.distance / bound if bound and result.distance is not None else result.value / result.threshold, 1.0
        )
    if bound and result.distance is not None:
        return result.distance / bound
    if result.p_value is not None and result.level is not None:
        return result.level / max(result.p_value, 1e-300)
    return float("inf")


def _cause(result: Result, detail: str) -> AlertCause:
    return AlertCause(
        column=result.column,
        statistic=result.statistic,
        value=result.value,
        rule=result.rule,
        threshold=result.threshold,
        p_value=result.p_value,
        level=result.level,
        tolerance=result.tolerance,
        n_reference=result.n_reference,
        n_window=result.n_window,
        detail=detail,
    )


def _names(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:_NAMED_COLUMNS])
    more = len(columns) - _NAMED_COLUMNS
    return f"{shown} and {more} more" if more > 0 else shown


def _subject(cause: AlertCause) -> str:
    return cause.column or cause.detail or cause.statistic


def _message(
    change: AlertChange, place: _Place, causes: Sequence[AlertCause], columns: Sequence[str], n_windows: int
) -> str:
    where = place.model + (f" [{place.segment}]" if place.segment else "")
    if change is AlertChange.RESOLVED:
        windows = "1 window" if n_windows == 1 else f"{n_windows} windows"
        return f"{where}: back within tolerance after {windows} with drift ({_names(columns)})"
    subjects = list(dict.fromkeys(_subject(c) for c in causes))
    first = causes[0]
    value = "undefined" if first.value is None else f"{first.value:.4g}"
    if first.rule == "threshold":
        why = f"{first.statistic} {value} > {first.threshold:.4g}"
    elif first.rule == "sequential":
        why = f"a lasting shift beyond {first.tolerance:.4g}, evidence 10^{value} against 10^{first.threshold:.3g}"
    elif first.rule == "p_value":
        why = f"{first.statistic} {value}, p {first.p_value:.2g} < {first.level:.2g}"
    else:
        why = f"{first.statistic} {value}, beyond {first.tolerance:.4g} at level {first.level:.2g}"
    return f"{where}: drift in {_names(subjects)} ({why}; {first.n_window} events against {first.n_reference})"


def _event(place: _Place, change: AlertChange, before: AlertMemory, causes: list[AlertCause], n_windows: int) -> Alert:
    last = before.last
    opened_start = last.opened_window_start_ms if last is not None else place.window_start_ms
    opened_end = last.opened_window_end_ms if last is not None else place.window_end_ms
    identity = (
        last.alert_id
        if last is not None
        else alert_id(place.monitor, place.model, place.version, place.segment, opened_start, opened_end)
    )
    sequence = 0 if last is None else last.sequence + 1
    columns = sorted({*(last.columns if last is not None else ()), *(c.column for c in causes if c.column)})
    return Alert(
        id=alert_event_id(identity, sequence),
        alert_id=identity,
        sequence=sequence,
        change=change,
        status=AlertStatus.RESOLVED if change is AlertChange.RESOLVED else AlertStatus.OPEN,
        monitor=place.monitor,
        model=place.model,
        version=place.version,
        segment=place.segment,
        reference=place.reference,
        opened_window_start_ms=opened_start,
        opened_window_end_ms=opened_end,
        window_start_ms=place.window_start_ms,
        window_end_ms=place.window_end_ms,
        n_windows=n_windows,
        causes=causes,
        columns=columns,
        message=_message(change, place, causes, columns, n_windows),
    )


def _place_of(results: Sequence[Result]) -> _Place:
    r = results[0]
    return _Place(r.monitor, r.model, r.version, r.segment, r.reference, r.window_start_ms, r.window_end_ms)


def advance(
    before: AlertMemory, results: Sequence[Result], policy: AlertPolicy, details: dict[str, str] | None = None
) -> tuple[AlertMemory, Alert | None]:
    """Judge the next window of a series.

    Drift opens an alert, or updates it if other columns or statistics drift than before. The alert resolves after
    `policy.resolve_after` stable windows in a row. A window in which what drifted before cannot be judged (`insufficient`) neither
    continues the alert nor counts towards its end.

    Parameters
    ----------
    before
        Where the alert stood.
    results
        All results of the window, at least one.
    policy
        When it resolves.
    details
        Further words by statistic, such as the names of new columns.

    Returns
    -------
    Where it stands now, and the message to send, if there is one.
    """
    drifting = sorted(
        (r for r in results if r.verdict is Verdict.DRIFT), key=lambda r: (-weight(r), r.column, r.statistic)
    )
    place = _place_of(results)
    if drifting:
        active = tuple(sorted((r.column, r.statistic) for r in drifting))
        n_windows = before.n_windows + 1
        if before.last is not None and active == before.active:
            return AlertMemory(before.last, n_windows, 0, active), None
        causes = [_cause(r, (details or {}).get(r.statistic, "")) for r in drifting]
        change = AlertChange.OPENED if before.last is None else AlertChange.UPDATED
        event = _event(place, change, before, causes, n_windows)
        return AlertMemory(event, n_windows, 0, active), event
    if before.last is None:
        return AlertMemory(), None
    verdicts = {(r.column, r.statistic): r.verdict for r in results}
    judged_stable = any(v is Verdict.STABLE for v in verdicts.values()) and all(
        verdicts.get(cause, Verdict.STABLE) is Verdict.STABLE for cause in before.active
    )
    if not judged_stable:
        return AlertMemory(before.last, before.n_windows, before.stable_run, before.active), None
    stable_run = before.stable_run + 1
    if stable_run < policy.resolve_after:
        return AlertMemory(before.last, before.n_windows, stable_run, before.active), None
    return AlertMemory(), _event(place, AlertChange.RESOLVED, before, [], before.n_windows)


def revise(
    before: AlertMemory,
    said: Alert | None,
    results: Sequence[Result],
    policy: AlertPolicy,
    details: dict[str, str] | None = None,
) -> tuple[AlertMemory, Alert | None]:
    """Judge the newest window of a series once more, since late events have changed it.

    Parameters
    ----------
    before
        Where the alert stood before the window.
    said
        The message that was sent when the window was judged last; None if there was none.
    results, policy, details
        As for :func:`advance`.

    Returns
    -------
    Where it stands now, and the message that corrects what was said, if it needs correcting.
    """
    fresh, event = advance(before, results, policy, details)
    if said is None:
        return fresh, event
    if event is None and fresh.last is None:
        # This window opened the alert, and should not have.
        return AlertMemory(), _event(_place_of(results), AlertChange.RESOLVED, AlertMemory(said), [], 1)
    if event is None:
        # The alert was open before, is open still, and something else was said meanwhile: say where it stands.
        event = advance(msgspec.structs.replace(before, active=()), results, policy, details)[1] or fresh.last
        if event is None:
            return fresh, None
    if _content(event) == _content(said):
        return msgspec.structs.replace(fresh, last=said if fresh.last is not None else None), None
    change = AlertChange.UPDATED if event.change is AlertChange.OPENED else event.change
    sequence = said.sequence + 1
    event = msgspec.structs.replace(
        event, change=change, sequence=sequence, id=alert_event_id(event.alert_id, sequence)
    )
    return msgspec.structs.replace(fresh, last=event if fresh.last is not None else None), event


def _content(event: Alert) -> Alert:
    return msgspec.structs.replace(event, id="", sequence=0)
