"""Monitors and reference profiles as the compacted topics hold them, in memory; the thread that fills it is `CatalogWatcher`."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import RLock

from stream_gov.contracts import ConfigurationError, Monitor, UnreadableProfileError
from stream_gov.reference import ReferenceProfile, profile_id, split_profile_id
from stream_gov.runtime.structured_logging import get_logger

__all__ = ["MAX_DECODED_PROFILES", "MAX_REVISIONS", "PREVIOUS_REFERENCE", "TopicCatalog"]

MAX_DECODED_PROFILES = 2_000
"""Profiles kept unpacked; the one unused for longest is unpacked again when it is asked for."""

MAX_REVISIONS = 20
"""Revisions of one reference kept in memory: those published last. The topic holds all of them. The newest revision, and every one that a
monitor names or was compared with before its last change, stay beyond it."""

PREVIOUS_REFERENCE = "stream-gov-previous-reference"
"""Header of a message of the topic of monitors: the revision, `name@revision`, that was in force when it was sent."""

_log = get_logger("catalog")


@dataclass(frozen=True)
class _MonitorEntry:
    monitor: Monitor
    since_ms: int
    previous: str | None = None
    """What was compared with before: `name@revision`."""


class TopicCatalog:
    """What the topics of monitors and references hold; safe to be used from several threads.

    Entries that cannot be read are logged and skipped: one bad message must not stop the monitoring of every other model.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._monitors: dict[str, _MonitorEntry] = {}
        self._by_model: dict[str, Monitor] = {}
        self._packed: dict[str, dict[int, bytes]] = {}
        self._overruled: set[tuple[str, str]] = set()
        self._unreadable: set[str] = set()
        self._decoded: OrderedDict[str, ReferenceProfile] = OrderedDict()
        self._version = 0
        self.n_unreadable = 0
        """Messages skipped so far."""

    # --- what the topics say -------------------------------------------------------------------------------------------------------

    def apply_monitor(
        self, key: bytes | None, value: bytes | None, timestamp_ms: int, *, previous: str | None = None
    ) -> bool:
        """Take a message of the topic of monitors; True if something changed.

        Parameters
        ----------
        key, value, timestamp_ms
            Of the message.
        previous
            Its header :data:`PREVIOUS_REFERENCE`: tells a worker that was not there before what the monitor was compared with.
        """
        name = (key or b"").decode("utf-8", "replace")
        with self._lock:
            if not value:
                changed = self._monitors.pop(name, None) is not None
            else:
                try:
                    monitor = Monitor.from_json_bytes(value, source=f"monitor {name!r} on the topic of monitors")
                except ConfigurationError as err:
                    self.n_unreadable += 1
                    _log.error("a monitor cannot be read and is skipped", monitor=name, reason=str(err))
                    return False
                known = self._monitors.get(name)
                changed = known is None or known.monitor != monitor
                if previous is None and known is not None:
                    previous = (
                        self._in_force(known.monitor)
                        if known.monitor.reference != monitor.reference
                        else known.previous
                    )
                self._monitors[name] = _MonitorEntry(monitor, timestamp_ms, previous)
            if changed:
                self._choose_by_model()
                self._version += 1
                for reference in list(self._packed):
                    self._drop_old_revisions(reference)
            return changed

    def _in_force(self, monitor: Monitor) -> str | None:
        """Id of the revision that a monitor is compared with now."""
        profile = self.profile_named_by(monitor)
        return None if profile is None else profile.id

    def _drop_old_revisions(self, name: str) -> None:
        """Keep the revisions published last, the newest, and those that a monitor names or was compared with before."""
        revisions = self._packed[name]
        if len(revisions) <= MAX_REVISIONS:
            return
        kept = {*list(revisions)[-MAX_REVISIONS:], max(revisions)}
        for entry in self._monitors.values():
            for reference in (entry.monitor.reference, entry.previous):
                if reference is not None and reference.partition("@")[0] == name:
                    kept.add(split_profile_id(reference)[1] or 0)
        for revision in [r for r in revisions if r not in kept]:
            del revisions[revision]
            self._decoded.pop(profile_id(name, revision), None)

    def _choose_by_model(self) -> None:
        chosen: dict[str, Monitor] = {}
        overruled: set[tuple[str, str]] = set()
        # Of two monitors of one model the later wins, by name where both came in one millisecond: the same in every worker.
        for entry in sorted(self._monitors.values(), key=lambda e: (e.since_ms, e.monitor.name)):
            other = chosen.get(entry.monitor.model)
            if other is not None:
                overruled.add((entry.monitor.name, other.name))
            if other is not None and (entry.monitor.name, other.name) not in self._overruled:
                _log.warning(
                    "two monitors watch one model; the later is used",
                    model=entry.monitor.model,
                    used=entry.monitor.name,
                    unused=other.name,
                    remedy="delete one of them",
                )
            chosen[entry.monitor.model] = entry.monitor
        self._by_model, self._overruled = chosen, overruled

    def apply_reference(self, key: bytes | None, value: bytes | None) -> bool:
        """Take a message of the topic of references; True if something changed. The profile is unpacked when it is first used."""
        published = (key or b"").decode("utf-8", "replace")
        try:
            name, revision = split_profile_id(published)
        except ValueError:
            name, revision = published, None
        with self._lock:
            if revision is None:
                self.n_unreadable += 1
                _log.error(
                    "a message of the topic of references is skipped: its key is not `name@revision`", key=published
                )
                return False
            revisions = self._packed.setdefault(name, {})
            before = revisions.pop(revision, None)
            changed = (before or None) != (value or None)
            if changed:
                self._decoded.pop(published, None)
                self._unreadable.discard(published)
            if value:
                revisions[revision] = value  # at the end, also when it was there: the order is that of publication
                self._drop_old_revisions(name)
            elif not revisions:
                del self._packed[name]
            if changed:
                self._version += 1
            return changed

    # --- what the workers ask ------------------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._version

    def monitor(self, model: str) -> Monitor | None:
        """Monitor of a model; None: the model is not watched."""
        return self._by_model.get(model)

    def monitors(self) -> list[Monitor]:
        """Every monitor, by name, those that another of the same model overrules included."""
        with self._lock:
            return [self._monitors[name].monitor for name in sorted(self._monitors)]

    def models(self) -> list[str]:
        """Models that have a monitor, sorted."""
        return sorted(self._by_model)

    def previous_reference(self, model: str) -> tuple[str, int] | None:
        """What the monitor of a model was compared with before its last change, and when that was published (epoch milliseconds)."""
        with self._lock:
            monitor = self._by_model.get(model)
            entry = None if monitor is None else self._monitors.get(monitor.name)
            return None if entry is None or entry.previous is None else (entry.previous, entry.since_ms)

    def profile(self, profile_id: str) -> ReferenceProfile | None:
        """Profile by its id, `name@revision`; None: not known, or not readable."""
        with self._lock:
            profile = self._decoded.get(profile_id)
            if profile is not None:
                self._decoded.move_to_end(profile_id)
                return profile
            name, _, revision = profile_id.rpartition("@")
            packed = self._packed.get(name, {}).get(int(revision)) if revision.isdigit() else None
            if packed is None or profile_id in self._unreadable:
                return None
            try:
                profile = ReferenceProfile.from_bytes(
                    packed, source=f"reference {profile_id} on the topic of references"
                )
            except UnreadableProfileError as err:
                self.n_unreadable += 1
                self._unreadable.add(profile_id)
                _log.error("a reference cannot be read and is skipped", reference=profile_id, reason=str(err))
                return None
            self._decoded[profile_id] = profile
            if len(self._decoded) > MAX_DECODED_PROFILES:
                self._decoded.popitem(last=False)
            return profile

    def profiles_of(self, model: str) -> list[ReferenceProfile]:
        """Readable profiles that the monitor of a model may use, newest revision first; one if it names a revision."""
        monitor = self.monitor(model)
        if monitor is None or monitor.reference is None:
            return []
        name, revision = split_profile_id(monitor.reference)
        found = (self.profile(f"{name}@{r}") for r in self.revisions(name) if revision in (None, r))
        return [profile for profile in found if profile is not None]

    def newest_profile(self, model: str) -> ReferenceProfile | None:
        """Profile that the monitor of a model names now: unpacks no more than this one."""
        monitor = self.monitor(model)
        return None if monitor is None else self.profile_named_by(monitor)

    def profile_named_by(self, monitor: Monitor) -> ReferenceProfile | None:
        """Profile that a monitor names now, whether or not another monitor of its model overrules it."""
        if monitor.reference is None:
            return None
        name, revision = split_profile_id(monitor.reference)
        for candidate in self.revisions(name) if revision is None else [revision]:
            profile = self.profile(f"{name}@{candidate}")
            if profile is not None:
                return profile
        return None

    def revisions(self, name: str) -> list[int]:
        """Revisions known of a reference, newest first."""
        with self._lock:
            return sorted(self._packed.get(name, {}), reverse=True)

    def references(self) -> dict[str, list[int]]:
        """Revisions of every reference, newest first, by name."""
        with self._lock:
            return {name: sorted(revisions, reverse=True) for name, revisions in sorted(self._packed.items())}
