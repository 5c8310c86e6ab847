"""The Prometheus exporter: the newest drift values, windows and open alerts on `/metrics`."""

from __future__ import annotations

import threading

from prometheus_client import CollectorRegistry

from stream_gov.contracts import ConfigurationError
from stream_gov.endpoints import serve_endpoints
from stream_gov.settings import Settings
from stream_gov.sinks.consume import LoopOptions
from stream_gov.sinks.drift_gauges import MAX_SERIES, DriftGauges
from stream_gov.sinks.run import run_loop
from stream_gov.sinks.sink import Record, SinkCounts

__all__ = ["PrometheusSink", "run_prometheus_sink"]


class PrometheusSink:
    """Keeps the newest values for the next scrape; it has no place of its own to write to.

    Parameters
    ----------
    gauges
        Where they are kept.
    """

    name = "prometheus"

    def __init__(self, gauges: DriftGauges) -> None:
        self._gauges = gauges

    def setup(self) -> None:
        """Nothing to connect to."""

    def add(self, record: Record) -> None:
        """Take one record; the next scrape sees it."""
        self._gauges.update(record)

    def flush(self) -> None:
        """Nothing to deliver."""

    def close(self) -> None:
        """Nothing to let go of."""


def run_prometheus_sink(settings: Settings, stop: threading.Event, *, counts: SinkCounts | None = None) -> None:
    """Serve `/metrics` on `metrics_host`:`metrics_port` until `stop` is set.

    It keeps nothing on disk: at every start it reads the topics from the beginning, and shows nothing of the models until it has reached
    their end. Several exporters show the same.

    Parameters
    ----------
    settings
        `bootstrap` must be filled in; `metrics_host` and `metrics_port` say where it listens.
    stop
        Ends it, within a second or two.
    counts
        Where it counts, for another thread to read.

    Raises
    ------
    ConfigurationError
        No address of Kafka, or the port is taken or not given.
    """
    if settings.metrics_port == 0:
        msg = "metrics_port is 0, which means none; the Prometheus sink needs one: set metrics_port (STREAM_GOV_METRICS_PORT)"
        raise ConfigurationError(msg)
    gauges = DriftGauges(MAX_SERIES)
    counts = counts if counts is not None else SinkCounts()
    registry = CollectorRegistry()
    registry.register(gauges)
    try:
        server, thread = serve_endpoints(settings.metrics_host, settings.metrics_port, registry, counts.health)
    except OSError as err:
        msg = (
            f"cannot listen on {settings.metrics_host}:{settings.metrics_port} ({err.strerror or err}); "
            "set metrics_host (STREAM_GOV_METRICS_HOST) and metrics_port (STREAM_GOV_METRICS_PORT) to a free address"
        )
        raise ConfigurationError(msg) from err
    try:
        run_loop(
            settings,
            PrometheusSink(gauges),
            stop,
            options=LoopOptions(commit=False),
            counts=counts,
            on_caught_up=gauges.show,
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
