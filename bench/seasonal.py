"""Weeks of traffic with days, nights and weekends through `backtest`: what fires without drift, and how soon a shift is found.

    python bench/seasonal.py [--streams 3] [--weeks 4] [--reference-weeks 8] [--autocorrelation 0 0.5 0.9] [--windows 1h 1d]

`x` is normal; its mean moves by three of its standard deviations over a working day and half as far at weekends, its spread by a half. `c` has three
categories whose shares follow the hour. Beyond the hour both are first-order autoregressions from event to event. Volume goes from 40 events an hour
at night to 200 by day, two thirds of it at weekends, and in the second half of every stream nights are twice as busy, which is no drift. The stream
with drift has from its middle on `x` shifted by 0.3 of its standard deviations within the hour, and `c` with it.

Compared are the whole reference with values taken for independent, the whole reference with its long-run covariance, and the season `hour_of_week`.
Checks have tolerance 0 and no level, and the budget is one false alarm in 30 days. Prints for each the share of tests without drift
that have a p-value below 0.01 and 0.001, the windows in which a test calls drift, the alerts that open in 30 days, how often the e-detector of a column begins
an alarm; and from the stream with drift the share of tests below 0.001 after the shift, and the median time to the first test and the first e-detector
that call drift (in how many streams). About 10 seconds for each stream, autocorrelation and window.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy import signal, special

from stream_gov.contracts import Alert, Monitor, parse_duration
from stream_gov.detection import backtest
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile

HOUR_MS = 3_600_000
WEEK_HOURS = 168
MONDAY = 1_767_571_200_000  # 2026-01-05T00:00Z
KINDS = {
    "whole, independent": "calibration: independent",
    "whole": "calibration: long_run",
    "season": "calibration: long_run, season: hour_of_week",
}
MONITOR = (
    "{{monitor: bench, model: bench, reference: bench, window: {{size: {window}}}, min_events: 20, budget: {{false_alarms: 1, per: 30d}}, {kind}, "
    "checks: [{{statistic: psi, tolerance: 0}}, {{statistic: mean_shift, tolerance: 0}}, {{statistic: ks, tolerance: 0}}, {{statistic: e_detector, tolerance: 0}}]}}"
)
SHIFT = 0.3


@dataclass
class Tally:
    """What happened with one reference."""

    n_tests: int = 0
    below_01: int = 0
    below_001: int = 0
    n_windows: int = 0
    drifted: set[tuple[int, int]] = field(default_factory=set)
    alerts: int = 0
    n_shifted: int = 0
    shifted_below: int = 0
    delays_h: list[float] = field(default_factory=list)
    sequential_alarms: int = 0
    sequential_delays_h: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=3)
    parser.add_argument("--weeks", type=int, default=4, help="of a stream")
    parser.add_argument("--reference-weeks", type=int, default=8)
    parser.add_argument("--autocorrelation", type=float, nargs="+", default=[0.0, 0.5, 0.9])
    parser.add_argument("--windows", nargs="+", default=["1h", "1d"])
    options = parser.parse_args()
    started = time.process_time()
    print(
        "| window | autocorrelation | compared with | p < 0.01 | p < 0.001 | windows with drift | alerts in 30 days | e-detector alarms in 30 days | "
        "shift: p < 0.001 | hours to a window with drift | hours to e-detector |"
    )
    print("|---" * 11 + "|")
    for window in options.windows:
        for rho in options.autocorrelation:
            tallies = {kind: Tally() for kind in KINDS}
            for stream in range(options.streams):
                rng = np.random.default_rng([23, stream, round(1_000 * rho)])
                reference = rows(rng, rho, 0, options.reference_weeks)
                profiles = {kind: profile_for(monitor(kind, window), reference) for kind in KINDS}
                for shift in (0.0, SHIFT):
                    live = rows(rng, rho, options.reference_weeks, options.weeks, shift=shift)
                    events = list(messages(live))
                    middle = MONDAY + (options.reference_weeks + options.weeks / 2) * WEEK_HOURS * HOUR_MS
                    for kind in KINDS:
                        count(tallies[kind], monitor(kind, window), profiles[kind], events, stream, shift, middle)
            days = options.streams * options.weeks * 7
            for kind, tally in tallies.items():
                print(f"| {window} | {rho:g} | {kind} | {line(tally, days)} |", flush=True)
    print(
        f"\n{options.streams} streams of {options.weeks} weeks with and as many without drift, each with a reference of "
        f"{options.reference_weeks} weeks of its own; {time.process_time() - started:.0f} s"
    )


def line(tally: Tally, days: int) -> str:
    return (
        f"{tally.below_01 / tally.n_tests:.4f} | {tally.below_001 / tally.n_tests:.4f} | {len(tally.drifted) / tally.n_windows:.1%} | "
        f"{tally.alerts / days * 30:.1f} | {tally.sequential_alarms / days * 30:.2f} | {tally.shifted_below / tally.n_shifted:.3f} | "
        f"{delay(tally.delays_h)} | {delay(tally.sequential_delays_h)}"
    )


def delay(hours: list[float]) -> str:
    """Median, and in how many streams it was found."""
    return f"{statistics.median(hours):.0f} ({len(hours)})" if hours else "none"


def count(
    tally: Tally,
    watched: Monitor,
    profile: ReferenceProfile,
    events: list[tuple[int, bytes]],
    stream: int,
    shift: float,
    middle: float,
) -> None:
    found: dict[str, float] = {}
    before, in_alarm = False, set[str]()
    for record in backtest(events, watched, profile):
        if isinstance(record, Alert):
            tally.alerts += shift == 0 and record.change == "opened"
            continue
        if record.statistic == "events":
            tally.n_windows += shift == 0
            before = record.window_start_ms < middle
        if record.statistic == "e_detector":
            alarm = record.verdict == "drift"
            if shift == 0:
                tally.sequential_alarms += alarm and record.column not in in_alarm
            elif alarm and not before:
                found.setdefault("e_detector", record.window_end_ms)
            (in_alarm.add if alarm else in_alarm.discard)(record.column)
        if record.p_value is None:
            continue
        if shift == 0:
            tally.n_tests += 1
            tally.below_01 += record.p_value < 0.01
            tally.below_001 += record.p_value < 0.001
            if record.verdict == "drift":
                tally.drifted.add((stream, record.window_end_ms))
        elif not before:
            tally.n_shifted += 1
            tally.shifted_below += record.p_value < 0.001
            if record.verdict == "drift":
                found.setdefault("window", record.window_end_ms)
    for name, delays in (("window", tally.delays_h), ("e_detector", tally.sequential_delays_h)):
        if name in found:
            delays.append((found[name] - middle) / HOUR_MS)


def monitor(kind: str, window: str) -> Monitor:
    assert parse_duration(window) % HOUR_MS == 0
    return Monitor.from_yaml(MONITOR.format(window=window, kind=KINDS[kind]), source="bench")


def profile_for(watched: Monitor, batch: RowBatch) -> ReferenceProfile:
    builder = ProfileBuilder.for_monitor(watched)
    return build_profile(lambda: [batch], builder, name="bench", revision=1, model="bench", source="", created_ms=0)


def rows(rng: np.random.Generator, rho: float, first_week: int, weeks: int, *, shift: float = 0.0) -> RowBatch:
    """Some weeks of traffic; all but the reference (the weeks from 0 on) have busier nights in their second half."""
    hours = first_week * WEEK_HOURS + np.arange(weeks * WEEK_HOURS)
    of_day, is_weekend = hours % 24, hours // 24 % 7 >= 5
    sun = np.sin((of_day - 6) / 24 * 2 * np.pi)
    volume = (40 + 160 * np.maximum(sun, 0)) * np.where(is_weekend, 2 / 3, 1)
    second_half = np.arange(hours.size) >= hours.size / 2
    if first_week:
        volume = volume * np.where(second_half & (sun <= 0), 2, 1)
    sizes = rng.poisson(volume)
    index = np.repeat(np.arange(hours.size), sizes)
    times = MONDAY + hours[index] * HOUR_MS + np.concatenate([np.sort(rng.integers(0, HOUR_MS, n)) for n in sizes])
    moved = shift * second_half[index]
    mean = (1.5 * sun * np.where(is_weekend, 0.5, 1))[index]
    x = mean + (1 + 0.5 * np.cos(of_day / 24 * 2 * np.pi))[index] * (series(rng, rho, index.size) + moved)
    u = special.ndtr(series(rng, rho, index.size) + moved)
    least = (0.2 + 0.25 * (1 + sun))[index]
    middle = least + (1 - least) * np.where(is_weekend, 0.3, 0.6)[index]
    c = np.where(u < least, "a", np.where(u < middle, "b", "c"))
    return RowBatch({"x": x, "c": c.tolist()}, index.size, times_ms=times)


def series(rng: np.random.Generator, rho: float, n: int) -> np.ndarray:
    """Stationary first-order autoregression of variance 1."""
    innovations = rng.normal(size=n)
    innovations[1:] *= np.sqrt(1 - rho * rho)
    return signal.lfilter([1.0], [1.0, -rho], innovations)


def messages(batch: RowBatch) -> Iterator[tuple[int, bytes]]:
    x, c = batch.columns["x"], batch.columns["c"]
    for i, t in enumerate(batch.times_ms.tolist()):
        event = {"event_id": f"e{i}", "model": "bench", "version": "1", "timestamp": t, "prediction": None}
        yield t, json.dumps(event | {"features": {"x": float(x[i]), "c": c[i]}}).encode()


if __name__ == "__main__":
    main()
