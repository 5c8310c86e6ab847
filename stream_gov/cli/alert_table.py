"""Alerts as a table: one row for each alert, as its last change left it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import typer

from stream_gov.cli.output import for_people, print_table
from stream_gov.contracts import Alert, AlertStatus
from stream_gov.files.time_axis import moment

__all__ = ["ALERT_COLUMNS", "alert_rows", "newest_of_each", "print_alerts", "short_ids"]

ALERT_COLUMNS = ("opened", "until", "severity", "windows", "model", "columns", "why it opened")
_COLUMNS_NAMED = 8
_ID_SHOWN = 8


def newest_of_each(messages: Iterable[Alert]) -> list[tuple[Alert, Alert]]:
    """Opening (or the earliest message known) and last message of each alert, in the order in which they opened.

    Messages of one alert must come in the order of the topic: a replay may tell the alert once more, from its beginning.
    """
    first: dict[str, Alert] = {}
    last: dict[str, Alert] = {}
    for message in messages:
        last[message.alert_id] = message
        known = first.get(message.alert_id)
        if known is None or message.sequence <= known.sequence:
            first[message.alert_id] = message
    pairs = [(first[key], last[key]) for key in first]
    return sorted(
        pairs, key=lambda p: (p[1].opened_window_end_ms, p[1].model, p[1].version, p[1].segment, p[1].alert_id)
    )


def short_ids(ids: Collection[str]) -> dict[str, str]:
    """Beginnings of ids that tell them apart, all of one length.

    Examples
    --------
    >>> short_ids(["0123456789abcdef", "0123456700000000", "f" * 16])["f" * 16]
    'fffffffff'
    """
    longest = max((len(i) for i in ids), default=_ID_SHOWN)
    size = next((n for n in range(_ID_SHOWN, longest) if len({i[:n] for i in ids}) == len(set(ids))), longest)
    return {i: i[:size] for i in ids}


def alert_rows(messages: Iterable[Alert], *, ids: bool = False) -> list[tuple[str, ...]]:
    """Cells for a table, see `ALERT_COLUMNS`; with `ids` the beginning of its id leads."""
    rows: list[tuple[str, ...]] = []
    pairs = newest_of_each(messages)
    shown = short_ids([last.alert_id for _, last in pairs]) if ids else {}
    for first, last in pairs:
        where = last.model + (f" [{last.segment}]" if last.segment else "")
        over = last.status is AlertStatus.RESOLVED
        rows.append(
            (
                *([shown[last.alert_id]] if ids else []),
                moment(last.opened_window_end_ms),
                moment(last.window_end_ms) if over else _how_it_stands(last),
                last.severity.value,
                # A message comes when something changes, so an open alert may have drifted on since.
                str(last.n_windows) if over else f"{last.n_windows}+",
                where,
                _names(last.columns),
                first.message.partition(": ")[2] or first.message,
            )
        )
    return rows


def print_alerts(messages: Iterable[Alert], *, ids: bool = False) -> None:
    """Print the table to standard output, or say that there is nothing to print."""
    rows = alert_rows(messages, ids=ids)
    if not rows:
        if for_people():
            typer.echo("no alerts")
        return
    print_table((*(["alert"] if ids else []), *ALERT_COLUMNS), rows, right=("windows",))


def _how_it_stands(alert: Alert) -> str:
    words = ["still open"]
    if alert.acknowledged_by:
        words.append(f"acknowledged by {alert.acknowledged_by}")
    if alert.snoozed_until_ms is not None:
        words.append(f"snoozed until {moment(alert.snoozed_until_ms)}")
    return ", ".join(words)


def _names(columns: Sequence[str]) -> str:
    more = len(columns) - _COLUMNS_NAMED
    return (", ".join(columns[:_COLUMNS_NAMED]) or "(the model)") + (f" and {more} more" if more > 0 else "")
