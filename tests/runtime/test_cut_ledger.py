from __future__ import annotations

import pytest

from stream_gov.runtime.cut_ledger import Commit, Committed, CutLedger, Intent, SourcePartition, Start

P = SourcePartition("events", 3)
Q = SourcePartition("events", 4)


def ledger_at(offset: int, metadata: str = "", *, low: int = 0, high: int = 1_000) -> CutLedger:
    ledger = CutLedger()
    ledger.assign(P, Committed(offset, metadata), low=low, high=high, start_at="earliest")
    return ledger


def test_a_new_group_begins_where_it_is_told_and_commits_that_place_at_once() -> None:
    for start_at, first in (("earliest", 7), ("latest", 90)):
        ledger = CutLedger()
        start = ledger.assign(P, None, low=7, high=90, start_at=start_at)
        assert (start.offset, start.is_new, start.n_lost) == (first, True, 0)
        assert ledger.finishing() == [Commit(P, first, "")]


def test_a_partition_whose_cuts_are_finished_begins_at_the_commit_and_has_nothing_to_commit() -> None:
    ledger = ledger_at(40)
    assert ledger.position(P) == 40
    assert ledger.finishing() == []
    assert ledger.next_cut(now_ms=5) == []


def test_an_announced_cut_is_read_again_exactly() -> None:
    ledger = ledger_at(40, Intent(55, 1_234).to_metadata())
    assert (ledger.position(P), ledger.stop_at(P)) == (40, 55)
    ledger.advance(P, 54)
    assert ledger.next_cut(now_ms=9_999) == [], "not before all of it was read"
    ledger.advance(P, 80)
    assert ledger.position(P) == 55
    (cut,) = ledger.next_cut(now_ms=9_999)
    assert (cut.from_offset, cut.to_offset, cut.now_ms, cut.recovered) == (40, 55, 1_234, True)
    assert ledger.intents([cut]) == []
    ledger.sent([cut])
    assert ledger.finishing() == [Commit(P, 55, "")]


def test_an_intent_commits_the_cut_before_as_well() -> None:
    ledger = ledger_at(0)
    ledger.advance(P, 10)
    first = ledger.next_cut(now_ms=1)
    assert ledger.intents(first) == [Commit(P, 0, '{"cut":10,"now":1}')]
    ledger.sent(first)
    ledger.advance(P, 25)
    second = ledger.next_cut(now_ms=2)
    assert ledger.intents(second) == [Commit(P, 10, '{"cut":25,"now":2}')]
    ledger.committed(ledger.intents(second))
    assert ledger.finishing() == []


def test_a_finished_cut_is_not_committed_twice() -> None:
    ledger = ledger_at(0)
    ledger.advance(P, 10)
    ledger.sent(ledger.next_cut(now_ms=1))
    commits = ledger.finishing()
    ledger.committed(commits)
    assert ledger.finishing() == []


def test_what_was_deleted_unread_is_told() -> None:
    ledger = CutLedger()
    start = ledger.assign(P, Committed(40, ""), low=100, high=200, start_at="latest")
    assert (start.offset, start.n_lost) == (100, 60)
    assert ledger.finishing() == [Commit(P, 100, "")]


def test_an_announced_cut_of_which_the_beginning_was_deleted_keeps_its_offsets() -> None:
    ledger = CutLedger()
    start = ledger.assign(P, Committed(40, Intent(120, 7).to_metadata()), low=100, high=200, start_at="earliest")
    assert (start.offset, start.n_lost) == (100, 60)
    ledger.advance(P, 130)
    (cut,) = ledger.next_cut(now_ms=1)
    assert (cut.from_offset, cut.to_offset) == (40, 120)


def test_an_announced_cut_that_was_deleted_entirely_is_passed_over_and_told() -> None:
    ledger = CutLedger()
    start = ledger.assign(P, Committed(40, Intent(60, 7).to_metadata()), low=100, high=200, start_at="earliest")
    assert (start.offset, start.n_lost) == (100, 60)
    assert not ledger.is_recovering(P)
    assert ledger.finishing() == [Commit(P, 100, "")]


@pytest.mark.parametrize(
    ("before", "now", "high", "expected"),
    [
        ("", "", 12, Start(0, made_anew=True)),  # no broker tells ids: rather read twice than not at all
        ("", "B", 12, Start(0, made_anew=True)),
        ("A", "B", 12, Start(0, made_anew=True)),
        ("A", "B", 900, Start(0, made_anew=True)),  # the new log has outgrown what was committed of the old one
        ("A", "A", 900, Start(500)),
        ("A", "", 900, Start(500)),
        ("A", "A", 498, Start(498, n_cut_off=2)),
    ],
)
def test_a_topic_made_anew_is_told_from_a_log_that_lost_its_end(
    before: str, now: str, high: int, expected: Start
) -> None:
    ledger = CutLedger()
    if now:
        ledger.topic_ids[P.topic] = now
    for metadata in (Intent(510, 7).to_metadata(before), f'{{"topic":"{before}"}}' if before else ""):
        committed = Committed(500, metadata)
        assert committed.topic_id == before
        start = ledger.assign(P, committed, low=0, high=high, start_at="latest")
        assert start == expected
        assert ledger.position(P) == expected.offset
        if expected.made_anew or expected.n_cut_off:
            assert not ledger.is_recovering(P), "the cut that was announced cannot be repeated"


def test_commits_name_the_topic_they_belong_to() -> None:
    ledger = CutLedger()
    ledger.topic_ids[P.topic] = "A"
    ledger.assign(P, None, low=0, high=9, start_at="earliest")
    ledger.advance(P, 5)
    cut = ledger.next_cut(now_ms=7)
    (intent,) = ledger.intents(cut)
    assert intent.metadata == '{"cut":5,"now":7,"topic":"A"}'
    assert Intent.from_metadata(intent.metadata) == Intent(5, 7)
    ledger.sent(cut)
    (done,) = ledger.finishing()
    assert done.metadata == '{"topic":"A"}'
    assert Intent.from_metadata(done.metadata) is None


def test_the_clock_of_a_cut_does_not_move_before_it_is_sent() -> None:
    ledger = ledger_at(0)
    assert (ledger.clock(P, 100), ledger.clock(P, 200)) == (100, 100)
    ledger.advance(P, 5)
    cut = ledger.next_cut(now_ms=300)
    assert cut[0].now_ms == 100
    ledger.sent(cut)
    assert ledger.clock(P, 400) == 400


def test_a_cut_can_be_made_of_some_partitions_only() -> None:
    ledger = ledger_at(0)
    ledger.assign(Q, None, low=0, high=0, start_at="earliest")
    ledger.advance(P, 5)
    ledger.advance(Q, 6)
    assert [r.source for r in ledger.next_cut([Q], now_ms=1)] == [Q]
    assert [r.source for r in ledger.next_cut(now_ms=1)] == [P, Q]


def test_giving_a_partition_up_finishes_what_was_sent_and_drops_what_was_only_read() -> None:
    ledger = ledger_at(0)
    ledger.advance(P, 5)
    ledger.sent(ledger.next_cut(now_ms=1))
    ledger.advance(P, 9)
    assert ledger.revoke(P) == Commit(P, 5, "")
    assert P not in ledger
    assert ledger.revoke(P) is None


def test_giving_up_a_partition_in_recovery_leaves_the_announced_cut_to_the_next_owner() -> None:
    ledger = ledger_at(40, Intent(55, 1).to_metadata())
    ledger.advance(P, 50)
    assert ledger.revoke(P) is None


@pytest.mark.parametrize("metadata", [None, "", "{", "[]", '"x"', '{"cut":"a","now":1}', '{"cut":1}', "leader=3"])
def test_metadata_of_others_is_no_intent(metadata: str | None) -> None:
    assert Intent.from_metadata(metadata) is None


def test_an_intent_fits_in_what_brokers_allow_by_far() -> None:
    assert len(Intent(2**62, 2**62).to_metadata()) < 100  # offset.metadata.max.bytes is 4096 by default
