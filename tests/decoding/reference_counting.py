"""Counts events slowly and obviously: plain `json`, one event at a time, plain Python numbers. What `Intake` must agree with."""

from __future__ import annotations

import bisect
import json
import math
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from stream_gov.decoding import CountingPlan
from stream_gov.summaries import CategoricalLayout, Derivation, NumericLayout, PaneLayout, TextDerivation
from tests.summaries.brute_force_derivations import of_text, of_vector

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
YEAR_1980 = 315_532_800_000
END_OF_9999 = 253_402_300_799_999


class RefusedError(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class NumberTally:
    cells: list[int]
    missing: int = 0
    wrong: int = 0
    sum_q: int = 0
    sum_q2: int = 0
    values: list[float] = field(default_factory=list)


@dataclass
class CategoryTally:
    missing: int = 0
    wrong: int = 0
    counts: Counter[str] = field(default_factory=Counter)


@dataclass
class PaneTally:
    n_events: int = 0
    n_rejected: int = 0
    times: list[int] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)
    new_columns: Counter[str] = field(default_factory=Counter)
    rows: list[list[float]] = field(default_factory=list)
    """Of the numeric columns, for the covariance."""
    open_columns: dict[str, list[Any]] = field(default_factory=dict)


Key = tuple[str, str, str, int, str]
"""Model, version, segment, pane, profile."""


@dataclass
class Outcome:
    panes: dict[Key, PaneTally] = field(default_factory=dict)
    rejections: list[tuple[int, str, str | None, int]] = field(default_factory=list)
    latest_ms: int | None = None


def depth_of(data: bytes) -> int:
    depth = deepest = 0
    in_string = escaped = False
    for byte in data:
        char = chr(byte)
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def parse(value: bytes | None) -> dict[str, Any]:
    if value is None or len(value) == 0:
        raise RefusedError("malformed_json")
    if len(value) > 1_000_000:
        raise RefusedError("too_large")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedError("invalid_utf8") from None
    if depth_of(value) > 100:
        raise RefusedError("too_deep")
    try:
        document = json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 4_000 else float(digits))
    except ValueError:
        raise RefusedError("malformed_json") from None
    try:
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise RefusedError("invalid_utf8") from None
    if not isinstance(document, dict):
        raise RefusedError("wrong_type")
    return document


def time_of(document: dict[str, Any], latest_ms: int) -> int:
    if "timestamp" not in document:
        raise RefusedError("missing_field")
    value = document["timestamp"]
    if isinstance(value, str):
        if not RFC_3339.fullmatch(value):  # Python reads more than that
            raise RefusedError("bad_timestamp")
        leap = value[17:19] == "60"  # which Python does not read
        try:
            moment = datetime.fromisoformat((value[:17] + "59" + value[19:] if leap else value).upper())
        except ValueError:
            raise RefusedError("bad_timestamp") from None
        if moment.tzinfo is None:
            raise RefusedError("bad_timestamp")
        time_ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) + 1_000 * leap
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError("wrong_type")
    elif as_float(value) is None or math.isnan(value):
        raise RefusedError("bad_timestamp")
    elif value < 1e11:
        raise RefusedError("timestamp_in_seconds")
    else:
        time_ms = math.floor(value)
    if time_ms > latest_ms:
        raise RefusedError("timestamp_in_future")
    if time_ms < YEAR_1980:
        raise RefusedError("timestamp_too_old")
    return time_ms


def text_of(document: dict[str, Any], name: str) -> str:
    if name not in document:
        raise RefusedError("missing_field")
    if not isinstance(document[name], str):
        raise RefusedError("wrong_type")
    return document[name]


def as_float(value: Any) -> float | None:
    """Finite float, NaN, or None for what is no such number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return None if math.isinf(number) else number


def name_of(value: Any) -> str:
    """Name of a category; short ones only."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    number = float(value)
    return str(int(number)) if number == int(number) and abs(number) < 2**53 else repr(number)


def segment_value(value: Any) -> str:
    if isinstance(value, str | bool):
        return name_of(value)
    if value is None:
        return "(missing)"
    number = as_float(value)
    if number is None:
        return "(other)"
    return "(missing)" if math.isnan(number) else name_of(number)


def row_of(document: dict[str, Any]) -> dict[str, Any]:
    row = dict(document["features"])
    prediction, scores = document.get("prediction"), document.get("scores")
    if prediction is not None:
        row["prediction"] = prediction
    if isinstance(scores, dict):
        for name, value in scores.items():
            row[f"score.{name}"] = value
    elif scores is not None:
        row["score"] = scores
    return row


def count_number(tally: NumberTally, value: Any, layout: NumericLayout) -> None:
    number = math.nan if value is None else as_float(value)
    if number is None:
        tally.wrong += 1
        return
    if math.isnan(number):
        tally.missing += 1
        return
    tally.cells[bisect.bisect_right(layout.edges.tolist(), number)] += 1
    step = (number - layout.center) * (2.0**16 / layout.scale)
    q = 2**44 if step > 2**44 else -(2**44) if step < -(2**44) else round(step)
    tally.sum_q += q
    tally.sum_q2 += q * q
    tally.values.append(number)


def count_category(tally: CategoryTally, value: Any, dtype: str) -> None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        tally.missing += 1
        return
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "number": as_float(value) is not None,
    }[dtype]
    if fits:
        tally.counts[name_of(value)] += 1
    else:
        tally.wrong += 1


def derived_value(derivation: Derivation, name: str, value: Any) -> Any:
    """Number of a derived column, None where it is missing, a text where it is a type error."""
    found = of_text(derivation, value) if isinstance(derivation, TextDerivation) else of_vector(derivation, value)
    if isinstance(found, str):
        return None if found == "missing" else found
    return found[derivation.columns.index(name)]


def count_row(pane: PaneTally, row: dict[str, Any], layout: PaneLayout) -> None:
    numbers = []
    for name, column in layout.columns.items():
        derivation = layout.derived.get(name)
        value = row.get(name) if derivation is None else derived_value(derivation, name, row.get(derivation.source))
        if isinstance(column, NumericLayout):
            tally = pane.columns.setdefault(name, NumberTally([0] * column.n_cells))
            count_number(tally, value, column)
            number = as_float(value)
            numbers.append(math.nan if number is None else number)
        else:
            dtype = column.dtype if isinstance(column, CategoricalLayout) else "boolean"
            count_category(pane.columns.setdefault(name, CategoryTally()), value, dtype)
    pane.rows.append(numbers)


def count_events(
    values: list[bytes | None],
    message_times: list[int],
    plans: dict[str, CountingPlan],
    *,
    now_ms: int | None,
    max_future_skew_ms: int,
) -> Outcome:
    outcome = Outcome()
    latest_ms = END_OF_9999 if now_ms is None else now_ms + max_future_skew_ms
    segments_met: dict[str, list[str]] = {}
    for offset, (value, message_ms) in enumerate(zip(values, message_times, strict=True)):
        model, version, time_ms, plan = None, "", None, None
        try:
            document = parse(value)
            if isinstance(document.get("version"), str):
                version = document["version"]
            try:
                time_ms = time_of(document, latest_ms)
                untimely = None
            except RefusedError as err:
                untimely = err
            model = text_of(document, "model")
            plan = plans.get(model)
            if plan is None:
                raise RefusedError("unknown_model")
            event_id = text_of(document, "event_id")
            text_of(document, "version")
            if untimely is not None:
                raise untimely
            if "features" not in document:
                raise RefusedError("missing_field")
            if not isinstance(document["features"], dict):
                raise RefusedError("wrong_type")
        except RefusedError as err:
            shown_ms = time_ms
            if shown_ms is None:
                shown_ms = message_ms
                if now_ms is not None and not YEAR_1980 <= message_ms <= latest_ms:
                    shown_ms = now_ms
            outcome.rejections.append((offset, err.reason, model, shown_ms))
            if plan is not None:
                profile = plan.layouts[0].id if plan.layouts else ""
                key = (plan.model, version, "", shown_ms // plan.pane_ms * plan.pane_ms, profile)
                outcome.panes.setdefault(key, PaneTally()).n_rejected += 1
        else:
            assert plan is not None
            assert time_ms is not None
            row = row_of(document)
            names = [""]
            met = segments_met.setdefault(plan.model, [])
            for definition in plan.segments:
                name = ",".join(f"{column}={segment_value(row.get(column))}" for column in definition)
                if plan.known_segments is None and name not in met and len(met) < plan.max_segments:
                    met.append(name)
                if name not in (met if plan.known_segments is None else plan.known_segments):
                    name = ",".join(f"{column}=(other)" for column in definition)
                names.append(name)
            known = set(plan.columns.exclude)
            for layout in plan.layouts:
                known.update(name for name in layout.columns if name not in layout.derived)
                known.update(derivation.source for derivation in layout.derivations)
            known.update(*plan.segments)
            sampled = zlib.crc32(event_id.encode()) % 16 == 0
            for name in names:
                for profile in [layout.id for layout in plan.layouts] or [""]:
                    key = (plan.model, version, name, time_ms // plan.pane_ms * plan.pane_ms, profile)
                    pane = outcome.panes.setdefault(key, PaneTally())
                    pane.n_events += 1
                    pane.times.append(time_ms)
                    for layout in plan.layouts:
                        if layout.id == profile:
                            count_row(pane, row, layout)
                            pane.new_columns.update(n for n in document["features"] if sampled and n not in known)
                    if not plan.layouts:
                        for column, cell in row.items():
                            if plan.columns.wants(column):
                                pane.open_columns.setdefault(column, []).append(cell)
        if time_ms is not None:
            outcome.latest_ms = time_ms if outcome.latest_ms is None else max(outcome.latest_ms, time_ms)
    return outcome
