from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.summaries import NumericLayout, NumericSummary


def layout(
    edges: list[float], *, center: float = 0.0, scale: float = 1.0, groups: list[int] | None = None
) -> NumericLayout:
    return NumericLayout(
        edges=np.array(edges, np.float64),
        groups=np.array(groups if groups is not None else range(len(edges) + 1)),
        center=center,
        scale=scale,
    )


def summary_of(values: np.ndarray, cells: NumericLayout) -> NumericSummary:
    summary = NumericSummary(cells)
    summary.update_values(np.asarray(values, np.float64))
    return summary


def test_counts_are_those_of_a_histogram_with_open_ends():
    values = np.random.default_rng(3).normal(size=20_000)
    edges = [-2.0, -1.0, 0.0, 0.5, 3.0]
    expected = np.histogram(values, [-math.inf, *edges, math.inf])[0]
    assert summary_of(values, layout(edges)).counts.tolist() == expected.tolist()


def test_a_cell_includes_its_lower_edge_and_not_its_upper():
    assert summary_of([1.0, 2.0], layout([1.0, 2.0])).counts.tolist() == [0, 1, 1]


def test_an_atom_counts_exactly_its_own_value():
    atom = 0.3
    cells = layout([atom, np.nextafter(atom, math.inf)])
    values = [atom, np.nextafter(atom, 0), np.nextafter(atom, 1), 0.1 + 0.2, atom]
    assert summary_of(values, cells).counts.tolist() == [1, 2, 2]


@pytest.mark.parametrize("center", [0.0, 1e9, -5e-7])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 3e4])
def test_mean_and_variance_agree_with_numpy_however_far_the_mean_is_from_zero(center, scale):
    values = np.random.default_rng(5).normal(center, scale, 30_000)
    summary = summary_of(values, layout([center], center=center, scale=scale))
    assert summary.mean() == pytest.approx(values.mean(), abs=scale * 2e-6)
    assert summary.variance() == pytest.approx(values.var(ddof=1), rel=1e-5)
    assert (summary.minimum, summary.maximum) == (values.min(), values.max())


@pytest.mark.parametrize("scale", [2.0**-500, 1e-149, 2.0**500])
def test_the_smallest_and_the_largest_spreads_have_a_variance(scale):
    values = scale * np.array([-1.0, 0.0, 1.0])
    summary = summary_of(values, layout([0.0], scale=scale))
    assert summary.variance() == pytest.approx(scale**2, rel=1e-4)
    assert summary.standard_deviation() == pytest.approx(scale, rel=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.floats(-100, 100), st.floats(-1e13, 1e13), st.sampled_from([1e300, -1e300])),
        min_size=2,
        max_size=40,
    )
)
def test_sums_are_exact_however_large_the_outliers(values):
    """Against rational numbers: the values rounded to the grid of the layout, and clipped at 2**44 steps."""
    cells = layout([0.0], center=0.5, scale=2.0)
    summary = summary_of(values, cells)
    steps = [int(np.clip(np.rint((v - 0.5) * cells.factor), -(2.0**44), 2.0**44)) for v in values]
    n = len(values)
    exact_variance = Fraction(n * sum(q * q for q in steps) - sum(steps) ** 2, n * (n - 1))
    assert (summary.sum_q, summary.sum_q2) == (sum(steps), sum(q * q for q in steps))
    assert summary.variance() == pytest.approx(float(exact_variance) / cells.factor**2, rel=1e-12)


def test_without_values_there_is_no_mean_no_variance_and_no_extreme():
    empty = NumericSummary(layout([0.0]))
    assert all(math.isnan(v) for v in (empty.mean(), empty.variance(), empty.minimum, empty.maximum))
    assert empty.n == 0
    one = summary_of([4.0], layout([0.0]))
    assert one.mean() == pytest.approx(4.0)
    assert math.isnan(one.variance())


def test_missing_values_and_type_errors_are_counted_apart():
    summary = NumericSummary(layout([0.0]))
    summary.update_values(np.array([1.0, 2.0]), n_missing=3, n_type_errors=4)
    assert (summary.n_valid, summary.n_missing, summary.n_type_errors, summary.n) == (2, 3, 4, 9)


def test_groups_add_up_their_cells():
    summary = summary_of([-1.0, 0.5, 0.5, 5.0], layout([0.0, 1.0], groups=[0, 1, 0]))
    assert summary.counts.tolist() == [1, 2, 1]
    assert summary.cell_counts().tolist() == [2, 2]


@pytest.mark.parametrize(
    ("edges", "groups", "scale"),
    [
        ([1.0, 1.0], [0, 1, 2], 1.0),
        ([math.nan], [0, 1], 1.0),
        ([0.0], [0, 2], 1.0),
        ([0.0], [0], 1.0),
        ([0.0], [0, 1], 0.0),
    ],
)
def test_a_layout_that_makes_no_sense_is_refused(edges, groups, scale):
    with pytest.raises(ValueError, match="must"):
        layout(edges, groups=groups, scale=scale)
