"""What is put into events, and nothing else."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.detection import InjectedShift, inject

values = st.lists(
    st.none() | st.integers(-1_000, 1_000) | st.floats(-1e6, 1e6) | st.text(max_size=3) | st.booleans(), max_size=30
)


def events(found: list) -> list[tuple[int, bytes]]:
    return [
        (i, json.dumps({"event_id": str(i), "features": {"x": value, "y": value}}).encode())
        for i, value in enumerate(found)
    ]


def read(found) -> list:
    return [json.loads(message)["features"] for _, message in found]


def shift(**more) -> InjectedShift:
    return InjectedShift(**({"text": "", "column": "x", "kind": "mean", "start_ms": 5, "end_ms": 20} | more))


@given(values, st.floats(-100, 100), st.floats(0.1, 10))
def test_numbers_move_by_exactly_what_was_asked_in_its_time_alone(found, add, factor):
    before = events(found)
    changed = list(inject(before, [shift(add=add, factor=factor)]))
    assert [e for i, e in enumerate(changed) if not 5 <= i < 20] == [e for i, e in enumerate(before) if not 5 <= i < 20]
    for i, (was, now) in enumerate(zip(read(before), read(changed), strict=True)):
        assert now["y"] == was["y"]
        if 5 <= i < 20 and isinstance(was["x"], int | float) and not isinstance(was["x"], bool):
            assert now["x"] == was["x"] * factor + add
        else:
            assert now["x"] == was["x"]


def test_shares_rise_by_about_the_chance_and_in_the_same_way_each_time():
    found = events(["blue"] * 10_000)
    asked = [
        shift(kind="share", chance=0.2, category="red", start_ms=0, end_ms=None),
        shift(column="y", kind="missing", chance=0.1),
    ]
    changed = list(inject(found, asked))
    assert changed == list(inject(found, asked))
    assert (
        np.mean([f["x"] == "red" for f in read(changed)]) == np.float64(0.2).round(2)
        or abs(np.mean([f["x"] == "red" for f in read(changed)]) - 0.2) < 0.02
    )
    assert sum(f["y"] is None for f in read(changed)) <= 15
