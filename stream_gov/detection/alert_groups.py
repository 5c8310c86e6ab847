"""Alerts that belong together: those of the segments of a model and version, with that of all its events."""

from __future__ import annotations

from collections.abc import Mapping

from stream_gov.contracts import alert_group_id
from stream_gov.detection.state import Series, SeriesKey

__all__ = ["AlertGroups"]


class AlertGroups:
    """Tells the group of an alert that opens, for the windows of one model that one step closes.

    An alert opens in the group of its window, the same for all segments of the model and version; or in that of the alert of all events,
    while that is open. The series of all events is judged before its segments, but for all windows that are due at once; so what it was
    in each of them is noted.

    Parameters
    ----------
    series
        Of the model.
    """

    def __init__(self, series: Mapping[SeriesKey, Series]) -> None:
        self._series = series
        self._noted: dict[tuple[str, int], str] = {}

    def note(self, key: SeriesKey, series: Series, window_end_ms: int) -> None:
        """Take the group that the series of all events is in after one of its windows; series of segments are left alone."""
        if not key[2]:
            self._noted[(key[1], window_end_ms)] = "" if series.alert.last is None else series.alert.last.group_id

    def of(self, monitor: str, key: SeriesKey, window_start_ms: int, window_end_ms: int) -> str:
        """Group of an alert of this series that opens in this window."""
        model, version, segment = key
        if segment:
            group = self._noted.get((version, window_end_ms))
            if group is None:
                # Judged before: such as a segment that only late events have brought.
                whole = self._series.get((model, version, ""))
                last = whole.alert.last if whole is not None else None
                group = last.group_id if last is not None and last.opened_window_end_ms <= window_end_ms else ""
            if group:
                return group
        return alert_group_id(monitor, model, version, window_start_ms, window_end_ms)
