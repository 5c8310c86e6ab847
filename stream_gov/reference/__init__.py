"""Reference profiles: what live data is compared with."""

from __future__ import annotations

from stream_gov.reference.builder import ProfileBuilder, build_profile
from stream_gov.reference.data_hash import DataHash
from stream_gov.reference.layouts import MAX_CATEGORIES, LayoutChoice, choose_layout
from stream_gov.reference.mixture import effective_rows, largest_remainder, mixture
from stream_gov.reference.plan import counting_plan, season_mismatch
from stream_gov.reference.profile import PROFILE_FORMAT, ReferenceProfile, profile_id, split_profile_id
from stream_gov.reference.profile_diff import ColumnDiff, ProfileDiff, diff_profiles
from stream_gov.reference.rows import ColumnValues, RowBatch
from stream_gov.reference.season_slots import MAX_SLOT_SUMMARIES, SlotSummaries, slots_of
from stream_gov.reference.seasonal_long_run import MixtureDependence, long_run_by_slot

__all__ = [
    "MAX_CATEGORIES",
    "MAX_SLOT_SUMMARIES",
    "PROFILE_FORMAT",
    "ColumnDiff",
    "ColumnValues",
    "DataHash",
    "LayoutChoice",
    "MixtureDependence",
    "ProfileBuilder",
    "ProfileDiff",
    "ReferenceProfile",
    "RowBatch",
    "SlotSummaries",
    "build_profile",
    "choose_layout",
    "counting_plan",
    "diff_profiles",
    "effective_rows",
    "largest_remainder",
    "long_run_by_slot",
    "mixture",
    "profile_id",
    "season_mismatch",
    "slots_of",
    "split_profile_id",
]
