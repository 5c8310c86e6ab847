"""Every statistic by name: what it means, what it applies to, and how it is computed from the summaries of a reference and a window."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from stream_gov.statistics.calibrated import distance_in_nats, jensen_shannon_p_value, psi_p_value
from stream_gov.statistics.calibrated_long_run import (
    long_run_ks_p_value,
    long_run_mean_shift_p_value,
    long_run_p_value,
    long_run_share_p_value,
    long_run_unseen_p_value,
)
from stream_gov.statistics.chi_squared import chi_squared, chi_squared_p_value
from stream_gov.statistics.columns import missing_columns, new_columns
from stream_gov.statistics.divergences import JENSEN_SHANNON_NATS, PSI_NATS, Divergence
from stream_gov.statistics.frechet_distance import frechet_of_summaries, frechet_p_value, long_run_frechet_p_value
from stream_gov.statistics.jensen_shannon import jensen_shannon
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
from stream_gov.statistics.wasserstein import wasserstein
from stream_gov.summaries import (
    CategoricalSummary,
    ColumnSummary,
    CovarianceSummary,
    LongRun,
    NumericSummary,
    PaneSummary,
)

__all__ = ["STATISTICS", "Statistic"]

_ANY_KIND = frozenset({"numeric", "categorical", "boolean"})
_NUMERIC = frozenset({"numeric"})
_CATEGORICAL = frozenset({"categorical"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One statistic of the catalogue.

    The functions take the summary of the reference and that of the window, in this order: of a column where `scope` is `"column"`, of a pane
    where it is `"model"`, the covariance of a vector's projections where it is `"vector"`. Both have the same layout. None of them decides anything.
    """

    name: str
    """As in the monitor file and in results."""
    scope: Literal["column", "model", "vector"] = "column"
    kinds: frozenset[str] = _ANY_KIND
    """Kinds of column it applies to; empty for a statistic of the model or of vectors."""
    unit: str
    """Of the value and of a threshold."""
    range: str
    description: str
    """One sentence for people: what the value means, and the tolerance where that is something else."""
    undefined: str = "one side has no values"
    """When the value is `nan`, in words that end the sentence "undefined: ..."."""
    signed: bool = False
    """Whether the value has a direction; a threshold is then compared with its size."""
    counts: Literal["values", "rows"] = "values"
    """What the sample size counts: valid values, or events whether their value is valid or not."""
    compute: Callable[[Any, Any], float]
    """(reference, window) -> value, `nan` where it is undefined."""
    p_value: Callable[[Any, Any], float] | None = None
    """(reference, window) -> p-value of "no change"; None if there is no sound test."""
    calibrated: Callable[[Any, Any, float], float] | None = None
    """(reference, window, tolerance) -> p-value of "the true distance is within the tolerance"; None if there is no sound test."""
    long_run: Callable[[Any, Any, float, Any], float] | None = None
    """The same where draws depend on the draws before them as the reference's long-run covariance says; the larger p-value counts."""

    tolerated_over: Callable[[Any], float] | None = None
    """(reference) -> value from which a tolerance is measured; None: from 0."""

    def applies_to(self, kind: str) -> bool:
        """Tell whether it can be computed for a column of this kind (`numeric`, `categorical` or `boolean`)."""
        return kind in self.kinds

    def sample_sizes(
        self,
        reference: ColumnSummary | PaneSummary | CovarianceSummary,
        window: ColumnSummary | PaneSummary | CovarianceSummary,
    ) -> tuple[int, int]:
        """Sizes of reference and window that it rests on."""
        return self._sample_size(reference), self._sample_size(window)

    def _sample_size(self, summary: ColumnSummary | PaneSummary | CovarianceSummary) -> int:
        if isinstance(summary, CovarianceSummary):
            return summary.n
        if isinstance(summary, PaneSummary):
            return summary.n_events
        return summary.n_valid if self.counts == "values" else summary.n


def _is_ordered(reference: ColumnSummary) -> bool:
    # Categories stand in the order of their counts in the reference; cells of numbers, and false and true, in their own.
    return reference.kind != "categorical"


def _psi(reference: ColumnSummary, window: ColumnSummary) -> float:
    return psi(reference.cell_counts(), window.cell_counts())


def _psi_calibrated(reference: ColumnSummary, window: ColumnSummary, tolerance: float) -> float:
    return psi_p_value(
        reference.cell_counts(), window.cell_counts(), tolerance=tolerance, ordered=_is_ordered(reference)
    )


def _long_run(
    reference: ColumnSummary, window: ColumnSummary, divergence: Divergence, nats: float, long_run: LongRun
) -> float:
    return long_run_p_value(
        reference.cell_counts(), window.cell_counts(), long_run, divergence, tolerance=nats, kind=reference.kind
    )


def _psi_long_run(reference: ColumnSummary, window: ColumnSummary, tolerance: float, long_run: LongRun) -> float:
    return _long_run(reference, window, PSI_NATS, tolerance, long_run)


def _psi_p_value(reference: ColumnSummary, window: ColumnSummary) -> float:
    return _psi_calibrated(reference, window, 0.0)


def _jensen_shannon(reference: ColumnSummary, window: ColumnSummary) -> float:
    return jensen_shannon(reference.cell_counts(), window.cell_counts())


def _jensen_shannon_calibrated(reference: ColumnSummary, window: ColumnSummary, tolerance: float) -> float:
    return jensen_shannon_p_value(
        reference.cell_counts(), window.cell_counts(), tolerance=tolerance, ordered=_is_ordered(reference)
    )


def _jensen_shannon_long_run(
    reference: ColumnSummary, window: ColumnSummary, tolerance: float, long_run: LongRun
) -> float:
    return _long_run(reference, window, JENSEN_SHANNON_NATS, distance_in_nats(tolerance), long_run)


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
        kinds=_NUMERIC,
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
        kinds=_NUMERIC,
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
        kinds=_NUMERIC,
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
        kinds=_NUMERIC,
        unit="log ratio",
        range="(-inf, inf)",
        description="Logarithm of the standard deviation over that of the reference; 0.69 is twice as wide, -0.69 half.",
        undefined="one side does not vary",
        signed=True,
        compute=_spread_shift,
        p_value=_spread_shift_p_value,
    ),
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
        kinds=_CATEGORICAL,
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
)

STATISTICS: Mapping[str, Statistic] = MappingProxyType({statistic.name: statistic for statistic in _ALL})
"""By name, in the order of the documentation."""
