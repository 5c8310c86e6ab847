"""From the verdicts of a window's columns to one of the model: the statistic `drifted_columns`."""

from __future__ import annotations

from collections.abc import Sequence

from stream_gov.contracts import Check, ConfigurationError, Result, Verdict
from stream_gov.statistics import Decision, DriftedColumns, drifted_columns

__all__ = ["DRIFTED_COLUMNS", "describe_columns", "judge_columns"]

DRIFTED_COLUMNS = "drifted_columns"

_MOST_NAMES = 20


def judge_columns(
    check: Check, results: Sequence[Result], n_reference: int, n_window: int
) -> tuple[DriftedColumns, Decision]:
    """Judge how many of the columns drift.

    Parameters
    ----------
    check
        Of `drifted_columns`, with a threshold.
    results
        Of the window so far, those of all columns among them.
    n_reference, n_window
        Events of the reference and of the window.

    Returns
    -------
    The columns, and the decision: drift if the share of the drifting ones among those judged is greater than the threshold; `insufficient` if
    fewer than half of those that a check applies to could be judged by any.
    """
    if check.threshold is None:
        msg = f"a check of {check.statistic} needs a `threshold`, the share of the columns from which the model drifts"
        raise ConfigurationError(msg)
    verdicts: dict[str, list[Verdict]] = {}
    for result in results:
        if result.column:
            verdicts.setdefault(result.column, []).append(result.verdict)
    found = drifted_columns(verdicts.keys(), verdicts)
    reason = found.why_insufficient
    verdict = Verdict.DRIFT if found.share > check.threshold else Verdict.STABLE
    decision = Decision(
        value=found.share,
        rule=check.rule,
        threshold=check.threshold,
        p_value=None,
        level=None,
        tolerance=None,
        distance=found.share if found.n_judged else None,
        n_reference=n_reference,
        n_window=n_window,
        verdict=Verdict.INSUFFICIENT if reason else verdict,
        calibration="",
        reason=reason,
    )
    return found, decision


def describe_columns(found: DriftedColumns) -> str:
    """Say which columns drift, for an alert.

    Examples
    --------
    >>> describe_columns(DriftedColumns(5, 4, ("amount", "country")))
    '2 of 4 columns drift: amount, country'
    """
    more = len(found.names) - _MOST_NAMES
    named = ", ".join(found.names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    return f"{len(found.names)} of {found.n_judged} columns drift: {named}"
