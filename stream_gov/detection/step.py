"""What the detector makes of one record."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_gov.contracts import Alert, Result

__all__ = ["Step"]


@dataclass(slots=True)
class Step:
    """What one record changed."""

    updates: dict[str, bytes | None] = field(default_factory=dict)
    """By table key the new value; None: delete. To be kept once results and alerts were delivered."""
    results: list[Result] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    windows_closed: dict[str, int] = field(default_factory=dict)
    """By model."""
    late: dict[str, int] = field(default_factory=dict)
    """Events that came too late, by model."""
    repeated: int = 0
    """Records received before, which changed nothing."""
    unwatched: int = 0
    """Records of a model without a monitor."""
    unanswered: int = 0
    """Commands of people that name no open alert."""
    bound_hits: dict[str, int] = field(default_factory=dict)
    """By the name of the bound."""
