"""`stream-gov alerts --explain ID`: one alert, and why it is there, column by column, before and after."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec
import typer

from stream_gov.cli.output import for_people, print_table
from stream_gov.contracts import Alert, AlertStatus, ConfigurationError, DataError, Histogram
from stream_gov.diagnosis import number_words, share_words
from stream_gov.files.alert_causes import ColumnReason, column_reasons, fact_rows
from stream_gov.files.time_axis import moment

__all__ = ["LEAST_DIGITS", "print_explanation"]

LEAST_DIGITS = 6
"""Digits of an id that are needed at the least."""
_BAR = 24
"""Characters of the longest bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


def print_explanation(messages: Iterable[Alert], digits: str, *, as_json: bool = False) -> None:
    """Print one alert and why it is there.

    Parameters
    ----------
    messages
        Of every alert that is known.
    digits
        The id of the alert, or how it begins.
    as_json
        Print its messages instead, one JSON object a line.

    Raises
    ------
    ConfigurationError
        The digits are no beginning of an id.
    DataError
        No alert has such an id, or several have.
    """
    chosen = _messages_of(messages, digits)
    if as_json:
        for message in chosen:
            typer.echo(msgspec.json.encode(message))
        return
    for line in _heading(chosen):
        typer.echo(line)
    for reason in column_reasons(chosen):
        typer.echo("")
        _print_reason(reason)


def _messages_of(messages: Iterable[Alert], digits: str) -> list[Alert]:
    wanted = digits.lower()
    if not re.fullmatch("[0-9a-f]{1,32}", wanted) or len(wanted) < LEAST_DIGITS:
        msg = f"{digits!r} is no id of an alert; give its first digits, at least {LEAST_DIGITS} of 32 (`stream-gov alerts --json` shows them)"
        raise ConfigurationError(msg)
    found: dict[str, list[Alert]] = {}
    for message in messages:
        if message.alert_id.startswith(wanted):
            found.setdefault(message.alert_id, []).append(message)
    if not found:
        msg = f"no alert has an id that begins with {wanted}; `stream-gov alerts --json` shows those there are"
        raise DataError(msg)
    if len(found) > 1:
        msg = f"{len(found)} alerts have ids that begin with {wanted}: {', '.join(sorted(found)[:5])}; give more digits"
        raise DataError(msg)
    (of_alert,) = found.values()
    return sorted({m.sequence: m for m in of_alert}.values(), key=lambda m: m.sequence)


def _heading(messages: Sequence[Alert]) -> Iterable[str]:
    first, last = messages[0], messages[-1]
    where = (
        last.model
        + (f" [{last.segment}]" if last.segment else "")
        + (f" version {last.version}" if last.version else "")
    )
    until = f"until {moment(last.window_end_ms)}" if last.status is AlertStatus.RESOLVED else "still open"
    windows = "1 window" if last.n_windows == 1 else f"{last.n_windows} windows"
    yield _strong(f"alert {last.alert_id}")
    yield f"{where}, {moment(last.opened_window_end_ms)} {until}, drift in {windows}{'' if last.status is AlertStatus.RESOLVED else ' or more'}"
    yield f"compared with {last.reference}, by monitor {last.monitor}"
    yield first.message


def _print_reason(reason: ColumnReason) -> None:
    words = "; ".join(reason.descriptions) or "no more is known"
    typer.echo(f"{_strong(reason.column or 'the model')}: {words}")
    times = [f"since {moment(reason.since_ms)}"] if reason.since_ms is not None else []
    if reason.change_ms is not None:
        times.append(f"it begins at {moment(reason.change_ms)}")
    checks = ", ".join(f"{c.statistic} {number_words(c.value)}" for c in reason.causes)
    typer.echo("; ".join([*times, checks]))
    shift, histogram = reason.causes[0].shift, reason.causes[0].histogram
    if shift is not None:
        typer.echo("")
        print_table(("", "before", "after"), fact_rows(shift), right=("before", "after"))
    if histogram is not None:
        typer.echo("")
        headings = ("values", "before", "%", "after", "% ")
        print_table(headings, list(_bar_rows(histogram)), right=("%", "% "))


def _strong(text: str) -> str:
    return typer.style(text, bold=True) if for_people() else text


def _bar_rows(histogram: Histogram) -> Iterable[tuple[str, str, str, str, str]]:
    most = max(*histogram.reference, *histogram.window)
    for label, before, after in zip(histogram.labels, histogram.reference, histogram.window, strict=True):
        yield (
            _printable(label),
            _bar(before / most),
            share_words(before).removesuffix(" %"),
            _bar(after / most),
            share_words(after).removesuffix(" %"),
        )


def _printable(label: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in label)[:40]


def _bar(share: float) -> str:
    """Give a bar as long as a share of the longest; what is not nothing is never drawn as nothing.

    Examples
    --------
    >>> _bar(1.0) == "█" * 24, _bar(0.5) == "█" * 12, _bar(0.0), _bar(0.0001)
    (True, True, '', '▏')
    """
    eighths = max(round(share * _BAR * 8), 1 if share > 0 else 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
