"""How well drift is found: river's streams with known drifts through the whole monitor, scored by `alarm_scores`.

    python bench/detection.py [--events 200] [--panes 10] [--seeds 1] [--methods psi adwin]

A stream runs for 40 windows as the reference knows it, then for 20 otherwise, three times over, and 40 windows more. A small classifier learns
the beginning, before the reference, and is then left as it is; whether it errs is the boolean column `error`. Each method is a monitor of its
own over the same events, and an alarm is an alert that opens; it is true if it opens during a drift or up to 20 windows after it (a detector of
change points may well name the way back). Windows do not overlap; online detectors are fed `--panes` values from each. Takes about four minutes.

To compare one more method, add it to METHODS: the text of `checks` or `detectors` in the monitor.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from alarm_scores import Scores, score
from river import tree
from river.datasets import synth

from stream_gov.contracts import Alert, AlertChange, Monitor
from stream_gov.detection import backtest
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile

NORMAL, DRIFTING, EPISODES = 40, 20, 3
"""Windows before each drift, windows of each drift, and how often."""
N_WINDOWS = EPISODES * (NORMAL + DRIFTING) + NORMAL
GRADUAL = 10
"""Windows that a gradual drift takes to come, and to go."""
DELTA_MAX = 20
N_LEARNT, N_REFERENCE = 5_000, 10_000
WINDOW_MS = 60_000
T0 = 1_767_225_600_000

CHECKS = {
    "psi, tolerance 0.1 at 0.001": "{statistic: psi, tolerance: 0.1, level: 0.001}",
    "psi, tolerance 0.02 at 0.001": "{statistic: psi, tolerance: 0.02, level: 0.001}",
    "jensen_shannon, tolerance 0.1": "{statistic: jensen_shannon, tolerance: 0.1, level: 0.001}",
    "psi > 0.1": "{statistic: psi, threshold: 0.1}",
    "psi > 0.2": "{statistic: psi, threshold: 0.2}",
    "ks, chi_squared p < 0.05": "{statistic: ks, p_value: 0.05}, {statistic: chi_squared, p_value: 0.05}",
    "chi_squared p < 0.001": "{statistic: chi_squared, p_value: 0.001}",
}
DETECTORS = {
    "adwin": "{detector: adwin, series: mean}",
    "adwin, clock 1": "{detector: adwin, series: mean, clock: 1}",
    "page_hinkley": "{detector: page_hinkley, series: mean}",
    "page_hinkley, threshold 2": "{detector: page_hinkley, series: mean, threshold: 2}",
    "kswin": "{detector: kswin, series: mean}",
    "kswin, 30 and 10": "{detector: kswin, series: mean, window_size: 30, stat_size: 10, alpha: 0.0001}",
    "hddm_a": "{detector: hddm_a, series: error_rate, columns: [error]}",
    "hddm_w": "{detector: hddm_w, series: error_rate, columns: [error]}",
}
IN_BUDGET = {
    "psi, tolerance 0.1, budget": "{statistic: psi, tolerance: 0.1}",
    "psi, tolerance 0.02, budget": "{statistic: psi, tolerance: 0.02}",
    "e_detector, tolerance 0.1, budget": "{statistic: e_detector, tolerance: 0.1}",
    "e_detector, tolerance 0.02, budget": "{statistic: e_detector, tolerance: 0.02}",
}
BUDGET = "budget: {false_alarms: 1, per: 1000m}"
"""One false alarm in 1,000 windows."""
METHODS = {name: f"{BUDGET}\nchecks: [{text}]" for name, text in IN_BUDGET.items()}
METHODS |= {name: f"checks: [{text}]" for name, text in CHECKS.items()}
METHODS |= {name: f"checks: []\ndetectors: [{text}]" for name, text in DETECTORS.items()}
EVERY = (5, 25)
"""Windows between the alarms of the baselines that look at nothing."""

Rows = Iterator[tuple[dict[str, Any], Any]]


# --- streams -------------------------------------------------------------------------------------------------------------------------


def sea(seed: int, other: int) -> Rows:
    return iter(synth.SEA(variant=(0, 2, 1, 3)[other], seed=seed, noise=0.05))


def hyperplane(seed: int, other: int) -> Rows:
    rows = iter(synth.Hyperplane(seed=seed + 1_000 * other, n_features=8, n_drift_features=0, noise_percentage=0.05))
    # The generator draws its features and its concept from one seed: other features of the same distribution.
    return rows


def led(seed: int, other: int) -> Rows:
    rows = synth.LEDDrift(seed=seed, noise_percentage=0.05, irrelevant_features=True, n_drift_features=2 * other)
    return (({k: bool(v) for k, v in x.items()}, y) for x, y in rows)


def rbf(seed: int, other: int) -> Rows:
    made = synth.RandomRBF(seed_model=seed + 1_000 * other, seed_sample=seed, n_classes=2, n_features=8, n_centroids=20)
    return iter(made)


def moving_rbf(seed: int, other: int) -> Rows:
    """Centroids that begin to move when the drift begins."""
    speed = 0.0 if other == 0 else 0.0005 * other
    made = synth.RandomRBFDrift(
        seed_model=seed,
        seed_sample=seed + other,
        n_classes=2,
        n_features=8,
        n_centroids=20,
        change_speed=speed,
        n_drift_centroids=20,
    )
    return iter(made)


@dataclass(frozen=True, slots=True)
class Stream:
    """A generator of river, and how its drifts come."""

    concept: Callable[[int, int], Rows]
    """Rows of a seed: 0 is what the reference knows, 1 and more are others."""
    what_drifts: str
    gradual: bool = False
    recurring: bool = False
    """Each drift is to the same concept."""

    def rows(self, seed: int, n_per_window: int) -> tuple[Iterator[tuple[dict[str, Any], Any]], list[tuple[int, int]]]:
        """All rows from the reference on, and the drifts as windows."""
        normal = self.concept(seed, 0)
        drifts, parts = [], [itertools.islice(normal, N_LEARNT + N_REFERENCE)]
        chance = random.Random(seed)
        for episode in range(EPISODES):
            other = self.concept(seed, 1 if self.recurring else episode + 1)
            start = episode * (NORMAL + DRIFTING) + NORMAL
            drifts.append((start, start + DRIFTING - 1))
            parts.append(itertools.islice(normal, NORMAL * n_per_window))
            parts.append(self._drifting(normal, other, DRIFTING * n_per_window, GRADUAL * n_per_window, chance))
        parts.append(itertools.islice(normal, NORMAL * n_per_window))
        return itertools.chain(*parts), drifts

    def _drifting(self, normal: Rows, other: Rows, n: int, ramp: int, chance: random.Random) -> Rows:
        """Mix as river's ConceptDriftStream does, by a logistic share of the new concept, but back again at the end too."""
        if not self.gradual:
            yield from itertools.islice(other, n)
            return
        for i in range(n):
            share = 1 / (1 + math.exp(-4 * (min(i, n - i) - ramp / 2) / (ramp / 2)))
            yield next(other if chance.random() < share else normal)


STREAMS = {
    "RandomRBF, sudden": Stream(rbf, "features"),
    "RandomRBF, gradual": Stream(rbf, "features", gradual=True),
    "RandomRBF, recurring": Stream(rbf, "features", recurring=True),
    "RandomRBFDrift": Stream(moving_rbf, "features"),
    "LEDDrift": Stream(led, "features"),
    "SEA, sudden": Stream(sea, "concept"),
    "SEA, gradual": Stream(sea, "concept", gradual=True),
    "Hyperplane": Stream(hyperplane, "concept"),
}


# --- a stream as events --------------------------------------------------------------------------------------------------------------


def prepared(
    stream: Stream, seed: int, n_per_window: int
) -> tuple[RowBatch, list[tuple[int, bytes]], list[tuple[int, int]]]:
    """Rows of the reference, events of the windows as they come from Kafka, and the drifts."""
    rows, drifts = stream.rows(seed, n_per_window)
    model = tree.HoeffdingTreeClassifier(max_depth=6)
    for x, y in itertools.islice(rows, N_LEARNT):
        model.learn_one(x, y)
    seen = [{**x, "error": model.predict_one(x) != y} for x, y in rows]
    reference, monitored = seen[:N_REFERENCE], seen[N_REFERENCE:]
    columns = {
        str(name): np.array([row[name] for row in reference])
        if isinstance(reference[0][name], float)
        else [row[name] for row in reference]
        for name in reference[0]
    }
    batch = RowBatch(columns, N_REFERENCE, times_ms=np.arange(N_REFERENCE))
    step = WINDOW_MS // n_per_window
    events = []
    for i, row in enumerate(monitored):
        at = T0 + i // n_per_window * WINDOW_MS + i % n_per_window * step
        features = {str(k): v for k, v in row.items()}
        event = {"event_id": str(i), "model": "bench", "version": "1", "timestamp": at, "features": features}
        events.append((at, json.dumps(event).encode()))
    return batch, events, drifts


def monitor_of(rules: str, columns: Sequence[str] | None, n_panes: int) -> Monitor:
    chosen = "" if columns is None else f"columns: {{include: [{', '.join(columns)}]}}\n"
    text = f"monitor: bench\nmodel: bench\nreference: bench\nwindow: {{size: 1m}}\npane: {WINDOW_MS // n_panes}ms\nmin_events: 20\n{chosen}{rules}\n"
    return Monitor.from_yaml(text, source="bench")


def alarms_of(monitor: Monitor, batch: RowBatch, events: list[tuple[int, bytes]]) -> list[int]:
    """Windows in which an alert opened."""
    profile: ReferenceProfile = build_profile(
        lambda: [batch],
        ProfileBuilder.for_monitor(monitor),
        name="bench",
        revision=1,
        model="bench",
        source="bench",
        created_ms=0,
    )
    found = backtest(events, monitor, profile, out_of_orderness_ms=0)
    return [
        (r.window_start_ms - T0) // WINDOW_MS for r in found if isinstance(r, Alert) and r.change is AlertChange.OPENED
    ]


# --- tables --------------------------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200, help="in a window")
    parser.add_argument("--panes", type=int, default=10, help="in a window")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each stream")
    parser.add_argument("--methods", nargs="*", help="only methods whose name begins with one of these")
    parser.add_argument("--streams", nargs="*", help="only streams whose name begins with one of these")
    options = parser.parse_args()
    started = time.perf_counter()
    methods = {k: v for k, v in METHODS.items() if begins_with(k, options.methods)}
    streams = {k: v for k, v in STREAMS.items() if begins_with(k, options.streams)}
    runs = {
        (name, seed): prepared(stream, seed, options.events)
        for name, stream in streams.items()
        for seed in range(1, options.seeds + 1)
    }
    for what, columns, words in [
        ("features", None, "the distribution of the features drifts; every feature and `error` are watched"),
        ("concept", None, "only the concept drifts; every feature and `error` are watched"),
        ("concept", ["error"], "only the concept drifts; only `error` is watched"),
    ]:
        names = [name for name, stream in streams.items() if stream.what_drifts == what]
        if not names:
            continue
        chosen = {key: run for key, run in runs.items() if key[0] in names}
        print(f"\n**{', '.join(names)}:** {words}.\n")
        print(
            "| method | alarms | precision | missed | delay | false alarms in 1,000 windows | windows between them | mean time ratio |"
        )
        print("|---" * 8 + "|")
        for method, rules in methods.items():
            monitor = monitor_of(rules, columns, options.panes)
            print(line(method, [(alarms_of(monitor, b, e), d) for b, e, d in chosen.values()]), flush=True)
        for every in EVERY:
            alarms = list(range(every - 1, N_WINDOWS, every))
            print(line(f"an alarm every {every} windows", [(alarms, d) for _, _, d in chosen.values()]))
        print(line("never an alarm", [([], d) for _, _, d in chosen.values()]))
    print(
        f"\nWindows of {options.events} events in {options.panes} panes, {options.seeds} runs of {N_WINDOWS} windows of each stream with {EPISODES} drifts of {DRIFTING} "
        f"windows; delays in windows; {time.perf_counter() - started:.0f} s."
    )


def begins_with(name: str, beginnings: Sequence[str] | None) -> bool:
    return not beginnings or any(name.startswith(b) for b in beginnings)


def line(method: str, runs: Sequence[tuple[Sequence[int], Sequence[tuple[int, int]]]]) -> str:
    """Score the runs one after the other as one long stream, far enough apart that none touches the next."""
    alarms, drifts = [], []
    for i, (mine, known) in enumerate(runs):
        alarms += [a + i * N_WINDOWS for a in mine]
        drifts += [(start + i * N_WINDOWS, end + i * N_WINDOWS) for start, end in known]
    found: Scores = score(alarms, drifts, delta_max=DELTA_MAX, n=N_WINDOWS * len(runs))
    cells = [
        f"{found.n_alarms}",
        number(found.precision, "{:.2f}"),
        number(found.missed, "{:.2f}"),
        number(found.delay, "{:.1f}"),
        number(1_000 * found.false_alarm_rate, "{:.1f}"),
        number(found.between_false_alarms, "{:.0f}"),
        number(found.mean_time_ratio, "{:.1f}"),
    ]
    return f"| {method} | " + " | ".join(cells) + " |"


def number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else form.format(value)


if __name__ == "__main__":
    main()
