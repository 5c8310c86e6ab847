"""`stream-gov alerts`: what is open, what was, and what happens now; and below it what people say of an alert."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream_gov.cli import alert_commands
from stream_gov.cli.command_inputs import find_broker, read_settings
from stream_gov.cli.groups import Command, examples, new_app
from stream_gov.cli.options import Bootstrap, StateDir
from stream_gov.cli.output import note
from stream_gov.contracts import Alert, ConfigurationError, StreamGovError

if TYPE_CHECKING:
    from stream_gov.settings import Settings

__all__ = ["AlertFilter", "alerts"]


class AlertFilter(StrEnum):
    """Which alerts to show, by how they stand."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"

    def takes(self, alert: Alert) -> bool:
        """Tell whether an alert stands like this; a snoozed one is open or acknowledged, too."""
        if self is AlertFilter.SNOOZED:
            return alert.snoozed_until_ms is not None
        return alert.status.value == self.value


alerts = new_app(
    help="""Show alerts, or say something of one.

    Without a command it shows one line for each alert, as its last change left it; with --follow every change. They come from the topic of
    alerts; where that holds none (the embedded broker forgets when it ends), or no broker is configured and none runs, from the store.
    Windows such as 8+ are those with drift when an open alert last changed; there may be more by now.
    """,
    epilog=examples(
        "stream-gov alerts --status open",
        "stream-gov alerts --follow --json | jq -r .message",
        'stream-gov alerts ack 3f9c1a --note "new price list"',
    ),
    stands_alone=True,
)
alerts.command(
    "ack",
    cls=Command,
    short_help="Say that you have taken an alert on.",
    epilog=examples('stream-gov alerts ack 3f9c1a --by anna --note "new price list"'),
)(alert_commands.acknowledge)
alerts.command(
    "snooze",
    cls=Command,
    short_help="Hear nothing of an alert for a while.",
    epilog=examples("stream-gov alerts snooze 3f9c1a --for 2h --by anna"),
)(alert_commands.snooze)
alerts.command(
    "unsnooze",
    cls=Command,
    short_help="End the snooze of an alert.",
    epilog=examples("stream-gov alerts unsnooze 3f9c1a"),
)(alert_commands.unsnooze)
alerts.command(
    "resolve",
    cls=Command,
    short_help="End an alert by hand.",
    epilog=examples('stream-gov alerts resolve 3f9c1a --by anna --note "retrained"'),
)(alert_commands.resolve)


@alerts.callback()
def show(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, and print each change as it comes.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, with the fields of the topic's messages.")
    ] = False,
    model: Annotated[str | None, typer.Option("--model", help="Only of this model.", show_default=False)] = None,
    status: Annotated[
        AlertFilter | None, typer.Option("--status", help="Only alerts that stand like this now.", show_default=False)
    ] = None,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """Show alerts."""
    if context.invoked_subcommand is not None:
        if follow or as_json or any(given is not None for given in (model, status, bootstrap, state_dir)):
            msg = f"flags before `{context.invoked_subcommand}` are those of the list of alerts; write them behind it"
            raise ConfigurationError(msg)
        return
    from stream_gov.cli.alert_table import newest_of_each, print_alerts

    settings = read_settings(bootstrap=bootstrap, state_dir=state_dir)
    broker = find_broker(settings)
    if follow:
        if broker is None:
            msg = "--follow needs a broker, and none is configured and none runs; start `stream-gov up`, or give --bootstrap HOST:PORT"
            raise ConfigurationError(msg)
        _follow(broker, as_json=as_json, model=model, status=status)
        return
    if broker is None:
        found = list(_from_store(settings, "no broker is configured and none runs"))
    else:
        found = list(_from_topic(broker))
        if not found:
            with contextlib.suppress(StreamGovError):  # where nothing keeps a store there is none to look into
                found = list(_from_store(settings, "no alert is on the topic"))
    messages = [m for m in found if model in (None, m.model)]
    chosen = [pair for pair in newest_of_each(messages) if status is None or status.takes(pair[1])]
    if as_json:
        for _, last in chosen:
            typer.echo(msgspec.json.encode(last))
    else:
        print_alerts((message for pair in chosen for message in pair), ids=True)


def _from_topic(settings: Settings) -> Iterator[Alert]:
    from stream_gov.cli.topic_reader import read_records

    for records in read_records(settings, ["alerts"]):
        yield from (r for r in records if isinstance(r, Alert))


def _from_store(settings: Settings, why: str) -> Iterator[Alert]:
    from stream_gov.sinks import Store

    store = Store(settings.store)
    try:
        for last in store.alerts():
            yield from store.alert_changes(last.alert_id)
        note(f"{why}; these are from the store")
    finally:
        store.close()


def _follow(settings: Settings, *, as_json: bool, model: str | None, status: AlertFilter | None) -> None:
    from stream_gov.cli.topic_reader import read_records
    from stream_gov.files.time_axis import moment

    for records in read_records(settings, ["alerts"], follow=True):
        for alert in records:
            if not isinstance(alert, Alert) or model not in (None, alert.model):
                continue
            if status is not None and not status.takes(alert):
                continue
            if as_json:
                typer.echo(msgspec.json.encode(alert))
            else:
                typer.echo(f"{moment(alert.window_end_ms)}  {alert.change.value:<12}  {alert.message}")
