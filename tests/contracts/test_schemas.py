from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from stream_gov.contracts import ConfigurationError, Monitor
from stream_gov.contracts.schemas import CONTRACTS, DIALECT
from stream_gov.decoding.timestamps import LEAST_NUMBER_MS
from stream_gov.files.schema_files import ALL_CONTRACTS, all_schema_files, write_schema_files
from tests.contracts.messages import a_ground_truth, a_result, an_alert, an_event

SCHEMAS = Path(__file__).parents[2] / "schemas"


def validator_of(name: str) -> jsonschema.protocols.Validator:
    schema = json.loads((SCHEMAS / f"{name}.v1.json").read_text(encoding="utf-8"))
    assert schema["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)


def on_the_wire(message: msgspec.Struct) -> dict[str, Any]:
    wire: dict[str, Any] = json.loads(msgspec.json.encode(message))
    return wire


MESSAGES = {"event": an_event, "ground-truth": a_ground_truth, "result": a_result, "alert": an_alert}


def test_schema_files_are_what_the_classes_say_now():
    generated = all_schema_files()
    on_disk = {p.name: p.read_text(encoding="utf-8") for p in SCHEMAS.iterdir() if p.suffix in {".json", ".avsc"}}
    stale = sorted(name for name in generated if on_disk.get(name) != generated[name])
    assert not stale, (
        f"{stale} differ from the classes; run `make schemas`, and raise the version if a reader would notice"
    )


def test_no_contract_lacks_its_files():
    assert {c.name for c in ALL_CONTRACTS} == {"event", "ground-truth", "result", "alert", "monitor", "settings"}
    names = set(all_schema_files())
    assert names == {f"{c.name}.v{c.version}.json" for c in ALL_CONTRACTS} | {
        f"{c.name}.v{c.version}.avsc" for c in CONTRACTS if issubclass(c.definition, msgspec.Struct)
    }


def test_schemas_are_written_once_and_left_alone_when_current(tmp_path):
    assert {p.name for p in write_schema_files(tmp_path / "schemas")} == set(all_schema_files())
    assert write_schema_files(tmp_path / "schemas") == []
    (tmp_path / "schemas" / "event.v1.json").write_text("{}", encoding="utf-8")
    assert [p.name for p in write_schema_files(tmp_path / "schemas")] == ["event.v1.json"]


@pytest.mark.parametrize("name", MESSAGES)
def test_real_message_is_valid(name):
    validator_of(name).validate(on_the_wire(MESSAGES[name]()))


@pytest.mark.parametrize("name", MESSAGES)
def test_message_with_a_field_of_a_later_release_is_valid(name):
    validator_of(name).validate(on_the_wire(MESSAGES[name]()) | {"added_later": 1})


@pytest.mark.parametrize("name", MESSAGES)
def test_message_without_any_one_required_field_is_refused(name):
    validator = validator_of(name)
    message = on_the_wire(MESSAGES[name]())
    required = validator.schema["required"]
    assert required
    for field in required:
        without = {k: v for k, v in message.items() if k != field}
        assert [e.validator for e in validator.iter_errors(without)] == ["required"], field


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("event", {"model": 7}),
        ("event", {"timestamp": None}),
        ("event", {"timestamp": 1.5}),
        ("event", {"timestamp": 862_876_800}),
        ("event", {"features": [1, 2]}),
        ("event", {"features": {"a": {"nested": 1}}}),
        ("event", {"features": {"a": [1, "x"]}}),
        ("event", {"scores": {"UP": "0.7"}}),
        ("ground-truth", {"label": None}),
        ("ground-truth", {"event_id": 12}),
        ("result", {"verdict": "maybe"}),
        ("result", {"value": "3.25"}),
        ("result", {"window_start_ms": "1997-05-06"}),
        ("result", {"n_window": 0.5}),
        ("alert", {"change": "closed"}),
        ("alert", {"status": "updated"}),
        ("alert", {"causes": [{"column": "vicprice"}]}),
        ("alert", {"columns": "vicprice"}),
    ],
)
def test_message_with_a_wrong_value_is_refused(name, changes):
    message = on_the_wire(MESSAGES[name]()) | changes
    assert not validator_of(name).is_valid(message)


def test_number_that_the_schema_takes_for_seconds_is_the_number_the_reader_takes_for_seconds():
    timestamp = validator_of("event").schema["properties"]["timestamp"]
    (number,) = [branch for branch in timestamp["anyOf"] if branch["type"] == "integer"]
    assert number["minimum"] == LEAST_NUMBER_MS


def test_undefined_value_is_null_on_the_wire_and_valid():
    wire = on_the_wire(a_result(value=float("nan"), verdict="insufficient", reason="200 events needed, 3 seen"))
    assert wire["value"] is None
    validator_of("result").validate(wire)


def test_every_field_of_a_message_that_has_a_docstring_is_described():
    result = json.loads((SCHEMAS / "result.v1.json").read_text(encoding="utf-8"))
    assert result["properties"]["revision"]["description"].startswith("0 when the window first closed")
    assert result["properties"]["verdict"] == {"$ref": "#/$defs/Verdict"}
    alert = json.loads((SCHEMAS / "alert.v1.json").read_text(encoding="utf-8"))
    assert alert["$defs"]["AlertCause"]["properties"]["detail"]["description"]


FULL_MONITOR = """
monitor: electricity
model: electricity
reference: electricity-1996@2
columns:
  include: [nswprice, vicprice, region]
  exclude: [period]
  types: {region: categorical}
segments: [region, [region, device]]
max_segments: 50
window: {size: 7d, every: 1d, allowed_lateness: 6h}
pane: 12h
min_events: 100
covariance: true
calibration: long_run
season: day_of_week
timezone: UTC
budget: {false_alarms: 2, per: 7d}
checks:
  - {statistic: psi, tolerance: 0.1, level: 0.001}
  - {statistic: ks, threshold: 0.1, columns: [nswprice]}
  - {statistic: chi_squared, p_value: 0.01}
alerts:
  open_after: {windows: 2, of: 3}
  resolve_after: 2
  hysteresis: 0.2
  severities: {info: 1, warning: 2, critical: 5}
maintenance:
  - {from: 2026-12-24T00:00Z, until: 2026-12-27T00:00Z, note: freeze}
  - {every: week, from: "Sun 02:00", for: 3h, timezone: Europe/Berlin}
"""


def test_monitor_file_with_every_key_is_valid():
    data = yaml.safe_load(FULL_MONITOR)
    trailing = {k: v for k, v in data.items() if k not in ("season", "timezone")} | {
        "trailing": {"length": "28d", "gap": "1d"}
    }
    assert set(data) | set(trailing) == set(validator_of("monitor").schema["properties"])
    for either in (data, trailing):
        validator_of("monitor").validate(either)
        Monitor.from_mapping(either, source="here")


def test_monitor_as_it_stands_on_the_topic_is_valid():
    monitor = Monitor.from_yaml(FULL_MONITOR, source="here")
    validator_of("monitor").validate(json.loads(monitor.to_json_bytes()))


@pytest.mark.parametrize(
    "changes",
    [
        {"windwo": {"size": "1h"}},
        {"window": {"size": "soon"}},
        {"window": {"size": 60}},
        {"window": {}},
        {"monitor": "two words"},
        {"model": ""},
        {"reference": "electricity@0"},
        {"min_events": 0},
        {"segments": [[]]},
        {"segments": ["region", "region"]},
        {"columns": {"types": {"region": "text"}}},
        {"checks": [{"statistic": "psy", "threshold": 0.1}]},
        {"checks": [{"statistic": "psi"}]},
        {"checks": [{"statistic": "psi", "threshold": 0.1, "p_value": 0.01}]},
        {"checks": [{"statistic": "psi", "threshold": 0.1, "level": 0.01}]},
        {"checks": [{"statistic": "psi", "tolerance": -1}]},
        {"alerts": {"resolve_after": 0}},
        {"alerts": {"open_after": {"windows": 0}}},
        {"alerts": {"open_after": 2}},
        {"alerts": {"hysteresis": 1}},
        {"alerts": {"severities": {}}},
        {"alerts": {"severities": {"page": 1}}},
        {"alerts": {"severities": {"warning": 0.5}}},
        {"maintenance": [{"every": "week", "frm": "Sun 02:00", "for": "3h"}]},
        {"maintenance": [{"every": "month", "from": "02:00", "for": "3h"}]},
        {"maintenance": [{"every": "day", "from": 120, "for": "3h"}]},
        {"maintenance": [{"every": "day", "from": "02:00", "for": 3}]},
    ],
)
def test_schema_and_reader_refuse_the_same_mistakes(changes):
    data = yaml.safe_load(FULL_MONITOR) | changes
    assert not validator_of("monitor").is_valid(data)
    with pytest.raises(ConfigurationError):
        Monitor.from_mapping(data, source="here")


def test_settings_file_is_valid_and_a_misspelt_key_is_not():
    validator = validator_of("settings")
    validator.validate(
        {"bootstrap": "kafka:9092", "cut_interval": "5s", "topics": {"prefix": "prod."}, "influx": {"token": "secret"}}
    )
    assert not validator.is_valid({"bootstrp": "kafka:9092"})
    assert not validator.is_valid({"topics": {"partitions": 0}})
    assert not validator.is_valid({"cut_interval": 5})


def test_defaults_of_durations_are_written_as_people_write_them():
    schema = validator_of("settings").schema
    assert schema["properties"]["cut_interval"]["default"] == "2s"
    assert schema["properties"]["topics"]["default"]["events_retention"] == "7d"
