"""A broker in memory for the logic of ingest: a log, a group's commits, a topic of summaries; it can fail at any step."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stream_gov.contracts import (
    PaneRecord,
    ReplayRecord,
    SummaryRecord,
    WatermarkRecord,
    decode_record,
)
from stream_gov.decoding import CountingPlan, Intake
from stream_gov.runtime.cut_ledger import Commit, Committed, SourcePartition
from stream_gov.runtime.cut_messages import OutgoingMessage
from stream_gov.runtime.ingest_core import IngestCore, IngestOptions
from stream_gov.runtime.kafka_errors import TakenOverError
from stream_gov.runtime.replay_mark import CONTROL_HEADER, REPLAY_MARK, ReplayMark
from stream_gov.runtime.worker_metrics import IngestMetrics

MINUTE = 60_000
START_MS = 1_700_000_040_000
TOPIC = "events"
N_SUMMARY_PARTITIONS = 2


class CrashError(Exception):
    """The process is gone."""


@dataclass(frozen=True)
class FakeMessage:
    offset_: int
    value_: bytes | None
    key_: bytes | None = None
    headers_: tuple[tuple[str, bytes], ...] | None = None
    timestamp_ms: int = START_MS

    def key(self) -> bytes | None:
        return self.key_

    def value(self) -> bytes | None:
        return self.value_

    def offset(self) -> int:
        return self.offset_

    def timestamp(self) -> tuple[int, int]:
        return (1, self.timestamp_ms)

    def headers(self) -> tuple[tuple[str, bytes], ...] | None:
        return self.headers_


def event(number: int, time_ms: int, model: str = "m", **fields: object) -> bytes:
    content = {"event_id": str(number), "model": model, "version": "1", "timestamp": time_ms, "features": {"x": number}}
    return json.dumps(content | fields).encode()


def mark(model: str, replay: str, watermark_ms: int, **flags: bool) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    content = ReplayMark(
        model=model,
        replay=replay,
        watermark_ms=watermark_ms,
        from_ms=START_MS,
        until_ms=START_MS + 60 * MINUTE,
        **flags,
    )
    return content.to_bytes(), ((CONTROL_HEADER, REPLAY_MARK),)


@dataclass
class FakeKafka:
    """What survives a crash of a worker."""

    log: dict[SourcePartition, list[FakeMessage]] = field(default_factory=dict)
    committed: dict[SourcePartition, Committed] = field(default_factory=dict)
    summaries: list[list[SummaryRecord]] = field(default_factory=lambda: [[] for _ in range(N_SUMMARY_PARTITIONS)])
    dead_letters: list[OutgoingMessage] = field(default_factory=list)
    owner: int = 0

    def append(
        self,
        partition: int,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: tuple[tuple[str, bytes], ...] | None = None,
        skip: int = 0,
    ) -> None:
        log = self.log.setdefault(SourcePartition(TOPIC, partition), [])
        offset = (log[-1].offset_ + 1 if log else 0) + skip
        log.append(FakeMessage(offset, value, key, headers))

    def end(self, source: SourcePartition) -> int:
        log = self.log.get(source, [])
        return log[-1].offset_ + 1 if log else 0


class FakePort:
    """Commits and sends of one worker; `fail` is called before and after everything that reaches the broker."""

    def __init__(self, kafka: FakeKafka, fail: Callable[[], None] = lambda: None) -> None:
        self._kafka = kafka
        self._fail = fail
        kafka.owner += 1
        self.generation = kafka.owner
        self.commits: list[Commit] = []

    def commit(self, commits: Sequence[Commit]) -> None:
        if self.generation != self._kafka.owner:
            msg = "another worker has the partitions"
            raise TakenOverError(msg)
        self._fail()
        for commit in commits:
            self._kafka.committed[commit.source] = Committed(commit.offset, commit.metadata)
            self.commits.append(commit)
        self._fail()

    def send(self, messages: Sequence[OutgoingMessage]) -> None:
        for message in messages:
            self._fail()
            if message.role == "dead_letters":
                self._kafka.dead_letters.append(message)
                continue
            record = decode_record(message.value or b"")
            if message.everywhere:
                for partition in self._kafka.summaries:
                    partition.append(record)
                    self._fail()
            else:
                self._kafka.summaries[sum(message.key or b"") % N_SUMMARY_PARTITIONS].append(record)
        self._fail()


@dataclass
class Clock:
    """Both clocks, moved by hand."""

    ms: int = START_MS

    def wall_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.ms / 1000


def plan_of(model: str) -> CountingPlan | None:
    return CountingPlan(model, (), MINUTE) if model in ("m", "other") else None


def make_core(
    kafka: FakeKafka,
    *,
    fail: Callable[[], None] = lambda: None,
    clock: Clock | None = None,
    options: IngestOptions | None = None,
    plans: Callable[[str], CountingPlan | None] = plan_of,
) -> tuple[IngestCore, FakePort]:
    clock = clock if clock is not None else Clock()
    port = FakePort(kafka, fail)
    intake = Intake(plans, out_of_orderness_ms=10_000, max_future_skew_ms=3_600_000)
    core = IngestCore(
        intake,
        port,
        IngestMetrics(),
        options if options is not None else IngestOptions(),
        n_partitions_of=lambda _: len(kafka.log),
        wall_clock_ms=clock.wall_ms,
        monotonic_s=clock.monotonic_s,
    )
    return core, port


def assign_all(core: IngestCore, kafka: FakeKafka, *, low: int = 0) -> dict[SourcePartition, int]:
    """Hand every partition to a worker; return where it begins to read."""
    return {
        source: core.assign(source, kafka.committed.get(source), low=low, high=kafka.end(source)).offset
        for source in sorted(kafka.log)
    }


def read_to_end(
    core: IngestCore, kafka: FakeKafka, begin: dict[SourcePartition, int], *, batch: int, cut_every: int
) -> None:
    """Drive a worker over the log as its loop does, and stop it cleanly."""
    position = dict(begin)
    n_batches = 0
    while True:
        moved = False
        for source, log in sorted(kafka.log.items()):
            messages = [m for m in log if m.offset_ >= position[source]][:batch]
            if messages:
                moved = True
                position[source] = messages[-1].offset_ + 1
                core.take(source, messages)
                core.cut_boundaries()
            else:
                core.reached_end(source, position[source])
        n_batches += 1
        if n_batches % cut_every == 0:
            core.cut()
        if not moved:
            break
    core.cut()
    core.cut()


@dataclass
class Counted:
    """What a reader of the summaries holds that takes in every cut of a source partition once."""

    panes: dict[tuple[str, str, int], int] = field(default_factory=dict)
    rejected: dict[tuple[str, int], int] = field(default_factory=dict)
    marks: list[ReplayRecord] = field(default_factory=list)
    done: dict[tuple[int, str, int], int] = field(default_factory=dict)


def count_once(kafka: FakeKafka) -> Counted:
    """Merge the summaries as the detector does: by pane and source the highest `to`, by source the end of the last cut."""
    counted = Counted()
    for number, partition in enumerate(kafka.summaries):
        merged_to: dict[tuple[object, ...], int] = {}
        for record in partition:
            source = (number, record.topic, record.partition)
            if isinstance(record, WatermarkRecord):
                counted.done[source] = max(record.to_offset, counted.done.get(source, 0))
                continue
            if record.to_offset <= counted.done.get(source, 0):
                continue
            if isinstance(record, PaneRecord):
                key = (record.model, record.version, record.segment, record.profile, record.pane_start_ms, *source)
                if merged_to.get(key, -1) >= record.to_offset:
                    continue
                merged_to[key] = record.to_offset
                pane = (record.model, record.segment, record.pane_start_ms)
                counted.panes[pane] = counted.panes.get(pane, 0) + record.n_events
                if record.n_rejected:
                    rejected = (record.model, record.pane_start_ms)
                    counted.rejected[rejected] = counted.rejected.get(rejected, 0) + record.n_rejected
            else:
                counted.marks.append(record)
    return counted
