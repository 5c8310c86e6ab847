"""Which checks of a monitor judge which columns of a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stream_gov.contracts import Check, Monitor
from stream_gov.statistics import STATISTICS
from stream_gov.summaries import Derivation

__all__ = ["checks_of_column", "checks_of_vectors", "watches_column"]

_OF_ROWS = frozenset(name for name, statistic in STATISTICS.items() if statistic.counts == "rows")


def checks_of_column(monitor: Monitor, column: str, derivation: Derivation | None) -> list[Check]:
    """Return the checks that judge a column, whether its kind has their statistic or not.

    Columns that are derived from one text or vector drift together, so not all of them are judged by each check. The projections of a vector
    are judged only by checks that name them, or the vector. What is missing or of a wrong type is missing or wrong in all of them, and counts
    in the first one, unless a check names another.

    Parameters
    ----------
    monitor
        The checks.
    column
        Of the reference.
    derivation
        What the column is derived by; None for one that stands in the events.
    """
    if derivation is None:
        return monitor.checks_of(column) if monitor.columns.wants(column) else []
    if not monitor.columns.wants(column, derivation.source):
        return []
    chosen = []
    for check in monitor.checks_of(column, derivation.source):
        is_named = check.columns is not None and column in check.columns
        if not is_named and check.statistic in _OF_ROWS and column != derivation.columns[0]:
            continue
        if check.columns is None and column in derivation.joint:
            continue
        chosen.append(check)
    return chosen


def watches_column(monitor: Monitor, column: str, derivation: Derivation | None) -> bool:
    """Whether detectors watch a column: not the projections of a vector, which mean nothing one by one."""
    if derivation is None:
        return monitor.columns.wants(column)
    return monitor.columns.wants(column, derivation.source) and column not in derivation.joint


def checks_of_vectors(monitor: Monitor, derivations: Sequence[Derivation]) -> Iterator[tuple[str, Check]]:
    """Yield the vectors with the checks that judge them as a whole."""
    for derivation in derivations:
        if derivation.joint and monitor.columns.wants(derivation.source):
            for check in monitor.checks_of(derivation.source):
                statistic = STATISTICS.get(check.statistic)  # none for one that is judged over many windows
                if statistic is not None and statistic.scope == "vector":
                    yield derivation.source, check
