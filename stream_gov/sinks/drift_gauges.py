"""What Prometheus scrapes: the newest value of every check, the newest window of every series, open alerts."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stream_gov.contracts import Alert, AlertSeverity, AlertStatus, Result, Verdict
from stream_gov.sinks.latest_series import LatestSeries
from stream_gov.sinks.sink import ALL_EVENTS, NO_VERSION, WHOLE_MODEL, Record

__all__ = ["MAX_SERIES", "DriftGauges"]

MAX_SERIES = 20_000
"""Checks kept; each gives up to three time series in Prometheus."""

_CHECK_LABELS = ("model", "version", "segment", "column", "statistic")
_WINDOW_LABELS = ("model", "version", "segment")
_VERDICT_VALUES = {Verdict.DRIFT: 1.0, Verdict.STABLE: 0.0, Verdict.INSUFFICIENT: math.nan}


@dataclass(frozen=True, slots=True)
class _CheckValue:
    value: float
    verdict: float
    limit: float | None


@dataclass(frozen=True, slots=True)
class _WindowValue:
    events: int
    late: int
    rejected: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _AlertValue:
    is_open: bool
    severity: AlertSeverity
    unattended: bool
    """Open, and nobody has acknowledged or snoozed it."""


class DriftGauges(Collector):
    """Turns results and alerts into metrics; register it with a registry of its own.

    While the topics are still being read from their beginning the newest value known may be weeks old, so only the metrics of the exporter
    itself are shown until :meth:`show` is called.

    Parameters
    ----------
    max_series
        Bound of the checks kept, and likewise of windows and alerts.
    """

    def __init__(self, max_series: int = MAX_SERIES) -> None:
        self._lock = threading.Lock()  # scrapes come from the server's threads
        self._checks = LatestSeries[_CheckValue](max_series)
        self._windows = LatestSeries[_WindowValue](max_series)
        # by series, not by alert: a series has one open alert at most, and one whose end was missed gives way to the next
        self._alerts = LatestSeries[_AlertValue](max_series, is_over=lambda alert: not alert.is_open)
        self._n_results = 0
        self._n_alerts = 0
        self._shown = False

    def show(self) -> None:
        """From now on show what the models do."""
        with self._lock:
            self._shown = True

    def update(self, record: Record) -> None:
        """Take a result or an alert."""
        with self._lock:
            if isinstance(record, Alert):
                self._update_alert(record)
            elif record.rule == "none":  # the result that every window has: its accounting
                self._update_window(record)
            else:
                self._update_check(record)

    def _update_check(self, result: Result) -> None:
        self._n_results += 1
        key = (*_series(result), result.column or WHOLE_MODEL, result.statistic)
        value = _CheckValue(
            value=math.nan if result.value is None else result.value,
            verdict=_VERDICT_VALUES[result.verdict],
            limit=result.threshold if result.threshold is not None else result.tolerance,
        )
        self._checks.update(key, result.window_start_ms, result.window_end_ms, result.revision, value)

    def _update_window(self, result: Result) -> None:
        self._n_results += 1
        value = _WindowValue(result.events, result.late, result.rejected, result.window_end_ms)
        self._windows.update(_series(result), result.window_start_ms, result.window_end_ms, result.revision, value)

    def _update_alert(self, alert: Alert) -> None:
        self._n_alerts += 1
        value = _AlertValue(
            is_open=alert.status is not AlertStatus.RESOLVED,
            severity=alert.severity,
            unattended=alert.status is AlertStatus.OPEN and alert.snoozed_until_ms is None,
        )
        self._alerts.update(_series(alert), alert.window_start_ms, alert.window_end_ms, alert.sequence, value)

    def describe(self) -> Iterator[Metric]:
        """Name the metrics, without their values."""
        return iter((*self._about_models(), *self._about_exporter()))

    def collect(self) -> Iterator[Metric]:
        """Give the metrics as they are now."""
        with self._lock:
            found = [*(self._about_models() if self._shown else ()), *self._about_exporter()]
        return iter(found)

    def _about_models(self) -> Iterator[Metric]:
        value = GaugeMetricFamily(
            "stream_gov_drift_value",
            "Statistic of the newest window, in its own unit; NaN where it is undefined.",
            labels=_CHECK_LABELS,
        )
        verdict = GaugeMetricFamily(
            "stream_gov_drift_verdict",
            "Verdict on the newest window: 1 drift, 0 stable, NaN insufficient (cannot tell).",
            labels=_CHECK_LABELS,
        )
        limit = GaugeMetricFamily(
            "stream_gov_drift_limit",
            "Threshold, or tolerance of a calibrated check; absent where the rule is a p-value.",
            labels=_CHECK_LABELS,
        )
        for key, check in self._checks:
            value.add_metric(key, check.value)
            verdict.add_metric(key, check.verdict)
            if check.limit is not None:
                limit.add_metric(key, check.limit)
        yield from (value, verdict, limit)

        events = GaugeMetricFamily(
            "stream_gov_window_events", "Events counted in the newest window.", labels=_WINDOW_LABELS
        )
        late = GaugeMetricFamily(
            "stream_gov_window_late_events",
            "Events reported with the newest window that came too late for their own.",
            labels=_WINDOW_LABELS,
        )
        rejected = GaugeMetricFamily(
            "stream_gov_window_rejected_events",
            "Events of the newest window that went to the dead-letter topic.",
            labels=_WINDOW_LABELS,
        )
        end = GaugeMetricFamily(
            "stream_gov_window_end_timestamp_seconds",
            "End of the newest window that was closed, in seconds since 1970.",
            labels=_WINDOW_LABELS,
        )
        for key, window in self._windows:
            events.add_metric(key, window.events)
            late.add_metric(key, window.late)
            rejected.add_metric(key, window.rejected)
            end.add_metric(key, window.end_ms / 1_000)
        yield from (events, late, rejected, end)

        n_open = GaugeMetricFamily(
            "stream_gov_alerts_open", "Alerts that are open, by severity.", labels=("model", "severity")
        )
        unattended = GaugeMetricFamily(
            "stream_gov_alerts_unattended",
            "Alerts that are open and neither acknowledged nor snoozed, by severity.",
            labels=("model", "severity"),
        )
        counts = {
            (key[0], severity): (0, 0) for key, _ in (*self._windows, *self._alerts) for severity in AlertSeverity
        }
        for key, alert in self._alerts:
            so_far = counts[(key[0], alert.severity)]
            counts[(key[0], alert.severity)] = (so_far[0] + alert.is_open, so_far[1] + alert.unattended)
        for (model, severity), (open_now, nobody_yet) in counts.items():
            n_open.add_metric((model, severity.value), open_now)
            unattended.add_metric((model, severity.value), nobody_yet)
        yield from (n_open, unattended)

    def _about_exporter(self) -> Iterator[Metric]:
        records = CounterMetricFamily(
            "stream_gov_exporter_records", "Messages read since the exporter started.", labels=("type",)
        )
        records.add_metric(("result",), self._n_results)
        records.add_metric(("alert",), self._n_alerts)
        yield records
        yield GaugeMetricFamily("stream_gov_exporter_series", "Checks with a value.", value=len(self._checks))
        yield CounterMetricFamily(
            "stream_gov_exporter_dropped",
            "Values left out because the bound of series was reached.",
            value=self._checks.n_dropped + self._windows.n_dropped + self._alerts.n_dropped,
        )
        yield GaugeMetricFamily(
            "stream_gov_exporter_caught_up",
            "1 once the topics have been read to their end; until then nothing is said of the models.",
            value=float(self._shown),
        )


def _series(record: Record) -> tuple[str, str, str]:
    return record.model, record.version or NO_VERSION, record.segment or ALL_EVENTS
