from __future__ import annotations

import bisect
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.reference.numeric_cells import (
    ValueCounts,
    atom_layout,
    empty_layout,
    has_few_values,
    location_and_scale,
    quantile_layout,
)
from stream_gov.summaries import NumericLayout, NumericSummary

LARGEST = np.finfo(np.float64).max
finite = st.floats(allow_nan=False, allow_infinity=False)  # denormals and the largest floats among them
extreme = st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 2.2e-308, 1e308, -1e308, LARGEST, -LARGEST, 1.0, 1.0 + 2**-52])
samples = st.lists(finite | extreme | st.integers(-3, 3).map(float), min_size=1, max_size=300).map(np.array)


def layout_of(values: np.ndarray) -> NumericLayout:
    counts = ValueCounts.of(values)
    choose = atom_layout if has_few_values(counts) else quantile_layout
    return choose(counts, center=0.0, scale=1.0)


def group_of(layout: NumericLayout, value: float) -> int:
    """The group of a value, by Python's own bisection instead of numpy's."""
    return int(layout.groups[bisect.bisect_right(layout.edges.tolist(), value)])


@given(samples)
def test_every_value_has_a_cell_and_only_the_group_of_unseen_values_is_empty(values):
    layout = layout_of(values)

    assert np.all(np.isfinite(layout.edges))
    assert all(a < b for a, b in zip(layout.edges, layout.edges[1:], strict=False))
    by_group = Counter(group_of(layout, v) for v in values)
    empty = set(range(layout.n_groups)) - set(by_group)
    few = has_few_values(ValueCounts.of(values))
    assert empty <= ({layout.n_groups - 1} if few else set())


@given(samples)
def test_a_summary_counts_exactly_the_values_of_each_group(values):
    layout = layout_of(values)
    summary = NumericSummary(layout)

    summary.update_values(values)

    by_group = Counter(group_of(layout, v) for v in values)
    assert summary.cell_counts().tolist() == [by_group[g] for g in range(layout.n_groups)]


@given(samples)
def test_a_heavy_value_shares_its_group_with_no_other(values):
    layout = layout_of(values)
    for value, count in Counter((values + 0.0).tolist()).items():
        if count >= 10 and count >= len(values) / 20:
            neighbours = {
                group_of(layout, np.nextafter(value, d)) for d in (-math.inf, math.inf) if abs(value) < LARGEST
            }
            assert group_of(layout, value) not in neighbours
            assert value in layout.atoms


@given(samples)
def test_center_and_scale_are_finite_and_moments_can_be_kept(values):
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = float(values.mean()), float(values.var())

    center, scale = location_and_scale(mean, variance, ValueCounts.of(values))

    assert math.isfinite(center)
    assert scale > 0
    layout = NumericLayout(np.empty(0), np.zeros(1, np.int64), center, scale)
    assert math.isfinite(layout.factor)
    assert layout.factor > 0


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).normal(size=20_000),
        np.random.default_rng(2).lognormal(sigma=3, size=20_000),
        np.random.default_rng(3).pareto(0.2, size=20_000),
        np.random.default_rng(4).poisson(300, size=20_000).astype(float),
        np.round(np.random.default_rng(5).normal(size=20_000), 1),
        np.concatenate([np.zeros(9_000), np.random.default_rng(6).exponential(size=11_000)]),
        np.concatenate([np.zeros(19_000), np.random.default_rng(7).exponential(size=1_000)]),
        np.repeat(np.arange(60.0), np.arange(1, 61) * 10),
        np.arange(1_000) * 5e-324,
        np.linspace(-1.7, 1.7, 5_001) * 1e308,
    ],
    ids=[
        "normal",
        "lognormal",
        "pareto",
        "counts",
        "rounded",
        "45% zeros",
        "95% zeros",
        "60 values",
        "denormal",
        "huge",
    ],
)
def test_each_group_holds_at_least_one_percent_of_the_column(values):
    layout = layout_of(values)

    sizes = np.bincount([group_of(layout, v) for v in values], minlength=layout.n_groups)

    assert sizes.min() >= 0.01 * len(values)
    assert layout.n_groups >= 4


def test_a_smooth_column_is_cut_at_its_deciles_and_into_forty_cells():
    values = np.random.default_rng(0).normal(size=40_000)
    layout = layout_of(values)
    starts = [layout.edges[i] for i in range(layout.edges.size) if layout.groups[i] != layout.groups[i + 1]]

    assert (layout.n_cells, layout.n_groups) == (40, 10)
    # A quantile of 40,000 draws lies between two of them; any value from one to the other is one.
    np.testing.assert_allclose(starts, np.quantile(values, np.arange(1, 10) / 10), atol=1e-3)


def test_zero_inflation_gives_zero_a_group_and_the_rest_equal_groups():
    rng = np.random.default_rng(0)
    values = np.concatenate([np.zeros(5_000), rng.exponential(size=5_000), -rng.exponential(size=10_000)])
    layout = layout_of(values)
    sizes = np.bincount([group_of(layout, v) for v in values])

    assert layout.atoms.tolist() == [0.0]
    assert sizes[group_of(layout, 0.0)] == 5_000
    others = np.delete(sizes, group_of(layout, 0.0))
    assert len(others) == 8
    np.testing.assert_allclose(others, 15_000 / 8, rtol=0.2)


def test_few_values_have_a_cell_each_and_all_others_one_group():
    values = np.repeat([1.0, 2.0, 5.0], [600, 300, 100])
    layout = layout_of(values)

    assert [group_of(layout, v) for v in (1, 2, 5)] == [0, 1, 2]
    assert {group_of(layout, v) for v in (-1e300, 0.999, 1.0000001, 1.5, 3, 4, 5.1, 1e300)} == {3}


def test_beyond_a_thin_tail_more_of_it_is_expected():
    counts = ValueCounts(np.array([0.0, 1, 2, 3, 5, 9]), np.array([600, 300, 88, 6, 4, 2]))
    layout = atom_layout(counts, center=0, scale=1)

    tail = group_of(layout, 3)
    assert {group_of(layout, v) for v in (3, 3.5, 4, 5, 7, 9, 9.1, 1e300)} == {tail}
    assert {group_of(layout, v) for v in (-1, 0.5, 1.5, 2.5)} == {layout.n_groups - 1}
    assert tail != layout.n_groups - 1


@pytest.mark.parametrize("draw", ["poisson", "geometric"])
def test_counts_of_one_distribution_hardly_ever_fall_into_the_unseen_group(draw):
    rng = np.random.default_rng(0)
    sample = (lambda n: rng.poisson(3, n)) if draw == "poisson" else (lambda n: rng.geometric(0.2, n))
    unseen = 0
    for _ in range(200):
        layout = layout_of(sample(20_000).astype(float))
        window = NumericSummary(layout)
        window.update_values(sample(1_000).astype(float))
        unseen += int(window.cell_counts()[-1])

    # By the rule that a value must have been seen to be known, 2 to 10 in a hundred of these windows have an unseen value.
    assert unseen <= 1


def test_neighbouring_rare_values_share_a_group():
    counts = ValueCounts(np.arange(6.0), np.array([500, 4, 4, 4, 488, 1_000]))
    layout = atom_layout(counts, center=0, scale=1)

    assert [group_of(layout, v) for v in range(6)] == [0, 3, 3, 3, 1, 2]
    assert group_of(layout, 0.5) == 4


def test_a_rare_value_keeps_its_group_where_there_is_only_one_other():
    counts = ValueCounts(np.array([0.0, 1.0]), np.array([99_990, 10]))
    layout = atom_layout(counts, center=0, scale=1)

    assert group_of(layout, 0) != group_of(layout, 1)


def test_the_rarest_values_join_the_smallest_group():
    counts = ValueCounts(np.array([0.0, 1.0, 2.0]), np.array([60_000, 5, 39_995]))
    layout = atom_layout(counts, center=0, scale=1)

    assert group_of(layout, 1) == group_of(layout, 2)
    assert group_of(layout, 0) != group_of(layout, 1)


def test_a_short_sample_of_a_continuous_column_gets_no_atoms():
    layout = layout_of(np.random.default_rng(0).normal(size=40))

    assert layout.atoms.size == 0
    assert layout.n_groups == 10


def test_the_largest_float_can_be_an_atom():
    layout = atom_layout(ValueCounts(np.array([LARGEST]), np.array([10])), center=0, scale=1)

    assert group_of(layout, LARGEST) == 0
    assert group_of(layout, 1e308) == 1


@pytest.mark.parametrize(("value", "scale"), [(0.0, 1.0), (-7.5, 7.5), (1e20, 1e20)])
def test_a_constant_column_has_its_size_as_scale(value, scale):
    center, found = location_and_scale(value * (1 + 1e-16), 1e-33, ValueCounts.of(np.full(5, value)))

    assert (center, found) == (value, scale)


def test_a_column_without_values_has_one_cell():
    assert (empty_layout().n_cells, empty_layout().n_groups) == (1, 1)
