"""Since when each check drifts without a break."""

from __future__ import annotations

from collections.abc import Sequence

from stream_gov.contracts import Result, Verdict

__all__ = ["DriftRuns", "continue_runs"]

DriftRuns = tuple[tuple[str, str, int], ...]
"""Column, statistic, and start of the first window of the run, sorted."""


def continue_runs(before: DriftRuns, results: Sequence[Result]) -> DriftRuns:
    """Take in the next window of a series.

    A window in which a check drifts begins its run or continues it, one in which it is stable ends it. One that cannot be judged
    (`insufficient`), or has no events, does neither.

    Parameters
    ----------
    before
        Runs as they stood before the window.
    results
        All results of the window.

    Returns
    -------
    Runs as they stand now. A check that the window was not asked about is forgotten, unless the window had no events.
    """
    known = {(column, statistic): start for column, statistic, start in before}
    checks = [r for r in results if r.rule != "none"]
    if not checks:
        return before
    runs: dict[tuple[str, str], int] = {}
    for result in checks:
        key = result.column, result.statistic
        if result.verdict is Verdict.DRIFT:
            runs[key] = known.get(key, result.window_start_ms)
        elif result.verdict is Verdict.INSUFFICIENT and key in known:
            runs[key] = known[key]
    return tuple(sorted((column, statistic, start) for (column, statistic), start in runs.items()))
