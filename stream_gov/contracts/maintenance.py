"""The section `maintenance` of a monitor file: times in which what drifts is expected to, and pages nobody."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator

from stream_gov.contracts.durations import Duration, format_duration
from stream_gov.contracts.strict_model import StrictModel

__all__ = ["Maintenance"]

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DAY_MS = 86_400_000
_PERIODS_MS = {"day": _DAY_MS, "week": 7 * _DAY_MS}
_FORMS = {"day": 'a time of day such as "02:00"', "week": 'a day and a time such as "Sun 02:00"'}


def _as_text(value: Any) -> Any:
    """YAML turns some times into objects of its own, and `12:30` without quotes into a number of base 60."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        msg = f"{value} is a day and no time; write a time with its offset from UTC, such as {value}T00:00Z"
        raise ValueError(msg)
    if isinstance(value, int):
        msg = f'{value} is a number; put a time of day in quotes, such as "12:30"'
        raise ValueError(msg)
    return value


Moment = Annotated[str, BeforeValidator(_as_text)]


@lru_cache(maxsize=1_000)
def _to_ms(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as err:
        msg = f"{text!r} is no time; write a date, a time and an offset from UTC, such as 2026-12-24T00:00Z"
        raise ValueError(msg) from err
    if moment.tzinfo is None:
        msg = f"{text!r} has no offset from UTC; write it with Z or with an offset such as +02:00"
        raise ValueError(msg)
    return round(moment.timestamp() * 1_000)


@lru_cache(maxsize=1_000)
def _time_in_period(text: str, every: str) -> tuple[int | None, time]:
    """Weekday (Monday is 0; None: every day) and time of day."""
    day, _, clock = text.rpartition(" ")
    match = _TIME_OF_DAY.fullmatch(clock)
    if match is None or day not in (_WEEKDAYS if every == "week" else ("",)):
        days = f" (days: {', '.join(_WEEKDAYS)})" if every == "week" else ""
        msg = f"{text!r} is not {_FORMS[every]}{days}, which `every: {every}` needs"
        raise ValueError(msg)
    return (_WEEKDAYS.index(day) if day else None), time(int(match[1]), int(match[2]))


@lru_cache(maxsize=1_000)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as err:
        msg = f"unknown time zone {name!r}; write a name of the IANA database, such as Europe/Berlin or UTC"
        raise ValueError(msg) from err


class Maintenance(StrictModel):
    """One maintenance: once (`from`, `until`), or again and again (`every`, `from`, `for`)."""

    begins: Moment = Field(alias="from")
    """Once: a time with its offset from UTC. Every day: a time of day, "02:00". Every week: a day and a time, "Sun 02:00"."""
    until: Moment | None = None
    """Once: the first moment after it, with its offset from UTC."""
    every: Literal["day", "week"] | None = None
    """How often it comes again; without it, once."""
    lasts: Duration | None = Field(default=None, alias="for")
    """How long it takes, where it comes again; shorter than the day or the week."""
    timezone: str = "UTC"
    """Of the time of day, where it comes again: a name of the IANA database."""
    note: str = ""
    """What it is, for people."""

    @model_validator(mode="after")
    def _one_form(self) -> Maintenance:
        if self.every is None:
            if self.lasts is not None or self.timezone != "UTC":
                given = "for" if self.lasts is not None else "timezone"
                msg = f"`{given}` goes with `every`; a maintenance that comes once has `from` and `until`, each with its offset from UTC"
                raise ValueError(msg)
            if self.until is None:
                msg = "a maintenance needs `until` (it comes once), or `every` and `for` (it comes again)"
                raise ValueError(msg)
            if _to_ms(self.until) <= _to_ms(self.begins):
                msg = f"`until` ({self.until}) is not after `from` ({self.begins})"
                raise ValueError(msg)
            return self
        if self.until is not None or self.lasts is None:
            msg = f"a maintenance of `every: {self.every}` has `from` and `for`, and no `until`"
            raise ValueError(msg)
        _time_in_period(self.begins, self.every)
        _zone(self.timezone)
        if not 0 < self.lasts < _PERIODS_MS[self.every]:
            msg = f"`for` ({format_duration(self.lasts)}) must be longer than nothing and shorter than a {self.every}"
            raise ValueError(msg)
        return self

    def overlaps(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether any part of `[start_ms, end_ms)` lies in it.

        A time of day that the clock skips (summer time begins) is taken an hour later, one that comes twice the first time; it lasts as
        long by a stopwatch whatever the clock does.
        """
        if self.every is None or self.lasts is None:
            return _to_ms(self.begins) < end_ms and start_ms < _to_ms(self.until or self.begins)
        weekday, clock = _time_in_period(self.begins, self.every)
        zone = _zone(self.timezone)
        # From the day before the first on which one could have begun that is not over yet; offsets from UTC are less than a day.
        day = datetime.fromtimestamp((start_ms - self.lasts) / 1_000, UTC).date() - timedelta(days=1)
        last = datetime.fromtimestamp(end_ms / 1_000, UTC).date() + timedelta(days=1)
        while day <= last:
            if weekday is None or day.weekday() == weekday:
                begins = round(datetime.combine(day, clock, zone).timestamp() * 1_000)
                if begins < end_ms and start_ms < begins + self.lasts:
                    return True
            day += timedelta(days=1)
        return False
