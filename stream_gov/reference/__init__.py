"""Reference profiles: what live data is compared with."""

from __future__ import annotations

from stream_gov.reference.builder import ProfileBuilder, build_profile
from stream_gov.reference.data_hash import DataHash
from stream_gov.reference.layouts import MAX_CATEGORIES, LayoutChoice, choose_layout
from stream_gov.reference.plan import counting_plan
from stream_gov.reference.profile import PROFILE_FORMAT, ReferenceProfile, profile_id, split_profile_id
from stream_gov.reference.profile_diff import ColumnDiff, ProfileDiff, diff_profiles
from stream_gov.reference.rows import ColumnValues, RowBatch

__all__ = [
    "MAX_CATEGORIES",
    "PROFILE_FORMAT",
    "ColumnDiff",
    "ColumnValues",
    "DataHash",
    "LayoutChoice",
    "ProfileBuilder",
    "ProfileDiff",
    "ReferenceProfile",
    "RowBatch",
    "build_profile",
    "choose_layout",
    "counting_plan",
    "diff_profiles",
    "profile_id",
    "split_profile_id",
]
