"""From a statistic to a verdict: the rule of a check applied to a reference and a window."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from stream_gov.contracts import Check, ConfigurationError, Verdict
from stream_gov.statistics.catalogue import Statistic
from stream_gov.summaries import ColumnSummary, CovarianceSummary, PaneSummary, VectorDependence, WindowDependence

__all__ = ["DEFAULT_LEVEL", "Decision", "decide"]

DEFAULT_LEVEL = 0.001
"""Of a check that states no level, where no budget tells it."""

Summary = ColumnSummary | PaneSummary | CovarianceSummary
AnyDependence = WindowDependence | VectorDependence


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one check says of one column (or model) in one window, and all that it rests on."""

    value: float
    """In the statistic's unit; `nan` where it is undefined. Also given where there were too few events to judge it."""
    rule: str
    """`threshold`, `p_value`, `calibrated` or `sequential`."""
    threshold: float | None
    p_value: float | None
    """Under the rules `p_value` and `calibrated`, unless the verdict is `insufficient`."""
    level: float | None
    """Chance of a false alarm that the rule states: drift if `p_value < level`."""
    tolerance: float | None
    distance: float | None
    """What the threshold or the tolerance is compared with: the size of the value; of a share with a tolerance, its rise over the
    reference's share. None under the rule `p_value`, and where the value is undefined."""
    n_reference: int
    n_window: int
    verdict: Verdict
    calibration: str
    """`long_run`, `assumed` or `independent`: what a calibrated test took the values for; empty where there was none."""
    reason: str
    """Why `insufficient`, in words; otherwise empty."""
    since_ms: int | None = None
    """Start of the window with which a lasting shift began; only of a sequential test that calls it drift."""


@dataclass(frozen=True, slots=True)
class _Judgement:
    drift: bool
    p_value: float | None
    calibration: str = ""


def decide(
    statistic: Statistic,
    reference: Summary,
    window: Summary,
    check: Check,
    min_events: int,
    *,
    level: float | None = None,
    dependence: AnyDependence | None = None,
) -> Decision:
    """Compare a window with its reference by one check.

    Parameters
    ----------
    statistic
        Of the catalogue; the one that the check names.
    reference, window
        Summaries of one layout: of a column for a statistic of columns, of a pane for a statistic of the model, of the projections of a vector
        for a statistic of vectors.
    check
        The rule: drift if the value (its size where it is signed) is greater than `threshold`; or if the p-value of "no change" is below
        `p_value`; or if that of "within `tolerance`" is below `level`.
    min_events
        Smallest sample that is judged, on either side.
    level
        Chance of a false alarm of a check with a tolerance that states none itself; `DEFAULT_LEVEL` if not given.
    dependence
        How the column's values depend on those before them, from the profile; None: they are taken for independent draws. Only a check with
        a tolerance heeds it.

    Returns
    -------
    The verdict is `insufficient` if a sample is smaller than `min_events` or the value is undefined, and then `reason` says so.

    Raises
    ------
    ConfigurationError
        The statistic has no test for the rule of the check.
    """
    n_reference, n_window = statistic.sample_sizes(reference, window)
    value = statistic.compute(reference, window)
    reason = _why_insufficient(statistic, value, n_reference, n_window, min_events)
    if check.rule == "calibrated" and check.level is None:
        level = DEFAULT_LEVEL if level is None else level
    else:
        level = check.stated_level
    judgement = _Judgement(drift=False, p_value=None)
    if not reason:
        judgement = _RULES[check.rule](statistic, value, reference, window, check, level, dependence)
        if judgement.p_value is not None and math.isnan(judgement.p_value):
            reason = f"the test of {statistic.name} is undefined: {statistic.undefined}"
    verdict = Verdict.DRIFT if judgement.drift else Verdict.STABLE
    return Decision(
        value=value,
        rule=check.rule,
        threshold=check.threshold,
        p_value=None if reason else judgement.p_value,
        level=level,
        tolerance=check.tolerance,
        distance=_distance(statistic, value, reference, check),
        n_reference=n_reference,
        n_window=n_window,
        verdict=Verdict.INSUFFICIENT if reason else verdict,
        calibration="" if reason else judgement.calibration,
        reason=reason,
    )


def _why_insufficient(statistic: Statistic, value: float, n_reference: int, n_window: int, min_events: int) -> str:
    what = {"column": "valid values", "vector": "vectors"}.get(statistic.scope, "events")
    if statistic.counts == "rows":
        what = "events"
    elif statistic.counts == "complete_rows":
        what = "events without missing numbers"
    if n_reference == 0:
        return f"the reference has no {what}"
    for name, n in (("window", n_window), ("reference", n_reference)):
        if n < min_events:
            return f"the {name} has {n} {what}, fewer than min_events = {min_events}"
    if math.isnan(value):
        return f"{statistic.name} is undefined: {statistic.undefined}"
    return ""


def _distance(statistic: Statistic, value: float, reference: Summary, check: Check) -> float | None:
    if check.rule == "p_value" or math.isnan(value):
        return None
    if check.rule == "calibrated" and statistic.tolerated_over is not None:
        return max(value - statistic.tolerated_over(reference), 0.0)
    return abs(value)


def _beyond_threshold(
    statistic: Statistic,
    value: float,
    reference: Summary,
    window: Summary,
    check: Check,
    level: float | None,
    dependence: AnyDependence | None,
) -> _Judgement:
    del reference, window, level, dependence
    if check.threshold is None:
        msg = f"a check of {statistic.name} by threshold needs one; set `threshold`"
        raise ConfigurationError(msg)
    return _Judgement((abs(value) if statistic.signed else value) > check.threshold, None)


def _unlikely_without_change(
    statistic: Statistic,
    value: float,
    reference: Summary,
    window: Summary,
    check: Check,
    level: float | None,
    dependence: AnyDependence | None,
) -> _Judgement:
    del value, level, dependence
    if statistic.p_value is None or check.p_value is None:
        msg = f"{statistic.name} has no p-value; use `threshold`"
        raise ConfigurationError(msg)
    p_value = statistic.p_value(reference, window)
    return _Judgement(p_value < check.p_value, p_value)


def _unlikely_within_tolerance(
    statistic: Statistic,
    value: float,
    reference: Summary,
    window: Summary,
    check: Check,
    level: float | None,
    dependence: AnyDependence | None,
) -> _Judgement:
    del value
    if statistic.calibrated is None or check.tolerance is None or level is None:
        msg = f"{statistic.name} has no calibrated test; use `threshold`"
        raise ConfigurationError(msg)
    p_value = statistic.calibrated(reference, window, check.tolerance)
    if (
        dependence is None
        or statistic.long_run is None
        or isinstance(reference, PaneSummary)
        or isinstance(window, PaneSummary)
    ):
        return _Judgement(p_value < level, p_value, "independent")
    if p_value < 1:  # else no p-value is larger, or there is none
        known = dependence.of_window(window.n, reference.n)
        p_value = max(p_value, statistic.long_run(reference, window, check.tolerance, known))
    return _Judgement(p_value < level, p_value, "assumed" if dependence.assumed else "long_run")


_RULES: dict[
    str, Callable[[Statistic, float, Summary, Summary, Check, float | None, AnyDependence | None], _Judgement]
] = {
    "threshold": _beyond_threshold,
    "p_value": _unlikely_without_change,
    "calibrated": _unlikely_within_tolerance,
}
