from __future__ import annotations

import numpy as np

from stream_gov.reference.rows import RowBatch
from stream_gov.reference.segments import Segmenter, SegmentScan


def names_of(batch: RowBatch, *definition: str) -> list[str]:
    """The segment of each row."""
    scan = SegmentScan([definition])
    scan.update(batch)
    names = [""] * batch.n_rows
    for name, rows in Segmenter([definition], scan.most_frequent(100)).rows_of(batch).items():
        for row in rows:
            names[row] = name
    return names


def test_a_segment_is_named_by_its_columns_and_values():
    batch = RowBatch({"region": ["NSW", None, "VIC"], "size": np.array([1.0, np.nan, 0.5]), "new": [True, 1, [1]]}, 3)

    assert names_of(batch, "region") == ["region=NSW", "region=(missing)", "region=VIC"]
    assert names_of(batch, "size", "region") == [
        "size=1,region=NSW",
        "size=(missing),region=(missing)",
        "size=0.5,region=VIC",
    ]
    assert names_of(batch, "new") == ["new=true", "new=1", "new=(other)"]
    assert names_of(batch, "absent") == ["absent=(missing)"] * 3
    assert names_of(RowBatch({"x": [float("inf"), 10**400, 2.0**60]}, 3), "x") == [
        "x=(other)",
        "x=(other)",
        "x=1.152921504606847e+18",
    ]


def test_the_most_frequent_of_all_definitions_are_known():
    scan = SegmentScan([("a",), ("b",)])
    scan.update(RowBatch({"a": ["x", "x", "y", "z"], "b": ["p", "p", "p", "q"]}, 4))

    assert scan.most_frequent(2) == {"b=p", "a=x"}
    assert scan.most_frequent(3) == {"b=p", "a=x", "a=y"}


def test_rows_of_unknown_segments_go_together():
    segmenter = Segmenter([("a",), ("a", "b")], frozenset({"a=x", "a=y,b=1"}))
    rows = segmenter.rows_of(RowBatch({"a": ["x", "y", "z", "x"], "b": [1, 1, 1, 2]}, 4))

    assert {name: list(at) for name, at in rows.items()} == {
        "a=x": [0, 3],
        "a=(other)": [1, 2],
        "a=y,b=1": [1],
        "a=(other),b=(other)": [0, 2, 3],
    }
