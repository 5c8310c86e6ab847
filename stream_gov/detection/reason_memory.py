"""Where the reasons of an alert are kept between two windows."""

from __future__ import annotations

import msgspec

__all__ = ["DriftRuns", "Reason", "ReasonMemory"]

DriftRuns = tuple[tuple[str, str, int], ...]
"""Column, statistic, and start of the first window of the run, sorted."""


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """What was said of one cause."""

    column: str
    statistic: str
    kind: str
    description: str

    @property
    def key(self) -> tuple[str, str]:
        """Column and statistic."""
        return self.column, self.statistic


class ReasonMemory(msgspec.Struct, frozen=True, array_like=True):
    """Of one series; new fields go to the end and have defaults."""

    runs: DriftRuns = ()
    """What drifts without a break, whether an alert is open or not."""
    runs_before: DriftRuns = ()
    """As they were before the newest window, which a revision judges once more."""
    told: tuple[Reason, ...] = ()
    """Kind and words of the causes of the last message. Shift and histograms are many times as long, and are not needed again."""
