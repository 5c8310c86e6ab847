"""The section `alerts` of a monitor: when an alert opens and ends, and how serious it is."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from stream_gov.contracts.alert import AlertSeverity
from stream_gov.contracts.strict_model import StrictModel
from stream_gov.contracts.unknown_keys import nearest

__all__ = ["MAX_PERSISTENCE", "AlertPolicy", "OpenAfter"]

MAX_PERSISTENCE = 60
"""Most windows that a cause may be looked back upon: so many bits are kept of each cause that drifts now and then."""

_ORDER = tuple(AlertSeverity)


class OpenAfter(StrictModel):
    """How persistent drift must be before people hear of it: `windows` of the last `of` windows."""

    windows: int = Field(default=1, ge=1, le=MAX_PERSISTENCE)
    """So many windows of the last `of` must drift."""
    of: int | None = Field(default=None, ge=1, le=MAX_PERSISTENCE)
    """Windows looked back upon, the newest among them; without it as many as `windows`, that is, windows in a row."""

    @model_validator(mode="after")
    def _possible(self) -> OpenAfter:
        if self.of is not None and self.windows > self.of:
            msg = f"{self.windows} windows of {self.of} cannot drift; `windows` must be at most `of`"
            raise ValueError(msg)
        return self

    @property
    def span(self) -> int:
        """Windows looked back upon."""
        return self.windows if self.of is None else self.of


def _from_the_rule_upwards(given: dict[str, float]) -> dict[str, float]:
    for name in given:
        if name not in _ORDER:
            msg = f"unknown severity {name!r}{nearest(name, _ORDER)}"
            raise ValueError(msg)
    ordered: dict[str, float] = {s.value: given[s.value] for s in _ORDER if s.value in given}
    multiples = list(ordered.values())
    if not all(math.isfinite(m) for m in multiples):
        msg = "a severity begins at a finite multiple of the bound"
        raise ValueError(msg)
    if not multiples or multiples[0] != 1:
        msg = "the least severity must begin at 1, the bound itself, so that whatever drifts has one; such as {warning: 1, critical: 3}"
        raise ValueError(msg)
    if any(low >= high for low, high in pairwise(multiples)):
        msg = f"a higher severity begins at a larger multiple ({' < '.join(_ORDER)}); got {ordered}"
        raise ValueError(msg)
    return ordered


_SEVERITIES_SCHEMA = {
    "type": "object",
    "properties": {severity.value: {"type": "number", "minimum": 1} for severity in _ORDER},
    "additionalProperties": False,
    "minProperties": 1,
}


class AlertPolicy(StrictModel):
    """When an alert opens, when it ends, and how serious it is."""

    open_after: OpenAfter = OpenAfter()
    """How many of the last windows must drift before a column and statistic opens an alert or joins one."""
    resolve_after: int = Field(default=1, ge=1, le=1_000)
    """Windows in a row after which what is over leaves the alert; it resolves when nothing is left."""
    hysteresis: float = Field(default=0.1, ge=0, lt=1)
    """How far within its bound a distance must be before it counts as over: 0.1 is within 0.9 of the bound."""
    severities: Annotated[
        dict[str, float], AfterValidator(_from_the_rule_upwards), WithJsonSchema(_SEVERITIES_SCHEMA)
    ] = Field(default_factory=lambda: {"warning": 1.0, "critical": 3.0})
    """Where each severity begins, in multiples of the bound."""

    def severity_of(self, multiple: float | None) -> AlertSeverity:
        """Severity of a distance.

        Parameters
        ----------
        multiple
            Distance over bound, 0 and up; None where there is no such multiple, since the rule is a p-value or the bound is 0.

        Returns
        -------
        The highest severity that begins at `multiple` or below it, and the least one below all of them. Without a multiple `warning`,
        or the least severity where the monitor has no `warning`.
        """
        names = list(self.severities)
        if multiple is None:
            return AlertSeverity.WARNING if AlertSeverity.WARNING.value in self.severities else AlertSeverity(names[0])
        reached = [name for name in names if multiple >= self.severities[name]]
        return AlertSeverity(reached[-1] if reached else names[0])
