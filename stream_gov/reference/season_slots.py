"""Slots of a season, for many rows at once, and the summaries of the slots of a reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import Season
from stream_gov.contracts.seasons import OFFSET_BIN_MS, utc_offset_ms
from stream_gov.summaries import PaneLayout, PaneSummary

__all__ = ["MAX_SLOT_SUMMARIES", "SlotSummaries", "slots_of"]

MAX_SLOT_SUMMARIES = 1_000
"""Slots times segments of a profile, all rows among them: about 1 MB for ten columns. Further segments are compared as a whole."""


def slots_of(season: Season, times_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Slot of each time, shape `(n,)`; `Season.slot_of` for many.

    Parameters
    ----------
    times_ms
        Epoch milliseconds, shape `(n,)`.
    """
    if season.timezone == "UTC":
        local = times_ms
    else:
        bins, place = np.unique(times_ms // OFFSET_BIN_MS, return_inverse=True)
        offsets = [utc_offset_ms(season.timezone, int(b) * OFFSET_BIN_MS) for b in bins.tolist()]
        local = times_ms + np.array(offsets, np.int64)[place]
    slots: NDArray[np.int64] = np.asarray(season.slot_at(local))  # type: ignore[arg-type]  # its arithmetic is that of integers or of arrays
    return slots


class SlotSummaries:
    """Summaries of the rows of each slot, by segment; kept packed, since a model of 168 slots would take megabytes unpacked.

    Parameters
    ----------
    layout
        Of the profile.
    packed
        By segment and slot the number of rows and the packed summary; without slots that have no rows.
    """

    def __init__(self, layout: PaneLayout, packed: Mapping[str, Mapping[int, tuple[int, bytes]]]) -> None:
        self._layout = layout
        self._packed = {segment: dict(slots) for segment, slots in packed.items()}

    @classmethod
    def of(cls, layout: PaneLayout, summaries: Mapping[str, Mapping[int, PaneSummary]]) -> SlotSummaries:
        """Pack summaries."""
        packed = {
            segment: {slot: (slots[slot].n_events, slots[slot].to_bytes()) for slot in sorted(slots)}
            for segment, slots in summaries.items()
        }
        return cls(layout, packed)

    @property
    def segments(self) -> frozenset[str]:
        """Segments whose slots are kept apart, `""` for all rows."""
        return frozenset(self._packed)

    def rows(self, segment: str) -> dict[int, int]:
        """Rows by slot, without slots that have none; empty for a segment whose slots are not kept apart."""
        return {slot: n_rows for slot, (n_rows, _) in self._packed.get(segment, {}).items()}

    def summaries(self, segment: str, slots: Iterable[int]) -> list[PaneSummary]:
        """Summaries of these slots, unpacked, in their order.

        Raises
        ------
        KeyError
            A slot has no rows.
        """
        packed = self._packed[segment]
        return [PaneSummary.from_bytes(packed[slot][1], self._layout) for slot in slots]

    def to_state(self) -> list[Any]:
        """Plain data, for a file."""
        return [
            [segment, [[slot, n_rows, pane] for slot, (n_rows, pane) in slots.items()]]
            for segment, slots in self._packed.items()
        ]

    @classmethod
    def from_state(cls, state: list[Any], layout: PaneLayout) -> SlotSummaries:
        """Read what :meth:`to_state` gave."""
        return cls(
            layout,
            {segment: {int(slot): (int(n_rows), pane) for slot, n_rows, pane in slots} for segment, slots in state},
        )
