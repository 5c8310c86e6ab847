"""Avro schemas of message classes, for those who carry the messages through a schema registry."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import msgspec.inspect as shapes

__all__ = ["FieldDocs", "avro_schema"]

FieldDocs = Callable[[type], Mapping[str, str]]
"""Gives the description of each field of a class; fields without one are left out."""

_SIMPLE: dict[type[shapes.Type], str] = {
    shapes.NoneType: "null",
    shapes.BoolType: "boolean",
    shapes.IntType: "long",
    shapes.FloatType: "double",
    shapes.StrType: "string",
    shapes.BytesType: "bytes",
    # Avro has no "anything"; such a value travels as its JSON text
    shapes.AnyType: "string",
}

# A reader takes the first branch that fits, and the default must be of the first: null leads, and the whole
# number stands before the real one so that 3 does not come back as 3.0.
_BRANCH_ORDER = ("null", "boolean", "long", "double", "string")


def avro_schema(message: type[msgspec.Struct], *, namespace: str, field_docs: FieldDocs) -> dict[str, Any]:
    """Describe a message class as an Avro record.

    A union becomes an Avro union with null first, a mapping a map, an enumeration an enum. An integer is a `long`, so
    it must fit 64 bits.

    Parameters
    ----------
    message
        The class. Classes it refers to are written where they are first used.
    namespace
        Of the record and of every type in it.
    field_docs
        Where the `doc` of each field comes from.

    Raises
    ------
    TypeError
        A field has a type that Avro cannot express.
    """
    found = _convert(shapes.type_info(message), set(), field_docs)
    assert isinstance(found, dict)  # noqa: S101 - a struct always gives a record
    return {"type": found.pop("type"), "name": found.pop("name"), "namespace": namespace, **found}


def _convert(shape: shapes.Type, known: set[str], field_docs: FieldDocs) -> Any:
    simple = _SIMPLE.get(type(shape))
    if simple is not None:
        return simple
    match shape:
        case shapes.Metadata(type=inner):
            return _convert(inner, known, field_docs)
        case shapes.StructType(cls=cls):
            return _once(cls, known, lambda: _record(shape, known, field_docs))
        case shapes.EnumType(cls=cls):
            return _once(cls, known, lambda: _enumeration(cls))
        case shapes.ListType(item_type=item) | shapes.VarTupleType(item_type=item):
            return {"type": "array", "items": _convert(item, known, field_docs)}
        case shapes.DictType(value_type=value):
            return {"type": "map", "values": _convert(value, known, field_docs)}
        case shapes.UnionType(types=types):
            return sorted((_convert(t, known, field_docs) for t in types), key=_branch_rank)
    msg = f"Avro cannot express {type(shape).__name__}; use a struct, enumeration, list, mapping or scalar"
    raise TypeError(msg)


def _once(cls: type, known: set[str], build: Callable[[], dict[str, Any]]) -> Any:
    """Return the definition of a named type where it is met first, and its name from then on."""
    if cls.__name__ in known:
        return cls.__name__
    known.add(cls.__name__)
    return build()


def _record(shape: shapes.StructType, known: set[str], field_docs: FieldDocs) -> dict[str, Any]:
    docs = field_docs(shape.cls)
    fields = []
    for field in shape.fields:
        described: dict[str, Any] = {"name": field.encode_name, "type": _convert(field.type, known, field_docs)}
        if field.default is not msgspec.NODEFAULT:
            described["default"] = field.default
        if field.name in docs:
            described["doc"] = docs[field.name]
        fields.append(described)
    return {"type": "record", "name": shape.cls.__name__, "doc": _summary(shape.cls), "fields": fields}


def _enumeration(cls: type[enum.Enum]) -> dict[str, Any]:
    return {
        "type": "enum",
        "name": cls.__name__,
        "doc": _summary(cls),
        "symbols": [member.value for member in cls],
    }


def _summary(cls: type) -> str:
    return (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")


def _branch_rank(branch: Any) -> int:
    return _BRANCH_ORDER.index(branch) if branch in _BRANCH_ORDER else len(_BRANCH_ORDER)
