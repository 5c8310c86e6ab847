"""What people have said of an alert: acknowledged, snoozed, resolved by hand. It stands beside what its windows say of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec

from stream_gov.contracts import (
    Alert,
    AlertAction,
    AlertChange,
    AlertCommandRecord,
    AlertSeverity,
    AlertStatus,
    alert_event_id,
)

__all__ = ["MAX_COMMANDS_KNOWN", "Attention", "held_back", "obey", "snooze_is_over", "where"]

MAX_COMMANDS_KNOWN = 32
"""Commands of one alert whose ids are remembered: one that is sent again after so many others has its effect again."""

_CHANGES: Mapping[AlertAction, AlertChange] = MappingProxyType(
    {
        AlertAction.ACKNOWLEDGE: AlertChange.ACKNOWLEDGED,
        AlertAction.SNOOZE: AlertChange.SNOOZED,
        AlertAction.UNSNOOZE: AlertChange.UNSNOOZED,
        AlertAction.RESOLVE: AlertChange.RESOLVED,
    }
)


class Attention(msgspec.Struct, frozen=True, array_like=True):
    """What people have said of one alert."""

    alert_id: str = ""
    acknowledged_by: str = ""
    snoozed_until_ms: int | None = None
    snoozed_severity: AlertSeverity = AlertSeverity.WARNING
    """That of the alert when it was snoozed: only a higher one is told meanwhile."""
    resolved: bool = False
    """By hand; no revision of the window at hand opens it again."""
    commands: tuple[str, ...] = ()
    """Ids of the newest commands, which have had their effect."""

    def of(self, alert: Alert | None) -> Attention:
        """Return this if it is of the alert, else that nobody has said anything."""
        if alert is None:
            return Attention()
        return self if self.alert_id == alert.alert_id else Attention(alert.alert_id)


def where(alert: Alert) -> str:
    """Model and segment, as messages name them."""
    return alert.model + (f" [{alert.segment}]" if alert.segment else "")


def obey(alert: Alert, attention: Attention, command: AlertCommandRecord) -> tuple[Attention, Alert | None]:
    """Do what someone wants of an open alert.

    Parameters
    ----------
    alert
        As it stands.
    attention
        What was said of it before.
    command
        What is wanted.

    Returns
    -------
    What has been said now, and the message that tells it; None if the command was obeyed before, or there is nothing to end (`unsnooze`
    of an alert that is not snoozed).
    """
    attention = attention.of(alert)
    if command.command_id in attention.commands:
        return attention, None
    if command.action is AlertAction.UNSNOOZE and attention.snoozed_until_ms is None:
        return attention, None
    commands = (*attention.commands, command.command_id)[-MAX_COMMANDS_KNOWN:]
    match command.action:
        case AlertAction.ACKNOWLEDGE:
            attention = msgspec.structs.replace(attention, acknowledged_by=command.by, commands=commands)
            words = f"acknowledged by {command.by}"
        case AlertAction.SNOOZE:
            attention = msgspec.structs.replace(
                attention, snoozed_until_ms=command.until_ms, snoozed_severity=alert.severity, commands=commands
            )
            words = f"snoozed until {_moment(command.until_ms)} by {command.by}"
        case AlertAction.UNSNOOZE:
            attention = msgspec.structs.replace(attention, snoozed_until_ms=None, commands=commands)
            words = f"no longer snoozed, by {command.by}"
        case AlertAction.RESOLVE:
            attention = msgspec.structs.replace(attention, resolved=True, commands=commands)
            words = f"resolved by {command.by}"
    note = f": {command.note}" if command.note else ""
    return attention, _told(alert, attention, _CHANGES[command.action], f"{where(alert)}: {words}{note}", command)


def snooze_is_over(alert: Alert | None, attention: Attention, now_ms: int) -> tuple[Attention, Alert] | None:
    """End a snooze whose time has passed; None while there is nothing to end.

    Parameters
    ----------
    alert
        As it stands; None while none is open.
    attention
        What people have said.
    now_ms
        Event time.

    Returns
    -------
    What counts as said from now on, and the message that tells it.
    """
    until_ms = attention.of(alert).snoozed_until_ms
    if alert is None or until_ms is None or now_ms < until_ms:
        return None
    attention = msgspec.structs.replace(attention, snoozed_until_ms=None)
    named = ", ".join(dict.fromkeys(c.column or c.detail or c.statistic for c in alert.causes))
    words = f"{where(alert)}: the snooze is over and the drift is not ({named})"
    return attention, _told(alert, attention, AlertChange.UNSNOOZED, words, None)


def held_back(alert: Alert, event: Alert, attention: Attention) -> bool:
    """Tell whether an `updated` is not to be told, since the alert is snoozed.

    Parameters
    ----------
    alert
        As it stood before.
    event
        What would be told. A severity above that of the snooze, and above what stood before, is told at once.
    attention
        What people have said.
    """
    if attention.of(alert).snoozed_until_ms is None:
        return False
    return event.severity.rank <= max(attention.snoozed_severity.rank, alert.severity.rank)


def _told(
    alert: Alert, attention: Attention, change: AlertChange, message: str, command: AlertCommandRecord | None
) -> Alert:
    sequence = alert.sequence + 1
    over = change is AlertChange.RESOLVED
    status = AlertStatus.ACKNOWLEDGED if attention.acknowledged_by else AlertStatus.OPEN
    return msgspec.structs.replace(
        alert,
        id=alert_event_id(alert.alert_id, sequence),
        sequence=sequence,
        change=change,
        status=AlertStatus.RESOLVED if over else status,
        causes=[] if over else alert.causes,
        message=message,
        by=command.by if command is not None else "",
        note=command.note if command is not None else "",
        at_ms=command.at_ms if command is not None else None,
        command_id=command.command_id if command is not None else "",
        acknowledged_by=attention.acknowledged_by,
        snoozed_until_ms=None if over else attention.snoozed_until_ms,
    )


def _moment(time_ms: int) -> str:
    try:
        return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):  # beyond the year 9999
        return f"{time_ms} ms"
