"""Columns that came or went: statistics of the model as a whole."""

from __future__ import annotations

from stream_gov.summaries import PaneSummary

__all__ = ["missing_column_names", "missing_columns", "new_columns"]


def new_columns(reference: PaneSummary, window: PaneSummary) -> float:
    """Columns in the window's events that the reference does not have.

    Parameters
    ----------
    reference
        Not looked at: its columns are those of the layout that the window was counted in.
    window
        Of all events of the window.

    Returns
    -------
    A number of names, `>= 0`. A pane keeps a bounded number of names, so at that bound it means "this many or more".
    """
    del reference
    return float(len(window.new_columns))


def missing_column_names(reference: PaneSummary, window: PaneSummary) -> list[str]:
    """Columns with valid values in the reference and none in the window, in the reference's order; none for a window without events.

    A column of texts or vectors stands for those derived from it, and is missing if the first of them is.
    """
    if window.n_events == 0:
        return []
    derived = reference.layout.derived
    return [
        derived[name].source if name in derived else name
        for name, column in reference.columns.items()
        if column.n_valid > 0
        and name in window.columns
        and window.columns[name].n_valid == 0
        and (name not in derived or name == derived[name].columns[0])
    ]


def missing_columns(reference: PaneSummary, window: PaneSummary) -> float:
    """Count the columns that have valid values in the reference and none in the window.

    A column counts whether its key is gone, its values are all null or all of a wrong type.

    Returns
    -------
    A number of columns, `>= 0`; 0 for a window without events, which says nothing of any column.
    """
    return float(len(missing_column_names(reference, window)))
