from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.runtime.redaction import EVERY_COLUMN, redact

SECRET = "s3cr3t-value"
EVENT = {
    "event_id": "1",
    "model": "m",
    "version": 3,
    "timestamp": 1,
    "features": {"name": SECRET, "age": 41},
    "prediction": 0.5,
    "scores": {"good": 0.9},
    "metadata": {"user": SECRET},
    "more": SECRET,
}


def packed(**changes: object) -> bytes:
    return json.dumps(EVENT | changes).encode()


def test_named_columns_and_what_is_no_field_of_an_event_are_taken_out() -> None:
    assert json.loads(redact(packed(), ["name"]) or b"") == {
        "event_id": "1",
        "model": "m",
        "version": 3,
        "timestamp": 1,
        "features": {"name": "[redacted]", "age": 41},
        "prediction": 0.5,
        "scores": {"good": 0.9},
    }


def test_without_columns_nothing_is_changed() -> None:
    assert redact(b"\xff no event", []) == b"\xff no event"
    assert redact(None, []) is None


@pytest.mark.parametrize(
    ("column", "field"), [("prediction", "prediction"), ("score", "scores"), ("score.good", "scores")]
)
def test_what_the_model_said_can_be_taken_out(column: str, field: str) -> None:
    assert json.loads(redact(packed(), [column]) or b"")[field] == "[redacted]"


def test_a_star_takes_every_value_out() -> None:
    left = json.loads(redact(packed(), [EVERY_COLUMN]) or b"")
    assert {*left["features"].values(), left["prediction"], left["scores"]} == {"[redacted]"}


@pytest.mark.parametrize(
    "value", [b"{not json " + SECRET.encode(), b"\xff\xfe", b"[1]", b"", None, packed(features=[SECRET])]
)
def test_of_what_cannot_be_read_nothing_is_kept(value: bytes | None) -> None:
    assert redact(value, ["name"]) is None


@given(
    st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        ).map(lambda v: json.dumps({"features": {"name": SECRET, "x": v}, "metadata": v, "model": v}).encode()),
    )
)
def test_no_value_of_the_column_is_ever_left(value: bytes) -> None:
    left = redact(value, ["name"])
    assert left is None or SECRET.encode() not in left
