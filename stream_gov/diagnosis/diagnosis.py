"""What happened to a column: one kind, in words and in the column's own unit, from the summaries of reference and window."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from stream_gov.contracts import CauseKind, Histogram, Shift, ValueMapping
from stream_gov.diagnosis.clock_shift import find_clock_shift
from stream_gov.diagnosis.column_facts import shift_of
from stream_gov.diagnosis.share_changes import SharedBars, shared_bars
from stream_gov.diagnosis.unit_change import find_unit_change
from stream_gov.diagnosis.value_rules import (
    constant_words,
    lost_category_words,
    missing_words,
    new_category_words,
    no_longer_constant_words,
    range_words,
    type_words,
)
from stream_gov.diagnosis.wording import category_words, number_words, share_words, signed_words
from stream_gov.summaries import AnyColumnSummary, NumericSummary

__all__ = ["Diagnosis", "diagnose"]

_MEAN_SPEAKS = 0.1
"""Standard deviations of the reference by which the mean must move to be what is said of a drift."""
_SPREAD_SPEAKS = math.log(1.1)
_ATOM_SPEAKS = 0.3
"""Change of the share of one value from which it says more than the mean."""
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The change of one column in one window."""

    kind: CauseKind
    finding: str
    """What happened, such as `unit change x1000`; empty for a drift of the population, of which `change` says all."""
    change: str
    """How far, such as `mean 12.5 -> 25 (+12.5, +1.2 sd)`; empty where the finding says it."""
    shift: Shift
    histogram: Histogram | None
    """None where a side has no values."""
    mapping: ValueMapping | None = None

    @property
    def description(self) -> str:
        """Finding and change in one sentence."""
        if self.finding and self.change:
            return f"{self.finding} ({self.change})"
        return self.finding or self.change


@dataclass(frozen=True, slots=True)
class _Found:
    kind: CauseKind
    words: str
    mapping: ValueMapping | None = None
    with_change: bool = False
    """Whether the change in the column's unit is said beside it."""


_Rule = Callable[[AnyColumnSummary, AnyColumnSummary], _Found | None]


def diagnose(reference: AnyColumnSummary, window: AnyColumnSummary, *, statistic: str = "psi") -> Diagnosis:
    """Say what happened to a column.

    The rules are asked in a fixed order, and the first that holds gives the kind. Which are asked depends on what drifted:

    - `missing_share`: missing_values_rose;
    - `type_error_share`: type_change;
    - `unseen_share`: constant, new_category;
    - any other statistic: constant, new_category, lost_category, no_longer_constant, unit_change, clock_shift, range_change.

    Where none holds it is `population_drift`. A constant column comes first, because it would look like many other things; categories and
    values that are new or gone come before maps of the values, which cannot make or lose categories; what holds by a whole shape comes
    before what holds by an extreme.

    Parameters
    ----------
    reference, window
        Summaries of one layout.
    statistic
        Name of the statistic that drifted.

    Notes
    -----
    It never fails for summaries of one layout: of an empty side, or one cell, too, it says what can be said.
    """
    bars = shared_bars(reference, window)
    shift, histogram = shift_of(reference, window, bars), bars.histogram()
    for rule in _RULES_OF.get(statistic, _VALUE_RULES):
        found = rule(reference, window)
        if found is not None:
            change = _change_words(shift) if found.with_change else ""
            return Diagnosis(
                kind=found.kind,
                finding=found.words,
                change=change,
                shift=shift,
                histogram=histogram,
                mapping=found.mapping,
            )
    words = (
        _ROW_WORDS[statistic](shift) if statistic in _ROW_WORDS else population_words(reference, window, shift, bars)
    )
    return Diagnosis(kind=CauseKind.POPULATION_DRIFT, finding="", change=words, shift=shift, histogram=histogram)


# --- rules ---------------------------------------------------------------------------------------------------------------------------


def _worded(
    kind: CauseKind, words_of: Callable[[AnyColumnSummary, AnyColumnSummary], str | None], *, with_change: bool = False
) -> _Rule:
    def rule(reference: AnyColumnSummary, window: AnyColumnSummary) -> _Found | None:
        words = words_of(reference, window)
        return None if words is None else _Found(kind, words, with_change=with_change)

    return rule


def _any_new_category(reference: AnyColumnSummary, window: AnyColumnSummary) -> str | None:
    return new_category_words(reference, window, accounts_for_drift=False)


def _unit_change(reference: AnyColumnSummary, window: AnyColumnSummary) -> _Found | None:
    if not (isinstance(reference, NumericSummary) and isinstance(window, NumericSummary)):
        return None
    mapping = find_unit_change(reference, window)
    if mapping is None:
        return None
    return _Found(CauseKind.UNIT_CHANGE, f"unit change {mapping.name}", mapping, with_change=True)


def _clock_shift(reference: AnyColumnSummary, window: AnyColumnSummary) -> _Found | None:
    mapping = find_clock_shift(reference, window)
    return None if mapping is None else _Found(CauseKind.CLOCK_SHIFT, f"clock shift: {mapping.name}", mapping)


_CONSTANT = _worded(CauseKind.CONSTANT, constant_words)
_VALUE_RULES: tuple[_Rule, ...] = (
    _CONSTANT,
    _worded(CauseKind.NEW_CATEGORY, new_category_words),
    _worded(CauseKind.LOST_CATEGORY, lost_category_words),
    _worded(CauseKind.NO_LONGER_CONSTANT, no_longer_constant_words),
    _unit_change,
    _clock_shift,
    _worded(CauseKind.RANGE_CHANGE, range_words, with_change=True),
)
_RULES_OF: dict[str, tuple[_Rule, ...]] = {
    "missing_share": (_worded(CauseKind.MISSING_VALUES_ROSE, missing_words),),
    "type_error_share": (_worded(CauseKind.TYPE_CHANGE, type_words),),
    "unseen_share": (_CONSTANT, _worded(CauseKind.NEW_CATEGORY, _any_new_category)),
}


def _missing_change(shift: Shift) -> str:
    return f"missing values {share_words(shift.reference.missing_share)} -> {share_words(shift.window.missing_share)}"


def _type_change(shift: Shift) -> str:
    before, after = shift.reference.type_error_share, shift.window.type_error_share
    return f"values of a wrong type {share_words(before)} -> {share_words(after)}"


_ROW_WORDS: dict[str, Callable[[Shift], str]] = {"missing_share": _missing_change, "type_error_share": _type_change}


def _change_words(shift: Shift) -> str:
    """Say how far the mean moved, or the largest value where the mean cannot be told."""
    before, after = shift.reference, shift.window
    if before.mean is not None and after.mean is not None:
        return f"mean {number_words(before.mean)} -> {number_words(after.mean)}"
    return f"largest {number_words(before.maximum)} -> {number_words(after.maximum)}"


# --- words for any drift -------------------------------------------------------------------------------------------------------------


def population_words(reference: AnyColumnSummary, window: AnyColumnSummary, shift: Shift, shared: SharedBars) -> str:
    """Say how far a distribution moved by what says most of it.

    Of numbers: the share of a single value that moved by 30 points or more; the mean, if it moved by a tenth of the standard deviation or more; the
    standard deviation, if it changed by a tenth or more, and more than the mean (its logarithm against the mean's move in standard
    deviations); else the stretch of values whose share moved most. Of categories: the shares that moved most.
    """
    if not (reference.n_valid and window.n_valid):
        return "no values in the window" if reference.n_valid else "no values in the reference"
    before, after = shift.reference, shift.window
    if not shared.is_numeric:
        is_flag = reference.kind == "boolean"
        told = [c for c in shift.shares if c.category == "true"] if is_flag else shift.shares[:_NAMED]
        names = [c.category if is_flag else category_words(c.category) for c in told]
        moves = [
            f"{name} {share_words(c.reference)} -> {share_words(c.window)}" for name, c in zip(names, told, strict=True)
        ]
        return ", ".join(moves) or "other categories, no two values alike"
    m, n = reference.n_valid, window.n_valid
    top = max(shared.bars, key=lambda bar: abs(bar.window / n - bar.reference / m))
    top_words = f"{share_words(top.reference / m)} -> {share_words(top.window / n)} at {top.label}"
    if top.low == top.high and abs(top.window / n - top.reference / m) >= _ATOM_SPEAKS:
        return top_words
    mean_moved = abs(shift.mean_change_sd) if shift.mean_change_sd is not None else 0.0
    spread_moved = abs(math.log(after.sd / before.sd)) if before.sd and after.sd else 0.0
    if mean_moved >= max(_MEAN_SPEAKS, spread_moved):
        in_sd = signed_words(_rounded(shift.mean_change_sd))
        return f"{_change_words(shift)} ({signed_words(shift.mean_change)}, {in_sd} sd)"
    if before.sd and after.sd and spread_moved >= _SPREAD_SPEAKS:
        return f"sd {number_words(before.sd)} -> {number_words(after.sd)} (x{number_words(_rounded(after.sd / before.sd))})"
    return _change_words(shift) if shift.mean_change is None else top_words


def _rounded(value: float | None) -> float | None:
    """Two digits say enough of a ratio."""
    return None if value is None else float(f"{value:.2g}")
