from __future__ import annotations

from functools import reduce

import msgspec
import numpy as np
import pytest

from stream_gov.contracts import DataError, Monitor, Season, UnreadableProfileError
from stream_gov.reference import (
    MAX_SLOT_SUMMARIES,
    ProfileBuilder,
    ReferenceProfile,
    RowBatch,
    build_profile,
    season_mismatch,
    slots_of,
)
from stream_gov.reference.block_counts import MAX_BLOCKS, BlockCounts
from stream_gov.summaries import PaneLayout, PaneSummary
from tests.reference.test_profile import golden, golden_content, pack

MONDAY = 1_767_571_200_000
HOUR = 3_600_000


def rows(n: int = 20_000, *, seed: int = 0, ordered: bool = True) -> RowBatch:
    rng = np.random.default_rng(seed)
    times = rng.integers(MONDAY, MONDAY + 21 * 24 * HOUR, n)
    regions = rng.choice(["NSW", "VIC", "QLD"], n, p=[0.6, 0.3, 0.1]).tolist()
    columns = {"x": rng.normal(size=n), "y": rng.normal(size=n), "region": regions}
    return RowBatch(columns, n, times_ms=np.sort(times) if ordered else times)


def build(batches: list[RowBatch], season: Season | None, **options) -> ReferenceProfile:
    builder = ProfileBuilder(season=season, **options)
    return build_profile(lambda: batches, builder, name="r", revision=1, model="m", source="rows", created_ms=0)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", ["hour_of_day", "day_of_week", "hour_of_week"])
def test_the_slots_are_parts_of_the_whole(kind, ordered):
    season, batch = Season(kind, "America/New_York"), rows(ordered=ordered)
    profile = build([batch], season, segments=[("region",)], covariance=True)
    slots = slots_of(season, batch.times_ms)

    assert profile.slots.segments == {"", "region=NSW", "region=VIC", "region=QLD"} if kind != "hour_of_week" else True
    for segment in profile.slots.segments:
        of_segment = np.full(batch.n_rows, True)
        if segment:
            of_segment = np.array(batch.columns["region"]) == segment.removeprefix("region=")
        counted = np.bincount(slots[of_segment], minlength=season.n_slots)
        by_slot = profile.slots.rows(segment)
        assert by_slot == {slot: int(n) for slot, n in enumerate(counted) if n}
        summaries = profile.slots.summaries(segment, by_slot)
        assert reduce(PaneSummary.merge, summaries).to_bytes() == profile.segments[segment].to_bytes()
    assert bool(profile.seasonal_long_run) is ordered


def test_a_profile_with_a_season_is_the_same_whatever_the_batches():
    season, batch = Season("hour_of_day"), rows()
    whole = build([batch], season, segments=[("region",)])
    parts = build([batch.slice(i, i + 777) for i in range(0, batch.n_rows, 777)], season, segments=[("region",)])
    assert whole.slots.to_state() == parts.slots.to_state()
    assert {c: k.to_state() for c, k in whole.seasonal_long_run.items()} == {
        c: k.to_state() for c, k in parts.seasonal_long_run.items()
    }


def test_all_else_in_a_profile_is_as_without_the_season():
    seasonal, plain = build([rows()], Season("hour_of_day")), build([rows()], None)
    content, without = (msgspec.msgpack.decode(p.to_bytes()[21:]) for p in (seasonal, plain))
    assert set(content) - set(without) == {"season", "slots", "seasonal_long_run"}
    same = set(without) - {"sketches"}
    assert {k: content[k] for k in same} == {k: without[k] for k in same}


def test_blocks_count_their_rows_by_slot_whatever_the_batches():
    season, batch = Season("hour_of_week", "Europe/Berlin"), rows(150_000)
    layout = PaneLayout("", {})
    whole, parts = BlockCounts(layout, season), BlockCounts(layout, season)
    whole.update(batch)
    for start in range(0, batch.n_rows, 31_001):
        parts.update(batch.slice(start, start + 31_001))

    expected = np.zeros((whole.n_blocks, 168), np.int64)
    np.add.at(expected, (np.arange(batch.n_rows) // whole.block_rows, slots_of(season, batch.times_ms)), 1)
    assert whole.block_rows == 100
    assert whole.n_blocks <= MAX_BLOCKS
    for counts in (whole, parts):
        np.testing.assert_array_equal(counts.slot_rows[: counts.n_blocks], expected)


def test_the_bound_on_slots_keeps_the_most_frequent_segments():
    rng, n = np.random.default_rng(1), 30_000
    batch = rows(n)
    shop = [f"s{min(v, 59):02d}" for v in rng.geometric(0.05, n).tolist()]
    many = RowBatch({"x": batch.columns["x"], "shop": shop}, n, times_ms=batch.times_ms)
    profile = build([many], Season("hour_of_day"), segments=[("shop",)], max_segments=50)
    room = MAX_SLOT_SUMMARIES // 24 - 1
    frequent = sorted(
        (s for s in profile.segments if s and "other" not in s), key=lambda s: (-profile.segments[s].n_events, s)
    )
    assert profile.slots.segments == {"", *frequent[:room]}
    assert f"{51 - room} of 51 segments are compared with all their rows" in profile.warnings[-1]


def test_a_monitor_gives_its_season_to_the_builder():
    text = "{monitor: m, model: m, reference: r, window: {size: 1d}, season: day_of_week, timezone: Asia/Tokyo}"
    watched = Monitor.from_yaml(text, source="here")
    profile = build_profile(
        lambda: [rows()], ProfileBuilder.for_monitor(watched), name="r", revision=1, model="m", source="", created_ms=0
    )
    assert profile.season == Season("day_of_week", "Asia/Tokyo")
    assert season_mismatch(watched, profile) == ""
    other = Monitor.from_yaml(text.replace("Asia/Tokyo", "UTC"), source="here")
    assert "built with the season day_of_week (Asia/Tokyo); build it again" in season_mismatch(other, profile)


def test_rows_without_times_are_refused():
    batch = rows()
    with pytest.raises(DataError, match="season hour_of_day: the rows have no event times"):
        build([RowBatch(batch.columns, batch.n_rows)], Season("hour_of_day"))


def test_the_golden_profile_with_a_season_is_read():
    profile = ReferenceProfile.from_bytes(golden("format-1-season"))
    assert (profile.id, profile.n_rows, profile.season) == ("seasonal@1", 3_864, Season("hour_of_day", "Europe/Berlin"))
    assert profile.extensions == {}
    assert profile.slots.segments == {"", "flag=true", "flag=false"}
    by_slot = profile.slots.rows("")
    assert by_slot == {slot: 168 for slot in range(24) if slot != 6}  # 05:00Z is 06:00 in Berlin
    third, evening = profile.slots.summaries("", [4, 21])
    assert (third.columns["x"].n_missing, third.columns["color"].cell_counts().tolist()) == (168, [168, 0, 0, 0])
    assert dict(
        zip(evening.columns["color"].layout.categories, evening.columns["color"].counts.tolist(), strict=True)
    ) == {
        "red": 0,
        "green": 126,
        "blue": 42,
    }
    assert 3_000 < evening.columns["x"].mean() < 5_000
    assert set(profile.seasonal_long_run) == set(profile.long_run) == {"x", "color", "flag"}
    assert profile.long_run["x"].long_run.mean.ratio > 20 * profile.seasonal_long_run["x"].long_run.mean.ratio


def test_a_release_without_seasons_reads_the_profile_and_keeps_them():
    # it passes over keys that it does not know: here they stand under other names
    content = golden_content("format-1-season")
    unknown = {f"later_{k}" if k in ("season", "slots", "seasonal_long_run") else k: v for k, v in content.items()}
    profile = ReferenceProfile.from_bytes(pack(unknown))
    assert (profile.season, profile.slots, profile.seasonal_long_run) == (None, None, {})
    assert msgspec.msgpack.decode(profile.to_bytes()[21:]) == unknown


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"season": {"kind": "month_of_year", "timezone": "UTC"}}, "a season is one of hour_of_day"),
        ({"slots": []}, "it needs both, or neither"),
        ({"slots": [["", [[0, "many"]]]]}, "the profile is damaged"),
        ({"seasonal_long_run": [["x", {}]]}, "the profile is damaged"),
    ],
)
def test_a_damaged_season_is_refused(changed, message):
    with pytest.raises(UnreadableProfileError, match=message):
        ReferenceProfile.from_bytes(pack(golden_content("format-1-season") | changed))
