"""What Prometheus would scrape from every worker, read off the code that exports it."""

from __future__ import annotations

import re

from prometheus_client.metrics import MetricWrapperBase

from stream_gov.cli.sink_metrics import SINK_COUNTERS
from stream_gov.runtime.worker_metrics import DetectMetrics, IngestMetrics
from stream_gov.sinks.drift_gauges import DriftGauges

_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def exported_labels() -> dict[str, set[str]]:
    """Labels of every time series by its name."""
    labels: dict[str, set[str]] = {}
    for metric in DriftGauges().describe():
        _add(labels, metric.name, metric.type, set(getattr(metric, "_labelnames", ())))
    for worker in (IngestMetrics(), DetectMetrics()):
        for instrument in vars(worker).values():
            if isinstance(instrument, MetricWrapperBase):
                (metric,) = instrument.describe()
                _add(labels, metric.name, metric.type, set(instrument._labelnames))
    labels |= {name: set() for name, _ in SINK_COUNTERS.values()}
    return labels


def _add(labels: dict[str, set[str]], name: str, kind: str, own: set[str]) -> None:
    for suffix in _SUFFIXES[kind]:
        labels.setdefault(name + suffix, set()).update(own, {"le"} if suffix == "_bucket" else ())


def metrics_in(expression: str) -> set[str]:
    """Names of our metrics in a PromQL expression; recorded ones have colons and are not ours to find in code."""
    return set(re.findall(r"(?<![\w:])stream_gov_\w+(?![\w:])", expression))


def grouped_by(expression: str) -> set[str]:
    """Labels that an expression groups by."""
    return {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(",")}
