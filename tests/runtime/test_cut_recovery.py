"""A worker that dies between any two steps of a cut: everything is counted once all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from stream_gov.contracts import WatermarkRecord
from stream_gov.runtime.cut_ledger import SourcePartition
from stream_gov.runtime.kafka_errors import TakenOverError
from tests.runtime.ingest_simulation import (
    MINUTE,
    START_MS,
    TOPIC,
    Clock,
    CrashError,
    FakeKafka,
    assign_all,
    count_once,
    event,
    make_core,
    mark,
    read_to_end,
)

P0, P1 = SourcePartition(TOPIC, 0), SourcePartition(TOPIC, 1)


def a_log() -> tuple[FakeKafka, Counter[tuple[str, str, int]]]:
    """Two partitions, two models, gaps in the offsets, a rejected message in each partition."""
    kafka = FakeKafka()
    truth: Counter[tuple[str, str, int]] = Counter()
    for number in range(60):
        model = "other" if number % 7 == 0 else "m"
        pane = START_MS + number // 20 * MINUTE
        kafka.append(number % 2, event(number, pane + number, model), skip=3 if number == 31 else 0)
        truth[(model, "", pane - pane % MINUTE)] += 1
    for partition in (0, 1):
        kafka.append(partition, b"{", key=b"k")
    return kafka, truth


def dying_at(step: int) -> Callable[[], None]:
    steps = iter(range(10_000))

    def fail() -> None:
        if next(steps) == step:
            raise CrashError

    return fail


def run(kafka: FakeKafka, fail: Callable[[], None], *, batch: int, cut_every: int = 2) -> bool:
    """One life of a worker; False if it died."""
    core, _ = make_core(kafka, fail=fail)
    try:
        read_to_end(core, kafka, assign_all(core, kafka), batch=batch, cut_every=cut_every)
    except CrashError:
        return False
    return True


def assert_everything_counted_once(kafka: FakeKafka, truth: Counter[tuple[str, str, int]]) -> None:
    assert count_once(kafka).panes == truth
    assert kafka.committed == {
        P0: (kafka.end(P0), ""),
        P1: (kafka.end(P1), ""),
    }
    assert {letter.key for letter in kafka.dead_letters} == {b"k"}


def test_without_a_crash_everything_is_counted_once() -> None:
    kafka, truth = a_log()
    assert run(kafka, lambda: None, batch=7)
    assert_everything_counted_once(kafka, truth)
    assert len(kafka.dead_letters) == 2


def test_a_crash_at_any_step_changes_no_count() -> None:
    step = 0
    while True:
        kafka, truth = a_log()
        survived = run(kafka, dying_at(step), batch=7)
        if survived:
            break
        # The next owner reads in batches of its own, over the ends of the cuts of the first.
        assert run(kafka, lambda: None, batch=5, cut_every=3)
        assert_everything_counted_once(kafka, truth)
        step += 1
    assert step > 50, "the crashes were spread over all steps of several cuts"


def test_a_second_crash_during_recovery_changes_no_count() -> None:
    n_runs = 0
    for first in range(0, 48, 3):
        second = 0
        while True:
            kafka, truth = a_log()
            assert not run(kafka, dying_at(first), batch=7)
            if run(kafka, dying_at(second), batch=5, cut_every=3):
                break
            assert run(kafka, lambda: None, batch=11)
            assert_everything_counted_once(kafka, truth)
            second += 5
            n_runs += 1
    assert n_runs > 50


def test_a_recovered_cut_has_the_same_identity_and_is_made_before_anything_else() -> None:
    kafka, _ = a_log()
    assert not run(kafka, dying_at(2), batch=7, cut_every=1)  # the intent is committed, one record is on its way
    intended = {
        source: int(c.metadata.split(":")[1].split(",")[0]) for source, c in kafka.committed.items() if c.metadata
    }
    assert intended
    before = [len(p) for p in kafka.summaries]
    core, port = make_core(kafka)
    read_to_end(core, kafka, assign_all(core, kafka), batch=1_000, cut_every=1)
    first_watermark = {}
    for partition, n in zip(kafka.summaries, before, strict=True):
        for record in partition[n:]:
            if isinstance(record, WatermarkRecord):
                first_watermark.setdefault(SourcePartition(record.topic, record.partition), record)
    for source, to_offset in intended.items():
        assert (first_watermark[source].from_offset, first_watermark[source].to_offset) == (0, to_offset)
    assert next(c.offset for c in port.commits if c.source in intended) in intended.values(), "no second intent for it"


def test_one_whose_partitions_were_taken_cannot_send_a_cut_of_its_own_making() -> None:
    kafka, truth = a_log()
    zombie, _ = make_core(kafka)
    assign_all(zombie, kafka)
    zombie.take(P0, kafka.log[P0][:9])
    assert run(kafka, lambda: None, batch=7)
    with pytest.raises(TakenOverError):
        zombie.cut()
    assert_everything_counted_once(kafka, truth)


def test_one_that_stalls_after_its_intent_sends_what_its_successor_sends_as_well() -> None:
    kafka, truth = a_log()
    zombie, port = make_core(kafka)
    assign_all(zombie, kafka)
    for source in (P0, P1):
        zombie.take(source, kafka.log[source][:9])
    # It is stopped right after the commit of its intent; meanwhile another takes over and reads to the end.
    send = port.send

    def stall(messages: object) -> None:
        assert run(kafka, lambda: None, batch=7)
        send(messages)  # type: ignore[arg-type]

    port.send = stall  # type: ignore[method-assign,assignment]
    with pytest.raises(TakenOverError):
        zombie.cut()
    assert_everything_counted_once(kafka, truth)


def test_the_clock_of_a_cut_is_kept_so_that_a_second_reading_judges_events_alike() -> None:
    kafka = FakeKafka()
    in_59_minutes = START_MS + 59 * MINUTE
    in_61_minutes = START_MS + 61 * MINUTE
    for number in range(4):
        kafka.append(0, event(number, in_59_minutes if number % 2 else in_61_minutes))
    assert not run(kafka, dying_at(2), batch=10)
    later, _ = make_core(kafka, clock=Clock(START_MS + 30 * MINUTE))
    read_to_end(later, kafka, assign_all(later, kafka), batch=10, cut_every=1)
    counted = count_once(kafka)
    assert sum(counted.panes.values()) == 2, (
        "at the second reading 61 minutes were only 31, but it was judged by the first clock"
    )
    assert sum(counted.rejected.values()) == 2


def test_a_replay_that_starts_has_a_cut_of_its_own() -> None:
    step = 0
    while True:
        kafka = FakeKafka()
        for number in range(5):
            kafka.append(0, event(number, START_MS + number))
        value, headers = mark("m", "r1", START_MS, started=True)
        kafka.append(0, value, headers=headers)
        for number in range(5, 12):
            kafka.append(0, event(number, START_MS + MINUTE + number))
        value, headers = mark("m", "r1", START_MS + 2 * MINUTE)
        kafka.append(0, value, headers=headers)
        for number in range(12, 15):
            kafka.append(0, event(number, START_MS + 2 * MINUTE + number))
        value, headers = mark("m", "r1", START_MS + 90 * MINUTE, ended=True)
        kafka.append(0, value, headers=headers)
        kafka.append(0, event(15, START_MS + 3 * MINUTE))

        survived = run(kafka, dying_at(step), batch=100)
        if not survived:
            assert run(kafka, lambda: None, batch=4)
        counted = count_once(kafka)
        assert sum(counted.panes.values()) == 16
        mine = [p for p in kafka.summaries if any(not isinstance(r, WatermarkRecord) for r in p)]
        assert len(mine) == 1, "all of a model is in one partition"
        by_cut = {(r.from_offset, r.to_offset) for r in mine[0] if getattr(r, "replay", "") and not r.ended}  # type: ignore[union-attr]
        assert (5, 6) in by_cut
        assert [m.ended for m in counted.marks][-1]
        order = [type(r).__name__ for r in mine[0] if r.to_offset == counted.marks[-1].to_offset]
        assert order.index("ReplayRecord") < order.index("WatermarkRecord")
        if survived:
            break
        step += 1
    assert step > 10
