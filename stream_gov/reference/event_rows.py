"""Messages of the topic of events as rows of one model: decoded, and rejected, as ingest does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import DataError
from stream_gov.decoding import (
    LARGEST_TIME_MS,
    MIN_EVENT_TIME_MS,
    CountingPlan,
    EventDecoder,
    ModelDecoder,
    TimeBounds,
)
from stream_gov.decoding.sketch_counter import row_of
from stream_gov.decoding.timestamps import read_timestamps
from stream_gov.reference.rows import ColumnValues, RowBatch, concatenate
from stream_gov.summaries import HeavyHitters

__all__ = ["MAX_COLUMNS", "EventRows"]

MAX_COLUMNS = 1_000
"""Columns of a model beyond which its events are refused: names made of data would fill the memory."""

_BLOCK = 512
"""Messages decoded at once, as in ingest."""
_OTHER_MODELS = 100
_NUMBERS = frozenset({int, float, type(None)})
_get_timestamp = attrgetter("timestamp")


class EventRows:
    """Reads messages as rows, and keeps count of what they were.

    Parameters
    ----------
    model
        Whose events become rows.
    now_ms, max_future_skew_ms
        Events further ahead of the clock are rejected.
    from_ms, until_ms
        Only events of this time or later, and before that; None: no bound. Epoch milliseconds.
    version
        Only events of this version of the model; None: of all.
    """

    def __init__(
        self,
        model: str,
        *,
        now_ms: int,
        max_future_skew_ms: int,
        from_ms: int | None = None,
        until_ms: int | None = None,
        version: str | None = None,
    ) -> None:
        decoder = ModelDecoder(CountingPlan(model, (), 1))
        self._decoder = EventDecoder(lambda name: decoder if name == model else None)
        self._bounds = TimeBounds(MIN_EVENT_TIME_MS, min(now_ms + max_future_skew_ms, LARGEST_TIME_MS))
        self._from_ms, self._until_ms, self._version = from_ms, until_ms, version
        self._names: set[str] = set()
        self._mixed = False
        self.n_messages = 0
        self.n_rows = 0
        self.rejected: Counter[str] = Counter()
        """By reason, events of the model and messages whose model cannot be read; without those of other models."""
        self.other_models = HeavyHitters(_OTHER_MODELS)
        """Models of the other events, with how many."""
        self.versions = HeavyHitters(_OTHER_MODELS)
        """Versions of the model's events, with how many, in the time or not."""
        self.first_ms: int | None = None
        """Least event time of the model's events, in the time asked for or not."""
        self.last_ms: int | None = None

    def read(self, messages: Sequence[bytes | None]) -> RowBatch | None:
        """Decode messages; return the rows among them in their order, None if there are none.

        Raises
        ------
        DataError
            The events have more than `MAX_COLUMNS` columns.
        """
        batches = [self._read(messages[i : i + _BLOCK]) for i in range(0, len(messages), _BLOCK)]
        rows = [batch for batch in batches if batch is not None]
        return concatenate(rows) if rows else None

    def _read(self, messages: Sequence[bytes | None]) -> RowBatch | None:
        block = self._decoder.decode(messages, self._bounds, is_mixed=self._mixed)
        self._mixed = block.is_mixed
        self.n_messages += len(messages)
        for _, refused in block.refused:
            if refused.reason.value == "unknown_model" and refused.model is not None:
                self.other_models.update({refused.model[:200]: 1})
            else:
                self.rejected[refused.reason.value] += 1
        if not block.groups:
            return None
        (group,) = block.groups
        times, untimely = read_timestamps(list(map(_get_timestamp, group.events)), self._bounds)
        for error in untimely.values():
            self.rejected[error.reason.value] += 1
        keep = self._chosen(group.events, times, untimely)
        if not keep.any():
            return None
        chosen = np.flatnonzero(keep)
        events = [group.events[i] for i in chosen.tolist()]
        self.n_rows += len(events)
        return RowBatch(self._columns(events), len(events), times[chosen], [event.version for event in events])

    def _chosen(self, events: Sequence[Any], times: NDArray[np.int64], untimely: dict[int, Any]) -> NDArray[np.bool_]:
        keep = np.ones(len(events), bool)
        keep[list(untimely)] = False
        if keep.any():
            first, last = int(times[keep].min()), int(times[keep].max())
            self.first_ms = first if self.first_ms is None else min(self.first_ms, first)
            self.last_ms = last if self.last_ms is None else max(self.last_ms, last)
        self.versions.update(Counter(event.version for event in events))
        if self._from_ms is not None:
            keep &= times >= self._from_ms
        if self._until_ms is not None:
            keep &= times < self._until_ms
        if self._version is not None:
            keep &= np.array([event.version == self._version for event in events])
        return keep

    def _columns(self, events: Sequence[Any]) -> dict[str, ColumnValues]:
        rows = [row_of(event.features, event.prediction, event.scores) for event in events]
        names: dict[str, None] = dict.fromkeys(rows[0])
        first = rows[0].keys()
        for row in rows:
            if row.keys() != first:
                names.update(dict.fromkeys(row))
        self._names.update(names)
        if len(self._names) > MAX_COLUMNS:
            msg = (
                f"the events have more than {MAX_COLUMNS} columns, such as {', '.join(sorted(self._names)[:5])}; their names seem to be made "
                "of data: send fewer features, or build the reference from a file"
            )
            raise DataError(msg)
        return {name: _compact([row.get(name) for row in rows]) for name in names}


def _compact(values: list[Any]) -> ColumnValues:
    """Numbers and missing values as floats, of which a hundred thousand take less room; anything else as it is."""
    if set(map(type, values)) <= _NUMBERS and any(value is not None for value in values):
        try:
            return np.array(values, np.float64)
        except OverflowError:  # an integer that no float holds is of a wrong type
            return values
    return values
