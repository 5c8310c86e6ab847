"""Values of one column, made clean: numbers as floats, categories as lists, what has a wrong type set apart."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries import JsonType, category_name

__all__ = ["TYPE_ERROR", "clean_categories", "clean_numbers", "plain_value", "segment_value"]

TYPE_ERROR = object()
"""Stands in a list of categories for a value of a wrong JSON type."""

_NUMBERS = frozenset({int, float, type(None)})
_TEXTS = frozenset({str, type(None)})
_MISSING = "(missing)"
_OTHER = "(other)"
_EXACT = 2**53


@lru_cache(maxsize=64)
def _packer(n: int) -> struct.Struct:
    return struct.Struct(f"{n}d")


def clean_numbers(values: Sequence[Any], doubtful: Sequence[int]) -> tuple[NDArray[np.float64], list[int]]:
    """Floats of a numeric column, NaN where a value is missing, and the positions of values of a wrong type (NaN as well).

    Parameters
    ----------
    values
        JSON values of one column.
    doubtful
        Positions of values that may be anything; the others are floats or None.
    """
    wrong: list[int] = []
    if doubtful and not _types_at(values, doubtful) <= _NUMBERS:
        values = list(values)
        for i in doubtful:
            values[i] = number = _number(values[i])
            if number is TYPE_ERROR:
                values[i] = math.nan
                wrong.append(i)
    try:
        numbers = np.frombuffer(_packer(len(values)).pack(*values), np.float64)
    except (struct.error, OverflowError):  # there is a None, or an integer beyond 1e308
        try:
            numbers = np.fromiter(values, np.float64, len(values))
        except OverflowError:
            return clean_numbers([_as_float(value) for value in values], doubtful)
    if doubtful:
        infinite = np.flatnonzero(np.isinf(numbers))
        if infinite.size:
            numbers = numbers.copy()
            numbers[infinite] = math.nan
            wrong.extend(infinite.tolist())
    return numbers, wrong


def _types_at(values: Sequence[Any], positions: Sequence[int]) -> set[type]:
    if len(positions) == len(values):
        return set(map(type, values))
    return {type(values[i]) for i in positions}


def _as_float(value: float | None) -> float | None:
    try:
        return None if value is None else float(value)
    except OverflowError:
        return math.inf


def _number(value: Any) -> Any:
    """Float of a JSON number, NaN for a missing value, else `TYPE_ERROR`."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return TYPE_ERROR
    try:
        number = float(value)
    except OverflowError:
        return TYPE_ERROR
    return TYPE_ERROR if math.isinf(number) else number


def clean_categories(
    values: Sequence[Any], dtype: JsonType, doubtful: Sequence[int], *, is_long: bool
) -> Sequence[Any]:
    """Values of a categorical or boolean column: None where missing, `TYPE_ERROR` where the JSON type is wrong.

    Parameters
    ----------
    values
        JSON values of one column.
    dtype
        The JSON type they should have.
    doubtful
        Positions of values that may be anything; the others have that type, or are None.
    is_long
        Whether there may be texts so long that they should not be kept whole.
    """
    if doubtful and not (dtype == "string" and _types_at(values, doubtful) <= _TEXTS):
        values = list(values)
        for i in doubtful:
            values[i] = _category(values[i], dtype)
    if is_long and dtype == "string":
        values = [category_name(value) if isinstance(value, str) else value for value in values]
    return values


def _category(value: Any, dtype: JsonType) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if dtype == "number":
        number = _number(value)
        return number if number is TYPE_ERROR or abs(number) >= _EXACT else value
    return value if isinstance(value, bool if dtype == "boolean" else str) else TYPE_ERROR


def plain_value(value: Any) -> Any:
    """JSON value with integers from 2**53 on as floats: what they are to every other reader of JSON.

    Examples
    --------
    >>> plain_value(10**400), plain_value(7)
    (inf, 7)
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT:
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return value


def segment_value(value: Any) -> str:
    """Name of a value in the name of a segment.

    Examples
    --------
    >>> segment_value("NSW"), segment_value(2.0), segment_value(True), segment_value(None), segment_value([1])
    ('NSW', '2', 'true', '(missing)', '(other)')
    """
    if isinstance(value, str | bool):
        return category_name(value)
    number = _number(value)
    if number is TYPE_ERROR:
        return _OTHER
    return _MISSING if math.isnan(number) else category_name(number)
