"""Looks for the one segment that carries a drift of all events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream_gov.contracts import Check, SegmentFinding, Verdict
from stream_gov.diagnosis.diagnosis import diagnose
from stream_gov.diagnosis.remainder import remainder
from stream_gov.statistics import STATISTICS, Statistic, decide
from stream_gov.statistics.decision import DEFAULT_LEVEL
from stream_gov.summaries import AnyColumnSummary, Dependence

__all__ = ["SegmentPart", "find_carrier"]

_REST_AT_MOST = 0.5
"""Distance of the rest in units of that of the segment: a rest with few events is not stable because its drift cannot be proved."""
_NO_CHANGE_LEVEL = 0.001
"""Of the test of no change that a segment must fail, too, where the rule is a threshold: a small segment is beyond many of them by chance."""


@dataclass(frozen=True, slots=True)
class SegmentPart:
    """One column of one segment."""

    name: str
    definition: tuple[str, ...]
    """Columns that the segment is of; segments of one definition share no event."""
    reference: AnyColumnSummary
    window: AnyColumnSummary


def find_carrier(
    statistic: str,
    check: Check,
    reference: AnyColumnSummary,
    window: AnyColumnSummary,
    parts: Sequence[SegmentPart],
    *,
    min_events: int,
    level: float | None = None,
    dependence: Dependence | None = None,
) -> tuple[SegmentFinding, str] | None:
    """Find the segment that drifts while all other events do not.

    A segment carries the drift if

    - it drifts by the check that found the drift of all events, at the check's level divided by the number of segments searched (Bonferroni), and
      no other segment of its definition does. Where the rule is a threshold, and the statistic has a test of no change, that test must reject
      at 0.001 divided by their number as well;
    - all events but its own (counts are taken away from both sides) are `stable` by the check as it is; and
    - their distance is at most half of the segment's, and within the tolerance, if there is one greater than 0.

    Of several definitions the segment with the fewest events is named: it is the most specific.

    Parameters
    ----------
    statistic, check
        What found the drift.
    reference, window
        The column over all events.
    parts
        The column in each segment.
    min_events
        Segments with fewer values on either side are not looked at, and do not count as searched.
    level
        Level of the check, where it states none.
    dependence
        As for :func:`~stream_gov.statistics.decide`.

    Returns
    -------
    The segment, and what happened inside of it, in words.
    """
    known = STATISTICS[statistic]
    searched = [p for p in parts if min(known.sample_sizes(p.reference, p.window)) >= min_events]
    if not searched:
        return None
    strict = _at_level(check, level, len(searched))
    drifting: dict[tuple[str, ...], list[tuple[SegmentPart, float | None]]] = {}
    for part in searched:
        p_value = _drift_of(known, strict, part, min_events, dependence, len(searched))
        if p_value is not None:
            drifting.setdefault(part.definition, []).append((part, p_value.value))
    single = [
        found[0]
        for found in drifting.values()
        if len(found) == 1
        and _is_calm_without(known, check, level, reference, window, found[0][0], min_events, dependence)
    ]
    if not single:
        return None
    part, corrected = min(single, key=lambda pair: (pair[0].window.n, pair[0].name))
    inside = diagnose(part.reference, part.window, statistic=statistic)
    finding = SegmentFinding(
        segment=part.name,
        kind=inside.kind.value,
        p_value=corrected,
        n_searched=len(searched),
        n_window=known.sample_sizes(part.reference, part.window)[1],
    )
    return finding, inside.description


@dataclass(frozen=True, slots=True)
class _PValue:
    value: float | None


def _at_level(check: Check, level: float | None, n_searched: int) -> Check:
    if check.rule == "threshold":
        return check
    at = (level or check.stated_level or DEFAULT_LEVEL) / n_searched
    return check.model_copy(update={"level" if check.rule == "calibrated" else "p_value": at})


def _drift_of(
    statistic: Statistic,
    strict: Check,
    part: SegmentPart,
    min_events: int,
    dependence: Dependence | None,
    n_searched: int,
) -> _PValue | None:
    """Give the corrected p-value of a segment that drifts, and None for one that does not."""
    decision = decide(statistic, part.reference, part.window, strict, min_events, dependence=dependence)
    if decision.verdict is not Verdict.DRIFT:
        return None
    p_value = decision.p_value
    if strict.rule == "threshold":
        if statistic.p_value is None:
            return _PValue(None)
        p_value = statistic.p_value(part.reference, part.window)
        if not p_value * n_searched < _NO_CHANGE_LEVEL:
            return None
    return _PValue(None if p_value is None else min(1.0, p_value * n_searched))


def _is_calm_without(
    statistic: Statistic,
    check: Check,
    level: float | None,
    reference: AnyColumnSummary,
    window: AnyColumnSummary,
    part: SegmentPart,
    min_events: int,
    dependence: Dependence | None,
) -> bool:
    rest_before, rest_after = remainder(reference, part.reference), remainder(window, part.window)
    if rest_before is None or rest_after is None:
        return False
    decision = decide(statistic, rest_before, rest_after, check, min_events, level=level, dependence=dependence)
    if decision.verdict is not Verdict.STABLE:
        return False
    left = _distance(statistic, rest_before, rest_after)
    if check.tolerance and left > check.tolerance:
        return False
    return left <= _REST_AT_MOST * _distance(statistic, part.reference, part.window)


def _distance(statistic: Statistic, reference: AnyColumnSummary, window: AnyColumnSummary) -> float:
    """Size of the statistic beyond its value without drift, which is not 0 where it is the window's own share of something."""
    return abs(statistic.compute(reference, window)) - abs(statistic.compute(reference, reference))
