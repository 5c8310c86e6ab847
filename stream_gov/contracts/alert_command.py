"""What people say of an alert, on its way to the detector: a record on the topic of summaries, in the partition of the alert's model."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["AlertAction", "AlertCommandRecord"]


class AlertAction(StrEnum):
    """What someone wants of an alert."""

    ACKNOWLEDGE = "acknowledge"
    SNOOZE = "snooze"
    UNSNOOZE = "unsnooze"
    RESOLVE = "resolve"


class AlertCommandRecord(msgspec.Struct, frozen=True, array_like=True, tag="alert_command"):
    """One command of a person.

    It comes from no cut of source offsets; `command_id` is what tells a record that was sent twice. The detector has no clock, so the
    record carries the time.
    """

    model: str
    alert_id: str
    command_id: str
    """New for each command."""
    action: AlertAction
    by: str
    """Who gives it."""
    note: str
    at_ms: int
    """When, by the clock of their machine, epoch milliseconds."""
    until_ms: int = 0
    """Of `snooze`: event time at which it is over, epoch milliseconds."""
