"""Why a column drifts: the kind of change and its size in the column's own unit, from two summaries. Pure, like the statistics."""

from __future__ import annotations

from stream_gov.diagnosis.change_point import change_pane
from stream_gov.diagnosis.diagnosis import Diagnosis, diagnose
from stream_gov.diagnosis.remainder import remainder
from stream_gov.diagnosis.segment_search import SegmentPart, find_carrier
from stream_gov.diagnosis.wording import list_words, number_words, share_words, time_words

__all__ = [
    "Diagnosis",
    "SegmentPart",
    "change_pane",
    "diagnose",
    "find_carrier",
    "list_words",
    "number_words",
    "remainder",
    "share_words",
    "time_words",
]
