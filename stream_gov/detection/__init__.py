"""Detection: windows, watermarks, decisions on closed windows, the life of alerts. Pure: one step for each record."""

from __future__ import annotations

from stream_gov.detection.alert_attention import Attention
from stream_gov.detection.alert_causes import OpenCause, distance, weight
from stream_gov.detection.alert_lifecycle import AlertMemory, advance, revise
from stream_gov.detection.backtest import BacktestTotals, backtest
from stream_gov.detection.catalog import Catalog, StaticCatalog
from stream_gov.detection.detector import MAX_SERIES_PER_MODEL, Detector, Step
from stream_gov.detection.due_windows import MAX_EMPTY_WINDOWS
from stream_gov.detection.injected_shift import InjectedShift, inject
from stream_gov.detection.judge import EVENTS_STATISTIC, JudgedWindow, Window, judge_window, levels_for
from stream_gov.detection.levels import LARGEST_LEVEL, SHARE_OF_SEGMENTS, Levels, levels_of
from stream_gov.detection.monitor_comparison import MonitorRun, evenly, never, run_of
from stream_gov.detection.outlook import CheckOutlook, expected_events, outlooks_of
from stream_gov.detection.state import PartitionState
from stream_gov.detection.state_keys import table_key
from stream_gov.detection.watermarks import SourceWatermarks
from stream_gov.detection.windows import closing_watermark, first_end_after, last_end_containing, window_ends_containing

__all__ = [
    "EVENTS_STATISTIC",
    "LARGEST_LEVEL",
    "MAX_EMPTY_WINDOWS",
    "MAX_SERIES_PER_MODEL",
    "SHARE_OF_SEGMENTS",
    "AlertMemory",
    "Attention",
    "BacktestTotals",
    "Catalog",
    "CheckOutlook",
    "Detector",
    "InjectedShift",
    "JudgedWindow",
    "Levels",
    "MonitorRun",
    "OpenCause",
    "PartitionState",
    "SourceWatermarks",
    "StaticCatalog",
    "Step",
    "Window",
    "advance",
    "backtest",
    "closing_watermark",
    "distance",
    "evenly",
    "expected_events",
    "first_end_after",
    "inject",
    "judge_window",
    "last_end_containing",
    "levels_for",
    "levels_of",
    "never",
    "outlooks_of",
    "revise",
    "run_of",
    "table_key",
    "weight",
    "window_ends_containing",
]
