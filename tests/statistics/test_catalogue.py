"""The catalogue: complete, and each entry the right function of the right parts of the summaries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from stream_gov.contracts.monitor import (
    CALIBRATED_STATISTICS,
    MODEL_STATISTICS,
    P_VALUE_STATISTICS,
    SEQUENTIAL_STATISTICS,
    STATISTIC_NAMES,
)
from stream_gov.statistics import STATISTICS, missing_column_names
from stream_gov.summaries import (
    BooleanLayout,
    BooleanSummary,
    CategoricalLayout,
    CategoricalSummary,
    NumericLayout,
    NumericSummary,
    PaneLayout,
    PaneSummary,
)

EDGES = np.linspace(-2, 2, 15)
NUMERIC = NumericLayout(edges=EDGES, groups=np.arange(16) // 4, center=0.0, scale=1.0)
CATEGORICAL = CategoricalLayout(("a", "b", "c"))
COLUMN_STATISTICS = [s for s in STATISTICS.values() if s.scope == "column"]


def numeric(values, *, n_missing=0, n_type_errors=0):
    summary = NumericSummary(NUMERIC)
    summary.update_values(np.asarray(values, float), n_missing=n_missing, n_type_errors=n_type_errors)
    return summary


def categorical(values, *, n_missing=0):
    summary = CategoricalSummary(CATEGORICAL)
    summary.update_values(values, n_missing=n_missing)
    return summary


def boolean(values):
    summary = BooleanSummary(BooleanLayout())
    summary.update_values(values)
    return summary


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(21)
    return rng.normal(size=3_000), rng.normal(0.3, 1.4, size=700)


def test_catalogue_has_just_the_names_and_rules_that_a_monitor_may_use():
    assert tuple(STATISTICS) == tuple(name for name in STATISTIC_NAMES if name not in SEQUENTIAL_STATISTICS)
    assert {s.name for s in STATISTICS.values() if s.scope == "model"} == MODEL_STATISTICS
    assert {s.name for s in STATISTICS.values() if s.p_value is not None} == P_VALUE_STATISTICS
    assert {s.name for s in STATISTICS.values() if s.calibrated is not None} == CALIBRATED_STATISTICS


@pytest.mark.parametrize("statistic", STATISTICS.values(), ids=lambda s: s.name)
def test_every_statistic_explains_itself(statistic):
    assert statistic.description.endswith(".")
    assert statistic.unit
    assert statistic.range[0] in "[("
    assert bool(statistic.kinds) == (statistic.scope == "column")


@pytest.mark.parametrize("statistic", COLUMN_STATISTICS, ids=lambda s: s.name)
def test_statistic_of_equal_samples_is_zero_and_no_test_fires(statistic):
    summaries = [
        numeric(np.linspace(-3, 3, 1_000)),
        categorical(["a"] * 600 + ["b"] * 300 + ["c"] * 100),
        boolean([True] * 10 + [False] * 990),
    ]
    applied = [s for s in summaries if statistic.applies_to(s.kind)]
    assert applied
    for summary in applied:
        assert statistic.compute(summary, summary) == pytest.approx(0, abs=1e-9)
        if statistic.p_value is not None:
            assert statistic.p_value(summary, summary) > 0.4
        if statistic.calibrated is not None:
            assert statistic.calibrated(summary, summary, 0.1) > 0.4


def test_statistics_of_numbers_agree_with_scipy_on_the_samples(samples):
    x, y = samples
    reference, window = numeric(x), numeric(y)
    groups = [np.bincount(np.arange(16)[EDGES.searchsorted(v, side="right")] // 4, minlength=4) for v in (x, y)]

    def value(name):
        return STATISTICS[name].compute(reference, window)

    assert value("jensen_shannon") == pytest.approx(distance.jensenshannon(*groups, base=2))
    assert value("chi_squared") == pytest.approx(stats.chi2_contingency(np.stack(groups)).statistic)
    assert value("l_infinity") == pytest.approx(np.abs(groups[0] / x.size - groups[1] / y.size).max())
    assert value("psi") == pytest.approx(
        sum((q - p) * math.log(q / p) for p, q in zip(groups[0] / x.size, groups[1] / y.size, strict=True))
    )
    # fine cells of 0.29 and the moments of values rounded to 2**-16
    assert value("ks") == pytest.approx(stats.ks_2samp(x, y).statistic, abs=0.02)
    assert value("wasserstein") == pytest.approx(stats.wasserstein_distance(x, y) / x.std(ddof=1), abs=0.05)
    assert value("mean_shift") == pytest.approx((y.mean() - x.mean()) / x.std(ddof=1), abs=1e-4)
    assert value("spread_shift") == pytest.approx(math.log(y.std(ddof=1) / x.std(ddof=1)), abs=1e-4)


def test_p_values_of_numbers_agree_with_scipy_on_the_samples(samples):
    x, y = samples[0], samples[0][:500] * 1.05 + 0.12
    reference, window = numeric(x), numeric(y)

    def p_value(name):
        return STATISTICS[name].p_value(reference, window)

    assert p_value("mean_shift") == pytest.approx(stats.ttest_ind(x, y, equal_var=False).pvalue, rel=1e-3)
    law = stats.f(499, 2_999)
    ratio = y.var(ddof=1) / x.var(ddof=1)
    assert p_value("spread_shift") == pytest.approx(2 * min(law.cdf(ratio), law.sf(ratio)), rel=1e-3)
    cells = [EDGES.searchsorted(v, side="right") for v in (x, y)]
    assert p_value("ks") == pytest.approx(stats.ks_2samp(*cells, method="asymp").pvalue, rel=0.05)
    pearson = stats.chi2_contingency(np.stack([reference.cell_counts(), window.cell_counts()])).pvalue
    assert p_value("chi_squared") == pytest.approx(pearson)
    assert p_value("psi") == pytest.approx(pearson, rel=0.3)
    assert p_value("jensen_shannon") == pytest.approx(pearson, rel=0.3)


def test_shares_count_rows_of_which_the_missing_are_a_part():
    reference = numeric(np.zeros(980), n_missing=20)
    window = numeric(np.zeros(150), n_missing=40, n_type_errors=10)
    missing, errors = STATISTICS["missing_share"], STATISTICS["type_error_share"]
    assert missing.compute(reference, window) == 0.2
    assert errors.compute(reference, window) == 0.05
    assert missing.sample_sizes(reference, window) == (1_000, 200)
    assert STATISTICS["psi"].sample_sizes(reference, window) == (980, 150)
    fisher = stats.fisher_exact([[40, 160], [20, 980]], alternative="greater").pvalue
    assert missing.p_value(reference, window) == pytest.approx(fisher, rel=1e-3)
    fisher = stats.fisher_exact([[10, 190], [0, 1_000]], alternative="greater").pvalue
    assert errors.p_value(reference, window) == pytest.approx(fisher, rel=1e-3)
    assert missing.calibrated(reference, window, 0.3) > 0.99
    assert errors.calibrated(reference, window, 0.01) < 0.01


def test_unseen_share_counts_valid_values_in_no_known_category():
    reference = categorical(["a"] * 600 + ["b"] * 300 + ["c"] * 100)
    window = categorical(["a"] * 60 + ["x"] * 15 + ["y"] * 5, n_missing=20)
    statistic = STATISTICS["unseen_share"]
    assert statistic.compute(reference, window) == 0.25
    assert statistic.sample_sizes(reference, window) == (1_000, 80)
    assert statistic.p_value(reference, window) < 1e-9
    assert statistic.calibrated(reference, window, 0.3) > 0.5
    assert not statistic.applies_to("numeric")


def test_categories_are_tested_without_their_order():
    # 300 categories sorted by a reference that hardly knows them: in this order neighbours were drawn too often, or too seldom, together
    layout = CategoricalLayout(tuple(f"c{i}" for i in range(300)))
    reference, window = CategoricalSummary(layout), CategoricalSummary(layout)
    rng = np.random.default_rng(3)
    reference.update_counts({f"c{i}": int(c) for i, c in enumerate(sorted(rng.poisson(20, 300), reverse=True))})
    window.update_counts({f"c{i}": int(c) for i, c in enumerate(rng.poisson(1, 300)) if c})
    assert STATISTICS["psi"].p_value(reference, window) > 0.001


@pytest.mark.parametrize("statistic", COLUMN_STATISTICS, ids=lambda s: s.name)
def test_statistic_of_an_empty_side_is_undefined(statistic):
    full, empty = {
        "numeric": (numeric([1.0, 2.0, 3.0]), numeric([])),
        "categorical": (categorical(["a", "b"]), categorical([])),
    }["numeric" if statistic.applies_to("numeric") else "categorical"]
    assert math.isnan(statistic.compute(full, empty))
    for p_value in (statistic.p_value, statistic.calibrated and (lambda r, w: statistic.calibrated(r, w, 0.1))):
        if p_value is not None:
            assert math.isnan(p_value(full, empty))
            assert math.isnan(p_value(empty, full))


@pytest.mark.parametrize("name", ["mean_shift", "spread_shift", "wasserstein"])
def test_shift_from_a_constant_column_is_undefined(name):
    assert math.isnan(STATISTICS[name].compute(numeric(np.full(500, 0.4)), numeric(np.linspace(0, 1, 500))))


def pane(columns, n_events, new=()):
    layout = PaneLayout("r@1", {"x": NUMERIC, "k": CATEGORICAL})
    summary = PaneSummary(layout)
    summary.columns.update(columns)
    summary.n_events = n_events
    summary.update_new_columns(dict.fromkeys(new, 1))
    return summary


def test_columns_that_came_or_went_are_counted_and_named():
    reference = pane({"x": numeric(np.zeros(9)), "k": categorical(["a"] * 9)}, 9)
    window = pane({"x": numeric([], n_type_errors=5), "k": categorical(["a"] * 5)}, 5, new=("y", "z"))
    assert STATISTICS["new_columns"].compute(reference, window) == 2
    assert STATISTICS["missing_columns"].compute(reference, window) == 1
    assert missing_column_names(reference, window) == ["x"]
    assert STATISTICS["missing_columns"].sample_sizes(reference, window) == (9, 5)


def test_column_that_the_reference_never_had_is_not_missing_nor_is_any_in_a_window_without_events():
    reference = pane({"x": numeric([], n_missing=9), "k": categorical(["a"] * 9)}, 9)
    assert missing_column_names(reference, pane({"k": categorical(["a"] * 5)}, 5)) == []
    assert missing_column_names(reference, pane({}, 0)) == []
    assert missing_column_names(reference, pane({}, 5)) == ["k"]
