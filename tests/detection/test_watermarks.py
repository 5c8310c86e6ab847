from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.contracts import NO_WATERMARK, WatermarkRecord
from stream_gov.detection import SourceWatermarks


def mark(partition: int, to: int, watermark: int, *, idle: bool = False, n: int = 2) -> WatermarkRecord:
    return WatermarkRecord("events", partition, n, max(0, to - 1), to, watermark, idle)


def test_event_time_waits_until_every_partition_was_heard_of():
    time = SourceWatermarks()
    assert time.event_time() == NO_WATERMARK
    time.update(mark(0, 5, 100))
    assert time.event_time() == NO_WATERMARK
    time.update(mark(1, 5, 80))
    assert time.event_time() == 80


def test_an_idle_partition_holds_nothing_up_until_it_speaks_again():
    time = SourceWatermarks()
    time.update(mark(0, 5, 100))
    time.update(mark(1, 5, 80, idle=True))
    assert time.event_time() == 100
    time.update(mark(1, 6, 90))
    time.update(mark(0, 6, 200))
    assert time.event_time() == 100, "it is waited for from here on, and event time does not go back"
    time.update(mark(1, 7, 150))
    assert time.event_time() == 150


def test_where_all_are_idle_time_stands_at_the_furthest():
    time = SourceWatermarks()
    time.update(mark(0, 5, 100, idle=True))
    time.update(mark(1, 5, 80, idle=True))
    assert time.event_time() == 100


def test_a_watermark_never_goes_back_and_an_old_worker_changes_nothing():
    time = SourceWatermarks()
    time.update(mark(0, 5, 100, n=1))
    time.update(mark(0, 6, 50, n=1))
    assert time.event_time() == 100
    time.update(
        mark(0, 3, 500, idle=True, n=1)
    )  # its cut ends before what is done: from a worker that lost the partition
    assert time.event_time() == 100
    assert not time.sources[("events", 0)].idle


def test_cuts_up_to_the_newest_are_repetitions():
    time = SourceWatermarks()
    time.update(mark(0, 5, 100, n=1))
    assert time.is_repetition("events", 0, 5)
    assert not time.is_repetition("events", 0, 6)
    assert not time.is_repetition("events", 1, 5)


def test_partitions_added_to_a_topic_are_waited_for():
    time = SourceWatermarks()
    time.update(mark(0, 5, 100, n=1))
    time.update(mark(0, 6, 110, n=2))
    assert time.event_time() == 100
    time.update(mark(1, 1, 105, n=2))
    assert time.event_time() == 105


def test_state_survives_packing():
    time = SourceWatermarks()
    time.update(mark(0, 5, 100))
    time.update(mark(1, 7, 80, idle=True))
    assert SourceWatermarks.from_state(time.to_state()) == time


def test_a_partition_that_was_idle_does_not_turn_event_time_back():
    """As when it changes its owner, who does not know yet that it is idle."""
    time = SourceWatermarks()
    time.update(mark(0, 1, 100))
    time.update(mark(1, 1, 100))
    time.update(mark(1, 1, NO_WATERMARK, idle=True))
    time.update(mark(0, 1, 900))
    assert time.event_time() == 900
    time.update(mark(1, 1, NO_WATERMARK))
    assert time.event_time() == 900


def test_a_partition_whose_first_word_is_that_its_offsets_are_new_does_not_turn_event_time_back():
    """So says the reader of a partition that was added: it cannot know whether the topic was made anew."""
    time = SourceWatermarks()
    time.update(mark(0, 5, 100, n=1))
    time.reset("events", 1, "id")
    time.update(mark(0, 6, 200, n=1))
    time.update(mark(1, 0, NO_WATERMARK, n=2))
    assert time.event_time() == 200


updates = st.builds(
    mark,
    partition=st.integers(0, 4),
    to=st.integers(0, 5),
    watermark=st.one_of(st.just(NO_WATERMARK), st.integers(0, 1_000)),
    n=st.integers(1, 5),
    idle=st.booleans(),
)


resets = st.tuples(st.integers(0, 4), st.sampled_from(["a", "b"]))


@given(st.lists(st.one_of(updates, resets), max_size=40), st.integers(0, 40))
def test_event_time_never_goes_back_also_over_a_restart(sequence, restart_at):
    time = SourceWatermarks()
    before = NO_WATERMARK
    for i, update in enumerate(sequence):
        if isinstance(update, tuple):
            time.reset("events", *update)
        elif update.partition >= max(update.n_partitions, time.n_partitions.get("events", 0)):
            continue  # no such partition yet
        else:
            time.update(update)
        if i == restart_at:
            time = SourceWatermarks.from_state(msgspec.msgpack.decode(msgspec.msgpack.encode(time.to_state())))
        assert time.event_time() >= before
        before = time.event_time()
