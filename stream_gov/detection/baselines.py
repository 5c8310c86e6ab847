"""What a window is compared with: the whole of its reference, or the mixture of the slots of a season that the window has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stream_gov.contracts import Monitor, Season, slot_names
from stream_gov.detection.state import PaneKey
from stream_gov.reference import MixtureDependence, ReferenceProfile, mixture, season_mismatch
from stream_gov.summaries import Dependence, PaneSummary, WindowDependence

__all__ = ["MAX_SLOTLESS_SHARE", "Baseline", "Choice", "choose_baseline", "whole_baseline"]

MAX_SLOTLESS_SHARE = 0.1
"""Of a window's events in slots of which the reference has no rows: up to here they are left out, beyond it the window is not compared."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """One side of a comparison."""

    id: str
    """The profile `name@revision`, and after a `~` what was made of it."""
    pane: PaneSummary | None
    """None: there are no rows of this segment."""
    dependence: Mapping[str, WindowDependence] = field(default_factory=dict)
    """By column, where it is known."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The baseline of a window, and which of its panes are compared with it."""

    baseline: Baseline
    panes: list[PaneKey]
    why_not: str = ""
    """Why the window is not compared, in words; otherwise empty."""
    slots: Mapping[int, int] = field(default_factory=dict)
    """Events by slot of the season, where the baseline is a mixture of slots; otherwise empty."""


def whole_baseline(profile: ReferenceProfile, segment: str) -> Baseline:
    """All rows of a segment."""
    return Baseline(profile.id, profile.segments.get(segment), profile.dependence)


def choose_baseline(monitor: Monitor, profile: ReferenceProfile, segment: str, events: Mapping[PaneKey, int]) -> Choice:
    """Choose what a window is compared with, if it is not the recent past.

    Parameters
    ----------
    monitor
        Asks for a season, or for none.
    profile
        That the window was counted for.
    segment
        Of the window; `""` for all events.
    events
        Events of the window by pane, of panes of this profile.

    Returns
    -------
    Without a season, and for a segment whose slots the profile does not keep apart, all rows of the segment. With one the mixture of its slots, each
    weighted by the events that the window has in it.
    """
    whole, panes = whole_baseline(profile, segment), list(events)
    if monitor.seasonal is None:
        return Choice(whole, panes)
    mismatch = season_mismatch(monitor, profile)
    if mismatch or profile.slots is None:
        return Choice(whole, panes, mismatch)
    if segment not in profile.slots.segments:
        return Choice(whole, panes)
    named = Baseline(f"{profile.id}~{monitor.seasonal.kind}", whole.pane)
    slots = {key: _slot_of(monitor.seasonal, key) for key in panes}
    rows = profile.slots.rows(segment)
    kept = [key for key in panes if slots[key] in rows]
    why_not = _why_not(monitor.seasonal, profile, {key: events[key] for key in panes if slots[key] not in rows}, events)
    by_slot: dict[int, int] = {}
    for key in kept:
        slot = slots[key]
        if slot is not None and events[key]:
            by_slot[slot] = by_slot.get(slot, 0) + events[key]
    if why_not or not by_slot:
        return Choice(named, kept, why_not)
    present = sorted(by_slot)
    counts = [by_slot[slot] for slot in present]
    summaries = profile.slots.summaries(segment, present)
    mixed = mixture(summaries, counts)
    dependence: dict[str, WindowDependence] = {}
    for name, column in mixed.columns.items():
        known = profile.seasonal_long_run.get(name)
        if known is not None:
            dependence[name] = MixtureDependence(known, [summary.columns[name] for summary in summaries], counts)
        elif column.n_valid:
            dependence[name] = Dependence.assume(column.cell_counts(), kind=column.kind)
    return Choice(Baseline(named.id, mixed, dependence), kept, slots=by_slot)


def _slot_of(season: Season, key: PaneKey) -> int | None:
    """Slot of a pane; None for one that spans several, counted before the monitor had this season."""
    start, length, _ = key
    slot = season.slot_of(start)
    return slot if length <= season.slot_ms and season.slot_of(start + length - 1) == slot else None


def _why_not(
    season: Season, profile: ReferenceProfile, left_out: Mapping[PaneKey, int], events: Mapping[PaneKey, int]
) -> str:
    n_left_out, n_events = sum(left_out.values()), sum(events.values())
    if n_left_out <= MAX_SLOTLESS_SHARE * n_events:
        return ""
    slots = sorted({slot for key, n in left_out.items() if n and (slot := _slot_of(season, key)) is not None})
    share = f"{n_left_out:,} of {n_events:,} events"
    if not slots:
        return (
            f"{share} were counted in panes that span several slots of the season {season}, before the monitor had it"
        )
    return (
        f"{share}, more than {MAX_SLOTLESS_SHARE:.0%}, lie in slots of the season {season} of which the reference {profile.id} has no rows: "
        f"{slot_names(season, slots)}"
    )
