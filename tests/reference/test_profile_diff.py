"""Differences of two profiles against brute force on the rows they were built from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stream_gov.contracts import ColumnSelection
from stream_gov.reference import ColumnDiff, ProfileBuilder, ProfileDiff, ReferenceProfile, RowBatch, build_profile
from stream_gov.reference.profile_diff import NumericDistribution, diff_profiles
from stream_gov.summaries import NumericLayout, NumericSummary

KLL = 0.0133
"""Rank error of the sketch, 99 % confidence."""


def build(
    columns: Mapping[str, Any], *, revision: int = 1, segments: tuple[tuple[str, ...], ...] = (), **types: str
) -> ReferenceProfile:
    n = len(next(iter(columns.values())))
    return build_profile(
        lambda: [RowBatch(columns, n)],
        ProfileBuilder(columns=ColumnSelection(types=types), segments=segments),
        name="base",
        revision=revision,
        model="m",
        source="rows",
        created_ms=0,
    )


def diff(before: Mapping[str, Any], after: Mapping[str, Any], **types: str) -> ProfileDiff:
    return diff_profiles(build(before, **types), build(after, revision=2, **types))


def only(before: Any, after: Any, **types: str) -> ColumnDiff:
    (column,) = diff({"x": before}, {"x": after}, **types).columns
    return column


def psi_of(e: np.ndarray, o: np.ndarray) -> float:
    e, o = np.maximum(e / e.sum(), 1e-4), np.maximum(o / o.sum(), 1e-4)
    return float(((o - e) * np.log(o / e)).sum())


def psi_in_cells(layout: NumericLayout, before: np.ndarray, after: np.ndarray) -> float:
    def grouped(values: np.ndarray) -> np.ndarray:
        cells = np.searchsorted(layout.edges, values, side="right")
        return np.bincount(layout.groups[cells], minlength=layout.n_groups).astype(float)

    return psi_of(grouped(before), grouped(after))


@pytest.mark.parametrize("n", [1_000, 20_000])
@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_the_distance_of_a_numeric_column_is_that_of_the_rows_in_the_first_profiles_cells(n: int, shift: float) -> None:
    rng = np.random.default_rng([n, int(10 * shift)])
    before, after = rng.lognormal(0, 1, n), rng.lognormal(shift, 1.2, n + 7)
    first = build({"x": before})
    layout = first.layout.columns["x"]
    assert isinstance(layout, NumericLayout)
    (found,) = diff_profiles(first, build({"x": after}, revision=2)).columns
    assert found.approximate
    assert not found.same_cells
    truth = psi_in_cells(layout, before, after)
    assert found.distance == pytest.approx(truth, rel=0.3, abs=0.03)  # a share of 0.001 may be taken for 0
    assert found.ks == pytest.approx(stats.ks_2samp(before, after).statistic, abs=KLL + 0.025)  # and a cell's share
    assert found.before is not None
    assert found.after is not None
    assert (found.before.mean, found.before.sd) == pytest.approx((before.mean(), before.std(ddof=1)), rel=1e-4)
    assert (found.after.mean, found.after.sd) == pytest.approx((after.mean(), after.std(ddof=1)), rel=1e-4)


def test_a_column_of_few_values_is_compared_exactly_though_its_cells_differ() -> None:
    rng = np.random.default_rng(3)
    before, after = rng.poisson(3, 2_000).astype(float), rng.poisson(4, 3_000).astype(float)
    first = build({"x": before})
    layout = first.layout.columns["x"]
    assert isinstance(layout, NumericLayout)
    (found,) = diff_profiles(first, build({"x": after}, revision=2)).columns
    assert not found.approximate
    assert found.distance == pytest.approx(psi_in_cells(layout, before, after), rel=1e-9)
    assert found.ks == pytest.approx(stats.ks_2samp(before, after).statistic, abs=1e-12)


def test_with_equal_cells_everything_is_exact() -> None:
    values = np.tile(np.arange(1000.0), 2)
    first = build({"x": values})
    (found,) = diff_profiles(first, build({"x": values[::-1].copy()}, revision=2)).columns
    assert (found.same_cells, found.approximate, found.distance, found.ks) == (True, False, 0.0, 0.0)


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=400),
    st.lists(st.floats(-2e6, 2e6, width=32), min_size=1, max_size=50),
)
@settings(max_examples=60, deadline=None)
def test_the_distribution_function_is_exact_where_it_says_so_and_never_falls(
    values: list[float], points: list[float]
) -> None:
    numbers = np.array(values, np.float64) + 0.0
    profile = build({"x": numbers})
    summary = profile.segments[""].columns["x"]
    assert isinstance(summary, NumericSummary)
    at = np.unique(np.concatenate([np.array(points, np.float64), numbers[:5], summary.layout.edges]))
    for sketch in (profile.sketches["x"], None):
        shares, exact = NumericDistribution(summary, sketch).below(at)
        truth = np.array([(numbers < p).mean() for p in at])
        assert np.all(np.diff(shares) >= 0)
        assert np.all((shares >= 0) & (shares <= 1))
        assert shares[exact] == pytest.approx(truth[exact], abs=1e-12)
        cells = np.concatenate([[0.0], np.cumsum(summary.counts) / summary.n_valid])
        assert np.all(np.abs(shares - truth) <= np.diff(cells).max() + 1e-12)


def test_categories_are_compared_by_name_whatever_their_order() -> None:
    before = ["red"] * 60 + ["blue"] * 30 + ["old"] * 10
    after = ["blue"] * 70 + ["red"] * 20 + ["new"] * 10
    found = only(before, after)
    assert found.distance == pytest.approx(psi_of(np.array([60.0, 30, 10, 0]), np.array([20.0, 70, 0, 10])))
    assert not found.approximate
    assert (found.new_categories, found.gone_categories) == ({"new": 0.1}, {"old": 0.1})
    shares = dict(zip(found.bins, zip(found.histogram_before, found.histogram_after, strict=True), strict=True))
    assert shares == {"red": (0.6, 0.2), "blue": (0.3, 0.7), "old": (0.1, 0.0), "new": (0.0, 0.1)}


def test_categories_beyond_those_a_profile_names_are_one_group() -> None:
    rng = np.random.default_rng(5)
    weights = 1 / np.arange(1, 3_001)
    weights /= weights.sum()
    before = [f"c{i}" for i in rng.choice(3_000, 30_000, p=weights)]
    after = [f"c{i}" for i in rng.choice(3_000, 30_000, p=weights[::-1] * 0.3 + weights * 0.7)]
    first, second = build({"x": before}, x="categorical"), build({"x": after}, revision=2, x="categorical")
    (found,) = diff_profiles(first, second).columns
    known = [p.layout.columns["x"].categories for p in (first, second)]  # type: ignore[union-attr]
    common = [c for c in known[0] if c in set(known[1])]
    cells = [[rows.count(c) for c in common] for rows in (before, after)]
    cells = [[*mine, 30_000 - sum(mine)] for mine in cells]
    assert found.approximate
    assert found.distance == pytest.approx(psi_of(np.array(cells[0], float), np.array(cells[1], float)), rel=1e-9)
    assert found.new_categories
    assert all(c in set(known[1]) - set(known[0]) for c in found.new_categories)


def test_booleans_missing_values_and_wrong_types_are_told() -> None:
    found = only([True] * 50 + [False] * 50, [True] * 20 + [False] * 70 + [None] * 5 + ["x"] * 5)
    assert found.distance == pytest.approx(psi_of(np.array([50.0, 50]), np.array([70.0, 20])))
    assert found.after is not None
    assert (found.after.missing_share, found.after.type_error_share, found.after.valid) == (0.05, 0.05, 90)


def test_columns_of_one_side_and_of_another_type_come_first_then_the_largest_distance() -> None:
    rng = np.random.default_rng(1)
    n = 1_000
    same, shifted = rng.normal(size=n), rng.normal(size=n)
    found = diff(
        {"near": same, "far": shifted, "gone": same, "kind": same, "dtype": [1, 2] * 500},
        {"near": same + 0.1, "far": shifted + 3, "kind": ["a", "b"] * 500, "new": same, "dtype": ["1", "2"] * 500},
        dtype="categorical",
    )
    assert [c.column for c in found.columns] == ["dtype", "gone", "kind", "new", "far", "near"]
    by_name = {c.column: c for c in found.columns}
    assert by_name["kind"].type_changed
    assert by_name["dtype"].type_changed, "1 and '1' are of different JSON types"
    assert by_name["gone"].after is None
    assert by_name["new"].before is None
    assert not by_name["near"].type_changed
    assert not found.is_empty


def test_a_column_without_values_has_no_distance() -> None:
    found = only([None] * 100, np.arange(100.0))
    assert math.isnan(found.distance)
    assert not found.type_changed


def test_histograms_are_of_the_rows_in_common_bins() -> None:
    rng = np.random.default_rng(2)
    before, after = rng.normal(0, 1, 5_000), rng.normal(2, 1, 5_000)
    found = only(before, after)
    edges = np.array([float(e) for e in found.bins])
    assert np.all(np.diff(edges) > 0)
    for values, histogram in ((before, found.histogram_before), (after, found.histogram_after)):
        truth = np.bincount(np.searchsorted(edges, values), minlength=edges.size + 1) / values.size
        assert np.array(histogram) == pytest.approx(truth, abs=3 * KLL)
        assert sum(histogram) == pytest.approx(1.0)


@pytest.mark.parametrize("pair", [(1.0, 1.0), (0.0, 5.0), (-1.7e308, 1.7e308)], ids=str)
def test_constants_are_compared_without_a_width(pair: tuple[float, float]) -> None:
    found = only(np.full(100, pair[0]), np.full(100, pair[1]))
    assert (found.distance > 1) == (pair[0] != pair[1])
    assert sum(found.histogram_before) == pytest.approx(1.0)


def test_the_same_rows_differ_in_nothing_and_others_do() -> None:
    rows = {"x": np.arange(500.0) % 7, "c": ["a", "b"] * 250}
    one = build(rows, segments=(("c",),))
    assert diff_profiles(one, build(rows, revision=2, segments=(("c",),))).is_empty
    assert diff_profiles(one, build(rows, revision=2, segments=(("c",),))).same_data
    without = diff_profiles(one, build(rows, revision=2))
    assert (without.is_empty, without.gone_segments, without.new_segments) == (False, ("c=a", "c=b"), ())
    fewer = diff_profiles(one, build({"x": rows["x"]}, revision=2, segments=()))
    assert (fewer.is_empty, fewer.same_data) == (False, False)
