from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from structlog.testing import capture_logs

from stream_gov.cli.sink_metrics import SINK_COUNTERS
from stream_gov.runtime import worker_metrics
from stream_gov.runtime.worker_metrics import (
    OTHER_MODELS,
    DetectMetrics,
    IngestMetrics,
    MetricsServer,
    WorkerMetrics,
)
from stream_gov.settings import Settings
from tests.servers.finder import free_port

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def described(metrics: WorkerMetrics) -> dict[str, set[str]]:
    """Name and labels of our own metrics."""
    found = {}
    for attribute in vars(metrics).values():
        for metric in getattr(attribute, "describe", list)():
            if metric.name.startswith("stream_gov_"):
                name = metric.name + ("_total" if metric.type == "counter" else "")
                found[name] = set(attribute._labelnames)
    return found


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(stream_gov_\w+)` \|([^|]*)\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == len({name for name, _ in rows}), "a metric stands twice"
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def test_the_page_lists_exactly_the_metrics_there_are_with_their_labels() -> None:
    of_code = described(WorkerMetrics("x")) | described(IngestMetrics()) | described(DetectMetrics())
    of_code |= {name: set() for name, _ in SINK_COUNTERS.values()}
    assert len(of_code) > 25
    assert documented() == of_code


def test_every_metric_has_a_text() -> None:
    for metrics in (IngestMetrics(), DetectMetrics()):
        for family in metrics.registry.collect():
            assert family.documentation


def test_two_workers_in_one_process_do_not_share_metrics() -> None:
    first, second = IngestMetrics(), IngestMetrics()
    first.events.labels("m").inc()
    assert second.registry.get_sample_value("stream_gov_events_total", {"model": "m"}) is None


def test_models_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_metrics, "MAX_LABELLED_MODELS", 2)
    metrics = IngestMetrics()
    assert [metrics.model_label(m) for m in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER_MODELS, "a", OTHER_MODELS]


def test_every_reason_of_rejection_is_there_from_the_start() -> None:
    assert IngestMetrics().registry.get_sample_value("stream_gov_events_rejected_total", {"reason": "too_deep"}) == 0


def scrape(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def test_metrics_are_served_until_the_end_of_the_context() -> None:
    port = free_port()
    with MetricsServer(Settings(metrics_port=port), IngestMetrics(), "ingest") as server:
        assert server.port == port
        assert 'stream_gov_build_info{version="' in scrape(port)
    with pytest.raises(URLError):
        scrape(port)


def test_a_taken_port_leads_to_the_next_and_is_told() -> None:
    port = free_port()
    with socket.socket() as taken, capture_logs() as lines:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with MetricsServer(Settings(metrics_port=port), IngestMetrics(), "ingest") as server:
            assert server.port is not None
            assert port < server.port < port + 20
            assert "stream_gov_start_time_seconds" in scrape(server.port)
    assert any(line.get("taken") == port for line in lines)


def test_without_a_free_port_the_worker_goes_on_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_metrics, "_PORTS_TRIED", 1)
    port = free_port()
    with socket.socket() as taken, capture_logs() as lines:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with MetricsServer(Settings(metrics_port=port), IngestMetrics(), "ingest") as server:
            assert server.port is None
    assert any("no metrics are served" in line["event"] for line in lines)


def test_a_host_that_is_not_ours_is_told() -> None:
    with capture_logs() as lines:
        settings = Settings(metrics_port=free_port(), metrics_host="192.0.2.1")
        with MetricsServer(settings, IngestMetrics(), "ingest") as server:
            assert server.port is None
    assert any("no metrics are served" in line["event"] for line in lines)


def test_port_0_serves_none() -> None:
    with MetricsServer(Settings(metrics_port=0), IngestMetrics(), "ingest") as server:
        assert server.port is None
