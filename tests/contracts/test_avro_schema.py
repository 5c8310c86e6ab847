from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pytest

from stream_gov.contracts import Alert, Event, GroundTruth, Result
from stream_gov.contracts.avro_schema import avro_schema
from tests.contracts.messages import a_ground_truth, a_result, an_alert, an_event

SCHEMAS = Path(__file__).parents[2] / "schemas"


class Inner(msgspec.Struct):
    x: int


class Outer(msgspec.Struct):
    first: Inner
    more: list[Inner]


class OfSets(msgspec.Struct):
    which: set[int]


def no_docs(cls: type) -> dict[str, str]:
    return {}


def parsed(name: str) -> Any:
    return fastavro.parse_schema(json.loads((SCHEMAS / f"{name}.v1.avsc").read_text(encoding="utf-8")))


def through_avro(schema: Any, message: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, message, strict=True)
    buffer.seek(0)
    back = fastavro.schemaless_reader(buffer, schema, None)
    assert isinstance(back, dict)
    return back


@pytest.mark.parametrize(
    ("name", "message", "kind"),
    [
        ("event", an_event(), Event),
        ("event", an_event(timestamp=862_876_800_000, scores=0.75, prediction=1.5), Event),
        ("event", an_event(prediction=None, scores=None, features={}), Event),
        ("ground-truth", a_ground_truth(), GroundTruth),
        ("ground-truth", a_ground_truth(label=True), GroundTruth),
        ("result", a_result(), Result),
        ("result", a_result(value=None), Result),
        ("alert", an_alert(), Alert),
        ("alert", an_alert(causes=[], columns=[]), Alert),
    ],
)
def test_message_comes_back_from_avro_as_it_went_in(name, message, kind):
    wire = json.loads(msgspec.json.encode(message))
    back = through_avro(parsed(name), wire)
    assert json.loads(json.dumps(back)) == wire
    assert msgspec.convert(back, kind) == message


def test_whole_numbers_and_booleans_keep_their_type():
    back = through_avro(
        parsed("event"), json.loads(msgspec.json.encode(an_event(features={"a": 3, "b": 3.0, "c": True, "d": "3"})))
    )
    assert {k: type(v) for k, v in back["features"].items()} == {"a": int, "b": float, "c": bool, "d": str}


def test_record_written_before_a_field_with_a_default_existed_is_still_read():
    class Old(msgspec.Struct, kw_only=True):
        id: str

    class New(msgspec.Struct, kw_only=True):
        id: str
        note: str = ""
        level: float | None = None

    old = avro_schema(Old, namespace="n", field_docs=no_docs) | {"name": "M"}
    new = avro_schema(New, namespace="n", field_docs=no_docs) | {"name": "M"}
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(old), {"id": "a"})
    buffer.seek(0)
    assert fastavro.schemaless_reader(buffer, fastavro.parse_schema(old), fastavro.parse_schema(new)) == {
        "id": "a",
        "note": "",
        "level": None,
    }


@pytest.mark.parametrize(
    ("name", "changes"),
    [("result", {"verdict": "maybe"}), ("result", {"n_window": "336"}), ("alert", {"causes": [{"column": 1}]})],
)
def test_wrong_message_cannot_be_written(name, changes):
    good = {"result": a_result(), "alert": an_alert()}[name]
    wire = json.loads(msgspec.json.encode(good)) | changes
    with pytest.raises((ValueError, TypeError, AttributeError)):
        through_avro(parsed(name), wire)


def test_named_type_is_defined_where_it_is_first_used_and_named_after():
    schema = avro_schema(Outer, namespace="n", field_docs=no_docs)
    first, more = schema["fields"]
    assert first["type"]["name"] == "Inner"
    assert more["type"] == {"type": "array", "items": "Inner"}
    fastavro.parse_schema(schema)


def test_type_that_avro_lacks_is_refused_with_its_name():
    with pytest.raises(TypeError, match="Avro cannot express SetType"):
        avro_schema(OfSets, namespace="n", field_docs=no_docs)
