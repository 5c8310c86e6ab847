"""When the online detectors of a series are fed, kept and given up, in the life of its windows."""

from __future__ import annotations

from collections.abc import Mapping

from stream_gov.contracts import Monitor, Result
from stream_gov.detection.change_points import ChangePoints, FedPane
from stream_gov.detection.judge import Window
from stream_gov.detection.state import PaneState, Series, forgotten_detectors, kept_detectors
from stream_gov.detection.state_keys import PaneKey, SeriesKey
from stream_gov.reference import ReferenceProfile

__all__ = ["KEEP_DETECTORS_MS", "detector_updates", "detectors_wait", "feed_detectors"]

KEEP_DETECTORS_MS = 8 * 24 * 3_600_000
"""How long (in event time) the online detectors of a silent series are kept: longer than a night, a weekend and a week."""


def feed_detectors(
    monitor: Monitor,
    series: Series,
    window: Window,
    panes: Mapping[PaneKey, PaneState],
    profile_id: str,
    profile: ReferenceProfile | None,
) -> list[Result]:
    """Feed the panes of the window's newest step, or say again what was said of a window that late events revise.

    Parameters
    ----------
    monitor
        Its `detectors`.
    series
        Whose detectors are fed; they are changed.
    window
        The window that is judged.
    panes
        Of the window.
    profile_id, profile
        What the window is compared with; panes counted for another profile are left aside.

    Returns
    -------
    Results of the detectors, none for a window without events.
    """
    if not monitor.detectors or not window.events:
        return []
    if series.change_points is None:
        series.change_points = ChangePoints()
    if window.revision:
        return series.change_points.said_of(monitor, window, profile)
    newest = window.end_ms - monitor.window.every_ms
    fed = [
        FedPane(start, pane.n_events, None if profile is None else pane.merged(profile.layout))
        for (start, length, counted_for), pane in panes.items()
        if start >= newest
        and length == monitor.pane_ms
        and counted_for == profile_id
        and pane.n_events
        and not monitor.in_maintenance(start, start + length)
    ]
    return series.change_points.judge(monitor, window, fed, profile)


def detector_updates(monitor: Monitor, key: SeriesKey, series: Series) -> dict[str, bytes | None]:
    """Return what is to be kept of the detectors of a series, by table key; they are given up if the monitor has none any more."""
    points = series.change_points
    if points is None:
        return {}
    if monitor.detectors:
        return kept_detectors(key, points)
    series.change_points = None
    return forgotten_detectors(key, points)


def detectors_wait(series: Series, now_ms: int) -> bool:
    """Tell whether a silent series is to be remembered for the sake of its detectors."""
    fed_until = None if series.change_points is None else series.change_points.log.until_ms
    return fed_until is not None and now_ms - fed_until <= KEEP_DETECTORS_MS
