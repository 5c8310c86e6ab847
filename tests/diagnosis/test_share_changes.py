from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.diagnosis.share_changes import (
    CATEGORY_BARS,
    MAX_BARS,
    OTHERS,
    moved_share,
    numeric_bars,
    shared_bars,
)
from tests.diagnosis.columns import reference_of, window_of

RNG = np.random.default_rng(8)
NUMERIC = {
    "normal": RNG.normal(0, 1, 4_000),
    "counts": RNG.poisson(12, 4_000).astype(float),
    "heavy zero": np.where(RNG.random(4_000) < 0.4, 0.0, RNG.exponential(5, 4_000)),
    "constant": np.full(2_000, 3.0),
    "near each other": 20 + RNG.normal(0, 1e-7, 4_000),
    "epoch": 1_767_225_600_000.0 + RNG.integers(0, 86_400_000, 4_000),
}
MANY = [f"c{i:02d}" for i in np.minimum(RNG.geometric(0.05, 4_000), 60)]


@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize("change", [lambda v: v, lambda v: v + v.std(), lambda v: v[:3] * 100, lambda v: -v])
def test_numeric_bars_hold_every_value_of_both_sides_in_order(name, change):
    values = NUMERIC[name]
    reference = reference_of(values)
    seen = change(values)
    window = window_of(reference, seen)
    bars = numeric_bars(reference, window)
    assert 1 <= len(bars) <= MAX_BARS
    assert len({b.label for b in bars}) == len(bars)
    for bar, inside in (
        (b, lambda v, b=b: (v == b.low) if b.low == b.high else (v >= b.low) & (v < b.high)) for b in bars
    ):
        assert bar.reference == int(inside(values).sum()), bar
        assert bar.window == int(inside(seen).sum()), bar
    assert all(a.high <= b.low or math.nextafter(a.low, math.inf) <= b.low for a, b in itertools.pairwise(bars))


@given(
    before=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=80),
    after=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=80),
)
@settings(max_examples=100, deadline=None)
def test_shares_of_a_numeric_histogram_sum_to_one(before, after):
    reference = reference_of(np.array(before))
    histogram = shared_bars(reference, window_of(reference, after)).histogram()
    assert histogram is not None
    assert sum(histogram.reference) == pytest.approx(1)
    assert sum(histogram.window) == pytest.approx(1)
    lengths = {len(x) for x in (histogram.labels, histogram.low, histogram.high, histogram.reference, histogram.window)}
    assert len(lengths) == 1


@given(
    after=st.lists(
        st.sampled_from([*(f"c{i:02d}" for i in range(70)), "", "new\nline", "é" * 90]), min_size=1, max_size=300
    )
)
@settings(max_examples=100, deadline=None)
def test_shares_of_a_histogram_of_categories_sum_to_one(after):
    reference = reference_of(MANY)
    histogram = shared_bars(reference, window_of(reference, after)).histogram()
    assert histogram is not None
    assert sum(histogram.reference) == pytest.approx(1)
    assert sum(histogram.window) == pytest.approx(1)
    assert len(histogram.labels) <= CATEGORY_BARS + 1
    assert histogram.low == histogram.high == []
    assert len(set(histogram.labels)) == len(histogram.labels)


def test_the_categories_that_moved_most_are_named_and_the_others_are_one_bar():
    reference = reference_of(MANY)
    after = ["c01"] * 500 + MANY[:500] + ["never seen"] * 250
    window = window_of(reference, after)
    changes = shared_bars(reference, window).changes()
    exact = {name: after.count(name) / len(after) - MANY.count(name) / len(MANY) for name in {*MANY, "never seen"}}
    ranked = sorted(exact, key=lambda name: (-abs(exact[name]), name))
    assert [c.category for c in changes] == ranked
    assert all(c.window - c.reference == pytest.approx(exact[c.category]) for c in changes)
    histogram = shared_bars(reference, window).histogram()
    assert histogram is not None
    assert histogram.labels == [*ranked[:CATEGORY_BARS], OTHERS]


def test_a_boolean_column_has_two_bars():
    reference = reference_of([True, False, False, False] * 100)
    window = window_of(reference, [True, True, True, False] * 10)
    histogram = shared_bars(reference, window).histogram()
    assert histogram is not None
    assert (histogram.labels, histogram.reference, histogram.window) == (["false", "true"], [0.75, 0.25], [0.25, 0.75])
    assert [(c.category, c.reference, c.window) for c in shared_bars(reference, window).changes()] == [
        ("false", 0.75, 0.25),
        ("true", 0.25, 0.75),
    ]


def test_without_values_on_a_side_there_is_no_histogram():
    reference = reference_of(NUMERIC["normal"])
    assert shared_bars(reference, window_of(reference, [], n_missing=5)).histogram() is None
    assert math.isnan(moved_share(reference, window_of(reference, [])))


def test_the_moved_share_is_the_total_variation_distance():
    reference = reference_of(["a"] * 60 + ["b"] * 40)
    assert moved_share(reference, window_of(reference, ["a"] * 10 + ["b"] * 40 + ["z"] * 50)) == pytest.approx(0.5)


def test_columns_of_two_kinds_are_refused():
    numeric, categorical = reference_of(NUMERIC["normal"]), reference_of(MANY)
    with pytest.raises(TypeError, match="one layout"):
        shared_bars(numeric, categorical)
