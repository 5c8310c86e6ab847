"""`stream-gov alerts ack|snooze|unsnooze|resolve`: what someone says of an alert, and the detector's answer."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream_gov.cli.command_inputs import read_settings, with_broker
from stream_gov.cli.options import Bootstrap, StateDir
from stream_gov.contracts import (
    Alert,
    AlertAction,
    AlertCommandRecord,
    AlertStatus,
    ConfigurationError,
    DataError,
    StreamGovError,
    UnavailableError,
    parse_duration,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream_gov.settings import Settings

__all__ = ["LEAST_ID", "acknowledge", "choose_alert", "resolve", "snooze", "unsnooze"]

LEAST_ID = 6
"""Digits of an id that a command takes at the least."""
_ID = re.compile(r"[0-9a-f]{1,32}")
_NAMED_AT_MOST = 5

AlertId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help=f"Id of the alert as `stream-gov alerts` shows it: its first digits, at least {LEAST_ID}.",
        show_default=False,
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by", metavar="NAME", help="Who says so. Default: the name you are logged in by.", show_default=False
    ),
]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="A word to others.", show_default=False)]
AsJsonLine = Annotated[bool, typer.Option("--json", help="Print the message as JSON.")]
Timeout = Annotated[
    str, typer.Option("--timeout", metavar="DURATION", help="How long to wait for the detector's answer.")
]


def acknowledge(
    alert: AlertId,
    by: By = None,
    note: Note = "",
    timeout: Timeout = "20s",
    as_json: AsJsonLine = False,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """Say that you have taken an alert on.

    It stays open, as `acknowledged`, and goes on to be updated. The detector answers on the topic of alerts; its message is printed.
    """
    _give(AlertAction.ACKNOWLEDGE, alert, by, note, timeout, as_json, bootstrap, state_dir)


def snooze(
    alert: AlertId,
    lasts: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long, such as 30m, 2h or 1d.", show_default=False)
    ],
    by: By = None,
    note: Note = "",
    timeout: Timeout = "20s",
    as_json: AsJsonLine = False,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """Hear nothing of an alert for a while, unless it gets more serious or resolves.

    It counts from now, by the clock of this machine, and is over when the event time of the model has passed it: then one message says how
    the alert stands, if the drift is still on. A second snooze replaces the first.
    """
    length_ms = _duration(lasts, "--for")
    _give(AlertAction.SNOOZE, alert, by, note, timeout, as_json, bootstrap, state_dir, length_ms=length_ms)


def unsnooze(
    alert: AlertId,
    by: By = None,
    note: Note = "",
    timeout: Timeout = "20s",
    as_json: AsJsonLine = False,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """End the snooze of an alert."""
    _give(AlertAction.UNSNOOZE, alert, by, note, timeout, as_json, bootstrap, state_dir)


def resolve(
    alert: AlertId,
    by: By = None,
    note: Note = "",
    timeout: Timeout = "20s",
    as_json: AsJsonLine = False,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """End an alert by hand.

    If drift goes on, a new alert opens as soon as it has persisted anew (`alerts.open_after` in the monitor): by default with the next
    window that drifts. To hear nothing while it is being mended, snooze the alert, or write a maintenance into the monitor.
    """
    _give(AlertAction.RESOLVE, alert, by, note, timeout, as_json, bootstrap, state_dir)


def _duration(text: str, flag: str) -> int:
    try:
        length_ms = parse_duration(text)
    except ValueError as err:
        msg = f"{flag}: {err}"
        raise ConfigurationError(msg) from err
    if length_ms <= 0:
        msg = f"{flag}: {text} is no time at all; give a duration such as 2h"
        raise ConfigurationError(msg)
    return length_ms


def _who(by: str | None) -> str:
    if by is None:
        import getpass

        with contextlib.suppress(OSError, KeyError, ImportError):
            by = getpass.getuser()
    if not by or not by.strip():
        msg = "who says so? give --by NAME"
        raise ConfigurationError(msg)
    return by.strip()


def _give(
    action: AlertAction,
    alert: str,
    by: str | None,
    note: str,
    timeout: str,
    as_json: bool,
    bootstrap: str | None,
    state_dir: object,
    *,
    length_ms: int = 0,
) -> None:
    digits, who, timeout_s = _digits(alert), _who(by), _duration(timeout, "--timeout") / 1_000
    settings = with_broker(read_settings(bootstrap=bootstrap, state_dir=state_dir))
    answer = _ask(settings, action, digits, who, note, timeout_s, length_ms)
    typer.echo(msgspec.json.encode(answer) if as_json else answer.message)


def _ask(
    settings: Settings, action: AlertAction, digits: str, by: str, note: str, timeout_s: float, length_ms: int
) -> Alert:
    """Find the alert on the topic, send the command, and wait for the message it causes."""
    import uuid
    from threading import Event

    from stream_gov.cli.topic_reader import read_records
    from stream_gov.runtime.alert_commands import send_alert_command

    caught_up = Event()
    newest: dict[str, Alert] = {}
    command: AlertCommandRecord | None = None
    place, deadline = (0, 0), 0.0
    for records in read_records(settings, ["alerts"], follow=True, caught_up=caught_up):
        for record in records:
            if isinstance(record, Alert):
                newest[record.alert_id] = record
                if command is not None and record.command_id == command.command_id:
                    return record
        if command is None and caught_up.is_set():
            chosen = choose_alert(_with_those_of_the_store(settings, newest, digits), digits)
            _refuse_the_pointless(chosen, action)
            now_ms = time.time_ns() // 1_000_000
            command = AlertCommandRecord(
                model=chosen.model,
                alert_id=chosen.alert_id,
                command_id=uuid.uuid4().hex,
                action=action,
                by=by,
                note=note,
                at_ms=now_ms,
                until_ms=now_ms + length_ms if length_ms else 0,
            )
            place = send_alert_command(settings, command)
            deadline = time.monotonic() + timeout_s
        elif command is not None and time.monotonic() > deadline:
            raise _no_answer(settings, command, newest, place, timeout_s)
    msg = "the topic of alerts came to an end"  # it is followed, so it has none
    raise UnavailableError(msg)


def _with_those_of_the_store(settings: Settings, newest: dict[str, Alert], digits: str) -> list[Alert]:
    """Add alerts that the topic has forgotten, if none of those it holds is meant: one may be open for longer than messages are kept."""
    found = list(newest.values())
    if any(a.alert_id.startswith(digits) for a in found):
        return found
    from stream_gov.sinks import Store

    with contextlib.suppress(StreamGovError):  # where nothing keeps a store there is none to look into
        store = Store(settings.store)
        try:
            found += [a for a in store.alerts() if a.alert_id not in newest]
        finally:
            store.close()
    return found


def _digits(wanted: str) -> str:
    """Return the beginning of an id as ids are written; a ConfigurationError if it is none."""
    digits = wanted.lower()
    if not _ID.fullmatch(digits):
        msg = f"{wanted!r} is no id of an alert; ids have 32 hexadecimal digits, and `stream-gov alerts` shows their beginnings"
        raise ConfigurationError(msg)
    if len(digits) < LEAST_ID:
        msg = f"{wanted} is too short for an id; give at least {LEAST_ID} of the digits that `stream-gov alerts` shows"
        raise ConfigurationError(msg)
    return digits


def choose_alert(alerts: Iterable[Alert], digits: str) -> Alert:
    """Return the one alert whose id begins with these digits.

    Raises
    ------
    DataError
        No alert has such an id, or more than one.
    """
    from stream_gov.cli.alert_table import short_ids

    found = {a.alert_id: a for a in alerts if a.alert_id.startswith(digits)}
    if not found:
        msg = f"no alert has an id that begins with {digits}; `stream-gov alerts` shows those there are"
        raise DataError(msg)
    if len(found) > 1:
        named = [
            f"{short} ({found[full].model}{', ' + found[full].segment if found[full].segment else ''})"
            for full, short in sorted(short_ids(found).items())
        ]
        more = f" and {len(named) - _NAMED_AT_MOST} more" if len(named) > _NAMED_AT_MOST else ""
        msg = f"{len(named)} alerts have ids that begin with {digits}: {', '.join(named[:_NAMED_AT_MOST])}{more}; give more digits"
        raise DataError(msg)
    return next(iter(found.values()))


def _refuse_the_pointless(alert: Alert, action: AlertAction) -> None:
    if alert.status is AlertStatus.RESOLVED:
        how = f"by {alert.by}" if alert.by else "since its drift is over"
        msg = f"the alert {alert.alert_id} of {alert.model} is resolved already ({how}); there is nothing left to say of it"
        raise DataError(msg)
    if action is AlertAction.UNSNOOZE and alert.snoozed_until_ms is None:
        msg = f"the alert {alert.alert_id} of {alert.model} is not snoozed"
        raise DataError(msg)


def _no_answer(
    settings: Settings, command: AlertCommandRecord, newest: dict[str, Alert], place: tuple[int, int], timeout_s: float
) -> StreamGovError:
    """Say why nothing came."""
    from stream_gov.runtime.alert_commands import detector_lag

    alert = newest.get(command.alert_id)
    if alert is not None and alert.status is AlertStatus.RESOLVED:
        return DataError(f"the alert {command.alert_id} was resolved before the command came: {alert.message}")
    lag = detector_lag(settings, *place)
    if lag:
        return UnavailableError(
            f"no answer after {timeout_s:g} s: the detector has still {lag} summary records to take in before the command is done; start "
            "`stream-gov detect` if it does not run. The command is on its way and takes effect then: look with `stream-gov alerts`"
        )
    return DataError(
        f"no answer, though the detector has taken the command in: it knows no open alert {command.alert_id} (its state was begun anew or a "
        "replay has taken the alert back), or it is of a release that knows no commands; then upgrade `stream-gov detect`"
    )
