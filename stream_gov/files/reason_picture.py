"""Why an alert is there, as a piece of HTML: for each column its words, its numbers before and after, and both histograms."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from stream_gov.contracts import Histogram, Shift
from stream_gov.diagnosis import number_words, share_words
from stream_gov.files.alert_causes import ColumnReason, fact_rows
from stream_gov.files.time_axis import moment

__all__ = ["reasons_html"]

_HEIGHT = 84.0
_SLOT = 20.0
_LABELS = 5
"""Labels below a histogram of numbers."""
_LINE = 45
"""Characters that have room below it, side by side."""


def reasons_html(reasons: Sequence[ColumnReason], *, most: int) -> str:
    """Draw the reasons of one alert.

    Parameters
    ----------
    reasons
        One for each column.
    most
        Columns drawn with numbers and histograms; of further ones only the words stand there.

    Returns
    -------
    A list of figures, or nothing where no message says why.
    """
    told = [r for r in reasons if r.descriptions]
    if not told:
        return ""
    figures = "".join(_figure(r, drawn=place < most) for place, r in enumerate(told))
    return f"<div class=why>{figures}</div>"


def _figure(reason: ColumnReason, *, drawn: bool) -> str:
    name = escape(reason.column) if reason.column else "<i>the model</i>"
    words = "; ".join(map(escape, reason.descriptions))
    times = [f"since {moment(reason.since_ms)}"] if reason.since_ms is not None else []
    if reason.change_ms is not None:
        times.append(f"begins at {moment(reason.change_ms)}")
    when = f" <small>{', '.join(times)}</small>" if times else ""
    first = reason.causes[0]
    inside = ""
    if drawn and first.shift is not None:
        inside = f"<div class=side>{_facts(first.shift)}{_histogram(first.histogram, reason.column)}</div>"
    return f"<figure><figcaption><b>{name}</b> {words}{when}</figcaption>{inside}</figure>"


def _facts(shift: Shift) -> str:
    body = "".join(f"<tr><th scope=row>{label}</th><td>{a}</td><td>{b}</td></tr>" for label, a, b in fact_rows(shift))
    return (
        f"<table class=facts><thead><tr><td></td><th scope=col>before</th><th scope=col>after</th></tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _histogram(histogram: Histogram | None, column: str) -> str:
    if histogram is None:
        return ""
    return _upright(histogram, column) if histogram.low else _lying(histogram)


def _upright(histogram: Histogram, column: str) -> str:
    """Numbers: bars in the order of the values, a pair for each stretch."""
    n = len(histogram.labels)
    most = max(*histogram.reference, *histogram.window)
    width = n * _SLOT
    bars = []
    for i, (label, before, after) in enumerate(_bars(histogram)):
        left = i * _SLOT
        bars.append(
            f"<g>{_bar('before', left + 2, before / most)}{_bar('after', left + 10, after / most)}"
            f'<rect class=hit x="{_n(left)}" width="{_n(_SLOT)}" height="{_n(_HEIGHT)}"><title>{_hover(label, before, after)}</title></rect></g>'
        )
    labels = "".join(f'<span style="left:{place:.1%}">{escape(text)}</span>' for place, text in _ticks(histogram))
    words = f"shares of {column} before and after, in {n} stretches of values"
    return (
        f'<div class=upright><svg viewBox="0 0 {_n(width)} {_n(_HEIGHT)}" preserveAspectRatio=none height={_n(_HEIGHT)} role=img '
        f'aria-label="{escape(words)}">{"".join(bars)}</svg><div class=labels>{labels}</div></div>'
    )


def _ticks(histogram: Histogram) -> list[tuple[float, str]]:
    """Labels and how far from the left they stand: of a few bars all that have room, else some of the values at which bars begin."""
    n = len(histogram.labels)
    if n <= _LABELS:
        room = _LINE // n
        return [((i + 0.5) / n, label) for i, label in enumerate(histogram.labels) if len(label) <= room]
    n_shown = min(_LABELS, n // 2)
    starts = [round(i * n / n_shown) for i in range(1, n_shown)]
    found = []
    for i in starts:
        low, high = histogram.low[i], histogram.high[i]
        found.append(((i + 0.5) / n if low == high else i / n, number_words(low)))
    return found


def _bar(kind: str, left: float, share: float) -> str:
    height = share * (_HEIGHT - 2)
    return f'<rect class={kind} x="{_n(left)}" y="{_n(_HEIGHT - height)}" width="8" height="{_n(height)}"/>'


def _lying(histogram: Histogram) -> str:
    """Categories: a row for each, with two bars and both shares."""
    most = max(*histogram.reference, *histogram.window)
    rows = "".join(
        f"<tr><th scope=row>{escape(label)}</th><td class=bars><i class=before style=width:{before / most:.1%}></i>"
        f"<i class=after style=width:{after / most:.1%}></i></td><td>{share_words(before)}</td><td>{share_words(after)}</td></tr>"
        for label, before, after in _bars(histogram)
    )
    return f"<table class=lying><tbody>{rows}</tbody></table>"


def _bars(histogram: Histogram) -> list[tuple[str, float, float]]:
    return list(zip(histogram.labels, histogram.reference, histogram.window, strict=True))


def _hover(label: str, before: float, after: float) -> str:
    return escape(f"{label}: {share_words(before)} before, {share_words(after)} after")


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
