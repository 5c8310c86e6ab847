"""Takes the values of some columns out of the rejected messages that go to the dead-letter topic."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

__all__ = ["EVERY_COLUMN", "REDACTED", "redact"]

REDACTED = "[redacted]"
EVERY_COLUMN = "*"
_KEPT = ("event_id", "model", "version", "timestamp")


def redact(value: bytes | None, columns: Collection[str]) -> bytes | None:
    """Return a rejected message with the values of some columns replaced by `[redacted]`.

    Parameters
    ----------
    value
        As it came.
    columns
        Names of features; `prediction`, and `score` or `score.<class>`, of what the model said; `*` for all of them.

    Returns
    -------
    The message, without `metadata` and whatever else is no field of an event, since nobody knows what stands there. None where it is no
    JSON object, or its features are none: then it cannot be told what is in it, and nothing of it is kept.

    Examples
    --------
    >>> redact(b'{"model": "m", "features": {"income": 5, "age": 7}, "metadata": {"user": "x"}}', ["income"])
    b'{"model":"m","features":{"income":"[redacted]","age":7}}'
    """
    if not columns:
        return value
    try:
        content = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("features", {}), dict):
        return None

    def hidden(column: str) -> bool:
        return column in columns or EVERY_COLUMN in columns

    kept: dict[str, Any] = {name: content[name] for name in _KEPT if isinstance(content.get(name), (str, int, float))}
    if "features" in content:
        kept["features"] = {name: REDACTED if hidden(name) else v for name, v in content["features"].items()}
    if "prediction" in content:
        kept["prediction"] = REDACTED if hidden("prediction") else content["prediction"]
    if "scores" in content:
        some = any(column == "score" or column.startswith("score.") for column in columns)
        kept["scores"] = REDACTED if some or EVERY_COLUMN in columns else content["scores"]
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
