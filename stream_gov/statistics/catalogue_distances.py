"""The catalogue's distances beside the first ones: of shares, and of the order of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stream_gov.statistics.anderson_darling import anderson_darling_rows
from stream_gov.statistics.calibrated import hellinger_p_value, kullback_leibler_p_value
from stream_gov.statistics.calibrated_long_run import long_run_p_value
from stream_gov.statistics.cell_covariance import pool_of_cells
from stream_gov.statistics.cramer_von_mises import cramer_von_mises_rows
from stream_gov.statistics.divergences import KULLBACK_LEIBLER_NATS, SQUARED_HELLINGER, Divergence
from stream_gov.statistics.energy_distance import energy_distance_rows
from stream_gov.statistics.hellinger import hellinger
from stream_gov.statistics.kullback_leibler import kullback_leibler
from stream_gov.statistics.mann_whitney import (
    long_run_mann_whitney_p_value,
    mann_whitney,
    mann_whitney_p_value,
)
from stream_gov.statistics.quadratic_form import distance, long_run_quadratic_form_p_value, quadratic_form_p_value
from stream_gov.statistics.statistic import NUMERIC, Statistic
from stream_gov.statistics.total_variation import total_variation
from stream_gov.summaries import ColumnSummary, LongRun, NumericSummary

__all__ = ["DISTANCES", "divergence_long_run", "is_ordered"]

_Rows = Callable[[NumericSummary, NumericSummary], NDArray[np.float64] | None]
"""(reference, window) -> matrix of a quadratic form; None where the distance is undefined."""


def is_ordered(reference: ColumnSummary) -> bool:
    """Whether the cells stand in an order that was not taken from their counts."""
    # Categories stand in the order of their counts in the reference; cells of numbers, and false and true, in their own.
    return reference.kind != "categorical"


def divergence_long_run(
    reference: ColumnSummary, window: ColumnSummary, divergence: Divergence, tolerance: float, long_run: LongRun
) -> float:
    """P-value of dependent draws, the tolerance in the unit of the divergence."""
    return long_run_p_value(
        reference.cell_counts(), window.cell_counts(), long_run, divergence, tolerance=tolerance, kind=reference.kind
    )


def _hellinger(reference: ColumnSummary, window: ColumnSummary) -> float:
    return hellinger(reference.cell_counts(), window.cell_counts())


def _hellinger_calibrated(reference: ColumnSummary, window: ColumnSummary, tolerance: float) -> float:
    return hellinger_p_value(
        reference.cell_counts(), window.cell_counts(), tolerance=tolerance, ordered=is_ordered(reference)
    )


def _hellinger_long_run(reference: ColumnSummary, window: ColumnSummary, tolerance: float, long_run: LongRun) -> float:
    return divergence_long_run(reference, window, SQUARED_HELLINGER, tolerance * tolerance, long_run)


def _hellinger_p_value(reference: ColumnSummary, window: ColumnSummary) -> float:
    return _hellinger_calibrated(reference, window, 0.0)


def _kullback_leibler(reference: ColumnSummary, window: ColumnSummary) -> float:
    return kullback_leibler(reference.cell_counts(), window.cell_counts())


def _kullback_leibler_calibrated(reference: ColumnSummary, window: ColumnSummary, tolerance: float) -> float:
    return kullback_leibler_p_value(
        reference.cell_counts(), window.cell_counts(), tolerance=tolerance, ordered=is_ordered(reference)
    )


def _kullback_leibler_long_run(
    reference: ColumnSummary, window: ColumnSummary, tolerance: float, long_run: LongRun
) -> float:
    return divergence_long_run(reference, window, KULLBACK_LEIBLER_NATS, tolerance, long_run)


def _kullback_leibler_p_value(reference: ColumnSummary, window: ColumnSummary) -> float:
    return _kullback_leibler_calibrated(reference, window, 0.0)


def _total_variation(reference: ColumnSummary, window: ColumnSummary) -> float:
    return total_variation(reference.cell_counts(), window.cell_counts())


def _mann_whitney(reference: NumericSummary, window: NumericSummary) -> float:
    return mann_whitney(reference.counts, window.counts)


def _mann_whitney_calibrated(reference: NumericSummary, window: NumericSummary, tolerance: float) -> float:
    return mann_whitney_p_value(reference.counts, window.counts, tolerance=tolerance)


def _mann_whitney_long_run(
    reference: NumericSummary, window: NumericSummary, tolerance: float, long_run: LongRun
) -> float:
    pool = pool_of_cells(reference.layout)
    return long_run_mann_whitney_p_value(reference.counts, window.counts, pool, long_run, tolerance=tolerance)


def _mann_whitney_p_value(reference: NumericSummary, window: NumericSummary) -> float:
    return _mann_whitney_calibrated(reference, window, 0.0)


def _cramer_von_mises_rows(reference: NumericSummary, window: NumericSummary) -> NDArray[np.float64]:
    return cramer_von_mises_rows(reference.counts, window.counts)


def _anderson_darling_rows(reference: NumericSummary, window: NumericSummary) -> NDArray[np.float64]:
    return anderson_darling_rows(reference.counts, window.counts)


def _energy_distance_rows(reference: NumericSummary, window: NumericSummary) -> NDArray[np.float64] | None:
    unit = reference.standard_deviation()
    if not (window.n_valid and unit > 0):  # nan with fewer than two values
        return None
    return energy_distance_rows(
        reference.layout.edges,
        reference.counts,
        window.counts,
        low=min(reference.minimum, window.minimum),
        high=max(reference.maximum, window.maximum),
        unit=unit,
    )


def _quadratic(rows_of: _Rows, reference: NumericSummary, window: NumericSummary) -> float:
    rows = rows_of(reference, window)
    return math.nan if rows is None else distance(rows, reference.counts, window.counts)


def _quadratic_calibrated(rows_of: _Rows, reference: NumericSummary, window: NumericSummary, tolerance: float) -> float:
    rows = rows_of(reference, window)
    if rows is None:
        return math.nan
    return quadratic_form_p_value(rows, reference.counts, window.counts, tolerance=tolerance)


def _quadratic_p_value(rows_of: _Rows, reference: NumericSummary, window: NumericSummary) -> float:
    return _quadratic_calibrated(rows_of, reference, window, 0.0)


def _quadratic_long_run(
    rows_of: _Rows, reference: NumericSummary, window: NumericSummary, tolerance: float, long_run: LongRun
) -> float:
    rows = rows_of(reference, window)
    if rows is None:
        return math.nan
    pool = pool_of_cells(reference.layout)
    return long_run_quadratic_form_p_value(rows, reference.counts, window.counts, pool, long_run, tolerance=tolerance)


def _of_quadratic_form(
    rows_of: _Rows, *, name: str, unit: str, bounds: str, description: str, undefined: str
) -> Statistic:
    return Statistic(
        name=name,
        kinds=NUMERIC,
        unit=unit,
        range=bounds,
        description=description,
        undefined=undefined,
        compute=partial(_quadratic, rows_of),
        p_value=partial(_quadratic_p_value, rows_of),
        calibrated=partial(_quadratic_calibrated, rows_of),
        long_run=partial(_quadratic_long_run, rows_of),
    )


_NO_VALUES = "one side has no values"

DISTANCES = (
    Statistic(
        name="hellinger",
        unit="none",
        range="[0, 1]",
        description="Hellinger distance: how far apart the shares of the cells are; 1 where none is shared.",
        compute=_hellinger,
        p_value=_hellinger_p_value,
        calibrated=_hellinger_calibrated,
        long_run=_hellinger_long_run,
    ),
    Statistic(
        name="kullback_leibler",
        unit="nats",
        range="[0, 9.22)",
        description="Kullback-Leibler divergence of the window from the reference: cells that fill count for more than cells that empty.",
        compute=_kullback_leibler,
        p_value=_kullback_leibler_p_value,
        calibrated=_kullback_leibler_calibrated,
        long_run=_kullback_leibler_long_run,
    ),
    Statistic(
        name="total_variation",
        unit="share",
        range="[0, 1]",
        description="Total variation: the share of the events that would have to move to other cells.",
        compute=_total_variation,
    ),
    Statistic(
        name="mann_whitney",
        kinds=NUMERIC,
        unit="difference of chances",
        range="[-0.5, 0.5]",
        description="Chance that a value of the window is larger than one of the reference, less one half; positive upwards.",
        signed=True,
        compute=_mann_whitney,
        p_value=_mann_whitney_p_value,
        calibrated=_mann_whitney_calibrated,
        long_run=_mann_whitney_long_run,
    ),
    _of_quadratic_form(
        _cramer_von_mises_rows,
        name="cramer_von_mises",
        unit="share",
        bounds="[0, 0.71]",
        description="Cramér-von Mises distance: the root mean square of the difference of the shares below one value.",
        undefined=_NO_VALUES,
    ),
    _of_quadratic_form(
        _anderson_darling_rows,
        name="anderson_darling",
        unit="none",
        bounds="[0, inf)",
        description="Anderson-Darling distance: as Cramér-von Mises', each difference in units of what it varies by, so that tails count.",
        undefined=_NO_VALUES,
    ),
    _of_quadratic_form(
        _energy_distance_rows,
        name="energy_distance",
        unit="root of the reference's standard deviations",
        bounds="[0, inf)",
        description="Energy distance: how far apart the values are, measured in standard deviations of the reference; four times as far is twice as much.",
        undefined="the reference does not vary",
    ),
)
"""In the order of the documentation."""
