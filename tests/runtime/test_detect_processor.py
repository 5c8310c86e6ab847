"""What becomes of a summary record when writes fail, partitions move or the process dies in the middle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from stream_gov.contracts import (
    NO_WATERMARK,
    AlertAction,
    AlertCommandRecord,
    SummaryRecord,
    UnavailableError,
    WatermarkRecord,
    alert_id,
    encode_record,
)
from stream_gov.decoding import Intake
from stream_gov.detection import Detector, StaticCatalog
from stream_gov.reference import counting_plan
from stream_gov.runtime.detect_processor import DetectProcessor, Outgoing
from stream_gov.runtime.kafka_errors import TakenOverError
from stream_gov.runtime.state_table import Change, StateTable
from stream_gov.runtime.worker_metrics import DetectMetrics
from tests.detection.scenario import HOUR, T0, monitor, profile_for

PROFILE = profile_for(monitor())
CATALOG = StaticCatalog([monitor()], [PROFILE])


def value_of(metrics: DetectMetrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def some_records() -> list[bytes]:
    """Cuts of five hours, the second and third shifted, the watermarks that close them, and what someone says of the alert between them."""
    plan = counting_plan(monitor(), [PROFILE])
    intake = Intake(lambda _: plan, out_of_orderness_ms=0, max_future_skew_ms=0)
    rng = np.random.default_rng(3)
    records: list[SummaryRecord] = []
    done = 0
    for hour in range(5):
        shift = 2.0 if hour in (1, 2) else 0.0
        values = [
            json.dumps(
                {
                    "event_id": f"{hour}-{i}",
                    "model": "shop",
                    "version": "1",
                    "timestamp": T0 + hour * HOUR + i * 60_000,
                    "features": {"x": x, "color": ["red", "blue", "red", "red"][i % 4]},
                }
            ).encode()
            for i, x in enumerate(rng.normal(shift, 1, 60))
        ]
        offsets = range(done, done + len(values))
        intake.add("events", 0, list(offsets), values, [T0] * len(values), now_ms=None)
        records += intake.cut("events", 0, n_partitions=1, from_offset=done, to_offset=done + len(values))
        done += len(values)
        if hour == 2:
            opened = alert_id("shop", "shop", "1", "", T0 + HOUR, T0 + 2 * HOUR)
            records.append(AlertCommandRecord("shop", opened, "c", AlertAction.ACKNOWLEDGE, "anna", "", T0))
    records.append(WatermarkRecord("events", 0, 1, done, done, NO_WATERMARK, idle=True))
    return [encode_record(r) for r in records]


RECORDS = some_records()


class Broker:
    """What survives: the changelog, what was sent, and how far was committed."""

    def __init__(self) -> None:
        self.changelog: list[Change] = []
        self.sent: list[Outgoing] = []
        self.committed = 0

    def table(self) -> dict[bytes, bytes | None]:
        table: dict[bytes, bytes | None] = {}
        for key, value in self.changelog:
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
        return table

    def ids(self) -> list[str]:
        """Ids of results and alerts in order, repetitions left out."""
        seen = dict.fromkeys(
            (role, json.loads(value)["id"], json.loads(value).get("revision")) for role, _, value in self.sent
        )
        return [str(key) for key in seen]


class Port:
    def __init__(self, broker: Broker, fail: Callable[[], None]) -> None:
        self._broker = broker
        self._fail = fail

    async def send(self, messages: Sequence[Outgoing]) -> None:
        for message in messages:
            self._fail()
            self._broker.sent.append(message)
        await asyncio.sleep(0)
        self._fail()

    async def write(self, partition: int, changes: Sequence[Change]) -> None:
        for change in changes:
            self._fail()
            self._broker.changelog.append(change)
        await asyncio.sleep(0)
        self._fail()


class DiedError(Exception):
    pass


def dying_at(step: int) -> Callable[[], None]:
    count = iter(range(10**6))

    def fail() -> None:
        if next(count) == step:
            raise DiedError

    return fail


def processor_on(broker: Broker, fail: Callable[[], None] = lambda: None, **options: Any) -> DetectProcessor:
    options.setdefault("metrics", DetectMetrics())
    return DetectProcessor(Detector(CATALOG), StateTable(broker.table()), Port(broker, fail), **options)


async def run(broker: Broker, fail: Callable[[], None], *, commit_every: int) -> bool:
    processor = processor_on(broker, fail)
    try:
        for i in range(broker.committed, len(RECORDS)):
            await processor.take(0, RECORDS[i], T0)
            if i % commit_every == 0:
                broker.committed = i + 1
    except DiedError:
        return False
    return True


def test_a_crash_at_any_write_changes_neither_results_nor_alerts() -> None:
    whole = Broker()
    assert asyncio.run(run(whole, lambda: None, commit_every=1))
    assert sum(role == "alerts" for role, _, _ in whole.sent) == 3, "opened, acknowledged and resolved"
    step = 0
    while True:
        broker = Broker()
        if asyncio.run(run(broker, dying_at(step), commit_every=3)):
            break
        assert asyncio.run(run(broker, lambda: None, commit_every=2))
        assert broker.ids() == whole.ids(), f"died at write {step}"
        assert broker.table() == whole.table()
        step += 1
    assert step > 50


def test_a_record_that_fails_is_skipped_counted_and_told_once() -> None:
    metrics = DetectMetrics()

    class Broken(Detector):
        def step(self, state: Any, record: Any) -> Any:
            msg = "division by zero"
            raise ZeroDivisionError(msg)

    broker = Broker()
    processor = DetectProcessor(Broken(CATALOG), StateTable({}), Port(broker, lambda: None), metrics)

    async def body() -> None:
        for record in RECORDS[:3]:
            await processor.take(0, record, T0)

    asyncio.run(body())
    assert value_of(metrics, "stream_gov_records_failed_total") == 3
    assert broker.sent == []
    assert broker.changelog == []


def test_records_that_cannot_be_read_are_skipped_and_counted() -> None:
    metrics = DetectMetrics()
    processor = processor_on(Broker(), metrics=metrics)

    async def body() -> None:
        for garbage in (None, b"", b"\x09", b"\x01x"):
            await processor.take(0, garbage, T0)

    asyncio.run(body())
    assert value_of(metrics, "stream_gov_records_unreadable_total") == 4


def test_commands_that_name_no_open_alert_are_counted() -> None:
    metrics, broker = DetectMetrics(), Broker()
    command = AlertCommandRecord("shop", "0" * 32, "c", AlertAction.RESOLVE, "anna", "", T0)
    asyncio.run(processor_on(broker, metrics=metrics).take(0, encode_record(command), T0))
    assert value_of(metrics, "stream_gov_alert_commands_unanswered_total") == 1
    assert value_of(metrics, "stream_gov_records_total", kind="alertcommand") == 1
    assert broker.sent == []
    assert broker.changelog == []


def test_an_error_in_sending_leaves_the_record_undone_and_the_state_as_it_was() -> None:
    broker = Broker()
    failing = True

    def fail() -> None:
        if failing and broker.sent:
            msg = "no broker"
            raise UnavailableError(msg)

    processor = processor_on(broker, fail)

    taken: list[bytes] = []

    async def take_from(position: int) -> None:
        for record in RECORDS[position:]:
            await processor.take(0, record, T0)
            taken.append(record)

    async def body() -> None:
        nonlocal failing
        with pytest.raises(UnavailableError):
            await take_from(0)
        failing = False
        await take_from(len(taken))

    asyncio.run(body())
    whole = Broker()
    asyncio.run(run(whole, lambda: None, commit_every=1))
    assert broker.ids() == whole.ids()


def test_a_partition_that_is_taken_away_in_the_middle_of_a_record_is_not_written_to() -> None:
    broker = Broker()
    gate = asyncio.Event()

    class SlowPort(Port):
        async def send(self, messages: Sequence[Outgoing]) -> None:
            await gate.wait()

    processor = DetectProcessor(Detector(CATALOG), StateTable({}), SlowPort(broker, lambda: None), DetectMetrics())

    async def body() -> None:
        at_hand = asyncio.ensure_future(processor.take(0, RECORDS[0], T0))
        await asyncio.sleep(0)
        await processor.give_up([0], wait_s=0.01)
        gate.set()
        with pytest.raises(TakenOverError, match="partition 0 was taken away"):
            await at_hand

    asyncio.run(body())
    assert broker.changelog == []


def test_a_record_at_hand_is_finished_before_its_partition_is_given_up() -> None:
    broker = Broker()
    gate = asyncio.Event()

    class SlowPort(Port):
        async def send(self, messages: Sequence[Outgoing]) -> None:
            await gate.wait()

    processor = DetectProcessor(Detector(CATALOG), StateTable({}), SlowPort(broker, lambda: None), DetectMetrics())

    async def body() -> None:
        at_hand = asyncio.ensure_future(processor.take(1, RECORDS[0], T0))
        await asyncio.sleep(0)
        leaving = asyncio.ensure_future(processor.give_up([0], wait_s=5.0))
        await asyncio.sleep(0)
        assert not leaving.done()
        gate.set()
        await at_hand
        await leaving

    asyncio.run(body())
    assert broker.changelog


def test_a_process_that_stood_still_does_not_write_over_its_successor() -> None:
    broker = Broker()
    processor = processor_on(broker, stalled_s=lambda: 12.0)
    with pytest.raises(TakenOverError, match=r"stood still for 12\.0 s"):
        asyncio.run(processor.take(0, RECORDS[0], T0))
    assert broker.changelog == []


def test_what_happened_is_counted() -> None:
    metrics = DetectMetrics()
    processor = processor_on(Broker(), metrics=metrics, wall_clock_ms=lambda: T0 + 2_500)

    async def body() -> None:
        for record in RECORDS:
            await processor.take(0, record, T0)
        await processor.take(0, RECORDS[0], T0)

    asyncio.run(body())
    assert value_of(metrics, "stream_gov_windows_closed_total", model="shop") == 4
    assert value_of(metrics, "stream_gov_alerts_total", model="shop", change="opened") == 1
    assert value_of(metrics, "stream_gov_alerts_total", model="shop", change="resolved") == 1
    assert value_of(metrics, "stream_gov_records_total", kind="pane") == 6
    assert value_of(metrics, "stream_gov_records_repeated_total") == 1
    assert value_of(metrics, "stream_gov_event_to_alert_seconds_sum") == 5.0
    assert value_of(metrics, "stream_gov_results_total", model="shop", verdict="drift") >= 2
