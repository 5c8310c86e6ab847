"""The life of an alert: it opens, is updated while its causes or its severity change, and resolves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from stream_gov.contracts import (
    Alert,
    AlertCause,
    AlertChange,
    AlertPolicy,
    AlertSeverity,
    AlertStatus,
    Result,
    Verdict,
    alert_event_id,
    alert_group_id,
    alert_id,
)
from stream_gov.detection.alert_attention import Attention, held_back
from stream_gov.detection.alert_causes import CauseKey, OpenCause, follow_causes, multiple, weight
from stream_gov.detection.alert_words import drift_words, over_words

__all__ = ["AlertMemory", "advance", "closed", "ended", "revise", "upgraded"]

_NOBODY = Attention()


class AlertMemory(msgspec.Struct, frozen=True, array_like=True):
    """Where the alert of one series stands, as far as its windows tell; what people have said stands in `Attention`."""

    last: Alert | None = None
    """The open alert as it stands, with id and sequence of the last message told; None while none is open."""
    n_windows: int = 0
    """Windows with drift since it opened."""
    stable_run: int = 0
    """Of states that earlier releases wrote: see :func:`upgraded`."""
    active: tuple[CauseKey, ...] = ()
    """Of states that earlier releases wrote: see :func:`upgraded`."""
    causes: tuple[OpenCause, ...] = ()
    """What it is about now; empty while none is open."""
    recent: tuple[tuple[str, str, int], ...] = ()
    """What drifts now and then and has not joined, see `FollowedCauses`."""
    low_run: int = 0
    """Windows in a row in which its severity would have been lower."""
    low: AlertSeverity | None = None
    """The highest of those lower ones."""


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


def upgraded(memory: AlertMemory) -> AlertMemory:
    """Return a memory that an earlier release wrote as this one keeps it; any other as it is."""
    if memory.last is None or memory.causes:
        return memory
    last = memory.last
    group = alert_group_id(
        last.monitor, last.model, last.version, last.opened_window_start_ms, last.opened_window_end_ms
    )
    causes = tuple(OpenCause(column, statistic, memory.stable_run) for column, statistic in memory.active)
    return AlertMemory(msgspec.structs.replace(last, group_id=group), memory.n_windows, causes=causes)


def closed(memory: AlertMemory) -> AlertMemory:
    """Return what is left of an alert that was ended from outside: nothing of its causes, so that they must persist anew."""
    return AlertMemory(recent=memory.recent)


def _cause(result: Result, detail: str, policy: AlertPolicy) -> AlertCause:
    heavy = weight(result)
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
        weight=heavy if math.isfinite(heavy) else None,
        severity=policy.severity_of(multiple(result)),
    )


def _place_of(results: Sequence[Result]) -> _Place:
    r = results[0]
    return _Place(r.monitor, r.model, r.version, r.segment, r.reference, r.window_start_ms, r.window_end_ms)


@dataclass(frozen=True, slots=True)
class _Window:
    """One window that is judged, and all that is needed to say something of it."""

    results: Sequence[Result]
    policy: AlertPolicy
    details: Mapping[str, str]
    attention: Attention
    group_id: str

    def causes(self, memory: AlertMemory) -> list[AlertCause]:
        """Causes as they stand after this window, heaviest first; what it cannot judge as it was named last."""
        by_key = {(r.column, r.statistic): r for r in self.results}
        named = {} if memory.last is None else {(c.column, c.statistic): c for c in memory.last.causes}
        found: list[AlertCause] = []
        for cause in memory.causes:
            result = by_key.get(cause.key)
            if cause.key in named and (result is None or result.verdict is Verdict.INSUFFICIENT):
                found.append(named[cause.key])
            elif result is not None:
                found.append(_cause(result, self.details.get(result.statistic, ""), self.policy))
        return sorted(found, key=lambda c: (-math.inf if c.weight is None else -c.weight, c.column, c.statistic))

    def event(self, memory: AlertMemory, severity: AlertSeverity, *, over: bool = False) -> Alert:
        """Message of this window: the alert that `memory` (with its causes of now) leaves."""
        place, last = _place_of(self.results), memory.last
        opened_start = last.opened_window_start_ms if last is not None else place.window_start_ms
        opened_end = last.opened_window_end_ms if last is not None else place.window_end_ms
        of_place = (place.monitor, place.model, place.version)
        identity = last.alert_id if last is not None else alert_id(*of_place, place.segment, opened_start, opened_end)
        # A message of an earlier release names no group.
        group = (last.group_id if last is not None else self.group_id) or alert_group_id(
            *of_place, opened_start, opened_end
        )
        causes = [] if over else self.causes(memory)
        columns = sorted({*(last.columns if last is not None else ()), *(c.column for c in causes if c.column)})
        calm = {(r.column, r.statistic) for r in self.results if r.verdict is Verdict.STABLE}
        where = place.model + (f" [{place.segment}]" if place.segment else "")
        attention = self.attention if self.attention.alert_id == identity else _NOBODY
        status = AlertStatus.ACKNOWLEDGED if attention.acknowledged_by else AlertStatus.OPEN
        sequence = 0 if last is None else last.sequence + 1
        return Alert(
            id=alert_event_id(identity, sequence),
            alert_id=identity,
            sequence=sequence,
            change=AlertChange.RESOLVED if over else AlertChange.OPENED if last is None else AlertChange.UPDATED,
            status=AlertStatus.RESOLVED if over else status,
            monitor=place.monitor,
            model=place.model,
            version=place.version,
            segment=place.segment,
            reference=place.reference,
            opened_window_start_ms=opened_start,
            opened_window_end_ms=opened_end,
            window_start_ms=place.window_start_ms,
            window_end_ms=place.window_end_ms,
            n_windows=memory.n_windows,
            causes=causes,
            columns=columns,
            message=over_words(where, columns, memory.n_windows) if over else drift_words(where, causes, calm),
            severity=severity,
            group_id=group,
            acknowledged_by=attention.acknowledged_by,
            snoozed_until_ms=None if over else attention.snoozed_until_ms,
        )

    def judge(self, before: AlertMemory) -> tuple[AlertMemory, Alert | None]:
        """Take the window in; return where the alert stands, and what there is to say, snoozed or not."""
        followed = follow_causes(before.causes, before.recent, self.results, self.policy)
        if not followed.causes:
            after = AlertMemory(recent=followed.recent)
            if before.last is None:
                return after, None
            ending = AlertMemory(before.last, before.n_windows)
            return after, self.event(ending, before.last.severity, over=True)
        severity, low_run, low = _severity(before, followed.causes, self.policy, judged=followed.judged)
        after = AlertMemory(
            before.last,
            before.n_windows + followed.drifts,
            causes=followed.causes,
            recent=followed.recent,
            low_run=low_run,
            low=low,
        )
        if (
            before.last is not None
            and severity is before.last.severity
            and [c.key for c in followed.causes] == [c.key for c in before.causes]
        ):
            return after, None
        event = self.event(after, severity)
        return msgspec.structs.replace(after, last=event), event


def _severity(
    before: AlertMemory, causes: Sequence[OpenCause], policy: AlertPolicy, *, judged: bool
) -> tuple[AlertSeverity, int, AlertSeverity | None]:
    """Severity after a window, and how long it would have been lower.

    It rises at once. It falls after `policy.resolve_after` windows in a row that are lower by the hysteresis, to the highest of those.
    """
    now = max((policy.severity_of(c.multiple) for c in causes), key=lambda s: s.rank)
    if before.last is None or now.rank > before.last.severity.rank:
        return now, 0, None
    if not judged:
        return before.last.severity, before.low_run, before.low
    surely = max(
        (policy.severity_of(None if c.multiple is None else c.multiple / (1 - policy.hysteresis)) for c in causes),
        key=lambda s: s.rank,
    )
    if surely.rank >= before.last.severity.rank:
        return before.last.severity, 0, None
    low = surely if before.low is None or surely.rank > before.low.rank else before.low
    if before.low_run + 1 >= policy.resolve_after:
        return low, 0, None
    return before.last.severity, before.low_run + 1, low


def _or_hold(
    memory: AlertMemory, standing: Alert, event: Alert, attention: Attention
) -> tuple[AlertMemory, Alert | None]:
    """Tell an `updated`, or keep it for the end of the snooze."""
    if not held_back(standing, event, attention):
        return msgspec.structs.replace(memory, last=event), event
    kept = msgspec.structs.replace(event, id=standing.id, sequence=standing.sequence, change=standing.change)
    return msgspec.structs.replace(memory, last=kept), None


def advance(
    before: AlertMemory,
    results: Sequence[Result],
    policy: AlertPolicy,
    details: Mapping[str, str] | None = None,
    *,
    attention: Attention = _NOBODY,
    maintenance: bool = False,
    group_id: str = "",
) -> tuple[AlertMemory, Alert | None]:
    """Judge the next window of a series.

    Drift that persists opens an alert. The alert is updated if its causes are other ones than before, or its severity. It resolves when
    its last cause has left. A window in which a cause cannot be judged (`insufficient`) neither continues it nor counts towards its end.

    Parameters
    ----------
    before
        Where the alert stood.
    results
        All results of the window, at least one.
    policy
        When it opens and resolves, and how serious it is.
    details
        Further words by statistic, such as the names of new columns.
    attention
        What people have said of the alert: while it is snoozed, updates are kept to themselves.
    maintenance
        The window overlaps a maintenance: it changes nothing.
    group_id
        Group of an alert that opens; without one that of its own window.

    Returns
    -------
    Where it stands now, and the message to send, if there is one.
    """
    if maintenance:
        return before, None
    after, event = _Window(results, policy, details or {}, attention, group_id).judge(before)
    if event is None or before.last is None or event.change is not AlertChange.UPDATED:
        return after, event
    return _or_hold(after, before.last, event, attention)


def revise(
    before: AlertMemory,
    standing: Alert | None,
    results: Sequence[Result],
    policy: AlertPolicy,
    details: Mapping[str, str] | None = None,
    *,
    attention: Attention = _NOBODY,
    maintenance: bool = False,
    group_id: str = "",
) -> tuple[AlertMemory, Alert | None]:
    """Judge the newest window of a series once more, since late events have changed it.

    The outcome is that of judging it for the first time as it is now; only the messages continue from what was told.

    Parameters
    ----------
    before
        Where the alert stood before the window.
    standing
        The alert as it stands since the window was judged last, or its last message if that has resolved it meanwhile; None if none was
        open before and none has opened.
    results, policy, details, attention, maintenance, group_id
        As for :func:`advance`.

    Returns
    -------
    Where it stands now, and the message that corrects what was said, if it needs correcting.
    """
    # In maintenance the window says nothing of the causes; they stay as they were named.
    window = _Window(results[:1] if maintenance else results, policy, details or {}, attention, group_id)
    fresh, event = (before, None) if maintenance else window.judge(before)
    if fresh.last is not None and attention.resolved and attention.alert_id == fresh.last.alert_id:
        fresh, event = closed(fresh), None
    if fresh.last is None:
        if standing is None or standing.status is AlertStatus.RESOLVED:
            return fresh, None
        if event is None:
            # This window opened the alert, and should not have.
            event = window.event(AlertMemory(standing, standing.n_windows), standing.severity, over=True)
        return fresh, _next(event, standing, AlertChange.RESOLVED)
    if standing is None:
        return fresh, event
    reopened = standing.status is AlertStatus.RESOLVED
    if event is None and not reopened and standing.window_end_ms != results[0].window_end_ms:
        # Nothing was said of this window and nothing is to be: that its numbers are others now is no news.
        return msgspec.structs.replace(fresh, last=standing), None
    if event is None:
        event = window.event(fresh, fresh.last.severity)
    event = _next(event, standing, AlertChange.UPDATED)
    if reopened:
        return msgspec.structs.replace(fresh, last=event), event
    if _content(event) == _content(standing):
        return msgspec.structs.replace(fresh, last=standing), None
    return _or_hold(fresh, standing, event, attention)


def ended(standing: Alert, why: str) -> Alert:
    """Return the message that ends an alert for another reason than its windows, such as a monitor that was taken away.

    Parameters
    ----------
    standing
        The alert as it stands.
    why
        Follows the name of the model in the sentence for people.
    """
    where = standing.model + (f" [{standing.segment}]" if standing.segment else "")
    event = msgspec.structs.replace(
        standing,
        status=AlertStatus.RESOLVED,
        causes=[],
        message=f"{where}: {why}",
        by="",
        note="",
        at_ms=None,
        command_id="",
        snoozed_until_ms=None,
    )
    return _next(event, standing, AlertChange.RESOLVED)


def _next(event: Alert, standing: Alert, change: AlertChange) -> Alert:
    """Let a message follow the last one of the same alert."""
    sequence = standing.sequence + 1
    return msgspec.structs.replace(
        event,
        id=alert_event_id(standing.alert_id, sequence),
        alert_id=standing.alert_id,
        sequence=sequence,
        change=change,
        group_id=standing.group_id or event.group_id,
    )


def _content(event: Alert) -> Alert:
    return msgspec.structs.replace(
        event, id="", sequence=0, change=AlertChange.UPDATED, message="", by="", note="", at_ms=None, command_id=""
    )
