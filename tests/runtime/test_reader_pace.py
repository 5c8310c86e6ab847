from __future__ import annotations

from threading import Event

import pytest
from structlog.testing import capture_logs

from stream_gov.runtime import reader_pace
from stream_gov.runtime.reader_pace import ReaderPace, UnreadBytes
from stream_gov.settings import Settings

OVERHEAD = reader_pace._OVERHEAD


class Offset:
    def __init__(self, partition: int, offset: int) -> None:
        self.partition, self.offset = partition, offset


class FakeGroup:
    """Commits of one group; moves on by itself as its script says."""

    def __init__(self, script: list[int]) -> None:
        self.script = script
        self.asked = 0

    def committed(self, wanted: list[object], timeout: float) -> list[Offset]:
        offset = self.script[min(self.asked, len(self.script) - 1)]
        self.asked += 1
        return [Offset(p.partition, offset) for p in wanted]  # type: ignore[attr-defined]

    def close(self) -> None:
        pass


class Clock(Event):
    """A clock that the waiting itself moves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return False

    def is_set(self) -> bool:
        return False


def pace_of(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, **groups: list[int]
) -> tuple[ReaderPace, dict[str, FakeGroup]]:
    fakes = {name: FakeGroup(script) for name, script in groups.items()}
    monkeypatch.setattr(reader_pace, "make_consumer", lambda config: fakes[config["group.id"]])
    settings = Settings(bootstrap="127.0.0.1:1")
    pace = ReaderPace(settings, "w", "t", list(groups), limit_bytes=1_000, monotonic_s=lambda: clock.now)
    return pace, fakes


def send(pace: ReaderPace, n: int) -> None:
    for offset in range(n):
        pace.sent(0, offset, 400 - OVERHEAD)


def test_unread_bytes_are_those_at_or_behind_the_commit() -> None:
    unread = UnreadBytes()
    for offset in range(5):
        unread.sent(2, offset, 100 - OVERHEAD)
    assert unread.over(499) == [2]
    unread.read(2, 1)
    assert unread.over(399) == [2]
    assert unread.over(400) == []
    unread.read(2, -1001)
    unread.read(7, 3)
    unread.read(2, 100)
    assert unread.over(0) == []


def test_a_writer_that_is_near_its_readers_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    pace, groups = pace_of(monkeypatch, clock, g=[0])
    send(pace, 2)
    pace.wait(clock)
    assert groups["g"].asked == 0


def test_a_writer_waits_until_its_reader_has_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    pace, groups = pace_of(monkeypatch, clock, g=[0, 0, 1, 2, 8])
    send(pace, 10)
    pace.wait(clock)
    assert groups["g"].asked == 5


def test_the_slowest_reader_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    pace, groups = pace_of(monkeypatch, clock, fast=[10], slow=[0, 0, 9])
    send(pace, 10)
    pace.wait(clock)
    assert groups["slow"].asked == 3


def test_a_group_that_never_came_is_not_waited_for_if_another_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    pace, _ = pace_of(monkeypatch, clock, here=[10], absent=[-1001])
    send(pace, 10)
    pace.wait(clock)
    assert clock.now < 1


def test_the_first_reader_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    pace, _ = pace_of(monkeypatch, clock, g=[-1001])
    send(pace, 10)
    with capture_logs() as lines:
        pace.wait(clock)
    assert 30 <= clock.now < 31
    assert [line["event"] for line in lines if "nobody reads" in line["event"]]
    before = clock.now
    send(pace, 10)
    pace.wait(clock)
    assert clock.now == before, "and not again"


def test_a_reader_that_stands_still_is_given_up_until_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    pace, groups = pace_of(monkeypatch, clock, g=[0])
    send(pace, 10)
    with capture_logs() as lines:
        pace.wait(clock)
    assert 60 <= clock.now < 62
    assert [line["group"] for line in lines if "no progress" in line["event"]] == ["g"]
    before = clock.now
    pace.wait(clock)
    assert clock.now == before
    groups["g"].script = [1, 1, 9]
    groups["g"].asked = 0
    pace.wait(clock)
    assert groups["g"].asked == 3, "it moved, so it is waited for again"


def test_the_wish_to_stop_ends_the_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    pace, _ = pace_of(monkeypatch, clock, g=[0])
    send(pace, 10)
    stop = Event()
    stop.set()
    pace.wait(stop)
