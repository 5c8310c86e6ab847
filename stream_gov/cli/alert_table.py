"""Alerts as a table: one row for each alert, as its last change left it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer

from stream_gov.cli.output import for_people, print_table
from stream_gov.contracts import Alert, AlertStatus
from stream_gov.files.time_axis import moment

__all__ = ["ALERT_COLUMNS", "alert_rows", "newest_of_each", "print_alerts"]

ALERT_COLUMNS = ("opened", "until", "windows", "model", "columns", "why it opened")
_COLUMNS_NAMED = 8


def newest_of_each(messages: Iterable[Alert]) -> list[tuple[Alert, Alert]]:
    """Opening (or the earliest message known) and last message of each alert, in the order in which they opened."""
    first: dict[str, Alert] = {}
    last: dict[str, Alert] = {}
    for message in messages:
        known = last.get(message.alert_id)
        if known is None or message.sequence >= known.sequence:
            last[message.alert_id] = message
        known = first.get(message.alert_id)
        if known is None or message.sequence < known.sequence:
            first[message.alert_id] = message
    pairs = [(first[key], last[key]) for key in first]
    return sorted(
        pairs, key=lambda p: (p[1].opened_window_end_ms, p[1].model, p[1].version, p[1].segment, p[1].alert_id)
    )


def alert_rows(messages: Iterable[Alert]) -> list[tuple[str, ...]]:
    """Cells for a table, see `ALERT_COLUMNS`."""
    rows: list[tuple[str, ...]] = []
    for first, last in newest_of_each(messages):
        where = last.model + (f" [{last.segment}]" if last.segment else "")
        rows.append(
            (
                moment(last.opened_window_end_ms),
                "still open" if last.status is AlertStatus.OPEN else moment(last.window_end_ms),
                # A message comes when something changes, so an open alert may have drifted on since.
                f"{last.n_windows}+" if last.status is AlertStatus.OPEN else str(last.n_windows),
                where,
                _names(last.columns),
                first.message.partition(": ")[2] or first.message,
            )
        )
    return rows


def print_alerts(messages: Iterable[Alert]) -> None:
    """Print the table to standard output, or say that there is nothing to print."""
    rows = alert_rows(messages)
    if not rows:
        if for_people():
            typer.echo("no alerts")
        return
    print_table(ALERT_COLUMNS, rows, right=("windows",))


def _names(columns: Sequence[str]) -> str:
    more = len(columns) - _COLUMNS_NAMED
    return (", ".join(columns[:_COLUMNS_NAMED]) or "(the model)") + (f" and {more} more" if more > 0 else "")
