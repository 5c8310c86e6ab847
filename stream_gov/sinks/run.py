"""Feeds a sink from Kafka: the consumer, its group and its topics."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

from stream_gov.contracts import Alert, Result
from stream_gov.settings import Settings
from stream_gov.sinks.consume import LoopOptions, SinkLoop
from stream_gov.sinks.dead_letters import DeadLetterTopic
from stream_gov.sinks.kafka_consumer import KafkaTroubles, make_consumer
from stream_gov.sinks.sink import Sink, SinkCounts

__all__ = ["run_loop"]


def run_loop(
    settings: Settings,
    sink: Sink,
    stop: threading.Event,
    *,
    options: LoopOptions,
    counts: SinkCounts | None = None,
    on_caught_up: Callable[[], None] | None = None,
) -> None:
    """Feed a sink from the topics of metrics and alerts until `stop` is set.

    Sinks that commit share a consumer group `<group>.sink.<name>`, so that several workers divide the work. A sink that does not commit
    is a group of its own, `<group>.sink.<name>.<random>`, and reads everything.

    Raises
    ------
    ConfigurationError
        There is no address of Kafka, or a wrong option.
    """
    troubles = KafkaTroubles(settings.bootstrap)
    group = f"{settings.group}.sink.{sink.name}"
    consumer = make_consumer(
        settings,
        group=group if options.commit else f"{group}.{uuid.uuid4().hex[:8]}",
        client=f"stream-gov-sink-{sink.name}",
        troubles=troubles,
        report_end=on_caught_up is not None,
    )
    topics: dict[str, type[Result] | type[Alert]] = {
        settings.topics.name("metrics"): Result,
        settings.topics.name("alerts"): Alert,
    }
    dead_letters = DeadLetterTopic(settings, sink.name)
    loop = SinkLoop(
        consumer,
        sink,
        topics,
        troubles=troubles,
        options=options,
        counts=counts,
        on_caught_up=on_caught_up,
        # a sink that commits nothing reads everything again at each start, and keeps nothing itself
        send_dead_letters=dead_letters.send if options.commit else None,
    )
    try:
        loop.run(stop)
    finally:
        dead_letters.close()
