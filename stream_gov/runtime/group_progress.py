"""How far consumer groups have read, and waiting until one has read enough."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from threading import Event

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream_gov.contracts import UnavailableError
from stream_gov.runtime.kafka_clients import client_config, make_consumer
from stream_gov.settings import Settings

__all__ = ["GroupProgress"]

_TIMEOUT_S = 5.0
_LOOK_EVERY_S = 0.1


class GroupProgress:
    """Looks at one group's committed offsets in one topic; it never joins the group.

    Parameters
    ----------
    settings
        Name the broker.
    group, topic
        Whose commits, and where.
    """

    def __init__(self, settings: Settings, group: str, topic: str) -> None:
        self.group = group
        self.topic = topic
        self._client: Consumer = make_consumer(client_config(settings, "progress") | {"group.id": group})

    def partitions(self) -> list[int]:
        """Return the topic's partitions; none if it does not exist."""
        known = self._client.list_topics(self.topic, timeout=_TIMEOUT_S).topics.get(self.topic)
        return sorted(known.partitions) if known is not None and known.error is None else []

    def ends(self, partitions: Sequence[int] | None = None) -> dict[int, int]:
        """By partition the offset after the last message."""
        wanted = self.partitions() if partitions is None else partitions
        return {
            p: self._client.get_watermark_offsets(TopicPartition(self.topic, p), timeout=_TIMEOUT_S)[1] for p in wanted
        }

    def committed(self, partitions: Sequence[int]) -> dict[int, int]:
        """By partition the committed offset; negative where there is none."""
        wanted = [TopicPartition(self.topic, p) for p in partitions]
        return {p.partition: p.offset for p in self._client.committed(wanted, timeout=_TIMEOUT_S)}

    def wait_until_read(
        self, ends: Mapping[int, int] | None = None, *, timeout_s: float, stop: Event | None = None
    ) -> bool:
        """Wait until the group has read everything below `ends` (default: all there is now).

        Returns
        -------
        False if `stop` was set first.

        Raises
        ------
        UnavailableError
            It has not, in time.
        """
        stop = stop if stop is not None else Event()
        deadline = time.monotonic() + timeout_s
        last = ""
        while not stop.is_set():
            try:
                wanted = self.ends() if ends is None else dict(ends)
                ends = wanted
                done = self.committed(sorted(wanted))
                behind = {p: end - max(done[p], 0) for p, end in wanted.items() if end and done[p] < end}
                if not behind:
                    return True
                last = f"{sum(behind.values())} messages in partitions {sorted(behind)} are not read"
            except KafkaException as err:
                last = err.args[0].str()
            if time.monotonic() > deadline:
                msg = f"group {self.group} has not read topic {self.topic} after {timeout_s:g} s: {last}; does its worker run?"
                raise UnavailableError(msg)
            stop.wait(_LOOK_EVERY_S)
        return False

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> GroupProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
