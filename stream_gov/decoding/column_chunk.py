"""Rows of one model as columns, gathered until there are enough of them to count at once."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.decoding.column_values import clean_categories, clean_numbers, segment_value
from stream_gov.decoding.event_types import EventTypes
from stream_gov.summaries import category_name

__all__ = ["CHUNK_ROWS", "ColumnChunk"]

CHUNK_ROWS = 4_096
"""Rows counted at once: enough to spread the cost of array calls, few enough to stay in a processor's cache."""

_LONG_MESSAGE = 1_024
_get_version = attrgetter("version")


class ColumnChunk:
    """Up to `CHUNK_ROWS` rows of one model.

    Parameters
    ----------
    types
        Types of the model's plan; they say which columns are kept, and how.
    """

    def __init__(self, types: EventTypes) -> None:
        self.types = types
        self.n = 0
        self.versions: list[tuple[str, int]] = []
        """Runs of equal versions with their lengths."""
        self.categories: list[list[Any]] = [[] for view in types.views if not view.is_numeric]
        self.segment_columns: dict[str, list[Any]] = {name: [] for d in types.plan.segments for name in d}
        """Names of values, or the values themselves where these are texts or None."""
        self.new_columns: list[tuple[int, Sequence[str]]] = []
        """Rows of the sample with the names in them that the plan does not know."""
        self.type_errors: dict[int, list[int]] = {}
        """Rows with a value of a wrong type, by the number of the numeric view."""
        # Grown as rows come, kept while the chunk is: fresh memory of this size costs more than what is written to it.
        self._times = np.empty(0, np.int64)
        self._numbers = np.empty((sum(view.is_numeric for view in types.views), 0))
        self._views = [
            (view, types.source_index[view.name], types.is_typed(view.name))
            for view in types.views
            if view.derivation is None
        ]
        self._derived = [
            (derived.derivation, list(derived.places), types.source_index[source], types.is_typed(source))
            for derived in types.derived
            for source in [derived.derivation.source]
        ]
        self._segment_sources = [(name, types.source_index[name]) for name in self.segment_columns]

    def append(
        self,
        events: Sequence[Any],
        times: NDArray[np.int64],
        *,
        doubtful: Sequence[int],
        longest_message: int,
        version: str | None = None,
        new_columns: Sequence[tuple[int, Sequence[str]]] = (),
    ) -> None:
        """Add events (at least one) with their times.

        Parameters
        ----------
        events
            Strict or settled structs.
        times
            Epoch milliseconds, shape `(m,)`.
        doubtful
            Positions of events that are not strict.
        longest_message
            Bytes of the longest message among them.
        version
            The version of all events, where it is known to be one.
        new_columns
            Rows of the sample, by position in `events`, with the names that are new.
        """
        first_row, self.n = self.n, self.n + len(events)
        is_long = longest_message > _LONG_MESSAGE
        self._reserve(self.n)
        self._times[first_row : self.n] = times
        if version is None:
            self._append_versions(list(map(_get_version, events)))
        else:
            self._append_version(version, len(events))
        columns = self.types.columns(events)
        everything = range(len(events))
        numbers, categories = iter(enumerate(self._numbers[:, first_row : self.n])), iter(self.categories)
        for view, source, has_one_type in self._views:
            values = columns[source]
            if view.is_numeric:
                place, row = next(numbers)
                row[:], wrong = clean_numbers(values, doubtful if has_one_type else everything)
                if wrong:
                    self.type_errors.setdefault(place, []).extend(first_row + i for i in wrong)
            else:
                next(categories).extend(
                    clean_categories(values, view.dtype, doubtful if has_one_type else everything, is_long=is_long)
                )
        for derivation, places, source, has_one_type in self._derived:
            derived = derivation.derive(columns[source], doubtful if has_one_type else everything)
            self._numbers[places, first_row : self.n] = derived.numbers
            if derived.wrong:
                rows = [first_row + i for i in derived.wrong]
                for place in places:
                    self.type_errors.setdefault(place, []).extend(rows)
        for name, source in self._segment_sources:
            values = columns[source]
            if is_long or not self.types.is_text(name):
                values = list(map(segment_value, values))
            elif doubtful:
                values = list(values)
                for i in doubtful:
                    values[i] = segment_value(values[i])
            self.segment_columns[name].extend(values)
        self.new_columns.extend((first_row + i, names) for i, names in new_columns)

    def _append_versions(self, versions: list[str]) -> None:
        if versions.count(versions[0]) == len(versions):
            self._append_version(versions[0], len(versions))
        else:
            for version in versions:
                self._append_version(version, 1)

    def _append_version(self, version: str, length: int) -> None:
        name = category_name(version)
        if self.versions and self.versions[-1][0] == name:
            length += self.versions.pop()[1]
        self.versions.append((name, length))

    def _reserve(self, n: int) -> None:
        """Make room for `n` rows."""
        room = self._times.size
        if n <= room:
            return
        room = max(n, min(2 * room, CHUNK_ROWS))
        times, numbers = np.empty(room, np.int64), np.empty((len(self._numbers), room))
        times[: self._times.size] = self._times
        numbers[:, : self._times.size] = self._numbers
        self._times, self._numbers = times, numbers

    def clear(self) -> None:
        """Forget the rows, but not the room for them."""
        self.n = 0
        self.versions.clear()
        self.new_columns.clear()
        self.type_errors.clear()
        for values in (*self.categories, *self.segment_columns.values()):
            values.clear()

    def times(self) -> NDArray[np.int64]:
        """Event times, shape `(n,)`; a view."""
        return self._times[: self.n]

    def numbers(self) -> NDArray[np.float64]:
        """Values of the numeric views, shape `(d, n)`; NaN where a value is missing or has a wrong type. A view."""
        return self._numbers[:, : self.n]
