"""Pure functions of two summaries: how far a window is from its reference, whether that is more than chance, and the verdict."""

from __future__ import annotations

from stream_gov.statistics.anderson_darling import anderson_darling
from stream_gov.statistics.calibrated import (
    hellinger_p_value,
    jensen_shannon_p_value,
    kullback_leibler_p_value,
    psi_p_value,
)
from stream_gov.statistics.catalogue import STATISTICS, Statistic
from stream_gov.statistics.chi_squared import chi_squared, chi_squared_degrees_of_freedom, chi_squared_p_value
from stream_gov.statistics.columns import missing_column_names, missing_columns, new_columns
from stream_gov.statistics.cramer_von_mises import cramer_von_mises
from stream_gov.statistics.decision import DEFAULT_LEVEL, Decision, decide
from stream_gov.statistics.drifted_columns import DriftedColumns, drifted_columns
from stream_gov.statistics.e_detector import EDetectorPlan, Evidence, e_detector_plan
from stream_gov.statistics.energy_distance import energy_distance
from stream_gov.statistics.hellinger import hellinger
from stream_gov.statistics.jensen_shannon import jensen_shannon, jensen_shannon_divergence
from stream_gov.statistics.joint_moments import correlation_shift, most_shifted_pair, reconstruction_error
from stream_gov.statistics.kolmogorov_smirnov import ks_p_value, ks_statistic
from stream_gov.statistics.kullback_leibler import kullback_leibler
from stream_gov.statistics.l_infinity import l_infinity
from stream_gov.statistics.mann_whitney import mann_whitney, mann_whitney_p_value
from stream_gov.statistics.mean_shift import mean_shift, mean_shift_p_value
from stream_gov.statistics.psi import PSI_FLOOR, psi
from stream_gov.statistics.share_rise import share_rise_p_value
from stream_gov.statistics.shares import (
    expected_unseen_share,
    missing_share,
    type_error_share,
    unseen_share,
    unseen_share_p_value,
)
from stream_gov.statistics.spread_shift import spread_shift, spread_shift_p_value
from stream_gov.statistics.total_variation import total_variation
from stream_gov.statistics.wasserstein import wasserstein

__all__ = [
    "DEFAULT_LEVEL",
    "PSI_FLOOR",
    "STATISTICS",
    "Decision",
    "DriftedColumns",
    "EDetectorPlan",
    "Evidence",
    "Statistic",
    "anderson_darling",
    "chi_squared",
    "chi_squared_degrees_of_freedom",
    "chi_squared_p_value",
    "correlation_shift",
    "cramer_von_mises",
    "decide",
    "drifted_columns",
    "e_detector_plan",
    "energy_distance",
    "expected_unseen_share",
    "hellinger",
    "hellinger_p_value",
    "jensen_shannon",
    "jensen_shannon_divergence",
    "jensen_shannon_p_value",
    "ks_p_value",
    "ks_statistic",
    "kullback_leibler",
    "kullback_leibler_p_value",
    "l_infinity",
    "mann_whitney",
    "mann_whitney_p_value",
    "mean_shift",
    "mean_shift_p_value",
    "missing_column_names",
    "missing_columns",
    "missing_share",
    "most_shifted_pair",
    "new_columns",
    "psi",
    "psi_p_value",
    "reconstruction_error",
    "share_rise_p_value",
    "spread_shift",
    "spread_shift_p_value",
    "total_variation",
    "type_error_share",
    "unseen_share",
    "unseen_share_p_value",
    "wasserstein",
]
