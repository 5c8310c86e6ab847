"""What a picture of drift draws, taken out of results and alerts: one chart for each column and statistic, and when alerts were open."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stream_gov.contracts import STATISTIC_NAMES, Alert, AlertStatus, Result, Verdict
from stream_gov.detection import EVENTS_STATISTIC

__all__ = ["AlertSpan", "DriftChart", "DriftPoint", "DriftSection", "EventCount", "WholeAlert", "collect_sections"]

_LARGEST_WEIGHT = 1e6
_LEAST_P_VALUE = 1e-300


@dataclass(frozen=True, slots=True)
class DriftPoint:
    """One window of a chart."""

    result: Result
    weight: float | None
    """How far the value is from 0 in units of its rule, with its sign: 1 is where the rule lies. None where it is undefined."""


@dataclass(frozen=True, slots=True)
class AlertSpan:
    """Time in which a column was a cause of an open alert."""

    start_ms: int
    """End of the window that opened it, or named the column."""
    end_ms: int | None
    """End of the window that resolved it, or no longer names the column; None: it is still so."""
    alert_id: str


@dataclass(frozen=True, slots=True)
class DriftChart:
    """One statistic of one column over time."""

    column: str
    """Empty: of the model as a whole."""
    statistic: str
    points: tuple[DriftPoint, ...]
    spans: tuple[AlertSpan, ...]

    @property
    def n_drift(self) -> int:
        """Windows with drift."""
        return sum(p.result.verdict is Verdict.DRIFT for p in self.points)

    @property
    def n_insufficient(self) -> int:
        """Windows without a verdict."""
        return sum(p.result.verdict is Verdict.INSUFFICIENT for p in self.points)

    @property
    def peak(self) -> DriftPoint | None:
        """Window farthest from the reference; None if no value is defined."""
        defined = [p for p in self.points if p.weight is not None]
        return max(defined, key=lambda p: abs(p.weight or 0.0), default=None)


@dataclass(frozen=True, slots=True)
class EventCount:
    """How much one window held."""

    start_ms: int
    end_ms: int
    events: int
    late: int
    rejected: int


@dataclass(frozen=True, slots=True)
class WholeAlert:
    """One alert from its opening to its end."""

    opened: Alert
    last: Alert

    @property
    def resolved(self) -> bool:
        """Whether it has ended."""
        return self.last.status is AlertStatus.RESOLVED

    @property
    def end_ms(self) -> int | None:
        """End of the window that resolved it; None while it is open."""
        return self.last.window_end_ms if self.resolved else None


@dataclass(frozen=True)
class DriftSection:
    """Everything of one model, version and segment."""

    monitor: str
    model: str
    version: str
    segment: str
    reference: str
    charts: tuple[DriftChart, ...]
    """Most drifted column first; a column's further statistics follow its first one, if they drifted."""
    counts: tuple[EventCount, ...]
    """By window."""
    alerts: tuple[WholeAlert, ...] = field(default=())

    @property
    def n_events(self) -> int:
        """Events of all windows; of windows that overlap, one set side by side is taken, so that none counts twice."""
        return sum(c.events for c in self._side_by_side())

    @property
    def n_rejected(self) -> int:
        """Rejected events, counted like :attr:`n_events`."""
        return sum(c.rejected for c in self._side_by_side())

    @property
    def n_late(self) -> int:
        """Late events; each is reported by one window only."""
        return sum(c.late for c in self.counts)

    @property
    def n_columns(self) -> int:
        """Columns that were judged."""
        return len({c.column for c in self.charts if c.column})

    def _side_by_side(self) -> Iterable[EventCount]:
        if not self.counts:
            return ()
        first = self.counts[0]
        size = first.end_ms - first.start_ms
        return (c for c in self.counts if not (c.start_ms - first.start_ms) % size)


def collect_sections(results: Iterable[Result], alerts: Iterable[Alert]) -> list[DriftSection]:
    """Sort results and alerts into sections: of each result its newest revision, of each alert its whole life.

    The section of all events of a model comes before its segments, and of the segments those with the most windows in drift first.
    """
    newest: dict[str, Result] = {}
    for result in results:
        known = newest.get(result.id)
        if known is None or result.revision >= known.revision:
            newest[result.id] = result
    by_place: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for result in newest.values():
        by_place[(result.model, result.version, result.segment)].append(result)
    alerts_by_place: dict[tuple[str, str, str], list[Alert]] = defaultdict(list)
    for alert in {a.id: a for a in alerts}.values():
        alerts_by_place[(alert.model, alert.version, alert.segment)].append(alert)
    sections = [
        _section(place, by_place[place], alerts_by_place[place]) for place in sorted(by_place.keys() | alerts_by_place)
    ]
    return sorted(
        sections, key=lambda s: (s.model, s.version, bool(s.segment), -sum(c.n_drift for c in s.charts), s.segment)
    )


def _section(place: tuple[str, str, str], results: Sequence[Result], alerts: Sequence[Alert]) -> DriftSection:
    model, version, segment = place
    ordered = sorted(results, key=lambda r: (r.window_end_ms, r.column, r.statistic))
    messages = sorted(alerts, key=lambda a: (a.opened_window_end_ms, a.alert_id, a.sequence))
    lives = _lives(messages)
    spans = _spans(lives)
    by_chart: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in ordered:
        by_chart[(result.column, result.statistic)].append(result)
    counts = tuple(
        EventCount(r.window_start_ms, r.window_end_ms, r.events, r.late, r.rejected)
        for r in by_chart.pop(("", EVENTS_STATISTIC), [])
    )
    charts = [
        DriftChart(
            column, statistic, tuple(DriftPoint(r, _weight(r)) for r in found), spans.get((column, statistic), ())
        )
        for (column, statistic), found in by_chart.items()
    ]
    newest: Result | Alert | None = ordered[-1] if ordered else (messages[-1] if messages else None)
    return DriftSection(
        monitor=newest.monitor if newest else "",
        model=model,
        version=version,
        segment=segment,
        reference=newest.reference if newest else "",
        charts=tuple(_in_order(charts)),
        counts=counts,
        alerts=tuple(WholeAlert(life[0], life[-1]) for life in lives),
    )


def _lives(messages: Sequence[Alert]) -> list[list[Alert]]:
    lives: dict[str, list[Alert]] = defaultdict(list)
    for message in messages:
        lives[message.alert_id].append(message)
    return list(lives.values())


def _spans(lives: Sequence[Sequence[Alert]]) -> dict[tuple[str, str], tuple[AlertSpan, ...]]:
    """When each column and statistic was a cause: a message tells what drifts until the next message of its alert."""
    spans: dict[tuple[str, str], list[AlertSpan]] = defaultdict(list)
    for life in lives:
        for i, message in enumerate(life):
            until = life[i + 1].window_end_ms if i + 1 < len(life) else None
            for cause in message.causes:
                so_far = spans[(cause.column, cause.statistic)]
                start = message.window_end_ms
                if so_far and so_far[-1].alert_id == message.alert_id and so_far[-1].end_ms == start:
                    start = so_far.pop().start_ms
                so_far.append(AlertSpan(start, until, message.alert_id))
    return {place: tuple(found) for place, found in spans.items()}


def _weight(result: Result) -> float | None:
    if result.rule == "p_value":
        if result.p_value is None or not result.level:
            return None
        return min(math.log(max(result.p_value, _LEAST_P_VALUE)) / math.log(result.level), _LARGEST_WEIGHT)
    if result.value is None:
        return None
    bound = result.tolerance if result.rule == "calibrated" else result.threshold
    size = result.distance if result.rule == "calibrated" and result.distance is not None else abs(result.value)
    if not bound:  # any distance is too much: the value itself, put beyond the rule
        return math.copysign(min(1 + size, _LARGEST_WEIGHT), result.value) if size else 0.0
    return math.copysign(min(size / bound, _LARGEST_WEIGHT), result.value)


def _in_order(charts: Sequence[DriftChart]) -> list[DriftChart]:
    """Choose for each column the statistic that drifted most, and keep further ones only where they drifted."""
    by_column: dict[str, list[DriftChart]] = defaultdict(list)
    for chart in charts:
        by_column[chart.column].append(chart)
    groups: list[list[DriftChart]] = []
    for column, found in by_column.items():
        first, *further = sorted(found, key=lambda c: (*_drift_rank(c), _place_in_catalogue(c.statistic)))
        kept = [c for c in further if c.n_drift]
        if column or first.n_drift:  # the model's own statistics are of interest only where they drifted
            groups.append([first, *kept])
    groups.sort(key=lambda g: (-g[0].n_drift, -_peak_weight(g[0]), g[0].column))
    return [chart for group in groups for chart in group]


def _drift_rank(chart: DriftChart) -> tuple[int, float]:
    # Without drift the order of the catalogue decides between the statistics of a column, not chance.
    return (-chart.n_drift, -_peak_weight(chart) if chart.n_drift else 0.0)


def _peak_weight(chart: DriftChart) -> float:
    peak = chart.peak
    return abs(peak.weight or 0.0) if peak is not None else 0.0


def _place_in_catalogue(statistic: str) -> int:
    return STATISTIC_NAMES.index(statistic) if statistic in STATISTIC_NAMES else len(STATISTIC_NAMES)
