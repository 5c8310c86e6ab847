"""Summary of all columns of a model in one pane of time: what travels from ingest to detect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import msgspec

from stream_gov.contracts import IncompatibleSummaryError, UnreadableRecordError
from stream_gov.summaries.boolean import BooleanSummary
from stream_gov.summaries.categorical import CategoricalSummary, category_name
from stream_gov.summaries.column_sketch import ColumnSketch
from stream_gov.summaries.covariance import CovarianceSummary
from stream_gov.summaries.layout import BooleanLayout, CategoricalLayout, ColumnLayout, NumericLayout, PaneLayout
from stream_gov.summaries.numeric import NumericSummary

__all__ = ["MAX_NEW_COLUMNS", "MAX_SKETCHED_COLUMNS", "AnyColumnSummary", "PaneSummary", "empty_summary"]

AnyColumnSummary = NumericSummary | CategoricalSummary | BooleanSummary

PANE_FORMAT = 1
MAX_NEW_COLUMNS = 32
"""Names of new columns that a pane keeps: those first in the alphabet, so that merging stays exact; the others are counted."""
MAX_SKETCHED_COLUMNS = 500
"""Columns that a pane of a model without a reference keeps: those first in the alphabet."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


def empty_summary(layout: ColumnLayout) -> AnyColumnSummary:
    """Make the summary of a column that has seen nothing."""
    match layout:
        case NumericLayout():
            return NumericSummary(layout)
        case CategoricalLayout():
            return CategoricalSummary(layout)
        case BooleanLayout():
            return BooleanSummary(layout)


def _summary_from_state(state: list[Any], layout: ColumnLayout) -> AnyColumnSummary:
    match layout:
        case NumericLayout():
            return NumericSummary.from_state(state, layout)
        case CategoricalLayout():
            return CategoricalSummary.from_state(state, layout)
        case BooleanLayout():
            return BooleanSummary.from_state(state, layout)


class PaneSummary:
    """Summaries of every column over one set of events of a model.

    Parameters
    ----------
    layout
        Columns and their cells. With an empty one (a model without a reference) columns are sketched as they come.

    Notes
    -----
    Invariants: each column of the layout has seen exactly `n_events` values. Merging is associative and commutative, and exact where
    the columns' summaries are; equal content gives equal bytes (sketches excepted: KLL tosses coins).
    """

    __slots__ = (
        "columns",
        "covariance",
        "first_ms",
        "last_ms",
        "layout",
        "n_events",
        "n_new_other",
        "new_columns",
        "sketches",
    )

    def __init__(self, layout: PaneLayout) -> None:
        self.layout = layout
        self.n_events = 0
        self.first_ms: int | None = None
        """Least event time."""
        self.last_ms: int | None = None
        """Largest event time."""
        self.columns: dict[str, AnyColumnSummary] = {name: empty_summary(c) for name, c in layout.columns.items()}
        self.new_columns: dict[str, int] = {}
        """Columns that the layout does not have, with their counts in the sampled events (see `decoding`)."""
        self.n_new_other = 0
        """Occurrences of further new columns, beyond `MAX_NEW_COLUMNS`."""
        self.sketches: dict[str, ColumnSketch] = {}
        self.covariance: CovarianceSummary | None = CovarianceSummary(_numeric(layout)) if layout.covariance else None

    def update_times(self, first_ms: int, last_ms: int, n_events: int) -> None:
        """Count events and the span of their times."""
        self.n_events += n_events
        self.first_ms = first_ms if self.first_ms is None else min(self.first_ms, first_ms)
        self.last_ms = last_ms if self.last_ms is None else max(self.last_ms, last_ms)

    def update_new_columns(self, counts: Mapping[str, int]) -> None:
        """Count columns that the layout does not have."""
        for name, count in counts.items():
            short = category_name(name)
            self.new_columns[short] = self.new_columns.get(short, 0) + count
        self._bound_new_columns()

    def _bound_new_columns(self) -> None:
        # The least names of a union are among the least names of its parts, so cutting here loses no count of a name that stays.
        for name in sorted(self.new_columns)[MAX_NEW_COLUMNS:]:
            self.n_new_other += self.new_columns.pop(name)

    def merge(self, other: PaneSummary) -> PaneSummary:
        """Return the summary of both; neither is changed.

        Raises
        ------
        IncompatibleSummaryError
            The layouts are of different profiles.
        """
        merged = self._merge_all_but_columns(other)
        merged.columns = {
            name: mine.merge(other.columns[name])  # type: ignore[arg-type]  # one layout, so one kind
            for name, mine in self.columns.items()
        }
        return merged

    @classmethod
    def merge_all(cls, parts: Sequence[PaneSummary], layout: PaneLayout) -> PaneSummary:
        """Return the summary of many; none is changed. It is what merging them one by one gives, in a third of the time.

        Raises
        ------
        IncompatibleSummaryError
            The layouts are of different profiles.
        """
        if len(parts) < 2:
            return reduce(cls.merge, parts, cls(layout))
        merged = reduce(cls._merge_all_but_columns, parts)
        for name in parts[0].columns:
            columns = [part.columns[name] for part in parts]
            numbers = [column for column in columns if isinstance(column, NumericSummary)]
            merged.columns[name] = (
                NumericSummary.merge_all(numbers)
                if len(numbers) == len(columns)
                else reduce(lambda a, b: a.merge(b), columns)  # type: ignore[arg-type]  # one layout, so one kind
            )
        return merged

    def _merge_all_but_columns(self, other: PaneSummary) -> PaneSummary:
        if self.layout is not other.layout and self.layout != other.layout:
            msg = (
                f"cannot merge panes counted for different profiles ({self.layout.id!r} and {other.layout.id!r}); "
                "keep them apart by profile"
            )
            raise IncompatibleSummaryError(msg)
        merged = PaneSummary.__new__(PaneSummary)
        merged.layout = self.layout
        merged.columns = {}
        merged.n_events = self.n_events + other.n_events
        merged.first_ms = _least(self.first_ms, other.first_ms)
        merged.last_ms = _largest(self.last_ms, other.last_ms)
        merged.new_columns = dict(self.new_columns)
        for name, count in other.new_columns.items():
            merged.new_columns[name] = merged.new_columns.get(name, 0) + count
        merged.n_new_other = self.n_new_other + other.n_new_other
        merged._bound_new_columns()  # noqa: SLF001  # same class
        merged.sketches = dict(self.sketches)
        for name, sketch in other.sketches.items():
            mine = merged.sketches.get(name)
            merged.sketches[name] = sketch if mine is None else mine.merge(sketch)
        for name in sorted(merged.sketches)[MAX_SKETCHED_COLUMNS:]:
            del merged.sketches[name]
        merged.covariance = (
            self.covariance.merge(other.covariance)
            if self.covariance is not None and other.covariance is not None
            else None
        )
        return merged

    def copy(self) -> PaneSummary:
        """Return an independent copy."""
        return PaneSummary.from_bytes(self.to_bytes(), self.layout)

    def to_bytes(self) -> bytes:
        """Pack; the layout is not in it."""
        return _encoder.encode(
            [
                PANE_FORMAT,
                self.n_events,
                self.first_ms,
                self.last_ms,
                [summary.to_state() for summary in self.columns.values()],
                sorted(self.new_columns.items()),
                self.n_new_other,
                [[name, self.sketches[name].to_state()] for name in sorted(self.sketches)],
                self.covariance.to_state() if self.covariance is not None else None,
            ]
        )

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, layout: PaneLayout) -> PaneSummary:
        """Read what :meth:`to_bytes` wrote for the same layout.

        Raises
        ------
        UnreadableRecordError
            The bytes are damaged, of a later format, or of another layout.
        """
        try:
            state = _decoder.decode(data)
            if not isinstance(state, list) or state[0] != PANE_FORMAT:
                found = state[0] if isinstance(state, list) and state else state
                msg = f"pane summary of format {found!r}, this release reads format {PANE_FORMAT}; upgrade stream-gov"
                raise UnreadableRecordError(msg)
            _, n_events, first_ms, last_ms, columns, new_columns, n_new_other, sketches, covariance = state
            if len(columns) != len(layout.columns):
                msg = f"pane summary of {len(columns)} columns where profile {layout.id!r} has {len(layout.columns)}"
                raise UnreadableRecordError(msg)
            pane = cls.__new__(cls)
            pane.layout = layout
            pane.n_events, pane.first_ms, pane.last_ms = n_events, first_ms, last_ms
            pane.columns = {
                name: _summary_from_state(column, column_layout)
                for column, (name, column_layout) in zip(columns, layout.columns.items(), strict=True)
            }
            pane.new_columns = dict(new_columns)
            pane.n_new_other = n_new_other
            pane.sketches = {name: ColumnSketch.from_state(sketch) for name, sketch in sketches}
            pane.covariance = (
                CovarianceSummary.from_state(covariance, _numeric(layout)) if covariance is not None else None
            )
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as err:
            msg = f"damaged pane summary of {len(data)} bytes: {err}"
            raise UnreadableRecordError(msg) from err
        return pane


def _numeric(layout: PaneLayout) -> dict[str, NumericLayout]:
    return {name: column for name, column in layout.columns.items() if isinstance(column, NumericLayout)}


def _least(a: int | None, b: int | None) -> int | None:
    return min((x for x in (a, b) if x is not None), default=None)


def _largest(a: int | None, b: int | None) -> int | None:
    return max((x for x in (a, b) if x is not None), default=None)
