"""Each kind of bad input: the event is rejected with its reason, or counted in its column's errors, and nothing else is lost."""

from __future__ import annotations

import json
import math
from typing import Any
from unittest import mock

import numpy as np
import pytest

from stream_gov.contracts import PaneRecord, RejectReason, WatermarkRecord
from stream_gov.decoding import CountingPlan, Intake, Rejection, event_decoder, message_bytes, model_decoder
from stream_gov.summaries import (
    MAX_NEW_COLUMNS,
    BooleanLayout,
    BooleanSummary,
    CategoricalLayout,
    CategoricalSummary,
    NumericLayout,
    NumericSummary,
    PaneLayout,
    PaneSummary,
)

NOW = 1_700_000_000_000
MINUTE = 60_000
LAYOUT = PaneLayout(
    "credit@3",
    {
        "income": NumericLayout(np.array([0.0, 10.0]), np.array([0, 1, 2]), 5.0, 2.0),
        "region": CategoricalLayout(("NSW", "VIC")),
        "owner": BooleanLayout(),
        "prediction": NumericLayout(np.array([0.5]), np.array([0, 1]), 0.5, 0.1),
    },
)
PLAN = CountingPlan("credit", (LAYOUT,), MINUTE)
FEATURES = {"income": 4.5, "region": "NSW", "owner": True}


def event(**changes: Any) -> dict[str, Any]:
    base = {
        "event_id": "e1",
        "model": "credit",
        "version": "1",
        "timestamp": NOW,
        "features": FEATURES,
        "prediction": 0.25,
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


def as_bytes(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()


GOOD = as_bytes()


def count(values: list[bytes | None], *, now_ms: int | None = NOW) -> tuple[list[Rejection], list[PaneRecord]]:
    intake = Intake({"credit": PLAN}.get, out_of_orderness_ms=0, max_future_skew_ms=MINUTE)
    rejections = intake.add("t", 0, range(100, 100 + len(values)), values, [NOW] * len(values), now_ms=now_ms)
    *panes, watermark = intake.cut("t", 0, n_partitions=1, from_offset=100, to_offset=100 + len(values))
    assert isinstance(watermark, WatermarkRecord)
    return rejections, panes


def summary_of(panes: list[PaneRecord]) -> PaneSummary:
    (only,) = [record for record in panes if record.n_events]
    return PaneSummary.from_bytes(only.summary, LAYOUT)


REJECTED = {
    "an empty message": (b"", RejectReason.MALFORMED_JSON, "$: the message is empty"),
    "a tombstone": (None, RejectReason.MALFORMED_JSON, "$: the message is empty"),
    "white space": (b" \n ", RejectReason.MALFORMED_JSON, "$: Expecting value"),
    "no JSON": (b"hello", RejectReason.MALFORMED_JSON, "$: Expecting value"),
    "JSON cut short": (GOOD[:-5], RejectReason.MALFORMED_JSON, "$: "),
    "something behind the JSON": (GOOD + b"x", RejectReason.MALFORMED_JSON, "$: Extra data"),
    "two documents": (GOOD + GOOD, RejectReason.MALFORMED_JSON, "$: Extra data"),
    "two documents on two lines": (GOOD + b"\n" + GOOD, RejectReason.MALFORMED_JSON, "$: Extra data"),
    "a trailing comma": (GOOD[:-1] + b",}", RejectReason.MALFORMED_JSON, "$: "),
    "a control character in a text": (GOOD.replace(b"NSW", b"N\x01W"), RejectReason.MALFORMED_JSON, "$: Invalid control"),
    "UTF-16": (GOOD.decode().encode("utf-16"), RejectReason.INVALID_UTF8, "$: byte 0"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, RejectReason.MALFORMED_JSON, "$: "),
    "an array": (b"[" + GOOD + b"]", RejectReason.WRONG_TYPE, "$: expected an object, got an array"),
    "a number": (b"7", RejectReason.WRONG_TYPE, "$: expected an object, got a number"),
    "null": (b"null", RejectReason.WRONG_TYPE, "$: expected an object, got null"),
    "invalid UTF-8": (GOOD.replace(b"NSW", b"N\xffW"), RejectReason.INVALID_UTF8, "$: byte "),
    "invalid UTF-8 in an ignored field": (
        GOOD[:-1] + b',"metadata":{"note":"\xc3("}}', RejectReason.INVALID_UTF8, "$: byte ",
    ),
    "invalid UTF-8 in a field nobody knows": (GOOD[:-1] + b',"x":"\xed\xa0\x80"}', RejectReason.INVALID_UTF8, "$: byte "),
    "half a surrogate pair": (GOOD.replace(b"NSW", b"\\ud800"), RejectReason.INVALID_UTF8, "$: '\\ud800'"),
    "nesting 10,000 deep": (b"[" * 10_000 + b"]" * 10_000, RejectReason.TOO_DEEP, "$: nested more than 100 deep"),
    "nesting 10,000 deep in a feature": (
        GOOD.replace(b'"NSW"', b"[" * 10_000 + b"]" * 10_000), RejectReason.TOO_DEEP, "$: nested more than 100 deep",
    ),
    "nesting 10,000 deep in metadata": (
        GOOD[:-1] + b',"metadata":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001, RejectReason.TOO_DEEP, "$: nested",
    ),
    "nesting 101 deep in metadata": (
        GOOD[:-1] + b',"metadata":' + b"[" * 100 + b"]" * 100 + b"}", RejectReason.TOO_DEEP, "$: nested",
    ),
    "more than a megabyte": (
        as_bytes(metadata="x" * 1_000_000), RejectReason.TOO_LARGE, "$: 1000",
    ),
    "no model": (as_bytes(model=...), RejectReason.MISSING_FIELD, "$.model: missing"),
    "a model that is a number": (as_bytes(model=5), RejectReason.WRONG_TYPE, "$.model: expected a text, got a number"),
    "a model nobody watches": (as_bytes(model="fraud"), RejectReason.UNKNOWN_MODEL, "$.model: no monitor watches 'fraud'"),
    "no event id": (as_bytes(event_id=...), RejectReason.MISSING_FIELD, "$.event_id: missing"),
    "an event id that is a number": (as_bytes(event_id=1), RejectReason.WRONG_TYPE, "$.event_id: expected a text"),
    "no version": (as_bytes(version=...), RejectReason.MISSING_FIELD, "$.version: missing"),
    "a version that is null": (as_bytes(version=None), RejectReason.WRONG_TYPE, "$.version: expected a text, got null"),
    "no features": (as_bytes(features=...), RejectReason.MISSING_FIELD, "$.features: missing"),
    "features that are an array": (
        as_bytes(features=[1, 2]), RejectReason.WRONG_TYPE, "$.features: expected an object of names and values, got an array",
    ),
    "no timestamp": (as_bytes(timestamp=...), RejectReason.MISSING_FIELD, "$.timestamp: missing"),
    "a timestamp that is null": (as_bytes(timestamp=None), RejectReason.WRONG_TYPE, "$.timestamp: expected"),
    "a timestamp that is true": (as_bytes(timestamp=True), RejectReason.WRONG_TYPE, "$.timestamp: expected"),
    "a timestamp that is NaN": (as_bytes(timestamp=math.nan), RejectReason.BAD_TIMESTAMP, "$.timestamp: no finite"),
    "a timestamp of 1e999": (
        GOOD.replace(str(NOW).encode(), b"1e999"), RejectReason.BAD_TIMESTAMP, "$.timestamp: no finite",
    ),
    "a timestamp of 400 digits": (
        GOOD.replace(str(NOW).encode(), b"9" * 400), RejectReason.BAD_TIMESTAMP, "$.timestamp: no finite",
    ),
    "a timestamp that is no time": (as_bytes(timestamp="noon"), RejectReason.BAD_TIMESTAMP, "$.timestamp: 'noon'"),
    "a timestamp without an offset": (
        as_bytes(timestamp="2023-11-14T22:13:20"), RejectReason.BAD_TIMESTAMP, "$.timestamp: '2023-11-14T22:13:20' has no offset",
    ),
    "a number as a text for a timestamp": (as_bytes(timestamp=str(NOW)), RejectReason.BAD_TIMESTAMP, "$.timestamp: '17"),
    "a timestamp in seconds": (as_bytes(timestamp=NOW // 1_000), RejectReason.TIMESTAMP_IN_SECONDS, "$.timestamp: 1700000000"),
    "a timestamp in seconds with a fraction": (
        as_bytes(timestamp=NOW / 1_000 + 0.5), RejectReason.TIMESTAMP_IN_SECONDS, "$.timestamp: 1700000000.5",
    ),
    "a timestamp of zero": (as_bytes(timestamp=0), RejectReason.TIMESTAMP_IN_SECONDS, "$.timestamp: 0 milliseconds is 1970"),
    "a time in 1970": (
        as_bytes(timestamp="1970-01-01T00:00:00Z"), RejectReason.TIMESTAMP_TOO_OLD, "$.timestamp: '1970-01-01T00:00:00Z' is",
    ),
    "a time in 1979, as a number": (as_bytes(timestamp=300_000_000_000), RejectReason.TIMESTAMP_TOO_OLD, "$.timestamp: 3000"),
    "a time in the far future": (
        as_bytes(timestamp=NOW + 86_400_000), RejectReason.TIMESTAMP_IN_FUTURE, "$.timestamp: 1700086400000 is 2023-11-15",
    ),
    "a time in the far future, as a text": (
        as_bytes(timestamp="2199-01-01T00:00:00Z"), RejectReason.TIMESTAMP_IN_FUTURE, "$.timestamp: '2199",
    ),
    "a timestamp in microseconds": (as_bytes(timestamp=NOW * 1_000), RejectReason.TIMESTAMP_IN_FUTURE, "$.timestamp: "),
}  # fmt: skip


@pytest.mark.parametrize("name", REJECTED)
def test_a_bad_message_is_rejected_with_its_reason_and_the_others_are_counted(name):
    value, reason, detail = REJECTED[name]
    values = [GOOD, as_bytes(event_id="e2"), value, as_bytes(event_id="e3"), GOOD]
    rejections, panes = count(values)
    assert [(r.offset, r.reason) for r in rejections] == [(102, reason)]
    assert rejections[0].detail.startswith(detail)
    assert len(rejections[0].detail) < 400
    assert rejections[0].detail.encode()
    assert sum(pane.n_events for pane in panes) == 4
    unreadable = (
        RejectReason.MALFORMED_JSON,
        RejectReason.INVALID_UTF8,
        RejectReason.TOO_DEEP,
        RejectReason.TOO_LARGE,
    )
    knows_the_model = reason not in unreadable and detail.startswith("$.") and "$.model" not in detail
    assert sum(pane.n_rejected for pane in panes) == knows_the_model


@pytest.mark.parametrize("name", REJECTED)
def test_a_batch_of_nothing_but_one_bad_message_is_survived(name):
    value, reason, _ = REJECTED[name]
    rejections, panes = count([value])
    assert [r.reason for r in rejections] == [reason]
    assert sum(pane.n_events for pane in panes) == 0


def test_all_bad_messages_at_once_leave_the_good_ones_whole():
    values: list[bytes | None] = []
    for value, _, _ in REJECTED.values():
        values += [value, GOOD]
    rejections, panes = count(values)
    assert [r.offset - 100 for r in rejections] == list(range(0, len(values), 2))
    assert [r.reason for r in rejections] == [reason for _, reason, _ in REJECTED.values()]
    assert sum(pane.n_events for pane in panes) == len(REJECTED)


def test_a_rejected_event_of_a_known_model_is_counted_in_its_pane_and_version():
    other = as_bytes(version="2", timestamp=NOW - 5 * MINUTE, features=None)
    without_time = as_bytes(version=..., timestamp="soon")
    rejections, panes = count([other, without_time])
    assert [(r.model, r.timestamp_ms) for r in rejections] == [("credit", NOW - 5 * MINUTE), ("credit", NOW)]
    assert [(p.version, p.pane_start_ms, p.n_events, p.n_rejected, p.summary, p.profile) for p in panes] == [
        ("", NOW - NOW % MINUTE, 0, 1, b"", "credit@3"),
        ("2", NOW - NOW % MINUTE - 5 * MINUTE, 0, 1, b"", "credit@3"),
    ]


def test_an_event_whose_two_clocks_are_wrong_is_counted_now():
    intake = Intake({"credit": PLAN}.get, out_of_orderness_ms=0, max_future_skew_ms=MINUTE)
    far = NOW + 10**11
    (rejection,) = intake.add("t", 0, [0], [as_bytes(timestamp=far)], [far], now_ms=NOW)
    assert rejection.timestamp_ms == NOW
    pane, watermark = intake.cut("t", 0, n_partitions=1, from_offset=0, to_offset=1)
    assert pane.pane_start_ms == NOW - NOW % MINUTE
    assert watermark.watermark_ms < 0


@pytest.mark.parametrize("now_ms", [NOW, None])
def test_an_event_from_the_future_never_moves_the_watermark(now_ms):
    intake = Intake({"credit": PLAN}.get, out_of_orderness_ms=7, max_future_skew_ms=MINUTE)
    microseconds = as_bytes(timestamp=NOW * 1_000)
    intake.add("t", 0, [0, 1], [GOOD, microseconds], [NOW, NOW], now_ms=now_ms)
    assert intake.cut("t", 0, n_partitions=1, from_offset=0, to_offset=2)[-1].watermark_ms == NOW - 7


# What is wrong with one column's value is that column's error, and the event counts.

COLUMN_ERRORS: dict[str, tuple[str, str, int, int]] = {
    # name of the case: column, raw JSON, missing, wrong
    "null": ("income", "null", 1, 0),
    "NaN": ("income", "NaN", 1, 0),
    "infinity": ("income", "Infinity", 0, 1),
    "negative infinity": ("income", "-Infinity", 0, 1),
    "1e999": ("income", "1e999", 0, 1),
    "an integer of 400 digits": ("income", "9" * 400, 0, 1),
    "an integer of 5,000 digits": ("income", "9" * 5_000, 0, 1),
    "a number as a text": ("income", '"4.5"', 0, 1),
    "a boolean for a number": ("income", "true", 0, 1),
    "an array for a number": ("income", "[4.5]", 0, 1),
    "an object for a number": ("income", '{"value": 4.5}', 0, 1),
    "a number for a text": ("region", "3", 0, 1),
    "NaN for a text": ("region", "NaN", 1, 0),
    "a boolean for a text": ("region", "false", 0, 1),
    "an array for a text": ("region", '["NSW"]', 0, 1),
    "a number for a boolean": ("owner", "1", 0, 1),
    "a text for a boolean": ("owner", '"true"', 0, 1),
    "a text for the prediction": ("prediction", '"good"', 0, 1),
    "an array for the prediction": ("prediction", "[0.1, 0.9]", 0, 1),
}


@pytest.mark.parametrize("n_good", [0, 3, 2_000])
@pytest.mark.parametrize("name", COLUMN_ERRORS)
def test_a_value_of_a_wrong_type_is_an_error_of_its_column_alone(name, n_good):
    column, raw, missing, wrong = COLUMN_ERRORS[name]
    changed = event(prediction="@") if column == "prediction" else event(features={**FEATURES, column: "@"})
    bad = json.dumps(changed).encode().replace(b'"@"', raw.encode())
    rejections, panes = count([*[GOOD] * n_good, bad])
    assert rejections == []
    summary = summary_of(panes)
    assert summary.n_events == n_good + 1
    for name_of_column, of_column in summary.columns.items():
        expected = (missing, wrong) if name_of_column == column else (0, 0)
        assert (of_column.n_missing, of_column.n_type_errors) == expected
        assert of_column.n == n_good + 1


def test_a_feature_that_is_left_out_is_missing():
    _, panes = count([as_bytes(features={"income": 1})])
    summary = summary_of(panes)
    assert {name: c.n_missing for name, c in summary.columns.items()} == {
        "income": 0, "region": 1, "owner": 1, "prediction": 0,
    }  # fmt: skip


def test_a_feature_that_changes_its_type_for_good_goes_on_being_counted():
    before, after = [GOOD] * 1_500, [as_bytes(features={**FEATURES, "income": "4.5"})] * 1_500
    rejections, panes = count(before + after)
    assert rejections == []
    income = summary_of(panes).columns["income"]
    assert isinstance(income, NumericSummary)
    assert (income.n_valid, income.n_type_errors) == (1_500, 1_500)


def test_huge_and_exact_integers_count_as_the_nearest_float():
    values = [as_bytes(features={**FEATURES, "income": v}) for v in (2**53 + 1, -(10**30), 10**300)]
    _, panes = count(values)
    income = summary_of(panes).columns["income"]
    assert isinstance(income, NumericSummary)
    assert (income.minimum, income.maximum, income.n_valid) == (-1e30, 1e300, 3)


def test_of_a_name_that_stands_twice_the_last_counts():
    twice = GOOD.replace(b'"income": 4.5', b'"income": "x", "income": 11, "region": 5').replace(
        b'"version": "1"', b'"version": 7, "version": "2"'
    )
    rejections, panes = count([twice])
    assert rejections == []
    summary = summary_of(panes)
    income, region = summary.columns["income"], summary.columns["region"]
    assert isinstance(income, NumericSummary)
    assert isinstance(region, CategoricalSummary)
    assert income.counts.tolist() == [0, 0, 1]
    assert region.counts.tolist() == [1, 0]
    assert panes[0].version == "2"


def test_a_message_of_900_kilobytes_is_counted():
    rejections, panes = count([GOOD, as_bytes(metadata={"blob": "x" * 900_000}), GOOD])
    assert rejections == []
    assert summary_of(panes).n_events == 3


def test_a_category_of_900_kilobytes_is_kept_short():
    rejections, panes = count([as_bytes(features={**FEATURES, "region": "x" * 900_000})])
    assert rejections == []
    region = summary_of(panes).columns["region"]
    assert isinstance(region, CategoricalSummary)
    (name,) = region.unseen.counts
    assert len(name) <= 120


def test_white_space_and_newlines_within_a_message_shift_nothing():
    pretty = json.dumps(event(version="2"), indent=1).encode().replace(b"\n", b"\r\n")
    rejections, panes = count([GOOD, pretty + b"\n", b"\t" + GOOD, pretty])
    assert rejections == []
    assert {pane.version: pane.n_events for pane in panes} == {"1": 2, "2": 2}


def test_two_documents_in_one_message_do_not_stand_in_for_an_empty_one():
    one, two = as_bytes(version="1"), as_bytes(version="2")
    rejections, panes = count([one + b"\n" + two, b"", one])
    assert [r.offset for r in rejections] == [100, 101]
    assert [(p.version, p.n_events) for p in panes] == [("1", 1)]


def test_a_document_split_over_two_messages_is_two_bad_messages():
    middle = GOOD.index(b", ")
    rejections, panes = count([GOOD[:middle], GOOD[middle:], GOOD + GOOD])
    assert [r.reason for r in rejections] == [RejectReason.MALFORMED_JSON] * 3
    assert panes == []


def test_bad_metadata_is_found_where_all_events_have_metadata():
    good = [as_bytes(event_id=f"e{i}", metadata={"host": "a", "tags": [1, [2]]}) for i in range(600)]
    deep = GOOD[:-1] + b',"metadata":' + b"[" * 150 + b"]" * 150 + b"}"
    crooked = GOOD[:-1] + b',"metadata":"\xff"}'
    brackets = as_bytes(metadata={"text": "[{" * 200})
    twice = [message[:-1] + b',"metadata":1}' for message in (deep, crooked)]
    values = [*good, deep, *good, crooked, *good, brackets, *good, *twice]
    rejections, panes = count(values)
    assert [(r.offset, r.reason) for r in rejections] == [
        (700, RejectReason.TOO_DEEP),
        (1_301, RejectReason.INVALID_UTF8),
        (2_503, RejectReason.TOO_DEEP),
        (2_504, RejectReason.INVALID_UTF8),
    ]
    assert summary_of(panes).n_events == 2_401


def test_ten_thousand_new_features_are_counted_in_a_bounded_sample():
    values = [
        as_bytes(event_id=f"e{i}", features={**FEATURES, **{f"f{i}-{j}": j for j in range(100)}}) for i in range(400)
    ]
    rejections, panes = count(values)
    assert rejections == []
    summary = summary_of(panes)
    assert summary.n_events == 400
    assert len(summary.new_columns) == MAX_NEW_COLUMNS
    sampled = sum(summary.new_columns.values()) + summary.n_new_other
    assert sampled % 100 == 0
    assert 0 < sampled // 100 < 60  # 25 expected of 400
    assert len(panes[0].summary) < 5_000


def test_one_event_with_ten_thousand_new_features_is_counted():
    rejections, panes = count(
        [as_bytes(event_id=f"e{i}", features={f"f{j}": j for j in range(10_000)}) for i in range(40)]
    )
    assert rejections == []
    summary = summary_of(panes)
    assert summary.n_events == 40
    income = summary.columns["income"]
    assert income.n_missing == 40


def test_ten_thousand_columns_without_a_reference_are_bounded():
    intake = Intake({"credit": CountingPlan("credit", (), MINUTE)}.get, out_of_orderness_ms=0, max_future_skew_ms=0)
    values = [as_bytes(features={f"f{i % 7:02}{j:04}": j for j in range(2_000)}) for i in range(10)]
    assert intake.add("t", 0, range(10), values, [NOW] * 10, now_ms=NOW) == []
    record, _ = intake.cut("t", 0, n_partitions=1, from_offset=0, to_offset=10)
    sketches = PaneSummary.from_bytes(record.summary, PaneLayout("", {})).sketches
    assert len(sketches) == 500
    assert min(sketches) == "f000000"


def test_a_reserved_feature_name_fills_a_prediction_that_is_not_there():
    values = [
        as_bytes(prediction=..., features={**FEATURES, "prediction": 0.9}),
        as_bytes(prediction=0.1, features={**FEATURES, "prediction": 0.9}),
        as_bytes(prediction=None),
    ]
    _, panes = count(values)
    prediction = summary_of(panes).columns["prediction"]
    assert isinstance(prediction, NumericSummary)
    assert (prediction.counts.tolist(), prediction.n_missing) == ([1, 1], 1)


def test_booleans_are_no_numbers_even_where_both_are_equal():
    values = [as_bytes(features={**FEATURES, "owner": v}) for v in (True, 1, 1.0, False, 0)]
    _, panes = count(values)
    owner = summary_of(panes).columns["owner"]
    assert isinstance(owner, BooleanSummary)
    assert (owner.n_true, owner.n_false, owner.n_type_errors) == (1, 1, 3)


@pytest.mark.parametrize(
    "name", ["JSON cut short", "a timestamp in seconds", "nesting 10,000 deep", "half a surrogate pair"]
)
def test_a_flood_of_bad_messages_costs_a_fixed_multiple(name):
    value, _, _ = REJECTED[name]
    values = [value] * 3_000
    decoded = 0

    def counting(decode: Any, messages: Any) -> Any:
        nonlocal decoded
        decoded += len(messages)
        return message_bytes.decode_all(decode, messages)

    with (
        mock.patch.object(event_decoder, "decode_all", counting),
        mock.patch.object(model_decoder, "decode_all", counting),
        mock.patch.object(event_decoder, "read_message", wraps=event_decoder.read_message) as careful,
    ):
        rejections, _ = count(values)
    assert len(rejections) == 3_000
    assert decoded <= 4 * 3_000
    assert careful.call_count <= 3_000
