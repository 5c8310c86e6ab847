"""How often the calibrated tests fire by chance, and what they find, where rows depend on those before them.

    python bench/calibration.py                     # two minutes: a part of the grid
    python bench/calibration.py --full              # the tables of docs/calibration.md, about an hour and a half
    python bench/calibration.py --table power       # only one: false-alarms, power, lasting

Rows are a stationary first-order autoregression of standard normal numbers, as they are or cut into categories. References are built by
`ProfileBuilder` from stretches of it; windows are other stretches, shifted.

*false-alarms*: share of windows called drift with the truth at the tolerance, in units of the level that a budget of one false alarm in 30 days
leaves to a test of a model with 12 and with 300 columns, daily windows and five checks a column (0.00056 and 0.000022).
*power*: share of windows with a shift that are called drift by usual rules, and by `psi` and `mann_whitney` together (the smaller p-value) at that level
at which they call as many windows without a shift drift as the rule does.
*lasting*: false alarms of the e-detector in units of its level, and the median number of windows until it finds a shift.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator

import numpy as np
from scipy import optimize, signal, special

from stream_gov.contracts import Check
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.statistics import STATISTICS, decide, e_detector_plan
from stream_gov.summaries import AnyColumnSummary, CategoricalSummary, NumericSummary

COLUMNS = {"numeric": 10, "3 categories": 3, "300 categories": 300}
CHECKS_A_COLUMN, WINDOWS = 5, 30
LEVELS = {columns: 1 / (WINDOWS * CHECKS_A_COLUMN * columns) for columns in (12, 300)}
TOLERANCES = (0.0, 0.02, 0.1)
USUAL = {
    "PSI > 0.1": Check(statistic="psi", threshold=0.1),
    "PSI > 0.2": Check(statistic="psi", threshold=0.2),
    "KS p < 0.05": Check(statistic="ks", p_value=0.05),
    "chi-squared p < 0.05": Check(statistic="chi_squared", p_value=0.05),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the whole grid")
    parser.add_argument("--table", choices=["false-alarms", "power", "lasting"], action="append")
    parser.add_argument("--column", choices=list(COLUMNS), action="append")
    parser.add_argument("--reference", type=int, nargs="+", help="rows of the reference")
    parser.add_argument("--events", type=int, nargs="+")
    parser.add_argument("--autocorrelation", type=float, nargs="+")
    parser.add_argument("--tests", type=int, help="windows for each number, as far as --rows allows")
    parser.add_argument("--rows", type=int, help="rows of all windows for each number, at most")
    options = parser.parse_args()
    full = options.full
    grid = Grid(
        columns=options.column or list(COLUMNS),
        references=options.reference or ([2_000, 200_000] if full else [20_000]),
        events=options.events or ([50, 200, 1_000, 10_000, 50_000] if full else [200, 1_000]),
        autocorrelations=options.autocorrelation or ([0.0, 0.5, 0.9, 0.98] if full else [0.0, 0.9]),
        n_tests=options.tests or (40_000 if full else 2_000),
        n_rows=options.rows or (60_000_000 if full else 2_000_000),
    )
    started = time.perf_counter()
    for table in options.table or ["false-alarms", "power", "lasting"]:
        {"false-alarms": false_alarms, "power": power, "lasting": lasting}[table](grid)
    print(f"\n{time.perf_counter() - started:.0f} s")


class Grid:
    """What is simulated."""

    def __init__(
        self,
        *,
        columns: list[str],
        references: list[int],
        events: list[int],
        autocorrelations: list[float],
        n_tests: int,
        n_rows: int,
    ) -> None:
        self.columns, self.references, self.events = columns, references, events
        self.autocorrelations, self.n_tests, self.n_rows = autocorrelations, n_tests, n_rows

    def cells(self) -> Iterator[tuple[str, int, float, list[ReferenceProfile]]]:
        """Kind of column, rows of the reference, autocorrelation, and references of it."""
        for column in self.columns:
            for n_rows in self.references:
                for rho in self.autocorrelations:
                    rng = np.random.default_rng([17, n_rows, round(1_000 * rho)])
                    n_references = min(max(4_000_000 // n_rows, 10), 100)
                    yield column, n_rows, rho, [reference(rng, rho, n_rows, column) for _ in range(n_references)]

    def windows_of(self, n: int) -> int:
        """Windows of `n` events that are simulated for one number."""
        return min(self.n_tests, self.n_rows // n)


# --- the tables --------------------------------------------------------------------------------------------------------------------------


def false_alarms(grid: Grid) -> None:
    """Print the first table, and the counts over all of it."""
    print("\n### False alarms, in units of the level\n")
    heads = [f"{tolerance:g}: {columns} columns" for tolerance in TOLERANCES for columns in LEVELS]
    print("| column | reference | autocorrelation | events | " + " | ".join(heads) + " | windows |")
    print("|---" * (5 + len(heads)) + "|")
    totals = {columns: [0, 0.0] for columns in LEVELS}
    for column, n_rows, rho, profiles in grid.cells():
        rng = np.random.default_rng([18, n_rows, round(1_000 * rho)])
        for n in grid.events:
            row, n_windows = [], grid.windows_of(n)
            for tolerance in TOLERANCES:
                shift = shift_of(tolerance, column)
                p_values = np.array(
                    [
                        psi_test(profile, window, tolerance)
                        for profile, window in windows(rng, profiles, rho, n, n_windows, shift, column)
                    ]
                )
                for columns, level in LEVELS.items():
                    fired = int((p_values < level).sum())
                    totals[columns][0] += fired
                    totals[columns][1] += level * p_values.size
                    row.append(in_levels(fired, level * p_values.size))
            print(f"| {column} | {n_rows:,} | {rho:g} | {n:,} | {' | '.join(row)} | {n_windows:,} |", flush=True)
    print()
    for columns, (fired, expected) in totals.items():
        print(f"All of it, {columns} columns: {fired:,.0f} false alarms where the level allows {expected:,.1f}.")


def in_levels(fired: int, expected: float) -> str:
    """Say a count in units of what the level allows, with the range in which the truth lies with a chance of 95 %."""
    low = special.gammaincinv(fired, 0.025) if fired else 0.0
    return f"{fired / expected:.1f} ({low / expected:.1f}-{special.gammaincinv(fired + 1, 0.975) / expected:.1f})"


def power(grid: Grid) -> None:
    """Print the second table: at the same measured false-alarm rate."""
    print("\n### Power beside usual rules, at the same measured false-alarm rate\n")
    print(
        "| column | reference | autocorrelation | events | rule | false alarms | shift, sd | the rule finds | ours finds |"
    )
    print("|---" * 9 + "|")
    for column, n_rows, rho, profiles in grid.cells():
        rng = np.random.default_rng([19, n_rows, round(1_000 * rho)])
        for n in grid.events:
            n_windows = min(grid.windows_of(n), 4_000)
            without = [judged(p, w, column) for p, w in windows(rng, profiles, rho, n, n_windows, 0.0, column)]
            shift = min(3.0 * math.sqrt((1 + rho) / (1 - rho) * (1 / n + 1 / n_rows)), 1.5)
            shifted = [judged(p, w, column) for p, w in windows(rng, profiles, rho, n, n_windows, shift, column)]
            for i, name in enumerate(USUAL):
                if name.startswith("KS") and column != "numeric":
                    continue
                theirs = np.mean([rules[i] for _, rules in without])
                p_values = np.sort([p for p, _ in without])
                # the level at which as many windows without a shift are called drift, at least one
                level = p_values[min(max(round(theirs * n_windows), 1), n_windows - 1)]
                ours = np.mean([p < level for p, _ in shifted])
                found = np.mean([rules[i] for _, rules in shifted])
                print(
                    f"| {column} | {n_rows:,} | {rho:g} | {n:,} | {name} | {theirs:.3f} | {shift:.2f} | {found:.3f} | {ours:.3f} |",
                    flush=True,
                )


def lasting(grid: Grid) -> None:
    """Print the third table: the e-detector."""
    print("\n### The e-detector: false alarms in units of the level, and median delay in windows\n")
    level, delays = LEVELS[12], ((0.0, 0.1), (0.0, 0.2), (0.1, 0.45), (0.1, 0.6))
    heads = [f"at {t:g}" for t in TOLERANCES] + [f"tolerance {t:g}, shift {s:g} sd" for t, s in delays]
    print("| column | reference | autocorrelation | events | " + " | ".join(heads) + " |")
    print("|---" * (4 + len(heads)) + "|")
    for column, n_rows, rho, profiles in grid.cells():
        rng = np.random.default_rng([20, n_rows, round(1_000 * rho)])
        for n in grid.events:
            n_windows = min(grid.windows_of(n), 20_000)
            row = []
            for tolerance in TOLERANCES:
                alarms = sum(
                    run_length(p, w, tolerance, level)[0]
                    for p, w in sequences(rng, profiles, rho, n, n_windows, shift_of(tolerance, column), column)
                )
                row.append(in_levels(alarms, level * n_windows))
            for tolerance, shift in delays:
                found = [
                    run_length(p, w, tolerance, level)[1]
                    for p, w in sequences(rng, profiles[:20], rho, n, min(200 * 20, n_windows), shift, column)
                ]
                middle = float(np.median([d if d is not None else math.inf for d in found]))
                row.append(f"{middle:.0f}" if math.isfinite(middle) else "not found")
            print(f"| {column} | {n_rows:,} | {rho:g} | {n:,} | {' | '.join(row)} |", flush=True)


# --- tests of one window ------------------------------------------------------------------------------------------------------------------


def psi_test(profile: ReferenceProfile, window: AnyColumnSummary, tolerance: float) -> float:
    return p_value_of("psi", profile, window, tolerance)


def p_value_of(statistic: str, profile: ReferenceProfile, window: AnyColumnSummary, tolerance: float) -> float:
    """The p-value of a calibrated check, as the detector computes it."""
    decision = decide(
        STATISTICS[statistic],
        profile.segments[""].columns["x"],
        window,
        Check(statistic=statistic, tolerance=tolerance),
        1,
        dependence=profile.dependence.get("x"),
    )
    return 1.0 if decision.p_value is None else decision.p_value


def judged(profile: ReferenceProfile, window: AnyColumnSummary, column: str) -> tuple[float, list[bool]]:
    """The smaller p-value of our checks, and what the usual rules say."""
    ours = ["psi", "mann_whitney"] if column == "numeric" else ["psi"]
    reference_column = profile.segments[""].columns["x"]
    said = [
        STATISTICS[check.statistic].applies_to(window.kind)
        and decide(STATISTICS[check.statistic], reference_column, window, check, 1).verdict == "drift"
        for check in USUAL.values()
    ]
    return min(p_value_of(name, profile, window, 0.0) for name in ours), said


def run_length(
    profile: ReferenceProfile, sequence: list[AnyColumnSummary], tolerance: float, level: float
) -> tuple[int, int | None]:
    """Alarms of the e-detector over windows in a row, and the number of the first window with one, from 1 on."""
    known = profile.segments[""].columns["x"]
    dependence = profile.dependence.get("x")
    plan = e_detector_plan(
        known.cell_counts(),
        kind=known.kind,
        tolerance=tolerance,
        long_run=dependence.long_run if dependence is not None else None,
    )
    if plan is None:
        return 0, None
    evidence, alarms, first = plan.fresh(), 0, None
    for i, window in enumerate(sequence):
        before = evidence.alarm
        evidence = plan.update(evidence, window.cell_counts(), level, start_ms=i)
        if evidence.alarm and not before:
            alarms += 1
            first = i + 1 if first is None else first
    return alarms, first


# --- data ---------------------------------------------------------------------------------------------------------------------------------


def series(rng: np.random.Generator, rho: float, shape: tuple[int, ...]) -> np.ndarray:
    """Stationary autoregressions along the last axis, of variance 1."""
    innovations = rng.normal(size=shape)
    innovations[..., 1:] *= np.sqrt(1 - rho * rho)
    return signal.lfilter([1.0], [1.0, -rho], innovations, axis=-1) if rho else innovations


def edges_of(column: str) -> np.ndarray:
    """Where the normal distribution is cut: deciles, or shares that fall like Zipf's, mixed so that neighbours differ in size."""
    k = COLUMNS[column]
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


def reference(rng: np.random.Generator, rho: float, n_rows: int, column: str) -> ReferenceProfile:
    values = series(rng, rho, (n_rows,))
    named = values if column == "numeric" else [f"c{i}" for i in edges_of(column).searchsorted(values).tolist()]
    rows = RowBatch({"x": named}, n_rows, times_ms=np.arange(n_rows))
    return build_profile(
        lambda: [rows], ProfileBuilder(), name="r", revision=1, model="m", source="bench", created_ms=0
    )


def windows(
    rng: np.random.Generator,
    profiles: list[ReferenceProfile],
    rho: float,
    n: int,
    n_windows: int,
    shift: float,
    column: str,
) -> Iterator[tuple[ReferenceProfile, AnyColumnSummary]]:
    """Windows that have nothing to do with each other, spread over the references."""
    at_once = max(min(2_000_000 // n, math.ceil(n_windows / len(profiles))), 1)
    done = 0
    while done < n_windows:
        for profile in profiles:
            m = min(at_once, n_windows - done)
            for window in counted(series(rng, rho, (m, n)) + shift, profile, column):
                yield profile, window
            done += m
            if done == n_windows:
                return


def sequences(
    rng: np.random.Generator,
    profiles: list[ReferenceProfile],
    rho: float,
    n: int,
    n_windows: int,
    shift: float,
    column: str,
) -> Iterator[tuple[ReferenceProfile, list[AnyColumnSummary]]]:
    """Windows that follow each other, a stretch for each reference."""
    of_each = max(n_windows // len(profiles), 1)
    for profile in profiles:
        values = series(rng, rho, (of_each * n,)).reshape(of_each, n)
        yield profile, list(counted(values + shift, profile, column))


def counted(values: np.ndarray, profile: ReferenceProfile, column: str) -> Iterator[AnyColumnSummary]:
    """Summaries of windows, one a row of `values`; of a numeric column without moments, which these tests do not use."""
    layout = profile.layout.columns["x"]
    if column == "numeric":
        codes, k = layout.edges.searchsorted(values, side="right"), layout.n_cells
    else:
        known = len(layout.categories)
        names = np.array([layout.index.get(f"c{i}", known) for i in range(COLUMNS[column])])
        codes, k = names[edges_of(column).searchsorted(values)], known + 1
    flat = np.bincount((np.arange(len(values))[:, np.newaxis] * k + codes).ravel(), minlength=len(values) * k)
    for counts in flat.reshape(len(values), k):
        if column == "numeric":
            numeric = NumericSummary(layout)
            numeric.counts = counts
            yield numeric
        else:
            categorical = CategoricalSummary(layout)
            categorical.counts = counts[:-1]
            if counts[-1]:
                categorical.unseen.update({"(unseen)": int(counts[-1])})
            yield categorical


if __name__ == "__main__":
    main()
