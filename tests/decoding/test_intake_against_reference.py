"""`Intake` counts what the slow and obvious reference counts, however the messages come in batches."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.contracts import NO_WATERMARK, PaneRecord, SummaryRecord, WatermarkRecord
from stream_gov.decoding import CountingPlan, Intake, Rejection, column_chunk, intake
from stream_gov.summaries import (
    BooleanSummary,
    CategoricalSummary,
    NumericLayout,
    NumericSummary,
    PaneLayout,
    PaneSummary,
)
from tests.decoding.event_strategies import NOW, PLANS, any_message, good_message
from tests.decoding.reference_counting import CategoryTally, NumberTally, Outcome, PaneTally, as_float, count_events

SKEW = 600_000
LAYOUTS = {layout.id: layout for plan in PLANS.values() for layout in plan.layouts}


def run(
    values: list[bytes | None], times: list[int], splits: list[int], *, now_ms: int | None
) -> tuple[list[Rejection], list[SummaryRecord]]:
    subject = Intake(PLANS.get, out_of_orderness_ms=1_000, max_future_skew_ms=SKEW)
    ends = sorted({min(split, len(values)) for split in splits} | {len(values)})
    rejections, start = [], 0
    for end in ends:
        part = slice(start, end)
        rejections += subject.add("t", 3, list(range(start, end)), values[part], times[part], now_ms=now_ms)
        start = end
    return rejections, subject.cut("t", 3, n_partitions=4, from_offset=0, to_offset=len(values))


def check_number(summary: NumericSummary, tally: NumberTally) -> None:
    assert summary.counts.tolist() == tally.cells
    assert (summary.n_missing, summary.n_type_errors) == (tally.missing, tally.wrong)
    assert (summary.sum_q, summary.sum_q2) == (tally.sum_q, tally.sum_q2)
    if tally.values:
        assert (summary.minimum, summary.maximum) == (min(tally.values), max(tally.values))
    else:
        assert math.isnan(summary.minimum)
        assert math.isnan(summary.maximum)


def check_category(summary: CategoricalSummary | BooleanSummary, tally: CategoryTally) -> None:
    assert (summary.n_missing, summary.n_type_errors) == (tally.missing, tally.wrong)
    counted = Counter(tally.counts)
    if isinstance(summary, BooleanSummary):
        assert (summary.n_false, summary.n_true) == (counted["false"], counted["true"])
        return
    known = [counted.pop(name, 0) for name in summary.layout.categories]
    assert summary.counts.tolist() == known
    assert summary.unseen.counts == counted


def check_covariance(pane: PaneSummary, group: str, rows: list[list[float]]) -> None:
    covariance = pane.covariances[group]
    layouts = list(covariance.columns.values())
    numeric = [name for name, column in pane.layout.columns.items() if isinstance(column, NumericLayout)]
    places = [numeric.index(name) for name in covariance.columns]
    rows = [[row[place] for place in places] for row in rows]
    whole = [row for row in rows if not any(map(math.isnan, row))]
    assert covariance.n == len(whole)
    q = [
        [max(-(2**17), min(2**17, round((v - c.center) * (2.0**12 / c.scale)))) if abs(v) < 1e30 else int(math.copysign(2**17, v))
         for v, c in zip(row, layouts, strict=True)]
        for row in whole
    ]  # fmt: skip
    d = len(layouts)
    assert covariance.cross.tolist() == [[sum(r[i] * r[j] for r in q) for j in range(d)] for i in range(d)]


def check_open_column(values: list[Any], pane: PaneSummary, name: str) -> None:
    sketch = pane.sketches[name]
    floats = [as_float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    as_floats = np.array([math.inf if number is None else number for number in floats], np.float64)
    finite = as_floats[np.isfinite(as_floats)]
    texts = Counter(v for v in values if isinstance(v, str))
    booleans = Counter("true" if v else "false" for v in values if isinstance(v, bool))
    assert sketch.n_numbers == finite.size
    assert sketch.n_missing == values.count(None) + np.isnan(as_floats).sum()
    assert sketch.n_strings == texts.total()
    assert sketch.n_booleans == booleans.total()
    assert sketch.n_other == len(values) - sketch.n_missing - finite.size - texts.total() - booleans.total()
    assert sketch.categories.counts == texts + booleans
    assert sum(sketch.numbers.counts.values()) == finite.size


def check_pane(record: PaneRecord, tally: PaneTally) -> None:
    assert (record.n_events, record.n_rejected) == (tally.n_events, tally.n_rejected)
    if not tally.n_events:
        assert record.summary == b""
        return
    layout = LAYOUTS.get(record.profile, PaneLayout("", {}))
    pane = PaneSummary.from_bytes(record.summary, layout)
    assert pane.n_events == tally.n_events
    assert (pane.first_ms, pane.last_ms) == (min(tally.times), max(tally.times))
    assert pane.new_columns == tally.new_columns
    assert list(pane.columns) == list(tally.columns)
    for name, summary in pane.columns.items():
        assert summary.n == tally.n_events
        if isinstance(summary, NumericSummary):
            check_number(summary, tally.columns[name])
        else:
            check_category(summary, tally.columns[name])
    assert set(pane.covariances) == set(layout.covariance_groups)
    for group in pane.covariances:
        check_covariance(pane, group, tally.rows)
    assert set(pane.sketches) == set(tally.open_columns)
    for name, values in tally.open_columns.items():
        check_open_column(values, pane, name)


def check(rejections: list[Rejection], records: list[SummaryRecord], expected: Outcome) -> None:
    assert [(r.offset, r.reason.value, r.model, r.timestamp_ms) for r in rejections] == expected.rejections
    assert all(r.detail.startswith("$") for r in rejections)
    *panes, watermark = records
    keys = []
    for record in panes:
        assert isinstance(record, PaneRecord)
        keys.append((record.model, record.version, record.segment, record.pane_start_ms, record.profile))
        check_pane(record, expected.panes[keys[-1]])
        assert record.pane_ms == PLANS[record.model].pane_ms
        assert (record.topic, record.partition, record.from_offset) == ("t", 3, 0)
    assert len(set(keys)) == len(keys)
    assert set(keys) == set(expected.panes)
    assert isinstance(watermark, WatermarkRecord)
    assert watermark.watermark_ms == (NO_WATERMARK if expected.latest_ms is None else expected.latest_ms - 1_000)
    assert watermark.n_partitions == 4


message_times = st.sampled_from([NOW - 5_000_000, NOW, NOW + SKEW + 1, -1])
splits = st.lists(st.integers(0, 60), max_size=6)


@pytest.mark.parametrize("sizes", [(512, 4_096, 65_536), (3, 5, 11)], ids=["usual_blocks", "tiny_blocks"])
@given(
    pairs=st.lists(st.tuples(any_message, message_times), max_size=40),
    splits=splits,
    now_ms=st.sampled_from([NOW, None]),
)
@settings(max_examples=200, deadline=None)
def test_counts_what_the_reference_counts(sizes, pairs, splits, now_ms):
    values, times = [value for value, _ in pairs], [time_ms for _, time_ms in pairs]
    expected = count_events(values, times, PLANS, now_ms=now_ms, max_future_skew_ms=SKEW)
    with small_blocks(*sizes):
        rejections, records = run(values, times, splits, now_ms=now_ms)
    check(rejections, records, expected)


@given(
    values=st.lists(good_message, min_size=1, max_size=60),
    model=st.sampled_from([model for model in PLANS if model != "strange"]),
    bad=st.dictionaries(st.integers(0, 59), any_message, max_size=3),
    metadata=st.sampled_from([None, b'{"a": [1]}', b'"\xc3\xbc"']),
    splits=splits,
)
@settings(max_examples=200, deadline=None)
def test_counts_what_the_reference_counts_where_nearly_all_events_are_good(values, model, bad, metadata, splits):
    name = b'"%s"' % model.encode()
    values = [bad.get(i, _with_model(value, name)) for i, value in enumerate(values)]
    if metadata is not None:
        values = [v[:-1] + b', "metadata":' + metadata + b"}" if v and v.endswith(b"}") else v for v in values]
    times = [NOW] * len(values)
    expected = count_events(values, times, PLANS, now_ms=NOW, max_future_skew_ms=SKEW)
    rejections, records = run(values, times, splits, now_ms=NOW)
    check(rejections, records, expected)


def _with_model(value: bytes, name: bytes) -> bytes:
    for model in PLANS:
        for space in (b"", b" ", b"\n "):
            value = value.replace(b'"model":' + space + b'"%s"' % model.encode(), b'"model":' + space + name)
    return value


@given(values=st.lists(any_message, max_size=40), one=splits, other=splits)
@settings(max_examples=200, deadline=None)
def test_bytes_do_not_depend_on_batches(values, one, other):
    times = [NOW] * len(values)
    first = run(values, times, one, now_ms=NOW)
    second = run(values, times, other, now_ms=NOW)
    assert first[0] == second[0]
    assert [r for r in first[1] if not _is_sketched(r)] == [r for r in second[1] if not _is_sketched(r)]


def _is_sketched(record: SummaryRecord) -> bool:
    return isinstance(record, PaneRecord) and record.profile == ""


def small_blocks(block: int, chunk: int, count_after: int) -> Any:
    return mock.patch.multiple(intake, _BLOCK=block, _MIXED_BLOCK=block + 1, CHUNK_ROWS=chunk, _COUNT_AFTER=count_after)


def test_the_plans_of_the_tests_cover_each_case():
    plans: list[CountingPlan] = list(PLANS.values())
    assert any(len(plan.layouts) == 2 for plan in plans)
    assert any(not plan.layouts for plan in plans)
    assert any(plan.known_segments is None and plan.segments for plan in plans)
    assert column_chunk.CHUNK_ROWS == intake.CHUNK_ROWS
