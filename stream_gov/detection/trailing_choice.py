"""Windows that are compared with the recent past: what is kept of it, and the stretch that a window is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from stream_gov.contracts import Monitor, TrailingConfig
from stream_gov.detection.baselines import Baseline, Choice
from stream_gov.detection.state import STATE_FORMAT, PaneKey, PaneState, Series, SeriesKey, table_key
from stream_gov.detection.trailing import Trail
from stream_gov.reference import ReferenceProfile

__all__ = [
    "choose_trailing",
    "forget_trail",
    "keep_in_trail",
    "resume_trail",
    "rewind_trail",
    "trim_trail",
    "watch_trail",
]

_Updates = dict[str, bytes | None]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def watch_trail(
    monitor: Monitor,
    key: SeriesKey,
    trail: Trail,
    profile: str,
    time_ms: int,
    updates: _Updates,
    *,
    replayed: bool,
) -> None:
    """Note that events of a time were counted for a profile; the trailing reference reaches back to the first of them."""
    if monitor.trailing is None or not profile:
        return
    every = monitor.window.every_ms
    step = monitor.trailing.step_ms(every)
    if trail.watch(profile, time_ms, every_ms=every, step_ms=step, replayed=replayed):
        updates[table_key("trail", *key)] = trail.to_bytes(STATE_FORMAT)


def keep_in_trail(
    monitor: Monitor,
    key: SeriesKey,
    series: Series,
    pane_key: PaneKey,
    profile: ReferenceProfile | None,
    updates: _Updates,
) -> None:
    """Merge a pane that no window can change any more into its step, before the pane is deleted."""
    pane = series.panes[pane_key]
    if monitor.trailing is None or profile is None or not pane.n_events:
        return
    step_ms = monitor.trailing.step_ms(monitor.window.every_ms)
    summary = pane.merged(profile.layout)
    changed = series.trail.fold(*pane_key, summary, step_ms=step_ms)
    if changed is not None:
        updates[table_key("step", *key, *changed)] = series.trail.step_bytes(changed, STATE_FORMAT)


def trim_trail(monitor: Monitor, key: SeriesKey, trail: Trail, final_ms: int, updates: _Updates) -> int | None:
    """Forget what no window can be compared with any more; all of it where the monitor compares with no past.

    Parameters
    ----------
    final_ms
        Windows that end at or before it are closed for good.

    Returns
    -------
    The value of `final_ms` from which on more can be forgotten; None where nothing is left.
    """
    if not (trail.steps or trail.watched):
        return None
    if monitor.trailing is None:
        forget_trail(key, trail, updates)
        return None
    reach = _reach_ms(monitor.trailing, monitor)
    gone, changed = trail.forget_before(final_ms - reach)
    for step_key in gone:
        updates[table_key("step", *key, *step_key)] = None
    if changed:
        updates[table_key("trail", *key)] = trail.to_bytes(STATE_FORMAT)
    return min((start + length + reach for start, length, _ in trail.steps), default=None)


def rewind_trail(
    monitor: Monitor, key: SeriesKey, series: Series, from_ms: int, until_ms: int, updates: _Updates
) -> None:
    """Take back what lies in a time that is replayed."""
    trail = series.trail
    if monitor.trailing is None or not (trail.steps or trail.watched):
        return
    every = monitor.window.every_ms
    kept_from = (series.closed_until_ms or 0) + every - _reach_ms(monitor.trailing, monitor)
    for step_key in trail.rewind(from_ms, until_ms, kept_from_ms=-(-kept_from // every) * every):
        updates[table_key("step", *key, *step_key)] = None
    updates[table_key("trail", *key)] = trail.to_bytes(STATE_FORMAT)


def resume_trail(
    monitor: Monitor, key: SeriesKey, trail: Trail, replayed_to_ms: int, now_ms: int, updates: _Updates
) -> None:
    """End a replay: the past it has filled is that of live time only where no time is missing between them."""
    if monitor.trailing is None:
        return
    step = monitor.trailing.step_ms(monitor.window.every_ms)
    if trail.resume(replayed_to_ms, now_ms, step_ms=step):
        updates[table_key("trail", *key)] = trail.to_bytes(STATE_FORMAT)


def forget_trail(key: SeriesKey, trail: Trail, updates: _Updates) -> None:
    """Forget all of it."""
    for step_key in trail.steps:
        updates[table_key("step", *key, *step_key)] = None
    if trail.watched or trail.steps:
        updates[table_key("trail", *key)] = None
    trail.steps, trail.watched = {}, {}


def _reach_ms(trailing: TrailingConfig, monitor: Monitor) -> int:
    """How far before its end the stretch of a window begins at most."""
    step = trailing.step_ms(monitor.window.every_ms)
    return monitor.window.size + trailing.gap + trailing.length + 2 * step


def choose_trailing(
    monitor: Monitor,
    trailing: TrailingConfig,
    profile: ReferenceProfile,
    series: Series,
    window_start_ms: int,
    panes: Mapping[PaneKey, PaneState],
) -> Choice:
    """Choose the stretch of the past that a window is compared with.

    Parameters
    ----------
    series
        Whose past it is.
    window_start_ms
        Of the window.
    panes
        Of the window, counted for the profile.

    Returns
    -------
    Steps and panes of the stretch, merged; with a reason instead where the series was not watched all that time.
    """
    start, end = trailing.stretch(window_start_ms, monitor.window.every_ms)
    named = Baseline(f"{profile.id}~{trailing}", None, profile.dependence)
    if not any(pane.n_events for pane in panes.values()):
        return Choice(named, list(panes))
    if not series.trail.covers(profile.id, start, end):
        begins = series.trail.begins(profile.id, end)
        since = "begins later" if begins is None else f"begins {_time(begins)}"
        why_not = f"too little of the past: it would have to begin {_time(start)}, and what was counted for {profile.id} {since}"
        return Choice(named, list(panes), why_not)
    inside = [
        (key, pane)
        for key, pane in series.panes.items()
        if key[2] == profile.id and start <= key[0] and key[0] + key[1] <= end
    ]
    merged = series.trail.merged(
        profile.id,
        profile.layout,
        start,
        end,
        (pane.merged(profile.layout) for _, pane in sorted(inside, key=lambda i: i[0])),
    )
    for _, pane in inside:
        pane.pack_away()
    if not merged.n_events:
        return Choice(named, list(panes), f"no events from {_time(start)} to {_time(end)}, with which it is compared")
    return Choice(Baseline(named.id, merged, profile.dependence), list(panes))


def _time(time_ms: int) -> str:
    return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m-%dT%H:%M:%SZ}"
