"""Which rule is asked when, in what order, and that it always says something."""

from __future__ import annotations

import math
import re

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.contracts import CauseKind, Shift
from stream_gov.diagnosis import diagnose
from stream_gov.summaries import BooleanLayout, CategoricalLayout, NumericLayout, empty_summary
from tests.diagnosis.columns import reference_of, window_of

RNG = np.random.default_rng(3)
NUMBERS = RNG.lognormal(3, 1, 6_000)
HOURS = np.repeat(np.arange(24.0), np.arange(1, 25) * 20)
FLAGS = [True] * 300 + [False] * 700


def kind_of(before, after, statistic="psi", **more):
    reference = reference_of(before)
    return diagnose(reference, window_of(reference, after, **more), statistic=statistic).kind


@pytest.mark.parametrize(
    ("why", "kind", "before", "after"),
    [
        ("stuck, though its value is new", "constant", ["a", "b"] * 200, ["z"] * 100),
        ("stuck, though far beyond the range", "constant", NUMBERS, [1e9] * 100),
        ("renamed: new before lost", "new_category", ["a", "b"] * 200, ["a", "z"] * 100),
        ("a constant that changed its unit", "unit_change", np.full(500, 7.0), [7_000.0] * 100),
        ("scaled, though beyond the range", "unit_change", NUMBERS, NUMBERS[:500] * 1_000),
        ("turned, though the mean moved", "clock_shift", HOURS, (HOURS[::2] + 3) % 24),
        ("scaled hours, though none of the values is known", "unit_change", HOURS, HOURS[::2] * 60),
        ("no rule holds", "population_drift", NUMBERS, NUMBERS[:500] * 2),
        ("no rule holds for a flag", "population_drift", FLAGS, FLAGS[::-1][:100] + [True] * 300),
    ],
)
def test_the_first_rule_that_holds_gives_the_kind(why, kind, before, after):
    assert kind_of(before, after) == kind, why


def test_what_is_asked_depends_on_what_drifted():
    before, after = ["a", "b"] * 200, ["a", "b", "z"] * 100
    more = {"n_missing": 200, "n_type_errors": 100}
    kinds = {s: kind_of(before, after, s, **more) for s in ("psi", "missing_share", "type_error_share", "unseen_share")}
    assert kinds == {
        "psi": CauseKind.NEW_CATEGORY,
        "missing_share": CauseKind.MISSING_VALUES_ROSE,
        "type_error_share": CauseKind.TYPE_CHANGE,
        "unseen_share": CauseKind.NEW_CATEGORY,
    }


def test_a_share_that_fired_without_rising_is_told_as_it_is():
    reference = reference_of(["a", "b"] * 200)
    reference.n_missing = 100
    found = diagnose(reference, window_of(reference, ["a", "b"] * 100, n_missing=50), statistic="missing_share")
    assert (found.kind, found.description) == ("population_drift", "missing values 20 % -> 20 %")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (RNG.normal(12.5, 10, 20_000), RNG.normal(25, 10, 20_000), r"mean 12.* -> 2[45].* \(\+12.*, \+1.[23] sd\)"),
        (RNG.normal(0, 1, 5_000), RNG.normal(0, 2, 5_000), r"sd (1|0\.9)\S* -> (2|1\.9)\S* \(x2\)"),
        (RNG.normal(0, 1, 5_000), np.sign(RNG.normal(0, 1, 5_000)), r".* % -> .* % at -?[\d.]+ to -?[\d.]+"),
        (
            RNG.poisson(1, 5_000).astype(float),
            np.append(RNG.poisson(1, 200), np.zeros(800)),
            r"3[67].* % -> 8.* % at 0",
        ),
        (["DE"] * 40 + ["FR"] * 60, ["DE"] * 10 + ["FR"] * 90, r"'DE' 40 % -> 10 %, 'FR' 60 % -> 90 %"),
        (FLAGS, [True] * 60 + [False] * 40, r"true 30 % -> 60 %"),
        (NUMBERS, [], r"no values in the window"),
    ],
)
def test_a_drift_of_the_population_is_told_by_what_says_most(before, after, said):
    reference = reference_of(before)
    found = diagnose(reference, window_of(reference, after))
    assert (found.kind, found.finding) == ("population_drift", "")
    assert re.fullmatch(said, found.description), found.description


# --- whatever the summaries --------------------------------------------------------------------------------------------------------------

_FLOATS = st.floats(allow_nan=False, allow_infinity=False)
_COUNTS = st.integers(0, 5)
_VALUES = st.one_of(
    st.lists(_FLOATS, max_size=40),
    st.lists(st.integers(-3, 30).map(float), max_size=400),
    st.tuples(_FLOATS, st.integers(0, 300)).map(lambda pair: [pair[0]] * pair[1]),
)


@st.composite
def numeric_layouts(draw):
    edges = np.array(sorted(set(draw(st.lists(_FLOATS, max_size=30)))))
    groups = np.sort(draw(st.lists(st.integers(0, 5), min_size=edges.size + 1, max_size=edges.size + 1)))
    return NumericLayout(
        edges=edges,
        groups=np.unique(groups, return_inverse=True)[1].astype(np.int64),
        center=draw(_FLOATS),
        scale=draw(st.floats(2.0**-500, 2.0**500)),
    )


def held_to_its_word(reference, window, statistic):
    found = diagnose(reference, window, statistic=statistic)
    assert found.description
    if reference.kind != "categorical":  # a category may have any name
        assert not re.search(r"\b(nan|inf)\b", found.description)
    # what goes into a message comes out of it: no number that JSON cannot carry
    sent = msgspec.json.encode(found.shift)
    assert msgspec.json.decode(sent, type=Shift) == found.shift
    histogram = found.histogram
    assert (histogram is None) == (not (reference.n_valid and window.n_valid))
    if histogram is not None:
        assert math.isclose(sum(histogram.reference), 1)
        assert math.isclose(sum(histogram.window), 1)


_STATISTICS = st.sampled_from(["psi", "ks", "missing_share", "type_error_share", "unseen_share"])


@given(layout=numeric_layouts(), before=_VALUES, after=_VALUES, counts=st.tuples(*[_COUNTS] * 4), statistic=_STATISTICS)
@settings(max_examples=300, deadline=None)
def test_any_two_summaries_of_numbers_are_diagnosed(layout, before, after, counts, statistic):
    reference, window = empty_summary(layout), empty_summary(layout)
    reference.update_values(np.array(before, np.float64), n_missing=counts[0], n_type_errors=counts[1])
    window.update_values(np.array(after, np.float64), n_missing=counts[2], n_type_errors=counts[3])
    held_to_its_word(reference, window, statistic)


@given(before=_VALUES.filter(len), after=_VALUES, statistic=_STATISTICS)
@settings(max_examples=150, deadline=None)
def test_any_column_of_numbers_as_a_reference_keeps_it_is_diagnosed(before, after, statistic):
    reference = reference_of(np.array(before, np.float64))
    held_to_its_word(reference, window_of(reference, after), statistic)


@given(
    known=st.lists(st.text(max_size=5), unique=True, max_size=30),
    before=st.lists(st.text(max_size=2), max_size=60),
    after=st.lists(st.text(max_size=2), max_size=200),
    statistic=_STATISTICS,
)
@settings(max_examples=200, deadline=None)
def test_any_two_summaries_of_categories_are_diagnosed(known, before, after, statistic):
    layout = CategoricalLayout(tuple(known))
    reference, window = empty_summary(layout), empty_summary(layout)
    reference.update_values([*before, *known], n_missing=1)
    window.update_values(after, n_type_errors=1)
    held_to_its_word(reference, window, statistic)


@given(counts=st.tuples(*[st.integers(0, 400)] * 8), statistic=_STATISTICS)
@settings(max_examples=150, deadline=None)
def test_any_two_summaries_of_flags_are_diagnosed(counts, statistic):
    reference, window = empty_summary(BooleanLayout()), empty_summary(BooleanLayout())
    for side, (t, f, m, e) in ((reference, counts[:4]), (window, counts[4:])):
        side.update_counts({True: t, False: f}, n_missing=m, n_type_errors=e)
    held_to_its_word(reference, window, statistic)


@given(
    seed=st.integers(0, 2**32 - 1),
    center=st.sampled_from([0.0, 1.0, -5.0, 1e6, 1e150, 1e-150]),
    spread=st.sampled_from([0.0, 1e-9, 1.0, 30.0, 1e140]),
    factor=st.sampled_from([-1.0, 1e-9, 1e-3, 1.0, 2.54, 24.0, 1e3, 1e12, 1e150]),
    offset=st.sampled_from([0.0, 32.0, 3_600.0, -1e9]),
)
@settings(max_examples=150, deadline=None)
def test_any_column_that_was_mapped_is_diagnosed(seed, center, spread, factor, offset):
    rng = np.random.default_rng(seed)
    reference = reference_of(rng.normal(center, spread, 600))
    held_to_its_word(reference, window_of(reference, factor * rng.normal(center, spread, 200) + offset), "psi")
