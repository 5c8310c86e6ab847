"""`stream-gov alerts show ID`: one alert, and why it is there, column by column, before and after."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
import typer

from stream_gov.cli.alert_commands import AlertId, choose_alert, id_digits
from stream_gov.cli.command_inputs import read_settings
from stream_gov.cli.options import Bootstrap, StateDir
from stream_gov.contracts import Alert

__all__ = ["show_alert"]


def show_alert(
    alert: AlertId,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every message of the alert, one JSON object a line.")
    ] = False,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """Say of one alert why it is there: what happened to each column, before and after, and since when.

    Each column is told as it was in the window that named it first. Bars are the shares of values, of the reference and of that window.
    """
    from stream_gov.cli.alert_explanation import print_explanation
    from stream_gov.cli.alerts_command import messages_about

    digits = id_digits(alert)
    found = messages_about(read_settings(bootstrap=bootstrap, state_dir=state_dir), digits)
    chosen = choose_alert(found, digits)
    messages = _life(m for m in found if m.alert_id == chosen.alert_id)
    if as_json:
        for message in messages:
            typer.echo(msgspec.json.encode(message))
    else:
        print_explanation(messages)


def _life(messages: Iterable[Alert]) -> list[Alert]:
    """Messages of one alert from its opening; a replay may have told it once more, from its beginning."""
    life: list[Alert] = []
    for message in messages:
        life = [*(m for m in life if m.sequence < message.sequence), message]
    return life
