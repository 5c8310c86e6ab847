"""The level of every test, from the monitor's budget of false alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stream_gov.contracts import Check, Monitor
from stream_gov.contracts.monitor import SEQUENTIAL_STATISTICS
from stream_gov.detection.check_choice import checks_of_column, checks_of_vectors
from stream_gov.statistics import STATISTICS
from stream_gov.summaries import Derivation

__all__ = ["LARGEST_LEVEL", "SHARE_OF_SEGMENTS", "Levels", "levels_of"]

LARGEST_LEVEL = 0.05
"""However large the budget and however few the tests: with a higher level a false alarm would be as common as a true one."""

SHARE_OF_SEGMENTS = 0.5
"""Part of the budget that the segments share. The other part is for all events together, so that segments hardly blunt them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Chance of a false alarm in one test, such that all of them together stay within the budget.

    The expected number of false alarms is the sum of the levels over all tests of the period, whatever their dependence on each other
    (expectations add), and an alert needs at least one of them. So the level is the budget, divided by windows and tests.
    """

    n_windows: float
    """Windows that close in the period of the budget."""
    n_tests: int
    """Tests of one window of all events that draw on the budget."""
    n_segments: int
    whole: float
    """Level of a test of all events."""
    segment: float
    """Level of a test of one segment."""
    persistence: int = 1
    """Windows with drift that each alert takes."""

    def of(self, check: Check, segment: str) -> float | None:
        """Level of a check in a window; None for a threshold."""
        if not check.draws_on_budget:
            return check.stated_level
        level = self.segment if segment else self.whole
        if check.statistic in SEQUENTIAL_STATISTICS:
            return level  # one alarm of it lasts for many windows
        return min(level * self.persistence, LARGEST_LEVEL)


def levels_of(
    monitor: Monitor, columns: Mapping[str, str], n_segments: int, *, derivations: Sequence[Derivation] = ()
) -> Levels:
    """Divide the budget of a monitor among its tests.

    Parameters
    ----------
    monitor
        Budget, windows and checks.
    columns
        Kind of each column of the reference (`numeric`, `categorical` or `boolean`).
    n_segments
        Segments of the reference, those of rare values together counted as one each.
    derivations
        Which of the columns are derived from texts and vectors, not all of which each check judges.

    Returns
    -------
    Levels of at most `LARGEST_LEVEL`. Windows that overlap count each; checks that state a level, a p-value or a threshold are outside the budget.
    Where an alert opens after `k` windows with drift (`alerts.open_after`) each false alert takes `k` false alarms of one test, and no alert shares
    them with another, so a test may have `k` times the level.

    Examples
    --------
    >>> monitor = Monitor.from_yaml("{monitor: m, model: m, window: {size: 1d}, checks: [{statistic: psi, tolerance: 0.1}]}", source="")
    >>> levels = levels_of(monitor, {"x": "numeric", "y": "numeric"}, 0)
    >>> levels.n_windows, levels.n_tests, round(levels.whole, 6)  # one false alarm in 30 windows of 2 tests
    (30.0, 2, 0.016667)
    """
    n_windows = monitor.budget.per / monitor.window.every_ms
    derived = {name: derivation for derivation in derivations for name in derivation.columns}
    n_tests = sum(
        check.draws_on_budget
        and (check.statistic in SEQUENTIAL_STATISTICS or STATISTICS[check.statistic].applies_to(kind))
        for column, kind in columns.items()
        for check in checks_of_column(monitor, column, derived.get(column))
    )
    n_tests += sum(check.draws_on_budget for _, check in checks_of_vectors(monitor, derivations))
    n_tests += sum(check.draws_on_budget for check in monitor.model_checks())
    of_segments = SHARE_OF_SEGMENTS if n_segments else 0.0
    each = monitor.budget.false_alarms / (n_windows * max(n_tests, 1))
    return Levels(
        n_windows=n_windows,
        n_tests=n_tests,
        n_segments=n_segments,
        whole=min((1 - of_segments) * each, LARGEST_LEVEL),
        segment=min(of_segments * each / max(n_segments, 1), LARGEST_LEVEL),
        persistence=monitor.alerts.open_after.windows,
    )
