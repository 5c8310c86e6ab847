"""Alerts that the monitor raises about itself: lost events, a topic made anew, a bound that was met.

All incidents of a kind are one alert, which names each subject once with all that was lost of it. It resolves when there was none for an hour,
by the clocks of the ingest workers, or by hand.
"""

from __future__ import annotations

import msgspec

from stream_gov.contracts import (
    MONITOR_ITSELF,
    Alert,
    AlertCause,
    AlertChange,
    AlertCommandRecord,
    AlertSeverity,
    AlertStatus,
    IncidentKind,
    IncidentRecord,
    alert_event_id,
    alert_group_id,
    alert_id,
)
from stream_gov.detection.alert_attention import Attention, held_back, obey, snooze_is_over
from stream_gov.detection.alert_lifecycle import ended

__all__ = ["QUIET_MS", "Incidents", "incident_segment", "obey_incident_command", "settle_incidents", "take_incident"]

QUIET_MS = 3_600_000
"""So long without another incident, and the alert is over."""
SAY_AGAIN_MS = 600_000
"""An incident of a subject that was named before is told again after so long."""
MAX_SUBJECTS = 1_000
"""Subjects of one alert; what concerns further ones is added to `(other)`."""
_REMEMBERED_IDS = 256
_OTHER = "(other)"
_SEVERITY = {
    IncidentKind.DATA_LOSS: AlertSeverity.CRITICAL,
    IncidentKind.TOPIC_RECREATED: AlertSeverity.CRITICAL,
    IncidentKind.BOUND_HIT: AlertSeverity.WARNING,
}
_WORDS = {
    IncidentKind.DATA_LOSS: "events lost",
    IncidentKind.TOPIC_RECREATED: "topic made anew",
    IncidentKind.BOUND_HIT: "a bound was met",
}
_SHOWN = 5


class Incidents(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of the incidents of one kind."""

    alert: Alert | None = None
    """The open alert as it stands, with id and sequence of the last message told."""
    told_ms: int = 0
    """When the last message was told."""
    seen: tuple[str, ...] = ()
    """Ids of the newest incidents: one that is told twice counts once."""
    attention: Attention = Attention()


def incident_segment(record: IncidentRecord) -> str:
    """What stands for the segment in the alert: the kind, and the scope if there is one.

    Examples
    --------
    >>> incident_segment(IncidentRecord(IncidentKind.BOUND_HIT, "series_per_model", 3, "", "id", 0, scope="shop"))
    'bound_hit=shop'
    """
    return f"{record.kind.value}={record.scope}" if record.scope else record.kind.value


def take_incident(before: Incidents, record: IncidentRecord) -> tuple[Incidents, Alert | None]:
    """Take in an incident.

    Returns
    -------
    What is to be remembered, and the message to send, if there is one: when the alert opens, when a subject joins, and otherwise every ten
    minutes at most.
    """
    if record.incident_id in before.seen:
        return before, None
    seen = (*before.seen, record.incident_id)[-_REMEMBERED_IDS:]
    causes = {} if before.alert is None else {c.column: c for c in before.alert.causes}
    subject = record.subject if record.subject in causes or len(causes) < MAX_SUBJECTS else _OTHER
    is_new = subject not in causes
    known = causes.get(subject)
    causes[subject] = AlertCause(
        column=subject,
        statistic=record.kind.value,
        value=float(record.n) + (0.0 if known is None or known.value is None else known.value),
        rule="threshold",
        threshold=0.0,
        n_reference=0,
        n_window=0,
        detail=record.kind.value,
        description=record.detail,
        since_ms=record.at_ms if known is None else known.since_ms,
        severity=_SEVERITY[record.kind],
    )
    alert = _alert(before, record, sorted(causes.values(), key=lambda c: (-(c.value or 0.0), c.column)))
    standing = before.alert
    silent = standing is not None and (
        (not is_new and record.at_ms - before.told_ms < SAY_AGAIN_MS) or held_back(standing, alert, before.attention)
    )
    if standing is not None and silent:
        kept = msgspec.structs.replace(alert, id=standing.id, sequence=standing.sequence, change=standing.change)
        return Incidents(kept, before.told_ms, seen, before.attention), None
    return Incidents(alert, record.at_ms, seen, before.attention), alert


def _alert(before: Incidents, record: IncidentRecord, causes: list[AlertCause]) -> Alert:
    standing, kind = before.alert, record.kind
    opened_ms = record.at_ms if standing is None else standing.opened_window_start_ms
    place, segment = (MONITOR_ITSELF, MONITOR_ITSELF, ""), incident_segment(record)
    identity = alert_id(*place, segment, opened_ms, opened_ms) if standing is None else standing.alert_id
    sequence = 0 if standing is None else standing.sequence + 1
    attention = before.attention.of(standing)
    columns = [c.column for c in causes]
    named = ", ".join(columns[:_SHOWN]) + (f" and {len(columns) - _SHOWN} more" if len(columns) > _SHOWN else "")
    total = sum(c.value or 0.0 for c in causes)
    return Alert(
        id=alert_event_id(identity, sequence),
        alert_id=identity,
        sequence=sequence,
        change=AlertChange.OPENED if standing is None else AlertChange.UPDATED,
        status=AlertStatus.ACKNOWLEDGED if attention.acknowledged_by else AlertStatus.OPEN,
        monitor=MONITOR_ITSELF,
        model=MONITOR_ITSELF,
        version="",
        segment=segment,
        reference="",
        opened_window_start_ms=opened_ms,
        opened_window_end_ms=opened_ms,
        window_start_ms=opened_ms,
        window_end_ms=max(record.at_ms, opened_ms),
        n_windows=1 if standing is None else standing.n_windows + 1,
        causes=causes,
        columns=sorted(columns),
        message=f"{MONITOR_ITSELF}: {_WORDS[kind]} ({named}; {total:,.0f} in all): {record.detail}",
        severity=_SEVERITY[kind],
        group_id=alert_group_id(*place, opened_ms, opened_ms),
        acknowledged_by=attention.acknowledged_by,
        snoozed_until_ms=attention.snoozed_until_ms,
    )


def settle_incidents(before: Incidents, now_ms: int) -> tuple[Incidents, Alert | None]:
    """End the alert if there was no incident for an hour, or its snooze if that is over."""
    if before.alert is None:
        return before, None
    if now_ms - before.alert.window_end_ms >= QUIET_MS:
        kind = IncidentKind(before.alert.segment.partition("=")[0])
        return Incidents(seen=before.seen), ended(before.alert, f"{_WORDS[kind]}, but no more for an hour")
    over = snooze_is_over(before.alert, before.attention, now_ms)
    if over is None:
        return before, None
    attention, event = over
    return Incidents(event, now_ms, before.seen, attention), event


def obey_incident_command(before: Incidents, command: AlertCommandRecord) -> tuple[Incidents, Alert | None]:
    """Do what someone wants of the open alert; nothing if it was done before."""
    if before.alert is None:
        return before, None
    attention, event = obey(before.alert, before.attention, command)
    if event is None:
        return before, None
    if event.status is AlertStatus.RESOLVED:
        return Incidents(seen=before.seen, attention=attention), event
    return Incidents(event, before.told_ms, before.seen, attention), event
