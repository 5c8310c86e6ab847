"""The ingest worker: its clients, its loop, and what it does about errors. The logic is in `ingest_core`."""

# ruff: noqa: SLF001  # the names of librdkafka's own error codes begin with an underscore

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from stream_gov.contracts import StreamGovError, UnavailableError
from stream_gov.decoding import Intake
from stream_gov.runtime.catalog_watcher import CatalogWatcher
from stream_gov.runtime.counting_plans import CountingPlans
from stream_gov.runtime.cut_ledger import Committed, SourcePartition
from stream_gov.runtime.cut_writer import CutWriter
from stream_gov.runtime.ingest_core import IngestCore, IngestOptions
from stream_gov.runtime.kafka_clients import (
    BrokerHealth,
    Cluster,
    client_config,
    consumer_config,
    group_name,
    make_consumer,
    topic_id_of,
    wait_for_broker,
)
from stream_gov.runtime.kafka_errors import TakenOverError, translate_kafka_error
from stream_gov.runtime.reader_pace import ReaderPace
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.runtime.topics import ensure_topics
from stream_gov.runtime.worker_metrics import IngestMetrics, MetricsServer
from stream_gov.settings import Settings

__all__ = ["IngestWorker", "run_ingest"]

_POLL_S = 0.1
_CALL_TIMEOUT_S = 10.0
_CATALOG_TIMEOUT_S = 60.0
_POSTPONED_S = 60.0
"""A cut whose commit is refused for so long is given up, and the worker joins its group anew."""
_HOUSEKEEPING_S = 5.0
_REFRESH_S = 10.0
"""How soon partitions that were added are noticed."""
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.5, 15.0


class IngestWorker:
    """One life of a member of the group `<group>.ingest`: from joining to leaving, or to an error.

    Parameters
    ----------
    settings
        Name broker, topics, intervals.
    catalog
        Monitors and references, read in full.
    cluster
        What the broker is.
    metrics
        Counts what happens.
    stop
        Ends the loop: the running cut is finished and the group left.
    health
        Shared with the catalogue's client, so that an outage is told once.
    on_turn
        Called each time the loop turns, with the trouble it has.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: CatalogWatcher,
        cluster: Cluster,
        metrics: IngestMetrics,
        *,
        stop: Event,
        health: BrokerHealth | None = None,
        on_turn: Callable[[str], None] = lambda _trouble: None,
        monotonic_s: Callable[[], float] = time.monotonic,
        wall_clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._metrics = metrics
        self._stop = stop
        self._on_turn = on_turn
        self._monotonic_s = monotonic_s
        self._log = get_logger("ingest")
        self._topic = settings.topics.name("events")
        metrics.data_loss.labels(self._topic)
        self._health = health if health is not None else BrokerHealth(settings.bootstrap, "ingest")
        group = group_name(settings, "ingest")
        self._consumer = make_consumer(consumer_config(settings, "ingest", group=group, health=self._health))
        self._admin = AdminClient(client_config(settings, "ingest", self._health))
        pace = None
        if cluster.embedded:
            pace = ReaderPace(settings, "ingest", settings.topics.name("summaries"), [group_name(settings, "detect")])
        self._pace = pace
        self._writer = CutWriter(
            settings,
            self._consumer,
            metrics,
            stop=stop,
            health=self._health,
            pace=pace,
            monotonic_s=monotonic_s,
            on_left_out=lambda key, n_bytes: self.core.report_too_large(key, n_bytes),
        )
        self._plans = CountingPlans(
            catalog.catalog, out_of_orderness_ms=settings.out_of_orderness, wall_clock_ms=wall_clock_ms
        )
        intake = Intake(
            self._plans.plan_of,
            out_of_orderness_ms=settings.out_of_orderness,
            max_future_skew_ms=settings.max_future_skew,
        )
        self.core = IngestCore(
            intake,
            self._writer,
            metrics,
            IngestOptions(
                idle_timeout_s=settings.idle_timeout / 1000,
                start_at=settings.start_at,
                dead_letter_unknown_models=settings.dead_letter_unknown_models,
                dead_letter_payloads=settings.dead_letter_payloads,
                dead_letter_redacted=frozenset(settings.dead_letter_redacted),
            ),
            n_partitions_of=lambda _topic: self._n_partitions,
            wall_clock_ms=wall_clock_ms,
            monotonic_s=monotonic_s,
            observe_watermark=self._observe_watermark,
        )
        self._n_partitions = 0
        self._sources: dict[int, SourcePartition] = {}
        self._callback_error: Exception | None = None
        self._postponed_since: float | None = None

    def _observe_watermark(self, source: SourcePartition, watermark_ms: int | None) -> None:
        if watermark_ms is None:
            self._plans.leave_out(*source)
        else:
            self._plans.observe(*source, watermark_ms)

    # --- the loop ------------------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until told to stop.

        Raises
        ------
        UnavailableError
            Begin anew with another worker object; what was committed tells it where.
        ConfigurationError
            Beginning anew does not help.
        """
        self._n_partitions = self._look_up_partitions()
        self._look_up_topic_id()
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        interval = self._settings.cut_interval / 1000
        now = self._monotonic_s()
        next_cut, next_housekeeping, next_refresh = now + interval, now, now + _REFRESH_S
        while not self._stop.is_set():
            self._on_turn("no broker answers" if self._health.down else "")
            messages = self._consumer.consume(
                self._settings.batch_size, max(0.0, min(_POLL_S, next_cut - self._monotonic_s()))
            )
            self._raise_error_of_callback()
            self._take(messages)
            now = self._monotonic_s()
            if now >= next_cut or self.core.must_cut:
                next_cut = now + interval
                self._look_up_topic_id()  # before what was read is sent under the offsets of another topic
                self._attempt(self.core.cut)
            else:
                self._attempt(self.core.cut_boundaries)
            self.core.report_quiet()
            if now >= next_housekeeping:
                next_housekeeping = now + _HOUSEKEEPING_S
                self._measure_lag()
            if now >= next_refresh:
                next_refresh = now + _REFRESH_S
                self._n_partitions = self._look_up_partitions()
                self._writer.refresh()
        self._finish()

    def close(self) -> None:
        """Leave the group; drop what was not delivered."""
        self._consumer.close()
        self._writer.close()
        if self._pace is not None:
            self._pace.close()

    def _finish(self) -> None:
        """Make the last cut and finish it, so that the next owner has nothing to repeat."""
        self._log.info("stopping: the last cut is made")
        try:
            self.core.cut()
            self.core.cut()
        except StreamGovError as err:
            self._log.warning("the last cut could not be finished; the next owner makes it again", reason=str(err))

    def _attempt(self, act: Callable[[], None]) -> None:
        """Make a cut, or try again later: while the group rebalances or its coordinator moves, commits are refused."""
        try:
            act()
        except TakenOverError:
            raise
        except UnavailableError as err:
            now = self._monotonic_s()
            if self._postponed_since is None:
                self._postponed_since = now
                self._log.debug("a cut is postponed", reason=str(err))
                self._consumer.pause(self._consumer.assignment())  # or what was read would pile up
            elif now - self._postponed_since > _POSTPONED_S:
                raise
        else:
            if self._postponed_since is not None:
                self._postponed_since = None
                self._consumer.resume(self._consumer.assignment())

    # --- messages ------------------------------------------------------------------------------------------------------------------

    def _take(self, messages: Sequence[Message]) -> None:
        by_partition: dict[int, list[Message]] = {}
        for message in messages:
            error = message.error()
            partition = message.partition()
            if error is not None:
                # The end of a partition stands behind its messages, and must not overtake them.
                if partition is not None:
                    self._take_batch(partition, by_partition.pop(partition, []))
                self._on_message_error(message, error)
                continue
            if partition is None:
                continue
            batch = by_partition.get(partition)
            if batch is None:
                by_partition[partition] = [message]
            else:
                batch.append(message)
        for partition, batch in by_partition.items():
            self._take_batch(partition, batch)

    def _take_batch(self, partition: int, batch: Sequence[Message]) -> None:
        source = self._sources.get(partition)
        if batch and source is not None:
            self._health.answered()
            self.core.take(source, batch)

    def _on_message_error(self, message: Message, error: KafkaError) -> None:
        partition = message.partition()
        source = self._sources.get(partition) if partition is not None else None
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            offset = message.offset()
            if source is not None and offset is not None:
                self._health.answered()
                self.core.reached_end(source, offset)
        elif code == KafkaError._AUTO_OFFSET_RESET:
            if source is not None:
                self._on_gap(source)
        elif code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._log.debug("the topic is not there yet", topic=self._topic)
        else:
            raise translate_kafka_error(error, f"read {self._topic}")

    def _on_gap(self, source: SourcePartition) -> None:
        """Retention was faster than this worker: tell how much is lost, and go on where the log begins now."""
        position = self.core.ledger.position(source)
        low, high = self._watermarks(source)
        if position > high:
            msg = f"partition {source.partition} of {source.topic} ends at offset {high}, before {position}, which was read"
            raise TakenOverError(msg)
        if position < low:
            self.core.report_loss(source, position, low)
            self.core.ledger.advance(source, low)
        self._consumer.seek(TopicPartition(*source, max(position, low)))

    # --- assignment: callbacks, run by `consume` and `close` -----------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            committed = consumer.committed(partitions, timeout=_CALL_TIMEOUT_S) if partitions else []
            starts = []
            for partition in committed:
                if partition.error is not None:
                    raise KafkaException(partition.error)
                source = SourcePartition(partition.topic, partition.partition)
                low, high = self._watermarks(source)
                known = None if partition.offset == OFFSET_INVALID else Committed(partition.offset, partition.metadata)
                start = self.core.assign(source, known, low=low, high=high)
                self._sources[source.partition] = source
                starts.append(TopicPartition(*source, start.offset))
            consumer.incremental_assign(starts)
            # A partition that was given up while it was paused comes back paused.
            (consumer.resume if self._postponed_since is None else consumer.pause)(starts)
        except (KafkaException, StreamGovError) as err:
            self._callback_error = err
            self.core.forget([SourcePartition(p.topic, p.partition) for p in partitions])
            consumer.incremental_assign([])
        else:
            if starts:
                self._log.info("partitions taken over", partitions=[s.partition for s in starts])

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        sources = [SourcePartition(p.topic, p.partition) for p in partitions]
        try:
            self.core.revoke([s for s in sources if s in self.core.ledger])
        except StreamGovError as err:
            # What was sent stays announced, so the next owner sends it again and readers know the repetition.
            self._log.info("partitions were given up before their last cut was finished", reason=str(err))
        self._forget(sources)
        consumer.incremental_unassign(partitions)
        if sources:
            self._log.info("partitions given up", partitions=[s.partition for s in sources])

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        sources = [SourcePartition(p.topic, p.partition) for p in partitions]
        self.core.forget(sources)
        self._forget(sources)
        self._log.warning(
            "partitions were lost: the group did not hear of this worker in time",
            partitions=[s.partition for s in sources],
        )

    def _forget(self, sources: Sequence[SourcePartition]) -> None:
        for source in sources:
            self._sources.pop(source.partition, None)
            try:
                self._metrics.lag.remove(source.topic, str(source.partition))
            except KeyError:
                continue

    def _raise_error_of_callback(self) -> None:
        error, self._callback_error = self._callback_error, None
        if isinstance(error, KafkaException):
            raise translate_kafka_error(error, "take partitions over") from error
        if error is not None:
            raise error

    # --- looking up ----------------------------------------------------------------------------------------------------------------

    def _watermarks(self, source: SourcePartition) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(TopicPartition(*source), timeout=_CALL_TIMEOUT_S)
        return low, high

    def _look_up_partitions(self) -> int:
        try:
            topic = self._consumer.list_topics(self._topic, timeout=_CALL_TIMEOUT_S).topics[self._topic]
            if topic.error is not None:
                raise KafkaException(topic.error)
        except KafkaException as err:
            if self._n_partitions:  # as before: not a reason to stop
                return self._n_partitions
            raise translate_kafka_error(err, f"look up the topic {self._topic}") from err
        return len(topic.partitions)

    def _look_up_topic_id(self) -> None:
        """Learn which topic of this name it is: one that was made anew has offsets of its own."""
        topic_id = "" if self._cluster.embedded else topic_id_of(self._admin, self._topic)
        known = self.core.ledger.topic_ids.get(self._topic, "")
        if topic_id and known and topic_id != known:
            msg = f"the topic {self._topic} was made anew"
            raise TakenOverError(msg)
        if topic_id:
            self.core.ledger.topic_ids[self._topic] = topic_id

    def _measure_lag(self) -> None:
        for source in self.core.ledger.sources:
            try:
                _, high = self._consumer.get_watermark_offsets(TopicPartition(*source), cached=True)
            except KafkaException:
                continue
            if high >= 0:
                lag = max(0, high - self.core.ledger.position(source))
                self._metrics.lag.labels(source.topic, str(source.partition)).set(lag)


def run_ingest(settings: Settings, stop: Event) -> None:
    """Run an ingest worker until `stop` is set; a broker that is not there, or goes away, is waited for.

    Raises
    ------
    ConfigurationError
        Something must be configured differently; the message says what.
    """
    log = get_logger("ingest")
    metrics = IngestMetrics()
    health = BrokerHealth(settings.bootstrap, "ingest")
    backoff = _FIRST_BACKOFF_S
    with MetricsServer(settings, metrics, "ingest") as server:
        while not stop.is_set():
            began = time.monotonic()
            server.health.waits("it waits for the broker, or for its monitors")
            try:
                cluster = wait_for_broker(settings, "ingest", stop=stop)
                ensure_topics(settings, cluster, worker="ingest")
                with CatalogWatcher(settings, "ingest", health=health) as catalog:
                    catalog.wait_until_loaded(_CATALOG_TIMEOUT_S, stop=stop)
                    worker = IngestWorker(
                        settings, catalog, cluster, metrics, stop=stop, health=health, on_turn=server.health.turns
                    )
                    try:
                        log.info("ingest is running", bootstrap=settings.bootstrap)
                        worker.run()
                    finally:
                        worker.close()
            except (UnavailableError, KafkaException) as err:
                if stop.is_set():
                    break
                error = translate_kafka_error(err, "ingest") if isinstance(err, KafkaException) else err
                if not isinstance(error, UnavailableError):
                    raise error from err
                metrics.restarts.inc()
                backoff = _FIRST_BACKOFF_S if time.monotonic() - began > 60 else min(2 * backoff, _LAST_BACKOFF_S)
                log.warning("beginning anew from what was committed", reason=str(error), in_seconds=backoff)
                stop.wait(backoff)
    log.info("ingest has stopped")
