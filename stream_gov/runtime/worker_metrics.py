"""What the workers tell Prometheus. `docs/metrics.md` explains each metric; a test holds code and document equal."""

from __future__ import annotations

import errno
import time
from threading import Thread
from types import TracebackType
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from stream_gov import __version__
from stream_gov.contracts import RejectReason
from stream_gov.endpoints import Health, serve_endpoints
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.settings import Settings

__all__ = ["MAX_LABELLED_MODELS", "DetectMetrics", "IngestMetrics", "MetricsServer", "WorkerMetrics"]

MAX_LABELLED_MODELS = 2_000
"""Models that get a label of their own; further ones are counted together under `(other)`."""

OTHER_MODELS = "(other)"
_PORTS_TRIED = 20
_LATENCY_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 7.5, 10, 15, 30, 60, 120, 300, 900, 3600)


class WorkerMetrics:
    """Metrics every worker has, in a registry of its own."""

    def __init__(self, worker: str) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._models: set[str] = set()
        self.build = self._gauge(
            "stream_gov_build_info", "Always 1; says which worker of which release.", "worker", "version"
        )
        self.build.labels(worker, __version__).set(1)
        self.started = self._gauge("stream_gov_start_time_seconds", "When the worker started, in seconds since 1970.")
        self.started.set(time.time())
        self.lag = self._gauge(
            "stream_gov_consumer_lag", "Messages of a partition that the worker has not read yet.", "topic", "partition"
        )
        self.restarts = self._counter(
            "stream_gov_start_overs_total", "Times the worker began anew from what was committed, after an error."
        )
        self.bound_hits = self._counter(
            "stream_gov_bound_hits_total", "Events or messages that met a bound of size.", "bound"
        )

    def model_label(self, model: str) -> str:
        """Label of a model: its name, or `(other)` beyond the bound."""
        if model in self._models:
            return model
        if len(self._models) >= MAX_LABELLED_MODELS:
            return OTHER_MODELS
        self._models.add(model)
        return model

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=_LATENCY_BUCKETS)


class IngestMetrics(WorkerMetrics):
    """Metrics of an ingest worker."""

    def __init__(self) -> None:
        super().__init__("ingest")
        self.events = self._counter("stream_gov_events_total", "Events counted in summaries.", "model")
        self.rejected = self._counter(
            "stream_gov_events_rejected_total", "Events rejected, by reason of the dead letter.", "reason"
        )
        for reason in RejectReason:  # a counter that appears with its first event hides that event from `increase`
            self.rejected.labels(reason.value)
        self.dead_letters = self._counter("stream_gov_dead_letters_total", "Messages sent to the dead-letter topic.")
        self.cut_seconds = self._histogram(
            "stream_gov_cut_seconds", "Time to commit a cut's intent and deliver its records."
        )
        self.records = self._counter("stream_gov_summary_records_total", "Summary records delivered.")
        self.record_bytes = self._counter("stream_gov_summary_bytes_total", "Bytes of summary records delivered.")
        self.recovered = self._counter(
            "stream_gov_cuts_recovered_total", "Cuts sent again because their owner before had not finished them."
        )
        self.data_loss = self._counter(
            "stream_gov_data_loss_events_total",
            "Offsets that the broker had deleted before they were read.",
            "topic",
        )


class DetectMetrics(WorkerMetrics):
    """Metrics of a detect worker."""

    def __init__(self) -> None:
        super().__init__("detect")
        self.records = self._counter("stream_gov_records_total", "Summary records taken in, by kind.", "kind")
        self.repeated = self._counter(
            "stream_gov_records_repeated_total", "Summary records received before, which changed nothing."
        )
        self.unwatched = self._counter(
            "stream_gov_records_unwatched_total", "Summary records of models without a monitor."
        )
        self.unreadable = self._counter(
            "stream_gov_records_unreadable_total", "Summary records skipped because they could not be read."
        )
        self.failed = self._counter(
            "stream_gov_records_failed_total", "Summary records skipped because taking them in failed."
        )
        self.lost = self._counter(
            "stream_gov_summary_records_lost_total",
            "Summary records that the broker had deleted before they were read.",
        )
        self.unanswered = self._counter(
            "stream_gov_alert_commands_unanswered_total", "Commands of people that named no open alert."
        )
        self.late = self._counter(
            "stream_gov_events_late_total", "Events that came too late for one of their windows.", "model"
        )
        self.windows = self._counter("stream_gov_windows_closed_total", "Windows closed, over all segments.", "model")
        self.results = self._counter("stream_gov_results_total", "Results sent, by verdict.", "model", "verdict")
        self.alerts = self._counter("stream_gov_alerts_total", "Changes of alerts sent.", "model", "change")
        self.event_to_alert = self._histogram(
            "stream_gov_event_to_alert_seconds",
            "From the arrival of the summary record that closed the window on its topic to the acknowledgement of the alert.",
        )
        self.step_seconds = self._histogram(
            "stream_gov_step_seconds", "Time to take in a record, deliver what it caused and keep the state."
        )


class MetricsServer:
    """Serves a registry on `/metrics`, and the health beside it; without a free port the worker goes on unseen, and says so.

    Parameters
    ----------
    settings
        `metrics_host` and `metrics_port`; port 0 switches it off. Where the port is taken the next free one of 20 is used.
    metrics
        What is served.
    worker
        Whose it is, for the log.
    health
        What `/livez` and `/readyz` tell.
    """

    def __init__(
        self, settings: Settings, metrics: WorkerMetrics, worker: str, *, health: Health | None = None
    ) -> None:
        self.health = health if health is not None else Health()
        self._settings = settings
        self._metrics = metrics
        self._log = get_logger(worker)
        self._server: WSGIServer | None = None
        self._thread: Thread | None = None
        self.port: int | None = None
        """Where it serves; None: nowhere."""

    def start(self) -> MetricsServer:
        """Bind and serve."""
        host, wanted = self._settings.metrics_host, self._settings.metrics_port
        if not wanted:
            return self
        for port in range(wanted, min(wanted + _PORTS_TRIED, 65_536)):
            try:
                server, thread = serve_endpoints(host, port, self._metrics.registry, self.health)
            except OSError as err:
                if err.errno == errno.EADDRINUSE:
                    continue
                self._log.warning(
                    "no metrics are served",
                    address=f"{host}:{port}",
                    reason=err.strerror,
                    remedy="mend `metrics_host` and `metrics_port`",
                )
                return self
            self._server, self._thread, self.port = server, thread, port
            if port != wanted:
                self._log.warning("the port of the metrics is taken; another is used", taken=wanted, used=port)
            self._log.info("metrics are served", url=f"http://{host}:{port}/metrics")
            return self
        self._log.warning(
            "no metrics are served: the ports are taken",
            first=wanted,
            last=wanted + _PORTS_TRIED - 1,
            remedy="set `metrics_port`",
        )
        return self

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(timeout=5.0)
        self._server = self._thread = self.port = None

    def __enter__(self) -> MetricsServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
