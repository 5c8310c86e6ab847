"""Choose the layout of a column from a first pass over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import DataError
from stream_gov.reference.column_scan import ColumnScan
from stream_gov.reference.derived_rows import LEAST_ROWS_OF_A_WORD
from stream_gov.reference.numeric_cells import (
    ValueCounts,
    atom_layout,
    empty_layout,
    has_few_values,
    location_and_scale,
    quantile_layout,
)
from stream_gov.summaries import (
    BooleanLayout,
    CategoricalLayout,
    ColumnLayout,
    ColumnSketch,
    Derivation,
    JsonType,
    NumericLayout,
    TextDerivation,
)

__all__ = ["MAX_CATEGORIES", "LayoutChoice", "choose_layout", "derivation_warnings", "derived_layout"]

MAX_CATEGORIES = 1_000
"""Known categories of a column; values of rarer ones count as unseen, in the reference as in live data."""

_MAX_FEW_VALUES = 256
_MIN_CLOCK_ROWS = 50
_MIN_UNIQUE_ROWS = 100
_LEAST_COVERAGE = 0.5
_MOST_OUT_OF_VOCABULARY = 0.5


@dataclass(frozen=True)
class LayoutChoice:
    """What was found out about a column."""

    layout: ColumnLayout | None
    """None: the column is not watched."""
    ignored: str = ""
    """Why it is not watched."""
    warnings: tuple[str, ...] = ()
    """What is doubtful about it, with its name and a remedy."""


def choose_layout(
    column: str, scan: ColumnScan, sample: NDArray[np.float64], *, declared: str | None = None
) -> LayoutChoice:
    """Choose type and cells of a column.

    The type is the declared one, else that of most values: numbers stay numeric however few there are, text is categorical. Values of
    another type are type errors, in the reference as in live data. A column without any value counts as numeric, in a single cell: its
    missing share is watched, and nothing else.

    Parameters
    ----------
    column
        Its name, for messages.
    scan
        The first pass over all of its values.
    sample
        Numbers of the column (finite, any order): all of them, or a uniform sample.
    declared
        `numeric`, `categorical` or `boolean` where the monitor says so (`columns.types`).

    Raises
    ------
    DataError
        No value is of the declared type.
    """
    sketch = scan.sketch
    n_valid = sketch.n_numbers + sketch.n_strings + sketch.n_booleans
    lists = ""
    if scan.n_lists:
        lists = f"; it holds lists in {scan.n_lists} rows: declare it, if they are vectors (`columns.types: {{{column}: vector}}`)"
    if not n_valid:
        warning = f"column {column!r} has no value in any of {sketch.n} rows; only its missing share is watched{lists}"
        no_values: dict[str, ColumnLayout] = {"categorical": CategoricalLayout(()), "boolean": BooleanLayout()}
        return LayoutChoice(no_values.get(declared or "", empty_layout()), warnings=(warning,))
    dtype = _json_type(column, sketch, declared)
    warnings = []
    n_right = {"number": sketch.n_numbers, "string": sketch.n_strings, "boolean": sketch.n_booleans}[dtype]
    if n_right + sketch.n_missing < sketch.n:
        warnings.append(
            f"column {column!r} has mixed types: {_types(sketch)}; it counts as {dtype}, all else are type errors; mend the data, or "
            f"exclude the column{lists}"
        )
    match dtype:
        case "boolean":
            if sketch.categories.counts.get("true", 0) in (0, n_right):
                warnings.append(f"column {column!r} is constant in the reference; any other value will be drift")
            return LayoutChoice(BooleanLayout(), warnings=tuple(warnings))
        case "number" if declared != "categorical":
            layout = _numeric_layout(scan, sample)
            if sketch.numbers.error == 0 and len(sketch.numbers.counts) == 1:
                warnings.append(
                    f"column {column!r} is constant in the reference ({next(iter(sketch.numbers.counts))}); any other value will be drift"
                )
            elif scan.increasing and sketch.n >= _MIN_CLOCK_ROWS:
                warnings.append(
                    f"column {column!r} grows with every row, like a clock or a row number: every window will differ from the reference; "
                    "exclude it (`columns.exclude`)"
                )
            return LayoutChoice(layout, warnings=tuple(warnings))
        case _:
            choice = _categorical(column, scan, n_right, dtype, forced=declared == "categorical")
            return LayoutChoice(choice.layout, choice.ignored, (*warnings, *choice.warnings))


def derived_layout(scan: ColumnScan, sample: NDArray[np.float64]) -> NumericLayout:
    """Choose the cells of a column that is derived from a text or a vector; the parameters are those of `choose_layout`.

    A derived column may well be constant, or without values: that is no fault of the data, and nothing to warn of.
    """
    return _numeric_layout(scan, sample) if scan.sketch.n_numbers else empty_layout()


def derivation_warnings(derivation: Derivation, scans: Mapping[str, ColumnScan]) -> list[str]:
    """Say what is doubtful about a column of texts or vectors, given the scans of the columns derived from it.

    Raises
    ------
    DataError
        No value is what the column is declared to hold.
    """
    source, whole = derivation.source, scans[derivation.columns[0]].sketch
    is_text = isinstance(derivation, TextDerivation)
    what = "a text" if isinstance(derivation, TextDerivation) else f"a list of {derivation.dimension} finite numbers"
    if whole.n_other and not whole.n_numbers:
        msg = f"column {source!r}: `columns.types` says {derivation.kind}, but none of its {whole.n_other} values is {what}; write the type it has"
        raise DataError(msg)
    warnings = []
    if whole.n_other:
        warnings.append(
            f"column {source!r} ({derivation.kind}): {whole.n_other} of {whole.n_other + whole.n_numbers} values are not {what}; they count as "
            "type errors; mend the data"
        )
    if is_text and scans[derivation.columns[-1]].sketch.mean > _MOST_OUT_OF_VOCABULARY:
        warnings.append(
            f"column {source!r} (text): most words stand in fewer than {LEAST_ROWS_OF_A_WORD} rows, so the vocabulary knows few of them, and "
            f"{derivation.columns[-1]!r} says little; build the reference from more rows"
        )
    return warnings


def _json_type(column: str, sketch: ColumnSketch, declared: str | None) -> JsonType:
    found: dict[JsonType, int] = {
        "number": sketch.n_numbers,
        "string": sketch.n_strings,
        "boolean": sketch.n_booleans,
    }
    wanted: JsonType | None = {"numeric": "number", "boolean": "boolean"}.get(declared or "")  # type: ignore[assignment]
    if wanted is None:
        return max(found, key=lambda dtype: found[dtype])  # the first of equals
    if not found[wanted]:
        msg = (
            f"column {column!r}: `columns.types` says {declared}, but the data holds {_types(sketch)}; "
            f"write the type it has, or give the column {wanted}s"
        )
        raise DataError(msg)
    return wanted


def _types(sketch: ColumnSketch) -> str:
    parts = (
        (sketch.n_numbers, "numbers"),
        (sketch.n_strings, "strings"),
        (sketch.n_booleans, "booleans"),
        (sketch.n_other, "infinite or other values"),
    )
    return ", ".join(f"{n} {what}" for n, what in parts if n)


def _numeric_layout(scan: ColumnScan, sample: NDArray[np.float64]) -> NumericLayout:
    few = scan.few_numbers(_MAX_FEW_VALUES)
    counts = few if few is not None else ValueCounts.of(sample)
    if not counts.values.size:  # a column of few numbers, none of them in the sample
        return empty_layout()
    center, scale = location_and_scale(scan.sketch.mean, scan.sketch.variance(), counts)
    if few is not None and has_few_values(few):
        return atom_layout(few, center=center, scale=scale)
    return quantile_layout(counts, center=center, scale=scale)


def _categorical(column: str, scan: ColumnScan, n: int, dtype: JsonType, *, forced: bool) -> LayoutChoice:
    seen = scan.categories
    ranked = seen.most_common()
    known = ranked[:MAX_CATEGORIES]
    layout = CategoricalLayout(tuple(name for name, _ in known), dtype)
    covered = sum(count for _, count in known) / n
    unique = n >= _MIN_UNIQUE_ROWS and len(ranked) > n / 2
    if (unique or covered < _LEAST_COVERAGE) and not forced:
        distinct = f"more than {seen.capacity}" if seen.error else str(len(ranked))
        reason = f"nearly unique: {distinct} distinct values in {n}"
        is_list = bool(ranked) and ranked[0][0].startswith("[")  # a vector in a CSV file
        told, kind = ("if it holds vectors", "vector") if is_list else ("if people wrote it", "text")
        warning = (
            f"column {column!r} is {reason}, like an id; it is not watched; exclude it (`columns.exclude`), declare it {told} "
            f"(`columns.types: {{{column}: {kind}}}`), or group its values first and declare it categorical"
        )
        return LayoutChoice(None, ignored=reason, warnings=(warning,))
    warnings = []
    if len(ranked) == 1 and not seen.error:
        warnings.append(
            f"column {column!r} is constant in the reference ({ranked[0][0]!r}); any other value will be drift"
        )
    if covered < 1 and len(ranked) > MAX_CATEGORIES:
        warnings.append(
            f"column {column!r} has more than {MAX_CATEGORIES} categories; the most frequent {MAX_CATEGORIES} hold {covered:.1%} of the values, the "
            "others count as unseen"
        )
    return LayoutChoice(layout, warnings=tuple(warnings))
