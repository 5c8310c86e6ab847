"""What the detect worker does with one summary record; where messages and state go is handed in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import msgspec

from stream_gov.contracts import (
    Alert,
    IncidentKind,
    IncidentRecord,
    Result,
    SummaryRecord,
    UnreadableRecordError,
    decode_record,
)
from stream_gov.detection import Detector, PartitionState, Step
from stream_gov.runtime.kafka_errors import TakenOverError
from stream_gov.runtime.state_table import Change, StateTable
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.runtime.worker_metrics import DetectMetrics

__all__ = ["DetectPort", "DetectProcessor", "Outgoing"]

Outgoing = tuple[str, bytes, bytes]
"""Role of the topic (`metrics` or `alerts`), key, value."""

_SAY_AGAIN_S = 60.0
_encoder = msgspec.json.Encoder()


class DetectPort(Protocol):
    """Where results, alerts and state go."""

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Deliver; return when all were acknowledged."""

    async def write(self, partition: int, changes: Sequence[Change]) -> None:
        """Write to one partition of the changelog; return when all was acknowledged."""


class DetectProcessor:
    """Takes summary records in, one after the other.

    For each: the pure step; results and alerts are delivered; only then the state is kept. A crash in between repeats the step from
    the same state, with the same ids; a crash after it finds the record in the state and changes nothing.

    Parameters
    ----------
    detector, table
        Logic and state.
    port
        Where messages and state go.
    metrics
        Counts what happened.
    stalled_s
        Gives the seconds that the process stood still, if so long that another worker may have its partitions: then it gives up
        instead of writing over the other's state.
    """

    def __init__(
        self,
        detector: Detector,
        table: StateTable,
        port: DetectPort,
        metrics: DetectMetrics,
        *,
        stalled_s: Callable[[], float | None] = lambda: None,
        monotonic_s: Callable[[], float] = time.monotonic,
        wall_clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._detector = detector
        self._table = table
        self._port = port
        self._metrics = metrics
        self._stalled_s = stalled_s
        self._monotonic_s = monotonic_s
        self._wall_clock_ms = wall_clock_ms
        self._states: dict[int, PartitionState] = {}
        self._ownership: dict[int, int] = {}
        self._busy = asyncio.Lock()
        self._log = get_logger("detect")
        self._said: dict[str, float] = {}

    # --- partitions ----------------------------------------------------------------------------------------------------------------

    async def give_up(self, partitions: Collection[int], *, wait_s: float) -> None:
        """Forget partitions that are taken away, after the record at hand if that takes no longer than `wait_s` seconds."""
        for partition in partitions:
            self._ownership[partition] = self._ownership.get(partition, 0) + 1
        try:
            await asyncio.wait_for(self._busy.acquire(), wait_s)
            self._busy.release()
        except TimeoutError:
            self._log.warning("a record was not finished before its partition was taken away; it is taken in again")
        for partition in partitions:
            self._states.pop(partition, None)
        self._table.rescan()

    def keep_only(self, partitions: Collection[int]) -> None:
        """Drop the state of all other partitions."""
        for partition in self._states.keys() - set(partitions):
            del self._states[partition]
        self._table.keep_only(partitions)

    # --- records -------------------------------------------------------------------------------------------------------------------

    async def take(self, partition: int, value: bytes | None, timestamp_ms: int) -> None:
        """Take in one record; when this returns it is done with.

        Raises
        ------
        TakenOverError
            The partition may have gone to another worker. The record is not done with.
        Exception
            Whatever the port raises: the record is not done with, and no further one may be taken in before the state is restored.
        """
        try:
            record = decode_record(value or b"")
        except UnreadableRecordError as err:
            self._metrics.unreadable.inc()
            self._say("a summary record cannot be read and is skipped", str(err), partition)
            return
        await self._take(partition, record, timestamp_ms)

    async def tell_loss(self, partition: int, topic: str, from_offset: int, to_offset: int, timestamp_ms: int) -> None:
        """Raise an alert about summary records that the broker deleted before they were read; errors as of :meth:`take`."""
        n = to_offset - from_offset
        detail = (
            f"the broker deleted {n:,} summary records of partition {partition} (offsets {from_offset} to {to_offset - 1}) before they were "
            "read, so windows lack events: raise the retention of the topic of summaries, or run more detect workers"
        )
        record = IncidentRecord(
            IncidentKind.DATA_LOSS,
            f"{topic}/{partition}",
            n,
            detail,
            f"{topic}/{partition}/{from_offset}/{to_offset}",
            timestamp_ms,
            scope=f"summaries/{partition}",
        )
        await self._take(partition, record, timestamp_ms)

    async def _take(self, partition: int, record: SummaryRecord, timestamp_ms: int) -> None:
        async with self._busy:
            began = self._monotonic_s()
            owned = self._ownership.get(partition, 0)
            self._metrics.records.labels(_kind(record)).inc()
            try:
                state = await self._state(partition, owned)
                step = self._step(state, record, partition)
                if step is None:
                    return
                await self._port.send(_messages(step.results, step.alerts))
                for phase in self._table.phases(partition, step.updates):
                    await self._write(partition, phase, owned)
            except BaseException:
                self._forget(partition)
                raise
            self._count(step, timestamp_ms, self._monotonic_s() - began)

    async def _state(self, partition: int, owned: int) -> PartitionState:
        state = self._states.get(partition)
        if state is None:
            items, phases = self._table.restore(partition)
            for phase in phases:
                await self._write(partition, phase, owned)
            state = self._detector.restore(items.items())
            self._states[partition] = state
            if items:
                self._log.info("state restored", partition=partition, entries=len(items))
        return state

    def _step(self, state: PartitionState, record: SummaryRecord, partition: int) -> Step | None:
        """Take the step; a record that makes it fail is skipped, or it would stop all models of the partition for good."""
        try:
            return self._detector.step(state, record)
        except Exception as err:
            self._metrics.failed.inc()
            self._say("a summary record failed and is skipped", f"{type(err).__name__}: {err}", partition, trace=True)
            self._forget(partition)
            return None

    async def _write(self, partition: int, changes: Sequence[Change], owned: int) -> None:
        if self._ownership.get(partition, 0) != owned:
            msg = f"partition {partition} was taken away while a record of it was at hand"
            raise TakenOverError(msg)
        stalled = self._stalled_s()
        if stalled is not None:
            msg = f"the process stood still for {stalled:.1f} s; another worker may have partition {partition} now"
            raise TakenOverError(msg)
        await self._port.write(partition, changes)
        self._table.apply(changes)

    def _forget(self, partition: int) -> None:
        self._states.pop(partition, None)
        self._table.rescan()

    # --- counting ------------------------------------------------------------------------------------------------------------------

    def _count(self, step: Step, timestamp_ms: int, seconds: float) -> None:
        metrics = self._metrics
        metrics.step_seconds.observe(seconds)
        metrics.repeated.inc(step.repeated)
        metrics.unwatched.inc(step.unwatched)
        metrics.unanswered.inc(step.unanswered)
        for bound, n in step.bound_hits.items():
            metrics.bound_hits.labels(bound).inc(n)
        for model, n in step.late.items():
            metrics.late.labels(metrics.model_label(model)).inc(n)
        for model, n in step.windows_closed.items():
            metrics.windows.labels(metrics.model_label(model)).inc(n)
        for result in step.results:
            metrics.results.labels(metrics.model_label(result.model), result.verdict.value).inc()
        for alert in step.alerts:
            metrics.alerts.labels(metrics.model_label(alert.model), alert.change.value).inc()
            if not alert.command_id:
                metrics.event_to_alert.observe(max(0.0, (self._wall_clock_ms() - timestamp_ms) / 1000))
            self._log.info(
                "alert " + alert.change.value,
                model=alert.model,
                segment=alert.segment,
                columns=",".join(alert.columns[:5]),
                alert_id=alert.alert_id,
            )

    def _say(self, what: str, reason: str, partition: int, *, trace: bool = False) -> None:
        """Log a reason once a minute: a stream of bad records must not drown everything else."""
        now = self._monotonic_s()
        if now - self._said.get(reason, -_SAY_AGAIN_S) < _SAY_AGAIN_S:
            return
        if len(self._said) > 1_000:
            self._said.clear()
        self._said[reason] = now
        self._log.error(what, reason=reason, partition=partition, exc_info=trace)


def _kind(record: SummaryRecord) -> str:
    return type(record).__name__.removesuffix("Record").lower()


def _messages(results: Sequence[Result], alerts: Sequence[Alert]) -> list[Outgoing]:
    messages: list[Outgoing] = [("metrics", r.model.encode(), _encoder.encode(r)) for r in results]
    messages += [("alerts", a.model.encode(), _encoder.encode(a)) for a in alerts]
    return messages
