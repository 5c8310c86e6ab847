"""One of river's drift detectors on one series, rebuilt from the values it was fed whenever its object is not at hand."""

from __future__ import annotations

import json
import math
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import content_id
from stream_gov.contracts.online_detector import MAX_VALUES, Adwin, HddmA, HddmW, Kswin, OnlineDetector, PageHinkley
from stream_gov.detection.pane_log import NamedSeries, PaneLog
from stream_gov.detection.pane_series import Unit

__all__ = ["ChangeDetector", "RiverDetector", "fingerprint_of", "river_detector"]

MAX_ROWS = 4 * MAX_VALUES
"""Panes that a detector's memory may span where most of them have no value."""


class RiverDetector(Protocol):
    """What is used of river: the same in all its releases from 0.22 on."""

    def update(self, x: float) -> object:
        """Take in the next value."""

    @property
    def drift_detected(self) -> bool:
        """Whether the last value made it signal."""


def river_detector(config: OnlineDetector) -> RiverDetector:
    """Make a detector that has seen nothing.

    river takes half a second to load, and only monitors with detectors need it: so it is loaded here.
    """
    from river import drift as river_drift

    drift: Any = river_drift  # not typed in all its releases
    parameters = config.parameters()
    match config:
        case Adwin():
            made = drift.ADWIN(**parameters)
        case PageHinkley():
            made = drift.PageHinkley(**parameters)
        case Kswin():
            made = drift.KSWIN(**parameters)
        case HddmA():
            made = _renamed(drift.binary, "HDDM_A", "HDDMA")(**parameters)
        case HddmW():
            made = _renamed(drift.binary, "HDDM_W", "HDDMW")(**parameters)
    return cast(RiverDetector, made)


def _renamed(module: Any, before: str, since_0_25: str) -> Any:
    return getattr(module, since_0_25, None) or getattr(module, before)


def fingerprint_of(config: OnlineDetector, kind: str, pane_ms: int) -> str:
    """16 digits that differ where the values fed before, or what was made of them, do not serve any more."""
    return content_id("detector", json.dumps(config.parameters(), sort_keys=True), kind, pane_ms)[:16]


class ChangeDetector:
    """A detector and its memory: the rows of a log from `first_row` on.

    It is nothing but a function of these values: its object in memory is made by feeding them in their order to a fresh one. A signal
    empties the memory. When it holds `2 * values_kept` values (or spans 4,000 panes) it is cut to the newest `values_kept` (or 2,000 panes)
    just before the next value, and the object made anew, so that a restart at any time changes nothing. A signal while values are fed *again*
    is not reported, and empties the memory up to there.

    Parameters
    ----------
    name
        Column and series.
    fingerprint
        Of its parameters, see :func:`fingerprint_of`.
    first_row
        Row of the log in which its memory begins.
    """

    __slots__ = ("_config", "_river", "_unit", "fingerprint", "first_row", "n", "name")

    def __init__(self, name: NamedSeries, fingerprint: str, first_row: int) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.first_row = first_row
        self.n = 0
        """Values in its memory; known once it was woken."""
        self._config: OnlineDetector | None = None
        self._unit = Unit()
        self._river: RiverDetector | None = None

    def wake(self, config: OnlineDetector, unit: Unit, log: PaneLog) -> None:
        """Make it ready for the next row of the log: nothing to do, unless it was not at hand or its unit is another."""
        known = self._config is config or self._config == config
        if self._river is None or not known or self._unit != unit:
            self._config, self._unit = config, unit
            self._feed_again(log, self.first_row, log.next_row)

    def make_room(self, log: PaneLog) -> None:
        """Cut the memory if it is full. To be called before each row is added."""
        kept, end = self._settings().values_kept, log.next_row
        if self.n >= 2 * kept:
            places = np.flatnonzero(~np.isnan(self._values(log, self.first_row, end)))
            self._feed_again(log, self.first_row + int(places[-kept]), end)
        elif end - self.first_row >= MAX_ROWS:
            self._feed_again(log, end - MAX_ROWS // 2, end)

    def feed(self, value: float, row: int) -> bool:
        """Take in the finite value of a row, in the unit of the series; tell whether it signals a change."""
        if self._river is None:
            self._river = river_detector(self._settings())
        self._river.update(value)
        self.n += 1
        if not self._river.drift_detected:
            return False
        self.start_anew(row + 1)
        return True

    def start_anew(self, row: int) -> None:
        """Forget all rows before `row`."""
        self._river, self.n, self.first_row = None, 0, row

    def in_unit(self, value: float) -> float:
        """Value of the series from a value of the log; `nan` where it is undefined."""
        found = (value - self._unit.center) / self._unit.scale
        return found if math.isfinite(found) else math.nan

    def _settings(self) -> OnlineDetector:
        if self._config is None:
            msg = f"the detector of {self.name} is fed before it is woken"
            raise RuntimeError(msg)
        return self._config

    def _values(self, log: PaneLog, first: int, end: int) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):  # beyond all numbers is no value
            values = (log.values(self.name, first, end) - self._unit.center) / self._unit.scale
        values[~np.isfinite(values)] = np.nan
        return values

    def _feed_again(self, log: PaneLog, first: int, end: int) -> None:
        self.start_anew(first)
        self._river = river_detector(self._settings())
        for row, value in enumerate(self._values(log, first, end).tolist(), start=first):
            if not math.isnan(value):
                self.feed(value, row)
