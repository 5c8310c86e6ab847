"""Send past events to the topic of events, as a producer would have, only faster."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Event
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream_gov.contracts import NO_WATERMARK, Monitor, UnavailableError
from stream_gov.detection import closing_watermark
from stream_gov.runtime.group_progress import GroupProgress
from stream_gov.runtime.kafka_clients import group_name, make_producer, producer_config, wait_for_broker
from stream_gov.runtime.kafka_errors import translate_kafka_error
from stream_gov.runtime.reader_pace import ReaderPace
from stream_gov.runtime.replay_mark import CONTROL_HEADER, REPLAY_MARK, ReplayMark
from stream_gov.runtime.topics import ensure_topics
from stream_gov.settings import Settings

__all__ = ["ReplayTotals", "replay_events", "wait_until_detected"]

_WORKER = "replay"
_MARK_EVERY_EVENTS = 1_000
_MARK_EVERY_S = 0.5
_REPORT_EVERY_EVENTS = 200
_FLUSH_S = 60.0
_EARLIER_REPLAY_S = 60.0


@dataclass(slots=True)
class ReplayTotals:
    """How far a replay has come."""

    events: int = 0
    event_time_ms: int = 0
    """Largest event time sent."""
    seconds: float = 0.0
    broken_off: bool = False
    """`stop` was set before the last event."""

    @property
    def events_per_second(self) -> float:
        """Mean rate so far."""
        return self.events / self.seconds if self.seconds > 0 else 0.0


def replay_events(
    settings: Settings,
    monitor: Monitor,
    events: Iterable[tuple[int, str, bytes]],
    *,
    from_ms: int,
    until_ms: int,
    rate: float | None = None,
    speed: float | None = None,
    progress: Callable[[ReplayTotals], None] | None = None,
    stop: Event | None = None,
) -> ReplayTotals:
    """Send events and the marks that give the model a clock of its own; return when all were acknowledged.

    Parameters
    ----------
    settings
        Name the broker and the topic.
    monitor
        Of the model that is replayed; its windows decide when the end of the replay closes them.
    events
        Event time (epoch milliseconds), event id, and message, in the order of sending. Keyed by id, so that they spread over the
        partitions.
    from_ms, until_ms
        Least and largest event time of all of them: windows in between are closed anew.
    rate
        Events per second at most.
    speed
        Event time that passes per time of the clock, such as 3600 for an hour in a second.
    progress
        Called now and then with the totals.
    stop
        Ends the replay early; windows that it left open go by the clock of live traffic then.

    Raises
    ------
    UnavailableError
        The broker does not answer, or did not acknowledge.
    """
    stop = stop if stop is not None else Event()
    cluster = wait_for_broker(settings, _WORKER, stop=stop, give_up_after_s=30.0)
    ensure_topics(settings, cluster, worker=_WORKER)
    topic = settings.topics.name("events")
    sender = _Sender(settings, topic, paced=cluster.embedded)
    name = uuid.uuid4().hex
    totals = ReplayTotals()

    def mark(watermark_ms: int, *, started: bool = False, ended: bool = False) -> None:
        sender.mark(
            ReplayMark(
                model=monitor.model,
                replay=name,
                watermark_ms=watermark_ms,
                from_ms=from_ms,
                until_ms=until_ms,
                started=started,
                ended=ended,
            )
        )

    try:
        with GroupProgress(settings, group_name(settings, "ingest"), topic) as ingest:
            sender.partitions = ingest.partitions()
            if any(offset >= 0 for offset in ingest.committed(sender.partitions).values()):
                # What an earlier replay sent must be counted before this one takes its windows back.
                ingest.wait_until_read(timeout_s=_EARLIER_REPLAY_S, stop=stop)
        mark(NO_WATERMARK, started=True)
        began = marked = time.monotonic()
        first_ms: int | None = None
        for time_ms, event_id, value in events:
            first_ms = time_ms if first_ms is None else first_ms
            due = began
            if rate is not None:
                due = max(due, began + totals.events / rate)
            if speed is not None:
                due = max(due, began + (time_ms - first_ms) / 1_000 / speed)
            if due > began and (wait := due - time.monotonic()) > 0:
                sender.poll()
                stop.wait(wait)
            if stop.is_set():
                totals.broken_off = True
                break
            sender.send(event_id, value)
            totals.events += 1
            totals.event_time_ms = max(totals.event_time_ms, time_ms)
            now = time.monotonic()
            if totals.events % _MARK_EVERY_EVENTS == 0 or now - marked > _MARK_EVERY_S:
                marked = now
                mark(totals.event_time_ms - settings.out_of_orderness)
                sender.keep_pace(stop)
            if totals.events % _REPORT_EVERY_EVENTS == 0:
                totals.seconds = now - began
                if progress is not None:
                    progress(totals)
        end = totals.event_time_ms - settings.out_of_orderness
        if not totals.broken_off:
            end = closing_watermark(
                max(until_ms, totals.event_time_ms),
                size_ms=monitor.window.size,
                every_ms=monitor.window.every_ms,
                allowed_lateness_ms=monitor.window.allowed_lateness,
            )
        mark(end, ended=True)
        sender.finish()
        totals.seconds = time.monotonic() - began
        if progress is not None:
            progress(totals)
    except KafkaException as err:
        raise translate_kafka_error(err, f"replay to {topic}") from err
    finally:
        sender.close()
    return totals


def wait_until_detected(
    settings: Settings, *, sinks: Iterable[str] = (), timeout_s: float, stop: Event | None = None
) -> bool:
    """Wait until everything sent so far was ingested, detected, and read by the named sinks.

    Parameters
    ----------
    sinks
        Names such as `store`: the group of a sink is `<group>.sink.<name>`.

    Returns
    -------
    False if `stop` was set first.

    Raises
    ------
    UnavailableError
        It took longer than `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    stages = [("ingest", "events"), ("detect", "summaries")]
    stages += [(f"sink.{name}", topic) for name in sinks for topic in ("metrics", "alerts")]
    for worker, topic in stages:
        with GroupProgress(settings, group_name(settings, worker), settings.topics.name(topic)) as group:
            if not group.wait_until_read(timeout_s=max(1.0, deadline - time.monotonic()), stop=stop):
                return False
    return True


class _Sender:
    """A producer that remembers its first failed delivery, and keeps near its readers on the embedded broker."""

    def __init__(self, settings: Settings, topic: str, *, paced: bool) -> None:
        self._topic = topic
        self.partitions: list[int] = []
        self._producer: Producer = make_producer(producer_config(settings, _WORKER))
        self._pace = ReaderPace(settings, _WORKER, topic, [group_name(settings, "ingest")]) if paced else None
        self._error: KafkaError | None = None

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._error = self._error or error
        elif self._pace is not None:
            size = len(message.value() or b"") + len(message.key() or b"")
            self._pace.sent(message.partition() or 0, message.offset() or 0, size)

    def send(self, key: str, value: bytes) -> None:
        self._produce(value, key=key.encode())

    def mark(self, mark: ReplayMark) -> None:
        for partition in self.partitions:
            self._produce(mark.to_bytes(), partition=partition, headers=[(CONTROL_HEADER, REPLAY_MARK)])

    def _produce(self, value: bytes, **where: Any) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, on_delivery=self._on_delivery, **where)
            except BufferError:
                self._producer.poll(0.1)
                self._raise_failed()
            else:
                return

    def poll(self) -> None:
        self._producer.poll(0)
        self._raise_failed()

    def keep_pace(self, stop: Event) -> None:
        self.poll()
        if self._pace is not None:
            self._producer.flush(_FLUSH_S)
            self._pace.wait(stop)

    def finish(self) -> None:
        left = self._producer.flush(_FLUSH_S)
        self._raise_failed()
        if left:
            msg = f"{left} events were not acknowledged by the broker within {_FLUSH_S:g} s; is it reachable, and has topic {self._topic} a leader?"
            raise UnavailableError(msg)

    def _raise_failed(self) -> None:
        if self._error is not None:
            raise KafkaException(self._error)

    def close(self) -> None:
        if self._pace is not None:
            self._pace.close()
