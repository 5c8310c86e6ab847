from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.contracts import ConfigurationError, Monitor, Season, seasons, slot_names
from stream_gov.reference import slots_of

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu"]
KINDS = ["hour_of_day", "day_of_week", "hour_of_week"]
HOUR = 3_600_000


def by_the_calendar(kind: str, zone: str, time_ms: int) -> int:
    local = datetime.fromtimestamp(time_ms / 1_000, UTC).astimezone(ZoneInfo(zone))
    return {
        "hour_of_day": local.hour,
        "day_of_week": local.weekday(),
        "hour_of_week": 24 * local.weekday() + local.hour,
    }[kind]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("kind", KINDS)
def test_slots_are_those_of_the_clock_and_the_calendar(kind, zone):
    rng = np.random.default_rng(1)
    times = rng.integers(0, 2_200_000_000_000, 400)  # 1970 to 2039
    season = Season(kind, zone)
    expected = [by_the_calendar(kind, zone, int(t)) for t in times]

    assert [season.slot_of(int(t)) for t in times] == expected
    assert slots_of(season, times).tolist() == expected
    assert {season.n_slots} == {{"hour_of_day": 24, "day_of_week": 7, "hour_of_week": 168}[kind]}
    assert 0 <= min(expected) <= max(expected) < season.n_slots


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("kind", KINDS)
def test_slots_follow_the_clocks_when_they_are_changed(kind, zone):
    season = Season(kind, zone)
    quarters = [
        round((datetime(2026, month, day, tzinfo=UTC) + timedelta(minutes=15 * i)).timestamp()) * 1_000
        for month, day in ((3, 7), (3, 28), (4, 4), (10, 3), (10, 24), (10, 31))
        for i in range(4 * 48)
    ]
    expected = [by_the_calendar(kind, zone, t) for t in quarters]
    assert slots_of(season, np.array(quarters)).tolist() == expected
    assert [season.slot_of(t + 60_000 * 7) for t in quarters] == expected


def test_in_autumn_an_hour_has_two_panes_and_in_spring_one_has_none():
    season = Season("hour_of_day", "Europe/Berlin")
    autumn = round(datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp()) * 1_000  # midnight in Berlin
    spring = round(datetime(2026, 3, 28, 23, tzinfo=UTC).timestamp()) * 1_000
    assert [season.slot_of(autumn + i * HOUR) for i in range(5)] == [0, 1, 2, 2, 3]
    assert [season.slot_of(spring + i * HOUR) for i in range(4)] == [0, 1, 3, 4]


@given(kind=st.sampled_from(KINDS), zone=st.sampled_from(ZONES), start=st.integers(1_000_000, 2_000_000))
def test_a_pane_of_the_longest_length_lies_in_one_slot(kind, zone, start):
    season = Season(kind, zone)
    pane = season.longest_pane_ms
    begins = start * 1_000_000 // pane * pane
    assert season.slot_of(begins) == season.slot_of(begins + pane - 1)


@pytest.mark.parametrize(
    ("kind", "zone", "minutes"),
    [
        ("hour_of_day", "UTC", 60),
        ("day_of_week", "UTC", 24 * 60),
        ("day_of_week", "Europe/Berlin", 60),
        ("hour_of_week", "Europe/Berlin", 60),
        ("hour_of_day", "Asia/Kolkata", 30),
        ("day_of_week", "Asia/Kathmandu", 15),
        ("hour_of_day", "Australia/Lord_Howe", 30),
    ],
)
def test_the_longest_pane_divides_a_slot_and_every_offset(kind, zone, minutes):
    assert Season(kind, zone).longest_pane_ms == minutes * 60_000


def test_times_beyond_the_calendar_do_no_harm():
    season = Season("hour_of_day", "Europe/Berlin")
    assert slots_of(season, np.array([-(2**62), 2**62])).tolist() == [season.slot_of(-(2**62)), season.slot_of(2**62)]


MONITOR = "{monitor: m, model: m, reference: r, %s}"


def read(text: str) -> Monitor:
    return Monitor.from_yaml(MONITOR % text, source="monitor.yaml")


@pytest.mark.parametrize(
    ("text", "pane_ms"),
    [
        ("window: {size: 1d}, season: hour_of_day", HOUR),
        ("window: {size: 1d, every: 30m}, season: hour_of_day", HOUR // 2),
        ("window: {size: 7d, every: 1d}, season: day_of_week", 24 * HOUR),
        ("window: {size: 1d}, season: day_of_week, timezone: Europe/Berlin", HOUR),
        ("window: {size: 1d}, season: hour_of_week, timezone: Asia/Kolkata", HOUR // 2),
        ("window: {size: 1d}, season: hour_of_day, pane: 15m", HOUR // 4),
        ("window: {size: 1d}", 24 * HOUR),
    ],
)
def test_a_season_chooses_panes_that_span_no_two_slots(text, pane_ms):
    assert read(text).pane_ms == pane_ms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("window: {size: 1d}, season: hour_of_day, pane: 1d", "pane (1d) would span two slots"),
        ("window: {size: 90m}, pane: 45m, season: hour_of_day", "pane (45m) would span two slots"),
        (
            "window: {size: 1d}, season: hour_of_day, timezone: Asia/Kolkata, pane: 1h",
            "pane (1h) would span two slots of the season hour_of_day (Asia/Kolkata); write `pane: 30m`",
        ),
        ("window: {size: 1d}, season: hour_of_day, timezone: Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("window: {size: 1d}, season: hour_of_day, timezone: Nowhere", "write a name of the IANA database"),
        ("window: {size: 1d}, season: hour_of_day, timezone: ../etc/passwd", "unknown time zone"),
        ("window: {size: 1d}, season: hour_of_day, timezone: Europe", "unknown time zone 'Europe'"),
        ("window: {size: 1d}, season: hourly", "season: must be one of 'hour_of_day', 'day_of_week' or 'hour_of_week'"),
        ("window: {size: 1d}, timezone: UTC", "timezone: only a season follows the clocks"),
        ("window: {size: 60d}, season: hour_of_day", "1440 panes of 1h, more than 1000"),
        ("window: {size: 1d}, season: hour_of_day, trailing: {length: 7d}", "season and trailing are two ways"),
    ],
)
def test_a_season_that_cannot_be_is_refused_with_the_remedy(text, message):
    with pytest.raises(ConfigurationError) as caught:
        read(text)
    assert message in str(caught.value)


def test_a_system_without_time_zones_says_how_to_get_them(monkeypatch):
    def nothing(*_):
        raise KeyError

    monkeypatch.setattr(seasons, "ZoneInfo", nothing)
    monkeypatch.setattr(seasons, "available_timezones", set)
    with pytest.raises(ConfigurationError, match=r"no database of time zones; install one \(`pip install tzdata`"):
        read("window: {size: 1d}, season: hour_of_day, timezone: Europe/Berlin")
    assert read("window: {size: 1d}, season: hour_of_day, timezone: UTC").seasonal == Season("hour_of_day")
    assert Season("hour_of_day").slot_of(5 * HOUR) == 5


def test_a_monitor_with_a_season_survives_the_topic():
    watched = read("window: {size: 1d}, season: hour_of_week, timezone: Europe/Berlin")
    assert Monitor.from_json_bytes(watched.to_json_bytes(), source="topic") == watched
    trailing = read("window: {size: 1d}, trailing: {length: 7d, gap: 1d}")
    again = Monitor.from_json_bytes(trailing.to_json_bytes(), source="topic")
    assert (again, str(again.trailing)) == (trailing, "7d/1d")


def test_slots_are_named_for_people():
    assert slot_names(Season("hour_of_week"), [0, 167]) == "Mon 00:00, Sun 23:00"
    assert slot_names(Season("hour_of_day"), list(range(24))) == "00:00, 01:00, 02:00, 03:00, 04:00 and 19 more"
    assert (str(Season("day_of_week")), str(Season("day_of_week", "Asia/Tokyo"))) == (
        "day_of_week",
        "day_of_week (Asia/Tokyo)",
    )
    with pytest.raises(ValueError, match="a season is one of hour_of_day"):
        Season("hourly")
