"""The logic of an ingest worker without its clients: messages in, commits and records out. Brokers and clocks are handed in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from stream_gov.contracts import (
    NO_WATERMARK,
    DataError,
    IncidentKind,
    IncidentRecord,
    RejectReason,
    ResetRecord,
    SummaryRecord,
    WatermarkRecord,
)
from stream_gov.decoding import Intake, Rejection
from stream_gov.runtime.cut_ledger import Commit, Committed, CutLedger, CutRange, SourcePartition, Start
from stream_gov.runtime.cut_messages import (
    OutgoingMessage,
    dead_letter,
    events_by_model,
    held_bytes,
    summary_message,
)
from stream_gov.runtime.redaction import redact
from stream_gov.runtime.replay_mark import Headers, ReplayMark, is_control, read_mark
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.runtime.worker_metrics import IngestMetrics

__all__ = ["CutPort", "IngestCore", "IngestOptions", "SourceMessage"]

HEARTBEAT_S = 5.0
"""A quiet partition is reported to the detector this often."""

MAX_DEAD_LETTER_BYTES = 32 * 1024 * 1024
"""Rejected messages held between cuts; more of them make the next cut come early."""


class SourceMessage(Protocol):
    """What is needed of a message of Kafka; confluent-kafka's messages are such."""

    def key(self) -> bytes | str | None: ...  # noqa: D102
    def value(self) -> bytes | str | None: ...  # noqa: D102
    def offset(self) -> int | None: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102
    def headers(self) -> Any: ...  # noqa: D102


class CutPort(Protocol):
    """Where the commits and messages of a cut go."""

    def commit(self, commits: Sequence[Commit]) -> None:
        """Commit for the group; return when it is certain. An error may leave it open whether the commit was made."""

    def send(self, messages: Sequence[OutgoingMessage]) -> None:
        """Deliver in this order; return when all were acknowledged."""


@dataclass(frozen=True)
class IngestOptions:
    """What an ingest worker can be told."""

    idle_timeout_s: float = 30.0
    start_at: str = "earliest"
    dead_letter_unknown_models: bool = True
    dead_letter_payloads: bool = True
    dead_letter_redacted: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Reading:
    """What is remembered of an assigned partition beside its offsets."""

    active_s: float
    """When it last brought something, on the monotonic clock."""
    reported_s: float
    """When the detector last heard of it."""
    at_end: bool = False
    reported_idle: bool = False
    held: list[SourceMessage] = field(default_factory=list)
    """Messages behind the end of the running cut, to be taken once it is made."""
    marks: dict[str, ReplayMark] = field(default_factory=dict)
    """By model the newest replay mark of the running cut."""
    dead_letters: list[OutgoingMessage] = field(default_factory=list)


class IngestCore:
    """Counts messages and makes cuts of them.

    Parameters
    ----------
    intake
        Decodes and counts.
    port
        Takes commits and records.
    metrics
        Counts what happened.
    options
        What the worker was told.
    n_partitions_of
        Partitions of a source topic.
    wall_clock_ms, monotonic_s
        Clocks: epoch milliseconds, and seconds that never run backwards.
    observe_watermark
        Told the watermark of each cut, and None for a partition that is idle or given up.
    """

    def __init__(
        self,
        intake: Intake,
        port: CutPort,
        metrics: IngestMetrics,
        options: IngestOptions,
        *,
        n_partitions_of: Callable[[str], int],
        wall_clock_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
        observe_watermark: Callable[[SourcePartition, int | None], None] = lambda _source, _watermark: None,
    ) -> None:
        self._intake = intake
        self._port = port
        self._metrics = metrics
        self._options = options
        self._n_partitions_of = n_partitions_of
        self._wall_clock_ms = wall_clock_ms
        self._monotonic_s = monotonic_s
        self._observe_watermark = observe_watermark
        self._log = get_logger("ingest")
        self._readings: dict[SourcePartition, _Reading] = {}
        self._dead_letter_bytes = 0
        self._pending: list[OutgoingMessage] = []
        self.ledger = CutLedger()

    # --- assignment ----------------------------------------------------------------------------------------------------------------

    def assign(self, source: SourcePartition, committed: Committed | None, *, low: int, high: int) -> Start:
        """Take a partition over; return where to begin to read. Lost data is counted and logged."""
        start = self.ledger.assign(source, committed, low=low, high=high, start_at=self._options.start_at)
        now = self._monotonic_s()
        self._readings[source] = _Reading(active_s=now, reported_s=now - HEARTBEAT_S)
        self._intake.forget(*source)
        if start.n_lost:
            self.report_loss(source, start.offset - start.n_lost, start.offset)
        if start.made_anew:
            self._log.error(
                "the topic was made anew: it is read from its beginning", topic=source.topic, partition=source.partition
            )
        if start.made_anew or (start.is_new and self.ledger.topic_ids.get(source.topic)):
            self._say_which_topic(source, start)
        if start.n_cut_off:
            self._report_cut_off(source, start)
        return start

    def report_loss(self, source: SourcePartition, from_offset: int, to_offset: int) -> None:
        """Count, log and tell events that were deleted before they were read."""
        n_lost = to_offset - from_offset
        self._metrics.data_loss.labels(source.topic).inc(n_lost)
        self._log.error(
            "data loss: the broker deleted events before they were read",
            topic=source.topic,
            partition=source.partition,
            events=n_lost,
            remedy="raise the retention of the topic, or run more ingest workers",
        )
        self._tell(
            IncidentKind.DATA_LOSS,
            source,
            n_lost,
            f"the broker deleted {n_lost:,} events of partition {source.partition} (offsets {from_offset} to {to_offset - 1}) before "
            "they were read: raise the retention of the topic, or run more ingest workers",
            f"{from_offset}/{to_offset}",
        )

    def _say_which_topic(self, source: SourcePartition, start: Start) -> None:
        """Tell the detector which topic the offsets belong to from now on: if it knows them as those of another, they begin anew.

        A broker that deletes a topic deletes what was committed for it, so that a topic made anew looks like one that was never read.
        """
        topic_id = self.ledger.topic_ids.get(source.topic, "") or f"unknown, {self._wall_clock_ms()}"
        self._tell(
            IncidentKind.TOPIC_RECREATED,
            source,
            0,
            f"partition {source.partition} is of another topic of the same name and is read from offset {start.offset}; what the old one held "
            "and was not read yet is lost",
            topic_id,
        )
        # Behind the incident: the detector tells by what it knows before whether this is news.
        self._pending.append(summary_message(ResetRecord(*source, topic_id)))

    def _report_cut_off(self, source: SourcePartition, start: Start) -> None:
        self._log.error(
            "the log has lost its end: the broker no longer has events that were read and counted",
            topic=source.topic,
            partition=source.partition,
            events=start.n_cut_off,
            goes_on_at=start.offset,
            remedy="set `unclean.leader.election.enable=false` and `min.insync.replicas=2` on the topic",
        )
        # What is written there now gets offsets that were received before.
        reset = f"{start.offset}+{start.n_cut_off}"
        topic_id = self.ledger.topic_ids.get(source.topic, "")
        self._pending.append(summary_message(ResetRecord(*source, f"{topic_id}, {reset} at {self._wall_clock_ms()}")))
        self._tell(
            IncidentKind.DATA_LOSS,
            source,
            start.n_cut_off,
            f"the log of partition {source.partition} was cut off at offset {start.offset}: {start.n_cut_off:,} events that were counted are "
            "gone, and what producers wrote after them may be",
            reset,
        )

    def report_too_large(self, model: str, n_bytes: int) -> None:
        """Tell that a summary was too large for the topic of summaries, so that its events are in no window."""
        now_ms = self._wall_clock_ms()
        detail = (
            f"a summary of the model {model} has {n_bytes:,} bytes, more than the topic of summaries takes: its events are in no window; "
            "raise `max.message.bytes` of the topic, or watch fewer columns"
        )
        record = IncidentRecord(
            IncidentKind.BOUND_HIT, f"record_bytes of {model}", 1, detail, f"{model}/{now_ms}", now_ms
        )
        self._pending.append(summary_message(record))

    def _tell(self, kind: IncidentKind, source: SourcePartition, n: int, detail: str, identity: str) -> None:
        subject = f"{source.topic}/{source.partition}"
        record = IncidentRecord(kind, subject, n, detail, f"{subject}/{identity}", self._wall_clock_ms())
        self._pending.append(summary_message(record))

    def _send_pending(self) -> None:
        """Send what the detector must know before a commit moves past it."""
        if self._pending:
            self._port.send(self._pending)
            self._metrics.records.inc(len(self._pending))
            self._pending = []

    def revoke(self, sources: Collection[SourcePartition]) -> None:
        """Give partitions up in good order: finish what was sent; what was only read is read again by the next owner."""
        commits = [c for c in (self.ledger.revoke(s) for s in sources) if c is not None]
        for source in sources:
            self._drop(source)
        if commits:
            self._send_pending()
            self._port.commit(commits)

    def forget(self, sources: Collection[SourcePartition]) -> None:
        """Drop partitions that were lost, or are to be begun anew."""
        for source in sources:
            self.ledger.forget(source)
            self._drop(source)

    def _drop(self, source: SourcePartition) -> None:
        self._intake.forget(*source)
        reading = self._readings.pop(source, None)
        if reading is not None:
            self._dead_letter_bytes -= held_bytes(reading.dead_letters)
        self._observe_watermark(source, None)

    # --- reading -------------------------------------------------------------------------------------------------------------------

    def take(self, source: SourcePartition, messages: Sequence[SourceMessage]) -> None:
        """Count messages of one partition, in the order of their offsets."""
        reading = self._readings.get(source)
        if reading is None:  # fetched before the partition was given up
            return
        reading.at_end = False
        reading.active_s = self._monotonic_s()
        if reading.held:
            reading.held.extend(messages)
        else:
            self._take(source, reading, messages)

    def reached_end(self, source: SourcePartition, offset: int) -> None:
        """Note that a partition was read to its end, where the next message will have this offset: all before it was taken."""
        reading = self._readings.get(source)
        if reading is not None and not reading.held:
            reading.at_end = True
            self.ledger.advance(source, offset)

    def _take(self, source: SourcePartition, reading: _Reading, messages: Sequence[SourceMessage]) -> None:
        offsets: list[int] = []
        values: list[bytes | None] = []
        times_ms: list[int] = []
        taken: list[SourceMessage] = []
        position, stop_at = self.ledger.position(source), self.ledger.stop_at(source)
        empty, recovering = self.ledger.is_quiet(source), self.ledger.is_recovering(source)
        for i, message in enumerate(messages):
            offset = message.offset()
            if offset is None or offset < position:
                continue
            if stop_at is not None and offset >= stop_at:
                reading.held = list(messages[i:])
                position = stop_at
                break
            headers = message.headers()
            if headers and is_control(headers):
                mark = self._read_mark(source, reading, message, offset, headers)
                if mark is not None and mark.started and not recovering:
                    # It takes back what the windows held, so it must not share a cut with events: a cut sent twice is taken
                    # in once, and its events would be taken back and never come again.
                    if not empty:
                        self.ledger.end_at(source, offset)
                        stop_at = offset
                        reading.held = list(messages[i:])
                        break
                    self.ledger.end_at(source, offset + 1)
                    stop_at = offset + 1
                if mark is not None:
                    reading.marks[mark.model] = mark
            else:
                offsets.append(offset)
                values.append(_as_bytes(message.value()))
                times_ms.append(message.timestamp()[1])
                taken.append(message)
            position, empty = offset + 1, False
        if offsets:
            now_ms = self.ledger.clock(source, self._wall_clock_ms())
            rejections = self._intake.add(source.topic, source.partition, offsets, values, times_ms, now_ms=now_ms)
            if rejections:
                by_offset = dict(zip(offsets, taken, strict=True))
                for rejection in rejections:
                    self._reject(source, reading, rejection, by_offset[rejection.offset])
        self.ledger.advance(source, position)

    def _read_mark(
        self, source: SourcePartition, reading: _Reading, message: SourceMessage, offset: int, headers: Headers
    ) -> ReplayMark | None:
        try:
            return read_mark(headers, _as_bytes(message.value()) or b"")
        except DataError as err:
            self._reject(source, reading, Rejection(offset, RejectReason.MALFORMED_JSON, str(err), None, 0), message)
            return None

    def _reject(self, source: SourcePartition, reading: _Reading, rejection: Rejection, message: SourceMessage) -> None:
        self._metrics.rejected.labels(rejection.reason.value).inc()
        if rejection.reason is RejectReason.UNKNOWN_MODEL and not self._options.dead_letter_unknown_models:
            return
        value = None
        if self._options.dead_letter_payloads:
            value = redact(_as_bytes(message.value()), self._options.dead_letter_redacted)
        letter = dead_letter(source, rejection, _as_bytes(message.key()), value)
        reading.dead_letters.append(letter)
        self._dead_letter_bytes += held_bytes([letter])

    # --- cutting -------------------------------------------------------------------------------------------------------------------

    @property
    def must_cut(self) -> bool:
        """Whether memory asks for a cut before its time."""
        return self._dead_letter_bytes > MAX_DEAD_LETTER_BYTES or self._intake.is_full

    def cut(self) -> None:
        """Cut every partition that brought something, and finish the cuts before; otherwise only finish them.

        An error of the port before anything was sent leaves everything as it was: try again later. After an error in sending the
        partitions must be begun anew from what was committed.
        """
        self._send_pending()
        self._cut(self.ledger.next_cut(now_ms=self._wall_clock_ms()))
        self.cut_boundaries()
        commits = self.ledger.finishing()
        quiet = [c for c in commits if self.ledger.is_quiet(c.source)]
        if quiet:
            self._port.commit(quiet)
            self.ledger.committed(quiet)

    def cut_boundaries(self) -> None:
        """Cut the partitions that can be read no further otherwise, and take what was held of them."""
        while boundary := self.ledger.at_boundary():
            self._cut(self.ledger.next_cut(boundary, now_ms=self._wall_clock_ms()))

    def _cut(self, cut: Sequence[CutRange]) -> None:
        if not cut:
            return
        started = self._monotonic_s()
        self._send_pending()
        intents = self.ledger.intents(cut)
        if intents:
            self._port.commit(intents)
            self.ledger.committed(intents)
        panes: list[SummaryRecord] = []
        marks: list[SummaryRecord] = []
        watermarks: list[WatermarkRecord] = []
        letters: list[OutgoingMessage] = []
        for source, from_offset, to_offset, _, _ in cut:
            reading = self._readings[source]
            for record in self._intake.cut(
                source.topic,
                source.partition,
                n_partitions=self._n_partitions_of(source.topic),
                from_offset=from_offset,
                to_offset=to_offset,
                now_ms=self._wall_clock_ms(),
            ):
                if isinstance(record, WatermarkRecord):
                    watermarks.append(msgspec.structs.replace(record, now_ms=self._wall_clock_ms()))
                else:
                    panes.append(record)
            marks += [mark.to_record(*source, from_offset, to_offset) for mark in reading.marks.values()]
            letters += reading.dead_letters
        # All panes before any watermark: a window that one partition's watermark closes holds what the others brought in this cut.
        # And the watermarks only when the panes are certain: the detector takes what comes after them for a repetition.
        messages = [summary_message(record) for record in (*panes, *marks)]
        ends = [summary_message(record) for record in watermarks]
        if letters or messages:
            self._port.send([*letters, *messages])
        self._port.send(ends)
        messages += ends
        self._after(cut, panes, messages, letters, watermarks, self._monotonic_s() - started)
        for source in (r.source for r in cut):
            reading = self._readings[source]
            held, reading.held = reading.held, []
            if held:
                self._take(source, reading, held)

    def _after(
        self,
        cut: Sequence[CutRange],
        panes: Sequence[SummaryRecord],
        messages: Sequence[OutgoingMessage],
        letters: Sequence[OutgoingMessage],
        watermarks: Sequence[WatermarkRecord],
        seconds: float,
    ) -> None:
        self.ledger.sent(cut)
        now = self._monotonic_s()
        for source, _, _, _, recovered in cut:
            reading = self._readings[source]
            self._dead_letter_bytes -= held_bytes(reading.dead_letters)
            reading.dead_letters = []
            reading.marks = {}
            reading.reported_s, reading.reported_idle = now, False
            if recovered:
                self._metrics.recovered.inc()
        for watermark in watermarks:
            if watermark.watermark_ms != NO_WATERMARK:
                self._observe_watermark(SourcePartition(watermark.topic, watermark.partition), watermark.watermark_ms)
        self._metrics.cut_seconds.observe(seconds)
        self._metrics.dead_letters.inc(len(letters))
        self._metrics.records.inc(len(messages))
        self._metrics.record_bytes.inc(sum(len(m.value or b"") for m in messages))
        for model, n_events in events_by_model(panes).items():
            self._metrics.events.labels(self._metrics.model_label(model)).inc(n_events)

    # --- signs of life -------------------------------------------------------------------------------------------------------------

    def report_quiet(self) -> None:
        """Tell the detector of partitions that bring nothing: every few seconds, and at once when one becomes idle."""
        now = self._monotonic_s()
        messages = []
        for source in self.ledger.sources:
            reading = self._readings[source]
            if not self.ledger.is_quiet(source):
                continue
            idle = reading.at_end and now - reading.active_s >= self._options.idle_timeout_s
            if idle == reading.reported_idle and now - reading.reported_s < HEARTBEAT_S:
                continue
            position = self.ledger.position(source)
            n_partitions = self._n_partitions_of(source.topic)
            messages.append(
                summary_message(
                    WatermarkRecord(
                        *source, n_partitions, position, position, NO_WATERMARK, idle=idle, now_ms=self._wall_clock_ms()
                    )
                )
            )
            reading.reported_s, reading.reported_idle = now, idle
            if idle:
                self._observe_watermark(source, None)
        if messages:
            self._port.send(messages)
            self._metrics.records.inc(len(messages))


def _as_bytes(data: bytes | str | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data
