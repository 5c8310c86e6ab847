"""The Faust application of the detector: topics, table and agent around `DetectProcessor`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import faust
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition
from faust.tables import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP

from stream_gov.detection import Catalog, Detector
from stream_gov.runtime.detect_processor import DetectProcessor, Outgoing
from stream_gov.runtime.faust_credentials import faust_credentials
from stream_gov.runtime.kafka_clients import MAX_MESSAGE_BYTES, client_config, group_name, make_consumer
from stream_gov.runtime.kafka_errors import translate_kafka_error
from stream_gov.runtime.reader_pace import ReaderPace
from stream_gov.runtime.skipped_records import SkippedRecords
from stream_gov.runtime.stall_watch import StallWatch
from stream_gov.runtime.state_table import Change, StateTable
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.runtime.topics import detect_changelog_name
from stream_gov.runtime.worker_metrics import DetectMetrics
from stream_gov.settings import Settings

__all__ = ["SESSION_TIMEOUT_S", "DetectApp", "make_app", "session_timeout_s"]

SESSION_TIMEOUT_S = 8.0
"""After so many seconds without a heartbeat the group gives a worker's partitions to others. Faust's default of 60 would make a
restarted worker wait a minute for its own ghost."""

_CALL_TIMEOUT_S = 5.0
_RAW: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw"}


class _Recovery(Recovery):
    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Stop the flow before it goes over from the changelog to the records.

        Faust (0.15.3) resumes the records, seeks to what was committed, and only then empties the queues in front of the agents: a
        record that arrived in between is thrown away, and counts as read. Records were lost at every other start with a backlog.
        """
        self.app.consumer.stop_flow()
        self.app.flow_control.suspend()
        await cast(_App, self.app).before_records(self.app.consumer.assignment())
        await super().on_recovery_completed(generation_id)


class _TableManager(TableManager):
    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = _Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


class _App(faust.App):
    before_records: Callable[[set[TP]], Awaitable[None]]
    """Called with the assignment when the tables are restored, before the first record."""

    def _create_directories(self) -> None:
        """Make none: a table in memory keeps nothing in files."""


@dataclass
class DetectApp:
    """A Faust application and what belongs to it."""

    app: _App
    processor: DetectProcessor
    table: Any
    """Faust's table, which the changelog restores."""
    positions: dict[int, int] = field(default_factory=dict)
    """By partition of the topic of summaries the offset after the last record taken in."""
    skipped: SkippedRecords = field(default_factory=SkippedRecords)
    failure: Exception | None = None
    """Why it takes in no more: it must be ended, and another made."""
    receivers: list[Callable[..., Awaitable[None]]] = field(default_factory=list)
    """Of Faust's signals, which hold them weakly."""

    def lags(self) -> dict[int, int]:
        """Records not taken in yet, by partition."""
        (topic,) = self.app.agents["detect"].channel.topics
        lags = {}
        for partition, position in self.positions.items():
            try:
                end = self.app.consumer.highwater(TP(topic, partition))
            except AssertionError:  # it was given away since: aiokafka asserts
                continue
            if end is not None:
                lags[partition] = max(0, end - position)
        return lags


class _KafkaPort:
    """Delivers by the application's producer, and waits for every acknowledgement."""

    def __init__(self, topics: Mapping[str, Any], table: Any, pace: ReaderPace | None) -> None:
        self._topics = topics
        self._table = table
        self._pace = pace

    async def send(self, messages: Sequence[Outgoing]) -> None:
        sent = [await self._topics[role].send(key=key, value=value, **_RAW) for role, key, value in messages]
        for (role, _, value), acknowledged in zip(messages, sent, strict=True):
            metadata = await acknowledged
            if role == "metrics" and self._pace is not None:
                self._pace.sent(metadata.partition, metadata.offset, len(value))

    async def write(self, partition: int, changes: Sequence[Change]) -> None:
        # Not by `table[key] = value`: that only buffers, and Faust's flush before a commit gives up when the broker stalls, so
        # an offset could be committed whose state never reached the changelog.
        futures = [self._table.send_changelog(partition, key, value, "raw", "raw") for key, value in changes]
        await asyncio.gather(*futures)


def make_app(
    settings: Settings,
    catalog: Catalog,
    *,
    metrics: DetectMetrics | None = None,
    n_partitions: int | None = None,
    pace: ReaderPace | None = None,
    stall_watch: StallWatch | None = None,
    skipped: SkippedRecords | None = None,
) -> DetectApp:
    """Make a new application, within a running event loop; nothing is connected before it is started.

    Parameters
    ----------
    settings
        Name broker, topics and group.
    catalog
        Monitors and references.
    metrics
        Counts what happens.
    n_partitions
        Partitions of the topic of summaries; the changelog must have as many. None: as the settings say.
    pace
        Holds the detector back on the embedded broker.
    stall_watch
        Notices that the process stood still.
    skipped
        Notices records that Faust skipped; the same for one application after the other.
    """
    session_s = session_timeout_s(settings)
    app = _App(
        group_name(settings, "detect"),
        broker=";".join(f"kafka://{address.strip()}" for address in settings.bootstrap.split(",")),
        broker_credentials=faust_credentials(settings.kafka),
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        # Topics are created by `topics.ensure_topics`, the same way for every broker.
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_MESSAGE_BYTES,
        producer_max_request_size=MAX_MESSAGE_BYTES,
        producer_acks=-1,
        # Shorter than the session: what was not written by then must not arrive after another worker took over.
        producer_request_timeout=session_s * 0.75,
        broker_session_timeout=session_s,
        broker_heartbeat_interval=float(settings.kafka.get("heartbeat.interval.ms", session_s * 250)) / 1000,
        broker_commit_interval=1.0,
        stream_ack_exceptions=False,
        stream_ack_cancelled_tasks=False,
        stream_wait_empty=False,
        TableManager=_TableManager,
    )
    n_partitions = settings.topics.partitions if n_partitions is None else n_partitions
    topics = {
        role: app.topic(settings.topics.name(role), key_type=bytes, value_type=bytes, **_RAW)
        for role in ("summaries", "metrics", "alerts")
    }
    changelog = app.topic(
        detect_changelog_name(settings),
        key_type=bytes,
        value_type=bytes,
        partitions=n_partitions,
        internal=True,
        **_RAW,
    )
    table = app.Table("state", key_type=bytes, value_type=bytes, partitions=n_partitions, changelog_topic=changelog)
    metrics = metrics if metrics is not None else DetectMetrics()
    processor = DetectProcessor(
        Detector(catalog),
        StateTable(table.data),
        _KafkaPort(topics, table, pace),
        metrics,
        stalled_s=stall_watch.stalled_s if stall_watch is not None else lambda: None,
    )
    detect_app = DetectApp(app, processor, table, skipped=skipped if skipped is not None else SkippedRecords())
    _add_agent(detect_app, topics["summaries"], metrics, pace)
    _follow_assignment(detect_app, settings, session_s)
    return detect_app


def _add_agent(detect_app: DetectApp, summaries: Any, metrics: DetectMetrics, pace: ReaderPace | None) -> None:
    log = get_logger("detect")

    async def detect(stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            try:
                if detect_app.failure is not None:
                    raise detect_app.failure
                lost = detect_app.skipped.check(message.partition, message.offset)
                if lost:
                    metrics.lost.inc(lost)
                    log.error(
                        "data loss: summary records were deleted before they were read",
                        partition=message.partition,
                        records=lost,
                        remedy="raise the retention of the topic of summaries, or run more detect workers",
                    )
                    await detect_app.processor.tell_loss(
                        message.partition,
                        message.topic,
                        message.offset - lost,
                        message.offset,
                        round(message.timestamp * 1000),
                    )
                if pace is not None and not pace.near:
                    await asyncio.get_running_loop().run_in_executor(None, pace.wait)
                await detect_app.processor.take(message.partition, event.value, round(message.timestamp * 1000))
            except Exception as err:
                # What comes after a record that is not done with must not be taken in before it: the application has to go.
                detect_app.failure = err
                log.debug("the detector stops taking records in", reason=repr(err))
                await asyncio.Event().wait()
            detect_app.positions[message.partition] = message.offset + 1
            event.ack()

    detect_app.app.agent(summaries, name="detect")(detect)


def _follow_assignment(detect_app: DetectApp, settings: Settings, session_s: float) -> None:
    topic = settings.topics.name("summaries")

    async def on_revoked(_: Any, /, *args: Any, signal: Any = None, **__: Any) -> None:
        (revoked,) = args
        partitions = {tp.partition for tp in revoked if tp.topic == topic}
        for partition in partitions:
            detect_app.positions.pop(partition, None)
        await detect_app.processor.give_up(partitions, wait_s=session_s / 2)

    async def before_records(assigned: set[TP]) -> None:
        partitions = {tp.partition for tp in assigned if tp.topic == topic}
        detect_app.processor.keep_only(partitions)
        look_up = functools.partial(_committed, settings, topic, sorted(partitions))
        try:
            positions = await asyncio.get_running_loop().run_in_executor(None, look_up)
        except KafkaException as err:
            detect_app.failure = translate_kafka_error(err, "look up what the detector has committed")
            return
        detect_app.skipped.begin(positions, functools.partial(_first_offset, settings, topic))
        get_logger("detect").info("partitions assigned", partitions=sorted(partitions))

    # Signals keep their receivers for as long as the process lives, and with them the application and all its state.
    detect_app.receivers.append(on_revoked)
    detect_app.app.on_partitions_revoked.connect(on_revoked, weak=True)
    detect_app.app.before_records = before_records


def _committed(settings: Settings, topic: str, partitions: Sequence[int]) -> dict[int, int]:
    """Offsets that come next, by what the group has committed."""
    with _looking(settings) as client:
        found = client.committed([TopicPartition(topic, p) for p in partitions], timeout=_CALL_TIMEOUT_S)
        none = [p.partition for p in found if p.offset == OFFSET_INVALID]
        begin = {p: client.get_watermark_offsets(TopicPartition(topic, p), timeout=_CALL_TIMEOUT_S)[0] for p in none}
        return {p.partition: p.offset for p in found if p.offset != OFFSET_INVALID} | begin


def _first_offset(settings: Settings, topic: str, partition: int) -> int:
    with _looking(settings) as client:
        return int(client.get_watermark_offsets(TopicPartition(topic, partition), timeout=_CALL_TIMEOUT_S)[0])


@contextmanager
def _looking(settings: Settings) -> Iterator[Consumer]:
    """Give a client that asks about the group without joining it."""
    config = client_config(settings, "detect-look")
    client = make_consumer(config | {"group.id": group_name(settings, "detect")})
    try:
        yield client
    finally:
        client.close()


def session_timeout_s(settings: Settings) -> float:
    """Seconds without a heartbeat after which a worker's partitions go to others."""
    return float(settings.kafka.get("session.timeout.ms", SESSION_TIMEOUT_S * 1000)) / 1000
