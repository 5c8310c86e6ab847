"""What the checks of a monitor can see, and how often chance alone sets them off, before there is any traffic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

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
TIMES_THE_TOLERANCE = (1.5, 2.0)
"""Lasting shifts for which the delay is told."""
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
    """Expected in the period of the budget, an alert taking as many windows as it must persist: by the level, without a tolerance by simulation;
    None where the window is too small to be judged."""
    half: str = ""
    """Smallest shift that half of the windows show, in words; empty: see `note`."""
    most: str = ""
    """Smallest shift that nine of ten windows show."""
    note: str = ""
    """Why there is no shift, in words."""
    half_value: float | None = None
    """Of the shift in `half` the mean, or the share, to which it leads; None where there is none."""
    most_value: float | None = None
    delays: tuple[float | None, ...] = ()
    """Of a check over many windows: median number of windows until it finds a shift of 1.5 and of 2 times the tolerance; None: not within the period."""


def expected_events(monitor: Monitor, profile: ReferenceProfile) -> int | None:
    """Events of a window as the rows of the reference came in; None where these have no times."""
    if profile.first_ms is None or profile.last_ms is None or profile.last_ms <= profile.first_ms:
        return None
    return max(round(profile.n_rows * monitor.window.size / (profile.last_ms - profile.first_ms)), 1)


def outlooks_of(monitor: Monitor, profile: ReferenceProfile, n_events: int) -> Iterator[CheckOutlook]:
    """Say of each check of each column what it can see in a window of all events, compared with all rows of the reference.

    Windows are drawn from the reference, tilted: the share of a cell is multiplied by `exp(t z)`, `z` being the normal score of its rank (a
    normal distribution is shifted by that), or 1 for the most frequent category and 0 for the others. Each is a multinomial draw
    of the values that are there, `n_events` less the share that is missing in the reference, over the variance inflation that the profile shows for windows of this length, each draw standing for as many events. The smallest
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
    # The levels of the budget are raised by the number of windows that an alert takes.
    persistence = levels.persistence
    by_level = None if level is None else level * levels.n_windows / persistence

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
        # Each window has random numbers of its own, so that a larger size moves the same windows farther instead of drawing others.
        windows = (simulated.draw(np.random.default_rng([19, i]), size, check.statistic) for i in range(WINDOWS))
        return float(np.mean([_drifts(statistic, reference, w, check, monitor, level, dependence) for w in windows]))

    # Only the calibrated rule heeds that events depend on each other, so only its level is the chance that it says.
    by_chance = 0.0 if check.rule == "calibrated" else seen(0.0)
    false_alarms = by_level if check.rule == "calibrated" else by_chance * levels.n_windows / persistence
    found = [
        ("chance alone", None) if by_chance >= chance else _words(reference, check.statistic, _smallest(seen, chance))
        for chance in (0.5, 0.9)
    ]
    (half, half_value), (most, most_value) = found
    if not half and not most:
        return without("sees no shift at this volume", false_alarms)
    return CheckOutlook(
        column=column,
        kind=reference.kind,
        check=check,
        level=level,
        false_alarms=false_alarms,
        half=half,
        most=most or "none",
        half_value=half_value,
        most_value=most_value,
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

    def delays(size: float) -> list[float]:
        """Windows until an alarm in each sequence; infinite where there is none."""
        rng = np.random.default_rng(20)
        return [_delay(rng, size) for _ in range(SEQUENCES)]

    def _delay(rng: np.random.Generator, size: float) -> float:
        if plan is None or level is None:
            return math.inf
        evidence = plan.fresh()
        for i in range(n_steps):
            counts = simulated.draw(rng, size, "").cell_counts()
            evidence = plan.update(evidence, counts, level, start_ms=i)
            if evidence.alarm:
                return i + 1
        return math.inf

    def found(size: float) -> float:
        return float(np.isfinite(delays(size)).mean())

    def typical(times: float) -> float | None:
        size = _size_of_psi(reference, times * (check.tolerance or 0.0))
        median = math.inf if size is None else float(np.median(delays(size)))
        return median if math.isfinite(median) else None

    (half, half_value), (most, most_value) = (
        _words(reference, check.statistic, _smallest(found, chance)) for chance in (0.5, 0.9)
    )
    lasting = f", lasting {n_steps} windows"
    return CheckOutlook(
        column=column,
        kind=reference.kind,
        check=check,
        level=level,
        false_alarms=false_alarms,
        half=half + lasting if half else "",
        most=most + lasting if most else "",
        note="" if half or most else f"finds no shift within {n_steps} windows",
        half_value=half_value,
        most_value=most_value,
        delays=tuple(typical(times) for times in TIMES_THE_TOLERANCE) if check.tolerance else (),
    )


def _size_of_psi(reference: AnyColumnSummary, psi: float) -> float | None:
    """Size of the tilt with this population stability index in the groups of cells; None if none has it."""
    groups = reference.layout.groups if isinstance(reference, NumericSummary) else np.arange(_cells(reference).size)

    def of_size(size: float) -> float:
        before, after = (np.bincount(groups, weights=_shares(reference, s)) for s in (0.0, size))
        filled = (before > 0) & (after > 0)
        return float(((after - before)[filled] * np.log(after[filled] / before[filled])).sum())

    return _smallest(lambda size: float(of_size(size) >= psi), 1.0)


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
    """Windows of one column, drawn from its reference: as many values are missing or of a wrong type, and they depend as much on each other."""

    def __init__(self, reference: AnyColumnSummary, n: int, dependence: Dependence | None) -> None:
        self._reference = reference
        self._n = n
        self._ratio = self._missing_ratio = self._wrong_ratio = 1.0
        if dependence is not None:
            long_run = dependence.of_window(n, 10**9)
            filled = long_run.shares > 0
            degrees = max(int(filled.sum()) - 1, 1)
            self._ratio = float((np.diag(long_run.covariance)[filled] / long_run.shares[filled]).sum()) / degrees
            self._missing_ratio, self._wrong_ratio = long_run.missing.ratio, long_run.type_errors.ratio

    def draw(self, rng: np.random.Generator, size: float, statistic: str) -> AnyColumnSummary:
        """One window, shifted by the size that the statistic looks for."""
        reference = self._reference
        missing, wrong = (_base_share(reference, name) for name in ("missing_share", "type_error_share"))
        if statistic == "missing_share":
            missing = _risen(missing, size)
        elif statistic == "type_error_share":
            wrong = _risen(wrong, size)
        n_missing = _overdispersed(rng, self._n, missing, self._missing_ratio)
        n_wrong = min(_overdispersed(rng, self._n, wrong, self._wrong_ratio), self._n - n_missing)
        n_valid = self._n - n_missing - n_wrong
        shares = _shares(reference, 0.0 if statistic in SHARES else size)
        if statistic == "unseen_share":
            unseen = _base_share(reference, statistic)
            risen = _risen(unseen, size)
            shares = np.append(shares[:-1] * ((1 - risen) / max(1 - unseen, 1e-12)), risen)
            shares /= shares.sum()
        draws = max(round(n_valid / max(self._ratio, 1.0)), 1)
        return _summary(reference, _scaled(rng.multinomial(draws, shares), n_valid), n_missing, n_wrong)


def _overdispersed(rng: np.random.Generator, n: int, share: float, ratio: float) -> int:
    """Draw how many of `n` are amiss, with a variance so many times that of independent draws."""
    if share <= 0:
        return 0
    draws = max(round(n / max(ratio, 1.0)), 1)
    drawn = float(stats.binom.ppf(rng.random(), draws, min(share, 1.0)))  # which rises with the share
    return round(drawn * n / draws)


def _base_share(reference: AnyColumnSummary, statistic: str) -> float:
    """Share of values in the reference that are missing, of a wrong type, or (of the valid ones) unseen."""
    if statistic == "unseen_share":
        return reference.n_unseen / max(reference.n_valid, 1) if isinstance(reference, CategoricalSummary) else 0.0
    amiss = reference.n_missing if statistic == "missing_share" else reference.n_type_errors
    return amiss / max(reference.n, 1)


def _risen(share: float, size: float) -> float:
    """To what a share rises by a shift of this size, 0 to 1."""
    return share + (_MOST_SHARE * (1 - share)) * size * size


def _scaled(draws: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Let each draw stand for as many events as make `n` together."""
    ends = np.rint(np.cumsum(draws) * (n / draws.sum())).astype(np.int64)
    counts: NDArray[np.int64] = np.diff(ends, prepend=0)
    return counts


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


def _summary(
    reference: AnyColumnSummary, counts: NDArray[np.int64], n_missing: int, n_type_errors: int
) -> AnyColumnSummary:
    """Summary of a window with these counts per cell."""
    amiss = {"n_missing": n_missing, "n_type_errors": n_type_errors}
    match reference:
        case NumericSummary():
            numeric = NumericSummary(reference.layout)
            numeric.update_values(np.repeat(_values(reference), counts), **amiss)
            return numeric
        case CategoricalSummary():
            categorical = CategoricalSummary(reference.layout)
            names = dict(zip(reference.layout.categories, counts[:-1].tolist(), strict=True))
            known: dict[str | float | bool, int] = {name: n for name, n in names.items() if n}
            unseen = int(counts[-1])
            categorical.update_counts(known | ({"\0unseen": unseen} if unseen else {}), **amiss)
            return categorical
        case BooleanSummary():
            boolean = BooleanSummary(reference.layout)
            boolean.update_counts({False: int(counts[0]), True: int(counts[1])}, **amiss)
            return boolean


def _words(reference: AnyColumnSummary, statistic: str, size: float | None) -> tuple[str, float | None]:
    """Say a shift in the column's own unit, and give the mean or share to which it leads."""
    if size is None:
        return "", None
    if statistic in SHARES:
        base = _base_share(reference, statistic)
        risen = _risen(base, size)
        return f"{SHARES[statistic]} {base:.2%} -> {risen:.2%}", risen
    before, after = _shares(reference, 0.0), _shares(reference, size)
    top = int(np.argmax(before))
    if isinstance(reference, NumericSummary) and before[top] <= _MOSTLY:
        shift, spread = float((after - before) @ _values(reference)), reference.standard_deviation()
        in_sd = f", {shift / spread:.2f} sd" if spread > 0 else ""
        return f"mean {reference.mean():.4g} -> {reference.mean() + shift:.4g}{in_sd}", reference.mean() + shift
    return f"{_name_of(reference, top)} {before[top]:.1%} -> {after[top]:.1%}", float(after[top])


def _name_of(reference: AnyColumnSummary, cell: int) -> str:
    match reference:
        case NumericSummary():
            return f"{_values(reference)[cell]:.4g}"
        case CategoricalSummary():
            known = reference.layout.categories
            return repr(known[cell]) if cell < len(known) else "unseen"
        case BooleanSummary():
            return ("false", "true")[cell]
