"""How often the tests of the distances beside `psi` fire, and how early `mann_whitney` finds a shift where `ks` and the others do.

    python bench/calibration_of_distances.py [--power] [--column normal] [--windows 2000] [--references 40]

Rows are a stationary first-order autoregression of standard normal numbers, as they are or transformed (`--column`). The reference is built by
`ProfileBuilder` from its own stretch of it, anew for each of `--references`; each window is another stretch, shifted. Without `--power` it prints the share of
windows that each test calls drift at levels 0.01 / 0.001, without drift and with the truth at the tolerance. With `--power` it prints the share of shifted
windows that each test (without a tolerance) finds where the limit of its p-value is set so that 1 % of the windows without drift fire / at its own level of
0.01, and in brackets how often that level fires without drift. Takes some minutes, in proportion to `--windows`.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np
from scipy import optimize, signal, special

from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.statistics import STATISTICS
from stream_gov.summaries import Dependence, NumericLayout, NumericSummary

TOLERANCES = {
    "mann_whitney": 0.05,
    "cramer_von_mises": 0.05,
    "anderson_darling": 0.12,
    "energy_distance": 0.1,
    "hellinger": 0.1,
    "kullback_leibler": 0.05,
}
COLUMNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "normal": lambda x: x,
    "lognormal": lambda x: np.exp(1.5 * x),
    "counts": lambda x: np.floor(np.exp(0.8 * x)),
    "rare": lambda x: np.maximum(np.round((x - 1.6) * 3), 0.0),  # 4 % are not 0
}
CELLS = 40
SHIFTS = {0.0: 2.6, 0.5: 4.5, 0.9: 11.0, 0.98: 24.0}
"""By autocorrelation: the shift that is found about half the time, in units of the error of a difference of means of independent draws."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--power", action="store_true")
    parser.add_argument("--column", choices=list(COLUMNS), default="normal")
    parser.add_argument("--reference", type=int, default=20_000, help="rows of the reference")
    parser.add_argument(
        "--windows",
        type=int,
        default=2_000,
        help="for each line; without --power a quarter of it from 10,000 events on",
    )
    parser.add_argument("--references", type=int, default=40, help="over which the windows are spread")
    parser.add_argument("--events", type=int, nargs="+", default=[50, 200, 1_000, 10_000])
    parser.add_argument("--autocorrelation", type=float, nargs="+", default=[0.0, 0.5, 0.9, 0.98])
    options = parser.parse_args()
    started = time.perf_counter()
    print(f"{options.column}, reference of {options.reference:,} rows\n")
    (print_power if options.power else print_levels)(options)
    print(
        f"\n{options.windows:,} windows a line ({options.windows // 4:,} from 10,000 events on); {time.perf_counter() - started:.0f} s"
    )


def print_levels(options: argparse.Namespace) -> None:
    print("| autocorrelation | events | truth | " + " | ".join(TOLERANCES) + " |")
    print("|---" * (3 + len(TOLERANCES)) + "|")
    for rho in options.autocorrelation:
        rng, profiles = references(options, rho)
        for n in options.events:
            for at_tolerance in (False, True) if options.column == "normal" else (False,):
                shifts = {name: shift_of(name, n, options.reference) if at_tolerance else 0.0 for name in TOLERANCES}
                p_values: dict[str, list[float]] = {name: [] for name in TOLERANCES}
                for profile in profiles:
                    for values in series(rng, rho, (windows_of_each(options, n), n)):
                        for name, tolerance in TOLERANCES.items():
                            window = counted(COLUMNS[options.column](values + shifts[name]), profile)
                            p_values[name].append(p_value(name, profile, window, tolerance if at_tolerance else 0.0))
                rates = " | ".join(f"{rate(p, 0.01)} / {rate(p, 0.001)}" for p in p_values.values())
                print(
                    f"| {rho:g} | {n:,} | {'at the tolerance' if at_tolerance else 'no drift'} | {rates} |", flush=True
                )


def print_power(options: argparse.Namespace) -> None:
    rules = {
        "mann_whitney": lambda profile, window: p_value("mann_whitney", profile, window, 0.0),
        "mean_shift": lambda profile, window: p_value("mean_shift", profile, window, 0.0),
        "cramer_von_mises": lambda profile, window: p_value("cramer_von_mises", profile, window, 0.0),
        "psi": lambda profile, window: p_value("psi", profile, window, 0.0),
        "ks": lambda profile, window: p_value("ks", profile, window, 0.0),
        "ks, p_value": lambda profile, window: STATISTICS["ks"].p_value(before(profile), window),  # type: ignore[misc]
    }
    print("| autocorrelation | events | shift | " + " | ".join(rules) + " |")
    print("|---" * (3 + len(rules)) + "|")
    for rho in options.autocorrelation:
        rng, profiles = references(options, rho)
        for n in options.events:
            shift = SHIFTS[rho] * math.sqrt(1 / n + 1 / options.reference)
            found: dict[tuple[str, bool], list[float]] = {
                (name, moved): [] for name in rules for moved in (False, True)
            }
            for profile in profiles:
                for moved in (False, True):
                    for values in series(rng, rho, (windows_of_each(options, n), n)):
                        window = counted(COLUMNS[options.column](values + shift * moved), profile)
                        for name, rule in rules.items():
                            found[name, moved].append(rule(profile, window))
            cells = []
            for name in rules:
                limit = float(np.quantile(found[name, False], 0.01))
                at_equal_rate, at_own_level = (np.mean(np.array(found[name, True]) < x) for x in (limit, 0.01))
                cells.append(f"{at_equal_rate:.2f} / {at_own_level:.2f} ({rate(found[name, False], 0.01)})")
            print(f"| {rho:g} | {n:,} | {shift:.2f} | " + " | ".join(cells) + " |", flush=True)


def rate(p_values: list[float], level: float) -> str:
    return f"{np.mean(np.array(p_values) < level):.4f}"


def p_value(name: str, profile: ReferenceProfile, window: NumericSummary, tolerance: float) -> float:
    """As a check with a tolerance judges, the dependence heeded."""
    statistic, known = STATISTICS[name], profile.long_run["x"]
    assert statistic.calibrated is not None
    assert statistic.long_run is not None
    independent = statistic.calibrated(before(profile), window, tolerance)
    if independent == 1:
        return 1.0
    return max(independent, statistic.long_run(before(profile), window, tolerance, of(known, window, profile)))


def of(known: Dependence, window: NumericSummary, profile: ReferenceProfile):
    return known.of_window(window.n, before(profile).n)


def before(profile: ReferenceProfile) -> NumericSummary:
    summary = profile.segments[""].columns["x"]
    assert isinstance(summary, NumericSummary)
    return summary


def shift_of(name: str, n: int, m: int) -> float:
    """Shift of a standard normal column that makes the true distance the tolerance, for samples of these sizes."""
    edges = special.ndtri(np.arange(1, CELLS) / CELLS)
    layout = NumericLayout(edges=edges, groups=np.arange(CELLS) // 4, center=0.0, scale=1.0)
    bounds = np.concatenate([[-np.inf], edges, [np.inf]])

    def summary(shift: float, size: int) -> NumericSummary:
        made = NumericSummary(layout)
        made.counts = np.rint(np.diff(special.ndtr(bounds - shift)) * size * 10_000).astype(
            np.int64
        )  # ratio kept, no rounding
        made.minimum, made.maximum = shift - 4.0, shift + 4.0
        made.sum_q, made.sum_q2 = 0, round(made.n_valid * layout.factor**2)
        return made

    reference = summary(0.0, m)
    value = STATISTICS[name].compute
    return optimize.brentq(lambda shift: value(reference, summary(shift, n)) - TOLERANCES[name], 1e-6, 3.0)


def references(options: argparse.Namespace, rho: float) -> tuple[np.random.Generator, list[ReferenceProfile]]:
    rng = np.random.default_rng([19, round(1_000 * rho)])
    profiles = []
    for _ in range(options.references):
        values = COLUMNS[options.column](series(rng, rho, (options.reference,)))
        rows = RowBatch({"x": values}, options.reference, times_ms=np.arange(options.reference))
        profiles.append(
            build_profile(
                lambda rows=rows: [rows], ProfileBuilder(), name="r", revision=1, model="m", source="", created_ms=0
            )
        )
    return rng, profiles


def windows_of_each(options: argparse.Namespace, n: int) -> int:
    windows = options.windows if n < 10_000 or options.power else options.windows // 4
    return max(windows // options.references, 1)


def series(rng: np.random.Generator, rho: float, shape: tuple[int, ...]) -> np.ndarray:
    """Stationary autoregressions along the last axis, of variance 1."""
    innovations = rng.normal(size=shape)
    innovations[..., 1:] *= np.sqrt(1 - rho * rho)
    return signal.lfilter([1.0], [1.0, -rho], innovations, axis=-1)


def counted(values: np.ndarray, profile: ReferenceProfile) -> NumericSummary:
    layout = profile.layout.columns["x"]
    assert isinstance(layout, NumericLayout)
    window = NumericSummary(layout)
    window.update_values(values)
    return window


if __name__ == "__main__":
    main()
