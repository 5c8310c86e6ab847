"""The e-detector through the windows of one series: evidence by column, how it is kept, and what it says of a window."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from stream_gov.contracts import NO_WATERMARK, Check, Monitor, Verdict
from stream_gov.detection.check_choice import checks_of_column
from stream_gov.detection.levels import Levels
from stream_gov.reference import ReferenceProfile, long_run_by_slot
from stream_gov.statistics import Decision, EDetectorPlan, Evidence, e_detector_plan, psi
from stream_gov.summaries import AnyColumnSummary, Dependence, LongRun, PaneSummary, pooled_cells

__all__ = ["E_DETECTOR", "EDetectorPlans", "SequentialState", "advance_evidence", "sequential_decision"]

E_DETECTOR = "e_detector"

MAX_PLANS = 50_000
"""Plans kept, of about 5 kB each; one that was dropped is made again, which takes some milliseconds."""


@dataclass(slots=True)
class ColumnEvidence:
    """Evidence of one column, and what it was gathered by."""

    plan_key: str
    """Profile, segment, tolerance and calibration: with others it begins anew."""
    evidence: Evidence


@dataclass(slots=True)
class SequentialState:
    """Evidence of the columns of one series."""

    taken_until_ms: int = NO_WATERMARK
    """End of the last window that was taken in. One that is judged again after late events is not taken in again."""
    columns: dict[str, ColumnEvidence] = field(default_factory=dict)

    def to_state(self) -> list[Any]:
        """Plain data, for packing."""
        return [
            self.taken_until_ms,
            [
                [
                    name,
                    known.plan_key,
                    known.evidence.values.shape,
                    known.evidence.values.astype("<f4").tobytes(),
                    known.evidence.since_counts.astype("<i8").tobytes(),
                    known.evidence.since_ms,
                    known.evidence.value,
                    known.evidence.alarm,
                ]
                for name, known in self.columns.items()
            ],
        ]

    @classmethod
    def from_state(cls, state: list[Any]) -> SequentialState:
        """Read what :meth:`to_state` gave."""
        taken, columns = state
        return cls(
            taken,
            {
                name: ColumnEvidence(
                    plan_key,
                    Evidence(
                        np.frombuffer(values, "<f4").astype(np.float32).reshape(shape),
                        np.frombuffer(counts, "<i8").astype(np.int64),
                        since_ms,
                        value,
                        alarm,
                    ),
                )
                for name, plan_key, shape, values, counts, since_ms, value, alarm in columns
            },
        )


class EDetectorPlans:
    """Plans by profile, segment, column and check; the ones unused for longest are dropped."""

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[str, str], tuple[ReferenceProfile, EDetectorPlan | None]] = OrderedDict()

    @staticmethod
    def key(monitor: Monitor, profile: ReferenceProfile, segment: str, check: Check, *, seasonal: bool = False) -> str:
        """What a plan depends on, apart from the column."""
        season = f"|{profile.season}" if seasonal else ""
        return f"{profile.id}|{segment}|{check.tolerance!r}|{monitor.calibration}{season}"

    def of(
        self,
        monitor: Monitor,
        profile: ReferenceProfile,
        segment: str,
        column: str,
        check: Check,
        *,
        seasonal: bool = False,
    ) -> EDetectorPlan | None:
        """Return the plan; None where nothing can shift. With `seasonal` windows are compared with slots of the profile's season."""
        key = self.key(monitor, profile, segment, check, seasonal=seasonal), column
        known = self._plans.get(key)
        if known is not None and known[0] is profile:
            self._plans.move_to_end(key)
            return known[1]
        reference = profile.segments[segment].columns[column]
        long_run = None
        slots: dict[int, LongRun] = {}
        if monitor.calibration == "long_run":
            dependence = profile.dependence.get(column)
            if seasonal:
                slots = long_run_by_slot(profile, segment, column)
                if not slots:
                    dependence = Dependence.assume(reference.cell_counts(), kind=reference.kind)
            long_run = dependence.long_run if dependence is not None else None
        if slots and profile.slots is not None:
            rows = profile.slots.rows(segment)
            any_slot = next(iter(slots.values()))
            total = sum((rows[s] * k.covariance for s, k in slots.items()), np.zeros_like(any_slot.covariance))
            long_run = replace(any_slot, covariance=total / sum(rows.values()))
        plan = e_detector_plan(
            reference.cell_counts(),
            kind=reference.kind,
            tolerance=check.tolerance or 0.0,
            long_run=long_run,
            slots=slots,
            seasonal=seasonal,
        )
        self._plans[key] = profile, plan
        if len(self._plans) > MAX_PLANS:
            self._plans.popitem(last=False)
        return plan


def _checks(monitor: Monitor, profile: ReferenceProfile) -> Iterator[tuple[str, Check]]:
    derived = profile.layout.derived
    for column in profile.layout.columns:
        for check in checks_of_column(monitor, column, derived.get(column)):
            if check.statistic == E_DETECTOR:
                yield column, check


def advance_evidence(
    state: SequentialState,
    step: PaneSummary,
    monitor: Monitor,
    profile: ReferenceProfile,
    segment: str,
    *,
    plans: EDetectorPlans,
    levels: Levels,
    start_ms: int,
    end_ms: int,
    expected: PaneSummary | None = None,
    slots: Mapping[int, int] | None = None,
) -> bool:
    """Take in the newest part of a window, once; True if anything was taken in.

    Parameters
    ----------
    state
        Of the series; changed.
    step
        Of the events from `start_ms` to `end_ms`: of windows that overlap the part that the window before did not have.
    monitor, profile, segment
        What is compared; the profile has the segment.
    plans, levels
        Of the monitor on this profile.
    start_ms, end_ms
        Span of the step.
    expected
        Of the slots of the season that the step has; None: the step is compared with the whole of the profile.
    slots
        Events of the step by slot of the season, where `expected` is given.
    """
    if end_ms <= state.taken_until_ms:
        return False
    checked = dict(_checks(monitor, profile))
    seasonal = expected is not None
    state.columns = {name: known for name, known in state.columns.items() if name in checked}
    for column, check in checked.items():
        plan = plans.of(monitor, profile, segment, column, check, seasonal=seasonal)
        level = levels.of(check, segment)
        if plan is None or level is None:
            state.columns.pop(column, None)
            continue
        plan_key = plans.key(monitor, profile, segment, check, seasonal=seasonal)
        known = state.columns.get(column)
        before = plan.fresh()
        if known is not None and known.plan_key == plan_key and known.evidence.values.shape == before.values.shape:
            before = known.evidence  # of another shape it is an earlier release's, which made other plans
        of_slots = expected.columns[column].cell_counts() if expected is not None else None
        counts = step.columns[column].cell_counts()
        after = plan.update(before, counts, level, start_ms=start_ms, expected=of_slots, slots=slots)
        state.columns[column] = ColumnEvidence(plan_key, after)
    state.taken_until_ms = end_ms
    return bool(checked)


def sequential_decision(
    state: SequentialState | None,
    column: str,
    reference: AnyColumnSummary,
    window: AnyColumnSummary,
    check: Check,
    *,
    level: float | None,
    min_events: int,
) -> Decision:
    """Say what the evidence of a column is worth after a window.

    The value is the logarithm (base 10) of the e-detector, 0 where it is below 1; the threshold that of `1 / level`. The distance, of
    an alarm only, is the population stability index of all events since the shift began, less what it would be on average by chance.

    Parameters
    ----------
    state
        Of the series, after the window; None if it was never taken in.
    column, reference, window
        What was compared.
    check
        Of the e-detector.
    level
        Its level.
    min_events
        Smallest reference that is judged, and fewest events since a shift began for which it is called drift.
    """
    known = state.columns.get(column) if state is not None else None
    evidence = known.evidence if known is not None else None
    reason, distance = "", None
    n_reference = reference.n_valid
    if n_reference < min_events:
        reason = f"the reference has {n_reference} valid values, fewer than min_events = {min_events}"
    elif evidence is None:
        reason = "e_detector is undefined: the column has a single cell, or cannot shift beyond the tolerance"
    elif not evidence.since_counts.any():
        reason = "no valid values have come yet"
    if evidence is not None and evidence.alarm and evidence.since_counts.sum() < min_events and not reason:
        reason = f"{evidence.since_counts.sum()} valid values since a shift seems to have begun, fewer than min_events = {min_events}"
    alarm = evidence is not None and evidence.alarm and not reason
    if alarm and evidence is not None:
        distance = _distance(reference, evidence)
    return Decision(
        value=math.log10(max(evidence.value, 1.0)) if evidence is not None and not reason else math.nan,
        rule="sequential",
        threshold=-math.log10(level) if level else None,
        p_value=None,
        level=level,
        tolerance=check.tolerance,
        distance=distance,
        n_reference=n_reference,
        n_window=window.n_valid,
        verdict=Verdict.INSUFFICIENT if reason else Verdict.DRIFT if alarm else Verdict.STABLE,
        calibration="",
        reason=reason,
        since_ms=evidence.since_ms if evidence is not None and alarm else None,
    )


def _distance(reference: AnyColumnSummary, evidence: Evidence) -> float:
    counts = reference.cell_counts()
    pooled = np.bincount(pooled_cells(counts.size, kind=reference.kind), weights=counts)
    n, m = float(evidence.since_counts.sum()), float(pooled.sum())
    by_chance = (pooled.size - 1) * (1 / n + 1 / m)
    return max(psi(pooled, evidence.since_counts) - by_chance, 0.0)
