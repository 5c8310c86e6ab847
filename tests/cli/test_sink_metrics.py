from __future__ import annotations

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from stream_gov.cli.demo_folder import free_ports
from stream_gov.cli.sink_metrics import serve_sink_metrics
from stream_gov.settings import load_settings
from stream_gov.sinks import SinkCounts


def test_a_scrape_shows_the_counts_of_the_sink_as_they_are_now():
    counts = SinkCounts()
    with serve_sink_metrics(load_settings(metrics_port=free_ports(1)), "store", counts) as server:
        counts.written, counts.refused = 12, 1
        counts.lag_by_partition[("drift-metrics", 3)] = 40
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    samples = {
        (s.name, frozenset(s.labels.values())): s.value for f in text_string_to_metric_families(text) for s in f.samples
    }
    assert samples[("stream_gov_sink_written_total", frozenset())] == 12
    assert samples[("stream_gov_sink_refused_total", frozenset())] == 1
    assert samples[("stream_gov_consumer_lag", frozenset({"drift-metrics", "3"}))] == 40
    assert any(name == "stream_gov_build_info" and "sink-store" in labels for name, labels in samples)
