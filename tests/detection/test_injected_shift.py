"""What is put into events, and nothing else."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
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


def test_shares_rise_by_about_the_chance_and_in_the_same_way_wherever_reading_starts():
    found = events(["blue"] * 10_000)
    asked = [
        shift(text="a", kind="share", chance=0.2, category="red", start_ms=0, end_ms=None),
        shift(text="b", column="y", kind="missing", chance=0.1, start_ms=0, end_ms=None),
    ]
    changed = read(inject(found, asked))
    red, gone = (np.array([f["x"] == "red" for f in changed]), np.array([f["y"] is None for f in changed]))
    assert red.mean() == pytest.approx(0.2, abs=0.016)  # four standard errors
    assert gone.mean() == pytest.approx(0.1, abs=0.012)
    assert (red & gone).mean() == pytest.approx(0.02, abs=0.006), "the two hit independently of each other"
    assert read(inject(found[7:], asked)) == changed[7:]
    assert read(inject(found[::-1], asked)) == changed[::-1]


def test_predictions_and_scores_are_shifted_where_they_stand():
    event = {"prediction": 1.0, "scores": {"good": 0.4, "bad": 0.6}, "features": {"prediction": 7.0, "score": 8.0}}
    single = {"prediction": 1.0, "scores": 0.4, "features": {"score": 8.0}}
    touched = Counter()
    asked = [shift(text=name, column=name, add=1.0, start_ms=0) for name in ("prediction", "score.good", "score", "z")]
    both = [(0, json.dumps(e).encode()) for e in (event, single)]
    first, second = (json.loads(message) for _, message in inject(both, asked, touched))
    assert (first["prediction"], first["scores"]) == (2.0, {"good": 1.4, "bad": 0.6})
    assert first["features"] == {"prediction": 7.0, "score": 9.0}  # its scores are of classes, so `score` is a feature
    assert (second["prediction"], second["scores"], second["features"]) == (2.0, 1.4, {"score": 8.0})
    assert touched == {"prediction": 2, "score.good": 1, "score": 2}
