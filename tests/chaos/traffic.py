"""Events of which it is known beforehand what must become of each: what every window counts, which alerts open, which messages are refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np

from stream_gov.contracts import Alert, Monitor, Result
from stream_gov.detection import backtest
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from tests.detection.scenario import HOUR, T0

STRAGGLERS = "stragglers"
"""A model some of whose events come hours after their time."""
COLORS = ("red", "blue", "red", "red")
_REFUSED_EVERY = 101
_LATE_EVERY = 53
_UNREADABLE = (
    (b"\xff\xfe", "invalid_utf8"),
    (b'{"model": "m0"', "malformed_json"),
    # an event whose time can be read moves event time even if its model is not known, so this one stays behind all others
    (
        b'{"model": "nobody", "event_id": "1", "version": "1", "timestamp": 1767225600000, "features": {}}',
        "unknown_model",
    ),
    (
        b'{"model": "m0", "event_id": "1", "version": "1", "timestamp": 1767225600, "features": {}}',
        "timestamp_in_seconds",
    ),
)
_MONITOR = """
monitor: {model}
model: {model}
reference: base-{model}
window: {{size: 1h}}
min_events: 20
checks:
  - {{statistic: psi, threshold: 0.2}}
  - {{statistic: missing_share, threshold: 0.5}}
"""


@dataclass(frozen=True)
class Message:
    """What is sent."""

    partition: int
    value: bytes
    model: str = ""
    """Empty: it is refused."""
    time_ms: int = 0
    reason: str = ""
    """Why it is refused."""


@dataclass(frozen=True)
class Traffic:
    """`n_events` messages over some hours of event time, in the order of their times in every partition.

    The models `m0`, `m1` ... drift in hours of their own; the model `stragglers` has events that come too late.
    """

    n_events: int
    n_partitions: int = 12
    n_models: int = 3
    hours: int = 24
    seed: int = 1
    first_partitions: int | None = None
    """Only so many partitions are used in the first half."""
    models: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", (*(f"m{i}" for i in range(self.n_models)), STRAGGLERS))

    @cached_property
    def monitors(self) -> list[Monitor]:
        return [Monitor.from_yaml(_MONITOR.format(model=model), source="chaos") for model in self.models]

    @cached_property
    def profiles(self) -> list[ReferenceProfile]:
        return [_profile(monitor) for monitor in self.monitors]

    def drifts(self, model: int, hour: int) -> bool:
        return hour % (5 + model) in (2, 3)

    @property
    def end_ms(self) -> int:
        return T0 + self.hours * HOUR

    def messages(self) -> Iterator[Message]:
        """Every message, in the order of sending."""
        rng = np.random.default_rng(self.seed)
        half = self.n_events // 2
        for first in range(0, self.n_events, 10_000):
            n = min(10_000, self.n_events - first)
            values = rng.normal(size=n)
            spread = rng.random(n)
            for j in range(n):
                i = first + j
                n_partitions = (self.first_partitions if i < half else None) or self.n_partitions
                yield self._message(i, float(values[j]), int(spread[j] * n_partitions))

    def _message(self, i: int, value: float, partition: int) -> Message:
        if i % _REFUSED_EVERY == 7:
            unreadable, reason = _UNREADABLE[i // _REFUSED_EVERY % len(_UNREADABLE)]
            return Message(partition, unreadable, reason=reason)
        number = i % len(self.models)
        model = self.models[number]
        time_ms = T0 + i * self.hours * HOUR // self.n_events
        hour = (time_ms - T0) // HOUR
        if model == STRAGGLERS:
            if i // len(self.models) % _LATE_EVERY == 0 and hour >= 4:
                time_ms -= 3 * HOUR
        elif self.drifts(number, hour):
            value += 2.0
        return Message(partition, _event(f"e{i}", model, time_ms, value, COLORS[i // 7 % 4]), model, time_ms)

    def last_messages(self) -> list[Message]:
        """An event of every model in every partition, hours later: they close the windows of the others."""
        time_ms = self.end_ms + 3 * HOUR
        return [
            Message(p, _event(f"end-{p}-{model}", model, time_ms, 0.0, "red"), model, time_ms)
            for p in range(self.n_partitions)
            for model in self.models
        ]

    # --- what must become of it ------------------------------------------------------------------------------------------------------

    @cached_property
    def expected(self) -> Expected:
        """Counted by hand, and judged by a backtest of each model without a broker."""
        counted: Counter[tuple[str, int]] = Counter()
        sent: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        events: dict[str, list[tuple[int, bytes]]] = {model: [] for model in self.models}
        for message in self.messages():
            if message.reason:
                refused[message.reason] += 1
                continue
            sent[message.model] += 1
            if message.model != STRAGGLERS:
                counted[message.model, message.time_ms - message.time_ms % HOUR] += 1
                events[message.model].append((message.time_ms, message.value))
        results: list[Result] = []
        alerts: list[Alert] = []
        for monitor, profile in zip(self.monitors, self.profiles, strict=True):
            for said in backtest(events[monitor.model], monitor, profile):
                if isinstance(said, Alert):
                    alerts.append(said)
                elif said.window_end_ms <= self.end_ms:
                    results.append(said)
        return Expected(dict(counted), dict(sent), dict(refused), results, alerts)


@dataclass(frozen=True)
class Expected:
    """What must be found at the end."""

    counted: dict[tuple[str, int], int]
    """Events by model and start of the window, of the models without late events."""
    sent: dict[str, int]
    """By model, without what is refused."""
    refused: dict[str, int]
    """By reason."""
    results: list[Result]
    alerts: list[Alert]


def _event(event_id: str, model: str, time_ms: int, value: float, color: str) -> bytes:
    return msgspec.json.encode(
        {
            "event_id": event_id,
            "model": model,
            "version": "1",
            "timestamp": time_ms,
            "features": {"x": value, "color": color},
        }
    )


def _profile(monitor: Monitor) -> ReferenceProfile:
    rng = np.random.default_rng(7)
    rows = RowBatch({"x": rng.normal(size=4_000), "color": list(COLORS) * 1_000}, n_rows=4_000)
    return build_profile(
        lambda: [rows],
        ProfileBuilder.for_monitor(monitor),
        name=monitor.reference,
        revision=1,
        model=monitor.model,
        source="chaos",
        created_ms=0,
        version="1",
    )


def said_of(result: Result) -> tuple[object, ...]:
    """What a result says, without what may differ between two runs of the same events."""
    content = json.loads(msgspec.json.encode(result))
    return tuple(
        content[k] for k in ("id", "model", "column", "statistic", "window_end_ms", "value", "verdict", "events")
    )
