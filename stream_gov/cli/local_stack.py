"""Everything on one machine: a broker, what the state directory holds published to it, and every worker as a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from threading import Event
from types import TracebackType

from stream_gov.cli.output import warning
from stream_gov.contracts import ConfigurationError, StreamGovError
from stream_gov.files.state_directory import StateDirectory
from stream_gov.runtime.catalog_publisher import CatalogPublisher
from stream_gov.runtime.embedded_broker import EmbeddedBroker
from stream_gov.runtime.kafka_clients import wait_for_broker
from stream_gov.runtime.supervisor import Supervisor, WorkerSpec
from stream_gov.runtime.topics import ensure_topics
from stream_gov.settings import Settings

__all__ = ["LocalStack", "publish_state"]


class LocalStack:
    """A context in which the broker and the workers run; at its end all processes have stopped.

    Parameters
    ----------
    settings
        Without `bootstrap` the embedded broker is started, and noted in the state directory.
    workers
        What runs, in the order of the flow, for the settings with the broker filled in.
    on_line
        Takes every line that a worker writes: its name, and the line.
    stop
        Ends the waiting for a broker that does not answer yet.

    Raises
    ------
    ConfigurationError
        An embedded broker runs for this state directory already.
    UnavailableError
        The broker did not come up.
    """

    def __init__(
        self,
        settings: Settings,
        workers: Callable[[Settings], Sequence[WorkerSpec]],
        *,
        on_line: Callable[[str, str], None],
        stop: Event | None = None,
    ) -> None:
        self.settings = settings
        self.published: list[str] = []
        """Monitors and references that were published, in words."""
        self._workers = workers
        self._on_line = on_line
        self._stop = stop
        self._state = StateDirectory(settings.state_dir)
        self._broker: EmbeddedBroker | None = None
        self._supervisor: Supervisor | None = None

    @property
    def supervisor(self) -> Supervisor:
        """Who looks after the workers; call its `look_after` now and then, and a worker that has ended is started again."""
        if self._supervisor is None:
            msg = "the workers do not run"
            raise RuntimeError(msg)
        return self._supervisor

    @property
    def embedded(self) -> bool:
        """Whether the broker is ours."""
        return self._broker is not None

    def __enter__(self) -> LocalStack:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def _start(self) -> None:
        if not self.settings.bootstrap:
            running = self._state.running_broker()
            if running is not None:
                msg = (
                    f"an embedded broker runs already for {self._state.path} (process {running.pid}, {running.bootstrap}); end that one, "
                    "or choose another --state-dir"
                )
                raise ConfigurationError(msg)
            self._broker = EmbeddedBroker().start()
            self.settings = self.settings.model_copy(update={"bootstrap": self._broker.bootstrap})
        cluster = wait_for_broker(self.settings, "up", stop=self._stop)
        ensure_topics(self.settings, cluster, worker="up")
        self.published = publish_state(self.settings, self._state)
        self._supervisor = Supervisor(self.settings, self._workers(self.settings), on_line=self._on_line)
        self._supervisor.start()
        if self._broker is not None:  # only now: who finds the note finds everything in place
            self._state.write_broker_note(self._broker.bootstrap, os.getpid())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._broker is not None:
            self._state.remove_broker_note(os.getpid())
        if self._supervisor is not None:
            self._supervisor.stop()
        if self._broker is not None:
            self._broker.stop()


def publish_state(settings: Settings, state: StateDirectory) -> list[str]:
    """Publish every monitor of the state directory and the reference it names; what cannot be read is told and left out.

    Returns
    -------
    What was published, in words.
    """
    published = []
    with CatalogPublisher(settings) as publisher:
        for name in state.monitor_names():
            try:
                monitor = state.load_monitor(name)
                profile = None if monitor.reference is None else state.load_profile(monitor.reference)
            except StreamGovError as err:
                for line in str(err).splitlines():
                    warning(f"not published: {line}")
                continue
            if profile is not None:
                publisher.publish_reference(profile)
                published.append(f"reference {profile.id}")
            publisher.publish_monitor(monitor)
            published.append(f"monitor {monitor.name}")
    return published
