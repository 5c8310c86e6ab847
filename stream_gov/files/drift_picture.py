"""Drift over time as a picture: one self-contained HTML file with a row for each column, to be opened, mailed or printed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from stream_gov.contracts import Alert, Result, Verdict
from stream_gov.files.drift_series import DriftChart, DriftPoint, DriftSection, WholeAlert, collect_sections
from stream_gov.files.picture_style import STYLE
from stream_gov.files.time_axis import day, moment, ticks

__all__ = ["drift_picture"]

_WIDTH = 1_000.0
_TALL, _LOW, _BARS = 66.0, 34.0, 30.0
"""Heights of a row with drift, of one without, and of the bars of events; in pixels."""
_PAD = 4.0
_ROOM = 1.6
"""Height of a row at the least, in units of its rule."""
_TOOLTIPS = 60_000
"""Windows with a hover text in the whole file; with more of them one text stands for several windows."""
_LEAST_SLOTS, _MOST_SLOTS = 100, 600
_DENSE = 150
_MARKED = 60
"""With so few windows each is marked, not only those with drift."""
_ALERTS_SHOWN = 100
_COLUMNS_SHOWN = 12


def drift_picture(results: Iterable[Result], alerts: Iterable[Alert], *, title: str) -> str:
    """Draw results and alerts as one HTML file that needs no other: inline SVG and CSS, for light and dark screens and for paper.

    Each column has a row: its statistic over time, the line of its rule, the time in which an alert named it, and every window's
    numbers on hover. The columns that drift most come first.

    Parameters
    ----------
    results
        In any order; of several revisions of a result the newest is drawn.
    alerts
        Every message of every alert, in any order.
    title
        What the picture is of.

    Returns
    -------
    The text of the file. Its size is bounded: where there are more windows than places to draw, a place shows its worst window.
    """
    sections = collect_sections(results, alerts)
    n_charts = sum(len(s.charts) for s in sections)
    slots = max(_LEAST_SLOTS, min(_MOST_SLOTS, _TOOLTIPS // max(1, n_charts)))
    body = "\n".join(_section(s, slots, open_=_starts_open(s, sections)) for s in sections)
    if not sections:
        body = "<p class=none>No window has closed yet, so there is nothing to draw.</p>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<header><h1>{escape(title)}</h1></header>
{body}
<footer>Times are UTC. Each row has a scale of its own: heights are in units of its rule, straight up to the rule and logarithmic beyond
it (10×: ten times the rule); p-values are drawn by their logarithm. Drawn by stream-gov.</footer>
</main>
</body>
</html>
"""


def _starts_open(section: DriftSection, sections: Sequence[DriftSection]) -> bool:
    return not section.segment or any(c.n_drift for c in section.charts) or len(sections) <= 3


class _Frame:
    """Where times and weights lie in the charts of a section."""

    def __init__(self, section: DriftSection) -> None:
        windows = [(c.start_ms, c.end_ms) for c in section.counts] or [
            (p.result.window_start_ms, p.result.window_end_ms) for chart in section.charts for p in chart.points
        ]
        windows = windows or [(a.opened.window_start_ms, a.last.window_end_ms) for a in section.alerts]
        ends = sorted({end for _, end in windows})
        steps = [b - a for a, b in itertools.pairwise(ends)]
        self.step_ms = min(steps, default=max(end - start for start, end in windows))
        self.first_ms = ends[0] - self.step_ms
        self.last_ms = ends[-1]

    def x(self, time_ms: float) -> float:
        """Distance from the left of a time."""
        span = max(self.last_ms - self.first_ms, 1)
        return (min(max(time_ms, self.first_ms), self.last_ms) - self.first_ms) / span * _WIDTH

    def middle(self, end_ms: int) -> float:
        """Place of a window: the middle of the time by which it is newer than the window before."""
        return self.x(end_ms - self.step_ms / 2)


@dataclass(frozen=True, slots=True)
class _Scale:
    height: float
    top: float
    signed: bool

    @classmethod
    def of(cls, chart: DriftChart) -> _Scale:
        """Scale of a row, which leaves room above its rule and its farthest value."""
        weights = [p.weight for p in chart.points if p.weight is not None]
        top = _height(max([_ROOM, *map(abs, weights)]))
        return cls(_TALL if chart.n_drift else _LOW, top, any(w < 0 for w in weights))

    def y(self, weight: float) -> float:
        """Distance from the top of a weight."""
        share = _height(abs(weight)) / self.top
        if self.signed:
            half = self.height / 2
            return half - math.copysign(share, weight) * (half - _PAD)
        return self.height - _PAD - share * (self.height - 2 * _PAD)

    def lines(self) -> list[float]:
        """Where the rule lies; on both sides of a signed statistic."""
        return [self.y(1.0), self.y(-1.0)] if self.signed else [self.y(1.0)]

    def tenfold(self) -> list[tuple[float, str]]:
        """Lines at ten, a hundred and so on times the rule, with their labels."""
        times = (10**k for k in range(1, 7))
        return [(self.y(t), f"{t:,}×") for t in times if _height(t) < self.top]


def _height(weight: float) -> float:
    """Straight up to the rule, logarithmic beyond it, without a kink."""
    return weight if weight <= 1 else 1 + math.log(weight)


# --- a section -----------------------------------------------------------------------------------------------------------------------


def _section(section: DriftSection, slots: int, *, open_: bool) -> str:
    name = escape(section.model) + (f" <b>{escape(section.segment)}</b>" if section.segment else "")
    version = f" version {escape(section.version)}" if section.version else ""
    n_drifting = len({c.column for c in section.charts if c.column and c.n_drift})
    verdict = f"{n_drifting} of {_count(section.n_columns, 'column')} drifted" if n_drifting else "no column drifted"
    heading = f"{name}{version} <small>{verdict}</small>"
    if not (section.counts or section.charts or section.alerts):
        return f"<section><h2>{heading}</h2></section>"
    frame = _Frame(section)
    rows = "\n".join(_row(chart, frame, slots) for chart in section.charts)
    return f"""<section>
<details{" open" if open_ else ""}><summary><h2>{heading}</h2></summary>
{_facts(section)}
{_alert_table(section.alerts)}
{_legend()}
<table class=charts>
<thead><tr><th scope=col>column</th><th scope=col class=axis>{_axis(frame)}</th><th scope=col>reading</th></tr></thead>
<tbody>
{_events_row(section, frame, slots)}
{rows}
</tbody>
</table>
</details>
</section>"""


def _facts(section: DriftSection) -> str:
    still_open = sum(not a.resolved for a in section.alerts)
    facts = [
        ("events", f"{section.n_events:,}"),
        ("windows", f"{len(section.counts):,}"),
        ("alerts", f"{len(section.alerts):,}" + (f" ({still_open} open)" if still_open else "")),
        ("late", f"{section.n_late:,}"),
        ("rejected", f"{section.n_rejected:,}"),
    ]
    if section.counts:
        facts.insert(
            0, ("time of the windows", f"{day(section.counts[0].start_ms)} to {day(section.counts[-1].end_ms)}")
        )
    if section.reference:
        facts.append(("reference", escape(section.reference)))
    if section.monitor:
        facts.append(("monitor", escape(section.monitor)))
    return "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts) + "</dl>"


def _alert_table(alerts: Sequence[WholeAlert]) -> str:
    if not alerts:
        return "<p class=none>No alert.</p>"
    rows = "".join(
        f"<tr><td>{moment(a.opened.opened_window_end_ms)}</td><td>{_until(a)}</td><td class=n>{a.last.n_windows}{'' if a.resolved else '+'}</td>"
        f"<td>{escape(_names(a.last.columns))}</td><td>{escape(a.opened.message)}</td></tr>"
        for a in alerts[:_ALERTS_SHOWN]
    )
    more = f"<p class=none>and {len(alerts) - _ALERTS_SHOWN} more</p>" if len(alerts) > _ALERTS_SHOWN else ""
    return (
        "<table class=alerts><thead><tr><th>opened</th><th>until</th><th class=n>windows</th><th>columns</th><th>why it opened</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>{more}"
    )


def _names(columns: Sequence[str]) -> str:
    more = len(columns) - _COLUMNS_SHOWN
    return (", ".join(columns[:_COLUMNS_SHOWN]) or "(the model)") + (f" and {more} more" if more > 0 else "")


def _until(alert: WholeAlert) -> str:
    return "<b>still open</b>" if alert.end_ms is None else moment(alert.end_ms)


def _legend() -> str:
    samples = (
        ('<path class=value d="M0 12 L11 5 L22 9"/>', "value of each window"),
        ('<path class=bound d="M0 7H22"/>', "its rule: beyond it a window may drift"),
        ('<path class=drift d="M11 7h0"/>', "window with drift"),
        ('<path class=open d="M6 11h0M16 11h0"/>', "too little to say"),
        ("<rect class=span width=22 height=14 />", "an alert names the column"),
    )
    items = "".join(
        f'<li><svg viewBox="0 0 22 14" width=22 height=14 aria-hidden=true>{shape}</svg>{words}</li>'
        for shape, words in samples
    )
    return f"<ul class=legend>{items}</ul>"


# --- rows ----------------------------------------------------------------------------------------------------------------------------


def _row(chart: DriftChart, frame: _Frame, slots: int) -> str:
    scale = _Scale.of(chart)
    height = scale.height
    spans = "".join(
        f'<rect class=span x="{_n(left)}" width="{_n(max(2.0, right - left))}" height="{_n(height)}"/>'
        for left, right in (
            (frame.middle(s.start_ms), _WIDTH if s.end_ms is None else frame.middle(s.end_ms)) for s in chart.spans
        )
    )
    shown = _thin(chart.points, slots)
    places = [(frame.middle(p.result.window_end_ms), None if p.weight is None else scale.y(p.weight), p) for p in shown]
    drift = "".join(f"M{_n(x)} {_n(y)}h0" for x, y, p in places if y is not None and p.result.verdict is Verdict.DRIFT)
    dense = " dense" if len(places) > _DENSE else ""
    marks = "".join(f"M{_n(x)} {_n(y)}h0" for x, y, _ in places if y is not None) if len(places) <= _MARKED else ""
    unsure = "".join(
        f"M{_n(x)} {_n(height - _PAD)}h0" for x, _, p in places if p.result.verdict is Verdict.INSUFFICIENT
    )
    lines = "".join(f"M0 {_n(y)}H1000" for y in scale.lines())
    grid = "".join(f"M0 {_n(y)}H1000" for y, _ in scale.tenfold())
    labels = "".join(f'<i style="top:{_n(y)}px">{text}</i>' for y, text in scale.tenfold())
    width = (
        _WIDTH
        * frame.step_ms
        / max(frame.last_ms - frame.first_ms, 1)
        * max(1.0, len(chart.points) / max(len(shown), 1))
    )
    hovers = "".join(
        f'<rect x="{_n(x - width / 2)}" width="{_n(width)}" height="{_n(height)}"><title>{_hover(p.result)}</title></rect>'
        for x, _, p in places
    )
    label = escape(chart.column) if chart.column else "<i>the model</i>"
    kind = "drifting" if chart.n_drift else "calm"
    return (
        f"<tr class={kind}><th scope=row>{label}<small>{escape(chart.statistic)}</small></th>"
        f'<td>{labels}<svg viewBox="0 0 1000 {_n(height)}" height={_n(height)} preserveAspectRatio=none role=img aria-label="{escape(_in_words(chart))}">'
        f'{spans}<path class=grid d="{grid}"/><path class=bound d="{lines}"/><path class=value d="{_line(places)}"/>'
        f'<path class=mark d="{marks}"/><path class=open d="{unsure}"/><path class="drift{dense}" d="{drift}"/><g class=hover>{hovers}</g></svg></td>'
        f"<td class=reading>{_reading(chart)}</td></tr>"
    )


def _events_row(section: DriftSection, frame: _Frame, slots: int) -> str:
    counts = section.counts
    if not counts:
        return ""
    most = max(max(c.events for c in counts), 1)
    every = max(1, math.ceil(len(counts) / slots))
    width = _WIDTH * frame.step_ms / max(frame.last_ms - frame.first_ms, 1) * every
    bars = "".join(
        f'<rect x="{_n(frame.middle(c.end_ms) - width * 0.43)}" width="{_n(width * 0.86)}" y="{_n(_BARS - c.events / most * (_BARS - 2))}" '
        f'height="{_n(c.events / most * (_BARS - 2))}"><title>{_span(c.start_ms, c.end_ms)}\n{_count(c.events, "event")}'
        f"{f', {c.late} late' if c.late else ''}{f', {c.rejected} rejected' if c.rejected else ''}</title></rect>"
        for c in counts[::every]
    )
    words = f"events per window, at most {most}"
    return (
        f"<tr class=events><th scope=row><i>events</i><small>per window</small></th>"
        f'<td><svg viewBox="0 0 1000 {_n(_BARS)}" height={_n(_BARS)} preserveAspectRatio=none role=img aria-label="{words}">'
        f"<g class=bars>{bars}</g></svg></td><td class=reading>{_range_of_events([c.events for c in counts])}</td></tr>"
    )


def _range_of_events(events: Sequence[int]) -> str:
    return f"{min(events):,} to {max(events):,}" if min(events) != max(events) else f"{events[0]:,}"


def _thin(points: Sequence[DriftPoint], slots: int) -> list[DriftPoint]:
    """At most `slots` points; each stands for its neighbours as the worst of them."""
    every = math.ceil(len(points) / slots)
    if every <= 1:
        return list(points)
    groups = (points[i : i + every] for i in range(0, len(points), every))
    return [max(group, key=lambda p: (p.result.verdict is Verdict.DRIFT, abs(p.weight or 0.0))) for group in groups]


def _line(places: Sequence[tuple[float, float | None, DriftPoint]]) -> str:
    """Path through the defined values, with gaps where there is none."""
    path, pen_down = "", False
    for i, (x, y, _) in enumerate(places):
        if y is None:
            pen_down = False
            continue
        alone = not pen_down and (i + 1 == len(places) or places[i + 1][1] is None)
        path += f"{'L' if pen_down else 'M'}{_n(x)} {_n(y)}" + ("h0" if alone else "")
        pen_down = True
    return path


# --- words ---------------------------------------------------------------------------------------------------------------------------


def _hover(result: Result) -> str:
    value = "undefined" if result.value is None else f"{result.value:.4g}"
    lines = [
        _span(result.window_start_ms, result.window_end_ms),
        f"{result.column or result.model}: {result.statistic} {value} ({_rule(result)})",
        f"{result.verdict.value}{f': {result.reason}' if result.reason else ''}; {result.n_window:,} against {result.n_reference:,}",
    ]
    return escape("\n".join(lines))


def _rule(result: Result) -> str:
    if result.rule == "threshold":
        return f"threshold {result.threshold:.4g}"
    if result.rule == "sequential":
        return f"tolerance {result.tolerance:.4g}, evidence needed {result.threshold:.3g}"
    p_value = "undefined" if result.p_value is None else f"{result.p_value:.2g}"
    if result.rule == "p_value":
        return f"p {p_value}, level {result.level:.2g}"
    return f"tolerance {result.tolerance:.4g}, p {p_value}"


def _bound(result: Result) -> str:
    if result.rule == "sequential":
        return f"needed {result.threshold:.3g}"
    return f"threshold {result.threshold:.4g}" if result.rule == "threshold" else f"tolerance {result.tolerance:.4g}"


def _reading(chart: DriftChart) -> str:
    n = len(chart.points)
    first = (
        f"<b>drift in {chart.n_drift:,} of {n:,}</b>"
        if chart.n_drift
        else (
            "too little to say"
            if chart.n_insufficient == n
            else f"stable in {_count(n - chart.n_insufficient, 'window')}"
        )
    )
    peak = chart.peak
    if peak is None:
        return first
    result = peak.result
    if result.rule == "p_value":
        second = f"least p {result.p_value:.2g} (level {result.level:.2g})"
    else:
        second = f"farthest {result.value:.3g} ({_bound(result)})"
    return f"{first}<small>{second}</small>"


def _in_words(chart: DriftChart) -> str:
    peak = chart.peak
    highest = ""
    if peak is not None and peak.result.value is not None:
        highest = f", farthest {peak.result.value:.3g} in the window to {moment(peak.result.window_end_ms)} ({_rule(peak.result)})"
    return f"{chart.statistic} of {chart.column or 'the model'}: drift in {chart.n_drift} of {_count(len(chart.points), 'window')}{highest}"


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _axis(frame: _Frame) -> str:
    labels = "".join(
        f'<span style="left:{frame.x(time_ms) / _WIDTH:.2%}">{text}</span>'
        for time_ms, text in ticks(frame.first_ms, frame.last_ms)
    )
    return f"<div>{labels}</div>"


def _span(start_ms: int, end_ms: int) -> str:
    return f"{moment(start_ms)} to {moment(end_ms)}"
