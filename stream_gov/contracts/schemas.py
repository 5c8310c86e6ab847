"""The files of `schemas/`: what subscribers in other languages, editors and schema registries read.

Everything comes from the classes of this package, so that there is one definition. A contract has a version of its own: a new optional
field keeps it; a change that a reader of the old schema would notice raises it, and the files of the version before stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import msgspec.inspect
from pydantic import BaseModel

from stream_gov.contracts.alert import Alert
from stream_gov.contracts.avro_schema import FieldDocs, avro_schema
from stream_gov.contracts.durations import format_duration
from stream_gov.contracts.event import Event, GroundTruth
from stream_gov.contracts.monitor import STATISTIC_NAMES, Monitor
from stream_gov.contracts.result import Result
from stream_gov.contracts.unknown_keys import models_in

__all__ = ["CONTRACTS", "Contract", "FieldDocs", "json_schema_of_model", "json_schema_of_struct", "schema_files"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
AVRO_NAMESPACE = "stream_gov"


@dataclass(frozen=True, slots=True)
class Contract:
    """One kind of message or file, and the version of its schema."""

    name: str
    version: int
    definition: type[msgspec.Struct] | type[BaseModel]

    @property
    def identifier(self) -> str:
        """`$id` of the JSON Schema: a name, not an address to fetch."""
        return f"urn:stream-gov:schema:{self.name}:v{self.version}"

    def file_name(self, suffix: str) -> str:
        """Name in `schemas/`, such as `event.v1.json`."""
        return f"{self.name}.v{self.version}.{suffix}"


CONTRACTS = (
    Contract("event", 1, Event),
    Contract("ground-truth", 1, GroundTruth),
    Contract("result", 1, Result),
    Contract("alert", 1, Alert),
    Contract("monitor", 1, Monitor),
)


def schema_files(field_docs: FieldDocs, contracts: tuple[Contract, ...] = CONTRACTS) -> dict[str, str]:
    """Text of every schema file by its name: JSON Schema of each contract, Avro of those that are messages.

    Parameters
    ----------
    field_docs
        Descriptions of the fields of a class; reading them from the source is left to the caller.
    contracts
        What to describe.
    """
    files = {}
    for contract in contracts:
        if issubclass(contract.definition, BaseModel):
            schema = json_schema_of_model(contract, contract.definition, field_docs)
        else:
            schema = json_schema_of_struct(contract, contract.definition, field_docs)
            avro = avro_schema(contract.definition, namespace=AVRO_NAMESPACE, field_docs=field_docs)
            files[contract.file_name("avsc")] = _text(avro)
        files[contract.file_name("json")] = _text(schema)
    return files


def json_schema_of_struct(
    contract: Contract, definition: type[msgspec.Struct], field_docs: FieldDocs
) -> dict[str, Any]:
    """JSON Schema of a message; fields that a later release adds are allowed."""
    (_,), parts = msgspec.json.schema_components((definition,), ref_template="#/$defs/{name}")
    for cls in _structs_in(msgspec.inspect.type_info(definition)):
        _describe(parts[cls.__name__], field_docs(cls))
    return _framed(contract, parts.pop(definition.__name__), parts)


def json_schema_of_model(contract: Contract, definition: type[BaseModel], field_docs: FieldDocs) -> dict[str, Any]:
    """JSON Schema of a configuration file; unknown keys are refused, as the reader refuses them."""
    schema = definition.model_json_schema(by_alias=True)
    parts = schema.pop("$defs", {})
    for cls in _models_in(definition):
        part = schema if cls is definition else parts[cls.__name__]
        aliases = {name: field.alias or name for name, field in cls.model_fields.items()}
        _describe(part, {aliases.get(name, name): text for name, text in field_docs(cls).items()})
        for field in part["properties"].values():
            field.pop("title", None)  # pydantic's is the key once more
            _say_durations_as_people_do(field)
    if "Check" in parts:
        _state_the_rules_of_a_check(parts["Check"])
    return _framed(contract, schema, parts)


def _state_the_rules_of_a_check(check: dict[str, Any]) -> None:
    """Say what the class checks in code: a known statistic, and exactly one rule."""
    check["properties"]["statistic"]["enum"] = list(STATISTIC_NAMES)
    for rule in ("threshold", "p_value", "tolerance", "level"):
        field = check["properties"][rule]
        number = next(branch for branch in field.pop("anyOf") if branch["type"] != "null")
        field.pop("default")
        field.update(number)
    check["oneOf"] = [{"required": [rule]} for rule in ("threshold", "p_value", "tolerance")]
    check["dependentRequired"] = {"level": ["tolerance"]}


def _say_durations_as_people_do(field: dict[str, Any]) -> None:
    """Write the default of a duration in the form the file takes, not in the code's milliseconds."""
    is_text = field.get("type") == "string"
    if is_text and isinstance(field.get("default"), int):
        field["default"] = format_duration(field["default"])


def _describe(part: dict[str, Any], docs: Mapping[str, str]) -> None:
    for name, field in part["properties"].items():
        if name in docs:
            field["description"] = docs[name]


def _structs_in(shape: Any) -> Iterator[type[msgspec.Struct]]:
    match shape:
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            yield cls
            for field in fields:
                yield from _structs_in(field.type)
        case msgspec.inspect.ListType(item_type=item):
            yield from _structs_in(item)
        case msgspec.inspect.UnionType(types=types):
            for branch in types:
                yield from _structs_in(branch)


def _models_in(model: type[BaseModel]) -> list[type[BaseModel]]:
    inner = [cls for field in model.model_fields.values() for cls in models_in(field.annotation)]
    return [model, *(found for cls in inner for found in _models_in(cls))]


def _framed(contract: Contract, schema: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    framed = {"$schema": DIALECT, "$id": contract.identifier, **schema}
    if parts:
        framed["$defs"] = parts
    return framed


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
