"""How good alarms are where the drifts are known: precision, missed drifts, delay, false alarms and what they come to.

The measures and their names are those of river's `drift.evaluate`, which its releases up to 0.26 do not have yet. Times are whole numbers in
any unit, here windows. A drift is an interval from its start to its end, both inclusive; an alarm belongs to the first drift whose interval,
made longer by `delta_max` at its end, holds it, and is false if there is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Scores", "score"]

Drift = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Scores:
    """What a run of alarms is worth. `nan` where a measure is undefined."""

    n_alarms: int
    n_false: int
    precision: float
    """Share of alarms that belong to a drift; undefined without alarms."""
    recall: float
    """Alarms that belong to a drift, of these and the missed drifts: several alarms of one drift count several times."""
    missed: float
    """Share of drifts without an alarm; undefined without drifts."""
    delay: float
    """Mean time from the start of a drift to its first alarm, missed drifts left out; undefined if all were missed."""
    false_alarm_rate: float
    """False alarms in a unit of time."""
    between_false_alarms: float
    """Mean time between two false alarms; undefined with fewer than two."""
    mean_time_ratio: float
    """Mean time between false alarms over the delay, times the share of drifts found: larger is better; undefined where one of them is."""


def score(alarms: Sequence[int], drifts: Sequence[Drift], *, delta_max: int, n: int) -> Scores:
    """Score alarms against drifts.

    Parameters
    ----------
    alarms, drifts
        In the order of time.
    delta_max
        How long after the end of a drift an alarm still belongs to it, `>= 1`.
    n
        Length of the whole, in the unit of time, `>= 1`.
    """
    if delta_max < 1 or n < 1:
        msg = f"delta_max and n must be at least 1, got {delta_max} and {n}"
        raise ValueError(msg)
    first_alarm: dict[int, int] = {}
    false: list[int] = []
    for alarm in alarms:
        found = next((i for i, (start, end) in enumerate(drifts) if start <= alarm <= end + delta_max), None)
        if found is None:
            false.append(alarm)
        else:
            first_alarm.setdefault(found, alarm)
    n_true, n_missed = len(alarms) - len(false), len(drifts) - len(first_alarm)
    delays = [alarm - drifts[i][0] for i, alarm in first_alarm.items()]
    delay = _mean(delays)
    between = (false[-1] - false[0]) / (len(false) - 1) if len(false) > 1 else math.nan
    missed = n_missed / len(drifts) if drifts else math.nan
    return Scores(
        n_alarms=len(alarms),
        n_false=len(false),
        precision=n_true / len(alarms) if alarms else math.nan,
        recall=n_true / (n_true + n_missed) if n_true + n_missed else math.nan,
        missed=missed,
        delay=delay,
        false_alarm_rate=len(false) / n,
        between_false_alarms=between,
        mean_time_ratio=between / delay * (1 - missed) if delay else math.inf * between,
    )


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else math.nan
