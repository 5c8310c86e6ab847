"""A change of unit is named where the whole shape fits, and only there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from stream_gov.diagnosis.unit_change import find_unit_change, shape_distance
from stream_gov.diagnosis.value_maps import CURVES, LINEAR_MAPS, LinearMap
from tests.diagnosis.columns import reference_of, window_of

N_REFERENCE, N_WINDOW = 20_000, 1_000


def heavy(rng, n):
    return rng.lognormal(3, 1, n)


def celsius(rng, n):
    return rng.normal(20, 8, n)


def heights(rng, n):
    return rng.normal(66.5, 4, n)


def standardised(rng, n):
    return rng.normal(0, 1, n)


def ratings(rng, n):
    return rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], n, p=[0.1, 0.1, 0.2, 0.4, 0.2])


def uniform(rng, n):
    return rng.uniform(1, 11, n)


def found(draw, change, *, n=N_WINDOW, seed=1):
    rng = np.random.default_rng(seed)
    reference = reference_of(draw(rng, N_REFERENCE))
    return find_unit_change(reference, window_of(reference, change(draw(rng, n))))


@pytest.mark.parametrize("draw", [heavy, celsius, heights, standardised, ratings, uniform])
@pytest.mark.parametrize("factor", [1000.0, 0.001, 100.0, 0.01, 60.0, 3_600.0, 1e6, -1000.0, 10.0])
def test_a_factor_that_is_often_mistaken_is_found(draw, factor):
    mapping = found(draw, lambda x: factor * x)
    assert mapping is not None
    # a column that lies evenly about zero does not show its sign
    assert (mapping.factor if draw is not standardised else abs(mapping.factor)) == pytest.approx(
        factor if draw is not standardised else abs(factor)
    )
    assert mapping.offset == 0


@pytest.mark.parametrize("draw", [heavy, celsius, uniform])
def test_two_factors_that_the_data_cannot_tell_apart_leave_it_open(draw):
    few, many = (found(draw, lambda x: 86_400 * x, n=n) for n in (20, 20_000))
    assert many is not None
    assert many.factor == 86_400
    assert few is None or few.factor == 86_400  # 100,000 is 16 % more


@pytest.mark.parametrize(
    ("name", "draw", "change"),
    [
        ("Celsius to Fahrenheit", celsius, lambda x: 1.8 * x + 32),
        ("Celsius to Kelvin", celsius, lambda x: x + 273.15),
        ("Celsius to Kelvin", celsius, lambda x: x - 5 + 273.15),  # in winter
        ("Fahrenheit to Celsius", lambda rng, n: 1.8 * celsius(rng, n) + 32, lambda x: (x - 32) / 1.8),
        ("Kelvin to Celsius", lambda rng, n: celsius(rng, n) + 273.15, lambda x: x - 273.15),
        ("x2.54 (inch to cm)", heights, lambda x: 2.54 * x),
        ("x0.393701 (cm to inch)", lambda rng, n: 2.54 * heights(rng, n), lambda x: x / 2.54),
        ("x0.453592 (pound to kg)", lambda rng, n: rng.normal(180, 20, n), lambda x: 0.45359237 * x),
        ("sign flipped", heavy, lambda x: -x),
        ("sign flipped", heights, lambda x: -x),
        ("logarithm to base 10", heavy, np.log10),
        ("natural logarithm (of x, or of 1 + x)", heavy, np.log),
        ("natural logarithm", lambda rng, n: rng.lognormal(-2, 2, n), np.log),
        ("exponential", lambda rng, n: rng.normal(3, 0.5, n), np.exp),
        ("x1024", lambda rng, n: rng.normal(500, 20, n), lambda x: 1024 * x),
        ("x1000", lambda rng, n: rng.normal(500, 20, n), lambda x: 1000 * x),
        ("x1/60", heavy, lambda x: x / 60),
    ],
)
def test_a_formula_is_found_by_its_name(name, draw, change):
    mapping = found(draw, change)
    assert mapping is not None
    assert mapping.name == name


@pytest.mark.parametrize(
    ("why", "draw", "change"),
    [
        ("the mean of a heavy-tailed column doubles", heavy, lambda x: 2 * x),
        ("it grows by a factor that is a unit elsewhere, but reaches down to zero", heavy, lambda x: 2.54 * x),
        (
            "heights double: 1.8 x + 32 is near, and spreads less",
            lambda rng, n: rng.normal(170, 10, n),
            lambda x: 2 * x,
        ),
        ("half of the events are scaled", heavy, lambda x: np.where(np.arange(x.size) % 2, x, 1000 * x)),
        (
            "a hundredth of the events is scaled, and carries the mean",
            heavy,
            lambda x: np.where(np.arange(x.size) % 100, x, 1000 * x),
        ),
        ("the mean of 20 degrees moves to 68, the spread stays", celsius, lambda x: x + 48),
        ("the mean moves by 250, which is not 273.15", celsius, lambda x: x + 250),
        ("a tenfold mean with the old spread", heights, lambda x: x + 9 * 66.5),
        ("no change at all", heavy, lambda x: x),
        ("the spread doubles", standardised, lambda x: 2 * x),
        ("normal values like those of a logarithm, but twice as far apart", heavy, lambda x: 2 * np.log(x) - 3),
        ("one value", heavy, lambda x: np.full(x.size, 20_000.0)),
    ],
)
@pytest.mark.parametrize("n", [300, 1_000, 20_000])
def test_what_is_no_change_of_unit_is_not_called_one(why, draw, change, n):
    assert found(draw, change, n=n) is None, why


@pytest.mark.parametrize("n", [1_000, 20_000])  # the mean of 300 such values may be off by a quarter
def test_a_factor_between_two_known_ones_is_neither(n):
    assert found(heavy, lambda x: 77 * x, n=n) is None


def test_the_right_mean_and_spread_in_another_shape_are_no_change_of_unit():
    # Celsius to Fahrenheit by its moments, but at two values
    assert found(celsius, lambda x: 68 + 14.4 * np.sign(x - 20), n=20_000) is None
    assert found(uniform, lambda x: 60 + 28.9 * np.sign(x - 6), n=20_000) is None
    assert found(uniform, lambda x: 10 * x, n=20_000) is not None


def test_where_sums_are_clipped_least_and_largest_value_must_fit():
    mapping = found(uniform, lambda x: 1e9 * x)
    assert mapping is not None
    assert mapping.factor == 1e9
    assert found(uniform, lambda x: 3e9 * x) is None
    assert found(heavy, lambda x: 1e9 * x) is None  # the largest of 1,000 says little of the largest of 20,000
    mapping = found(uniform, lambda x: 1e-9 * x)  # below the rounding of the moments
    assert mapping is not None
    assert mapping.factor == 1e-9


def test_one_value_on_both_sides_must_fit_exactly():
    reference = reference_of(np.full(500, 7.0))
    mapping = find_unit_change(reference, window_of(reference, np.full(300, 7_000.0)))
    assert mapping is not None
    assert mapping.name == "x1000"
    assert find_unit_change(reference, window_of(reference, np.full(300, 7_001.0))) is None


def test_too_few_values_are_no_change_of_unit():
    reference = reference_of(np.random.default_rng(1).lognormal(3, 1, 1_000))
    for values in ([], [20_000.0]):
        assert find_unit_change(reference, window_of(reference, values)) is None


def test_the_stated_share_of_arbitrary_changes_is_called_a_unit():
    """`docs/why.md` says at most 5 % of arbitrary moves of mean and spread; the draws are fixed, so this cannot flake."""
    rng = np.random.default_rng(17)
    named = tried = 0
    for draw in (heavy, celsius, heights, standardised, ratings, uniform):
        reference = reference_of(draw(rng, N_REFERENCE))
        sd = reference.standard_deviation()
        for i in range(100):
            x = draw(rng, int(rng.choice([300, 1_000, 5_000])))
            factor, offset = math.exp(rng.normal(0, 1)), rng.normal(0, 3) * sd
            moved = (factor * x, x + offset, factor * x + offset)[i % 3]
            named += find_unit_change(reference, window_of(reference, moved)) is not None
            tried += 1
    assert named / tried <= 0.05


def test_the_shape_distance_never_exceeds_that_of_the_samples():
    rng = np.random.default_rng(3)
    for draw, change in (
        (heavy, LINEAR_MAPS[0]),
        (celsius, LinearMap("", 1.8, 32.0, "fine")),
        (celsius, LinearMap("", -1.0, 0.0, "flip")),
        (heavy, CURVES[0]),
    ):
        before, after = draw(rng, 3_000), change.apply(draw(rng, 500) * rng.uniform(0.8, 1.3))
        reference = reference_of(before)
        least = shape_distance(reference, window_of(reference, after), change)
        exact = stats.ks_2samp(change.apply(before), after).statistic
        assert 0 <= least <= exact + 1e-12


def test_a_shape_that_does_not_fit_is_far():
    rng = np.random.default_rng(3)
    reference = reference_of(celsius(rng, 3_000))
    window = window_of(reference, celsius(rng, 500) + 30)
    assert shape_distance(reference, window, LinearMap("", 1.0, 0.0, "fine")) > 0.8
    assert shape_distance(reference, window, LinearMap("", 1.0, 30.0, "fine")) < 0.06


@pytest.mark.parametrize("change", [*LINEAR_MAPS, *CURVES], ids=lambda c: c.name)
def test_every_map_and_its_inverse_agree(change):
    values = np.array([0.25, 1.0, 3.0, 40.0])
    np.testing.assert_allclose(change.invert(change.apply(values)), values, rtol=1e-9)
    assert (np.diff(change.apply(values)) > 0).all() == change.increasing


def test_names_of_maps_are_distinct():
    names = [c.name for c in (*LINEAR_MAPS, *CURVES)]
    assert len(set(names)) == len(names)
