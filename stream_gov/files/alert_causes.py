"""Why an alert is there, column by column, taken out of its messages: each column as it was when it was named first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream_gov.contracts import Alert, AlertCause, Shift
from stream_gov.diagnosis import number_words, share_words

__all__ = ["ColumnReason", "column_reasons", "fact_rows"]

_NUMBERS = (
    ("mean", "mean"),
    ("standard deviation", "sd"),
    ("least", "minimum"),
    ("lower quartile", "lower_quartile"),
    ("median", "median"),
    ("upper quartile", "upper_quartile"),
    ("largest", "maximum"),
)
_SHARES = (("missing", "missing_share"), ("wrong type", "type_error_share"))


@dataclass(frozen=True, slots=True)
class ColumnReason:
    """One column of an alert (`""`: the model as a whole) in the window that named it first."""

    column: str
    causes: tuple[AlertCause, ...]
    """Heaviest first; the first one has shift and histograms, if there are any."""
    window_start_ms: int
    window_end_ms: int

    @property
    def since_ms(self) -> int | None:
        """Start of the first window with drift."""
        return min((c.since_ms for c in self.causes if c.since_ms is not None), default=None)

    @property
    def change_ms(self) -> int | None:
        """Start of the pane with which the drift began, if that is known."""
        return min((c.change_ms for c in self.causes if c.change_ms is not None), default=None)

    @property
    def descriptions(self) -> list[str]:
        """What happened, each once."""
        return list(dict.fromkeys(c.description for c in self.causes if c.description))


def column_reasons(messages: Sequence[Alert]) -> list[ColumnReason]:
    """Say of each column that an alert named why it did.

    Parameters
    ----------
    messages
        Of one alert, in any order.

    Returns
    -------
    In the order in which the columns were named, in one message the heaviest first. Where late events have changed what was said of the window,
    it is the last word on it.
    """
    found: dict[str, ColumnReason] = {}
    for message in sorted(messages, key=lambda m: m.sequence):
        by_column: dict[str, list[AlertCause]] = {}
        for cause in message.causes:
            by_column.setdefault(cause.column, []).append(cause)
        for column, causes in by_column.items():
            known = found.get(column)
            if known is None or (known.window_end_ms == message.window_end_ms and _says_more(causes, known)):
                found[column] = ColumnReason(column, tuple(causes), message.window_start_ms, message.window_end_ms)
    return list(found.values())


def _says_more(causes: Sequence[AlertCause], known: ColumnReason) -> bool:
    """Tell whether a later message of the same window replaces what was said; one that only repeats kinds and words does not."""
    return any(c.shift is not None for c in causes) or all(c.shift is None for c in known.causes)


def fact_rows(shift: Shift) -> list[tuple[str, str, str]]:
    """Give the numbers of a column before and after, for a table: each with its name, and only those that say something."""
    before, after = shift.reference, shift.window
    rows = [("values", f"{before.n_valid:,}", f"{after.n_valid:,}")]
    for label, field in _NUMBERS:
        one, other = getattr(before, field), getattr(after, field)
        if one is not None or other is not None:
            rows.append((label, _number(one), _number(other)))
    for label, field in _SHARES:
        one, other = getattr(before, field), getattr(after, field)
        if one or other:
            rows.append((label, share_words(one), share_words(other)))
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else number_words(value)
