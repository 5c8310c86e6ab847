"""`stream-gov alerts`: what is open, what was, and what happens now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from stream_gov.cli.command_inputs import find_broker, read_settings
from stream_gov.cli.options import Bootstrap, StateDir
from stream_gov.cli.output import note
from stream_gov.contracts import Alert, AlertStatus, ConfigurationError, StreamGovError

if TYPE_CHECKING:
    from stream_gov.settings import Settings

__all__ = ["alerts"]


def alerts(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, and print each change as it comes.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line, with the fields of the topic's messages.")
    ] = False,
    model: Annotated[str | None, typer.Option("--model", help="Only of this model.", show_default=False)] = None,
    status: Annotated[
        AlertStatus | None, typer.Option("--status", help="Only alerts that stand like this now.", show_default=False)
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="ID",
            help="Say of one alert why it is there: what happened to each column, before and after. ID may be its first digits, 6 or more.",
            show_default=False,
        ),
    ] = None,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """Show alerts: one line for each, as its last change left it; with --follow every change.

    They come from the topic of alerts; where that holds none (the embedded broker forgets when it ends), or no broker is configured
    and none runs, from the store. Windows such as 8+ are those with drift when an open alert last changed; there may be more by now.
    """
    from stream_gov.cli.alert_explain import print_explanation
    from stream_gov.cli.alert_table import newest_of_each, print_alerts

    settings = read_settings(bootstrap=bootstrap, state_dir=state_dir)
    broker = find_broker(settings)
    if follow and explain is not None:
        msg = "--explain tells of one alert as it is now, and --follow of what comes; give one of them"
        raise ConfigurationError(msg)
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
    if explain is not None:
        print_explanation(found, explain, as_json=as_json)
        return
    messages = [m for m in found if model in (None, m.model)]
    chosen = [pair for pair in newest_of_each(messages) if status in (None, pair[1].status)]
    if as_json:
        for _, last in chosen:
            typer.echo(msgspec.json.encode(last))
    else:
        print_alerts(message for pair in chosen for message in pair)


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


def _follow(settings: Settings, *, as_json: bool, model: str | None, status: AlertStatus | None) -> None:
    from stream_gov.cli.topic_reader import read_records
    from stream_gov.files.time_axis import moment

    for records in read_records(settings, ["alerts"], follow=True):
        for alert in records:
            if not isinstance(alert, Alert) or model not in (None, alert.model) or status not in (None, alert.status):
                continue
            if as_json:
                typer.echo(msgspec.json.encode(alert))
            else:
                typer.echo(f"{moment(alert.window_end_ms)}  {alert.change.value:<8}  {alert.message}")
