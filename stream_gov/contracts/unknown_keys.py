"""Say what is wrong with a configuration in the reader's terms: the place, the nearest known name, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

__all__ = ["describe_validation_error", "model_in", "nearest"]


def nearest(name: str, known: Sequence[str]) -> str:
    """Give a hint that starts with a semicolon: the nearest known name, or all of them.

    Examples
    --------
    >>> nearest("windwo", ["window", "pane"])
    '; did you mean `window`?'
    >>> nearest("zzz", ["window", "pane"])
    '; known are: pane, window'
    """
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; known are: {', '.join(sorted(known))}"


def _keys_at(model: type[BaseModel], path: Sequence[int | str]) -> list[str]:
    """Keys that are allowed beside the one at the end of `path`."""
    here: type[BaseModel] = model
    for step in path[:-1]:
        if isinstance(step, int):
            continue
        field = next((f for name, f in here.model_fields.items() if step in (name, f.alias)), None)
        if field is None:
            return []
        inner = model_in(field.annotation)
        if inner is None:
            return []
        here = inner
    return [f.alias or name for name, f in here.model_fields.items()]


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section a field holds, also inside a list or beside None; None where it holds no section."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = model_in(argument)
        if found is not None:
            return found
    return None


def _place(path: Sequence[int | str]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else step)
    return text


_WORDS = {
    "tuple_type": "a list is expected, such as [a, b]",
    "list_type": "a list is expected, such as [a, b]",
    "dict_type": "a mapping is expected, such as {{a: b}}",
    "string_type": "text is expected; put it in quotes",
    "int_type": "a whole number is expected",
    "int_parsing": "a whole number is expected",
    "int_from_float": "a whole number is expected",
    "float_type": "a number is expected",
    "float_parsing": "a number is expected",
    "bool_type": "true or false is expected",
    "bool_parsing": "true or false is expected",
    "string_too_short": "must not be empty",
    "too_short": "must name at least one; or leave the key out",
    "greater_than_equal": "must be at least {ge:.10g}",
    "greater_than": "must be more than {gt:.10g}",
    "less_than_equal": "must be at most {le:.10g}",
    "less_than": "must be less than {lt:.10g}",
    "literal_error": "must be one of {expected}",
}
"""What pydantic's errors mean to someone who wrote YAML and knows no Python types; by the error's type."""


def _in_words(kind: str, context: Mapping[str, Any], known_inside: Sequence[str]) -> str | None:
    if kind in {"model_type", "model_attributes_type"}:
        keys = ", ".join(f"`{key}`" for key in known_inside)
        return f"a mapping with the keys {keys} is expected"
    words = _WORDS.get(kind)
    return None if words is None else words.format(**context)


def describe_validation_error(
    error: ValidationError, model: type[BaseModel], *, source: str | Callable[[Sequence[int | str]], str]
) -> str:
    """One line for each mistake: `source: place: what is wrong; what to do`.

    Where values come from several places, `source` is called with the path of the mistake.
    """
    lines = []
    for e in error.errors(include_url=False):
        path = e["loc"]
        place = _place(path)
        if e["type"] == "extra_forbidden":
            what = f"unknown key{nearest(str(path[-1]), _keys_at(model, path))}"
        elif e["type"] == "missing":
            what = "this key is required"
        else:
            words = _in_words(e["type"], e.get("ctx", {}), _keys_at(model, (*path, "")))
            what = e["msg"].removeprefix("Value error, ") if words is None else words
            given = repr(e["input"])
            if e["type"] != "value_error" and len(given) < 60:
                what += f", got {given}"
        where = source if isinstance(source, str) else source(path)
        lines.append(f"{where}: {place}: {what}" if place else f"{where}: {what}")
    return "\n".join(lines)
