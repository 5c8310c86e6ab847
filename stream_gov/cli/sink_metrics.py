"""What the sinks for InfluxDB and the store tell Prometheus about themselves."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream_gov.runtime.worker_metrics import MetricsServer, WorkerMetrics
from stream_gov.settings import Settings
from stream_gov.sinks import SinkCounts

__all__ = ["SINK_COUNTERS", "SinkMetrics", "serve_sink_metrics"]

SINK_COUNTERS = {
    "written": ("stream_gov_sink_written_total", "Records the store has accepted."),
    "unreadable": ("stream_gov_sink_unreadable_total", "Messages that are no result or alert; skipped."),
    "refused": ("stream_gov_sink_refused_total", "Records the store will never take; skipped."),
    "lost": ("stream_gov_sink_lost_total", "Messages that retention deleted before they were read."),
    "failures": ("stream_gov_sink_failures_total", "Attempts to write that failed and were repeated."),
}
"""By attribute of `SinkCounts` the name and the text of its metric."""


class SinkMetrics(WorkerMetrics):
    """What every worker has, and the counts of a sink as they are at each scrape; the sink itself knows nothing of Prometheus.

    Parameters
    ----------
    name
        Of the sink, such as `influx`.
    counts
        Where it counts.
    """

    def __init__(self, name: str, counts: SinkCounts) -> None:
        super().__init__(f"sink-{name}")
        self.registry.unregister(self.lag)  # its place is taken by one that is read from the counts
        self.registry.register(_Counts(counts))


class _Counts(Collector):
    def __init__(self, counts: SinkCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        for attribute, (name, text) in SINK_COUNTERS.items():
            yield CounterMetricFamily(name, text, value=float(getattr(self._counts, attribute)))
        lag = GaugeMetricFamily(
            "stream_gov_consumer_lag",
            "Messages of a partition that the worker has not read yet.",
            labels=["topic", "partition"],
        )
        for (topic, partition), n in list(self._counts.lag_by_partition.items()):
            lag.add_metric([topic, str(partition)], float(n))
        yield lag


def serve_sink_metrics(settings: Settings, name: str, counts: SinkCounts) -> MetricsServer:
    """Make the server of a sink's `/metrics`; it serves within its context."""
    return MetricsServer(settings, SinkMetrics(name, counts), f"sink-{name}", health=counts.health)
