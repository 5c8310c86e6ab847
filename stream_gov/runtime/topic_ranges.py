"""Which offsets of a topic hold the messages of a time: looked up by the times at which they were sent."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream_gov.contracts import ConfigurationError
from stream_gov.contracts.unknown_keys import nearest
from stream_gov.runtime.kafka_errors import translate_kafka_error
from stream_gov.runtime.range_reader import OffsetRange

__all__ = ["FoundRange", "find_ranges", "partitions_of"]

_CALL_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class FoundRange:
    """What was found in one partition."""

    range: OffsetRange
    low: int
    """Offset of the first message that is still there."""
    high: int
    """Offset after the last one when it was looked up."""

    @property
    def begins_at_the_first(self) -> bool:
        """Whether messages before the range have been deleted, and none that is still there lies before it."""
        return self.low > 0 and self.range.start == self.low


def partitions_of(consumer: Consumer, topic: str) -> list[int]:
    """Return the partitions of a topic; asking for it does not bring it into being.

    Raises
    ------
    ConfigurationError
        There is no such topic.
    UnavailableError
        The broker does not answer.
    """
    try:
        topics = consumer.list_topics(timeout=_CALL_TIMEOUT_S).topics
    except KafkaException as err:
        raise translate_kafka_error(err, f"look up the topic {topic}") from err
    found = topics.get(topic)
    if found is None or found.error is not None or not found.partitions:
        names = sorted(name for name in topics if not name.startswith("__"))
        hint = nearest(topic, names) if names else "; it has no topics yet"
        msg = f"there is no topic {topic!r}{hint}; name another, or look at the setting `topics`"
        raise ConfigurationError(msg)
    return sorted(found.partitions)


def find_ranges(
    consumer: Consumer, topic: str, *, sent_from_ms: int | None, sent_until_ms: int | None, by_time: bool
) -> list[FoundRange]:
    """Find the messages of each partition that were sent in a time; their ends are fixed now, whatever comes later.

    Parameters
    ----------
    consumer
        To ask with.
    topic
        The topic.
    sent_from_ms, sent_until_ms
        Times of the messages (not of the events): from the first, before the second; epoch milliseconds, None: no bound.
    by_time
        Whether the broker can tell offsets by time. If not (the embedded one), everything that is there is in range.

    Raises
    ------
    ConfigurationError
        There is no such topic, or this user may not read it.
    UnavailableError
        The broker does not answer.
    """
    partitions = partitions_of(consumer, topic)
    try:
        ends = {
            p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=_CALL_TIMEOUT_S) for p in partitions
        }
        starts = {p: low for p, (low, _) in ends.items()}
        stops = {p: high for p, (_, high) in ends.items()}
        if by_time and sent_from_ms is not None:
            starts = _offsets_at(consumer, topic, sent_from_ms, stops)
        if by_time and sent_until_ms is not None:
            stops = _offsets_at(consumer, topic, sent_until_ms, stops)
    except KafkaException as err:
        raise translate_kafka_error(err, f"look up offsets of {topic}") from err
    found = []
    for p in partitions:
        low, high = ends[p]
        stop = min(stops[p], high)
        found.append(FoundRange(OffsetRange(p, min(max(starts[p], low), stop), stop), low, high))
    return found


def _offsets_at(consumer: Consumer, topic: str, time_ms: int, ends: dict[int, int]) -> dict[int, int]:
    """Offset of the first message of each partition that was sent at a time or later; the end where there is none."""
    asked = [TopicPartition(topic, p, max(time_ms, 0)) for p in ends]
    offsets = {}
    for answer in consumer.offsets_for_times(asked, timeout=_CALL_TIMEOUT_S):
        if answer.error is not None:
            raise KafkaException(answer.error)
        offsets[answer.partition] = answer.offset if answer.offset >= 0 else ends[answer.partition]
    return offsets
