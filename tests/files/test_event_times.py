from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from stream_gov.contracts import DataError
from stream_gov.files.event_times import EventTimes

MOMENT = datetime(1996, 5, 7, 0, 30, 0, 250_000, tzinfo=UTC)
MS = 831_429_000_250  # by hand: 9,623 days and 1,800.25 s after 1970


def read(values: list | pa.Array, notices: list[str] | None = None) -> list[int]:
    times = EventTimes("t", source="f.csv")
    found = times.read(values if isinstance(values, pa.Array) else pa.array(values), 0).tolist()
    if notices is not None:
        notices.extend(times.notices)
    return found


def test_the_figure_to_compare_with_is_right():
    assert (MOMENT - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1) == MS


@pytest.mark.parametrize(
    "text",
    [
        "1996-05-07T00:30:00.250Z",
        "1996-05-07T00:30:00.250+00:00",
        "1996-05-07 10:30:00.250+10:00",
        "1996-05-07T00:30:00.250999Z",
        " 1996-05-07T00:30:00.250Z ",
    ],
)
def test_rfc_3339_is_read(text):
    notices: list[str] = []

    assert read([text], notices) == [MS]
    assert notices == []


@pytest.mark.parametrize("text", ["1996-05-07 00:30:00.250", "1996-05-07T00:30:00.250"])
def test_a_time_without_zone_is_taken_as_utc_and_said_so(text):
    notices: list[str] = []

    assert read([text], notices) == [MS]
    assert notices == ["column 't' has no time zone and is taken as UTC"]


def test_other_forms_of_iso_8601_are_read():
    assert read(["1996-05-07", "1996-05-07T00:30", "1996-05-07T00:30:00Z", "19960507T003000Z"]) == [
        831_427_200_000,
        *[831_429_000_000] * 3,
    ]


@pytest.mark.parametrize(
    ("number", "notice"),
    [
        (831_429_000.25, "seconds"),
        (831_429_000_250, None),
        (831_429_000_250_999, "microseconds"),
        (831_429_000_250_999_999, "nanoseconds"),
        ("831429000250", None),
        ("831429000.25", "seconds"),
    ],
)
def test_the_unit_of_numbers_is_told_by_their_size(number, notice):
    notices: list[str] = []

    (found,) = read([number], notices)

    assert found == pytest.approx(MS, abs=1)
    assert [n for n in notices if "epoch" in n] == ([f"column 't' is taken as epoch {notice}"] if notice else [])


def test_the_unit_holds_for_the_whole_file():
    times = EventTimes("t", source="f.csv")

    assert times.read(pa.array([831_429_000, 831_430_800]), 0).tolist() == [831_429_000_000, 831_430_800_000]
    assert times.read(pa.array([1_800]), 2).tolist() == [1_800_000]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([MOMENT], pa.timestamp("ms", "UTC")),
        pa.array([MOMENT], pa.timestamp("ns", "Australia/Sydney")),
        pa.array([MOMENT.astimezone(timezone(timedelta(hours=10)))]),
        pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("us")),
    ],
    ids=["ms", "ns in another zone", "offset", "naive"],
)
def test_times_of_parquet_are_read(values):
    assert read(values) == [MS]


def test_dates_of_parquet_are_midnight_utc():
    assert read(pa.array([date(1996, 5, 7)])) == [831_427_200_000]


def test_times_before_1970_are_cut_downwards():
    assert read(["1969-12-31T23:59:59.9999Z"]) == [-1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1996-05-07T00:00:00Z", "yesterday"], "row 1: the time in column 't' is 'yesterday'; a time is RFC 3339"),
        (["1996-05-07T00:00:00Z", None], "row 1: the time in column 't' is empty"),
        (["1996-02-30T00:00:00Z"], "row 0: .* is '1996-02-30T00:00:00Z'"),
        ([8e8, float("inf")], "row 1: .* is inf"),
        ([0.25, 0.5], r"row 0: .* is 0\.25, like most in it far below any epoch time"),
        ([True], "column 't' holds bool, which is no time; name another column with --timestamp"),
    ],
)
def test_a_time_that_cannot_be_read_is_an_error_with_its_row(values, message):
    with pytest.raises(DataError, match=f"f.csv: {message}"):
        read(values)
