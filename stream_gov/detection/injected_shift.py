"""A shift put into past events, to see whether and how soon it is found."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from stream_gov.contracts import ConfigurationError
from stream_gov.contracts.unknown_keys import nearest
from stream_gov.decoding import PREDICTION_COLUMN, SCORE_COLUMN
from stream_gov.reference import ReferenceProfile
from stream_gov.summaries import CategoricalSummary, NumericSummary

__all__ = ["InjectedShift", "inject"]

_FORM = re.compile(
    r"(?P<column>.+?)=(?P<what>mean|missing|share:(?P<category>.+?))(?P<sign>[+*-])(?P<size>\d+(\.\d+)?(e-?\d+)?)(?P<unit>sd)?"
    r"@(?P<start>[^@]+?)(\.\.(?P<end>[^@]+))?"
)
_EXPECTED = (
    "write COLUMN=mean+0.2sd@TIME (or mean-3, mean*1.1 in the column's own unit), COLUMN=missing+0.05@TIME or COLUMN=share:CATEGORY+0.1@TIME, "
    "and TIME..TIME for one that ends"
)
_encoder, _decoder = msgspec.json.Encoder(), msgspec.json.Decoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedShift:
    """What happens to one column."""

    text: str
    """As it was asked for."""
    column: str
    kind: str
    """`mean`, `missing` or `share`."""
    start_ms: int
    """Event time from which on it happens, epoch milliseconds."""
    end_ms: int | None
    """Event time before which; None: to the end."""
    add: float = 0.0
    """To each number."""
    factor: float = 1.0
    """Of each number, before `add`."""
    chance: float = 0.0
    """That a value that is there becomes missing, or that one becomes the category."""
    category: str = ""

    @classmethod
    def parse(cls, text: str, profile: ReferenceProfile, parse_time: Any) -> InjectedShift:
        """Read `column=mean+0.2sd@2026-03-01` and its like.

        Parameters
        ----------
        text
            The words.
        profile
            Has the column; standard deviation and shares are those of all its rows.
        parse_time
            Reads a time as epoch milliseconds.

        Raises
        ------
        ConfigurationError
            The words cannot be read, or the column is not there or of another kind.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            msg = f"--inject {text}: this is no shift; {_EXPECTED}"
            raise ConfigurationError(msg)
        column, what, sign, size = match["column"], match["what"], match["sign"], float(match["size"])
        start = parse_time(match["start"])
        end = None if match["end"] is None else parse_time(match["end"])
        if end is not None and end <= start:
            msg = f"--inject {text}: the end must come after the start"
            raise ConfigurationError(msg)
        known = profile.segments[""].columns
        if column not in known:
            msg = f"--inject {text}: {profile.id} has no column {column!r}{nearest(column, list(known))}"
            raise ConfigurationError(msg)
        derivation = profile.layout.derived.get(column)
        if derivation is not None:
            msg = f"--inject {text}: {column} is derived from {derivation.source!r} and does not stand in events; shift another column"
            raise ConfigurationError(msg)
        summary = known[column]
        place = {"text": text, "column": column, "start_ms": start, "end_ms": end}
        if what == "mean":
            if not isinstance(summary, NumericSummary):
                msg = f"--inject {text}: {column} is {summary.kind} and has no mean; shift the share of a category, or missing values"
                raise ConfigurationError(msg)
            if sign == "*":
                return cls(**place, kind="mean", factor=size)
            unit = summary.standard_deviation() if match["unit"] else 1.0
            return cls(**place, kind="mean", add=(-size if sign == "-" else size) * unit)
        if sign != "+" or match["unit"] or not 0 < size <= 1:
            msg = f"--inject {text}: a share can only rise, by more than 0 and at most 1: +0.05"
            raise ConfigurationError(msg)
        if what == "missing":
            share = summary.n_missing / max(summary.n, 1)
            if share + size > 1:
                msg = f"--inject {text}: {share:.3g} of the values are missing already, and {share:.3g} + {size:g} is more than 1"
                raise ConfigurationError(msg)
            return cls(**place, kind="missing", chance=size / (1 - share))
        if not isinstance(summary, CategoricalSummary):
            msg = (
                f"--inject {text}: {column} is {summary.kind} and has no categories; shift its mean, or missing values"
            )
            raise ConfigurationError(msg)
        category = match["category"]
        index = summary.layout.index.get(category)
        share = 0.0 if index is None else float(summary.counts[index]) / max(summary.n_valid, 1)
        if share + size > 1:
            msg = f"--inject {text}: {category!r} has a share of {share:.3g} already, and {share:.3g} + {size:g} is more than 1"
            raise ConfigurationError(msg)
        return cls(**place, kind="share", chance=size / (1 - share), category=category)

    def holds(self, time_ms: int) -> bool:
        """Tell whether an event of this time is changed."""
        return time_ms >= self.start_ms and (self.end_ms is None or time_ms < self.end_ms)

    def changed(self, value: Any, luck: float) -> Any:
        """Return what becomes of a value; `luck` is uniform in [0, 1)."""
        if self.kind == "mean":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return value * self.factor + self.add if is_number else value
        if value is None or luck >= self.chance:
            return value
        return None if self.kind == "missing" else self.category


def inject(
    events: Iterable[tuple[int, bytes]], shifts: Iterable[InjectedShift], touched: Counter[str] | None = None
) -> Iterator[tuple[int, bytes]]:
    """Change past events as asked for. What becomes of an event depends on its id alone, wherever reading starts.

    Parameters
    ----------
    events
        Event time in epoch milliseconds, and message.
    shifts
        Of features, the prediction, `score` or `score.<class>`.
    touched
        By the words of each shift how many events of its time had the column; filled while it runs.
    """
    asked = tuple(shifts)
    for time_ms, message in events:
        active = [shift for shift in asked if shift.holds(time_ms)]
        if not active:
            yield time_ms, message
            continue
        event = _decoder.decode(message)
        identity = str(event.get("event_id", "")).encode() or message
        for shift in active:
            holder, key = _place(event, shift.column)
            if key in holder:
                holder[key] = shift.changed(holder[key], _luck(shift, identity))
                if touched is not None:
                    touched[shift.text] += 1
        yield time_ms, _encoder.encode(event)


def _place(event: dict[str, Any], column: str) -> tuple[dict[str, Any], str]:
    """Where a column stands in an event: prediction and scores come before features of the same name, as in counting."""
    scores = event.get("scores")
    if column == PREDICTION_COLUMN and event.get("prediction") is not None:
        return event, "prediction"
    if isinstance(scores, dict):
        name = column.removeprefix(f"{SCORE_COLUMN}.")
        if name != column and name in scores:
            return scores, name
    elif column == SCORE_COLUMN and scores is not None:
        return event, "scores"
    return event.get("features", {}), column


def _luck(shift: InjectedShift, identity: bytes) -> float:
    digest = hashlib.blake2b(shift.text.encode() + b"\0" + identity, digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
