"""The detector's state is changed as a whole or not at all, whichever write is the last before a crash."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.runtime import state_table
from stream_gov.runtime.state_table import Change, StateTable


class Changelog:
    """A log of keys and values, as a topic keeps it; a table is restored from as much of it as was written."""

    def __init__(self) -> None:
        self.writes: list[Change] = []

    def table(self, n_writes: int | None = None) -> dict[bytes, bytes | None]:
        table: dict[bytes, bytes | None] = {}
        for key, value in self.writes[:n_writes]:
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
        return table


def keep(state: StateTable, log: Changelog, partition: int, updates: dict[str, bytes | None]) -> None:
    for phase in state.phases(partition, updates):
        log.writes += phase
        state.apply(phase)


def restored(log: Changelog, n_writes: int | None, partition: int) -> dict[str, bytes]:
    """State after a crash; the repair is written, so that a second crash finds it."""
    state = StateTable(log.table(n_writes))
    del log.writes[n_writes if n_writes is not None else len(log.writes) :]
    items, phases = state.restore(partition)
    for phase in phases:
        log.writes += phase
        state.apply(phase)
    return items


def test_a_single_change_is_one_write() -> None:
    state = StateTable({})
    assert state.phases(3, {"a": b"1"}) == [[(b"3|a", b"1")]]
    assert state.phases(3, {}) == []


def test_a_change_of_several_keys_is_all_or_nothing_at_every_write() -> None:
    before = {"a": b"1", "b": b"1", "c": b"1"}
    change: dict[str, bytes | None] = {"a": b"2", "b": None, "d": b"2"}
    after = {"a": b"2", "c": b"1", "d": b"2"}
    probe = Changelog()
    keep(StateTable({}), probe, 0, dict(before))
    n_before = len(probe.writes)
    keep(StateTable(probe.table()), probe, 0, change)
    seen = []
    for n in range(n_before, len(probe.writes) + 1):
        log = Changelog()
        log.writes = list(probe.writes)
        seen.append(restored(log, n, 0))
        assert seen[-1] in (before, after)
    assert seen[0] == before
    assert seen[-1] == after
    assert seen.index(after) == 1, "once the redo is written the change has happened"


def test_a_change_after_a_repair_is_not_undone_by_the_old_redo() -> None:
    log = Changelog()
    keep(StateTable({}), log, 0, {"a": b"1", "b": b"1"})
    complete = len(log.writes)
    for n in range(1, complete):
        crashed = Changelog()
        crashed.writes = list(log.writes)
        restored(crashed, n, 0)
        keep(StateTable(crashed.table()), crashed, 0, {"a": b"9"})
        assert restored(crashed, None, 0) == {"a": b"9", "b": b"1"}


def test_a_large_change_is_split_and_still_all_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_table, "_PART_BYTES", 10)
    log = Changelog()
    keep(StateTable({}), log, 0, {f"k{i}": b"old" for i in range(9)})
    first = len(log.writes)
    keep(StateTable(log.table()), log, 0, {f"k{i}": b"newer" for i in range(9)})
    for n in range(first, len(log.writes) + 1):
        crashed = Changelog()
        crashed.writes = list(log.writes)
        assert set(restored(crashed, n, 0).values()) in ({b"old"}, {b"newer"})


def test_leftovers_of_one_redo_are_not_taken_for_parts_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_table, "_PART_BYTES", 1)
    log = Changelog()
    state = StateTable({})
    first, _, _ = state.phases(0, {"a": b"1", "b": b"1"})
    second, _, _ = state.phases(0, {"a": b"2", "b": b"2"})
    log.writes = [first[0], first[1], second[0]]  # died while writing the second
    assert restored(log, None, 0) == {}


def test_partitions_are_kept_apart() -> None:
    table: dict[bytes, bytes | None] = {}
    log = Changelog()
    state = StateTable(table)
    keep(state, log, 1, {"a": b"one"})
    keep(state, log, 12, {"a": b"twelve", "b|c": b"x"})
    assert StateTable(log.table()).restore(1)[0] == {"a": b"one"}
    assert StateTable(log.table()).restore(12)[0] == {"a": b"twelve", "b|c": b"x"}
    state.keep_only({12})
    assert set(table) == {b"12|a", b"12|b|c"}
    assert state.restore(1) == ({}, [])


updates = st.dictionaries(st.sampled_from("abcd"), st.none() | st.binary(max_size=3), max_size=4)


@given(st.lists(updates, max_size=6), st.data())
def test_after_a_crash_anywhere_the_state_is_that_of_a_whole_number_of_steps(
    steps: list[dict[str, bytes | None]], data: st.DataObject
) -> None:
    log, table = Changelog(), {}
    state = StateTable(table, new_id=map(str, itertools.count()).__next__)
    states: list[dict[str, bytes]] = [{}]
    for step in steps:
        keep(state, log, 0, step)
        now = dict(states[-1])
        for key, value in step.items():
            if value is None:
                now.pop(key, None)
            else:
                now[key] = value
        states.append(now)
    n = data.draw(st.integers(0, len(log.writes)))
    found = restored(log, n, 0)
    assert found in states
    assert restored(log, None, 0) == found, "a second crash right after the repair"
