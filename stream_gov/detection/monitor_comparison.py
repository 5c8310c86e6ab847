"""Monitors side by side on the same past events: what each flags, and how soon it finds what was put in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stream_gov.contracts import Alert, AlertChange, Result, Verdict
from stream_gov.detection.injected_shift import InjectedShift
from stream_gov.detection.judge import EVENTS_STATISTIC

__all__ = ["MonitorRun", "evenly", "never", "run_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorRun:
    """What one monitor made of the events."""

    name: str
    window_ends: tuple[int, ...]
    """Of the windows that were judged, of all events."""
    flagged: tuple[int, ...]
    """Ends of those in which anything drifts."""
    alerts: tuple[tuple[int, int | None], ...]
    """Ends of the windows that opened and resolved each; None: still open."""
    found: tuple[int | None, ...]
    """For each injected shift the end of the first window whose alert names its column anew; None: never, or it was named already when it began."""
    named_before: tuple[bool, ...] = ()
    """For each whether an open alert named its column when it began."""
    columns: tuple[str, ...] = field(default=())
    """Named by any alert."""

    def false_alerts(self, shifts: Sequence[InjectedShift]) -> int:
        """Alerts that opened before anything was put in; all of them if nothing was."""
        first = min((s.start_ms for s in shifts), default=None)
        return sum(first is None or opened <= first for opened, _ in self.alerts)

    def delay(self, i: int, shift: InjectedShift) -> tuple[int, int] | None:
        """Windows and milliseconds from a shift to the end of the window that found it; None: it did not."""
        end = self.found[i]
        if end is None:
            return None
        return sum(shift.start_ms < e <= end for e in self.window_ends), end - shift.start_ms


def run_of(name: str, records: Iterable[Result | Alert], shifts: Sequence[InjectedShift]) -> MonitorRun:
    """Gather what a backtest yields, segments included."""
    judged: dict[int, bool] = {}
    drifts: dict[str, tuple[int, bool]] = {}
    opened: dict[str, int] = {}
    resolved: dict[str, int] = {}
    named: dict[str, set[str]] = {}
    found: list[int | None] = [None] * len(shifts)
    before = [False] * len(shifts)
    columns: set[str] = set()
    for record in records:
        if isinstance(record, Result):
            if record.statistic == EVENTS_STATISTIC and not record.segment:
                judged[record.window_end_ms] = record.verdict is not Verdict.INSUFFICIENT
            drifts[record.id] = record.window_end_ms, record.verdict is Verdict.DRIFT
            continue
        opened.setdefault(record.alert_id, record.window_end_ms)
        if record.change is AlertChange.RESOLVED:
            resolved[record.alert_id] = record.window_end_ms
        else:
            resolved.pop(record.alert_id, None)
        now = {c.column for c in record.causes if c.column}
        columns |= now
        was = named.get(record.alert_id, set())
        named[record.alert_id] = now
        for i, shift in enumerate(shifts):
            if record.window_end_ms <= shift.start_ms:
                before[i] = any(shift.column in names for names in named.values())
            elif found[i] is None and shift.column in now - was and not before[i]:
                found[i] = record.window_end_ms
    return MonitorRun(
        name=name,
        window_ends=tuple(sorted(end for end, ok in judged.items() if ok)),
        flagged=tuple(sorted({end for end, drift in drifts.values() if drift})),
        alerts=tuple((start, resolved.get(key)) for key, start in opened.items()),
        found=tuple(found),
        named_before=tuple(before),
        columns=tuple(sorted(columns)),
    )


def evenly(n_alarms: int, window_ends: Sequence[int], shifts: Sequence[InjectedShift]) -> MonitorRun:
    """Give so many alarms of one window each, at even distances, whatever the windows hold; at most one in each."""
    n = min(n_alarms, len(window_ends))
    alarms = tuple(window_ends[(i + 1) * len(window_ends) // n - 1] for i in range(n))
    return MonitorRun(
        name=f"{n} alarm{'' if n == 1 else 's'} at even distances",
        window_ends=tuple(window_ends),
        flagged=alarms,
        alerts=tuple((end, end) for end in alarms),
        found=tuple(next((end for end in alarms if end > shift.start_ms), None) for shift in shifts),
        named_before=(False,) * len(shifts),
    )


def never(window_ends: Sequence[int], shifts: Sequence[InjectedShift]) -> MonitorRun:
    """Give no alarm at all."""
    nothing = (None,) * len(shifts)
    return MonitorRun(name="never", window_ends=tuple(window_ends), flagged=(), alerts=(), found=nothing)
