"""How often the calibrated tests fire, without drift, with the drift at the tolerance, and beyond it, where rows depend on those before them.

    python bench/calibration.py [--column numeric] [--reference 20000] [--windows 2000] [--references 40]

Rows are a stationary first-order autoregression of standard normal numbers, as they are or cut into categories. The reference is built by
`ProfileBuilder` from its own stretch of it, anew for each of `--references`; each window is another stretch, shifted. Prints, for each
autocorrelation, size of window and shift, the share of windows that each rule calls drift. `PSI` is the true index of the shift. Takes about
two minutes as it is, and in proportion to `--windows`.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy import optimize, signal, special

from stream_gov.contracts import Check, Verdict
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.statistics import STATISTICS, decide
from stream_gov.summaries import AnyColumnSummary, NumericSummary, empty_summary

RULES = {
    "tolerance 0": (Check(statistic="psi", tolerance=0.0, level=0.001), True),
    "tolerance 0, level 0.01": (Check(statistic="psi", tolerance=0.0, level=0.01), True),
    "tolerance 0, independent": (Check(statistic="psi", tolerance=0.0, level=0.001), False),
    "tolerance 0.1": (Check(statistic="psi", tolerance=0.1, level=0.001), True),
    "tolerance 0.1, level 0.01": (Check(statistic="psi", tolerance=0.1, level=0.01), True),
    "tolerance 0.1, independent": (Check(statistic="psi", tolerance=0.1, level=0.001), False),
    "mean_shift 0, level 0.01": (Check(statistic="mean_shift", tolerance=0.0, level=0.01), True),
    "PSI > 0.1": (Check(statistic="psi", threshold=0.1), False),
    "PSI > 0.2": (Check(statistic="psi", threshold=0.2), False),
    "KS p < 0.05": (Check(statistic="ks", p_value=0.05), False),
    "chi-squared p < 0.05": (Check(statistic="chi_squared", p_value=0.05), False),
}
CATEGORIES = {"numeric": 10, "3 categories": 3, "300 categories": 300}
INDICES = (0.0, 0.1, 0.341)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--column", choices=list(CATEGORIES), default="numeric")
    parser.add_argument("--reference", type=int, default=20_000, help="rows of the reference")
    parser.add_argument(
        "--windows", type=int, default=2_000, help="for each line; a quarter of it from 10,000 events on"
    )
    parser.add_argument("--references", type=int, default=40, help="over which the windows are spread")
    parser.add_argument("--events", type=int, nargs="+", default=[50, 200, 1_000, 10_000])
    parser.add_argument("--autocorrelation", type=float, nargs="+", default=[0.0, 0.5, 0.9, 0.98])
    options = parser.parse_args()
    names = [
        name
        for name, (check, _) in RULES.items()
        if options.column == "numeric" or STATISTICS[check.statistic].applies_to("categorical")
    ]
    started, seconds, n_tests = time.perf_counter(), 0.0, 0
    print(f"{options.column}, reference of {options.reference:,} rows\n")
    print("| autocorrelation | events | PSI | " + " | ".join(names) + " |")
    print("|---" * (3 + len(names)) + "|")
    for rho in options.autocorrelation:
        rng = np.random.default_rng([17, round(1_000 * rho)])
        profiles = [reference(rng, rho, options.reference, options.column) for _ in range(options.references)]
        for n in options.events:
            for index in INDICES:
                windows = options.windows if n < 10_000 else options.windows // 4
                drifts = dict.fromkeys(names, 0)
                for profile in profiles:
                    for values in series(rng, rho, (max(windows // len(profiles), 1), n)) + shift_of(
                        index, options.column
                    ):
                        window = counted(values, profile, options.column)
                        for name in names:
                            check, dependent = RULES[name]
                            before = time.perf_counter()
                            decision = decide(
                                STATISTICS[check.statistic],
                                profile.segments[""].columns["x"],
                                window,
                                check,
                                1,
                                dependence=profile.long_run.get("x") if dependent else None,
                            )
                            if name == "tolerance 0.1":
                                seconds += time.perf_counter() - before
                                n_tests += 1
                            drifts[name] += decision.verdict is Verdict.DRIFT
                n_windows = max(windows // len(profiles), 1) * len(profiles)
                rates = " | ".join(f"{drifts[name] / n_windows:.4f}".replace("1.0000", "1") for name in names)
                print(f"| {rho:g} | {n:,} | {index:g} | {rates} |", flush=True)
    print(
        f"\n{options.windows:,} windows a line ({options.windows // 4:,} from 10,000 events on); standard error {(0.001 / options.windows) ** 0.5:.4f} "
        f"at a rate of 0.001; {seconds / n_tests * 1e6:.0f} us for a test with tolerance 0.1; {time.perf_counter() - started:.0f} s"
    )


def series(rng: np.random.Generator, rho: float, shape: tuple[int, ...]) -> np.ndarray:
    """Stationary autoregressions along the last axis, of variance 1."""
    innovations = rng.normal(size=shape)
    innovations[..., 1:] *= np.sqrt(1 - rho * rho)
    return signal.lfilter([1.0], [1.0, -rho], innovations, axis=-1)


def edges_of(column: str) -> np.ndarray:
    """Where the normal distribution is cut: deciles, or shares that fall like Zipf's, mixed so that neighbours differ in size."""
    k = CATEGORIES[column]
    shares = np.full(k, 1 / k) if column == "numeric" else 1 / np.arange(1, k + 1)
    shares = shares[np.argsort(np.arange(k) * 0.6180339887 % 1)] / shares.sum()
    return special.ndtri(np.cumsum(shares)[:-1])


def shift_of(index: float, column: str) -> float:
    """Shift of the mean that makes the true population stability index of the cut values this large."""
    edges = np.concatenate([[-np.inf], edges_of(column), [np.inf]])
    before = np.diff(special.ndtr(edges))

    def true_index(shift: float) -> float:
        after = np.diff(special.ndtr(edges - shift))
        return float(((after - before) * np.log(after / before)).sum())

    return optimize.brentq(lambda shift: true_index(shift) - index, 1e-9, 3.0) if index else 0.0


def as_column(values: np.ndarray, column: str) -> np.ndarray | list[str]:
    if column == "numeric":
        return values
    return [f"c{i}" for i in edges_of(column).searchsorted(values).tolist()]


def reference(rng: np.random.Generator, rho: float, n_rows: int, column: str) -> ReferenceProfile:
    rows = RowBatch({"x": as_column(series(rng, rho, (n_rows,)), column)}, n_rows, times_ms=np.arange(n_rows))
    return build_profile(
        lambda: [rows], ProfileBuilder(), name="r", revision=1, model="m", source="bench", created_ms=0
    )


def counted(values: np.ndarray, profile: ReferenceProfile, column: str) -> AnyColumnSummary:
    window = empty_summary(profile.layout.columns["x"])
    window.update_values(as_column(values, column))  # type: ignore[arg-type]
    assert isinstance(window, NumericSummary) == (column == "numeric")
    return window


if __name__ == "__main__":
    main()
