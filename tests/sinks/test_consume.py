from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from stream_gov.contracts import Alert, ConfigurationError, Result, UnavailableError
from stream_gov.sinks import Backoff, LoopOptions, RefusedRecordsError, SinkLoop
from stream_gov.sinks.dead_letters import DeadLetter
from stream_gov.sinks.kafka_consumer import KafkaTroubles
from tests.contracts.messages import a_result, an_alert
from tests.sinks.fake_kafka import FakeClock, FakeConsumer, FakeMessage, FakeSink

METRICS, ALERTS = "drift-metrics", "drift-alerts"
DOWN = UnavailableError("the store does not answer; start it")


def results(n: int, *, stem: str = "r") -> list[bytes]:
    return [msgspec.json.encode(a_result(id=f"{stem}{i}")) for i in range(n)]


class Bench:
    """A loop with fakes around it."""

    def __init__(self, *, batch_size: int = 100, commit: bool = True, report_end: bool = False, **loop: Any) -> None:
        self.clock = FakeClock()
        self.consumer = FakeConsumer(self.clock, report_end=report_end)
        self.sink = FakeSink(self.consumer.journal)
        self._make = partial(
            SinkLoop,
            self.consumer,
            self.sink,
            {METRICS: Result, ALERTS: Alert},
            troubles=KafkaTroubles("broker:9092", clock=self.clock),
            options=LoopOptions(batch_size=batch_size, commit=commit),
            backoff=Backoff(first_s=1.0, limit_s=8.0, random_share=lambda: 1.0),
            clock=self.clock,
            **loop,
        )
        self.loop = self._make()

    def send_dead_letters(self, send: Callable[[Sequence[DeadLetter]], None]) -> None:
        self.loop = self._make(send_dead_letters=send)

    @property
    def counts(self) -> Any:
        return self.loop.counts

    @property
    def ids(self) -> list[str]:
        return [r.id for r in self.sink.accepted]

    def calls(self, *names: str) -> list[tuple[str, Any]]:
        return [call for call in self.consumer.journal if call[0] in names]

    def run(self) -> list[dict[str, Any]]:
        with capture_logs() as logs:
            self.loop.run(self.consumer.stop)
        return [dict(entry) for entry in logs]


def test_results_and_alerts_are_written_and_then_committed() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(3), partition=1)
    bench.consumer.append(ALERTS, msgspec.json.encode(an_alert(id="a")))
    bench.run()
    assert bench.sink.accepted == [a_result(id="r0"), a_result(id="r1"), a_result(id="r2"), an_alert(id="a")]
    assert bench.calls("flush", "commit") == [
        ("flush", ["r0", "r1", "r2", "a"]),
        ("commit", {(METRICS, 1): 3, (ALERTS, 0): 1}),
    ]
    assert bench.counts.written == 4
    assert (bench.sink.closed, bench.consumer.closed) == (1, 1)


def test_a_batch_is_no_larger_than_asked_and_each_is_committed_before_the_next() -> None:
    bench = Bench(batch_size=4)
    bench.consumer.append(METRICS, *results(10))
    bench.run()
    assert bench.sink.deliveries == [4, 4, 2]
    assert bench.sink.most_held == 4
    assert [name for name, _ in bench.calls("flush", "commit")] == ["flush", "commit"] * 3
    assert bench.consumer.offsets == {(METRICS, 0): 10}


def test_during_an_outage_nothing_is_committed_and_afterwards_nothing_is_missing() -> None:
    bench = Bench(batch_size=5)
    bench.consumer.append(METRICS, *results(12))
    bench.sink.failures = deque([None, DOWN, DOWN, DOWN, DOWN, DOWN])
    logs = bench.run()
    assert bench.ids == [f"r{i}" for i in range(12)]
    changes = bench.calls("flush", "fail", "commit")
    assert [name for name, _ in changes] == ["flush", "commit", *["fail"] * 5, "flush", "commit", "flush", "commit"]
    assert [call for name, call in changes if name == "commit"] == [{(METRICS, 0): n} for n in (5, 10, 12)]
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [w["retry_in_s"] for w in warnings] == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert {(w["event"], w["records_waiting"], w["sink"]) for w in warnings} == {(str(DOWN), 5, "fake")}
    assert any(entry["event"] == "sink fake works again" and entry["after_s"] >= 23 for entry in logs)
    assert (bench.counts.failures, bench.counts.trouble) == (5, "")


def test_after_a_success_the_waits_begin_anew() -> None:
    bench = Bench(batch_size=5)
    bench.consumer.append(METRICS, *results(10))
    bench.sink.failures = deque([DOWN, DOWN, None, DOWN])
    assert [entry["retry_in_s"] for entry in bench.run() if "retry_in_s" in entry] == [1.0, 2.0, 1.0]


def test_while_it_waits_it_polls_with_partitions_paused_and_takes_no_more_than_one_batch() -> None:
    bench = Bench(batch_size=5)
    bench.consumer.append(METRICS, *results(50))
    bench.sink.failures = deque([DOWN] * 6)
    seen: list[tuple[bool, int, str]] = []

    def look() -> None:
        pending = sum(len(part) for part in bench.loop._todo)
        seen.append((bench.consumer.paused == {(METRICS, 0)}, pending, bench.counts.trouble))

    bench.consumer.at_time = [(1_000 + t, look) for t in (0.5, 5, 20)]
    bench.run()
    assert seen == [(True, 5, str(DOWN))] * 3
    polls = [n for n in bench.calls("consume") if n == ("consume", 1)]
    assert len(polls) >= 31 / 0.5  # 1 + 2 + 4 + 8 + 8 + 8 seconds, asked every half second
    assert bench.counts.written == 50


def test_a_message_that_slips_through_while_paused_is_read_again() -> None:
    bench = Bench(batch_size=3)
    bench.consumer.append(METRICS, *results(6))
    bench.sink.failures = deque([DOWN])
    bench.consumer.leaks_when_paused = True
    # a consumer that always has a message would never let time pass
    real_seek = bench.consumer.seek

    def seek(partition: Any) -> None:
        real_seek(partition)
        bench.clock.now_s += 0.5

    bench.consumer.seek = seek  # type: ignore[method-assign]
    bench.run()
    assert bench.ids == [f"r{i}" for i in range(6)]
    assert bench.calls("seek") == [("seek", (METRICS, 0, 3))] * 2
    assert bench.consumer.offsets == {(METRICS, 0): 6}


def test_setup_is_repeated_until_it_works_and_nothing_is_written_before() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(2))
    bench.sink.setup_failures = deque([DOWN, ConfigurationError("the token is refused; set influx.token")])
    logs = bench.run()
    names = [name for name, _ in bench.calls("setup", "flush", "commit")]
    assert names == ["setup", "setup", "setup", "flush", "commit"]
    assert bench.ids == ["r0", "r1"]
    assert [entry["log_level"] for entry in logs if "retry_in_s" in entry] == ["warning", "error"]


def test_a_wrong_setting_is_named_and_tried_again() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(2))
    wrong = ConfigurationError("InfluxDB refuses the token; set influx.token")
    bench.sink.failures = deque([wrong, wrong])
    logs = bench.run()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [str(wrong)] * 2
    assert bench.ids == ["r0", "r1"]


def test_stopped_during_an_outage_it_ends_at_once_and_commits_nothing() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(3))
    bench.sink.failures = deque([DOWN] * 100)
    bench.consumer.at_time = [(1_010.0, bench.consumer.stop.set)]
    bench.run()
    assert bench.calls("commit", "flush") == []
    assert bench.clock.now_s < 1_011
    assert (bench.sink.closed, bench.consumer.closed) == (1, 1)


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"{", "truncated"),
        (None, "truncated"),
        (b"\xff\xfe", "malformed"),
        (b'{"id": "\xff"}', "decode"),
        (b'{"unknown": ' + b"[" * 10_000, "recursion"),
        (b"[" * 10_000, "Expected `object`, got `array`|maximum recursion"),
        (b'{"model": ' + b"[" * 10_000, "Expected `str`|recursion"),
        (b'{"id": 5}', r"Expected `str`, got `int` - at `\$\.id`"),
        (b'{"id": "x"}', "missing required field `monitor`"),
        (msgspec.json.encode(a_result(events=2**63)), r"does not fit 64 bits - at `\$\.events`"),
        (msgspec.json.encode(an_alert()), "missing required field"),
    ],
)
def test_what_is_no_result_is_counted_named_and_passed(payload: bytes | None, complaint: str) -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(1), payload, *results(1, stem="after"))
    logs = bench.run()
    assert bench.ids == ["r0", "after0"]
    assert bench.counts.unreadable == 1
    assert bench.consumer.offsets == {(METRICS, 0): 3}
    (error,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert error["record"].startswith("drift-metrics partition 0 offset 1: ")
    assert re.search(complaint, error["record"])


def test_a_flood_of_bad_messages_is_summed_up() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *[b"{"] * 90)
    errors = [entry for entry in bench.run() if entry["log_level"] == "error"]
    assert len(errors) == 11
    assert errors[-1]["more"] == 80
    assert bench.consumer.offsets == {(METRICS, 0): 90}


def refuse_ids(*bad: str) -> Any:
    def refuse(records: list[Any]) -> Exception | None:
        found = [r.id for r in records if r.id in bad]
        return RefusedRecordsError(f"no room for {found}") if found else None

    return refuse


def test_a_refused_record_is_found_by_halving_and_all_others_are_written_in_order() -> None:
    bench = Bench(batch_size=100)
    bench.consumer.append(METRICS, *results(100))
    bench.sink.refuse = refuse_ids("r37")
    logs = bench.run()
    assert bench.ids == [f"r{i}" for i in range(100) if i != 37]
    assert (bench.counts.written, bench.counts.refused, bench.counts.failures) == (99, 1, 0)
    assert bench.consumer.offsets == {(METRICS, 0): 100}
    (error,) = [entry for entry in logs if entry["log_level"] == "error"]
    assert error["event"] == "no room for ['r37']; skipped"
    assert error["record"] == "drift-metrics partition 0 offset 37 id r37"
    # two deliveries a level of halving, seven levels to tell 100 records apart, and two more tries of the one
    assert len(bench.sink.deliveries) <= 1 + 2 * 7 + 2
    assert bench.sink.deliveries.count(1) >= 3


def test_a_record_that_is_refused_three_times_goes_to_the_dead_letters_before_the_commit() -> None:
    letters: list[DeadLetter] = []
    bench = Bench()
    bench.send_dead_letters(letters.extend)
    bench.consumer.append(METRICS, *results(2), b"{", *results(2, stem="later"))
    bench.sink.refuse = refuse_ids("r1")
    bench.run()
    assert bench.ids == ["r0", "later0", "later1"]
    unreadable, refused = letters
    assert (unreadable.offset, unreadable.value) == (2, b"{")
    assert (refused.topic, refused.partition, refused.offset) == (METRICS, 0, 1)
    assert refused.key == b"electricity"
    assert msgspec.json.decode(refused.value or b"", type=Result).id == "r1"
    assert refused.reason == "no room for ['r1']"
    assert bench.sink.deliveries.count(1) >= 3
    assert bench.consumer.offsets == {(METRICS, 0): 5}


def test_a_record_that_is_accepted_at_the_second_try_is_no_dead_letter() -> None:
    letters: list[DeadLetter] = []
    bench = Bench()
    bench.send_dead_letters(letters.extend)
    bench.consumer.append(METRICS, *results(1))
    bench.sink.failures = deque([RefusedRecordsError("a hiccup"), None])
    began = bench.clock.now_s
    bench.consumer.at_time = [(began + 3.0, lambda: bench.consumer.append(METRICS, *results(1, stem="after")))]
    bench.run()
    assert bench.ids == ["r0", "after0"]  # it is read on after the wait
    assert (letters, bench.counts.refused) == ([], 0)


def test_many_refused_records_do_not_hold_up_the_others_for_long() -> None:
    bench = Bench(batch_size=1_000)
    bench.consumer.append(METRICS, *results(1_000))
    bench.sink.refuse = refuse_ids(*[f"r{i}" for i in range(0, 1_000, 2)])
    began = bench.clock.now_s
    bench.run()
    assert (bench.counts.written, bench.counts.refused) == (500, 500)
    assert bench.clock.now_s - began < 10


def test_nothing_is_committed_while_dead_letters_cannot_be_delivered() -> None:
    tries: list[int] = []

    def send(letters: Sequence[DeadLetter]) -> None:
        tries.append(len(letters))
        if len(tries) < 3:
            bench.consumer.journal.append(("no letter", None))
            raise UnavailableError("the topic of dead letters is away")
        bench.consumer.journal.append(("letter", None))

    bench = Bench()
    bench.send_dead_letters(send)
    bench.consumer.append(METRICS, *results(2))
    bench.sink.refuse = refuse_ids("r1")
    bench.run()
    assert tries == [1, 1, 1]
    assert bench.ids == ["r0"]
    assert [name for name, _ in bench.calls("no letter", "letter", "commit")] == [
        "no letter",
        "no letter",
        "letter",
        "commit",
    ]


def test_a_stop_while_a_refused_record_waits_for_its_next_try_commits_nothing() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(2))
    bench.sink.refuse = refuse_ids("r1")
    bench.consumer.at_time = [(bench.clock.now_s + 0.1, bench.consumer.stop.set)]
    bench.run()
    assert bench.consumer.offsets == {}


def test_when_all_are_refused_none_is_looked_for() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(60))
    bench.sink.refuse = lambda records: RefusedRecordsError("too old for this bucket", all_refused=True)
    bench.run()
    assert bench.sink.deliveries == [60]
    assert bench.counts.refused == 60
    assert bench.consumer.offsets == {(METRICS, 0): 60}


def test_an_outage_while_a_bad_record_is_sought_repeats_only_what_is_left() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(8))
    bench.sink.refuse = refuse_ids("r0", "r7")
    # 8 refused, 4 refused, 2 refused, r0 refused three times, r1 written, then the store goes away
    bench.sink.failures = deque([None] * 7 + [DOWN, DOWN])
    bench.run()
    assert sorted(bench.ids) == [f"r{i}" for i in range(1, 7)]
    assert len(bench.ids) == 6
    assert (bench.counts.refused, bench.counts.written, bench.counts.failures) == (2, 6, 2)
    assert bench.calls("commit") == [("commit", {(METRICS, 0): 8})]


def test_partitions_that_go_away_during_an_outage_are_left_to_their_next_owner() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(3, stem="a"), partition=0)
    bench.consumer.append(METRICS, *results(3, stem="b"), partition=1)
    bench.sink.failures = deque([DOWN] * 4)
    bench.consumer.at_time = [(1_003.0, lambda: bench.consumer.revoke((METRICS, 0)))]
    bench.run()
    assert bench.ids == ["b0", "b1", "b2"]
    assert bench.consumer.offsets == {(METRICS, 1): 3}


def test_when_all_partitions_go_away_there_is_nothing_left_to_deliver() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(3))
    bench.sink.failures = deque([DOWN] * 3)
    bench.consumer.at_time = [(1_002.0, lambda: bench.consumer.revoke((METRICS, 0)))]
    bench.run()
    assert bench.ids == []
    assert bench.calls("commit") == []
    assert bench.counts.lag == 0


def test_a_commit_that_fails_is_made_up_for() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(3))
    bench.consumer.commit_failures = deque([KafkaError(KafkaError._WAIT_COORD), KafkaError(KafkaError._TRANSPORT)])
    logs = bench.run()
    assert bench.consumer.offsets == {(METRICS, 0): 3}
    assert bench.sink.deliveries == [3]  # written once
    warnings = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert len(warnings) == 1  # the same remedy for both errors, so said once
    assert "broker:9092 does not answer; start it, or set bootstrap" in warnings[0]


def test_messages_that_retention_deleted_unread_are_counted_and_reported() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(20))
    bench.consumer.offsets[METRICS, 0] = 5  # this group has been away
    bench.consumer.delete_before((METRICS, 0), 12)
    logs = bench.run()
    assert bench.counts.lost == 7
    assert bench.ids == [f"r{i}" for i in range(12, 20)]
    (error,) = [entry["event"] for entry in logs if entry["log_level"] == "error"]
    assert "7 messages from offset 5 were deleted by the topic's retention" in error
    assert "topics.results_retention" in error


def test_a_first_start_begins_with_the_oldest_message_and_reports_no_loss() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(20))
    bench.consumer.delete_before((METRICS, 0), 12)
    bench.run()
    assert bench.counts.lost == 0
    assert bench.ids == [f"r{i}" for i in range(12, 20)]


def test_offsets_that_a_transaction_marker_takes_are_no_loss() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(10))
    bench.consumer.offsets[METRICS, 0] = 2
    del bench.consumer.logs[METRICS, 0][4]
    logs = bench.run()
    assert bench.counts.lost == 0
    assert bench.consumer.offsets == {(METRICS, 0): 10}
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


def test_a_topic_that_was_made_anew_is_reported() -> None:
    bench = Bench()
    bench.consumer.append(METRICS, *results(3))
    bench.loop._next[METRICS, 0] = 500
    logs = bench.run()
    assert bench.ids == ["r0", "r1", "r2"]
    assert any("goes on at offset 0, before 500" in entry["event"] for entry in logs)


def test_kafka_errors_are_put_into_words_once_and_the_loop_goes_on() -> None:
    bench = Bench()
    gone = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
    missing = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "Subscribed topic not available: drift-alerts")
    bench.consumer.errors = deque(
        [FakeMessage((ALERTS, 0), None, problem=missing)] * 3
        + [FakeMessage((METRICS, 0), None, problem=gone), KafkaException(gone)]
    )
    bench.consumer.append(METRICS, *results(2))
    logs = bench.run()
    warnings = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert len(warnings) == 2
    assert "a topic is missing (Subscribed topic not available: drift-alerts)" in warnings[0]
    assert "Kafka at broker:9092 does not answer" in warnings[1]
    assert any(entry["event"] == "Kafka at broker:9092 answers" for entry in logs)
    assert bench.ids == ["r0", "r1"]


def test_a_consumer_that_failed_for_good_ends_the_loop() -> None:
    bench = Bench()
    fenced = KafkaError(KafkaError.FENCED_INSTANCE_ID, "another member has this id", fatal=True)
    bench.consumer.errors = deque([FakeMessage((METRICS, 0), None, problem=fenced)])
    with pytest.raises(UnavailableError, match=r"cannot go on.*another member has this id.*start the sink again"):
        bench.run()
    assert (bench.sink.closed, bench.consumer.closed) == (1, 1)


def test_catching_up_is_told_once_when_every_partition_has_come_to_its_end() -> None:
    told: list[int] = []
    bench: Bench
    bench = Bench(batch_size=2, report_end=True, commit=False, on_caught_up=lambda: told.append(len(bench.ids)))
    bench.consumer.append(METRICS, *results(5), partition=0)
    bench.consumer.append(METRICS, *results(3, stem="b"), partition=1)
    bench.consumer.at_time = [(1_001.0, lambda: bench.consumer.append(METRICS, *results(1, stem="new")))]
    bench.run()
    assert told == [8]
    assert len(bench.ids) == 9
    assert bench.calls("commit") == []


def test_lag_is_what_is_still_to_be_written() -> None:
    bench = Bench(batch_size=5)
    bench.consumer.append(METRICS, *results(12))
    bench.sink.failures = deque([DOWN] * 3)
    lags: list[int] = []
    bench.consumer.at_time = [
        (1_000.5, lambda: bench.consumer.append(METRICS, *results(8, stem="more"))),
        (1_004.0, lambda: lags.append(bench.counts.lag)),
    ]
    bench.run()
    assert lags == [15]  # of 20 in the topic, 5 are taken
    assert bench.counts.lag == 0


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"batch_wait_s": 0.0}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        LoopOptions(**options)
