from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
import yaml
from scipy.signal import lfilter

from stream_gov.contracts import Monitor, Result, Verdict
from stream_gov.detection import backtest
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile, mixture
from stream_gov.reference.counting import count_rows
from stream_gov.summaries import PaneSummary
from stream_gov.testing import Driver

HOUR = 3_600_000
MONDAY = round(datetime(2026, 1, 5, tzinfo=UTC).timestamp()) * 1_000
MONITOR = """
monitor: shop
model: shop
reference: base
window: {size: 1h}
min_events: 20
season: hour_of_day
checks:
  - {statistic: psi, threshold: 0.2}
  - {statistic: ks, threshold: 0.2}
  - {statistic: mean_shift, tolerance: 0, level: 0.001}
  - {statistic: missing_share, threshold: 0.5}
"""


def monitor(**changed: str) -> Monitor:
    """The monitor above, keys replaced, added or (by "") taken away."""
    keys = yaml.safe_load(MONITOR) | {key: yaml.safe_load(value) for key, value in changed.items()}
    return Monitor.from_mapping({key: value for key, value in keys.items() if value is not None}, source="test")


def traffic(
    rng: np.random.Generator, hours: range, *, start: int = MONDAY, per_hour: int = 100, hour_of=None
) -> RowBatch:
    """Events of some hours: x is -2 at night and 2 by day, the color red at night and blue by day."""
    hour = np.repeat(np.array(hours), per_hour)
    times = start + hour * HOUR + np.tile(np.arange(per_hour) * HOUR // per_hour, len(hours))
    of_day = hour % 24 if hour_of is None else hour_of(times)
    is_day = (of_day >= 8) & (of_day < 20)
    x = rng.normal(np.where(is_day, 2.0, -2.0), 1)
    color = np.where(rng.random(hour.size) < np.where(is_day, 0.1, 0.9), "red", "blue")
    return RowBatch({"x": x, "color": color.tolist()}, hour.size, times_ms=times)


def reference(watched: Monitor, rows: RowBatch, *, revision: int = 1) -> ReferenceProfile:
    return build_profile(
        lambda: [rows],
        ProfileBuilder.for_monitor(watched),
        name="base",
        revision=revision,
        model="shop",
        source="test",
        created_ms=0,
    )


def events(rows: RowBatch) -> list[tuple[int, bytes]]:
    return [
        (
            int(t),
            json.dumps(
                {
                    "event_id": f"e{i}",
                    "model": "shop",
                    "version": "1",
                    "timestamp": int(t),
                    "features": {name: values[i] for name, values in columns.items()},
                    "prediction": None,
                }
            ).encode(),
        )
        for columns in [{k: v.tolist() if isinstance(v, np.ndarray) else list(v) for k, v in rows.columns.items()}]
        for i, t in enumerate(rows.times_ms)
    ]


def run(watched: Monitor, profile: ReferenceProfile, rows: RowBatch) -> list[Result]:
    return [r for r in backtest(events(rows), watched, profile) if isinstance(r, Result)]


def by_hour(results: list[Result], **wanted) -> list[Result]:
    return [r for r in results if all(getattr(r, k) == v for k, v in wanted.items())]


def test_night_is_compared_with_night_and_day_with_day():
    rng, watched = np.random.default_rng(1), monitor()
    profile = reference(watched, traffic(rng, range(24 * 10)))
    live = traffic(rng, range(240, 264))
    seasonal = run(watched, profile, live)
    fixed = run(monitor(season=""), profile, live)

    for column in ("x", "color"):
        verdicts = [r.verdict for r in by_hour(seasonal, column=column, statistic="psi")]
        assert verdicts == [Verdict.STABLE] * 24
        assert [r.verdict for r in by_hour(fixed, column=column, statistic="psi")] == [Verdict.DRIFT] * 24
    assert {(r.reference, r.n_reference) for r in by_hour(seasonal, statistic="psi")} == {("base@1~hour_of_day", 1_000)}
    assert {(r.reference, r.n_reference) for r in by_hour(fixed, statistic="psi")} == {("base@1", 24_000)}


def test_a_shift_at_night_towards_the_day_is_found_though_the_whole_would_hide_it():
    rng, watched = np.random.default_rng(2), monitor(window="{size: 6h}")
    profile = reference(watched, traffic(rng, range(24 * 10)))
    # as if the day began at 02:00: in six hours both kinds of value, as in the reference as a whole
    drifted = traffic(rng, range(240, 246), hour_of=lambda times: (times - MONDAY) // HOUR % 24 + 5)
    (seasonal,) = by_hour(run(watched, profile, drifted), column="x", statistic="psi")
    (fixed,) = by_hour(run(monitor(season="", window="{size: 6h}"), profile, drifted), column="x", statistic="psi")
    assert (seasonal.verdict, fixed.verdict) == (Verdict.DRIFT, Verdict.STABLE)


@pytest.mark.parametrize("season", ["hour_of_day", "day_of_week", "hour_of_week"])
def test_a_window_of_whole_cycles_is_compared_with_the_whole(season):
    rng, size = np.random.default_rng(3), "{size: 7d}"
    start = MONDAY + 3 * 24 * HOUR  # windows of seven days begin on Thursdays
    watched, unseasonal = monitor(season=season, window=size), monitor(season="", window=size)
    profile = reference(watched, traffic(rng, range(24 * 14), start=start))
    live = traffic(rng, range(24 * 14, 24 * 21), start=start)

    def content(results):
        return [(r.column, r.statistic, r.value, r.n_reference, r.n_window, r.verdict) for r in results]

    assert content(run(watched, profile, live)) == content(run(unseasonal, profile, live))


def test_a_window_is_compared_with_the_mixture_of_its_slots():
    rng, watched = np.random.default_rng(4), monitor(window="{size: 1d}")
    profile = reference(watched, traffic(rng, range(24 * 10)))
    night, day = traffic(rng, range(240, 246), per_hour=200), traffic(rng, range(250, 253), per_hour=30)
    both = RowBatch(
        {
            "x": np.concatenate([night.columns["x"], day.columns["x"]]),
            "color": [*night.columns["color"], *day.columns["color"]],
        },
        night.n_rows + day.n_rows,
        times_ms=np.concatenate([night.times_ms, day.times_ms]),
    )
    (found,) = by_hour(run(watched, profile, both), column="x", statistic="ks")

    slots = [*range(6), 10, 11, 12]
    mixed = mixture(profile.slots.summaries("", slots), [200] * 6 + [30] * 3)
    window = PaneSummary(profile.layout)
    count_rows(window, both)
    shares = [c.counts.cumsum() / c.n_valid for c in (mixed.columns["x"], window.columns["x"])]
    assert found.value == pytest.approx(np.abs(shares[0] - shares[1]).max(), abs=1e-12)
    assert found.n_reference == mixed.n_events == round(1290**2 / (6 * 200**2 / 1000 + 3 * 30**2 / 1000))


def test_slots_follow_the_clocks_of_the_time_zone_through_summer_time():
    rng, zone = np.random.default_rng(5), "Europe/Berlin"

    def in_berlin(offset):
        return lambda times: (times // HOUR + offset) % 24

    watched = monitor(timezone=zone)
    profile = reference(watched, traffic(rng, range(24 * 10), hour_of=in_berlin(1)))
    july = round(datetime(2026, 7, 6, tzinfo=UTC).timestamp()) * 1_000
    summer = traffic(rng, range(24), start=july, hour_of=in_berlin(2))
    assert {r.verdict for r in by_hour(run(watched, profile, summer), column="x", statistic="psi")} == {Verdict.STABLE}

    in_utc = monitor()
    unaware = run(in_utc, reference(in_utc, traffic(rng, range(24 * 10), hour_of=in_berlin(1))), summer)
    wrong = [
        r.window_start_ms // HOUR % 24 for r in by_hour(unaware, column="x", verdict=Verdict.DRIFT, statistic="psi")
    ]
    assert wrong == [6, 18]  # the hours at which the day of Berlin begins and ends in summer


def without(rows: RowBatch, hours: set[int]) -> RowBatch:
    return rows.take(np.flatnonzero(~np.isin((rows.times_ms - MONDAY) // HOUR % 24, sorted(hours))))


def test_a_window_in_slots_without_rows_is_insufficient_and_names_them():
    rng, watched = np.random.default_rng(6), monitor(window="{size: 1d}")
    profile = reference(watched, without(traffic(rng, range(24 * 10)), {3, 4, 5}))
    assert "3 of 24 slots have no rows: 03:00, 04:00, 05:00" in profile.warnings[-1]

    (found,) = run(watched, profile, traffic(rng, range(240, 264)))
    assert (found.statistic, found.verdict, found.events) == ("events", Verdict.INSUFFICIENT, 2_400)
    assert found.reason == (
        "300 of 2,400 events, more than 10%, lie in slots of the season hour_of_day of which the reference base@1 has no rows: "
        "03:00, 04:00, 05:00"
    )
    assert found.reference == "base@1~hour_of_day"


def test_few_events_in_slots_without_rows_are_left_out_on_both_sides():
    rng, watched = np.random.default_rng(7), monitor(window="{size: 1d}")
    profile = reference(watched, without(traffic(rng, range(24 * 10)), {3, 4}))
    live = traffic(rng, range(240, 264))
    found, alone = run(watched, profile, live), run(watched, profile, without(live, {3, 4}))

    assert found[0].events == 2_400
    assert found[0].verdict is Verdict.STABLE
    assert {r.n_window for r in found[1:]} == {2_200}
    assert [(r.column, r.statistic, r.value, r.p_value) for r in found[1:]] == [
        (r.column, r.statistic, r.value, r.p_value) for r in alone[1:]
    ]


def test_segments_have_slots_of_their_own():
    rng = np.random.default_rng(8)
    watched = monitor(segments="[color]")
    profile = reference(watched, traffic(rng, range(24 * 20)))
    assert profile.slots.segments == {"", "color=red", "color=blue"}
    results = run(watched, profile, traffic(rng, range(480, 504), per_hour=400))
    red = by_hour(results, segment="color=red", column="x", statistic="psi")
    nights = [r.verdict for hour, r in enumerate(red) if not 8 <= hour < 20]  # by day there are few red ones
    assert nights == [Verdict.STABLE] * 12
    rows = profile.slots.rows("color=red")
    assert [r.n_reference for r in red] == [rows[hour] for hour in range(24)]
    assert sum(rows.values()) == profile.segments["color=red"].n_events


def test_segments_beyond_the_bound_are_compared_with_all_their_rows():
    rng = np.random.default_rng(9)
    watched = monitor(segments="[shop]", season="hour_of_week")
    rows = traffic(rng, range(24 * 21))
    shops = [f"s{i % 7 if i % 50 else i // 50 % 9}" for i in range(rows.n_rows)]
    profile = reference(watched, RowBatch({**rows.columns, "shop": shops}, rows.n_rows, times_ms=rows.times_ms))
    assert len(profile.known_segments) == 9
    assert len(profile.slots.segments) == 1_000 // 168
    assert "season hour_of_week: 5 of 9 segments are compared with all their rows" in profile.warnings[-1]

    live = traffic(rng, range(504, 528), per_hour=700)
    results = run(
        watched, profile, RowBatch({**live.columns, "shop": shops[: live.n_rows]}, live.n_rows, times_ms=live.times_ms)
    )
    said = {r.segment: r.reference for r in by_hour(results, statistic="psi", column="x")}
    assert {segment for segment, of in said.items() if of == "base@1~hour_of_week"} == profile.slots.segments
    assert said["shop=s8"] == "base@1"


def test_a_reference_without_the_season_of_the_monitor_makes_every_verdict_insufficient():
    rng = np.random.default_rng(10)
    live = traffic(rng, range(240, 264))
    for built, words in (
        (monitor(season=""), "without a season"),
        (monitor(season="day_of_week"), "with the season day_of_week"),
    ):
        results = run(monitor(), reference(built, traffic(rng, range(24 * 10))), live)
        assert {r.verdict for r in results} == {Verdict.INSUFFICIENT}
        assert {r.reason for r in results} == {
            f"the monitor shop compares by the season hour_of_day, and the reference base@1 was built {words}; build it again with this "
            "monitor (`stream-gov reference build`)"
        }
        assert {r.reference for r in results} == {"base@1"}


def test_a_season_that_the_monitor_does_not_ask_for_changes_nothing():
    rng, unseasonal = np.random.default_rng(11), monitor(season="")
    rows, live = traffic(rng, range(24 * 10)), traffic(rng, range(240, 264))
    assert run(unseasonal, reference(monitor(), rows), live) == run(unseasonal, reference(unseasonal, rows), live)


def test_an_empty_window_has_no_events_and_no_other_reason():
    rng, watched = np.random.default_rng(12), monitor()
    driver = Driver(watched, reference(watched, traffic(rng, range(24 * 10))))
    for t, event in events(traffic(rng, range(240, 241))):
        driver.feed_bytes([event], at=t)
    driver.advance(MONDAY + 243 * HOUR)
    assert [(r.events, r.reason) for r in driver.results(statistic="events")][1:] == [
        (0, "0 events, fewer than min_events = 20")
    ] * 2


def test_panes_from_before_the_season_are_in_no_slot():
    rng, before = np.random.default_rng(13), monitor(season="", window="{size: 1d}")
    watched = monitor(window="{size: 1d}")
    driver = Driver(before, reference(watched, traffic(rng, range(24 * 10))))
    assert (before.pane_ms, watched.pane_ms) == (24 * HOUR, HOUR)
    for t, event in events(traffic(rng, range(240, 246))):
        driver.feed_bytes([event], at=t)
    driver.put_monitor(watched)
    for t, event in events(traffic(rng, range(246, 288))):
        driver.feed_bytes([event], at=t)
    driver.finish()
    first, second = driver.results(statistic="events")
    assert (
        first.reason
        == "600 of 2,400 events were counted in panes that span several slots of the season hour_of_day, before the monitor had it"
    )
    assert (second.verdict, second.events) == (Verdict.STABLE, 2_400)


@pytest.mark.parametrize("every", [1, 3])
def test_partitions_restarts_and_repetitions_change_nothing(every):
    rng, watched = np.random.default_rng(14), monitor(window="{size: 6h, every: 2h, allowed_lateness: 1h}")
    profile = reference(watched, traffic(rng, range(24 * 10)))
    live = events(traffic(rng, range(240, 270)))
    driver = Driver(watched, profile, partitions=3)
    order = np.random.default_rng(every)
    for i, chunk in enumerate(np.array_split(np.arange(len(live)), 30)):
        for k in order.permutation(chunk).tolist():
            driver.feed_bytes([live[k][1]], at=live[k][0], partition=int(order.integers(3)))
        driver.cut(send_twice=i % 4 == 0)
        if i % every == 0:
            driver.restart()
    driver.finish()
    assert driver.results() == sorted(
        [r for r in backtest(live, watched, profile) if isinstance(r, Result)],
        key=lambda r: (r.window_end_ms, r.version, r.segment, r.column, r.statistic, r.revision),
    )
    assert any(r.verdict is Verdict.STABLE for r in driver.results(column="x", statistic="psi"))


def bursts(rng: np.random.Generator, hours: range, *, shift: float = 0.0) -> RowBatch:
    """Traffic as above, but x depends strongly on the events before it, and its spread is small at night."""
    n = 80
    hour = np.repeat(np.array(hours), n)
    is_day = (hour % 24 >= 8) & (hour % 24 < 20)
    innovations = rng.normal(size=hour.size)
    innovations[1:] *= (1 - 0.9**2) ** 0.5
    series = lfilter([1.0], [1.0, -0.9], innovations) + shift
    x = np.where(is_day, 2 + 1.5 * series, -1 + 0.4 * series)
    return RowBatch({"x": x}, hour.size, times_ms=MONDAY + hour * HOUR + np.tile(np.arange(n) * HOUR // n, len(hours)))


@pytest.mark.parametrize("window", ["{size: 1h}", "{size: 6h, every: 3h}"])
def test_the_e_detector_heeds_the_season(window):
    checks = "[{statistic: e_detector, tolerance: 0.01}]"
    watched, fixed = (monitor(season=s, window=window, checks=checks) for s in ("hour_of_day", ""))
    alarms = dict.fromkeys(("season", "whole", "shifted"), 0)
    for seed in range(3):
        rng = np.random.default_rng([15, seed])
        profile = reference(watched, bursts(rng, range(24 * 28)))
        live = bursts(rng, range(672, 672 + 24 * 10))
        shifted = bursts(rng, range(672, 672 + 24 * 10), shift=0.7)
        for name, m, rows in (("season", watched, live), ("shifted", watched, shifted)):
            alarms[name] += any(r.verdict is Verdict.DRIFT for r in run(m, profile, rows))
        plain = monitor(season="", window=window, checks=checks, calibration="independent")
        alarms["whole"] += any(r.verdict is Verdict.DRIFT for r in run(plain, profile, live))
    assert alarms == {"season": 0, "whole": 3, "shifted": 3}
    assert fixed.checks == watched.checks
    last = [r for r in run(watched, profile, shifted) if r.verdict is Verdict.DRIFT][-1]
    # its distance is of what is left beyond the season: a shift by 0.7 within the hour, and not that of the last hours from the whole
    assert 0.05 < last.distance < 0.7
    assert last.n_reference == profile.n_rows


@pytest.mark.parametrize("window", ["{size: 1h}", "{size: 6h, every: 3h}"])
def test_the_e_detector_expects_what_the_slots_of_the_newest_events_have(window):
    # windows of six hours every three hours: it takes in the last three, and must not expect the six
    rng, checks = np.random.default_rng(16), "[{statistic: e_detector, tolerance: 0.01}]"
    watched = monitor(window=window, checks=checks)
    profile = reference(watched, traffic(rng, range(24 * 20)))
    live = traffic(rng, range(480, 480 + 24 * 8))
    seasonal = run(watched, profile, live)
    assert Verdict.DRIFT not in {r.verdict for r in seasonal}
    assert by_hour(seasonal, column="x")[-2].verdict is Verdict.STABLE
    if window == "{size: 1h}":
        whole = run(monitor(season="", window=window, checks=checks), profile, live)
        assert Verdict.DRIFT in {r.verdict for r in whole}
