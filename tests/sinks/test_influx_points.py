from __future__ import annotations

from typing import Any

import pytest

from stream_gov.contracts import AlertChange, AlertSeverity, AlertStatus, Result, Verdict
from stream_gov.sinks.influx_points import MEASUREMENTS, point_of
from tests.contracts.messages import END_MS, START_MS, a_result, an_alert


def an_events_result(**changes: Any) -> Result:
    fields = {"column": "", "statistic": "events", "rule": "none", "verdict": Verdict.STABLE, "value": 336.0}
    return a_result(**(fields | changes))


def test_a_result_becomes_a_drift_point_at_the_end_of_its_window() -> None:
    _, point = point_of(a_result(revision=2))
    assert point["measurement"] == "drift"
    assert point["time"] == END_MS * 1_000
    assert point["tags"] == {
        "model": "electricity",
        "version": "1",
        "segment": "(all)",
        "column": "vicprice",
        "statistic": "psi",
    }
    assert point["fields"] == {
        "value": 3.25,
        "threshold": None,
        "tolerance": 0.1,
        "distance": 3.25,
        "p_value": 1e-12,
        "level": 0.001,
        "drift": 1,
        "n_reference": 17_520,
        "n_window": 336,
        "verdict": "drift",
        "reason": "",
        "rule": "calibrated",
        "reference": "electricity-1996@1",
        "monitor": "electricity",
        "revision": 2,
        "window_start_ms": START_MS,
    }


@pytest.mark.parametrize(("verdict", "drift"), [(Verdict.DRIFT, 1), (Verdict.STABLE, 0), (Verdict.INSUFFICIENT, None)])
def test_what_cannot_be_told_is_neither_drift_nor_none(verdict: Verdict, drift: int | None) -> None:
    _, point = point_of(a_result(verdict=verdict))
    assert point["fields"]["drift"] == drift
    assert point["fields"]["verdict"] == verdict.value


def test_whole_numbers_are_written_as_real_ones_where_the_field_is_real() -> None:
    _, point = point_of(a_result(value=3, threshold=1, tolerance=0, p_value=0, level=1))
    for name in ("value", "threshold", "tolerance", "p_value", "level"):
        assert type(point["fields"][name]) is float


def test_the_accounting_of_a_window_becomes_one_window_point() -> None:
    _, point = point_of(an_events_result(events=336, late=4, rejected=2, segment="region=NSW"))
    assert point["measurement"] == "window"
    assert point["tags"] == {"model": "electricity", "version": "1", "segment": "region=NSW"}
    assert {name: point["fields"][name] for name in ("events", "late", "rejected")} == {
        "events": 336,
        "late": 4,
        "rejected": 2,
    }


def test_an_alert_becomes_a_point_that_says_whether_it_is_open() -> None:
    _, point = point_of(an_alert())
    assert point["measurement"] == "alert"
    assert point["tags"] == {"model": "electricity", "version": "1", "segment": "(all)"}
    assert (point["fields"]["open"], point["fields"]["change"]) == (1, "opened")
    assert point["fields"]["columns"] == "vicprice"
    _, resolved = point_of(an_alert(change=AlertChange.RESOLVED, status=AlertStatus.RESOLVED, sequence=1))
    assert (resolved["fields"]["open"], resolved["fields"]["change"]) == (0, "resolved")


def test_an_acknowledged_or_snoozed_alert_is_open_and_its_point_says_by_whom_and_until_when() -> None:
    _, opened = point_of(an_alert())
    assert {n: opened["fields"][n] for n in ("status", "severity", "acknowledged_by", "snoozed_until_ms", "by")} == {
        "status": "open",
        "severity": "warning",
        "acknowledged_by": "",
        "snoozed_until_ms": 0,
        "by": "",
    }
    told = an_alert(
        sequence=1,
        change=AlertChange.SNOOZED,
        status=AlertStatus.ACKNOWLEDGED,
        severity=AlertSeverity.CRITICAL,
        acknowledged_by="anna",
        by="ben",
        note="later",
        snoozed_until_ms=END_MS,
        group_id="g",
    )
    fields = point_of(told)[1]["fields"]
    assert (fields["open"], fields["change"], fields["status"], fields["severity"]) == (
        1,
        "snoozed",
        "acknowledged",
        "critical",
    )
    assert (fields["acknowledged_by"], fields["by"], fields["note"]) == ("anna", "ben", "later")
    assert (fields["snoozed_until_ms"], fields["group_id"]) == (END_MS, "g")


def test_a_window_in_maintenance_says_so() -> None:
    assert [point_of(an_events_result(maintenance=m))[1]["fields"]["maintenance"] for m in (False, True)] == [0, 1]


def test_changes_of_an_alert_in_one_window_keep_points_of_their_own() -> None:
    times = [point_of(an_alert(sequence=n))[1]["time"] for n in (0, 1, 2, 5_000)]
    assert [t - END_MS * 1_000 for t in times] == [0, 1, 2, 999]
    assert {t // 1_000 for t in times} == {END_MS}


def test_an_empty_version_has_a_name() -> None:
    assert point_of(a_result(version="", column=""))[1]["tags"] == {
        "model": "electricity",
        "version": "(none)",
        "segment": "(all)",
        "column": "(model)",
        "statistic": "psi",
    }


def test_a_revision_and_another_reference_are_the_same_point() -> None:
    keys = {
        point_of(a_result(**changes))[0]
        for changes in ({}, {"revision": 3}, {"value": 0.5, "verdict": Verdict.STABLE}, {"reference": "other@2"})
    }
    assert len(keys) == 1


@pytest.mark.parametrize(
    "changes",
    [{"column": "x"}, {"statistic": "ks"}, {"segment": "a=1"}, {"version": "2"}, {"model": "m"}, {"window_end_ms": 5}],
)
def test_what_tells_results_apart_tells_points_apart(changes: dict[str, Any]) -> None:
    assert point_of(a_result())[0] != point_of(a_result(**changes))[0]


def test_tags_are_those_of_the_table_of_measurements() -> None:
    for record in (a_result(), an_events_result(), an_alert()):
        _, point = point_of(record)
        assert tuple(point["tags"]) == MEASUREMENTS[point["measurement"]]
