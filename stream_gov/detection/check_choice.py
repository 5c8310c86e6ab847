"""Which checks of a monitor judge which columns of a reference."""

from __future__ import annotations

from collections.abc import Iterator

from stream_gov.contracts import Check, Monitor
from stream_gov.statistics import STATISTICS
from stream_gov.summaries import PaneLayout

__all__ = ["checks_of_column", "checks_of_vectors"]


def checks_of_column(monitor: Monitor, layout: PaneLayout, column: str) -> list[Check]:
    """Return the checks that judge a column of the layout, whether its kind has the statistic or not.

    Columns that are derived from one text or vector drift together, so not all of them are judged by each check. The projections of a vector
    are judged only by checks that name them, or the vector. What is missing or of a wrong type is missing or wrong in all of them, and counts
    in the first one, unless a check names another.
    """
    derivation = layout.derived.get(column)
    if derivation is None:
        return monitor.checks_of(column) if monitor.columns.wants(column) else []
    if not monitor.columns.wants(column, derivation.source):
        return []
    chosen = []
    for check in monitor.checks_of(column, derivation.source):
        is_named = check.columns is not None and column in check.columns
        counts_rows = STATISTICS[check.statistic].counts == "rows"
        if not is_named and counts_rows and column != derivation.columns[0]:
            continue
        if check.columns is None and column in derivation.joint:
            continue
        chosen.append(check)
    return chosen


def checks_of_vectors(monitor: Monitor, layout: PaneLayout) -> Iterator[tuple[str, Check]]:
    """Yield the vectors of the layout with the checks that judge them as a whole."""
    for derivation in layout.derivations:
        if derivation.joint and monitor.columns.wants(derivation.source):
            for check in monitor.checks_of(derivation.source):
                if STATISTICS[check.statistic].scope == "vector":
                    yield derivation.source, check
