"""What the checks of a monitor can see, and how often chance alone sets them off, before there is any traffic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stream_gov.contracts import Check, Monitor, Verdict
from stream_gov.detection.check_choice import checks_of_column
from stream_gov.detection.judge import levels_for
from stream_gov.detection.levels import Levels
from stream_gov.detection.sequential import E_DETECTOR, EDetectorPlans
from stream_gov.reference import ReferenceProfile
from stream_gov.statistics import STATISTICS, Statistic, decide
from stream_gov.summaries import AnyColumnSummary, BooleanSummary, CategoricalSummary, Dependence, NumericSummary

__all__ = ["CheckOutlook", "expected_events", "outlooks_of"]

_Array = NDArray[np.float64]

WINDOWS = 100
"""Windows that are simulated for each size of shift."""
SEQUENCES = 20
"""Sequences of windows that are simulated for each size of a lasting shift."""
_MOST_STEPS_OF_SEQUENCE = 60
_STEPS = 12
"""Sizes tried between two that are known: the shift is found to a thousandth of the range of sizes."""
_STEEPEST = 8.0
"""Largest tilt that is tried: e^8 between the ends of a column. What is not seen then is not seen at all."""
_MOST_SHARE = 0.9
_MOSTLY = 0.5
"""Share of a single value from which on it says more of a column than the mean."""
SHARES = {"missing_share": "missing", "type_error_share": "wrong type", "unseen_share": "unseen"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutlook:
    """What one check of one column can see in one window."""

    column: str
    kind: str
    check: Check
    level: float | None
    """Chance of a false alarm in one window; None: a threshold promises none."""
    false_alarms: float | None
    """Expected in the period of the budget: by the level, without a tolerance by simulation; None where the window is too small to be judged."""
    half: str = ""
    """Smallest shift that half of the windows show, in words; empty: see `note`."""
    most: str = ""
    """Smallest shift that nine of ten windows show."""
    note: str = ""
    """Why there is no shift, in words."""


def expected_events(monitor: Monitor, profile: ReferenceProfile) -> int | None:
    """Events of a window as the rows of the reference came in; None where these have no times."""
    if profile.first_ms is None or profile.last_ms is None or profile.last_ms <= profile.first_ms:
        return None
    return max(round(profile.n_rows * monitor.window.size / (profile.last_ms - profile.first_ms)), 1)


def outlooks_of(monitor: Monitor, profile: ReferenceProfile, n_events: int) -> Iterator[CheckOutlook]:
    """Say of each check of each column what it can see in a window of all events, compared with all rows of the reference.

    Windows are drawn from the reference, tilted: the share of a cell is multiplied by `exp(t z)`, `z` being the normal score of its rank (a
    normal distribution is shifted by that), or 1 for the most frequent category and 0 for the others. Each is a multinomial draw
    of `n_events` over the variance inflation that the profile shows for windows of this length, each draw standing for as many events. The smallest
    shift that a given share of 100 windows shows is found by bisection, with the same random numbers for each size. Of the e-detector it is
    the smallest shift that it finds in that share of 20 sequences before the period of the budget has passed (or 60 windows).

    Parameters
    ----------
    monitor, profile
        The checks, and what they compare with.
    n_events
        Of a window, `>= 1`.
    """
    levels = levels_for(monitor, profile)
    whole = profile.segments[""]
    for column, reference in whole.columns.items():
        for check in checks_of_column(monitor, column, profile.layout.derived.get(column)):
            if check.statistic != E_DETECTOR and not STATISTICS[check.statistic].applies_to(reference.kind):
                continue
            yield _outlook(monitor, profile, levels, column, reference, check, n_events)


def _outlook(
    monitor: Monitor,
    profile: ReferenceProfile,
    levels: Levels,
    column: str,
    reference: AnyColumnSummary,
    check: Check,
    n_events: int,
) -> CheckOutlook:
    level = levels.of(check, "")
    by_level = None if level is None else level * levels.n_windows

    def without(note: str, false_alarms: float | None) -> CheckOutlook:
        return CheckOutlook(
            column=column, kind=reference.kind, check=check, level=level, false_alarms=false_alarms, note=note
        )

    if n_events < monitor.min_events:
        return without(
            f"never judged: {n_events:,} events a window, fewer than min_events = {monitor.min_events:,}", None
        )
    if reference.n_valid == 0:
        return without("the reference has no value", None)
    dependence = profile.dependence.get(column) if monitor.calibration == "long_run" else None
    if check.statistic == E_DETECTOR:
        return _outlook_of_sequence(monitor, profile, levels, column, reference, check, n_events, dependence)
    statistic = STATISTICS[check.statistic]
    simulated = _Windows(reference, n_events, dependence)

    def seen(size: float) -> float:
        """Share of windows with a shift of this size that drift."""
        rng = np.random.default_rng(19)
        verdicts = [
            _drifts(statistic, reference, simulated.draw(rng, size, check.statistic), check, monitor, level, dependence)
            for _ in range(WINDOWS)
        ]
        return float(np.mean(verdicts))

    # Only the calibrated rule heeds that events depend on each other, so only its level is the chance that it says.
    by_chance = 0.0 if check.rule == "calibrated" else seen(0.0)
    false_alarms = by_level if check.rule == "calibrated" else by_chance * levels.n_windows
    words = [
        "chance alone" if by_chance >= chance else _words(reference, check.statistic, _smallest(seen, chance))
        for chance in (0.5, 0.9)
    ]
    if not any(words):
        return without("sees no shift at this volume", false_alarms)
    return CheckOutlook(
        column=column,
        kind=reference.kind,
        check=check,
        level=level,
        false_alarms=false_alarms,
        half=words[0],
        most=words[1] or "none",
    )


def _outlook_of_sequence(
    monitor: Monitor,
    profile: ReferenceProfile,
    levels: Levels,
    column: str,
    reference: AnyColumnSummary,
    check: Check,
    n_events: int,
    dependence: Dependence | None,
) -> CheckOutlook:
    """Of a check over many windows: what it finds before the period of the budget has passed."""
    level = levels.of(check, "")
    plan = EDetectorPlans().of(monitor, profile, "", column, check)
    false_alarms = None if level is None else level * levels.n_windows
    n_steps = min(max(round(levels.n_windows), 1), _MOST_STEPS_OF_SEQUENCE)
    simulated = _Windows(reference, max(round(n_events * monitor.window.every_ms / monitor.window.size), 1), dependence)

    def found(size: float) -> float:
        rng = np.random.default_rng(20)
        return float(np.mean([_alarms(rng, size) for _ in range(SEQUENCES)]))

    def _alarms(rng: np.random.Generator, size: float) -> bool:
        if plan is None or level is None:
            return False
        evidence = plan.fresh()
        for i in range(n_steps):
            counts = simulated.draw(rng, size, "").cell_counts()
            evidence = plan.update(evidence, counts, level, start_ms=i)
            if evidence.alarm:
                return True
        return False

    words = [_words(reference, check.statistic, _smallest(found, chance)) for chance in (0.5, 0.9)]
    lasting = f", lasting {n_steps} windows"
    return CheckOutlook(
        column=column,
        kind=reference.kind,
        check=check,
        level=level,
        false_alarms=false_alarms,
        half=words[0] + lasting if words[0] else "",
        most=words[1] + lasting if words[1] else "",
        note="" if any(words) else f"finds no shift within {n_steps} windows",
    )


def _drifts(
    statistic: Statistic,
    reference: AnyColumnSummary,
    window: AnyColumnSummary,
    check: Check,
    monitor: Monitor,
    level: float | None,
    dependence: Dependence | None,
) -> bool:
    found = decide(statistic, reference, window, check, monitor.min_events, level=level, dependence=dependence)
    return found.verdict is Verdict.DRIFT


def _smallest(seen: Callable[[float], float], chance: float) -> float | None:
    """Smallest size, 0 to 1, of which at least this share of windows is seen; None if not even the largest is."""
    if seen(1.0) < chance:
        return None
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) >= chance else (middle, high)
    return high


class _Windows:
    """Windows of one column, drawn from its reference."""

    def __init__(self, reference: AnyColumnSummary, n: int, dependence: Dependence | None) -> None:
        self._reference = reference
        self._n = n
        ratio = 1.0
        self._draws_amiss = n
        if dependence is not None:
            long_run = dependence.of_window(n, 10**9)
            self._draws_amiss = max(round(n / max(long_run.missing.ratio, long_run.type_errors.ratio, 1.0)), 1)
            filled = long_run.shares > 0
            degrees = max(int(filled.sum()) - 1, 1)
            ratio = float((np.diag(long_run.covariance)[filled] / long_run.shares[filled]).sum()) / degrees
        self._draws = max(round(n / max(ratio, 1.0)), 1)

    def draw(self, rng: np.random.Generator, size: float, statistic: str) -> AnyColumnSummary:
        reference = self._reference
        if statistic in SHARES:
            added = added_share(size)
            counts = _scaled(rng.multinomial(self._draws, _shares(reference, 0.0)), self._n)
            draws = self._draws if statistic == "unseen_share" else self._draws_amiss
            bad = round(rng.binomial(draws, added) * self._n / draws)
            return _summary(reference, _less(counts, bad), bad, statistic)
        counts = _scaled(rng.multinomial(self._draws, _shares(reference, size)), self._n)
        return _summary(reference, counts, 0, "")


def added_share(size: float) -> float:
    """Share of values that a shift of this size, 0 to 1, makes missing (or wrong, or unseen)."""
    return _MOST_SHARE * size * size


def _scaled(draws: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Let each draw stand for as many events as make `n` together."""
    ends = np.rint(np.cumsum(draws) * (n / draws.sum())).astype(np.int64)
    counts: NDArray[np.int64] = np.diff(ends, prepend=0)
    return counts


def _less(counts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    total = int(counts.sum())
    return _scaled(counts, total - n) if n < total else np.zeros_like(counts)


def _cells(reference: AnyColumnSummary) -> _Array:
    """Counts of the finest cells, shape `(n_cells,)`."""
    counts = reference.counts if isinstance(reference, NumericSummary) else reference.cell_counts()
    return counts.astype(np.float64)


def _scores(reference: AnyColumnSummary) -> _Array:
    """Of each cell, shape `(n_cells,)`, scaled so that 1 is the largest difference."""
    counts = _cells(reference)
    if reference.kind == "numeric":
        rank = (np.cumsum(counts) - counts / 2) / counts.sum()
        scores: _Array = special.ndtri(np.clip(rank, 1e-3, 1 - 1e-3))
        return scores / max(float(np.ptp(scores)), 1e-9)
    scores = np.zeros(counts.size)
    scores[int(np.argmax(counts))] = 1.0
    return scores


def _shares(reference: AnyColumnSummary, size: float) -> _Array:
    counts = _cells(reference)
    logs = np.log(np.maximum(counts, 1e-300) / counts.sum()) + _STEEPEST * size * size * _scores(reference)
    shares: _Array = special.softmax(np.where(counts > 0, logs, -np.inf))
    return shares


def _values(reference: NumericSummary) -> _Array:
    """A value of each cell, such that it is counted there: the middle, of the open cells one beside the edge."""
    edges, layout = reference.layout.edges, reference.layout
    if not edges.size:
        return np.array([layout.center])
    low = min(reference.minimum, float(edges[0])) if math.isfinite(reference.minimum) else float(edges[0])
    high = max(reference.maximum, float(edges[-1])) if math.isfinite(reference.maximum) else float(edges[-1])
    ends = np.concatenate([[low], edges, [high]])
    middles = (ends[:-1] + ends[1:]) / 2
    inner: _Array = np.concatenate([[min(middles[0], np.nextafter(edges[0], -np.inf))], np.maximum(middles[1:], edges)])
    return inner


def _summary(reference: AnyColumnSummary, counts: NDArray[np.int64], bad: int, statistic: str) -> AnyColumnSummary:
    """Summary of a window with these counts per cell, and of so many missing, wrong or unseen values."""
    amiss = {
        "n_missing": bad * (statistic == "missing_share"),
        "n_type_errors": bad * (statistic == "type_error_share"),
    }
    match reference:
        case NumericSummary():
            numeric = NumericSummary(reference.layout)
            numeric.update_values(np.repeat(_values(reference), counts), **amiss)
            return numeric
        case CategoricalSummary():
            categorical = CategoricalSummary(reference.layout)
            names = dict(zip(reference.layout.categories, counts[:-1].tolist(), strict=True))
            unseen = int(counts[-1]) + bad * (statistic == "unseen_share")
            known: dict[str | float | bool, int] = {name: n for name, n in names.items() if n}
            categorical.update_counts(known | ({"\0unseen": unseen} if unseen else {}), **amiss)
            return categorical
        case BooleanSummary():
            boolean = BooleanSummary(reference.layout)
            boolean.update_counts({False: int(counts[0]), True: int(counts[1])}, **amiss)
            return boolean


def _words(reference: AnyColumnSummary, statistic: str, size: float | None) -> str:
    """Say a shift in the column's own unit."""
    if size is None:
        return ""
    if statistic in SHARES:
        return f"{added_share(size):.2%} {SHARES[statistic]}"
    before, after = _shares(reference, 0.0), _shares(reference, size)
    top = int(np.argmax(before))
    if isinstance(reference, NumericSummary):
        if before[top] > _MOSTLY:
            return f"{_values(reference)[top]:.4g} {before[top]:.1%} -> {after[top]:.1%}"
        values = _values(reference)
        shift, spread = float((after - before) @ values), reference.standard_deviation()
        in_sd = f", {shift / spread:.2f} sd" if spread > 0 else ""
        return f"mean {reference.mean():.4g} -> {reference.mean() + shift:.4g}{in_sd}"
    if isinstance(reference, CategoricalSummary):
        known = reference.layout.categories
        name = repr(known[top]) if top < len(known) else "unseen"
    else:
        name = ("false", "true")[top]
    return f"{name} {before[top]:.1%} -> {after[top]:.1%}"
