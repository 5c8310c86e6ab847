"""What ingest counts for a model, from its monitor and its reference profiles."""

from __future__ import annotations

from collections.abc import Sequence

from stream_gov.contracts import Monitor
from stream_gov.decoding import CountingPlan
from stream_gov.reference.profile import ReferenceProfile

__all__ = ["counting_plan", "season_mismatch"]


def counting_plan(monitor: Monitor, profiles: Sequence[ReferenceProfile]) -> CountingPlan:
    """Say in which cells, panes and segments the events of a model are counted.

    Every column of a profile is counted, also one that the monitor leaves out: then a pane has the profile's own layout, whatever the
    monitor says, and a change of the monitor's columns needs no new panes. Columns that a profile ignores are ignored here as well.

    Parameters
    ----------
    monitor
        Of the model.
    profiles
        The profiles to count on, newest first; two while one is being replaced, none for a model without a reference.
    """
    ignored = {name for profile in profiles for name in profile.ignored}
    # While a profile is being replaced, windows of the old one still need its segments.
    known = frozenset[str]().union(*(profile.known_segments for profile in profiles)) if profiles else None
    return CountingPlan(
        model=monitor.model,
        layouts=tuple(profile.layout for profile in profiles),
        pane_ms=monitor.pane_ms,
        segments=monitor.segments,
        known_segments=known,
        max_segments=monitor.max_segments,
        columns=monitor.columns.model_copy(
            update={"exclude": (*monitor.columns.exclude, *sorted(ignored - set(monitor.columns.exclude)))}
        ),
    )


def season_mismatch(monitor: Monitor, profile: ReferenceProfile) -> str:
    """Say why windows cannot be compared by the season that a monitor asks for, and what to do; empty where they can.

    A season of the profile that the monitor does not ask for is no mismatch: windows are then compared with the whole.
    """
    if monitor.seasonal is None or monitor.seasonal == profile.season:
        return ""
    has = "without a season" if profile.season is None else f"with the season {profile.season}"
    return (
        f"the monitor {monitor.name} compares by the season {monitor.seasonal}, and the reference {profile.id} was built {has}; "
        "build it again with this monitor (`stream-gov reference build`)"
    )
