"""How often online detectors signal where nothing changes, and what a pane value costs.

    python bench/detector_alarms.py [--panes 2000] [--series 20] [--events 100]

Series of one value per pane, independent or a stationary first-order autoregression: means of a numeric column in standard deviations of the
reference, normal with the standard deviation `1 / sqrt(events)` that independent events give; and shares of 5 %, binomial. Each goes through a
`ChangeDetector` with its log, as in the monitor. Prints signals in 1,000 panes, and nanoseconds of processor time for a value. Takes about a
minute, most of it KSWIN's.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np
from scipy import signal, special, stats

from stream_gov.contracts import Monitor
from stream_gov.contracts.online_detector import OnlineDetector
from stream_gov.detection.change_detector import ChangeDetector, river_detector
from stream_gov.detection.pane_log import PaneLog
from stream_gov.detection.pane_series import Unit

DETECTORS = [
    "{detector: adwin, series: mean}",
    "{detector: adwin, series: mean, clock: 1}",
    "{detector: page_hinkley, series: mean}",
    "{detector: page_hinkley, series: mean, threshold: 2}",
    "{detector: kswin, series: mean}",
    "{detector: kswin, series: mean, alpha: 0.0001}",
    "{detector: adwin, series: missing_share}",
    "{detector: page_hinkley, series: missing_share}",
    "{detector: kswin, series: missing_share}",
    "{detector: hddm_a, series: missing_share}",
    "{detector: hddm_w, series: missing_share}",
]
SHARE = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panes", type=int, default=2_000, help="of a series")
    parser.add_argument("--series", type=int, default=20, help="of each kind")
    parser.add_argument("--events", type=int, default=100, help="in a pane")
    parser.add_argument("--autocorrelation", type=float, nargs="+", default=[0.0, 0.5, 0.9])
    options = parser.parse_args()
    print(
        "| detector | " + " | ".join(f"autocorrelation {rho:g}" for rho in options.autocorrelation) + " | ns a value |"
    )
    print("|---" * (2 + len(options.autocorrelation)) + "|")
    for text in DETECTORS:
        (config,) = Monitor.from_yaml(
            f"{{monitor: b, model: b, window: {{size: 1h}}, detectors: [{text}]}}", source="bench"
        ).detectors
        rates, seconds = [], 0.0
        river_detector(config)  # loads river, once
        for rho in options.autocorrelation:
            rng = np.random.default_rng([3, round(1_000 * rho)])
            signals = 0
            for _ in range(options.series):
                values = series_of(rng, rho, options.panes, options.events, shares=config.series != "mean")
                before = time.process_time()
                signals += signals_in(config, values)
                seconds += time.process_time() - before
            rates.append(1_000 * signals / (options.series * options.panes))
        n = len(options.autocorrelation) * options.series * options.panes
        print(
            f"| {text.strip('{}').replace('detector: ', '')} | {' | '.join(f'{r:.2f}' for r in rates)} | {seconds / n * 1e9:,.0f} |",
            flush=True,
        )
    error = math.sqrt(1_000 / (options.series * options.panes))
    print(
        f"\nSignals in 1,000 panes without any change, over {options.series} series of {options.panes:,} panes of {options.events} events; standard "
        f"error {error:.2f} at a rate of 1."
    )


def series_of(rng: np.random.Generator, rho: float, n: int, n_events: int, *, shares: bool) -> list[float]:
    innovations = rng.normal(size=n)
    innovations[1:] *= np.sqrt(1 - rho * rho)
    normal = signal.lfilter([1.0], [1.0, -rho], innovations)
    if not shares:
        return (normal / math.sqrt(n_events)).tolist()
    return (stats.binom.ppf(special.ndtr(normal), n_events, SHARE) / n_events).tolist()


def signals_in(config: OnlineDetector, values: list[float]) -> int:
    name, log = ("x", config.series), PaneLog()
    detector = ChangeDetector(name, "", 0)
    n_signals = 0
    for row, value in enumerate(values):
        detector.wake(config, Unit(), log)
        detector.make_room(log)
        log.append({name: value}, [name])
        n_signals += detector.feed(value, row)
    return n_signals


if __name__ == "__main__":
    main()
