"""What a window is compared with: the reference as a whole, slots of its season, or the recent past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stream_gov.contracts import Monitor
from stream_gov.detection.baselines import Choice, choose_baseline
from stream_gov.detection.sequential import E_DETECTOR
from stream_gov.detection.state import PaneState, Series
from stream_gov.detection.state_keys import PaneKey
from stream_gov.detection.trailing_choice import choose_trailing
from stream_gov.reference import ReferenceProfile
from stream_gov.summaries import PaneSummary

__all__ = ["choose_comparison", "expect_of_newest", "profile_to_compare"]


def profile_to_compare(panes: Mapping[PaneKey, PaneState], reference: str | None = None) -> str:
    """Return the profile that most of a window's events were counted for; of equals the one that the monitor names, or the newest.

    While a profile is replaced, ingest counts on both: the old one holds all events of the windows that span the change, the new
    one all events of the windows after it. The new one may be an older revision.

    Parameters
    ----------
    panes
        Of the window.
    reference
        What the monitor names, `name` or `name@revision`.
    """
    counts: dict[str, int] = {}
    for (_, _, profile), pane in panes.items():
        counts[profile] = counts.get(profile, 0) + pane.n_events
    return max(counts, key=lambda p: (counts[p], p == reference, _revision(p)), default="")


def _revision(profile_id: str) -> int:
    _, _, revision = profile_id.rpartition("@")
    return int(revision) if revision.isdigit() else 0


def choose_comparison(
    monitor: Monitor,
    profile: ReferenceProfile,
    segment: str,
    series: Series,
    start_ms: int,
    panes: Mapping[PaneKey, PaneState],
) -> Choice:
    """Choose what a window that starts at `start_ms` is compared with; its panes are those of the profile."""
    if monitor.trailing is not None:
        return choose_trailing(monitor, monitor.trailing, profile, series, start_ms, panes)
    return choose_baseline(monitor, profile, segment, {k: p.n_events for k, p in panes.items()})


def expect_of_newest(
    monitor: Monitor,
    profile: ReferenceProfile,
    segment: str,
    compared: Choice,
    panes: Mapping[PaneKey, PaneState],
    newest: Sequence[PaneKey],
) -> tuple[PaneSummary | None, Mapping[int, int]]:
    """Return what a season lets the e-detector expect of the newest panes of a window, and their events by slot.

    Returns
    -------
    None and no slots where the window is compared with the whole; a summary without events where the season says nothing of the newest panes.
    """
    if not compared.slots:
        return None, {}
    is_all = len(newest) == len(compared.panes)
    if is_all or not any(check.statistic == E_DETECTOR for check in monitor.checks):
        return compared.baseline.pane, compared.slots
    choice = choose_baseline(monitor, profile, segment, {k: panes[k].n_events for k in newest})
    return choice.baseline.pane if choice.slots else PaneSummary(profile.layout), choice.slots
