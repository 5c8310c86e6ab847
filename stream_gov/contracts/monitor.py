"""The monitor file: what is watched, in which windows, by which checks. `docs/monitor.md` explains every key."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from stream_gov.contracts.alert_policy import AlertPolicy
from stream_gov.contracts.durations import Duration, format_duration
from stream_gov.contracts.errors import ConfigurationError
from stream_gov.contracts.maintenance import Maintenance
from stream_gov.contracts.online_detector import MODEL_SERIES, OnlineDetector
from stream_gov.contracts.seasons import Season, SeasonKind, check_timezone
from stream_gov.contracts.strict_model import StrictModel as _Strict
from stream_gov.contracts.strict_yaml import parse_yaml
from stream_gov.contracts.trailing import TrailingConfig
from stream_gov.contracts.unknown_keys import describe_validation_error, nearest

__all__ = ["STATISTIC_NAMES", "Budget", "Check", "ColumnSelection", "Monitor", "WindowConfig"]

STATISTIC_NAMES = (
    "psi",
    "jensen_shannon",
    "ks",
    "wasserstein",
    "chi_squared",
    "l_infinity",
    "mean_shift",
    "spread_shift",
    "hellinger",
    "kullback_leibler",
    "total_variation",
    "mann_whitney",
    "cramer_von_mises",
    "anderson_darling",
    "energy_distance",
    "frechet_distance",
    "missing_share",
    "type_error_share",
    "unseen_share",
    "new_columns",
    "missing_columns",
    "reconstruction_error",
    "correlation_shift",
    "drifted_columns",
    "e_detector",
)
"""Names a check may use; a test holds this list equal to the catalogue of `stream_gov.statistics` and the sequential ones."""

SEQUENTIAL_STATISTICS = frozenset({"e_detector"})
"""Judged over many windows, not by one."""
JOINT_STATISTICS = frozenset({"reconstruction_error", "correlation_shift"})
"""Of the joint covariance of the numeric columns."""
MODEL_STATISTICS = frozenset({"new_columns", "missing_columns", "drifted_columns"}) | JOINT_STATISTICS
P_VALUE_STATISTICS = frozenset(
    {
        "psi",
        "jensen_shannon",
        "ks",
        "chi_squared",
        "mean_shift",
        "spread_shift",
        "hellinger",
        "kullback_leibler",
        "mann_whitney",
        "cramer_von_mises",
        "anderson_darling",
        "energy_distance",
        "frechet_distance",
        "missing_share",
        "type_error_share",
        "unseen_share",
    }
)
CALIBRATED_STATISTICS = frozenset(
    {
        "psi",
        "jensen_shannon",
        "ks",
        "mean_shift",
        "hellinger",
        "kullback_leibler",
        "mann_whitney",
        "cramer_von_mises",
        "anderson_darling",
        "energy_distance",
        "frechet_distance",
        "missing_share",
        "type_error_share",
        "unseen_share",
    }
)

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
_REFERENCE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(@[1-9][0-9]*)?$"
_NAME_IN_WORDS = "letters, digits, `.`, `_` and `-`, at most 100, the first a letter or a digit"
_MAX_PANES_PER_WINDOW = 1_000
_SHORTEST_BUDGET = 3_600_000
_LONGEST_BUDGET = 3_650 * 86_400_000


def _text_of(pattern: str) -> dict[str, str]:
    return {"type": "string", "pattern": pattern}


def _a_name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        msg = f"must be {_NAME_IN_WORDS}; got {text!r}"
        raise ValueError(msg)
    return text


def _a_reference(text: str) -> str:
    if not re.fullmatch(_REFERENCE, text):
        msg = f"must be a name ({_NAME_IN_WORDS}), or a name and its revision such as `prices@2`; got {text!r}"
        raise ValueError(msg)
    return text


def _known_statistic(name: str) -> str:
    if name not in STATISTIC_NAMES:
        msg = f"unknown statistic {name!r}{nearest(name, STATISTIC_NAMES)}"
        raise ValueError(msg)
    return name


class Check(_Strict):
    """One statistic with the rule that judges it: exactly one of `threshold`, `p_value`, or `tolerance` with `level`."""

    statistic: Annotated[str, AfterValidator(_known_statistic)]
    columns: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Columns judged by this check; without it every column that no other check of the same statistic names."""
    threshold: float | None = Field(default=None, ge=0)
    """Classic: drift if the value (its size, where it is signed) is greater."""
    p_value: float | None = Field(default=None, gt=0, lt=1)
    """Classic: drift if the p-value of "no change" is smaller."""
    tolerance: float | None = Field(default=None, ge=0)
    """Calibrated: the distance that counts as no drift."""
    level: float | None = Field(default=None, gt=0, lt=0.5)
    """Calibrated: the chance of a false alarm in one test; without it, what the monitor's budget leaves for it."""

    @model_validator(mode="after")
    def _one_rule(self) -> Check:
        given = [name for name in ("threshold", "p_value", "tolerance") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(f"`{g}`" for g in given) or "none"
            msg = f"check of {self.statistic} needs exactly one rule: `threshold`, `p_value`, or `tolerance` (with `level`); found {found}"
            raise ValueError(msg)
        if self.level is not None and self.tolerance is None:
            msg = f"check of {self.statistic}: `level` goes with `tolerance`, not with `{given[0]}`"
            raise ValueError(msg)
        if self.statistic in SEQUENTIAL_STATISTICS and self.tolerance is None:
            msg = f"{self.statistic} judges a lasting shift beyond a tolerance; use `tolerance` (a population stability index, such as 0.1)"
            raise ValueError(msg)
        if self.p_value is not None and self.statistic not in P_VALUE_STATISTICS:
            msg = f"{self.statistic} has no p-value; use `threshold` (p-values have: {', '.join(sorted(P_VALUE_STATISTICS))})"
            raise ValueError(msg)
        if self.tolerance is not None and self.statistic not in CALIBRATED_STATISTICS | SEQUENTIAL_STATISTICS:
            msg = f"{self.statistic} has no calibrated test; use `threshold` (calibrated are: {', '.join(sorted(CALIBRATED_STATISTICS))})"
            raise ValueError(msg)
        if self.columns is not None and self.statistic in MODEL_STATISTICS:
            msg = f"{self.statistic} is of the whole model; take `columns` away"
            raise ValueError(msg)
        if self.statistic == "drifted_columns" and self.threshold is not None and self.threshold >= 1:
            msg = f"drifted_columns is a share, so `threshold` must be below 1, got {self.threshold:g}; write 0.3 for 30 %"
            raise ValueError(msg)
        for name in ("threshold", "tolerance"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                msg = f"check of {self.statistic}: `{name}` must be a finite number"
                raise ValueError(msg)
        return self

    @property
    def rule(self) -> Literal["threshold", "p_value", "calibrated", "sequential"]:
        """Which rule judges."""
        if self.statistic in SEQUENTIAL_STATISTICS:
            return "sequential"
        if self.threshold is not None:
            return "threshold"
        return "p_value" if self.p_value is not None else "calibrated"

    @property
    def stated_level(self) -> float | None:
        """Chance of a false alarm that the check itself states; None for a threshold, and where the budget decides."""
        return self.level if self.tolerance is not None else self.p_value

    @property
    def draws_on_budget(self) -> bool:
        """Whether its level follows from the monitor's budget."""
        return self.tolerance is not None and self.level is None


class WindowConfig(_Strict):
    """Windows in event time, aligned to 1970-01-01T00:00Z; start inclusive, end exclusive."""

    size: Duration
    every: Duration | None = None
    """Distance of the starts of two windows; without it `size`: windows that do not overlap."""
    allowed_lateness: Duration = 0
    """How long after its end (in event time) a window is still revised by late events."""

    @property
    def every_ms(self) -> int:
        """Distance of the starts of two windows in milliseconds."""
        return self.size if self.every is None else self.every


class ColumnSelection(_Strict):
    """Which columns are watched, and the types that the data cannot tell."""

    include: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    exclude: tuple[str, ...] = ()
    types: dict[str, Literal["numeric", "categorical", "boolean", "text", "vector"]] = Field(default_factory=dict)

    @property
    def derived(self) -> dict[str, Literal["text", "vector"]]:
        """Columns that are watched by columns derived from them: texts and vectors."""
        return {name: kind for name, kind in self.types.items() if kind in ("text", "vector")}

    def wants(self, column: str, source: str | None = None) -> bool:
        """Tell whether the column is watched; a derived one is if it or its source is included, and neither excluded."""
        if source is None:
            return (self.include is None or column in self.include) and column not in self.exclude
        names = {column, source}
        return (self.include is None or not names.isdisjoint(self.include)) and names.isdisjoint(self.exclude)


class Budget(_Strict):
    """How many false alarms people are willing to get; the level of every calibrated test follows from it."""

    false_alarms: float = Field(default=1.0, gt=0, le=1_000)
    """Expected number, for each version of the model, at most."""
    per: Duration = 30 * 86_400_000
    """In this time."""

    @model_validator(mode="after")
    def _sensible(self) -> Budget:
        if not _SHORTEST_BUDGET <= self.per <= _LONGEST_BUDGET:
            msg = f"budget.per must be from 1h to 3650d, got {format_duration(self.per)}"
            raise ValueError(msg)
        return self


def _one_or_many(value: Any) -> Any:
    """`segments: [region, [region, device]]`: a single column needs no list of its own."""
    if isinstance(value, list | tuple):
        return tuple((v,) if isinstance(v, str) else tuple(v) if isinstance(v, list | tuple) else v for v in value)
    return value


_SEGMENTS_SCHEMA = {
    "type": "array",
    "items": {
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
        ]
    },
    "uniqueItems": True,
}


def _or_a_coarser_season(season: str | None) -> str:
    """A season holds panes to the length of its slots."""
    return "" if season is None else ", or a shorter `size`, or `season: day_of_week`"


def _no_two_judge_the_same(what: str, named: Sequence[tuple[str, tuple[str, ...] | None]]) -> None:
    """Refuse two of one statistic that name the same column, or that both name none."""
    seen: dict[str, set[str | None]] = {}
    for statistic, columns in named:
        taken = seen.setdefault(statistic, set())
        for column in columns if columns is not None else (None,):
            if column in taken:
                where = f"column {column!r}" if column is not None else "all other columns"
                msg = f"two {what} of {statistic} judge {where}; keep one"
                raise ValueError(msg)
            taken.add(column)


def _default_checks() -> tuple[Check, ...]:
    return (
        Check(statistic="psi", tolerance=0.1),
        Check(statistic="mann_whitney", tolerance=0.1),
        Check(statistic="e_detector", tolerance=0.1),
        Check(statistic="frechet_distance", tolerance=0.1),
        Check(statistic="missing_share", tolerance=0.02),
        Check(statistic="type_error_share", tolerance=0.001),
        Check(statistic="unseen_share", tolerance=0.02),
        Check(statistic="new_columns", threshold=0),
        Check(statistic="missing_columns", threshold=0),
    )


class Monitor(_Strict):
    """A monitor of one model."""

    name: Annotated[str, Field(alias="monitor"), AfterValidator(_a_name), WithJsonSchema(_text_of(_NAME))]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    """The `model` field of the events."""
    reference: Annotated[str, AfterValidator(_a_reference), WithJsonSchema(_text_of(_REFERENCE))] | None = None
    """`name` (its newest revision) or `name@revision`; without one every verdict is `insufficient`."""
    columns: ColumnSelection = ColumnSelection()
    segments: Annotated[
        tuple[tuple[str, ...], ...], BeforeValidator(_one_or_many), WithJsonSchema(_SEGMENTS_SCHEMA)
    ] = ()
    """Columns whose values are watched apart; several in one list are taken together."""
    max_segments: int = Field(default=100, ge=1, le=10_000)
    """Segments kept apart; the rarest of the reference beyond it are counted together as `(other)`."""
    window: WindowConfig
    pane: Duration | None = None
    """Smallest step of time; without it the greatest common divisor of `window.size`, `window.every` and the slots of the season."""
    min_events: int = Field(default=200, ge=1)
    """Fewer valid values in a window (or in the reference): `insufficient`."""
    covariance: bool = False
    """Keep the joint covariance of the numeric columns in every pane."""
    calibration: Literal["independent", "long_run"] = "long_run"
    """What calibrated checks take the values of a column for: as dependent as the reference shows them, or independent draws."""
    season: SeasonKind | None = None
    """Compare each hour or day with the like hours or days of the reference."""
    timezone: Annotated[str, AfterValidator(check_timezone)] | None = None
    """Whose clocks the season follows, an IANA name; without it UTC."""
    trailing: TrailingConfig | None = None
    """Compare with a stretch of the recent past, in the cells of the reference."""
    budget: Budget = Budget()
    """How many false alarms are acceptable."""
    checks: tuple[Check, ...] = Field(default_factory=_default_checks)
    detectors: tuple[OnlineDetector, ...] = ()
    """Change points in series of one value per pane."""
    alerts: AlertPolicy = AlertPolicy()
    maintenance: tuple[Maintenance, ...] = ()
    """Times in which windows are judged but neither open, change nor end an alert."""

    @model_validator(mode="after")
    def _consistent(self) -> Monitor:
        size, every = self.window.size, self.window.every_ms
        if size < 1_000 or every < 1_000:
            msg = f"window.size and window.every must be at least 1s, got {format_duration(size)} every {format_duration(every)}"
            raise ValueError(msg)
        if every > size:
            msg = f"window.every ({format_duration(every)}) is longer than window.size ({format_duration(size)}): events between two windows would be judged by none"
            raise ValueError(msg)
        pane = self.pane_ms
        if pane <= 0 or size % pane or every % pane:
            msg = f"pane ({format_duration(pane)}) must divide window.size ({format_duration(size)}) and window.every ({format_duration(every)})"
            raise ValueError(msg)
        if size // pane > _MAX_PANES_PER_WINDOW:
            msg = f"a window has {size // pane} panes of {format_duration(pane)}, more than {_MAX_PANES_PER_WINDOW}; choose a longer `pane` or `every`{_or_a_coarser_season(self.season)}"
            raise ValueError(msg)
        self._check_what_it_is_compared_with()
        statistics = {check.statistic for check in self.checks}
        joint = sorted(statistics & JOINT_STATISTICS)
        if joint and not self.covariance:
            msg = f"{joint[0]} compares the joint covariance of the numeric columns; add `covariance: true`, and build the reference with it"
            raise ValueError(msg)
        if "drifted_columns" in statistics and statistics <= MODEL_STATISTICS:
            msg = "drifted_columns counts the columns that other checks call drift, and there is no check of columns; add one, such as {statistic: psi, tolerance: 0.1}"
            raise ValueError(msg)
        _no_two_judge_the_same("checks", [(c.statistic, c.columns) for c in self.checks])
        _no_two_judge_the_same("detectors", [(d.statistic, d.columns) for d in self.detectors])
        if len(set(self.segments)) != len(self.segments) or any(not s or len(set(s)) != len(s) for s in self.segments):
            msg = "segments: a segment names at least one column, each once, and no segment stands twice"
            raise ValueError(msg)
        for column, kind in self.columns.derived.items():
            if any(column in segment for segment in self.segments):
                msg = f"segments: {column!r} is declared {kind} (`columns.types`), and each of its values would be a segment; choose another column"
                raise ValueError(msg)
        return self

    def _check_what_it_is_compared_with(self) -> None:
        if self.timezone is not None and self.season is None:
            msg = "timezone: only a season follows the clocks of a time zone; add `season` or take `timezone` away"
            raise ValueError(msg)
        if self.seasonal is not None and self.seasonal.longest_pane_ms % self.pane_ms:
            longest = format_duration(self.seasonal.longest_pane_ms)
            msg = (
                f"pane ({format_duration(self.pane_ms)}) would span two slots of the season {self.seasonal}; write `pane: {longest}` "
                f"or what divides {longest}, or leave `pane` out"
            )
            raise ValueError(msg)
        if self.trailing is None:
            return
        if self.season is not None:
            msg = (
                "season and trailing are two ways to compare a window, and only one can be used; take one of them away"
            )
            raise ValueError(msg)
        if self.reference is None:
            msg = "trailing: the events are counted in the cells of a reference; name one in `reference`"
            raise ValueError(msg)
        named = sorted({check.statistic for check in self.checks} & SEQUENTIAL_STATISTICS)
        if named and "checks" in self.model_fields_set:
            msg = f"{named[0]} finds shifts that last, and with `trailing` what lasts becomes the past; take it out of `checks`, or take `trailing` away"
            raise ValueError(msg)
        self.trailing.check(self.window.every_ms)

    @property
    def seasonal(self) -> Season | None:
        """The season and its time zone; None: windows are compared with the whole of the reference."""
        return None if self.season is None else Season(self.season, self.timezone or "UTC")

    @property
    def pane_ms(self) -> int:
        """Length of a pane in milliseconds."""
        if self.pane is not None:
            return self.pane
        longest = 0 if self.seasonal is None else self.seasonal.longest_pane_ms
        return math.gcd(self.window.size, self.window.every_ms, longest)

    def in_maintenance(self, start_ms: int, end_ms: int) -> bool:
        """Tell whether a window overlaps a maintenance by any part; start inclusive, end exclusive."""
        return any(m.overlaps(start_ms, end_ms) for m in self.maintenance)

    def checks_of(self, column: str, source: str | None = None) -> list[Check]:
        """Return the checks that judge a column: for each statistic the one that names it, else the one that names none.

        Of a column that is derived from `source`, a check that names the source comes between the two.
        """
        chosen: dict[str, tuple[int, Check]] = {}
        for check in self.checks:
            if check.statistic in MODEL_STATISTICS:
                continue
            if check.statistic in SEQUENTIAL_STATISTICS and self.trailing is not None:
                continue  # one of the default checks, which has no meaning there
            rank = (
                0 if check.columns is None else 2 if column in check.columns else 1 if source in check.columns else -1
            )
            if rank >= 0 and (check.statistic not in chosen or rank > chosen[check.statistic][0]):
                chosen[check.statistic] = (rank, check)
        return [check for _, check in chosen.values()]

    def model_checks(self) -> list[Check]:
        """Return the checks of the model as a whole."""
        return [c for c in self.checks if c.statistic in MODEL_STATISTICS]

    def detectors_of(self, column: str) -> list[OnlineDetector]:
        """Return the online detectors of a column: of each statistic the one that names it, else the one that names none."""
        chosen: dict[str, OnlineDetector] = {}
        for detector in self.detectors:
            if detector.series in MODEL_SERIES:
                continue
            if detector.columns is None:
                chosen.setdefault(detector.statistic, detector)
            elif column in detector.columns:
                chosen[detector.statistic] = detector
        return list(chosen.values())

    def model_detectors(self) -> list[OnlineDetector]:
        """Return the online detectors of the model as a whole."""
        return [d for d in self.detectors if d.series in MODEL_SERIES]

    @classmethod
    def from_mapping(cls, data: Any, *, source: str) -> Monitor:
        """Check and build; raise ConfigurationError with one line for each mistake."""
        if not isinstance(data, Mapping):
            kind = "empty" if data is None else f"a {type(data).__name__}"
            msg = f"{source}: a monitor file is a mapping of keys such as `monitor:`, `model:` and `window:`; this one is {kind}"
            raise ConfigurationError(msg)
        try:
            return cls.model_validate(data)
        except ValidationError as err:
            raise ConfigurationError(describe_validation_error(err, cls, source=source)) from err

    @classmethod
    def from_yaml(cls, text: str, *, source: str) -> Monitor:
        """Read a monitor file.

        Raises
        ------
        ConfigurationError
            The text is no YAML or no monitor; the message names `source`, the place and the remedy.
        """
        return cls.from_mapping(parse_yaml(text, source=source), source=source)

    def to_json_bytes(self) -> bytes:
        """Canonical form, for the topic of monitors."""
        return json.dumps(self.model_dump(mode="json", by_alias=True, exclude_defaults=True), sort_keys=True).encode()

    @classmethod
    def from_json_bytes(cls, data: bytes, *, source: str) -> Monitor:
        """Read what :meth:`to_json_bytes` wrote."""
        try:
            parsed = json.loads(data)
        except ValueError as err:
            msg = f"{source}: this is no JSON: {err}"
            raise ConfigurationError(msg) from err
        return cls.from_mapping(parsed, source=source)
