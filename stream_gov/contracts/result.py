"""What the monitor says of one statistic in one window: the messages of the topic `drift-metrics`."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

__all__ = ["Result", "Verdict", "content_id", "result_id"]


class Verdict(StrEnum):
    """What a check says of a window."""

    STABLE = "stable"
    DRIFT = "drift"
    INSUFFICIENT = "insufficient"
    """Too few records, or nothing to compare with; never shown as stable."""


def content_id(*parts: str | int) -> str:
    """Return 32 hexadecimal digits that depend on the parts alone, so that a repeated message overwrites itself.

    Examples
    --------
    >>> content_id("a", 1) == content_id("a", 1), content_id("a", 11) == content_id("a1", 1)
    (True, False)
    """
    joined = "\x1f".join(f"{type(p).__name__}:{p}" for p in parts)
    return hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()


def result_id(
    model: str, version: str, segment: str, column: str, statistic: str, window_start_ms: int, window_end_ms: int
) -> str:
    """Id of a result: the same for every revision, and for a live run and a backtest."""
    return content_id("result", model, version, segment, column, statistic, window_start_ms, window_end_ms)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One statistic of one column in one window, and its verdict."""

    id: str
    """Depends on model, version, segment, column, statistic and window only; a revision keeps it."""
    monitor: str
    model: str
    version: str
    segment: str
    """`""` for all events, otherwise such as `region=NSW`."""
    column: str
    """`""` where the statistic is of the whole model."""
    statistic: str
    window_start_ms: int
    """Epoch milliseconds, inclusive."""
    window_end_ms: int
    """Epoch milliseconds, exclusive."""
    revision: int
    """0 when the window first closed; each late change adds one."""
    value: float | None
    """In the statistic's unit; null where it is undefined."""
    rule: str
    """`threshold`, `p_value`, `calibrated` or `sequential`; `none` for the statistic `events`, which is never judged as drift."""
    threshold: float | None = None
    p_value: float | None = None
    level: float | None = None
    """Chance of a false alarm in this test, where the rule is `calibrated` or `p_value`; where it is `sequential`, one over the average number of
    windows between two false alarms, at most."""
    tolerance: float | None = None
    """Distance that counts as no drift, where the rule is `calibrated` or `sequential`."""
    distance: float | None = None
    """What the threshold or the tolerance is compared with: the size of the value; of a share with a tolerance, how far it rose over the
    reference's share. Null where the rule is `p_value`, or the value undefined."""
    calibration: str = ""
    """What the rule `calibrated` rests on: `long_run`, the dependence of events that the reference shows; `assumed`, where it does not show it; or
    `independent` draws. Otherwise empty."""
    n_reference: int
    """Sample size of the reference that the statistic used."""
    n_window: int
    """Sample size of the window that the statistic used."""
    verdict: Verdict
    since_ms: int | None = None
    """Start of the window with which a lasting shift began, where the rule is `sequential` and the verdict `drift`."""
    reason: str = ""
    """Why `insufficient`, in words; otherwise empty."""
    reference: str
    """The profile compared with, `name@revision`; empty if there is none. With a season or a trailing reference a `~` follows, and which:
    `prices@1~hour_of_day`, `prices@1~7d`, or `prices@1~7d/1d` with a gap."""
    events: int
    """Events counted in this window and segment."""
    late: int
    """Events of this model and segment that came too late for their own window since the result before this one."""
    rejected: int
    """Events of this model in this window that went to the dead-letter topic (in segment `""` only)."""
    maintenance: bool = False
    """The window overlaps a maintenance of the monitor: it neither opens, changes nor ends an alert."""
