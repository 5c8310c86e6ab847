"""The alerts of a section of a picture of drift: a table, and below each alert why it is there."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from stream_gov.files.drift_series import WholeAlert
from stream_gov.files.reason_picture import reasons_html
from stream_gov.files.time_axis import moment

__all__ = ["alerts_html"]

_ALERTS_SHOWN = 100
_COLUMNS_SHOWN = 12
_DRAWN = 120
"""Columns drawn with their histograms in all alerts of a section together."""
_DRAWN_OF_ONE = 12


def alerts_html(alerts: Sequence[WholeAlert]) -> str:
    """Draw a table of alerts; each can be opened to see its causes, and the first one is."""
    if not alerts:
        return "<p class=none>No alert.</p>"
    left, rows = _DRAWN, ""
    for place, alert in enumerate(alerts[:_ALERTS_SHOWN]):
        most = min(left, _DRAWN_OF_ONE)
        reasons = reasons_html(alert.reasons, most=most)
        left -= min(most, len(alert.reasons))
        rows += _row(alert, reasons, open_=place == 0)
    more = f"<p class=none>and {len(alerts) - _ALERTS_SHOWN} more</p>" if len(alerts) > _ALERTS_SHOWN else ""
    return (
        "<table class=alerts><thead><tr><th>opened</th><th>until</th><th class=n>windows</th><th>columns</th><th>why it opened</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>{more}"
    )


def _row(alert: WholeAlert, reasons: str, *, open_: bool) -> str:
    row = (
        f"<tr><td>{moment(alert.opened.opened_window_end_ms)}</td><td>{_until(alert)}</td>"
        f"<td class=n>{alert.last.n_windows}{'' if alert.resolved else '+'}</td>"
        f"<td>{escape(_names(alert.last.columns))}</td><td>{escape(_why(alert))}</td></tr>"
    )
    if not reasons:
        return row
    key = "<span class=key><i class=before></i>reference <i class=after></i>window that named it</span>"
    return (
        f"{row}<tr class=reasons><td colspan=5><details{' open' if open_ else ''}><summary>before and after {key}</summary>{reasons}</details>"
        "</td></tr>"
    )


def _why(alert: WholeAlert) -> str:
    """The sentence of its opening, without the name of the model, which stands above."""
    return alert.opened.message.partition(": ")[2] or alert.opened.message


def _names(columns: Sequence[str]) -> str:
    more = len(columns) - _COLUMNS_SHOWN
    return (", ".join(columns[:_COLUMNS_SHOWN]) or "(the model)") + (f" and {more} more" if more > 0 else "")


def _until(alert: WholeAlert) -> str:
    return "<b>still open</b>" if alert.end_ms is None else moment(alert.end_ms)
