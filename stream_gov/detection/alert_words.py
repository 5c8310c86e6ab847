"""The sentence of an alert, for people."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from stream_gov.contracts import AlertCause
from stream_gov.detection.alert_causes import CauseKey

__all__ = ["drift_words", "over_words"]

_NAMED_COLUMNS = 5


def _names(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:_NAMED_COLUMNS])
    more = len(columns) - _NAMED_COLUMNS
    return f"{shown} and {more} more" if more > 0 else shown


def _subject(cause: AlertCause) -> str:
    return cause.column or cause.detail or cause.statistic


def over_words(where: str, columns: Sequence[str], n_windows: int) -> str:
    """Say that an alert has resolved, after so many windows with drift."""
    windows = "1 window" if n_windows == 1 else f"{n_windows} windows"
    return f"{where}: back within tolerance after {windows} with drift ({_names(columns)})"


def drift_words(where: str, causes: Sequence[AlertCause], calm: Collection[CauseKey]) -> str:
    """Say what drifts, and why the heaviest cause counts as drift.

    Parameters
    ----------
    where
        Model and segment.
    causes
        At least one, the heaviest first.
    calm
        Causes whose verdict is stable in this window.
    """
    subjects = list(dict.fromkeys(_subject(c) for c in causes))
    first = causes[0]
    value = "undefined" if first.value is None else f"{first.value:.4g}"
    if (first.column, first.statistic) in calm:
        why = f"{first.statistic} {value}, stable but not yet over"
    elif first.rule == "threshold":
        why = f"{first.statistic} {value} > {first.threshold:.4g}"
    elif first.rule == "sequential":
        why = f"a lasting shift beyond {first.tolerance:.4g}, evidence 10^{value} against 10^{first.threshold:.3g}"
    elif first.rule == "p_value":
        why = f"{first.statistic} {value}, p {first.p_value:.2g} < {first.level:.2g}"
    elif first.rule == "calibrated":
        why = f"{first.statistic} {value}, beyond {first.tolerance:.4g} at level {first.level:.2g}"
    else:
        why = f"{first.statistic} {value}"
    return f"{where}: drift in {_names(subjects)} ({why}; {first.n_window} events against {first.n_reference})"
