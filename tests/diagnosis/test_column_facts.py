"""Facts of a column are held to numpy on the raw data, within the error that is stated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.diagnosis.cell_distribution import (
    interpolated_share_below,
    kurtosis_bound,
    quantile,
    share_below,
)
from stream_gov.diagnosis.column_facts import facts_of, shift_of
from stream_gov.diagnosis.share_changes import shared_bars
from tests.diagnosis.columns import reference_of, window_of

RNG = np.random.default_rng(5)
SHAPES = {
    "normal": RNG.normal(20, 8, 5_000),
    "heavy": RNG.lognormal(3, 1.5, 5_000),
    "few values": RNG.poisson(3, 5_000).astype(float),
    "heavy zero": np.where(RNG.random(5_000) < 0.4, 0.0, RNG.exponential(5, 5_000)),
    "constant": np.full(5_000, 7.5),
    "two values": RNG.choice([-1.0, 1e6], 5_000),
}
RANKS = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("other", ["itself", "moved", "part"])
def test_facts_are_those_of_the_values_within_the_stated_error(name, other):
    values = SHAPES[name]
    reference = reference_of(values)
    seen = {"itself": values, "moved": values + 0.3 * values.std(), "part": values[:137]}[other]
    facts = facts_of(window_of(reference, seen))
    step = reference.layout.scale / 2**17
    assert facts.n_valid == seen.size
    assert facts.mean == pytest.approx(seen.mean(), abs=1.01 * step, rel=1e-12)
    assert facts.sd == pytest.approx(seen.std(ddof=1), abs=2.02 * step, rel=1e-9)
    assert (facts.minimum, facts.maximum) == (seen.min(), seen.max())
    for field, rank in RANKS.items():
        found = getattr(facts, field)
        if found is not None:
            exact = float(np.quantile(seen, rank, method="inverted_cdf"))
            assert abs(found - exact) <= facts.quartile_error + 1e-12 * abs(exact)
            assert facts.quartile_error <= facts.sd


def test_quartiles_of_the_reference_itself_are_known_to_a_fraction_of_its_spread():
    facts = facts_of(reference_of(SHAPES["normal"]))
    assert facts.quartile_error < 0.1 * facts.sd
    assert None not in (facts.lower_quartile, facts.median, facts.upper_quartile)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), rank=st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_a_quantile_lies_in_the_cell_of_the_exact_one(values, rank):
    window = window_of(reference_of(SHAPES["heavy zero"]), values)
    found = quantile(window, rank)
    exact = float(np.quantile(np.array(values), rank, method="inverted_cdf"))
    assert found.low <= exact <= found.high
    assert found.low <= found.value <= found.high


@given(values=st.lists(st.floats(-100, 100), min_size=1, max_size=60), at=st.floats(-150, 150))
@settings(max_examples=200, deadline=None)
def test_the_share_below_a_value_lies_within_its_bounds(values, at):
    window = window_of(reference_of(SHAPES["heavy zero"]), values)
    low, high = share_below(window, np.array([at]))
    exact = sum(v < at for v in values) / len(values)
    assert low[0] <= exact <= high[0]
    between = interpolated_share_below(window, np.array([at]))[0]
    assert low[0] - 1e-9 <= between <= high[0] + 1e-9


@pytest.mark.parametrize("name", SHAPES)
def test_at_the_edges_of_cells_the_share_below_is_exact(name):
    values = SHAPES[name]
    reference = reference_of(values)
    edges = reference.layout.edges
    low, high = share_below(reference, edges, slack=0.0)
    exact = [(values < edge).mean() for edge in edges]
    assert low.tolist() == high.tolist() == pytest.approx(exact)
    low, high = share_below(reference, edges)  # a value that may be a rounding off may be in the cell below
    assert (low <= np.array(exact)).all()
    assert (high >= np.array(exact)).all()


@pytest.mark.parametrize("name", ["normal", "heavy", "few values", "heavy zero"])
def test_the_kurtosis_bound_is_near_and_rarely_below_the_kurtosis(name):
    values = SHAPES[name]
    z = (values - values.mean()) / values.std(ddof=1)
    exact = float((z**4).mean())
    assert 0.85 * exact <= kurtosis_bound(reference_of(values)) <= 2.5 * exact


def test_what_cannot_be_told_is_none():
    reference = reference_of(SHAPES["normal"])
    empty = facts_of(window_of(reference, [], n_missing=3, n_type_errors=1))
    assert (empty.n_valid, empty.missing_share, empty.type_error_share) == (0, 0.75, 0.25)
    assert {empty.mean, empty.sd, empty.minimum, empty.median, empty.maximum} == {None}
    nothing = facts_of(window_of(reference, []))
    assert nothing.missing_share is None
    single = facts_of(window_of(reference, [3.0]))
    assert (single.sd, single.median) == (None, 3.0)
    far = facts_of(window_of(reference, [1e300, -1e300]))  # beyond what the moments hold
    assert (far.mean, far.sd, far.maximum) == (None, None, 1e300)
    tiny = facts_of(window_of(reference, [1e-9, 2e-9, 4e-9]))
    assert (tiny.sd, tiny.median) == (None, None)
    assert 1e-9 <= tiny.mean <= 4e-9


def test_the_shift_is_told_in_the_unit_of_the_column_and_in_standard_deviations():
    values = SHAPES["normal"]
    reference = reference_of(values)
    window = window_of(reference, values + 4)
    shift = shift_of(reference, window, shared_bars(reference, window))
    assert shift.mean_change == pytest.approx(4, abs=1e-3)
    assert shift.mean_change_sd == pytest.approx(4 / values.std(ddof=1), rel=1e-3)
    assert len(shift.shares) == 5
    moves = [abs(c.window - c.reference) for c in shift.shares]
    assert moves == sorted(moves, reverse=True)


def test_a_constant_reference_has_no_unit_of_its_own():
    reference = reference_of(SHAPES["constant"])
    window = window_of(reference, [8.5] * 10)
    shift = shift_of(reference, window, shared_bars(reference, window))
    assert (shift.mean_change, shift.mean_change_sd) == (pytest.approx(1, abs=1e-3), None)
    assert not math.isnan(shift.mean_change)
