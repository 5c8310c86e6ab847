"""Reads one message with care: finds the first thing wrong with it and says where. The fast path ends here when it fails."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from stream_gov.contracts import MAX_EVENT_BYTES, RejectedEventError, RejectReason
from stream_gov.decoding.nesting import MAX_DEPTH, is_deeper_than
from stream_gov.decoding.timestamps import TimeBounds, read_timestamp

__all__ = ["CarefulEvent", "RefusedMessage", "read_message", "unknown_model", "unknown_model_detail"]

_LONGEST_INTEGER = 18
_LONGEST_DETAIL = 300


@dataclass(slots=True)
class CarefulEvent:
    """An event whose envelope is sound; its features may hold values of any JSON type."""

    model: str
    event_id: str
    version: str
    timestamp: str | float
    time_ms: int
    features: dict[str, Any]
    prediction: Any = None
    scores: Any = None


class RefusedMessage(msgspec.Struct, frozen=True, gc=False):
    """What is wrong with a message, and what could be read of it all the same."""

    reason: RejectReason
    detail: str
    model: str | None = None
    version: str = ""
    time_ms: int | None = None
    """The event's own time, where it is readable and in bounds."""
    monitored: bool = False


def _read_integer(digits: str) -> int | float:
    # Python refuses integers of more than 4,300 digits; a float takes any number, and is exact enough beyond 2**53.
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


# NaN and Infinity are no JSON, but Python's own encoder writes them, so producers send them: they are read, and judged by column.
_decoder = json.JSONDecoder(parse_int=_read_integer)


def read_message(
    value: bytes | None, is_monitored: Callable[[str], bool], bounds: TimeBounds
) -> CarefulEvent | RefusedMessage:
    """Read one message, or say why it cannot be counted; never raises for anything a message may hold.

    What is wrong is looked for in this order: size, encoding, nesting, JSON, `model`, `event_id`, `version`, `timestamp`, `features`.
    """
    try:
        document = _parse(value)
    except RejectedEventError as err:
        return RefusedMessage(err.reason, _shorten(err.detail))
    model: str | None = None
    version = document.get("version")
    time_ms: int | None = None
    failure: RejectedEventError | None = None
    monitored = False
    timestamp = document.get("timestamp")
    try:
        time_ms = _time(timestamp, bounds)
    except RejectedEventError as err:
        failure = err
    try:
        model = _text(document, "model")
        monitored = is_monitored(model)
        if not monitored:
            return unknown_model(model, timestamp, bounds)
        event_id = _text(document, "event_id")
        version = _text(document, "version")
        if failure is not None:
            raise failure
        if time_ms is None:
            _refuse_field(document, "timestamp", "an RFC 3339 text or a number of epoch milliseconds")
        features = document.get("features")
        if not isinstance(features, dict):
            _refuse_field(document, "features", "an object of names and values")
    except RejectedEventError as err:
        return RefusedMessage(
            err.reason, _shorten(err.detail), model, version if isinstance(version, str) else "", time_ms, monitored
        )
    prediction, scores = document.get("prediction"), document.get("scores")
    return CarefulEvent(model, event_id, version, document["timestamp"], time_ms, features, prediction, scores)


def unknown_model(model: str, timestamp: object, bounds: TimeBounds) -> RefusedMessage:
    """Refuse an event of a model that no monitor watches."""
    try:
        time_ms = _time(timestamp, bounds)
    except RejectedEventError:
        time_ms = None
    return RefusedMessage(RejectReason.UNKNOWN_MODEL, unknown_model_detail(model), model, "", time_ms)


def unknown_model_detail(model: str) -> str:
    """Say that no monitor watches a model."""
    return _shorten(f"$.model: no monitor watches {model!r}; apply one, or mend the name")


def _time(timestamp: object, bounds: TimeBounds) -> int | None:
    """Time of an event; None where the field is missing or has a wrong type."""
    if isinstance(timestamp, str | int | float) and not isinstance(timestamp, bool):
        return read_timestamp(timestamp, bounds)
    return None


def _parse(value: bytes | None) -> dict[str, Any]:
    if not value:
        _refuse(RejectReason.MALFORMED_JSON, "$: the message is empty; an event is a JSON object")
    if len(value) > MAX_EVENT_BYTES:
        _refuse(RejectReason.TOO_LARGE, f"$: {len(value)} bytes, more than {MAX_EVENT_BYTES}; send fewer features")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as err:
        _refuse(
            RejectReason.INVALID_UTF8, f"$: byte {err.start} is no UTF-8 ({err.reason}); encode the message as UTF-8"
        )
    if is_deeper_than(value, MAX_DEPTH):
        _refuse(RejectReason.TOO_DEEP, f"$: nested more than {MAX_DEPTH} deep; send flat features")
    try:
        document = _decoder.decode(text)
        if b"\\u" in value:
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as err:
        half = err.object[err.start]
        _refuse(RejectReason.INVALID_UTF8, f"$: {half!r}, half of a surrogate pair, is no text; send both halves")
    except RecursionError:  # the stack was nearly used up before; depth itself is bounded above
        _refuse(RejectReason.TOO_DEEP, "$: nested too deep for the stack; send flat features")
    except ValueError as err:
        _refuse(RejectReason.MALFORMED_JSON, f"$: {err}; send one JSON object in a message")
    if not isinstance(document, dict):
        _refuse(RejectReason.WRONG_TYPE, f"$: expected an object, got {_type_name(document)}")
    return document


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        _refuse_field(document, name, "a text")
    return value


def _refuse_field(document: dict[str, Any], name: str, expected: str) -> NoReturn:
    if name not in document:
        _refuse(RejectReason.MISSING_FIELD, f"$.{name}: missing; expected {expected}")
    _refuse(RejectReason.WRONG_TYPE, f"$.{name}: expected {expected}, got {_type_name(document[name])}")


def _refuse(reason: RejectReason, detail: str) -> NoReturn:
    raise RejectedEventError(reason, detail)


def _type_name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a text"
        case float() if not math.isfinite(value):
            return str(value)
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"


def _shorten(detail: str) -> str:
    return detail if len(detail) <= _LONGEST_DETAIL else f"{detail[:_LONGEST_DETAIL]}..."
