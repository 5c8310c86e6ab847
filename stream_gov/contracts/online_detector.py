"""Online detectors in the monitor file: change points in series of one value per pane. `docs/detection.md` explains them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from stream_gov.contracts.strict_model import StrictModel
from stream_gov.contracts.unknown_keys import nearest

__all__ = [
    "DETECTORS",
    "DETECTOR_RULE",
    "MAX_VALUES",
    "MODEL_SERIES",
    "SERIES",
    "SHARE_SERIES",
    "Adwin",
    "HddmA",
    "HddmW",
    "Kswin",
    "OnlineDetector",
    "PageHinkley",
    "SeriesName",
]

SeriesName = Literal["mean", "missing_share", "type_error_share", "unseen_share", "error_rate", "events"]

SERIES: tuple[SeriesName, ...] = (
    "mean",
    "missing_share",
    "type_error_share",
    "unseen_share",
    "error_rate",
    "events",
)
SHARE_SERIES = frozenset({"missing_share", "type_error_share", "unseen_share", "error_rate"})
"""Their values lie between 0 and 1, whatever the column."""
MODEL_SERIES = frozenset({"events"})
"""Of the whole model, not of a column."""

DETECTOR_RULE = "detector"
"""The rule of results that come from online detectors."""
MAX_VALUES = 1_000
"""Values that a detector may need before it can signal, and that are left of its memory when it is cut."""


class _OnlineDetector(StrictModel):
    """What every detector has: a series and its columns."""

    needs_shares: ClassVar[bool] = False

    detector: str
    series: SeriesName
    """What is watched, one value per pane."""
    columns: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Columns watched; without it every column that has the series and that no other such detector names."""

    @model_validator(mode="after")
    def _fits_the_series(self) -> _OnlineDetector:
        if self.needs_shares and self.series not in SHARE_SERIES:
            shares = ", ".join(s for s in SERIES if s in SHARE_SERIES)
            msg = (
                f"{self.detector} takes values between 0 and 1, which {self.series} does not give; "
                f"use one of the series {shares} (`error_rate` is the share of true of a boolean column), or adwin, page_hinkley or kswin"
            )
            raise ValueError(msg)
        if self.series in MODEL_SERIES and self.columns is not None:
            msg = f"the series {self.series} is of the whole model; take `columns` away"
            raise ValueError(msg)
        if self.series == "error_rate" and self.columns is None:
            msg = "the series error_rate is the share of true of boolean columns that say whether the model erred; name them in `columns`"
            raise ValueError(msg)
        return self

    @property
    def statistic(self) -> str:
        """Name of its results, such as `adwin_mean`."""
        return f"{self.detector}_{self.series}"

    @property
    def values_needed(self) -> int:
        """Values from which on it can signal at all."""
        raise NotImplementedError

    @property
    def values_kept(self) -> int:
        """Values that are left of its memory when it has twice as many."""
        return MAX_VALUES

    def parameters(self) -> dict[str, Any]:
        """By the name that river gives them."""
        return {k: v for k, v in self.model_dump().items() if k not in ("detector", "series", "columns")}


class Adwin(_OnlineDetector):
    """Adaptive windowing: the means of an older and a newer part of what it has seen differ (Bifet and Gavalda 2007)."""

    detector: Literal["adwin"]
    delta: float = Field(default=0.002, gt=0, lt=1)
    """Significance of the difference; smaller signals less."""
    clock: int = Field(default=32, ge=1, le=MAX_VALUES)
    """Values between two checks."""
    max_buckets: int = Field(default=5, ge=2, le=100)
    """Buckets of each size, in which what it has seen is kept."""
    min_window_length: int = Field(default=5, ge=1, le=MAX_VALUES // 2)
    """Least length of the two parts."""
    grace_period: int = Field(default=10, ge=0, le=MAX_VALUES)
    """Values before its first check."""

    @property
    def values_needed(self) -> int:
        """Values at the first check in which a step of any height, in the middle, passes the bound."""
        # The bound on the difference of two means of half the values each is the step's height once
        # n = 2 ln(2 ln(n) / delta) + 2 (min_window_length - 1); the right side hardly grows with n, so going round converges.
        n = first_check = max(self.grace_period + 1, 2 * self.min_window_length, 2)
        while n < (needed := 2 * math.log(2 * math.log(n) / self.delta) + 2 * (self.min_window_length - 1)):
            n = max(first_check, math.floor(needed) + 1)
        return -(-n // self.clock) * self.clock

    @model_validator(mode="after")
    def _checks_in_time(self) -> Adwin:
        if self.values_needed > MAX_VALUES:
            msg = (
                f"adwin could first signal after {self.values_needed} values, more than the {MAX_VALUES} it is given; "
                "choose a smaller `clock`, `grace_period` or `min_window_length`"
            )
            raise ValueError(msg)
        return self


class PageHinkley(_OnlineDetector):
    """Page-Hinkley: the sum of the deviations from the mean so far has moved away from its extreme (Page 1954)."""

    detector: Literal["page_hinkley"]
    min_instances: int = Field(default=30, ge=1, le=MAX_VALUES)
    """Values before it signals."""
    delta: float = Field(default=0.005, ge=0, allow_inf_nan=False)
    """Deviation that counts as none, in the unit of the series."""
    threshold: float = Field(default=50.0, gt=0, allow_inf_nan=False)
    """Sum of deviations beyond which it signals (lambda), in the unit of the series times panes."""
    alpha: float = Field(default=1 - 0.0001, gt=0, le=1)
    """What remains of the sum from one value to the next."""
    mode: Literal["up", "down", "both"] = "both"
    """Whether rises, falls or both are of interest."""

    @property
    def values_needed(self) -> int:
        """Values before it signals."""
        return self.min_instances


class Kswin(_OnlineDetector):
    """Kolmogorov-Smirnov windowing: the newest values are distributed otherwise than a draw of those before (Raab et al. 2020)."""

    detector: Literal["kswin"]
    alpha: float = Field(default=0.005, gt=0, lt=1)
    """P-value of the test at which it signals."""
    window_size: int = Field(default=100, ge=4, le=MAX_VALUES)
    """Values it compares among."""
    stat_size: int = Field(default=30, ge=2, le=MAX_VALUES // 2)
    """Newest values, and values drawn of those before."""
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Of its draws; river's own default, a seed of chance, would not give the same verdicts twice."""

    @property
    def values_needed(self) -> int:
        """Values at its first test."""
        return self.window_size

    @property
    def values_kept(self) -> int:
        """One less than its window: a test needs no more, and starting again costs no test."""
        return self.window_size - 1

    @model_validator(mode="after")
    def _can_draw(self) -> Kswin:
        if 2 * self.stat_size > self.window_size:
            msg = (
                f"kswin draws stat_size = {self.stat_size} values of the {max(self.window_size - self.stat_size, 0)} before the newest "
                f"{self.stat_size}; window_size must be at least {2 * self.stat_size}"
            )
            raise ValueError(msg)
        return self


class HddmA(_OnlineDetector):
    """Hoeffding's bound on averages: a share rose since its lowest point (Frias-Blanco et al. 2015)."""

    needs_shares: ClassVar[bool] = True

    detector: Literal["hddm_a"]
    drift_confidence: float = Field(default=0.001, ge=1e-100, lt=1)
    """Chance that the bound is passed without a change."""
    two_sided_test: bool = False
    """Signal falls as well as rises."""

    @property
    def values_needed(self) -> int:
        """Fewest values with which a step from 0 to 1 passes the bound."""
        return math.ceil(2 * math.log(2 / self.drift_confidence))


class HddmW(_OnlineDetector):
    """McDiarmid's bound on exponentially weighted averages: a share rose since its lowest point (Frias-Blanco et al. 2015)."""

    needs_shares: ClassVar[bool] = True

    detector: Literal["hddm_w"]
    drift_confidence: float = Field(default=0.001, ge=1e-100, lt=1)
    """Chance that the bound is passed without a change."""
    lambda_val: float = Field(default=0.05, gt=0, lt=1)
    """Weight of the newest value."""
    two_sided_test: bool = False
    """Signal falls as well as rises."""

    @property
    def values_needed(self) -> int:
        """Fewest values with which a step from 0 to 1 passes the bound; 0: no number is enough."""
        # The squared weights of k values sum to limit + (1 - limit) * (1 - lambda)**(2k); those of both sides must sum to less than this:
        allowed = 2 / math.log(1 / self.drift_confidence)
        limit = self.lambda_val / (2 - self.lambda_val)
        if 2 * limit >= allowed:
            return 0
        if allowed > 2:
            return 2

        def of(k: int) -> float:
            return limit + (1 - limit) * math.exp(2 * k * math.log1p(-self.lambda_val))

        half = math.log((allowed / 2 - limit) / (1 - limit)) / (2 * math.log1p(-self.lambda_val))
        k = math.floor(half) + 1
        return 2 * k - (k > 1 and of(k) + of(k - 1) < allowed)

    @model_validator(mode="after")
    def _can_signal(self) -> HddmW:
        if not self.values_needed:
            largest = 2 / (math.log(1 / self.drift_confidence) + 1)
            msg = (
                f"hddm_w with lambda_val = {self.lambda_val:g} and drift_confidence = {self.drift_confidence:g} can never signal: so few "
                f"values are heard that the bound exceeds 1; choose a lambda_val below {largest:.4g}, or a larger drift_confidence"
            )
            raise ValueError(msg)
        if self.values_needed > MAX_VALUES:
            msg = (
                f"hddm_w with lambda_val = {self.lambda_val:g} needs {self.values_needed} values before it can signal, more than the "
                f"{MAX_VALUES} it is given; choose a larger lambda_val"
            )
            raise ValueError(msg)
        return self


DETECTORS: dict[str, type[Adwin | PageHinkley | Kswin | HddmA | HddmW]] = {
    "adwin": Adwin,
    "page_hinkley": PageHinkley,
    "kswin": Kswin,
    "hddm_a": HddmA,
    "hddm_w": HddmW,
}
"""By the name in the monitor file."""

_COUNTS_SINGLE_ERRORS = frozenset({"ddm", "eddm", "fhddm"})


def _a_known_detector(given: Any) -> Any:
    """Say in the file's words what the union's own check would say in the validator's."""
    if isinstance(given, BaseModel):
        return given
    if not isinstance(given, Mapping):
        msg = f"a mapping such as {{detector: adwin, series: mean}} is expected, got {given!r}"
        raise ValueError(msg)
    name = given.get("detector")
    if isinstance(name, str) and name in DETECTORS:
        return given
    if name is None:
        msg = f"`detector` is required: one of {', '.join(DETECTORS)}"
        raise ValueError(msg)
    if str(name) in _COUNTS_SINGLE_ERRORS:
        msg = f"{name} counts single errors one by one, and a pane has only their share; use hddm_a or hddm_w on the series error_rate"
        raise ValueError(msg)
    msg = f"unknown detector {name!r}{nearest(str(name), tuple(DETECTORS))}"
    raise ValueError(msg)


OnlineDetector = Annotated[
    Annotated[Adwin | PageHinkley | Kswin | HddmA | HddmW, Field(discriminator="detector")],
    BeforeValidator(_a_known_detector),
]
"""One of the detectors; the key `detector` tells which."""
