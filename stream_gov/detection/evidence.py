"""What the verdicts of a window rest on, gathered when an alert is to be explained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stream_gov.contracts import Monitor
from stream_gov.detection.judge import Window
from stream_gov.detection.state import PaneState, Series, merge_panes
from stream_gov.detection.state_keys import PaneKey, SeriesKey
from stream_gov.reference import ReferenceProfile
from stream_gov.summaries import PaneSummary

__all__ = ["MAX_PANES_SPLIT", "MAX_SEGMENTS_SEARCHED", "Evidence", "evidence_of"]

MAX_SEGMENTS_SEARCHED = 100
"""Segments searched for the one that carries a drift, those with the most events in the window."""
MAX_PANES_SPLIT = 200
"""Panes of a window in which the time of a change is looked for; a window of more panes is not split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A window and what it was compared with; what is costly to get is got only when it is asked for."""

    monitor: Monitor
    profile: ReferenceProfile
    reference: PaneSummary
    """What the window was compared with."""
    window: PaneSummary
    segments: Callable[[], Iterable[tuple[str, PaneSummary]]]
    """Names and summaries of the segments in the same window; none for the window of a segment."""
    panes: Callable[[], Sequence[tuple[int, PaneSummary]]]
    """Starts and summaries of the window's panes, in order; none where there are too many."""


def evidence_of(
    monitor: Monitor,
    window: Window,
    summary: PaneSummary | None,
    profile: ReferenceProfile | None,
    reference: PaneSummary | None,
    of_model: Mapping[SeriesKey, Series],
) -> Evidence | None:
    """Give the evidence of a window that was judged; None where it was compared with nothing.

    Parameters
    ----------
    monitor, window, summary, profile
        What was judged.
    reference
        What it was compared with.
    of_model
        Every series of the model. That of all events closes before those of its segments, so that their panes of the same window are all there.
    """
    if summary is None or profile is None or reference is None:
        return None

    def panes_of(segment: str) -> list[tuple[PaneKey, PaneState]]:
        series = of_model.get((window.model, window.version, segment))
        panes = () if series is None else sorted(series.panes.items(), key=lambda item: item[0])
        return [
            (k, p) for k, p in panes if window.start_ms <= k[0] and k[0] + k[1] <= window.end_ms and k[2] == profile.id
        ]

    def segments() -> Iterator[tuple[str, PaneSummary]]:
        names = [] if window.segment else [k[2] for k in of_model if k[1] == window.version and k[2]]
        inside = {name: [p for _, p in panes_of(name)] for name in names}
        events = {name: sum(p.n_events for p in panes) for name, panes in inside.items()}
        enough = [name for name in names if events[name] >= monitor.min_events]
        for name in sorted(enough, key=lambda n: (-events[n], n))[:MAX_SEGMENTS_SEARCHED]:
            yield name, merge_panes(inside[name], profile.layout)

    def panes() -> list[tuple[int, PaneSummary]]:
        found = panes_of(window.segment)
        return [(k[0], merge_panes([p], profile.layout)) for k, p in found] if len(found) <= MAX_PANES_SPLIT else []

    return Evidence(
        monitor=monitor, profile=profile, reference=reference, window=summary, segments=segments, panes=panes
    )
