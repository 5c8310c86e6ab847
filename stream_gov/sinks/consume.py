"""The loop that sinks share: read results and alerts, write them, and only then commit how far it came.

So an outage of the store is lag, never loss: the batch is kept, the partitions are paused, and the write is repeated until it succeeds.
At most one batch is in memory. After a crash the messages since the last commit are read and written again, and a sink writes a record
twice as if once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import structlog
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from stream_gov.contracts import Alert, ConfigurationError, DataError, Result, UnavailableError
from stream_gov.sinks.backoff import Backoff
from stream_gov.sinks.dead_letters import DeadLetter
from stream_gov.sinks.kafka_consumer import KafkaTroubles, RecordConsumer
from stream_gov.sinks.record_decoder import RecordDecoder
from stream_gov.sinks.sink import Record, RefusedRecordsError, Sink, SinkCounts

__all__ = ["LoopOptions", "SinkLoop"]

Partition = tuple[str, int]
"""Topic and partition."""

TRIES = 3
"""Times that a record which the store refuses alone is tried, before it goes to the dead letters."""
_TRY_AGAIN_S = 1.0
_WAITS_PER_BATCH = 6
"""How often a batch waits before a refused record is tried again; with more of them the tries follow each other at once."""
_NAMED_PER_BATCH = 10
"""Bad messages of one batch that get a log line of their own; the others are counted in one line."""
_BROKER_ANSWER_S = 5.0
"""How long to wait for an answer about offsets."""


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a sink reads."""

    batch_size: int = 5_000
    """Records delivered at once, and the most that are kept in memory."""
    batch_wait_s: float = 0.5
    """How long a batch may wait to become full."""
    commit: bool = True
    """Commit offsets; without, every start reads the topics from the beginning."""

    def __post_init__(self) -> None:
        """Check the options."""
        if self.batch_size < 1 or self.batch_wait_s <= 0:
            msg = f"batch_size is {self.batch_size} and batch_wait_s {self.batch_wait_s}; both must be positive"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class _Pending:
    """A record and where it stands."""

    partition: Partition
    offset: int
    record: Record


class _TryAgain(Exception):  # noqa: N818 - no error: a wait
    """A record was refused that is to be tried again after a moment."""


class SinkLoop:
    """Reads from a consumer and writes to a sink until it is told to stop.

    Parameters
    ----------
    consumer
        Not yet subscribed. The loop closes it, and the sink, when it ends.
    sink
        Where the records go.
    topics
        Type of the messages by topic.
    troubles
        Where Kafka's errors are reported.
    options
        How it reads.
    counts
        Where it counts.
    send_dead_letters
        Takes what can never be written, before its offset is committed; None: it is only logged and counted.
    on_caught_up
        Called once, when every partition has been read to its end. Needs a consumer that reports the end of partitions.
    backoff
        Waits between attempts.
    clock
        Seconds that never run backwards.
    """

    def __init__(
        self,
        consumer: RecordConsumer,
        sink: Sink,
        topics: Mapping[str, type[Result] | type[Alert]],
        *,
        troubles: KafkaTroubles,
        options: LoopOptions | None = None,
        counts: SinkCounts | None = None,
        send_dead_letters: Callable[[Sequence[DeadLetter]], None] | None = None,
        on_caught_up: Callable[[], None] | None = None,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = counts if counts is not None else SinkCounts()
        self._consumer = consumer
        self._sink = sink
        self._decoders = {topic: RecordDecoder(kind) for topic, kind in topics.items()}
        self._troubles = troubles
        self._options = options if options is not None else LoopOptions()
        self._send_dead_letters = send_dead_letters
        self._letters: list[DeadLetter] = []  # of the batch at hand, not delivered yet
        self._refusals = 0  # of the record that is tried alone
        self._waits = 0  # in the batch at hand, before a refused record was tried again
        self._on_caught_up = on_caught_up
        self._backoff = backoff if backoff is not None else Backoff()
        self._clock = clock
        self._log = structlog.get_logger(__name__).bind(sink=sink.name)
        self._todo: list[list[_Pending]] = []  # parts of the batch still to be delivered, the next one last
        self._next: dict[Partition, int] = {}  # offset after the last message taken
        self._to_commit: dict[Partition, int] = {}
        self._at_end: set[Partition] = set()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set.

        Raises
        ------
        UnavailableError
            The consumer has failed for good and must be made anew.
        """
        try:
            self._consumer.subscribe(list(self._decoders), on_revoke=self._revoked)
            if self._until_it_works(self._sink.setup, stop):
                self._log.info(f"sink {self._sink.name} is ready")
            while not stop.is_set():
                self._take_and_write(stop)
        finally:
            self._sink.close()
            self._consumer.close()

    def _take_and_write(self, stop: threading.Event) -> None:
        self.counts.health.turns()
        messages = self._consume(self._options.batch_size, self._options.batch_wait_s)
        batch = self._decode(messages)
        if batch or self._letters:
            self._todo = [batch] if batch else []
            self._waits = self._refusals = 0
            if not self._until_it_works(self._deliver, stop):
                return
        self._commit()
        if messages:
            self._note_lag(cached=True)
        self._note_end()

    # --- reading -------------------------------------------------------------------------------------------------------------------

    def _consume(self, n: int, timeout_s: float) -> list[Message]:
        """Return messages that carry a value or a tombstone; errors among them are dealt with here."""
        try:
            messages = self._consumer.consume(n, timeout_s)
        except KafkaException as err:
            self._kafka_error(err.args[0])
            return []
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - public, see kafka_consumer
                self._at_end.add(_place(message))
                self._troubles.over()
            else:
                self._kafka_error(error)
        if good:
            self._troubles.over()
        return good

    def _kafka_error(self, error: KafkaError) -> None:
        if error.fatal():
            msg = f"the Kafka consumer cannot go on: {self._troubles.describe(error)}; start the sink again"
            raise UnavailableError(msg)
        self._troubles.report(error)

    def _decode(self, messages: Sequence[Message]) -> list[_Pending]:
        """Read the records, count what is none, and note how far this comes."""
        batch: list[_Pending] = []
        unreadable: list[str] = []
        self._find_positions(messages)
        for message in messages:
            partition, offset = _place(message), _offset(message)
            expected = self._next.get(partition)
            if expected is not None and offset != expected:
                self._explain_jump(partition, expected, offset)
            self._next[partition] = self._to_commit[partition] = offset + 1
            try:
                record = self._decoders[partition[0]].decode(message.value() or b"")
            except DataError as err:
                unreadable.append(f"{partition[0]} partition {partition[1]} offset {offset}: {err}")
                self._letters.append(DeadLetter(*partition, offset, message.key(), message.value(), str(err)))
            else:
                batch.append(_Pending(partition, offset, record))
        self.counts.unreadable += len(unreadable)
        self._name_some("a message is no result or alert, skipped", unreadable)
        return batch

    def _find_positions(self, messages: Sequence[Message]) -> None:
        """Ask where partitions that are new to this member stood, so that a gap after a long absence is noticed."""
        new = {_place(m) for m in messages} - self._next.keys()
        if not new or not self._options.commit:
            return
        try:
            committed = self._consumer.committed([TopicPartition(*p) for p in new], timeout=_BROKER_ANSWER_S)
        except KafkaException as err:
            self._kafka_error(err.args[0])
            return
        self._next.update({(c.topic, c.partition): c.offset for c in committed if c.offset >= 0})

    def _explain_jump(self, partition: Partition, expected: int, offset: int) -> None:
        """Tell a loss from the harmless reasons for which offsets are not consecutive (such as transaction markers)."""
        where = f"{partition[0]} partition {partition[1]}"
        if offset < expected:
            self._log.warning(
                f"{where} goes on at offset {offset}, before {expected}, which was next: the topic was made anew, or offsets were "
                "reset; the records are written again"
            )
            return
        try:
            watermarks = self._consumer.get_watermark_offsets(
                TopicPartition(*partition), timeout=_BROKER_ANSWER_S, cached=False
            )
        except KafkaException as err:
            self._kafka_error(err.args[0])
            return
        if watermarks is not None and watermarks[0] > expected:
            lost = min(watermarks[0], offset) - expected
            self.counts.lost += lost
            self._log.error(
                f"{where}: {lost} messages from offset {expected} were deleted by the topic's retention before sink "
                f"{self._sink.name} had read them; lengthen topics.results_retention, or repair the sink sooner"
            )

    def _revoked(self, _consumer: object, partitions: list[TopicPartition]) -> None:
        """Leave what belongs to partitions that are gone to their next owner, who reads it from the last commit."""
        gone = {(p.topic, p.partition) for p in partitions}
        self._todo = [kept for part in self._todo if (kept := [p for p in part if p.partition not in gone])]
        for partition in gone:
            self._next.pop(partition, None)
            self._to_commit.pop(partition, None)
            self.counts.lag_by_partition.pop(partition, None)
        self._letters = [x for x in self._letters if (x.topic, x.partition) not in gone]
        self._at_end -= gone

    # --- writing -------------------------------------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        """Deliver what is to do; a part with a record that is refused is halved until the record stands alone."""
        while self._todo:
            part = self._todo[-1]
            try:
                for pending in part:
                    self._sink.add(pending.record)
                self._sink.flush()
            except RefusedRecordsError as err:
                if not err.all_refused and len(part) > 1:
                    half = len(part) // 2
                    # order is kept, so that of two revisions the later is written last
                    self._todo[-1:] = [part[half:], part[:half]]
                elif not err.all_refused and (again := self._refusals + 1) < TRIES:
                    self._refusals = again
                    self._waits += 1
                    if self._waits <= _WAITS_PER_BATCH:
                        raise _TryAgain from err
                else:
                    self._refusals = 0
                    self._refuse(part, err)
                    self._todo.pop()
            else:
                self._refusals = 0
                self._todo.pop()
                self.counts.written += len(part)
        if self._letters and self._send_dead_letters is not None:
            self._send_dead_letters(self._letters)
        self._letters = []

    def _refuse(self, part: Sequence[_Pending], err: RefusedRecordsError) -> None:
        self.counts.refused += len(part)
        self._letters += [
            DeadLetter(*p.partition, p.offset, p.record.model.encode(), msgspec.json.encode(p.record), str(err))
            for p in part
        ]
        self._name_some(
            f"{err}; skipped",
            [f"{p.partition[0]} partition {p.partition[1]} offset {p.offset} id {p.record.id}" for p in part],
        )

    def _name_some(self, text: str, details: Sequence[str]) -> None:
        for detail in details[:_NAMED_PER_BATCH]:
            self._log.error(text, record=detail)
        if len(details) > _NAMED_PER_BATCH:
            self._log.error(text, more=len(details) - _NAMED_PER_BATCH)

    def _commit(self) -> None:
        if not self._to_commit:
            return
        if not self._options.commit:
            self._to_commit.clear()
            return
        offsets = [TopicPartition(*partition, offset) for partition, offset in self._to_commit.items()]
        try:
            answers = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as err:
            self._kafka_error(err.args[0])  # kept, and committed with the next batch or when the broker is back
            return
        for answer in answers:
            if answer.error is not None:
                self._kafka_error(answer.error)
            else:
                self._to_commit.pop((answer.topic, answer.partition), None)

    # --- waiting -------------------------------------------------------------------------------------------------------------------

    def _until_it_works(self, action: Callable[[], None], stop: threading.Event) -> bool:
        """Repeat an action of the sink until it succeeds; false if it was stopped before."""
        failed_at: float | None = None
        waited = False
        while not stop.is_set():
            try:
                action()
            except _TryAgain:
                waited = True
                self._wait(_TRY_AGAIN_S, stop)
            except (UnavailableError, ConfigurationError) as err:
                failed_at = self._clock() if failed_at is None else failed_at
                wait_s = self._backoff.next_s()
                self.counts.failures += 1
                self.counts.trouble = str(err)
                say = self._log.error if isinstance(err, ConfigurationError) else self._log.warning
                say(str(err), records_waiting=sum(map(len, self._todo)), retry_in_s=round(wait_s, 1))
                self._wait(wait_s, stop)
            else:
                if failed_at is not None:
                    self._log.info(f"sink {self._sink.name} works again", after_s=round(self._clock() - failed_at, 1))
                if waited or failed_at is not None:
                    self._consumer.resume(self._consumer.assignment())
                self.counts.trouble = ""
                self._backoff.reset()
                return True
        return False

    def _wait(self, wait_s: float, stop: threading.Event) -> None:
        """Let time pass with partitions paused, polling all the while, so that the group does not think this member dead."""
        until = self._clock() + wait_s
        self._note_lag(cached=False)
        while not stop.is_set() and (left := until - self._clock()) > 0:
            self.counts.health.turns(self.counts.trouble)
            self._consumer.pause(self._consumer.assignment())  # each time, for partitions that have just come
            for message in self._consume(1, min(left, self._options.batch_wait_s)):
                # fetched before its partition was paused: it is read once more when there is room for it
                with contextlib.suppress(KafkaException):  # the partition has just gone to another member
                    self._consumer.seek(TopicPartition(*_place(message), _offset(message)))

    def _note_lag(self, *, cached: bool) -> None:
        for partition in self._consumer.assignment():
            place = (partition.topic, partition.partition)
            reached = self._next.get(place)
            if reached is None:
                continue
            try:
                watermarks = self._consumer.get_watermark_offsets(partition, timeout=_BROKER_ANSWER_S, cached=cached)
            except KafkaException as err:
                self._kafka_error(err.args[0])
                return
            if watermarks is not None:
                self.counts.lag_by_partition[place] = max(0, watermarks[1] - reached)

    def _note_end(self) -> None:
        if self._on_caught_up is None:
            return
        assigned = {(p.topic, p.partition) for p in self._consumer.assignment()}
        if assigned and assigned <= self._at_end:
            self._on_caught_up()
            self._on_caught_up = None


def _place(message: Message) -> Partition:
    topic, partition = message.topic(), message.partition()
    assert topic is not None  # noqa: S101 - messages and end-of-partition events have a topic
    assert partition is not None  # noqa: S101
    return topic, partition


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None  # noqa: S101 - a message that is no error has one
    return offset
