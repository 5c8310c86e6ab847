from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.reference import DataHash, RowBatch

json_values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(0, 3), max_size=2)
)
rows = st.lists(st.tuples(json_values, st.floats()), min_size=1, max_size=20)


def hash_of(*batches: RowBatch) -> str:
    data_hash = DataHash()
    for batch in batches:
        data_hash.update(batch)
    return data_hash.hexdigest()


def batch_of(table: list[tuple]) -> RowBatch:
    return RowBatch({"a": [r[0] for r in table], "b": np.array([r[1] for r in table])}, len(table))


@given(rows, st.integers(0, 20))
def test_it_does_not_depend_on_the_batches(table, cut):
    assert hash_of(batch_of(table[:cut]), batch_of(table[cut:])) == hash_of(batch_of(table))


@given(rows)
def test_it_does_not_depend_on_how_numbers_are_held(table):
    numbers = np.array([r[1] for r in table])
    as_json = [None if np.isnan(v) else float(v) for v in numbers]

    assert hash_of(RowBatch({"b": as_json}, len(table))) == hash_of(RowBatch({"b": numbers}, len(table)))


def test_it_is_what_the_documentation_says():
    batch = RowBatch({"b": ["ä", True, None], "a": np.array([1.5, -0.0, np.nan])}, 3, times_ms=np.array([5, 6, 7]))

    def number(x: float) -> bytes:
        return b"n" + struct.pack("<d", x)

    def blake(data: bytes) -> bytes:
        return hashlib.blake2b(data, digest_size=16).digest()

    missing = number(np.nan)
    a = number(1.5) + number(0.0) + missing
    b = b"s" + struct.pack("<I", 2) + "ä".encode() + b"t" + missing
    columns = b"".join(struct.pack("<I", 1) + name + blake(values) for name, values in ((b"a", a), (b"b", b)))
    times = b"\x00times" + blake(struct.pack("<3q", 5, 6, 7))
    assert hash_of(batch) == blake(columns + times).hex()


@pytest.mark.parametrize(
    "other",
    [
        RowBatch({"a": [1, 2]}, 2),
        RowBatch({"a": [2, 1, 3]}, 3),
        RowBatch({"a": [1, 2, "3"]}, 3),
        RowBatch({"a": [1, 2, None]}, 3),
        RowBatch({"b": [1, 2, 3]}, 3),
        RowBatch({"a": [1, 2, 3], "b": [None] * 3}, 3),
        RowBatch({"a": [1, 2, 3]}, 3, times_ms=np.arange(3)),
        RowBatch({"a": [1, 2, True]}, 3),
    ],
    ids=["fewer rows", "order", "type", "missing", "name", "another column", "times", "boolean"],
)
def test_other_rows_have_another_hash(other):
    assert hash_of(other) != hash_of(RowBatch({"a": [1, 2, 3]}, 3))


def test_a_column_that_comes_late_was_missing_before():
    early = RowBatch({"a": [1, 2], "b": [None, 5]}, 2)

    assert hash_of(RowBatch({"a": [1]}, 1), RowBatch({"a": [2], "b": [5]}, 1)) == hash_of(early)
    assert hash_of(RowBatch({"a": [1], "b": [5]}, 1), RowBatch({"a": [2]}, 1)) == hash_of(
        RowBatch({"a": [1, 2], "b": [5, None]}, 2)
    )
