from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from stream_gov.contracts import (
    NO_WATERMARK,
    IncidentRecord,
    PaneRecord,
    ResetRecord,
    UnavailableError,
    WatermarkRecord,
    decode_record,
)
from stream_gov.decoding import CountingPlan
from stream_gov.runtime import ingest_core
from stream_gov.runtime.cut_ledger import Committed, Intent, SourcePartition
from stream_gov.runtime.ingest_core import IngestOptions
from stream_gov.summaries import PaneLayout
from tests.runtime.ingest_simulation import (
    MINUTE,
    START_MS,
    TOPIC,
    Clock,
    CrashError,
    FakeKafka,
    FakeMessage,
    assign_all,
    count_once,
    event,
    make_core,
    mark,
)

P = SourcePartition(TOPIC, 0)


def watermarks(kafka: FakeKafka) -> list[WatermarkRecord]:
    return [r for r in kafka.summaries[0] if isinstance(r, WatermarkRecord)]


def incidents(kafka: FakeKafka) -> list[IncidentRecord]:
    return [r for partition in kafka.summaries for r in partition if isinstance(r, IncidentRecord)]


def metric(core: object, name: str, **labels: str) -> float:
    return core._metrics.registry.get_sample_value(name, labels) or 0.0  # type: ignore[attr-defined]


def test_a_dead_letter_says_why_and_where_and_keeps_key_and_payload() -> None:
    kafka = FakeKafka()
    kafka.append(0, event(1, START_MS))
    kafka.append(0, b'{"model": "m", "version": 3}', key=b"who")
    core, _ = make_core(kafka)
    assign_all(core, kafka)
    core.take(P, kafka.log[P])
    core.cut()
    (letter,) = kafka.dead_letters
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"who", b'{"model": "m", "version": 3}')
    assert (headers["topic"], headers["partition"], headers["offset"], headers["model"]) == (
        b"events",
        b"0",
        b"1",
        b"m",
    )
    assert headers["reason"] in (b"missing_field", b"wrong_type")
    assert headers["detail"].startswith(b"$.")
    assert metric(core, "stream_gov_dead_letters_total") == 1
    core.cut()
    assert len(kafka.dead_letters) == 1, "sent once"


def test_payloads_and_unknown_models_stay_out_of_dead_letters_where_told() -> None:
    kafka = FakeKafka()
    kafka.append(0, b"{")
    kafka.append(0, event(1, START_MS, model="nobody"))
    core, _ = make_core(kafka, options=IngestOptions(dead_letter_payloads=False, dead_letter_unknown_models=False))
    assign_all(core, kafka)
    core.take(P, kafka.log[P])
    core.cut()
    (letter,) = kafka.dead_letters
    assert letter.value is None
    assert metric(core, "stream_gov_events_rejected_total", reason="unknown_model") == 1
    assert metric(core, "stream_gov_events_rejected_total", reason="malformed_json") == 1


def test_a_message_without_a_value_is_rejected_like_any_other() -> None:
    kafka = FakeKafka()
    kafka.append(0, None, key=b"k")
    core, _ = make_core(kafka)
    assign_all(core, kafka)
    core.take(P, kafka.log[P])
    core.cut()
    assert [letter.key for letter in kafka.dead_letters] == [b"k"]


def test_a_control_message_nobody_understands_is_rejected() -> None:
    kafka = FakeKafka()
    kafka.append(0, b"{}", headers=(("stream-gov-control", b"dance"),))
    kafka.append(0, b"{}", headers=(("stream-gov-control", b"replay-mark"),))
    core, _ = make_core(kafka)
    assign_all(core, kafka)
    core.take(P, kafka.log[P])
    core.cut()
    details = [dict(letter.headers)["detail"] for letter in kafka.dead_letters]
    assert b"unknown kind b'dance'" in details[0]
    assert b"damaged replay mark" in details[1]


def test_other_headers_do_not_make_a_message_a_control_message() -> None:
    kafka = FakeKafka()
    kafka.append(0, event(1, START_MS), headers=(("traceparent", b"00-1"),))
    core, _ = make_core(kafka)
    assign_all(core, kafka)
    core.take(P, kafka.log[P])
    core.cut()
    assert sum(count_once(kafka).panes.values()) == 1


def test_an_event_counted_on_two_profiles_counts_once_in_the_metric() -> None:
    plan = CountingPlan("m", (PaneLayout("p@2", {}), PaneLayout("p@1", {})), MINUTE)
    kafka = FakeKafka()
    for i in range(7):
        kafka.append(0, event(i, START_MS))
    core, _ = make_core(kafka, plans=lambda _: plan)
    assign_all(core, kafka)
    core.take(P, kafka.log[P])
    core.cut()
    panes = [r for p in kafka.summaries for r in p if isinstance(r, PaneRecord)]
    assert sorted((r.profile, r.n_events) for r in panes) == [("p@1", 7), ("p@2", 7)]
    assert metric(core, "stream_gov_events_total", model="m") == 7


def test_all_panes_of_a_cut_come_before_any_watermark() -> None:
    kafka = FakeKafka()
    for i in range(20):
        kafka.append(i % 4, event(i, START_MS + i))
    core, port = make_core(kafka)
    sent: list[list[str]] = []
    send = port.send

    def note(messages: object) -> None:
        sent.append([type(decode_record(m.value or b"")).__name__ for m in messages])  # type: ignore[attr-defined]
        send(messages)  # type: ignore[arg-type]

    port.send = note  # type: ignore[method-assign,assignment]
    assign_all(core, kafka)
    for source, log in kafka.log.items():
        core.take(source, log)
    core.cut()
    assert sent == [["PaneRecord"] * 4, ["WatermarkRecord"] * 4]


def test_a_quiet_partition_is_reported_at_once_then_every_few_seconds_and_as_idle_after_the_timeout() -> None:
    kafka, clock = FakeKafka(), Clock()
    kafka.append(0, event(1, START_MS))
    core, _ = make_core(kafka, clock=clock, options=IngestOptions(idle_timeout_s=30))
    kafka.committed[P] = Committed(1, "")
    assign_all(core, kafka)
    core.reached_end(P, 1)
    said = []
    for second in range(0, 45):
        clock.ms = START_MS + second * 1000
        before = len(watermarks(kafka))
        core.report_quiet()
        said += [(second, w.idle) for w in watermarks(kafka)[before:]]
    assert said == [(s, False) for s in range(0, 30, 5)] + [(30, True), (35, True), (40, True)]
    assert {(w.from_offset, w.to_offset, w.watermark_ms) for w in watermarks(kafka)} == {(1, 1, NO_WATERMARK)}


def test_a_partition_that_was_not_read_to_its_end_is_slow_not_idle() -> None:
    kafka, clock = FakeKafka(), Clock()
    kafka.append(0, event(1, START_MS))
    core, _ = make_core(kafka, clock=clock, options=IngestOptions(idle_timeout_s=30))
    assign_all(core, kafka)
    clock.ms += 3_600_000
    core.report_quiet()
    assert [w.idle for w in watermarks(kafka)] == [False]


def test_a_partition_with_uncut_events_is_not_reported_as_quiet() -> None:
    kafka, clock = FakeKafka(), Clock()
    kafka.append(0, event(1, START_MS))
    core, _ = make_core(kafka, clock=clock)
    assign_all(core, kafka)
    core.report_quiet()
    core.take(P, kafka.log[P])
    clock.ms += 60_000
    core.report_quiet()
    assert [(w.from_offset, w.to_offset) for w in watermarks(kafka)] == [(0, 0)]


def test_an_event_ends_idleness() -> None:
    kafka, clock = FakeKafka(), Clock()
    kafka.append(0, event(1, START_MS))
    kafka.committed[P] = Committed(1, "")
    core, _ = make_core(kafka, clock=clock, options=IngestOptions(idle_timeout_s=30))
    assign_all(core, kafka)
    core.reached_end(P, 1)
    clock.ms += 31_000
    core.report_quiet()
    assert watermarks(kafka)[-1].idle
    core.take(P, [FakeMessage(1, event(2, START_MS))])
    core.cut()
    clock.ms += 6_000
    core.reached_end(P, 2)
    core.report_quiet()
    assert [w.idle for w in watermarks(kafka)[-2:]] == [False, False]


def test_a_refused_commit_leaves_everything_as_it_was() -> None:
    kafka = FakeKafka()
    for i in range(3):
        kafka.append(0, event(i, START_MS))
    refuse = True

    def fail() -> None:
        if refuse:
            msg = "the group rebalances"
            raise UnavailableError(msg)

    core, _ = make_core(kafka, fail=fail)
    assign_all(core, kafka)
    core.take(P, kafka.log[P][:2])
    for _ in range(3):
        with pytest.raises(UnavailableError):
            core.cut()
    assert kafka.summaries == [[], []]
    core.take(P, kafka.log[P][2:])
    refuse = False
    core.cut()
    assert kafka.committed[P] == (3, "")
    assert sum(count_once(kafka).panes.values()) == 3


def test_messages_of_a_partition_that_was_given_up_are_ignored() -> None:
    kafka = FakeKafka()
    kafka.append(0, event(0, START_MS))
    core, port = make_core(kafka)
    assign_all(core, kafka)
    core.take(P, kafka.log[P])
    core.revoke([P])
    core.take(P, kafka.log[P])
    core.reached_end(P, 1)
    core.cut()
    core.report_quiet()
    assert kafka.summaries == [[], []]
    assert [c.offset for c in port.commits] == [0], "only where a new group begins"


def test_lost_data_is_counted() -> None:
    kafka = FakeKafka()
    for i in range(10):
        kafka.append(0, event(i, START_MS))
    kafka.committed[P] = Committed(2, "")
    core, _ = make_core(kafka)
    assert assign_all(core, kafka, low=6) == {P: 6}
    assert metric(core, "stream_gov_data_loss_events_total", topic=TOPIC) == 4
    core.take(P, kafka.log[P])
    core.cut()
    (told,) = incidents(kafka)
    assert (told.kind, told.subject, told.n, told.at_ms) == ("data_loss", f"{TOPIC}/0", 4, START_MS)
    assert "offsets 2 to 5" in told.detail
    core.cut()
    assert len(incidents(kafka)) == 1


def test_a_loss_is_told_before_anything_is_committed_behind_it() -> None:
    """Killed before it is told, the next owner meets the same loss, under the same id."""
    kafka = FakeKafka()
    for i in range(10):
        kafka.append(0, event(i, START_MS))
    ids = set()
    for after in range(6):
        kafka.committed = {P: Committed(2, "")}
        kafka.summaries = [[], []]
        calls = iter(range(100))

        def fail(calls: Iterator[int] = calls, after: int = after) -> None:
            if next(calls) == after:
                raise CrashError

        core, _ = make_core(kafka, fail=fail)
        assign_all(core, kafka, low=6)
        core.take(P, kafka.log[P])
        with suppress(CrashError):
            core.cut()
        told = incidents(kafka)
        assert told or kafka.committed[P].offset == 2
        ids |= {i.incident_id for i in told}
    assert len(ids) == 1


def test_a_topic_made_anew_is_told_to_every_detector_before_its_first_event() -> None:
    kafka = FakeKafka()
    for i in range(3):
        kafka.append(0, event(i, START_MS))
    kafka.committed[P] = Committed(500, '{"topic":"A"}')
    core, port = make_core(kafka)
    core.ledger.topic_ids[TOPIC] = "B"
    assert assign_all(core, kafka) == {P: 0}
    core.take(P, kafka.log[P])
    core.cut()
    for partition in kafka.summaries:
        assert isinstance(next(r for r in partition if not isinstance(r, IncidentRecord)), ResetRecord)
    (told,) = incidents(kafka)
    assert told.kind == "topic_recreated"
    assert port.commits[0].metadata == Intent(3, START_MS).to_metadata("B")


def test_a_log_that_lost_its_end_goes_on_where_it_ends_now() -> None:
    kafka = FakeKafka()
    for i in range(3):
        kafka.append(0, event(i, START_MS))
    kafka.committed[P] = Committed(5, '{"topic":"A"}')
    core, _ = make_core(kafka)
    core.ledger.topic_ids[TOPIC] = "A"
    assert assign_all(core, kafka) == {P: 3}
    kafka.append(0, event(9, START_MS))
    core.take(P, kafka.log[P])
    core.cut()
    assert sum(r.n_events for p in kafka.summaries for r in p if isinstance(r, PaneRecord)) == 1
    (told,) = incidents(kafka)
    assert (told.kind, told.n) == ("data_loss", 2)
    assert "cut off at offset 3" in told.detail
    assert any(isinstance(r, ResetRecord) for r in kafka.summaries[0])


def test_a_cut_that_was_announced_is_finished_before_what_was_read_behind_it_is_counted() -> None:
    kafka = FakeKafka()
    for i in range(10):
        kafka.append(0, event(i, START_MS))
    kafka.committed[P] = Committed(2, Intent(5, START_MS).to_metadata())
    core, port = make_core(kafka)
    assign_all(core, kafka)
    core.take(P, kafka.log[P][2:])
    core.cut_boundaries()
    assert port.commits == [], "its intent stands"
    panes = [r for p in kafka.summaries for r in p if isinstance(r, PaneRecord)]
    assert [(r.from_offset, r.to_offset, r.n_events) for r in panes] == [(2, 5, 3)]
    core.cut()
    panes = [r for p in kafka.summaries for r in p if isinstance(r, PaneRecord)]
    assert [(r.from_offset, r.to_offset, r.n_events) for r in panes] == [(2, 5, 3), (5, 10, 5)]
    assert metric(core, "stream_gov_cuts_recovered_total") == 1


def test_many_dead_letters_make_the_cut_come_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_core, "MAX_DEAD_LETTER_BYTES", 1_000)
    kafka = FakeKafka()
    for _ in range(3):
        kafka.append(0, b"{" * 100)
    core, _ = make_core(kafka)
    assign_all(core, kafka)
    core.take(P, kafka.log[P][:1])
    assert not core.must_cut
    core.take(P, kafka.log[P][1:])
    assert core.must_cut
    core.cut()
    assert not core.must_cut


def test_dropping_partitions_gives_their_memory_back() -> None:
    kafka = FakeKafka()
    kafka.append(0, b"{")
    kafka.append(0, event(1, START_MS))
    core, _ = make_core(kafka)
    assign_all(core, kafka)
    core.take(P, kafka.log[P])
    core.forget([P])
    assert core._dead_letter_bytes == 0
    assert core._intake.n_pending() == 0


def test_several_marks_of_a_replay_in_one_cut_become_the_newest() -> None:
    kafka = FakeKafka()
    for minute in range(3):
        value, headers = mark("m", "r", START_MS + minute * MINUTE)
        kafka.append(0, value, headers=headers)
        kafka.append(0, event(minute, START_MS + minute * MINUTE))
    core, _ = make_core(kafka)
    assign_all(core, kafka)
    core.take(P, kafka.log[P])
    core.cut()
    (said,) = count_once(kafka).marks
    assert (said.watermark_ms, said.ended, said.from_offset, said.to_offset) == (START_MS + 2 * MINUTE, False, 0, 6)
