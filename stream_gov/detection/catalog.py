"""Where the detector looks up monitors and reference profiles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from stream_gov.contracts import Monitor
from stream_gov.reference import ReferenceProfile

__all__ = ["Catalog", "StaticCatalog"]


class Catalog(Protocol):
    """What is in force now. It may change between two records; each window is judged by what it says when the window closes."""

    def monitor(self, model: str) -> Monitor | None:
        """Monitor of a model; None: the model is not watched."""

    def profile(self, profile_id: str) -> ReferenceProfile | None:
        """Profile by its id, `name@revision`; None: not known (yet)."""


class StaticCatalog:
    """A catalog that is given once: for backtests, tests, and use as a library."""

    def __init__(self, monitors: Iterable[Monitor], profiles: Iterable[ReferenceProfile] = ()) -> None:
        self._monitors = {m.model: m for m in monitors}
        self._profiles = {p.id: p for p in profiles}

    def monitor(self, model: str) -> Monitor | None:
        """Monitor of a model."""
        return self._monitors.get(model)

    def profile(self, profile_id: str) -> ReferenceProfile | None:
        """Profile by its id."""
        return self._profiles.get(profile_id)

    def put_monitor(self, monitor: Monitor) -> None:
        """Add a monitor or replace the one of its model."""
        self._monitors[monitor.model] = monitor

    def put_profile(self, profile: ReferenceProfile) -> None:
        """Add a profile."""
        self._profiles[profile.id] = profile

    def profiles_for(self, model: str) -> list[ReferenceProfile]:
        """Profiles that the monitor of a model names, newest revision first; one if it names a revision."""
        monitor = self._monitors.get(model)
        if monitor is None or monitor.reference is None:
            return []
        name, _, revision = monitor.reference.partition("@")
        named = [p for p in self._profiles.values() if p.name == name and (not revision or p.revision == int(revision))]
        return sorted(named, key=lambda p: -p.revision)[:1]
