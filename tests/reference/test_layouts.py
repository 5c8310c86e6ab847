from __future__ import annotations

import numpy as np
import pytest

from stream_gov.contracts import DataError
from stream_gov.reference import LayoutChoice, choose_layout
from stream_gov.reference.column_scan import ColumnScan
from stream_gov.reference.rows import as_numbers
from stream_gov.summaries import BooleanLayout, CategoricalLayout, NumericLayout


def choose(values: list | np.ndarray, declared: str | None = None) -> LayoutChoice:
    scan = ColumnScan(numbers_are_categories=declared == "categorical")
    scan.update(values)
    numbers = as_numbers(list(values))
    return choose_layout("x", scan, numbers[np.isfinite(numbers)], declared=declared)


def test_numbers_are_numeric_however_few_there_are():
    choice = choose([0, 1] * 50)

    assert isinstance(choice.layout, NumericLayout)
    assert choice.layout.atoms.tolist() == [0, 1]
    assert choice.warnings == ()


def test_text_is_categorical_in_the_order_of_counts_then_names():
    choice = choose(["b"] * 20 + ["c"] * 40 + ["a"] * 20)

    assert choice.layout == CategoricalLayout(("c", "a", "b"), "string")


def test_true_and_false_are_boolean():
    assert choose([True, False, None]).layout == BooleanLayout()


def test_the_monitor_may_declare_numbers_categorical():
    choice = choose([2000, 2000.0, 2010, 0.5], "categorical")

    assert choice.layout == CategoricalLayout(("2000", "0.5", "2010"), "number")


def test_the_majority_decides_a_mixed_column_and_the_warning_says_so():
    choice = choose([1.0, 2.0, 3.0, "x", True, [1]])

    assert isinstance(choice.layout, NumericLayout)
    (warning,) = choice.warnings
    assert warning.startswith(
        "column 'x' has mixed types: 3 numbers, 1 strings, 1 booleans, 1 infinite or other values; it counts as number"
    )


@pytest.mark.parametrize(
    ("declared", "values", "found"),
    [("numeric", ["a", "b"], "2 strings"), ("boolean", [0, 1, 1], "3 numbers")],
)
def test_a_declared_type_that_no_value_has_is_an_error(declared, values, found):
    with pytest.raises(DataError, match=f"column 'x': `columns.types` says {declared}, but the data holds {found}"):
        choose(values, declared)


def test_a_column_without_values_is_watched_for_missing_ones_only():
    choice = choose([None, None])

    assert isinstance(choice.layout, NumericLayout)
    assert choice.layout.n_cells == 1
    assert "column 'x' has no value in any of 2 rows" in choice.warnings[0]
    assert choose([None], "categorical").layout == CategoricalLayout(())
    assert choose([None], "boolean").layout == BooleanLayout()


@pytest.mark.parametrize("values", [[3.5] * 100, ["a"] * 100, [True] * 100])
def test_a_constant_column_is_pointed_out(values):
    (warning,) = choose(values).warnings

    assert "column 'x' is constant" in warning


def test_a_column_that_grows_with_every_row_is_pointed_out():
    assert "grows with every row" in choose(np.arange(100.0)).warnings[0]
    assert choose(np.arange(100.0)[::-1]).warnings == ()
    assert choose(np.array([*np.arange(50.0), *np.arange(50.0)])).warnings == ()


def test_ids_are_not_watched():
    choice = choose([f"id-{i}" for i in range(1_000)])

    assert choice.layout is None
    assert choice.ignored == "nearly unique: 1000 distinct values in 1000"
    assert "exclude it (`columns.exclude`)" in choice.warnings[0]


def test_more_ids_than_are_kept_are_not_watched_either():
    assert (
        choose([f"id-{i}" for i in range(30_000)]).ignored == "nearly unique: more than 10000 distinct values in 30000"
    )


def test_declared_categories_are_watched_however_many():
    choice = choose([f"id-{i}" for i in range(1_000)], "categorical")

    assert isinstance(choice.layout, CategoricalLayout)
    assert len(choice.layout.categories) == 1_000


def test_of_many_categories_the_most_frequent_are_known():
    values = [f"c{i}" for i in range(1_200) for _ in range(1_300 - i)]
    choice = choose(values)

    assert choice.layout.categories == tuple(f"c{i}" for i in range(1_000))
    assert "the most frequent 1000 hold 95.2% of the values" in choice.warnings[0]
