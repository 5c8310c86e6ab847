"""Which columns and statistics are the causes of an alert: they join when drift persists, and leave when it is over."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from stream_gov.contracts import AlertPolicy, Result, Verdict

__all__ = ["CauseKey", "FollowedCauses", "OpenCause", "distance", "follow_causes", "is_over", "multiple", "weight"]

CauseKey = tuple[str, str]
"""Column and statistic."""

_EVEN = 0.5
"""p-value of a calibrated test from which on a window is closer to the reference than half of the windows at the tolerance would be."""


class OpenCause(msgspec.Struct, frozen=True, array_like=True):
    """One cause of an open alert."""

    column: str
    statistic: str
    over: int = 0
    """Windows in a row in which it was over."""
    multiple: float | None = None
    """Distance over bound in the newest window that judged it; None where there is no such multiple."""

    @property
    def key(self) -> CauseKey:
        """Column and statistic."""
        return self.column, self.statistic


@dataclass(frozen=True, slots=True)
class FollowedCauses:
    """What one window made of the causes of a series."""

    causes: tuple[OpenCause, ...]
    """Those that are open now, sorted by column and statistic."""
    recent: tuple[tuple[str, str, int], ...]
    """Of what drifts but has not joined: column, statistic, and one bit for each of the last windows, the newest lowest, 1 for drift."""
    drifts: bool
    """One of the open causes drifts in this window."""
    judged: bool
    """The window says something of at least one open cause."""


def distance(result: Result) -> float | None:
    """How far the window is from the reference, 0 and up, in the unit of the rule's bound; None where the value is undefined.

    A result that an earlier release wrote has no distance; the size of its value stands for it.
    """
    if result.distance is not None:
        return result.distance
    return None if result.value is None else abs(result.value)


def multiple(result: Result) -> float | None:
    """Distance over bound: 1 at the edge; infinite where the distance is; None if the bound is 0 or the rule a p-value.

    A lasting shift has a distance only while there is an alarm; it counts at least 1 then, since its evidence is beyond doubt, and
    otherwise by the share of the evidence it would take.
    """
    if result.rule == "sequential":
        if result.verdict is not Verdict.DRIFT:
            return min((result.value or 0.0) / result.threshold, 1.0) if result.threshold else None
        return (
            max(result.distance / result.tolerance, 1.0) if result.tolerance and result.distance is not None else None
        )
    bound = result.threshold if result.rule == "threshold" else result.tolerance
    if not bound:
        return None
    found = distance(result)
    return math.inf if found is None else found / bound


def weight(result: Result) -> float:
    """How far a result is beyond its rule: 1 at the edge, larger beyond; causes are listed by it.

    The distance over the threshold or the tolerance; where that is 0 (any distance is too much) or the rule is a p-value, the level over the
    p-value; of a lasting shift beyond a tolerance of 0, its evidence over that needed.
    """
    found = multiple(result)
    if found is not None and found != math.inf:
        return found
    if result.rule == "sequential" and result.value is not None and result.threshold:
        return max(result.value / result.threshold, 1.0)
    if result.p_value is not None and result.level is not None:
        return result.level / max(result.p_value, 1e-300)
    return math.inf


def is_over(result: Result, hysteresis: float) -> bool:
    """Tell whether drift is over: the verdict is stable, and well within the rule, so that it does not come and go at the edge.

    - Where the rule has a bound: the distance is at most `1 - hysteresis` of it. For the calibrated rule a window with few events lies far
      from the reference by chance alone, and an alert must end all the same; so it is also over if the p-value of "within the tolerance"
      is at least 0.5, which is closer than half of the windows at the tolerance itself.
    - Where the rule is a p-value, or the tolerance is 0: the p-value is at least `1 / (1 - hysteresis)` of the level.
    - Where the threshold is 0, and for a lasting shift, whose test has a hysteresis of its own: the verdict alone decides.
    """
    if result.verdict is not Verdict.STABLE:
        return False
    if result.rule == "sequential":
        return True
    found = multiple(result)
    if found is None:
        return result.p_value is None or result.level is None or result.level <= (1 - hysteresis) * result.p_value
    if found <= 1 - hysteresis:
        return True
    return result.rule == "calibrated" and result.p_value is not None and result.p_value >= _EVEN


def follow_causes(
    before: Sequence[OpenCause], recent: Sequence[tuple[str, str, int]], results: Sequence[Result], policy: AlertPolicy
) -> FollowedCauses:
    """Judge the causes of a series by its next window.

    A column and statistic joins in a window in which it drifts, if that makes `policy.open_after.windows` of the last
    `policy.open_after.of` windows that could judge it. A cause leaves after `policy.resolve_after` windows in a row in which it is over;
    what it did before counts for nothing then. A window in which it is `insufficient` counts neither way. If it is not judged any more
    because the monitor or the reference has changed, it counts as over in every window that says anything at all.

    Parameters
    ----------
    before, recent
        As the window before left them.
    results
        All results of the window.
    policy
        The numbers.
    """
    drifting = {(r.column, r.statistic): r for r in results if r.verdict is Verdict.DRIFT}
    if not before and not drifting and not recent:
        return FollowedCauses((), (), drifts=False, judged=False)
    by_key = {(r.column, r.statistic): r for r in results}
    speaks = any(r.verdict is not Verdict.INSUFFICIENT for r in results)
    causes: list[OpenCause] = []
    judged = False
    for cause in before:
        result = by_key.get(cause.key)
        stays, says = _judge_cause(cause, result, policy, speaks=speaks)
        judged |= says
        if stays is not None:
            causes.append(stays)
    known = {c.key for c in before}
    joined, still_recent = _look_back(
        {(column, statistic): bits for column, statistic, bits in recent},
        {key: result for key, result in by_key.items() if key not in known},
        policy,
        speaks=speaks,
    )
    causes += [OpenCause(*key, 0, multiple(drifting[key])) for key in joined]
    causes.sort(key=lambda c: c.key)
    return FollowedCauses(
        tuple(causes),
        tuple(sorted((column, statistic, bits) for (column, statistic), bits in still_recent.items())),
        drifts=any(c.key in drifting for c in causes),
        judged=judged or bool(joined),
    )


def _judge_cause(
    cause: OpenCause, result: Result | None, policy: AlertPolicy, *, speaks: bool
) -> tuple[OpenCause | None, bool]:
    """Return the cause as it is now (None: it has left), and whether the window says anything of it."""
    if result is None:
        over = cause.over + speaks
        return (None if over >= policy.resolve_after else OpenCause(*cause.key, over, cause.multiple)), speaks
    if result.verdict is Verdict.INSUFFICIENT:
        return cause, False
    if not is_over(result, policy.hysteresis):
        return OpenCause(*cause.key, 0, multiple(result)), True
    over = cause.over + 1
    return (None if over >= policy.resolve_after else OpenCause(*cause.key, over, multiple(result))), True


def _look_back(
    recent: Mapping[CauseKey, int], results: Mapping[CauseKey, Result], policy: AlertPolicy, *, speaks: bool
) -> tuple[list[CauseKey], dict[CauseKey, int]]:
    """Return what joins in this window, and what is to be remembered of the rest."""
    mask = (1 << policy.open_after.span) - 1
    joined: list[CauseKey] = []
    # What is not judged any more is forgotten by the first window that says anything.
    kept = {key: bits & mask for key, bits in recent.items() if key in results or not speaks}
    for key, result in results.items():
        if result.verdict is Verdict.INSUFFICIENT:
            continue
        drift = result.verdict is Verdict.DRIFT
        bits = (kept.pop(key, 0) << 1 | drift) & mask
        if drift and bits.bit_count() >= policy.open_after.windows:
            joined.append(key)
        elif bits:
            kept[key] = bits
    return joined, {key: bits for key, bits in kept.items() if bits}
