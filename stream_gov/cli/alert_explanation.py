"""One alert in words, numbers and bars: what `stream-gov alerts show` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer

from stream_gov.cli.alert_table import how_it_stands
from stream_gov.cli.output import for_people, print_table
from stream_gov.contracts import Alert, AlertStatus, Histogram
from stream_gov.diagnosis import number_words, share_words
from stream_gov.files.alert_causes import ColumnReason, column_reasons, fact_rows
from stream_gov.files.time_axis import moment

__all__ = ["print_explanation"]

_BAR = 24
"""Characters of the longest bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉"


def print_explanation(messages: Sequence[Alert]) -> None:
    """Print one alert, of which these are the messages in their order, and why it is there."""
    for line in _heading(messages):
        typer.echo(line)
    for reason in column_reasons(messages):
        typer.echo("")
        _print_reason(reason)


def _heading(messages: Sequence[Alert]) -> Iterable[str]:
    first, last = messages[0], messages[-1]
    where = (
        last.model
        + (f" [{last.segment}]" if last.segment else "")
        + (f" version {last.version}" if last.version else "")
    )
    over = last.status is AlertStatus.RESOLVED
    until = f"until {moment(last.window_end_ms)}" if over else how_it_stands(last)
    windows = ("1 window" if last.n_windows == 1 else f"{last.n_windows} windows") + ("" if over else " or more")
    yield _strong(f"alert {last.alert_id}")
    yield f"{where}, {moment(last.opened_window_end_ms)} {until}, drift in {windows}; {last.severity.value}"
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
