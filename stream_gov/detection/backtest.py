"""Run monitor and reference over past events: the code of the live system, without a broker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stream_gov.contracts import (
    NO_WATERMARK,
    Alert,
    Monitor,
    ReplayRecord,
    Result,
    SummaryRecord,
    WatermarkRecord,
)
from stream_gov.decoding import Intake, Rejection
from stream_gov.detection.catalog import StaticCatalog
from stream_gov.detection.detector import Detector
from stream_gov.detection.state import PartitionState
from stream_gov.detection.windows import closing_watermark
from stream_gov.reference import ReferenceProfile, counting_plan

__all__ = ["BacktestTotals", "backtest"]

_TOPIC = "backtest"
_BATCH = 5_000


@dataclass(slots=True)
class BacktestTotals:
    """What a backtest has seen so far."""

    events: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    n_rejected: int = 0
    windows_closed: int = 0
    last_event_ms: int | None = None


_KEPT_REJECTIONS = 1_000


def backtest(
    events: Iterable[tuple[int, bytes]],
    monitor: Monitor,
    profile: ReferenceProfile | None,
    *,
    out_of_orderness_ms: int = 10_000,
    totals: BacktestTotals | None = None,
) -> Iterator[Result | Alert]:
    """Yield results and alerts as they would stand on the topics.

    Parameters
    ----------
    events
        Event time in epoch milliseconds and message, in the order of arrival. The time serves events whose own cannot be read.
    monitor
        What is checked.
    profile
        The reference; None: every verdict is `insufficient`.
    out_of_orderness_ms
        As in the settings: how far event times may run backwards before an event counts as late.
    totals
        Filled while it runs; the first 1,000 rejections are kept.

    Yields
    ------
    For each window its results, then the alert it caused; revisions as they come.
    """
    totals = totals if totals is not None else BacktestTotals()
    profiles = [] if profile is None else [profile]
    plan = counting_plan(monitor, profiles)
    intake = Intake(
        lambda model: plan if model == monitor.model else None,
        out_of_orderness_ms=out_of_orderness_ms,
        max_future_skew_ms=0,
    )
    detector = Detector(StaticCatalog([monitor], profiles))
    state = PartitionState()
    done = 0

    def cut(batch: list[tuple[int, bytes]]) -> Iterator[Result | Alert]:
        nonlocal done
        offsets = range(done, done + len(batch))
        rejected = intake.add(
            _TOPIC, 0, list(offsets), [value for _, value in batch], [time for time, _ in batch], now_ms=None
        )
        totals.events += len(batch)
        totals.n_rejected += len(rejected)
        totals.rejections.extend(rejected[: max(0, _KEPT_REJECTIONS - len(totals.rejections))])
        totals.last_event_ms = max([time for time, _ in batch], default=totals.last_event_ms)
        for record in intake.cut(_TOPIC, 0, n_partitions=1, from_offset=done, to_offset=done + len(batch)):
            yield from take(record)
        done += len(batch)

    def take(record: SummaryRecord) -> Iterator[Result | Alert]:
        step = detector.step(state, record)
        totals.windows_closed += sum(step.windows_closed.values())
        yield from step.results
        yield from step.alerts

    batch: list[tuple[int, bytes]] = []
    latest: int | None = None
    for time, value in events:
        batch.append((time, value))
        latest = time if latest is None else max(latest, time)
        if len(batch) == _BATCH:
            yield from cut(batch)
            batch = []
    yield from cut(batch)
    if latest is not None:
        end = closing_watermark(
            latest,
            size_ms=monitor.window.size,
            every_ms=monitor.window.every_ms,
            allowed_lateness_ms=monitor.window.allowed_lateness,
        )
        yield from take(ReplayRecord(monitor.model, _TOPIC, 0, done, done + 1, end))
        yield from take(WatermarkRecord(_TOPIC, 0, 1, done, done + 1, NO_WATERMARK, idle=False))
