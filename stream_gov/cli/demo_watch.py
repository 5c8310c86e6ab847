"""What the demo has seen so far on the topics of results and alerts: the model behind its display."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from stream_gov.contracts import Alert, AlertStatus, Monitor, Result, Verdict
from stream_gov.detection import EVENTS_STATISTIC, weight
from stream_gov.files.time_axis import moment

__all__ = ["ColumnWatch", "DemoWatch"]

_KEPT = 300


@dataclass
class ColumnWatch:
    """One column in the newest windows."""

    statistic: str
    weights: deque[tuple[float, Verdict]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    """Of each window how far the worst check is, 1 where its rule lies, and its verdict."""
    newest: Result | None = None
    first_drift_ms: int | None = None
    n_drift: int = 0
    n_windows: int = 0
    peak: Result | None = None

    def add(self, result: Result) -> None:
        """Take the result of a window."""
        self.newest = result
        self.n_windows += 1
        self.weights.append((weight(result) if result.value is not None else 0.0, result.verdict))
        if result.verdict is Verdict.DRIFT:
            self.n_drift += 1
            if self.first_drift_ms is None:
                self.first_drift_ms = result.window_end_ms
        known = 0.0 if self.peak is None or self.peak.value is None else abs(self.peak.value)
        if result.value is not None and result.verdict is not Verdict.INSUFFICIENT and abs(result.value) > known:
            self.peak = result


class DemoWatch:
    """Takes results and alerts as they come.

    Parameters
    ----------
    monitor
        Of each column the check is watched that comes first in it.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.columns: dict[str, ColumnWatch] = {}
        self.n_windows = 0
        self.n_results = 0
        self.newest_window_end_ms: int | None = None
        self.alerts: dict[str, Alert] = {}
        """Last message of each alert by its id."""
        self.opened: dict[str, Alert] = {}
        """First message of each alert by its id."""

    def take(self, records: Iterable[Result | Alert]) -> list[Alert]:
        """Take records; return the alerts that opened or resolved."""
        news = []
        for record in records:
            if isinstance(record, Alert):
                self.opened.setdefault(record.alert_id, record)
                known = self.alerts.get(record.alert_id)
                if known is None or known.status is not record.status:
                    news.append(record)
                self.alerts[record.alert_id] = record
            else:
                self._take_result(record)
        return news

    def _take_result(self, result: Result) -> None:
        self.n_results += 1
        if result.statistic == EVENTS_STATISTIC:
            self.n_windows += 1
            self.newest_window_end_ms = max(result.window_end_ms, self.newest_window_end_ms or 0)
        elif result.column:
            column = self.columns.get(result.column)
            if column is None:
                column = self.columns[result.column] = ColumnWatch(self._monitor.checks_of(result.column)[0].statistic)
            if column.statistic == result.statistic:
                column.add(result)

    @property
    def open_alerts(self) -> list[Alert]:
        """Alerts that are open now, the oldest first."""
        return [a for a in self.alerts.values() if a.status is not AlertStatus.RESOLVED]

    def line(self, n_sent: int, n_events: int, rate: float) -> str:
        """Say in one line how things stand."""
        where = "" if self.newest_window_end_ms is None else f", the newest to {moment(self.newest_window_end_ms)}"
        named = sorted({c.column for a in self.open_alerts for c in a.causes if c.column})
        alerts = f"{len(self.open_alerts)} open alert" + ("" if len(self.open_alerts) == 1 else "s")
        alerts += f" ({', '.join(named)})" if named else ""
        return f"{n_sent:,} of {n_events:,} events ({rate:,.0f}/s), {self.n_windows:,} windows closed{where}, {alerts}"
