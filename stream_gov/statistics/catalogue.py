"""Every statistic by name: what it means, what it applies to, and how it is computed from the summaries of a reference and a window."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from stream_gov.statistics.calibrated import distance_in_nats, jensen_shannon_p_value, psi_p_value
from stream_gov.statistics.calibrated_long_run import (
    long_run_ks_p_value,
    long_run_mean_shift_p_value,
    long_run_share_p_value,
    long_run_unseen_p_value,
)
from stream_gov.statistics.catalogue_distances import DISTANCES, divergence_long_run, is_ordered
from stream_gov.statistics.chi_squared import chi_squared, chi_squared_p_value
from stream_gov.statistics.columns import missing_columns, new_columns
from stream_gov.statistics.divergences import JENSEN_SHANNON_NATS, PSI_NATS
from stream_gov.statistics.drifted_columns import drifted_share
from stream_gov.statistics.frechet_distance import frechet_of_summaries, frechet_p_value, long_run_frechet_p_value
from stream_gov.statistics.jensen_shannon import jensen_shannon
from stream_gov.statistics.joint_moments import ROWS_PER_COLUMN, correlation_shift, reconstruction_error
from stream_gov.statistics.kolmogorov_smirnov import ks_p_value, ks_statistic
from stream_gov.statistics.l_infinity import l_infinity
from stream_gov.statistics.mean_shift import mean_shift, mean_shift_p_value
from stream_gov.statistics.psi import psi
from stream_gov.statistics.share_rise import share_rise_p_value
from stream_gov.statistics.shares import (
    expected_unseen_share,
    missing_share,
    type_error_share,
    unseen_share,
    unseen_share_p_value,
)
from stream_gov.statistics.spread_shift import spread_shift, spread_shift_p_value
from stream_gov.statistics.statistic import CATEGORICAL, NUMERIC, Statistic
from stream_gov.statistics.wasserstein import wasserstein
from stream_gov.summaries import CategoricalSummary, ColumnSummary, CovarianceSummary, LongRun, NumericSummary

__all__ = ["STATISTICS", "Statistic"]


def _psi(reference: ColumnSummary, window: ColumnSummary) -> float:
    return psi(reference.cell_counts(), window.cell_counts())


def _psi_calibrated(reference: ColumnSummary, window: ColumnSummary, tolerance: float) -> float:
    return psi_p_value(
        reference.cell_counts(), window.cell_counts(), tolerance=tolerance, ordered=is_ordered(reference)
    )


def _psi_long_run(reference: ColumnSummary, window: ColumnSummary, tolerance: float, long_run: LongRun) -> float:
    return divergence_long_run(reference, window, PSI_NATS, tolerance, long_run)


def _psi_p_value(reference: ColumnSummary, window: ColumnSummary) -> float:
    return _psi_calibrated(reference, window, 0.0)


def _jensen_shannon(reference: ColumnSummary, window: ColumnSummary) -> float:
    return jensen_shannon(reference.cell_counts(), window.cell_counts())


def _jensen_shannon_calibrated(reference: ColumnSummary, window: ColumnSummary, tolerance: float) -> float:
    return jensen_shannon_p_value(
        reference.cell_counts(), window.cell_counts(), tolerance=tolerance, ordered=is_ordered(reference)
    )


def _jensen_shannon_long_run(
    reference: ColumnSummary, window: ColumnSummary, tolerance: float, long_run: LongRun
) -> float:
    return divergence_long_run(reference, window, JENSEN_SHANNON_NATS, distance_in_nats(tolerance), long_run)


def _jensen_shannon_p_value(reference: ColumnSummary, window: ColumnSummary) -> float:
    return _jensen_shannon_calibrated(reference, window, 0.0)


def _ks(reference: NumericSummary, window: NumericSummary) -> float:
    return ks_statistic(reference.counts, window.counts)


def _ks_calibrated(reference: NumericSummary, window: NumericSummary, tolerance: float) -> float:
    if not (reference.n_valid and window.n_valid):
        return math.nan
    return ks_p_value(_ks(reference, window), window.n_valid, reference.n_valid, tolerance=tolerance)


def _ks_long_run(reference: NumericSummary, window: NumericSummary, tolerance: float, long_run: LongRun) -> float:
    if not (reference.n_valid and window.n_valid):
        return math.nan
    return long_run_ks_p_value(_ks(reference, window), window.n_valid, reference.n_valid, long_run, tolerance=tolerance)


def _ks_p_value(reference: NumericSummary, window: NumericSummary) -> float:
    return _ks_calibrated(reference, window, 0.0)


def _wasserstein(reference: NumericSummary, window: NumericSummary) -> float:
    if not (reference.n_valid and window.n_valid):
        return math.nan
    return wasserstein(
        reference.layout.edges,
        reference.counts,
        window.counts,
        low=min(reference.minimum, window.minimum),
        high=max(reference.maximum, window.maximum),
        unit=reference.standard_deviation(),
    )


def _chi_squared(reference: ColumnSummary, window: ColumnSummary) -> float:
    return chi_squared(reference.cell_counts(), window.cell_counts())


def _chi_squared_p_value(reference: ColumnSummary, window: ColumnSummary) -> float:
    return chi_squared_p_value(reference.cell_counts(), window.cell_counts())


def _l_infinity(reference: ColumnSummary, window: ColumnSummary) -> float:
    return l_infinity(reference.cell_counts(), window.cell_counts())


def _mean_shift(reference: NumericSummary, window: NumericSummary) -> float:
    return mean_shift(
        mean_reference=reference.mean(), sd_reference=reference.standard_deviation(), mean_window=window.mean()
    )


def _mean_shift_calibrated(reference: NumericSummary, window: NumericSummary, tolerance: float) -> float:
    return mean_shift_p_value(
        mean_reference=reference.mean(),
        variance_reference=reference.variance(),
        n_reference=reference.n_valid,
        mean_window=window.mean(),
        variance_window=window.variance(),
        n_window=window.n_valid,
        tolerance=tolerance,
    )


def _mean_shift_long_run(
    reference: NumericSummary, window: NumericSummary, tolerance: float, long_run: LongRun
) -> float:
    return long_run_mean_shift_p_value(
        mean_reference=reference.mean(),
        variance_reference=reference.variance(),
        n_reference=reference.n_valid,
        mean_window=window.mean(),
        variance_window=window.variance(),
        n_window=window.n_valid,
        long_run=long_run,
        tolerance=tolerance,
    )


def _mean_shift_p_value(reference: NumericSummary, window: NumericSummary) -> float:
    return _mean_shift_calibrated(reference, window, 0.0)


def _spread_shift(reference: NumericSummary, window: NumericSummary) -> float:
    return spread_shift(sd_reference=reference.standard_deviation(), sd_window=window.standard_deviation())


def _spread_shift_p_value(reference: NumericSummary, window: NumericSummary) -> float:
    return spread_shift_p_value(
        variance_reference=reference.variance(),
        n_reference=reference.n_valid,
        variance_window=window.variance(),
        n_window=window.n_valid,
    )


def _missing_share(reference: ColumnSummary, window: ColumnSummary) -> float:
    del reference
    return missing_share(window.n_missing, window.n)


def _missing_share_before(reference: ColumnSummary) -> float:
    return missing_share(reference.n_missing, reference.n)


def _missing_share_calibrated(reference: ColumnSummary, window: ColumnSummary, tolerance: float) -> float:
    return share_rise_p_value(window.n_missing, window.n, reference.n_missing, reference.n, tolerance=tolerance)


def _missing_share_long_run(
    reference: ColumnSummary, window: ColumnSummary, tolerance: float, long_run: LongRun
) -> float:
    counts = window.n_missing, window.n, reference.n_missing, reference.n
    return long_run_share_p_value(*counts, long_run, long_run.missing, tolerance=tolerance)


def _missing_share_p_value(reference: ColumnSummary, window: ColumnSummary) -> float:
    return _missing_share_calibrated(reference, window, 0.0)


def _type_error_share(reference: ColumnSummary, window: ColumnSummary) -> float:
    del reference
    return type_error_share(window.n_type_errors, window.n)


def _type_error_share_before(reference: ColumnSummary) -> float:
    return type_error_share(reference.n_type_errors, reference.n)


def _type_error_share_calibrated(reference: ColumnSummary, window: ColumnSummary, tolerance: float) -> float:
    return share_rise_p_value(window.n_type_errors, window.n, reference.n_type_errors, reference.n, tolerance=tolerance)


def _type_error_share_long_run(
    reference: ColumnSummary, window: ColumnSummary, tolerance: float, long_run: LongRun
) -> float:
    counts = window.n_type_errors, window.n, reference.n_type_errors, reference.n
    return long_run_share_p_value(*counts, long_run, long_run.type_errors, tolerance=tolerance)


def _type_error_share_p_value(reference: ColumnSummary, window: ColumnSummary) -> float:
    return _type_error_share_calibrated(reference, window, 0.0)


def _unseen_share(reference: CategoricalSummary, window: CategoricalSummary) -> float:
    del reference
    return unseen_share(window.n_unseen, window.n_valid)


def _unseen_share_before(reference: CategoricalSummary) -> float:
    return expected_unseen_share(reference.cell_counts())


def _unseen_share_calibrated(reference: CategoricalSummary, window: CategoricalSummary, tolerance: float) -> float:
    return unseen_share_p_value(reference.cell_counts(), window.cell_counts(), tolerance=tolerance)


def _unseen_share_long_run(
    reference: CategoricalSummary, window: CategoricalSummary, tolerance: float, long_run: LongRun
) -> float:
    return long_run_unseen_p_value(reference.cell_counts(), window.cell_counts(), long_run, tolerance=tolerance)


def _unseen_share_p_value(reference: CategoricalSummary, window: CategoricalSummary) -> float:
    return _unseen_share_calibrated(reference, window, 0.0)


def _frechet_no_change(reference: CovarianceSummary, window: CovarianceSummary) -> float:
    return frechet_p_value(reference, window, 0.0)


_RISE = "; the tolerance is how far it may rise above the reference's share"

_NO_JOINT_MOMENTS = (
    "the reference was built without `covariance: true`, fewer than two numeric columns vary, or a side has fewer than "
    f"{ROWS_PER_COLUMN} rows without missing values for each column"
)

_ALL = (
    Statistic(
        name="psi",
        unit="nats",
        range="[0, 18.5)",
        description="Population stability index: how far apart the shares of the cells are.",
        compute=_psi,
        p_value=_psi_p_value,
        calibrated=_psi_calibrated,
        long_run=_psi_long_run,
    ),
    Statistic(
        name="jensen_shannon",
        unit="none",
        range="[0, 1]",
        description="Jensen-Shannon distance (base 2): how far apart the shares of the cells are; 1 where none is shared.",
        compute=_jensen_shannon,
        p_value=_jensen_shannon_p_value,
        calibrated=_jensen_shannon_calibrated,
        long_run=_jensen_shannon_long_run,
    ),
    Statistic(
        name="ks",
        kinds=NUMERIC,
        unit="share",
        range="[0, 1]",
        description="Kolmogorov-Smirnov distance: the largest difference of the shares below one value, over the edges of the cells.",
        compute=_ks,
        p_value=_ks_p_value,
        calibrated=_ks_calibrated,
        long_run=_ks_long_run,
    ),
    Statistic(
        name="wasserstein",
        kinds=NUMERIC,
        unit="standard deviations of the reference",
        range="[0, inf)",
        description="Wasserstein distance: how far the values moved on average, in standard deviations of the reference.",
        undefined="the reference does not vary",
        compute=_wasserstein,
    ),
    Statistic(
        name="chi_squared",
        unit="none",
        range="[0, n + m]",
        description="Pearson's chi-squared of two samples; it grows with the sample sizes, so judge its p-value.",
        compute=_chi_squared,
        p_value=_chi_squared_p_value,
    ),
    Statistic(
        name="l_infinity",
        unit="share",
        range="[0, 1]",
        description="The largest change of the share of any one cell.",
        compute=_l_infinity,
    ),
    Statistic(
        name="mean_shift",
        kinds=NUMERIC,
        unit="standard deviations of the reference",
        range="(-inf, inf)",
        description="Change of the mean in standard deviations of the reference; positive upwards.",
        undefined="the reference does not vary",
        signed=True,
        compute=_mean_shift,
        p_value=_mean_shift_p_value,
        calibrated=_mean_shift_calibrated,
        long_run=_mean_shift_long_run,
    ),
    Statistic(
        name="spread_shift",
        kinds=NUMERIC,
        unit="log ratio",
        range="(-inf, inf)",
        description="Logarithm of the standard deviation over that of the reference; 0.69 is twice as wide, -0.69 half.",
        undefined="one side does not vary",
        signed=True,
        compute=_spread_shift,
        p_value=_spread_shift_p_value,
    ),
    *DISTANCES,
    Statistic(
        name="frechet_distance",
        scope="vector",
        kinds=frozenset(),
        unit="spreads of the reference",
        range="[0, inf)",
        description=(
            "Frechet distance of the vectors, in square roots of the reference's total variance; a p-value or tolerance tests the shift of "
            "their mean, which is at most as large."
        ),
        undefined="the reference does not vary, or there are fewer than 10 vectors for each dimension of the projection",
        compute=frechet_of_summaries,
        p_value=_frechet_no_change,
        calibrated=frechet_p_value,
        long_run=long_run_frechet_p_value,
    ),
    Statistic(
        name="missing_share",
        unit="share",
        range="[0, 1]",
        description=f"Share of events without a value{_RISE}.",
        counts="rows",
        compute=_missing_share,
        p_value=_missing_share_p_value,
        calibrated=_missing_share_calibrated,
        long_run=_missing_share_long_run,
        tolerated_over=_missing_share_before,
    ),
    Statistic(
        name="type_error_share",
        unit="share",
        range="[0, 1]",
        description=f"Share of events whose value is of another type than the reference's{_RISE}.",
        counts="rows",
        compute=_type_error_share,
        p_value=_type_error_share_p_value,
        calibrated=_type_error_share_calibrated,
        long_run=_type_error_share_long_run,
        tolerated_over=_type_error_share_before,
    ),
    Statistic(
        name="unseen_share",
        kinds=CATEGORICAL,
        unit="share",
        range="[0, 1]",
        description=f"Share of values in categories that the reference does not know{_RISE}.",
        compute=_unseen_share,
        p_value=_unseen_share_p_value,
        calibrated=_unseen_share_calibrated,
        long_run=_unseen_share_long_run,
        tolerated_over=_unseen_share_before,
    ),
    Statistic(
        name="new_columns",
        scope="model",
        kinds=frozenset(),
        unit="columns",
        range="[0, 32]",
        description="Columns of the events that the reference does not have.",
        counts="rows",
        compute=new_columns,
    ),
    Statistic(
        name="missing_columns",
        scope="model",
        kinds=frozenset(),
        unit="columns",
        range="[0, columns of the reference]",
        description="Columns of the reference that have no valid value in the window.",
        counts="rows",
        compute=missing_columns,
    ),
    Statistic(
        name="reconstruction_error",
        scope="model",
        kinds=frozenset(),
        unit="nats",
        range="(-inf, inf)",
        description=(
            "Logarithm of the mean squared error with which the reference's principal components rebuild the window's rows, over that of the "
            "reference's own rows."
        ),
        undefined=_NO_JOINT_MOMENTS,
        signed=True,
        counts="complete_rows",
        compute=reconstruction_error,
    ),
    Statistic(
        name="correlation_shift",
        scope="model",
        kinds=frozenset(),
        unit="correlation",
        range="[0, 2]",
        description="Largest change of the correlation of two numeric columns.",
        undefined=_NO_JOINT_MOMENTS,
        counts="complete_rows",
        compute=correlation_shift,
    ),
    Statistic(
        name="drifted_columns",
        scope="verdicts",
        kinds=frozenset(),
        unit="share",
        range="[0, 1]",
        description="Share of the columns that drift by any other check, among those that could be judged.",
        undefined="no column could be judged",
        counts="rows",
        compute=drifted_share,
    ),
)

STATISTICS: Mapping[str, Statistic] = MappingProxyType({statistic.name: statistic for statistic in _ALL})
"""By name, in the order of the documentation."""
