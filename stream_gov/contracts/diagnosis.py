"""Why a column drifts, as an alert says it: the kind of change, its size in the column's own unit, and both histograms."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = [
    "CauseKind",
    "ColumnFacts",
    "Histogram",
    "SegmentFinding",
    "ShareChange",
    "Shift",
    "ValueMapping",
]


class CauseKind(StrEnum):
    """What sort of change a cause is; `docs/why.md` has the rule of each."""

    SEGMENT_ONLY = "segment_only"
    """One segment drifts and all other events do not."""
    MISSING_VALUES_ROSE = "missing_values_rose"
    TYPE_CHANGE = "type_change"
    """More values are of a wrong type."""
    CONSTANT = "constant"
    """Stuck at one value."""
    NEW_CATEGORY = "new_category"
    """Categories that the reference does not know."""
    LOST_CATEGORY = "lost_category"
    """A category that comes no more."""
    NO_LONGER_CONSTANT = "no_longer_constant"
    """Nearly all of the reference is one value, and the window is not."""
    UNIT_CHANGE = "unit_change"
    """The same values in another unit, or through another function."""
    CLOCK_SHIFT = "clock_shift"
    """The same times, whole hours (or steps of the cycle) earlier or later."""
    RANGE_CHANGE = "range_change"
    """Values where the reference has none."""
    POPULATION_DRIFT = "population_drift"
    """Any other change of the distribution."""
    NEW_COLUMN = "new_column"
    LOST_COLUMN = "lost_column"
    SERIES_CHANGE = "series_change"
    """An online detector signalled; it compares with the panes before, not with the reference."""
    MODEL_CHANGE = "model_change"
    """Of any other statistic of the model as a whole."""


class ColumnFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a comparison in numbers. What cannot be told is null."""

    n_valid: int
    """Valid values."""
    missing_share: float | None = None
    type_error_share: float | None = None
    mean: float | None = None
    """Of a numeric column, in its own unit, as is all that follows; exact but for rounding (2^-17 of the reference's spread)."""
    sd: float | None = None
    """Standard deviation, divisor `n - 1`."""
    minimum: float | None = None
    lower_quartile: float | None = None
    """Interpolated in the cells of the reference, as are median and upper quartile; null where the error would exceed `sd`."""
    median: float | None = None
    upper_quartile: float | None = None
    quartile_error: float | None = None
    """The most that one of the three quartiles given is off: the length of its cell."""
    maximum: float | None = None


class ShareChange(msgspec.Struct, frozen=True, kw_only=True):
    """The share of one category (or of a value of its own, or of a group of cells) on both sides."""

    category: str
    reference: float
    window: float


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """How far the column moved."""

    reference: ColumnFacts
    window: ColumnFacts
    mean_change: float | None = None
    """Window less reference, in the column's own unit."""
    mean_change_sd: float | None = None
    """The same in standard deviations of the reference."""
    shares: list[ShareChange]
    """The shares that moved most, largest move first, at most 5."""


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Both histograms in the same bars, at most 20; the five lists are of one length, or `low` and `high` empty."""

    labels: list[str]
    low: list[float | None]
    """Lower edge of each bar, inclusive; null where it is open. Empty for a column that is not numeric."""
    high: list[float | None]
    """Upper edge of each bar, exclusive; equal to `low` where the bar is of one value. Null where it is open."""
    reference: list[float]
    """Share of the reference's valid values in each bar; the sum is 1."""
    window: list[float]
    """Share of the window's valid values in each bar; the sum is 1."""


class ValueMapping(msgspec.Struct, frozen=True, kw_only=True):
    """How the window's values come from the reference's."""

    name: str
    """Such as `x1000` or `Celsius to Fahrenheit`."""
    factor: float | None = None
    """Window = factor * reference + offset; null where it is no such map."""
    offset: float | None = None


class SegmentFinding(msgspec.Struct, frozen=True, kw_only=True):
    """The one segment that carries a drift of all events."""

    segment: str
    kind: str
    """Of the change inside the segment."""
    p_value: float | None
    """Of the segment's own test, times `n_searched` (Bonferroni), at most 1; null where the statistic has no test."""
    n_searched: int
    """Segments that were looked at."""
    n_window: int
    """Sample size of the segment in the window."""
