"""The only code that writes elsewhere: results and alerts to InfluxDB, to Prometheus, and to a database."""

from __future__ import annotations

from stream_gov.sinks.backoff import Backoff
from stream_gov.sinks.consume import LoopOptions, SinkLoop
from stream_gov.sinks.drift_gauges import DriftGauges
from stream_gov.sinks.influx import InfluxSink, run_influx_sink
from stream_gov.sinks.prometheus import PrometheusSink, run_prometheus_sink
from stream_gov.sinks.run import run_loop
from stream_gov.sinks.sink import Finding, Record, RefusedRecordsError, Sink, SinkCounts
from stream_gov.sinks.store import Store, StoreSink, run_store_sink

__all__ = [
    "Backoff",
    "DriftGauges",
    "Finding",
    "InfluxSink",
    "LoopOptions",
    "PrometheusSink",
    "Record",
    "RefusedRecordsError",
    "Sink",
    "SinkCounts",
    "SinkLoop",
    "Store",
    "StoreSink",
    "run_influx_sink",
    "run_loop",
    "run_prometheus_sink",
    "run_store_sink",
]
