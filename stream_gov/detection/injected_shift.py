"""A shift put into past events, to see whether and how soon it is found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from stream_gov.contracts import ConfigurationError
from stream_gov.contracts.unknown_keys import nearest
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
    """That a value becomes missing, or the category."""
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
            return cls(**place, kind="missing", chance=size)
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

    def changed(self, value: Any, rng: np.random.Generator) -> Any:
        """Return what becomes of a value."""
        if self.kind == "mean":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return value * self.factor + self.add if is_number else value
        hit = rng.random() < self.chance
        if self.kind == "missing":
            return None if hit else value
        return self.category if hit and value is not None else value


def inject(events: Iterable[tuple[int, bytes]], shifts: Iterable[InjectedShift]) -> Iterator[tuple[int, bytes]]:
    """Change past events as asked for; the same events are changed in the same way each time.

    Parameters
    ----------
    events
        Event time in epoch milliseconds, and message.
    shifts
        Of features, or of `prediction`.
    """
    followed = [(shift, np.random.default_rng([23, i])) for i, shift in enumerate(shifts)]
    for time_ms, message in events:
        active = [(shift, rng) for shift, rng in followed if shift.holds(time_ms)]
        if not active:
            yield time_ms, message
            continue
        event = _decoder.decode(message)
        for shift, rng in active:
            place = event["features"] if shift.column in event.get("features", {}) else event
            if shift.column in place:
                place[shift.column] = shift.changed(place[shift.column], rng)
        yield time_ms, _encoder.encode(event)
