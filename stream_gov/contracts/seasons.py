"""Seasons: the cycle of the day or the week, cut into slots by the clock and the calendar of a time zone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from stream_gov.contracts.unknown_keys import nearest

__all__ = ["OFFSET_BIN_MS", "SEASON_KINDS", "Season", "SeasonKind", "check_timezone", "slot_names", "utc_offset_ms"]

SeasonKind = Literal["hour_of_day", "day_of_week", "hour_of_week"]
SEASON_KINDS: tuple[str, ...] = get_args(SeasonKind)

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_N_SLOTS = {"hour_of_day": 24, "day_of_week": 7, "hour_of_week": 168}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_THURSDAY = 3  # 1970-01-01, Monday being 0

OFFSET_BIN_MS = 900_000
"""The offset from UTC is looked up at multiples of it: offsets change at whole quarters of an hour."""

# `datetime` holds the years 1 to 9999; a day is left for the offset.
_EARLIEST_MS, _LATEST_MS = -62_135_510_400_000, 253_402_214_400_000


def check_timezone(name: str) -> str:
    """Return the name of a time zone that this system knows.

    Raises
    ------
    ValueError
        It does not; the message gives the nearest name, or says how to install the database of time zones where there is none.
    """
    if name == "UTC":  # needs no database
        return name
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as err:  # a folder of zones, such as `Europe`, is an OSError
        known = sorted(available_timezones())
        if not known:
            msg = (
                f"the time zone {name!r} cannot be looked up: this system has no database of time zones; install one "
                "(`pip install tzdata`, or the system's package tzdata), or use UTC"
            )
            raise ValueError(msg) from err
        hint = nearest(name, known)
        if "did you mean" not in hint:
            hint = "; write a name of the IANA database, such as Europe/Berlin or UTC"
        msg = f"unknown time zone {name!r}{hint}"
        raise ValueError(msg) from err
    return name


@lru_cache(maxsize=16_384)
def _offset_of_bin(timezone: str, bin_ms: int) -> int:
    moment = datetime.fromtimestamp(min(max(bin_ms, _EARLIEST_MS), _LATEST_MS) // 1_000, UTC)
    offset = moment.astimezone(ZoneInfo(timezone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1_000)


def utc_offset_ms(timezone: str, time_ms: int) -> int:
    """How far the clocks of a time zone are ahead of UTC at a time, in milliseconds; taken at the last whole quarter of an hour.

    Examples
    --------
    >>> utc_offset_ms("UTC", 0), utc_offset_ms("Europe/Berlin", 1_783_000_000_000)
    (0, 7200000)
    """
    return 0 if timezone == "UTC" else _offset_of_bin(timezone, time_ms // OFFSET_BIN_MS * OFFSET_BIN_MS)


@lru_cache(maxsize=256)
def _offsets_in_use(timezone: str) -> tuple[int, ...]:
    """Every offset that a time zone has in the middle of a month from 2000 to 2037, the years that its rules are written out for."""
    middles = (datetime(year, month, 15, tzinfo=UTC) for year in range(2000, 2038) for month in range(1, 13))
    return tuple(sorted({utc_offset_ms(timezone, round(middle.timestamp()) * 1_000) for middle in middles}))


@dataclass(frozen=True, slots=True)
class Season:
    """A cycle cut into slots.

    Parameters
    ----------
    kind
        `hour_of_day` (24 slots), `day_of_week` (7, Monday first) or `hour_of_week` (168, from Monday 00:00 on).
    timezone
        IANA name. An hour that the clocks pass twice in autumn belongs to one slot both times; one that they skip in spring is in none.

    Examples
    --------
    >>> monday_noon = 1_767_614_400_000 - 3_600_000  # 2026-01-05T11:00Z
    >>> Season("hour_of_week", "Europe/Berlin").slot_of(monday_noon), Season("day_of_week").slot_of(monday_noon)
    (12, 0)
    """

    kind: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if self.kind not in _N_SLOTS:
            msg = f"a season is one of {', '.join(SEASON_KINDS)}, got {self.kind!r}"
            raise ValueError(msg)

    @property
    def n_slots(self) -> int:
        """Slots of a cycle."""
        return _N_SLOTS[self.kind]

    @property
    def slot_ms(self) -> int:
        """Length of a slot, but for the days on which clocks are changed."""
        return _DAY_MS if self.kind == "day_of_week" else _HOUR_MS

    @property
    def longest_pane_ms(self) -> int:
        """Length of the longest panes that never span two slots: they start at its multiples in UTC, as the slots must."""
        return math.gcd(self.slot_ms, *_offsets_in_use(self.timezone))

    def slot_at(self, local_ms: int) -> int:
        """Slot of a time on the clocks of the zone, in milliseconds since they showed 1970-01-01T00:00."""
        hour = local_ms // _HOUR_MS % 24
        day = (local_ms // _DAY_MS + _THURSDAY) % 7
        return hour if self.kind == "hour_of_day" else day if self.kind == "day_of_week" else 24 * day + hour

    def slot_of(self, time_ms: int) -> int:
        """Slot of a time in epoch milliseconds, from 0 on."""
        return self.slot_at(time_ms + utc_offset_ms(self.timezone, time_ms))

    def name_of(self, slot: int) -> str:
        """Name a slot for people.

        Examples
        --------
        >>> Season("hour_of_week").name_of(27), Season("hour_of_day").name_of(3), Season("day_of_week").name_of(6)
        ('Tue 03:00', '03:00', 'Sun')
        """
        if self.kind == "hour_of_day":
            return f"{slot:02d}:00"
        return _DAYS[slot] if self.kind == "day_of_week" else f"{_DAYS[slot // 24]} {slot % 24:02d}:00"

    def __str__(self) -> str:
        return self.kind if self.timezone == "UTC" else f"{self.kind} ({self.timezone})"


def slot_names(season: Season, slots: Sequence[int], *, shown: int = 5) -> str:
    """Name some slots for people: the first few, and how many more.

    Examples
    --------
    >>> slot_names(Season("day_of_week"), [5, 6]), slot_names(Season("hour_of_day"), range(24), shown=2)
    ('Sat, Sun', '00:00, 01:00 and 22 more')
    """
    names = ", ".join(season.name_of(slot) for slot in slots[:shown])
    return f"{names} and {len(slots) - shown} more" if len(slots) > shown else names
