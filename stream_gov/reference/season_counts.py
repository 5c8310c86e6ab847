"""Second pass of a reference with a season: exact counts of the rows of each slot, and what is doubtful about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stream_gov.contracts import DataError, Season, slot_names
from stream_gov.reference.counting import count_rows
from stream_gov.reference.rows import RowBatch
from stream_gov.reference.season_slots import MAX_SLOT_SUMMARIES, SlotSummaries, slots_of
from stream_gov.summaries import ASSUMED_INFLATION, PaneLayout, PaneSummary

__all__ = ["SeasonCounts"]


class SeasonCounts:
    """Counts the rows of each slot of a season, of all rows and of as many segments as there is room for.

    Parameters
    ----------
    season
        The cycle.
    layout
        Columns and their cells.
    segments
        Those kept apart, the most frequent first.
    n_other
        Definitions of segments, each of which may have a segment of all others.

    Notes
    -----
    Memory: a summary for each slot and segment, 1,000 at most.
    """

    def __init__(self, season: Season, layout: PaneLayout, segments: Sequence[str], *, n_other: int) -> None:
        self.season = season
        self._layout = layout
        room = MAX_SLOT_SUMMARIES // season.n_slots - 1
        self._kept: frozenset[str] | None = None  # None: there is room for all
        if len(segments) + n_other > room:
            self._kept = frozenset(["", *segments[:room]])
        self._panes: dict[str, dict[int, PaneSummary]] = {"": {}}

    @property
    def of_all_rows(self) -> dict[int, PaneSummary]:
        """Summaries by slot, without slots that have no rows."""
        return self._panes[""]

    def update(self, segment: str, batch: RowBatch) -> None:
        """Add rows of a segment, `""` for all rows.

        Raises
        ------
        DataError
            The rows have no event times.
        """
        if batch.times_ms is None:
            msg = (
                f"season {self.season.kind}: the rows have no event times, so nobody can tell their hour or day; name the column of event "
                "times (`--timestamp`), or take `season` out of the monitor"
            )
            raise DataError(msg)
        if self._kept is not None and segment not in self._kept:
            return
        slots = slots_of(self.season, batch.times_ms)
        panes = self._panes.setdefault(segment, {})
        for slot in np.unique(slots).tolist():
            pane = panes.get(slot)
            if pane is None:
                pane = panes[slot] = PaneSummary(self._layout)
            count_rows(pane, batch.take(np.flatnonzero(slots == slot)))

    def finish(self, layout: PaneLayout) -> SlotSummaries:
        """Return what was counted, for a profile with this layout."""
        return SlotSummaries.of(layout, self._panes)

    def warnings(self, segments: frozenset[str], without_dependence: Sequence[str]) -> list[str]:
        """Say which slots are empty, which segments have none, and which columns have no covariance beyond the season.

        Parameters
        ----------
        segments
            All segments of the reference.
        without_dependence
            Columns that have a long-run covariance, but none beyond the season.
        """
        said = []
        empty = [slot for slot in range(self.season.n_slots) if slot not in self.of_all_rows]
        if empty:
            said.append(
                f"season {self.season}: {len(empty)} of {self.season.n_slots} slots have no rows: {slot_names(self.season, empty)}; events "
                "that fall in them are not compared; build the reference from rows of whole cycles"
            )
        whole = sorted(segments - self._panes.keys())
        if whole:
            names = ", ".join(whole[:5]) + (f" and {len(whole) - 5} more" if len(whole) > 5 else "")
            said.append(
                f"season {self.season}: {len(whole)} of {len(segments) - 1} segments are compared with all their rows, whatever the hour or day: "
                f"a reference keeps {MAX_SLOT_SUMMARIES:,} slots of segments: {names}; watch fewer segments, or a season of fewer slots"
            )
        if without_dependence:
            names = ", ".join(without_dependence[:5]) + (
                f" and {len(without_dependence) - 5} more" if len(without_dependence) > 5 else ""
            )
            said.append(
                f"season {self.season}: it is not known how strongly the values of {names} depend on those before them beyond the season, because the "
                f"rows hold too few cycles; their tests take {ASSUMED_INFLATION:g} events for one independent one; build the reference from more cycles"
            )
        return said
