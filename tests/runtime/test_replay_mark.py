from __future__ import annotations

import pytest

from stream_gov.contracts import DataError, ReplayRecord
from stream_gov.runtime.replay_mark import CONTROL_HEADER, REPLAY_MARK, ReplayMark, is_control, read_mark

MARK = ReplayMark(model="m", replay="r", watermark_ms=5, from_ms=1, until_ms=9, ended=True)
HEADERS = [("other", b"x"), (CONTROL_HEADER, REPLAY_MARK)]


def test_a_mark_is_read_as_it_was_written() -> None:
    assert is_control(HEADERS)
    assert read_mark(HEADERS, MARK.to_bytes()) == MARK


def test_headers_without_ours_are_those_of_an_event() -> None:
    assert not is_control(None)
    assert not is_control([])
    assert not is_control([("traceparent", b"00")])


def test_the_detector_learns_all_of_a_mark() -> None:
    assert MARK.to_record("e", 3, 10, 20) == ReplayRecord(
        model="m",
        topic="e",
        partition=3,
        from_offset=10,
        to_offset=20,
        watermark_ms=5,
        replay="r",
        ended=True,
        from_ms=1,
        until_ms=9,
    )


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b"\xff", MARK.to_bytes()[:-1] + b',"later":1}'])
def test_a_damaged_mark_is_told(value: bytes) -> None:
    with pytest.raises(DataError, match="damaged replay mark"):
        read_mark(HEADERS, value)


def test_a_mark_of_a_later_release_is_told() -> None:
    with pytest.raises(DataError, match=r"unknown kind b'pause'; upgrade `ingest`"):
        read_mark([(CONTROL_HEADER, b"pause")], b"{}")
