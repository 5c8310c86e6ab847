"""What `Intake` promises beside exact counts: cuts, plans, watermarks, bounds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from stream_gov.contracts import NO_WATERMARK, ColumnSelection, PaneRecord, RejectReason, WatermarkRecord
from stream_gov.decoding import CountingPlan, Intake, intake, model_decoder
from stream_gov.summaries import CategoricalLayout, NumericLayout, NumericSummary, PaneLayout, PaneSummary

NOW = 1_700_000_000_000
MINUTE = 60_000
NUMBER = NumericLayout(np.array([0.0]), np.array([0, 1]), 0.0, 1.0)


def layout(profile: str) -> PaneLayout:
    return PaneLayout(profile, {"x": NUMBER, "region": CategoricalLayout(("NSW", "VIC"))})


def event(i: int = 0, **changes: Any) -> bytes:
    base = {
        "event_id": f"e{i}",
        "model": "m",
        "version": "1",
        "timestamp": NOW,
        "features": {"x": 0.5, "region": "NSW"},
    }
    return json.dumps({**base, **changes}).encode()


def make(*plans: CountingPlan, **options: Any) -> Intake:
    by_model = {plan.model: plan for plan in plans}
    settings = {"out_of_orderness_ms": 5, "max_future_skew_ms": MINUTE, **options}
    return Intake(by_model.get, **settings)


def add(subject: Intake, *values: bytes, partition: int = 0, now_ms: int | None = NOW) -> list[Any]:
    return subject.add("t", partition, range(len(values)), values, [NOW] * len(values), now_ms=now_ms)


def cut(subject: Intake, partition: int = 0, now_ms: int | None = None) -> tuple[list[PaneRecord], WatermarkRecord]:
    *panes, watermark = subject.cut("t", partition, n_partitions=2, from_offset=3, to_offset=9, now_ms=now_ms)
    return panes, watermark


def test_a_cut_forgets_what_it_returned():
    subject = make(CountingPlan("m", (layout("a@1"),), MINUTE))
    add(subject, event())
    first, _ = cut(subject)
    assert [p.n_events for p in first] == [1]
    assert cut(subject) == ([], WatermarkRecord("t", 0, 2, 3, 9, NO_WATERMARK, idle=False))
    add(subject, event(), event())
    assert [p.n_events for p in cut(subject)[0]] == [2]


@pytest.mark.parametrize("fast", [event(timestamp=NOW + 40_000), event(timestamp=NOW + 40_000, model="nobody")])
def test_a_producer_whose_clock_is_fast_does_not_make_the_events_of_others_late(fast):
    subject = make(CountingPlan("m", (layout("a@1"),), MINUTE))
    add(subject, event(), fast)
    _, mark = cut(subject, now_ms=NOW + 3)
    assert mark.watermark_ms == NOW + 3 - 5
    add(subject, event())
    assert cut(subject, now_ms=NOW + 3)[1].watermark_ms == NOW - 5, "of past events it follows the latest"


def test_partitions_are_kept_apart():
    subject = make(CountingPlan("m", (layout("a@1"),), MINUTE))
    add(subject, event(), partition=0)
    add(subject, event(timestamp=NOW - 1_000), event(), partition=1)
    assert subject.n_pending() == 0 or subject.n_pending("t", 0) <= subject.n_pending("t")
    (one,), mark = cut(subject, 0)
    assert (one.partition, one.n_events, mark.partition) == (0, 1, 0)
    (two,), _ = cut(subject, 1)
    assert (two.partition, two.n_events) == (1, 2)


def test_a_partition_that_moves_away_is_forgotten():
    subject = make(CountingPlan("m", (layout("a@1"),), MINUTE))
    add(subject, event(), event(features=None))
    subject.forget("t", 0)
    subject.forget("t", 7)
    assert subject.n_pending() == 0
    assert cut(subject)[0] == []


def test_the_watermark_follows_the_latest_time_of_any_event_that_can_be_read():
    subject = make(CountingPlan("m", (layout("a@1"),), MINUTE))
    add(subject, event(timestamp=NOW - 100), event(timestamp=NOW - 900))
    assert cut(subject)[1].watermark_ms == NOW - 105
    add(
        subject,
        event(timestamp=NOW - 100),
        event(model="unwatched", timestamp=NOW - 50),
        event(features=1, timestamp=NOW - 70),
    )
    assert cut(subject)[1].watermark_ms == NOW - 55
    add(subject, event(model="unwatched", timestamp="2023-11-14T22:13:20Z"))
    assert cut(subject)[1].watermark_ms == NOW - 5
    add(subject, b"{", event(timestamp=NOW + 10 * MINUTE))
    assert cut(subject)[1].watermark_ms == NO_WATERMARK


def test_records_stand_in_a_fixed_order():
    plan = CountingPlan("m", (layout("a@2"), layout("a@1")), MINUTE, (("region",),), frozenset({"region=NSW"}))
    subject = make(plan, CountingPlan("b", (), MINUTE))
    add(
        subject,
        event(version="2"),
        event(timestamp=NOW - MINUTE),
        event(model="b"),
        event(features={"region": "VIC"}),
        event(timestamp=NOW - 9 * MINUTE, features=None),
    )
    panes, _ = cut(subject)
    keys = [(p.model, p.version, p.segment, p.pane_start_ms) for p in panes]
    assert keys == sorted(keys)
    assert [p.profile for p in panes if p.n_events and p.model == "m"] == ["a@2", "a@1"] * (
        sum(p.n_events > 0 for p in panes) // 2
    )
    assert {p.segment for p in panes if p.model == "m"} == {"", "region=NSW", "region=(other)"}


def test_two_profiles_count_the_same_events_once_each():
    wide = PaneLayout("a@2", {"x": NUMBER, "extra": NUMBER})
    narrow = PaneLayout("a@1", {"region": CategoricalLayout(("NSW",)), "x": CategoricalLayout(("1",), dtype="number")})
    subject = make(CountingPlan("m", (wide, narrow), MINUTE))
    add(subject, event(features={"x": 1, "region": "NSW", "extra": 2.5}), event(features={"x": "one"}))
    panes, _ = cut(subject)
    new, old = (PaneSummary.from_bytes(p.summary, known) for p, known in zip(panes, (wide, narrow), strict=True))
    assert (new.columns["x"].n_valid, new.columns["x"].n_type_errors, new.columns["extra"].n_missing) == (1, 1, 1)
    assert (old.columns["x"].n_valid, old.columns["x"].n_type_errors, old.columns["region"].n_missing) == (1, 1, 1)
    assert [p.n_events for p in panes] == [2, 2]


def test_rejected_events_are_counted_once_though_there_are_two_profiles():
    subject = make(CountingPlan("m", (layout("a@2"), layout("a@1")), MINUTE, (("region",),)))
    add(subject, event(), event(features=None))
    panes, _ = cut(subject)
    assert [(p.segment, p.profile, p.n_rejected) for p in panes if p.n_rejected] == [("", "a@2", 1)]


def test_a_plan_holds_to_the_end_of_the_cut():
    plans = {"m": CountingPlan("m", (layout("a@1"),), MINUTE)}
    subject = Intake(plans.get, out_of_orderness_ms=0, max_future_skew_ms=MINUTE)
    add(subject, event())
    plans["m"] = CountingPlan("m", (layout("a@2"),), 2 * MINUTE)
    add(subject, event())
    assert [(p.profile, p.pane_ms, p.n_events) for p in cut(subject)[0]] == [("a@1", MINUTE, 2)]
    add(subject, event())
    assert [(p.profile, p.pane_ms, p.n_events) for p in cut(subject)[0]] == [("a@2", 2 * MINUTE, 1)]
    del plans["m"]
    assert [r.reason for r in add(subject, event())] == [RejectReason.UNKNOWN_MODEL]


def test_a_model_can_come_to_be_watched_within_a_cut():
    plans: dict[str, CountingPlan] = {}
    subject = Intake(plans.get, out_of_orderness_ms=0, max_future_skew_ms=MINUTE)
    assert len(add(subject, event())) == 1
    plans["m"] = CountingPlan("m", (layout("a@1"),), MINUTE)
    assert add(subject, event()) == []
    assert [p.n_events for p in cut(subject)[0]] == [1]


def test_panes_held_are_counted_so_that_the_caller_can_cut_early(monkeypatch):
    monkeypatch.setattr(intake, "CHUNK_ROWS", 4)
    subject = make(CountingPlan("m", (layout("a@1"),), MINUTE), max_panes=10)
    add(subject, *(event(i, timestamp=NOW - i * MINUTE) for i in range(8)))
    assert (subject.n_pending(), subject.is_full) == (8, False)
    add(subject, *(event(i, timestamp=NOW - i * MINUTE) for i in range(8, 12)))
    assert (subject.n_pending(), subject.is_full) == (12, True)
    assert subject.n_pending("t", 0) == 12
    assert subject.n_pending("other") == 0


def test_rows_not_counted_yet_cannot_outgrow_the_bound_unseen():
    subject = make(CountingPlan("m", (layout("a@1"),), MINUTE), max_panes=10)
    add(subject, *(event(i, timestamp=NOW - i * MINUTE) for i in range(40)))
    assert subject.is_full


def test_no_clock_lets_later_times_pass():
    subject = make(CountingPlan("m", (layout("a@1"),), MINUTE))
    later = event(timestamp=NOW + 10**10)
    assert [r.reason for r in add(subject, later)] == [RejectReason.TIMESTAMP_IN_FUTURE]
    assert add(subject, later, now_ms=None) == []


def test_without_a_reference_columns_are_sketched():
    plan = CountingPlan("m", (), MINUTE, (("region",),), None, columns=ColumnSelection(exclude=("x",)))
    subject = make(plan)
    add(
        subject,
        *(
            event(i, features={"x": 1, "y": i, "region": "NSW"}, prediction="good", scores={"good": 0.5})
            for i in range(50)
        ),
    )
    panes, _ = cut(subject)
    assert [(p.segment, p.profile, p.n_events) for p in panes] == [("", "", 50), ("region=NSW", "", 50)]
    pane = PaneSummary.from_bytes(panes[0].summary, PaneLayout("", {}))
    assert set(pane.sketches) == {"y", "region", "prediction", "score.good"}
    assert pane.sketches["y"].quantile(0.5) == pytest.approx(24.5, abs=1)
    assert pane.sketches["prediction"].categories.counts == {"good": 50}


def test_segments_without_a_reference_are_bounded_in_the_order_they_come():
    plan = CountingPlan("m", (layout("a@1"),), MINUTE, (("region",), ("x",)), None, max_segments=3)
    subject = make(plan)
    regions = ["a", "b", "a", "c", "d", "b"]
    add(subject, *(event(i, features={"region": r, "x": 1}) for i, r in enumerate(regions)))
    panes, _ = cut(subject)
    assert {p.segment: p.n_events for p in panes} == {
        "": 6, "region=a": 2, "region=b": 2, "region=(other)": 2, "x=1": 6,
    }  # fmt: skip
    add(subject, event(features={"region": "d", "x": 1}))
    assert "region=d" in {p.segment for p in cut(subject)[0]}


def test_new_columns_are_reported_from_a_sample_and_known_ones_are_not():
    plan = CountingPlan(
        "m", (layout("a@1"),), MINUTE, (("device",),), frozenset(), columns=ColumnSelection(exclude=("notes",))
    )
    subject = make(plan)
    features = {"x": 1, "region": "NSW", "device": "web", "notes": "-", "surprise": 1, "prediction": 1}
    n = 4_000
    add(subject, *(event(i, features=features) for i in range(n)))
    whole = next(p for p in cut(subject)[0] if p.segment == "")
    counts = PaneSummary.from_bytes(whole.summary, plan.layouts[0]).new_columns
    assert set(counts) == {"surprise", "prediction"}
    assert counts["surprise"] == counts["prediction"] == pytest.approx(n / model_decoder.NEW_COLUMN_SAMPLE, rel=0.25)


def test_one_event_that_differs_does_not_slow_the_rest_but_many_do_for_a_while():
    plan = CountingPlan("m", (layout("a@1"),), MINUTE)
    decoder = model_decoder.ModelDecoder(plan)

    def level_after(*values: bytes) -> int:
        decoder.decode(values, range(len(values)))
        return decoder._level

    good = [event(i) for i in range(100)]
    strange = [event(i, features={"x": "1"}) for i in range(100)]
    assert level_after(*good) == 0
    assert level_after(*good[:-1], strange[0]) == 0
    assert level_after(*strange) == 1
    assert level_after(*strange) == 2
    for _ in range(model_decoder.RETRY_AFTER):
        assert level_after(*good) == 2
    assert level_after(*good) == 0
    assert level_after(*(event(i, version="2") for i in range(100))) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pane_ms": 0}, "pane_ms must be at least 1, got 0"),
        ({"max_segments": 0}, "max_segments must be at least 1, got 0"),
        ({"segments": ((),)}, "at least one column"),
        ({"layouts": (layout("a@1"), layout("a@1"))}, "two layouts have the same id"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        CountingPlan(**{"model": "m", "layouts": (), "pane_ms": MINUTE, **changes})


def test_offsets_values_and_times_must_be_of_one_length():
    subject = make(CountingPlan("m", (layout("a@1"),), MINUTE))
    with pytest.raises(ValueError, match="must be as many, got 2, 1 and 1"):
        subject.add("t", 0, [0, 1], [event()], [NOW], now_ms=NOW)


def test_a_chunk_is_counted_exactly_at_its_bound():
    n = intake.CHUNK_ROWS
    subject = make(CountingPlan("m", (layout("a@1"),), MINUTE))
    values = [event(i, features={"x": i % 7 - 3, "region": "NSW" if i % 3 else None}) for i in range(2 * n + 5)]
    for start in range(0, len(values), 1_000):
        add(subject, *values[start : start + 1_000])
    (pane,), _ = cut(subject)
    x = PaneSummary.from_bytes(pane.summary, layout("a@1")).columns["x"]
    assert isinstance(x, NumericSummary)
    expected = [i % 7 - 3 for i in range(2 * n + 5)]
    assert x.counts.tolist() == [sum(v < 0 for v in expected), sum(v >= 0 for v in expected)]
    assert x.sum_q == sum(expected) * 2**16
    assert x.sum_q2 == sum(v * v for v in expected) * 2**32
