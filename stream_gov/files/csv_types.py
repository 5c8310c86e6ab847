"""Types of the columns of a CSV file, which has none: found by reading all of it once."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["FALSE_WORDS", "NULL_WORDS", "TRUE_WORDS", "CsvColumnScan", "CsvType", "parse_vector", "parse_word"]

CsvType = Literal["integer", "number", "boolean", "string", "mixed", "missing", "vector"]

NULL_WORDS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "<NA>")
"""Missing in a column of numbers or booleans. In a column of text only the empty field is: `NA` may be a category."""
TRUE_WORDS = ("true", "True", "TRUE")
FALSE_WORDS = ("false", "False", "FALSE")

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity)", re.IGNORECASE | re.ASCII)
# A code such as 0042 is no number: its zeros would be lost.
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
_LEADING_ZERO_ARROW = r"^[+-]?0[0-9]+$"
_UNPADDED = frozenset({"missing", "null_word", "boolean"})
_INTEGER_ARROW = r"^-?[0-9]{1,18}$"


def _classify(text: str) -> str:
    word = text.strip()
    if word in NULL_WORDS:
        return "missing" if not word else "null_word"
    if word in TRUE_WORDS or word in FALSE_WORDS:
        return "boolean"
    if _LEADING_ZERO.fullmatch(word):
        return "string"
    if _INTEGER.fullmatch(word):
        return "integer"
    return "number" if _NUMBER.fullmatch(word) else "string"


def parse_word(text: str) -> Any:
    """Give the JSON value of a field in a column of mixed types: number, boolean, None, or the text itself.

    Examples
    --------
    >>> [parse_word(t) for t in ("7", "0.5", "true", "", "NA", "n.a.", "0042")]
    [7, 0.5, True, None, None, 'n.a.', '0042']
    """
    kind = _classify(text)
    word = text.strip()
    if kind in ("missing", "null_word"):
        return None
    if kind == "boolean":
        return word in TRUE_WORDS
    if kind == "integer":
        return int(word)
    return float(word) if kind == "number" else text


_decode_vector = msgspec.json.Decoder(list[float]).decode


def parse_vector(text: str) -> list[float] | str | None:
    """Give the JSON value of a field in a column of vectors: a list of numbers, None, or the text itself where it is no such list.

    Examples
    --------
    >>> [parse_vector(t) for t in ("[0.5, 1]", "", "[0.5 1]")]
    [[0.5, 1.0], None, '[0.5 1]']
    """
    if text.strip() in NULL_WORDS:
        return None
    try:
        return _decode_vector(text)
    except msgspec.DecodeError:
        return text


@dataclass
class CsvColumnScan:
    """What kinds of fields a column of text has, all rows together."""

    n: Counter[str] = field(default_factory=Counter)
    """Fields by kind: missing, null_word, integer, number, boolean, string."""
    first_text: tuple[int, str] | None = None
    """Row and content of the first field that is neither number, boolean nor missing."""
    is_padded: bool = False
    """Whether a missing value or a boolean stands among spaces, which Arrow's own conversion does not take."""

    def update(self, column: pa.Array, first_row: int) -> None:
        """Add fields (text, without nulls); `first_row` is the row of the first of them."""
        if self._update_numbers(column):
            return
        entries = column.dictionary_encode()
        words = entries.dictionary.to_pylist()
        kinds = [_classify(word) for word in words]
        for entry in pc.value_counts(entries.indices).to_pylist():
            self.n[kinds[entry["values"]]] += entry["counts"]
        self.is_padded |= any(
            kind in _UNPADDED and word != word.strip() for word, kind in zip(words, kinds, strict=True)
        )
        if self.first_text is None and "string" in kinds:
            place = next(i for i, index in enumerate(entries.indices.to_pylist()) if kinds[index] == "string")
            self.first_text = (first_row + place, column[place].as_py())

    def _update_numbers(self, column: pa.Array) -> bool:
        """Add a column that is all numbers, the common case, without looking at each in Python."""
        try:
            numbers = pc.cast(column, pa.float64())
        except pa.ArrowInvalid:
            return False
        if pc.any(pc.is_nan(numbers)).as_py() or pc.any(pc.match_substring_regex(column, _LEADING_ZERO_ARROW)).as_py():
            return False
        n_integers = pc.sum(pc.match_substring_regex(column, _INTEGER_ARROW)).as_py() or 0
        self.n["integer"] += n_integers
        self.n["number"] += len(column) - n_integers
        return True

    @property
    def n_numbers(self) -> int:
        """Fields that are numbers."""
        return self.n["integer"] + self.n["number"]

    def type(self) -> CsvType:
        """Type of the whole column; `mixed` where more than half of the fields are numbers, or booleans, and the others are not."""
        n_numbers, n_booleans, n_text = self.n_numbers, self.n["boolean"], self.n["string"]
        n_valid = n_numbers + n_booleans + n_text
        if not n_valid:
            return "missing"
        if n_numbers == n_valid:
            return "number" if self.n["number"] else "integer"
        if n_booleans == n_valid:
            return "boolean"
        return "mixed" if max(n_numbers, n_booleans) * 2 > n_valid else "string"
