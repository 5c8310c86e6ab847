"""What ingest counts for each model, in step with the catalogue; while a profile is replaced, on the old one too."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from stream_gov.contracts import Monitor
from stream_gov.decoding import CountingPlan
from stream_gov.reference import ReferenceProfile, counting_plan
from stream_gov.runtime.catalog import TopicCatalog
from stream_gov.runtime.structured_logging import get_logger

__all__ = ["CountingPlans"]


@dataclass(slots=True)
class _Replacement:
    """A profile that was replaced and is still counted on."""

    old: ReferenceProfile
    until_ms: int | None
    """Event time at which the windows that span the change have closed; None until an event time is known."""


@dataclass(slots=True)
class _Entry:
    catalog_version: int
    monitor: Monitor
    newest: ReferenceProfile | None
    replacement: _Replacement | None
    plan: CountingPlan


class CountingPlans:
    """Plans for `Intake`, one per model with a monitor. Used by one thread.

    When a monitor's profile is replaced, events are counted on both until the windows that span the change have closed: until event
    time in every partition has come `window.size` and `window.allowed_lateness` further than it was in any at the change. A worker
    that starts was not there at the change. If the monitor was published no longer ago than that, and says what was in force before, that
    is being replaced; else a profile built no longer ago replaces the revision before it. Such a worker begins to measure at the first
    event time it sees.

    Parameters
    ----------
    catalog
        Monitors and profiles.
    out_of_orderness_ms
        Watermarks are this much behind the largest event time.
    wall_clock_ms
        Now, in epoch milliseconds.
    """

    def __init__(
        self,
        catalog: TopicCatalog,
        *,
        out_of_orderness_ms: int,
        wall_clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._catalog = catalog
        self._out_of_orderness_ms = out_of_orderness_ms
        self._wall_clock_ms = wall_clock_ms
        self._entries: dict[str, _Entry] = {}
        self._watermarks: dict[tuple[str, int], int] = {}
        self._log = get_logger("ingest")

    def plan_of(self, model: str) -> CountingPlan | None:
        """Return the plan of a model; None: the model has no monitor."""
        entry = self._entries.get(model)
        version = self._catalog.version
        if entry is not None and entry.catalog_version == version:
            return entry.plan
        monitor = self._catalog.monitor(model)
        if monitor is None:
            self._entries.pop(model, None)  # and nothing is kept of names that only events know
            return None
        newest = self._catalog.newest_profile(model)
        if entry is not None and entry.monitor is monitor and entry.newest is newest:
            entry.catalog_version = version
            return entry.plan
        replacement = self._replacement(monitor, newest, entry)
        plan = _plan(monitor, newest, replacement)
        self._entries[model] = _Entry(version, monitor, newest, replacement, plan)
        return plan

    def _replacement(
        self, monitor: Monitor, newest: ReferenceProfile | None, entry: _Entry | None
    ) -> _Replacement | None:
        if newest is None:
            return None
        span = monitor.window.size + monitor.window.allowed_lateness
        if entry is None:
            promoted = self._promoted(monitor, newest, span)
            if promoted is not None:
                return promoted
            if not 0 <= self._wall_clock_ms() - newest.created_ms < span:
                return None
            older = (self._catalog.profile(f"{newest.name}@{r}") for r in self._catalog.revisions(newest.name))
            old = next((p for p in older if p is not None and p.revision < newest.revision), None)
            pinned = monitor.reference is not None and "@" in monitor.reference
            return None if old is None or pinned else _Replacement(old, None)
        if entry.newest is None or entry.newest.id == newest.id:
            still = entry.replacement
            return still if still is not None and still.old.id != newest.id else None
        self._log.info(
            "a reference is replaced; events are counted on both for a while",
            model=monitor.model,
            old=entry.newest.id,
            new=newest.id,
        )
        until = None
        if self._watermarks:
            until = max(self._watermarks.values()) + self._out_of_orderness_ms + span
        return _Replacement(entry.newest, until)

    def _promoted(self, monitor: Monitor, newest: ReferenceProfile, span: int) -> _Replacement | None:
        """What a monitor that was published just now says was in force before."""
        before = self._catalog.previous_reference(monitor.model)
        if before is None or before[0] == newest.id or not 0 <= self._wall_clock_ms() - before[1] < span:
            return None
        old = self._catalog.profile(before[0])
        return None if old is None else _Replacement(old, None)

    def observe(self, topic: str, partition: int, watermark_ms: int) -> None:
        """Note how far event time has come in a source partition."""
        source = (topic, partition)
        self._watermarks[source] = max(watermark_ms, self._watermarks.get(source, watermark_ms))
        least = min(self._watermarks.values())
        for entry in self._entries.values():
            replacement = entry.replacement
            if replacement is None:
                continue
            window = entry.monitor.window
            if replacement.until_ms is None:
                replacement.until_ms = (
                    max(self._watermarks.values()) + self._out_of_orderness_ms + window.size + window.allowed_lateness
                )
            elif least >= replacement.until_ms:
                entry.replacement = None
                entry.plan = _plan(entry.monitor, entry.newest, None)
                self._log.info(
                    "the replaced reference is counted on no longer",
                    model=entry.monitor.model,
                    old=replacement.old.id,
                    new=entry.newest.id if entry.newest is not None else "",
                )

    def leave_out(self, topic: str, partition: int) -> None:
        """Forget a source partition that is idle, or another worker's now: nothing waits for it."""
        self._watermarks.pop((topic, partition), None)


def _plan(monitor: Monitor, newest: ReferenceProfile | None, replacement: _Replacement | None) -> CountingPlan:
    profiles = [newest] if newest is not None else []
    if newest is not None and replacement is not None:
        profiles.append(replacement.old)
    return counting_plan(monitor, profiles)
