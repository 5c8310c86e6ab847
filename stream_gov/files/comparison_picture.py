"""A picture of monitors side by side: one lane for each, with its windows, its alerts, and the shifts that were put in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from html import escape

from stream_gov.detection import InjectedShift, MonitorRun
from stream_gov.files.picture_style import STYLE
from stream_gov.files.time_axis import moment, ticks

__all__ = ["comparison_picture"]

_WIDTH, _LANE, _NAME, _MARGIN = 1_100, 34, 260, 48
_CSS = """
.lanes{width:100%;height:auto;font-size:12px}.lanes text{fill:var(--ink)}.lanes .soft{fill:var(--soft)}
.spell{fill:var(--span);opacity:.45}.flag{fill:var(--drift)}.rule{stroke:var(--rule)}.put{stroke:var(--line);stroke-width:1.5;stroke-dasharray:4 3}
"""


def comparison_picture(runs: Sequence[MonitorRun], shifts: Sequence[InjectedShift], *, title: str) -> str:
    """Draw them as one HTML file that needs nothing else.

    Parameters
    ----------
    runs
        At least one, with windows.
    shifts
        That were put in.
    title
        What the picture is of.
    """
    ends = sorted({end for run in runs for end in run.window_ends}) or [0]
    # The first window has its width, too.
    first = ends[0] - min((b - a for a, b in itertools.pairwise(ends)), default=1)
    last = max(ends[-1], first + 1)
    room = _WIDTH - _NAME - _MARGIN

    def x(time_ms: int) -> float:
        return _NAME + (min(max(time_ms, first), last) - first) / (last - first) * room

    height = 40 + _LANE * len(runs) + 18 * len(shifts)
    parts = [
        f'<text class=soft x="{x(at):.1f}" y="14" text-anchor="start">{escape(label)}</text>'
        f'<line class=rule x1="{x(at):.1f}" x2="{x(at):.1f}" y1="20" y2="{24 + _LANE * len(runs)}"/>'
        for at, label in ticks(first, last)
    ]
    for i, run in enumerate(runs):
        top = 26 + _LANE * i
        parts.append(f'<text x="0" y="{top + 18}">{escape(_short(run.name))}</text>')
        parts.append(f'<line class=rule x1="0" x2="{_WIDTH}" y1="{top + _LANE - 4}" y2="{top + _LANE - 4}"/>')
        for start, end in run.alerts:
            until = last if end is None else end
            said = f"alert from {moment(start)} {'still open' if end is None else f'to {moment(end)}'}"
            width = max(x(until) - x(start), 2.0)
            parts.append(
                f'<rect class=spell x="{x(start):.1f}" y="{top + 2}" width="{width:.1f}" height="{_LANE - 10}"><title>{said}</title></rect>'
            )
        places = sorted({round(x(end)) for end in run.flagged})
        parts += [
            f'<rect class=flag x="{place - 1}" y="{top + 8}" width="2" height="{_LANE - 22}"/>' for place in places
        ]
    for i, shift in enumerate(shifts):
        at, y = x(shift.start_ms), 40 + _LANE * len(runs) + 18 * i
        parts.append(f'<line class=put x1="{at:.1f}" x2="{at:.1f}" y1="20" y2="{y}"/>')
        anchor = "end" if at > _WIDTH / 2 else "start"
        parts.append(f'<text x="{at:.1f}" y="{y + 8}" text-anchor="{anchor}">{escape(shift.text)}</text>')
    svg = (
        f'<svg class=lanes viewBox="0 0 {_WIDTH} {height}" role=img aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{STYLE}{_CSS}</style>
</head>
<body>
<main>
<header><h1>{escape(title)}</h1></header>
{svg}
<footer>Light bars: an alert is open. Dark ticks: windows in which anything drifts. Dashed: a shift was put in. Times are UTC. Drawn by stream-gov.</footer>
</main>
</body>
</html>
"""


def _short(name: str) -> str:
    return name if len(name) <= 38 else "…" + name[-37:]
