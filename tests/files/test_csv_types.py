from __future__ import annotations

import pyarrow as pa
import pytest

from stream_gov.files.csv_types import CsvColumnScan, parse_word


def scan(*fields: str) -> CsvColumnScan:
    found = CsvColumnScan()
    found.update(pa.array(list(fields)), 0)
    return found


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (["1", "-2", "3 ", ""], "integer"),
        (["1", "-2", "+3", ""], "number"),
        (["1", "2.5", "1e5", ".5", "5.", " 7 ", "NA", "nan"], "number"),
        (["1", "inf", "-Infinity"], "number"),
        (["1" * 25], "number"),
        (["true", "False", "", "NA"], "boolean"),
        (["a", "b", "NA", "1"], "string"),
        (["0042", "0017", "1234"], "string"),
        (["0.5", "0", "00.5"], "number"),
        (["", "NA", "null"], "missing"),
        (["1", "2", "x"], "mixed"),
        (["true", "true", "x"], "mixed"),
        (["true", "1", "1"], "mixed"),
        (["1", "0042", "a"], "string"),
        (["1,5", "2,5"], "string"),
    ],
)
def test_the_type_of_a_column_is_told_by_all_of_its_fields(fields, kind):
    assert scan(*fields).type() == kind
    one_by_one = CsvColumnScan()
    for row, value in enumerate(fields):
        one_by_one.update(pa.array([value]), row)
    assert one_by_one.type() == kind
    assert one_by_one.n.total() == len(fields)


def test_the_first_text_among_numbers_is_remembered():
    found = scan("1", "2")
    found.update(pa.array(["3", "x", "4", "y", "x"]), 2)

    assert found.first_text == (3, "x")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), (" 2.5 ", 2.5), ("TRUE", True), ("", None), ("#N/A", None), ("1e400", float("inf")), (" x ", " x ")],
)
def test_a_field_of_a_mixed_column_has_its_own_type(text, value):
    assert parse_word(text) == value
    assert type(parse_word(text)) is type(value)
