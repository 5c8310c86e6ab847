from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from stream_gov.contracts import AlertChange, AlertStatus
from stream_gov.sinks import Record, RefusedRecordsError
from stream_gov.sinks.influx_points import MEASUREMENTS, point_of
from tests.conftest import Influx
from tests.contracts.messages import DAY_MS, END_MS, a_result, an_alert
from tests.sinks.influx_bench import all_points, an_events_result, at, write

pytestmark = pytest.mark.influxdb


@pytest.mark.parametrize(
    "record", [a_result(), an_events_result(late=3), an_alert()], ids=["result", "window", "alert"]
)
def test_what_is_written_is_read_back(influx: Influx, record: Record) -> None:
    write(influx, record)
    _, point = point_of(record)
    (row,) = all_points(influx, point["measurement"])
    assert row["_time"] == at(END_MS)
    # the CSV that carries answers has no empty texts
    expected = point["tags"] | {n: None if v == "" else v for n, v in point["fields"].items() if v is not None}
    assert {name: row[name] for name in expected} == expected
    assert not [name for name, value in point["fields"].items() if value is None and name in row]


def test_the_same_point_twice_is_one_point_and_the_last_revision_wins(influx: Influx) -> None:
    write(influx, a_result(value=1.0), an_events_result(), an_alert())
    write(influx, a_result(value=1.0), an_events_result(), an_alert())
    assert [len(all_points(influx, m)) for m in MEASUREMENTS] == [1, 1, 1]
    write(influx, a_result(value=1.5, revision=1), a_result(value=2.5, revision=2))  # in one batch
    (row,) = all_points(influx, "drift")
    assert (row["value"], row["revision"]) == (2.5, 2)


def test_changes_of_an_alert_in_one_window_are_all_kept(influx: Influx) -> None:
    resolved = {"change": AlertChange.RESOLVED, "status": AlertStatus.RESOLVED, "causes": []}
    write(influx, an_alert(), an_alert(change=AlertChange.UPDATED, sequence=1), an_alert(sequence=2, **resolved))
    rows = all_points(influx, "alert")
    assert [(row["change"], row["open"], row["sequence"]) for row in rows] == [
        ("opened", 1, 0),
        ("updated", 1, 1),
        ("resolved", 0, 2),
    ]


def test_names_that_line_protocol_must_escape_come_back_as_they_were(influx: Influx) -> None:
    odd = [
        'a b,c=d"e',
        "tab\tand back\\slash",
        "ends\\",
        "Größe λ 漢字 😀",
        "a\\nb",
        "'single' #hash",
        " lead",
        "=",
        ",",
    ]
    write(influx, *[a_result(column=name, reason=name, reference=name) for name in odd])
    rows = all_points(influx, "drift")
    assert {row["reference"] for row in rows} == set(odd)
    assert {row["reason"] for row in rows} == set(odd)
    # two things a tag cannot hold: the client writes a tab as backslash and t, and a blank for a backslash at the end
    changed = {"tab\tand back\\slash": "tab\\tand back\\slash", "ends\\": "ends "}
    assert {row["column"] for row in rows} == {changed.get(name, name) for name in odd}


def test_numbers_keep_their_type_whatever_comes_first(influx: Influx) -> None:
    write(influx, a_result(value=3))  # as JSON may give it
    write(influx, a_result(value=0.25, window_end_ms=END_MS + DAY_MS))
    assert [row["value"] for row in all_points(influx, "drift")] == [3.0, 0.25]


def test_large_batches_are_one_request_and_complete(influx: Influx) -> None:
    write(influx, *[a_result(column=f"c{i:04}", value=i / 7) for i in range(5_000)])
    rows = all_points(influx, "drift")
    assert {row["column"]: row["value"] for row in rows} == {f"c{i:04}": i / 7 for i in range(5_000)}


# --- refusals ---


def test_points_older_than_the_bucket_keeps_are_all_refused_at_once(influx: Influx) -> None:
    bucket = influx.make_bucket(seconds=3_600)
    with pytest.raises(RefusedRecordsError, match=r"422.*[Rr]etention") as caught:
        write(influx, a_result(), a_result(column="b"), bucket=bucket)
    assert caught.value.all_refused


def test_one_point_too_old_among_others_is_not_all(influx: Influx) -> None:
    bucket = influx.make_bucket(seconds=3_600)
    now_ms = int(datetime.now(UTC).timestamp() * 1_000)
    with pytest.raises(RefusedRecordsError) as caught:
        write(influx, a_result(), a_result(window_end_ms=now_ms), bucket=bucket)
    assert not caught.value.all_refused


def test_a_conflict_of_field_types_is_a_refusal(influx: Influx) -> None:
    write_api = influx.client.write_api()
    write_api.write(influx.bucket, influx.org, f'drift,model=x value="text" {END_MS * 1_000_000}')
    write_api.close()
    with pytest.raises(RefusedRecordsError, match="field type conflict"):
        write(influx, a_result())


@pytest.mark.parametrize("model", ["x" * 70_000, "line\nbreak"])
def test_a_model_with_an_impossible_name_harms_nobody_else(influx: Influx, model: str) -> None:
    with suppress(RefusedRecordsError):
        write(influx, a_result(model=model))
    write(influx, a_result())
    assert "electricity" in {row["model"] for row in all_points(influx, "drift")}
