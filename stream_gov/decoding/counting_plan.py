"""What ingest counts of a model: layouts, panes and segments, derived from its monitor and its reference profiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from stream_gov.contracts import ColumnSelection
from stream_gov.summaries import PaneLayout

__all__ = ["PREDICTION_COLUMN", "SCORE_COLUMN", "CountingPlan"]

PREDICTION_COLUMN = "prediction"
SCORE_COLUMN = "score"
"""A single score; the scores of classes are the columns `score.<class>`."""


@dataclass(frozen=True, eq=False)
class CountingPlan:
    """How the events of one model are counted.

    Plans are compared by identity: whoever hands them out gives the same object until something changes.

    Parameters
    ----------
    model
        The `model` field of the events.
    layouts
        One for each profile counted on, newest first; two while a profile is being replaced. Empty for a model without a reference:
        its columns are sketched.
    pane_ms
        Length of a pane in milliseconds, at least 1. Panes start at multiples of it.
    segments
        Definitions of segments, each by the names of its columns.
    known_segments
        Segments counted apart, such as `region=NSW` or `region=NSW,device=web`; all others count as `region=(other)`. None (no
        reference says which matter): the first `max_segments` that a cut meets.
    max_segments
        Bound on the segments that one cut keeps apart where `known_segments` is None.
    columns
        Columns to sketch where there is no layout; columns it excludes are never reported as new.
    """

    model: str
    layouts: tuple[PaneLayout, ...]
    pane_ms: int
    segments: tuple[tuple[str, ...], ...] = ()
    known_segments: frozenset[str] | None = None
    max_segments: int = 100
    columns: ColumnSelection = field(default_factory=ColumnSelection)

    def __post_init__(self) -> None:
        if self.pane_ms < 1:
            msg = f"pane_ms must be at least 1, got {self.pane_ms}"
            raise ValueError(msg)
        if self.max_segments < 1:
            msg = f"max_segments must be at least 1, got {self.max_segments}"
            raise ValueError(msg)
        if any(not definition for definition in self.segments):
            msg = f"a segment is defined by at least one column, got {self.segments!r}"
            raise ValueError(msg)
        ids = [layout.id for layout in self.layouts]
        if len(set(ids)) != len(ids):
            msg = f"two layouts have the same id: {ids!r}; give each profile once"
            raise ValueError(msg)

    @cached_property
    def known_columns(self) -> frozenset[str]:
        """Columns that are no news when an event brings them."""
        of_layouts = (name for layout in self.layouts for name in layout.event_columns)
        of_segments = (name for definition in self.segments for name in definition)
        return frozenset((*of_layouts, *of_segments, *self.columns.exclude))

    def pane_start_ms(self, time_ms: int) -> int:
        """Start of the pane that a time falls in."""
        return time_ms - time_ms % self.pane_ms
