from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.contracts import ConfigurationError, Maintenance, Monitor, format_duration

MINUTE = 60_000
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000)


def mistake(given: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Monitor.from_mapping({"monitor": "a", "model": "a", "window": {"size": "1h"}, "maintenance": given}, source="f")
    return str(caught.value).removeprefix("f: ")


def test_a_maintenance_that_comes_once_ends_before_its_end():
    once = Maintenance.model_validate({"from": "2026-12-24T00:00Z", "until": "2026-12-27T01:00+01:00"})
    start, end = ms("2026-12-24T00:00Z"), ms("2026-12-27T00:00Z")
    assert once.overlaps(start - 1, start + 1)
    assert not once.overlaps(start - MINUTE, start)
    assert once.overlaps(end - 1, end)
    assert not once.overlaps(end, end + MINUTE)
    assert once.overlaps(start - MINUTE, end + MINUTE)


zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "Pacific/Kiritimati"]
)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["day", "week"]),
    st.integers(0, 6),
    st.integers(0, 24 * 60 - 1),
    st.integers(1, 24 * 60 - 1),
    zones,
    # around both changes of the clock, and across a year
    st.sampled_from(
        [ms("2026-03-27T00:00Z"), ms("2026-10-23T00:00Z"), ms("2026-12-30T00:00Z"), ms("1969-12-30T00:00Z")]
    ),
    st.integers(0, 5 * 24 * 60),
    st.integers(1, 3 * 24 * 60),
)
def test_one_that_comes_again_overlaps_the_windows_that_hold_a_minute_of_it(
    every, day, clock, lasts, zone, base, start, size
):
    """Against a walk over every minute: those at which a clock of the zone shows the time, and as long after each."""
    text = f"{clock // 60:02}:{clock % 60:02}"
    maintenance = Maintenance.model_validate(
        {
            "every": every,
            "from": text if every == "day" else f"{DAYS[day]} {text}",
            "for": format_duration(lasts * MINUTE),
            "timezone": zone,
        }
    )
    local = ZoneInfo(zone)
    begins = []
    walked = base + (start - 8 * 24 * 60) * MINUTE
    while walked < base + (start + size + 120) * MINUTE:
        shown = datetime.fromtimestamp(walked / 1_000, local)
        if (
            (shown.hour, shown.minute) == divmod(clock, 60)
            and (every == "day" or shown.weekday() == day)
            and not shown.fold
        ):
            begins.append(walked)
        walked += MINUTE
    window = (base + start * MINUTE, base + (start + size) * MINUTE)
    skipped = any(
        is_skipped(base + m * MINUTE, clock, local) for m in range(start - 8 * 24 * 60, start + size, 24 * 60)
    )
    expected = any(b < window[1] and window[0] < b + lasts * MINUTE for b in begins)
    if not skipped:
        assert maintenance.overlaps(*window) == expected
    elif expected:
        assert maintenance.overlaps(*window)


def is_skipped(time_ms: int, clock: int, zone: ZoneInfo) -> bool:
    """Whether the clock does not show this time of day on the day at hand."""
    local = datetime.fromtimestamp(time_ms / 1_000, zone).replace(
        hour=clock // 60, minute=clock % 60, second=0, microsecond=0
    )
    back = local.astimezone(UTC).astimezone(zone)
    return (back.hour, back.minute) != (local.hour, local.minute)


def test_a_time_that_the_clock_skips_comes_an_hour_later():
    nightly = Maintenance.model_validate({"every": "day", "from": "02:30", "for": "10m", "timezone": "Europe/Berlin"})
    night = datetime(2026, 3, 29, tzinfo=UTC)  # at 01:00 UTC the clock goes from 02:00 to 03:00
    found = [
        m for m in range(0, 180, 10) if nightly.overlaps(*(ms(str(night + timedelta(minutes=m + d))) for d in (0, 10)))
    ]
    assert found == [90]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([{"from": "2026-12-24T00:00Z"}], "maintenance[0]: a maintenance needs `until`"),
        ([{"from": "2026-12-24T00:00", "until": "2026-12-25T00:00Z"}], "'2026-12-24T00:00' has no offset from UTC"),
        ([{"from": "2026-12-24T00:00Z", "until": "2026-12-24T00:00Z"}], "is not after `from`"),
        ([{"from": "soon", "until": "2026-12-24T00:00Z"}], "'soon' is no time"),
        ([{"from": "2026-12-24T00:00Z", "until": "2026-12-25T00:00Z", "for": "1h"}], "`for` goes with `every`"),
        (
            [{"from": "2026-12-24T00:00Z", "until": "2026-12-25T00:00Z", "timezone": "CET"}],
            "`timezone` goes with `every`",
        ),
        ([{"every": "day", "from": "02:00"}], "a maintenance of `every: day` has `from` and `for`"),
        ([{"every": "day", "from": "02:00", "for": "1h", "until": "03:00"}], "and no `until`"),
        ([{"every": "day", "from": "2:00", "for": "1h"}], 'not a time of day such as "02:00"'),
        ([{"every": "day", "from": "24:00", "for": "1h"}], 'not a time of day such as "02:00"'),
        ([{"every": "day", "from": 750, "for": "1h"}], 'put a time of day in quotes, such as "12:30"'),
        ([{"every": "week", "from": "02:00", "for": "1h"}], "days: Mon, Tue"),
        ([{"every": "week", "from": "sunday 02:00", "for": "1h"}], "days: Mon, Tue"),
        ([{"every": "day", "from": "02:00", "for": "24h"}], "shorter than a day"),
        ([{"every": "week", "from": "Sun 02:00", "for": "0s"}], "longer than nothing"),
        ([{"every": "day", "from": "02:00", "for": "1h", "timezone": "Mars"}], "unknown time zone 'Mars'"),
        ([{"every": "month", "from": "02:00", "for": "1h"}], "maintenance[0].every: must be one of"),
        ([{"every": "day", "frm": "02:00", "for": "1h"}], "maintenance[0].frm: unknown key; did you mean `from`?"),
        ({"from": "x"}, "maintenance: a list is expected"),
    ],
)
def test_a_mistake_is_one_line_with_its_place_and_what_is_allowed(given, words):
    assert words in mistake(given)


def test_times_that_yaml_turns_into_objects_of_its_own_are_read():
    text = "{monitor: a, model: a, window: {size: 1h}, maintenance: [{from: 2026-12-24T00:00:00Z, until: 2026-12-25T00:00:00+01:00}]}"
    monitor = Monitor.from_yaml(text, source="f")
    assert monitor.in_maintenance(ms("2026-12-24T22:59Z"), ms("2026-12-24T23:00Z"))
    assert not monitor.in_maintenance(ms("2026-12-24T23:00Z"), ms("2026-12-24T23:01Z"))
    assert Monitor.from_json_bytes(monitor.to_json_bytes(), source="topic") == monitor
    assert "is a day and no time" in mistake([{"from": datetime(2026, 1, 1, tzinfo=UTC).date(), "until": "x"}])
