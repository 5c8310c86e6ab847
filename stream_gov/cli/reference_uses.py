"""Which revision of a reference each monitor is compared with: by its file in the state directory, and by what the topics say."""

from __future__ import annotations

from dataclasses import dataclass

from stream_gov.cli.output import warning
from stream_gov.contracts import ConfigurationError, DataError, Monitor
from stream_gov.files.state_directory import StateDirectory
from stream_gov.reference import ReferenceProfile
from stream_gov.runtime.catalog import TopicCatalog
from stream_gov.runtime.catalog_watcher import CatalogWatcher
from stream_gov.settings import Settings

__all__ = ["MonitorUse", "read_catalog", "reference_uses"]

_ANSWER_S = 5.0


@dataclass(frozen=True)
class MonitorUse:
    """One monitor, as it is kept in the state directory and as it is published."""

    name: str
    kept: Monitor | None = None
    kept_revision: str | None = None
    """`name@revision` that the kept monitor means, None where that is not there."""
    published: Monitor | None = None
    published_revision: str | None = None

    @property
    def monitor(self) -> Monitor:
        """The published one, else the kept one."""
        found = self.published or self.kept
        if found is None:
            msg = f"the monitor {self.name} is neither kept nor published"
            raise ValueError(msg)
        return found

    @property
    def in_force(self) -> str | None:
        """Revision that windows are compared with now; without a broker the one that will be."""
        return self.published_revision if self.published is not None else self.kept_revision

    @property
    def difference(self) -> str:
        """How the state directory and the topics disagree about the revision; empty where they agree, or only one knows the monitor."""
        if self.kept is None or self.published is None or self.kept_revision == self.published_revision:
            return ""
        kept, published = (r or "none" for r in (self.kept_revision, self.published_revision))
        return f"the state directory says {kept}, and {published} is in force"

    def names(self, reference: str) -> bool:
        """Whether the monitor is compared with a revision of this reference, here or there."""
        return any(_name_of(m) == reference for m in (self.kept, self.published))


def _name_of(monitor: Monitor | None) -> str | None:
    return None if monitor is None or monitor.reference is None else monitor.reference.partition("@")[0]


def read_catalog(settings: Settings, worker: str) -> TopicCatalog:
    """Read what the topics of monitors and references hold.

    Raises
    ------
    UnavailableError
        The broker does not answer in time, or the topics are not there.
    """
    with CatalogWatcher(settings, worker) as watcher:
        watcher.wait_until_loaded(_ANSWER_S)
        return watcher.catalog


def reference_uses(state: StateDirectory, catalog: TopicCatalog | None) -> list[MonitorUse]:
    """Every monitor that is kept or published, by name; a file that cannot be read is told and left out."""
    kept: dict[str, Monitor] = {}
    for name in state.monitor_names():
        try:
            kept[name] = state.load_monitor(name)
        except ConfigurationError as err:
            for line in str(err).splitlines():
                warning(line)
    published = {} if catalog is None else {m.name: m for m in catalog.monitors()}
    uses = []
    for name in sorted(kept.keys() | published.keys()):
        here, there = kept.get(name), published.get(name)
        uses.append(
            MonitorUse(
                name,
                here,
                None if here is None else _kept_revision(state, here),
                there,
                None if there is None or catalog is None else _id_of(catalog.profile_named_by(there)),
            )
        )
    return uses


def _kept_revision(state: StateDirectory, monitor: Monitor) -> str | None:
    if monitor.reference is None:
        return None
    try:
        return state.resolve(monitor.reference)
    except DataError:
        return None


def _id_of(profile: ReferenceProfile | None) -> str | None:
    return None if profile is None else profile.id
