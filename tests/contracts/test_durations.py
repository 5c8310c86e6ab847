from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from stream_gov.contracts import Duration, format_duration, parse_duration

YEAR_MS = 365 * 86_400_000


@given(duration_ms=st.integers(min_value=0, max_value=100 * YEAR_MS))
def test_formatted_duration_reads_back_as_itself(duration_ms):
    assert parse_duration(format_duration(duration_ms)) == duration_ms


@given(
    parts=st.lists(
        st.tuples(st.integers(0, 1_000), st.sampled_from(["ms", "s", "m", "h", "d", "w"])), min_size=1, max_size=6
    )
)
def test_parts_of_a_duration_add_up(parts):
    size_ms = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
    text = "".join(f"{count}{unit}" for count, unit in parts)
    assert parse_duration(text) == sum(count * size_ms[unit] for count, unit in parts)


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("500ms", 500),
        ("0s", 0),
        ("15m", 900_000),
        ("1h", 3_600_000),
        ("1h30m", 5_400_000),
        ("1h 30m", 5_400_000),
        ("0.5s", 500),
        ("7d", 604_800_000),
        ("1w", 604_800_000),
    ],
)
def test_duration_as_people_write_it(text, duration_ms):
    assert parse_duration(text) == duration_ms


@given(thousandths=st.integers(0, 10**9))
def test_fraction_of_a_second_is_exact(thousandths):
    assert parse_duration(f"{thousandths // 1000}.{thousandths % 1000:03d}s") == thousandths


@pytest.mark.parametrize("text", ["", " ", "soon", "15", "15 minutes", "m", "-5m", "5m-", "1e3s", "1h30", "5M", "٣m٣"])
def test_text_that_is_no_duration_says_how_one_is_written(text):
    with pytest.raises(ValueError, match="write a number and a unit"):
        parse_duration(text)


def test_part_of_a_millisecond_is_refused():
    with pytest.raises(ValueError, match="whole number of milliseconds"):
        parse_duration("0.5ms")


class Timed(BaseModel):
    wait: Duration = 0


@pytest.mark.parametrize(("given_value", "wait_ms"), [("2s", 2_000), ("0s", 0), (0, 0)])
def test_field_takes_text_and_keeps_milliseconds(given_value, wait_ms):
    assert Timed(wait=given_value).wait == wait_ms


@pytest.mark.parametrize("given_value", [60, 1.5, True, None, ["2s"]])
def test_field_refuses_a_number_without_a_unit(given_value):
    with pytest.raises(ValidationError, match="give it a unit"):
        Timed(wait=given_value)


def test_field_is_written_as_text():
    assert Timed(wait="90s").model_dump(mode="json") == {"wait": "1m30s"}
