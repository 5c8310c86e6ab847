from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.contracts import RejectedEventError, RejectReason
from stream_gov.decoding import LARGEST_TIME_MS, TimeBounds, format_time, read_timestamp
from stream_gov.decoding.timestamp_texts import read_texts
from stream_gov.decoding.timestamps import read_timestamps

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ANYTIME = TimeBounds(-(10**15), LARGEST_TIME_MS)

moments = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001  # hypothesis wants bounds without a zone
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m))),
)
near_times = st.text(alphabet="0123456789-:.TtZz+ W,é", min_size=15, max_size=32)


def milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


@given(moment=moments, separator=st.sampled_from("Tt "), digits=st.sampled_from([None, 1, 2, 3, 4, 6]))
@settings(max_examples=300)
def test_texts_are_read_as_the_standard_library_reads_them(moment, separator, digits):
    text = moment.strftime(f"%Y-%m-%d{separator}%H:%M:%S").zfill(19)
    if digits is None:
        moment = moment.replace(microsecond=0)
    else:
        kept = f"{moment.microsecond:06d}"[:digits]
        text += "." + kept
        moment = moment.replace(microsecond=int(f"{kept:0<6}"))
    offset = moment.isoformat()[-6:]
    assert read_timestamp(text + offset, ANYTIME) == milliseconds(moment)
    assert read_texts([text + offset])[0].tolist() == [milliseconds(moment)]
    in_utc = moment.replace(tzinfo=UTC)
    for zulu in "Zz":
        assert read_timestamp(text + zulu, ANYTIME) == milliseconds(in_utc)
        assert read_texts([text + zulu])[0].tolist() == [milliseconds(in_utc)]


@given(texts=st.lists(st.one_of(near_times, moments.map(str), moments.map(datetime.isoformat)), max_size=20))
@settings(max_examples=500)
def test_texts_read_at_once_are_read_alike_or_left(texts):
    times, is_read = read_texts(texts)
    for text, time_ms, good in zip(texts, times.tolist(), is_read.tolist(), strict=True):
        if good:
            assert read_timestamp(text, TimeBounds(-(10**17), 10**17)) == time_ms
        else:
            assert time_ms == 0


@given(
    values=st.lists(
        st.one_of(
            moments.map(datetime.isoformat),
            near_times,
            st.integers(-(2**70), 2**70),
            st.integers(0, LARGEST_TIME_MS),
            st.floats(),
        ),
        min_size=1,
        max_size=20,
    ),
    earliest=st.integers(0, 10**12),
)
def test_many_are_read_as_one_by_one(values, earliest):
    bounds = TimeBounds(earliest, 2 * 10**12)
    times, refused = read_timestamps(values, bounds)
    for i, value in enumerate(values):
        if i in refused:
            with pytest.raises(RejectedEventError) as caught:
                read_timestamp(value, bounds)
            assert caught.value.args == refused[i].args
            assert caught.value.reason == refused[i].reason
        else:
            assert times[i] == read_timestamp(value, bounds)
    assert times.dtype == np.int64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("2024-02-29T12:00:00-00:00", "2024-02-29T12:00:00.000Z"),
        ("2024-01-01T00:00:00.9999999999Z", "2024-01-01T00:00:00.999Z"),
        ("1969-12-31T23:59:59.001Z", "1969-12-31T23:59:59.001Z"),
    ],
)
def test_rare_forms_of_rfc_3339(text, expected):
    assert format_time(read_timestamp(text, ANYTIME)) == expected
    assert read_timestamps([text, "2024-01-01T00:00:00Z"], ANYTIME)[0][0] == read_timestamp(text, ANYTIME)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01", "2024-01-01T00:00Z", "20240101T000000Z", "2024-W01-1T00:00:00Z", "2024-01-01T00:00:00", "2024-1-1T0:0:0Z",
        "2024-01-01T00:00:00,5Z", "2024-01-01T00:00:00.Z", "2024-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z", "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00+10:60",
        "2024-01-01T00:00:00+1000", "0000-01-01T00:00:00Z", "٢٠٢٤-01-01T00:00:00Z", " 2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z\n",
        "2024-01-01X00:00:00Z", "1700000000000", "now", "",
    ],
)  # fmt: skip
def test_what_is_no_rfc_3339_is_refused(text):
    with pytest.raises(RejectedEventError, match=r"^bad_timestamp: \$\.timestamp: "):
        read_timestamp(text, ANYTIME)
    assert read_texts([text])[1].tolist() == [False]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (99_999_999_999, RejectReason.TIMESTAMP_IN_SECONDS),
        (1.7e9, RejectReason.TIMESTAMP_IN_SECONDS),
        (-1, RejectReason.TIMESTAMP_IN_SECONDS),
        (100_000_000_000, RejectReason.TIMESTAMP_TOO_OLD),
        ("1979-12-31T23:59:59.999Z", RejectReason.TIMESTAMP_TOO_OLD),
        (1_800_000_000_001, RejectReason.TIMESTAMP_IN_FUTURE),
        (float("nan"), RejectReason.BAD_TIMESTAMP),
        (float("inf"), RejectReason.BAD_TIMESTAMP),
        (10**400, RejectReason.BAD_TIMESTAMP),
    ],
)
def test_times_out_of_bounds_are_refused_with_their_reason(value, reason):
    bounds = TimeBounds(315_532_800_000, 1_800_000_000_000)
    with pytest.raises(RejectedEventError) as caught:
        read_timestamp(value, bounds)
    assert caught.value.reason is reason
    assert not any(f"{10**9}" * 3 in str(a) for a in caught.value.args)


def test_both_bounds_are_allowed_times():
    bounds = TimeBounds(315_532_800_000, 1_800_000_000_000)
    assert read_timestamp("1980-01-01T00:00:00Z", bounds) == 315_532_800_000
    assert read_timestamp(1_800_000_000_000, bounds) == 1_800_000_000_000
    assert read_timestamp(1_800_000_000_000.9, bounds) == 1_800_000_000_000


def test_a_detail_says_what_the_time_would_be():
    bounds = TimeBounds(315_532_800_000, 1_800_000_000_000)
    with pytest.raises(
        RejectedEventError, match=r"'2199-01-01T00:00:00Z' is 2199-01-01T00:00:00.000Z, later than 2027-01-15T08"
    ):
        read_timestamp("2199-01-01T00:00:00Z", bounds)
    with pytest.raises(RejectedEventError, match="if these are seconds, send them times 1000"):
        read_timestamp(1_700_000_000, bounds)
    with pytest.raises(RejectedEventError, match="micro- or nanoseconds"):
        read_timestamp(1_700_000_000_000_000, bounds)
