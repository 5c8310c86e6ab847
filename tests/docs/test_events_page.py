"""`docs/events.md` is held to what `Intake` does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from stream_gov.contracts import MAX_EVENT_BYTES, RejectReason
from stream_gov.decoding import MAX_DEPTH, MIN_EVENT_TIME_MS, NEW_COLUMN_SAMPLE, CountingPlan, Intake, format_time
from stream_gov.decoding.timestamps import LEAST_NUMBER_MS
from stream_gov.summaries import (
    MAX_NEW_COLUMNS,
    BooleanLayout,
    CategoricalLayout,
    NumericLayout,
    PaneLayout,
    PaneSummary,
    TextDerivation,
    VectorDerivation,
)

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text(encoding="utf-8")
REASONS, VALUES = (
    [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in re.findall(r"^\| [`].*$", part, re.MULTILINE)]
    for part in PAGE.split("## A value that does not fit")
)
(EXAMPLE,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
VECTOR, WRITTEN = VectorDerivation("vector", 1), TextDerivation("written", np.empty(0, np.uint32))
LAYOUT = PaneLayout(
    "p@1",
    {
        "number": NumericLayout(np.array([0.0]), np.array([0, 1]), 0.0, 1.0),
        "text": CategoricalLayout(()),
        "boolean": BooleanLayout(),
        **dict.fromkeys((*VECTOR.columns, *WRITTEN.columns), NumericLayout(np.empty(0), np.array([0]), 0.0, 1.0)),
    },
    derivations=(VECTOR, WRITTEN),
)
NOW = 1_772_320_500_000


def intake() -> Intake:
    plan = CountingPlan("credit", (LAYOUT,), 60_000)
    return Intake({"credit": plan}.get, out_of_orderness_ms=0, max_future_skew_ms=3_600_000)


def test_the_example_is_counted():
    assert intake().add("t", 0, [0], [EXAMPLE.encode()], [NOW], now_ms=NOW) == []


def test_every_reason_is_listed():
    assert {row[0].strip("`") for row in REASONS} == {reason.value for reason in RejectReason}


@pytest.mark.parametrize(
    ("reason", "fragment"),
    [(row[0].strip("`"), row[1].split("`")[1]) for row in REASONS if row[1].startswith('`"')],
    ids=str,
)
def test_the_examples_are_rejected_for_the_reason_given(reason, fragment):
    message = json.dumps({**json.loads(EXAMPLE), **json.loads(f"{{{fragment}}}")}).encode()
    assert [r.reason for r in intake().add("t", 0, [0], [message], [NOW], now_ms=NOW)] == [reason]


@pytest.mark.parametrize(
    ("raw", "column", "fate"),
    [
        (raw, column, row[place])
        for row in VALUES
        for raw in re.findall("`([^`]+)`", row[0])
        for place, column in ((1, "number"), (2, "text"), (2, "written"), (3, "boolean"), (4, "vector"))
    ],
)
def test_a_value_has_the_fate_given(raw, column, fate):
    event = json.dumps({**json.loads(EXAMPLE), "features": {column: "@"}}).replace('"@"', raw).encode()
    subject = intake()
    assert subject.add("t", 0, [0], [event], [NOW], now_ms=NOW) == []
    record, _ = subject.cut("t", 0, n_partitions=1, from_offset=0, to_offset=1)
    counted = PaneSummary.from_bytes(record.summary, LAYOUT).columns[
        {"vector": "vector.0", "written": "written.length"}.get(column, column)
    ]
    fates = {"missing": counted.n_missing, "type error": counted.n_type_errors, "counted": counted.n_valid}
    assert fates == {name: int(name == fate) for name in fates}


def test_the_bounds_are_those_of_the_code():
    assert f"more than {MAX_EVENT_BYTES:,} bytes" in PAGE
    assert f"more than {MAX_DEPTH} deep" in PAGE
    assert f"below {LEAST_NUMBER_MS:,}" in PAGE
    assert f"before {format_time(MIN_EVENT_TIME_MS)[:4]}" in PAGE
    assert f"1 in {NEW_COLUMN_SAMPLE} events" in PAGE
    assert f"keeps {MAX_NEW_COLUMNS} names" in PAGE
