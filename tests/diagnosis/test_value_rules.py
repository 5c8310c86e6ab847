"""Each rule with a case that holds and its near misses."""

from __future__ import annotations

import numpy as np
import pytest

from stream_gov.diagnosis.value_rules import (
    constant_words,
    lost_category_words,
    missing_words,
    new_category_words,
    no_longer_constant_words,
    range_words,
    type_words,
)
from tests.diagnosis.columns import reference_of, window_of

RNG = np.random.default_rng(4)
COUNTRIES = ["DE"] * 400 + ["FR"] * 300 + ["NL"] * 200 + ["IT"] * 100
NUMBERS = RNG.lognormal(3, 1, 4_000)
RATINGS = RNG.choice([1.0, 2.0, 3.0, 4.0, 5.0], 4_000)
FLAGS = [True] * 300 + [False] * 700


def words(rule, before, after, *, missing=(0, 0), wrong=(0, 0), **more):
    reference = reference_of(before)
    reference.n_missing, reference.n_type_errors = missing[0], wrong[0]
    return rule(reference, window_of(reference, after, n_missing=missing[1], n_type_errors=wrong[1]), **more)


# --- missing values and types ----------------------------------------------------------------------------------------------------------


def test_missing_values_that_rose_are_told_before_and_after():
    assert words(missing_words, COUNTRIES, COUNTRIES[:90], missing=(0, 10)) == "missing values 0 % -> 10 %"


@pytest.mark.parametrize(("before", "after"), [(100, 10), (100, 12), (500, 0), (0, 0), (0, 1)])
def test_missing_values_that_did_not_rise_beyond_chance_are_not_told(before, after):
    assert words(missing_words, COUNTRIES, COUNTRIES[:90], missing=(before, after)) is None


def test_values_of_a_wrong_type_are_told_with_the_type_that_is_expected():
    assert words(type_words, NUMBERS, NUMBERS[:80], wrong=(0, 20)) == (
        "values of a wrong type 0 % -> 20 % (a number is expected)"
    )
    assert words(type_words, NUMBERS, NUMBERS[:99], wrong=(40, 1)) is None


# --- constant ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (NUMBERS, [19.5] * 50, "stuck at 19.5 (was"),
        (NUMBERS, [-1.0] * 50, "stuck at -1 (was"),
        (RATINGS, [3.0] * 50, "stuck at 3 (was 1 to 5)"),
        (COUNTRIES, ["DE"] * 50, "stuck at 'DE' (was 40 %)"),
        (COUNTRIES, ["?"] * 50, "stuck at '?' (new)"),
        (COUNTRIES, [""] * 50, "stuck at '' (new)"),
        (FLAGS, [False] * 50, "stuck at false (was 70 %)"),
        (FLAGS, [True] * 50, "stuck at true (was 30 %)"),
    ],
)
def test_a_column_that_is_stuck_is_told_with_its_value(before, after, said):
    assert words(constant_words, before, after).startswith(said)


@pytest.mark.parametrize(
    ("why", "before", "after"),
    [
        ("one value in fifty differs", NUMBERS, [19.5] * 49 + [20.0]),
        ("two equal values may be chance", FLAGS, [False] * 5),
        ("ten equal ones of a value that seven of ten have", FLAGS, [False] * 15),
        ("the reference is as constant", np.full(500, 3.0), [3.0] * 50),
        ("the reference is constant elsewhere", np.full(500, 3.0), [4.0] * 50),
        ("nearly all of the reference is that value", ["a"] * 995 + ["b"] * 5, ["a"] * 50),
        ("new names, no two alike", COUNTRIES, [f"n{i}" for i in range(50)]),
        ("two new names", COUNTRIES, ["x"] * 25 + ["y"] * 25),
        ("no values", NUMBERS, []),
    ],
)
def test_what_varies_or_is_no_wonder_is_not_called_constant(why, before, after):
    assert words(constant_words, before, after) is None, why


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (np.append(np.full(990, 0.25), np.full(10, 0.3)), RNG.normal(0.25, 0.1, 100), "0.25 (99 % -> 0 %)"),
        (np.full(1_000, 0.25), RNG.normal(0.25, 0.1, 100), "0.25 (100 % -> 0 %)"),
        (["a"] * 960 + ["b"] * 40, ["a"] * 40 + ["b"] * 60, "'a' (96 % -> 40 %)"),
        ([False] * 990 + [True] * 10, [True] * 60 + [False] * 40, "false (99 % -> 40 %)"),
    ],
)
def test_a_column_that_stood_still_and_moves_is_told(before, after, said):
    assert words(no_longer_constant_words, before, after) == f"no longer constant at {said}"


@pytest.mark.parametrize(
    ("why", "before", "after"),
    [
        ("a tenth of the reference already moved", ["a"] * 900 + ["b"] * 100, ["b"] * 100),
        ("most of it still stands", ["a"] * 990 + ["b"] * 10, ["a"] * 60 + ["b"] * 40),
        ("it stands still at another value", np.full(1_000, 0.25), [0.5] * 100),
        ("a wide cell is no value", NUMBERS, NUMBERS[:100] * 10),
        ("two values are chance", np.full(1_000, 0.25), [0.5]),
    ],
)
def test_what_did_not_stand_still_is_not_said_to_move(why, before, after):
    assert words(no_longer_constant_words, before, after) is None, why


# --- categories --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (COUNTRIES[::2] + ["UK"] * 60, "new category 'UK' 10.7 %"),
        (COUNTRIES[::2] + ["UK"] * 60 + ["IE"] * 20, "new categories 'UK' 10.3 %, 'IE' 3.45 %"),
        (
            COUNTRIES[::2] + ["a"] * 30 + ["b"] * 20 + ["c"] * 10 + ["d"] * 5,
            "new categories 'a' 5.31 %, 'b' 3.54 %, 'c' 1.77 % and more, 11.5 % together",
        ),
        (["de" if c == "DE" else c for c in COUNTRIES], "new category 'de' 40 % ('DE' spelt otherwise)"),
        (COUNTRIES + [f"n{i}" for i in range(500)], "new categories 33.3 %, no two values alike"),
    ],
)
def test_new_categories_are_named_with_their_shares(after, said):
    assert words(new_category_words, COUNTRIES, after) == said


@pytest.mark.parametrize(
    ("why", "before", "after"),
    [
        ("two of a thousand may be chance", COUNTRIES, [*COUNTRIES[:998], "UK", "UK"]),
        ("the known ones moved far more", COUNTRIES, ["FR"] * 900 + COUNTRIES[:80] + ["UK"] * 20),
        ("numbers have no categories", RATINGS, [9.0] * 100),
    ],
)
def test_what_is_not_about_new_categories_does_not_name_them(why, before, after):
    assert words(new_category_words, before, after) is None, why


def test_unseen_values_are_named_whatever_else_moved_where_they_are_what_is_tested():
    after = ["FR"] * 900 + COUNTRIES[:80] + ["UK"] * 20
    assert words(new_category_words, COUNTRIES, after, accounts_for_drift=False) == "new category 'UK' 2 %"


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (["FR"] * 300 + ["NL"] * 200 + ["IT"] * 100, "lost category 'DE' (was 40 %)"),
        (["FR"] * 300 + ["IT"] * 100, "lost categories 'DE' (was 40 %), 'NL' (was 20 %)"),
    ],
)
def test_lost_categories_are_named_with_the_share_they_had(after, said):
    assert words(lost_category_words, COUNTRIES, after) == said


@pytest.mark.parametrize(
    ("why", "before", "after"),
    [
        ("it became rare", COUNTRIES, ["DE"] * 2 + ["FR"] * 300 + ["NL"] * 200 + ["IT"] * 100),
        ("twenty events may miss a tenth of them", COUNTRIES, ["DE"] * 8 + ["FR"] * 6 + ["NL"] * 6),
        ("it was rare", COUNTRIES + ["XX"] * 10, COUNTRIES),
        ("another one moved far more", COUNTRIES + ["XX"] * 30, ["FR"] * 900 + COUNTRIES[::5]),
    ],
)
def test_what_is_not_about_lost_categories_does_not_name_them(why, before, after):
    assert words(lost_category_words, before, after) is None, why


# --- range -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (NUMBERS, np.append(NUMBERS[:400], np.full(100, -999.0)), "down to -999 (was at least 0.3"),
        (NUMBERS, np.append(NUMBERS[:400], np.full(350, 1e6)), "of values from"),
        (
            RATINGS,
            np.append(RATINGS[:400], np.full(100, 9.0)),
            "20 % of values are none of the 5 that the reference has; they lie between 1 and 9",
        ),
        (np.full(500, 3.0), [4.0] * 50, "100 % of values are not 3"),
    ],
)
def test_values_where_the_reference_has_none_are_told(before, after, said):
    assert said in words(range_words, before, after)


@pytest.mark.parametrize(
    ("why", "before", "after"),
    [
        ("the mean moves within the range", NUMBERS, NUMBERS[:400] * 3),
        ("a single far value", NUMBERS, np.append(NUMBERS[:400], 1e9)),
        (
            "the tail grows, not far beyond the largest",
            NUMBERS,
            np.append(NUMBERS[:400], np.full(100, NUMBERS.max() * 1.2)),
        ),
        (
            "half of the values moved elsewhere, one in ten is far",
            NUMBERS,
            np.concatenate((NUMBERS[:200], np.full(250, 20.0), np.full(50, -999.0))),
        ),
        ("all values are far beyond", NUMBERS, NUMBERS[:400] + 1e5),
        ("the ratings moved", RATINGS, [5.0] * 100),
        ("no values", NUMBERS, []),
    ],
)
def test_what_is_not_about_the_range_is_not_told_so(why, before, after):
    assert words(range_words, before, after) is None, why
