from __future__ import annotations

import pytest

from stream_gov.runtime.skipped_records import SkippedRecords, SkippedRecordsError


def test_records_in_order_and_repetitions_pass() -> None:
    skipped = SkippedRecords()
    skipped.begin({0: 5}, lambda _: 0)
    assert [skipped.check(0, offset) for offset in (5, 6, 7, 5, 6, 7, 8)] == [0] * 7


def test_a_gap_in_what_the_broker_still_has_means_to_begin_anew() -> None:
    skipped = SkippedRecords()
    skipped.begin({0: 5}, lambda _: 0)
    with pytest.raises(SkippedRecordsError, match="records 5 to 7 of partition 0"):
        skipped.check(0, 8)
    skipped.begin({0: 5}, lambda _: 0)
    assert skipped.check(0, 5) == 0


def test_what_the_broker_has_deleted_is_told_as_lost() -> None:
    skipped = SkippedRecords()
    skipped.begin({0: 5}, lambda _: 8)
    assert skipped.check(0, 8) == 3
    assert skipped.check(0, 9) == 0


def test_a_gap_that_is_there_every_time_is_in_the_log_itself() -> None:
    skipped = SkippedRecords()
    for _ in range(4):
        skipped.begin({0: 5}, lambda _: 0)
        with pytest.raises(SkippedRecordsError):
            skipped.check(0, 7)
    skipped.begin({0: 5}, lambda _: 0)
    assert skipped.check(0, 7) == 2


def test_a_partition_nobody_told_of_begins_with_its_first_record() -> None:
    assert SkippedRecords().check(3, 100) == 0
