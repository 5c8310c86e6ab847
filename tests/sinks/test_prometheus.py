from __future__ import annotations

import math
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from stream_gov.contracts import (
    Alert,
    AlertChange,
    AlertSeverity,
    AlertStatus,
    ConfigurationError,
    Result,
    Verdict,
)
from stream_gov.settings import Settings, TopicSettings
from stream_gov.sinks import DriftGauges, PrometheusSink, SinkCounts, run_prometheus_sink
from tests.contracts.messages import DAY_MS, END_MS, START_MS, a_result, an_alert
from tests.servers.finder import free_port
from tests.servers.mock_cluster import MockCluster

CHECK = {"model": "electricity", "version": "1", "segment": "(all)", "column": "vicprice", "statistic": "psi"}
SERIES = {"model": "electricity", "version": "1", "segment": "(all)"}


class Scrape:
    """Gauges of their own registry, as Prometheus would see them."""

    def __init__(self, *, max_series: int = 100, shown: bool = True) -> None:
        self.gauges = DriftGauges(max_series)
        self.registry = CollectorRegistry()
        self.registry.register(self.gauges)
        self.sink = PrometheusSink(self.gauges)
        if shown:
            self.gauges.show()

    def take(self, *records: Result | Alert) -> None:
        for record in records:
            self.sink.add(record)
        self.sink.flush()

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def samples(self, name: str) -> list[dict[str, str]]:
        return [s.labels for metric in self.registry.collect() for s in metric.samples if s.name == name]


def an_events_result(**changes: object) -> Result:
    return a_result(column="", statistic="events", rule="none", verdict=Verdict.STABLE, **changes)


def resolved(**changes: object) -> Alert:
    return an_alert(change=AlertChange.RESOLVED, status=AlertStatus.RESOLVED, causes=[], **changes)


def test_a_result_shows_its_value_verdict_and_limit() -> None:
    scrape = Scrape()
    scrape.take(a_result())
    assert scrape.value("stream_gov_drift_value", **CHECK) == 3.25
    assert scrape.value("stream_gov_drift_verdict", **CHECK) == 1.0
    assert scrape.value("stream_gov_drift_limit", **CHECK) == 0.1


@pytest.mark.parametrize(
    ("changes", "verdict", "limit"),
    [
        ({"verdict": Verdict.STABLE}, 0.0, 0.1),
        ({"verdict": Verdict.INSUFFICIENT}, math.nan, 0.1),
        ({"rule": "threshold", "threshold": 0.25, "tolerance": None}, 1.0, 0.25),
        ({"rule": "p_value", "tolerance": None}, 1.0, None),
    ],
)
def test_verdicts_are_numbers_and_cannot_tell_is_none_of_them(
    changes: dict[str, object], verdict: float, limit: float | None
) -> None:
    scrape = Scrape()
    scrape.take(a_result(**changes))
    assert scrape.value("stream_gov_drift_verdict", **CHECK) == pytest.approx(verdict, nan_ok=True)
    assert scrape.value("stream_gov_drift_limit", **CHECK) == limit


def test_an_undefined_value_is_nan_and_not_the_last_one() -> None:
    scrape = Scrape()
    scrape.take(a_result(), a_result(value=None, window_start_ms=END_MS, window_end_ms=END_MS + DAY_MS))
    value = scrape.value("stream_gov_drift_value", **CHECK)
    assert value is not None
    assert math.isnan(value)


def test_the_newest_window_is_shown_whatever_comes_after() -> None:
    scrape = Scrape()
    late = {"window_start_ms": START_MS - DAY_MS, "window_end_ms": END_MS - DAY_MS}
    scrape.take(
        a_result(revision=1, value=2.0), a_result(revision=0, value=1.0), a_result(value=9.0, revision=3, **late)
    )
    assert scrape.value("stream_gov_drift_value", **CHECK) == 2.0


def test_the_accounting_of_a_window_is_shown_apart() -> None:
    scrape = Scrape()
    scrape.take(an_events_result(events=336, late=4, rejected=2, segment="region=NSW"))
    labels = SERIES | {"segment": "region=NSW"}
    assert scrape.value("stream_gov_window_events", **labels) == 336
    assert scrape.value("stream_gov_window_late_events", **labels) == 4
    assert scrape.value("stream_gov_window_rejected_events", **labels) == 2
    assert scrape.value("stream_gov_window_end_timestamp_seconds", **labels) == END_MS / 1_000
    assert scrape.samples("stream_gov_drift_value") == []


def open_alerts(scrape: Scrape, model: str, name: str = "stream_gov_alerts_open") -> dict[str, float | None]:
    found = {s: scrape.value(name, model=model, severity=s) for s in ("info", "warning", "critical")}
    return {severity: n for severity, n in found.items() if n != 0}


def test_open_alerts_are_counted_by_model_and_severity_and_a_model_without_one_shows_zeros() -> None:
    scrape = Scrape()
    scrape.take(
        an_events_result(model="calm"),
        an_alert(),
        an_alert(change=AlertChange.UPDATED, sequence=1, severity=AlertSeverity.CRITICAL),
        an_alert(segment="region=NSW", alert_id="b"),
        an_alert(model="other", alert_id="c"),
    )
    assert open_alerts(scrape, "electricity") == {"critical": 1, "warning": 1}
    assert open_alerts(scrape, "other") == {"warning": 1}
    assert open_alerts(scrape, "calm") == {}
    scrape.take(resolved(sequence=2), resolved(model="other", alert_id="c", sequence=1))
    assert open_alerts(scrape, "electricity") == {"warning": 1}
    assert open_alerts(scrape, "other") == {}


def test_an_alert_that_someone_has_acknowledged_or_snoozed_is_open_and_not_unattended() -> None:
    for changes in (
        {"status": AlertStatus.ACKNOWLEDGED, "acknowledged_by": "anna"},
        {"snoozed_until_ms": END_MS + DAY_MS},
    ):
        scrape = Scrape()
        scrape.take(an_alert())
        assert open_alerts(scrape, "electricity", "stream_gov_alerts_unattended") == {"warning": 1}
        scrape.take(an_alert(sequence=1, **changes))
        assert open_alerts(scrape, "electricity", "stream_gov_alerts_unattended") == {}
        assert open_alerts(scrape, "electricity") == {"warning": 1}


def test_an_alert_read_once_more_from_the_beginning_stays_resolved() -> None:
    scrape = Scrape()
    scrape.take(an_alert(), resolved(sequence=1, window_end_ms=END_MS + DAY_MS), an_alert())
    assert open_alerts(scrape, "electricity") == {}


def test_series_are_bounded_and_what_is_left_out_is_counted() -> None:
    scrape = Scrape(max_series=5)
    scrape.take(*[a_result(column=f"c{i}") for i in range(8)])
    assert len(scrape.samples("stream_gov_drift_value")) == 5
    assert scrape.value("stream_gov_exporter_series") == 5
    assert scrape.value("stream_gov_exporter_dropped_total") == 3


def test_until_it_has_caught_up_it_says_nothing_of_the_models() -> None:
    scrape = Scrape(shown=False)
    scrape.take(a_result(), an_alert())
    assert scrape.samples("stream_gov_drift_value") == scrape.samples("stream_gov_alerts_open") == []
    assert scrape.value("stream_gov_exporter_caught_up") == 0
    assert scrape.value("stream_gov_exporter_records_total", type="result") == 1
    scrape.gauges.show()
    assert scrape.value("stream_gov_drift_value", **CHECK) == 3.25
    assert scrape.value("stream_gov_exporter_caught_up") == 1


def test_every_metric_is_documented() -> None:
    scrape = Scrape()
    scrape.take(a_result(), an_events_result(), an_alert())
    documented = Path("docs/sinks.md").read_text()
    samples = [s for metric in scrape.registry.collect() for s in metric.samples]
    assert len({s.name for s in samples}) >= 12
    for sample in samples:
        assert f"`{sample.name}`" in documented
        for label in sample.labels:
            assert f"`{label}`" in documented
    named = set(re.findall(r"`(stream_gov_(?:drift|window|alerts|exporter)_\w+)`", documented))
    assert named == {s.name for s in samples}


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with MockCluster() as cluster:
        yield cluster


def scrape_until(port: int, name: str, value: float) -> dict[str, float]:
    """Metrics by name once one of them has a value."""
    until = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            text = ""
        found = {s.name: s.value for family in text_string_to_metric_families(text) for s in family.samples}
        if found.get(name) == value:
            return found
        assert time.monotonic() < until, text
        time.sleep(0.05)


@pytest.mark.broker
def test_the_exporter_serves_what_stands_on_the_topics_and_commits_nothing(
    cluster: MockCluster, tmp_path: Path
) -> None:
    cluster.send("drift-metrics", *[msgspec.json.encode(r) for r in (a_result(value=1.5), an_events_result(events=7))])
    cluster.send("drift-alerts", msgspec.json.encode(an_alert(severity=AlertSeverity.CRITICAL)))
    port = free_port()
    settings = Settings(bootstrap=cluster.bootstrap, metrics_port=port, state_dir=tmp_path, topics=TopicSettings())
    for _ in range(2):  # the second start reads it all again
        stop, counts = threading.Event(), SinkCounts()
        worker = threading.Thread(target=run_prometheus_sink, args=(settings, stop), kwargs={"counts": counts})
        worker.start()
        try:
            metrics = scrape_until(port, "stream_gov_exporter_caught_up", 1.0)
        finally:
            stop.set()
            worker.join(20)
        assert metrics["stream_gov_drift_value"] == 1.5
        assert metrics["stream_gov_window_events"] == 7
        assert metrics["stream_gov_alerts_open"] == 1  # of the last severity, critical
        assert counts.written == 3
    assert cluster.committed("stream-gov.sink.prometheus", "drift-metrics") < 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_port_that_is_taken_or_missing_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = Settings(bootstrap="localhost:1", metrics_port=port)
        with pytest.raises(
            ConfigurationError, match=rf"cannot listen on 127\.0\.0\.1:{port} .*STREAM_GOV_METRICS_PORT"
        ):
            run_prometheus_sink(settings, threading.Event())
    with pytest.raises(ConfigurationError, match="metrics_port is 0"):
        run_prometheus_sink(Settings(bootstrap="localhost:1", metrics_port=0), threading.Event())


def test_without_an_address_of_kafka_it_says_which_setting_is_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"set bootstrap .*STREAM_GOV_BOOTSTRAP"):
        run_prometheus_sink(Settings(metrics_port=free_port()), threading.Event())
