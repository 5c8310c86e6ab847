"""The catalogue: complete, and each entry the right function of the right parts of the summaries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
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
    assert {s.name for s in STATISTICS.values() if s.scope not in {"column", "vector"}} == MODEL_STATISTICS
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


SYMMETRIC = {
    "psi",
    "jensen_shannon",
    "hellinger",
    "total_variation",
    "l_infinity",
    "ks",
    "chi_squared",
    "cramer_von_mises",
    "anderson_darling",
}
SIGNED = {
    "mann_whitney",
    "spread_shift",
}  # as far the other way round; a mean_shift is measured by the reference's spread
ONLY_THE_WINDOW = {"missing_share", "type_error_share", "unseen_share"}  # their value is the window's own share
GROW_WITH_THE_SAMPLES = {"chi_squared"}
VALUES = st.lists(st.integers(-12, 12), min_size=1, max_size=60)


def pair_of(statistic, x, y, times=(1, 1)):
    """Summaries of both samples, each repeated, with some values missing and some of a wrong type or unseen."""
    made = []
    for sample, repeated in zip((x, y), times, strict=True):
        values = np.repeat(np.array(sample, float) / 4, repeated)
        if statistic.applies_to("numeric"):
            made.append(numeric(values, n_missing=3 * repeated, n_type_errors=2 * repeated))
        else:
            made.append(categorical([("a", "b", "c", "new")[int(v * 4) % 4] for v in values], n_missing=3 * repeated))
    return made


@pytest.mark.parametrize("statistic", COLUMN_STATISTICS, ids=lambda s: s.name)
@given(x=VALUES, y=VALUES)
def test_value_is_in_the_stated_range(statistic, x, y):
    value = statistic.compute(*pair_of(statistic, x, y))
    if math.isnan(value):
        assert statistic.undefined != "one side has no values"
        return
    low, high = (text.strip("[]()") for text in statistic.range.split(", "))
    assert float(low) <= value + 1e-12
    assert value - 1e-12 <= (len(x) + len(y) if high == "n + m" else float(high))


@pytest.mark.parametrize("statistic", COLUMN_STATISTICS, ids=lambda s: s.name)
@given(x=VALUES, y=VALUES)
def test_value_of_the_exchanged_samples_is_the_same_or_its_negative_where_it_should_be(statistic, x, y):
    reference, window = pair_of(statistic, x, y)
    value, exchanged = statistic.compute(reference, window), statistic.compute(window, reference)
    if statistic.name in SYMMETRIC:
        assert exchanged == pytest.approx(value, abs=1e-9)
    elif statistic.name in SIGNED:
        assert exchanged == pytest.approx(-value, abs=1e-9, nan_ok=True)
        assert statistic.signed
    else:
        assert statistic.name in ONLY_THE_WINDOW | {"kullback_leibler", "mean_shift", "wasserstein", "energy_distance"}


@pytest.mark.parametrize("statistic", COLUMN_STATISTICS, ids=lambda s: s.name)
@given(x=VALUES, y=VALUES, times=st.integers(2, 9))
def test_value_depends_on_shares_and_not_on_how_many_events_there_are(statistic, x, y, times):
    value = statistic.compute(*pair_of(statistic, x, y))
    more = statistic.compute(*pair_of(statistic, x, y, (times, times)))
    if statistic.name in GROW_WITH_THE_SAMPLES:
        assert more == pytest.approx(times * value)
    elif statistic.name in ("mean_shift", "spread_shift", "wasserstein", "energy_distance"):
        # but for Bessel's correction of the standard deviation
        correction = 2 / min(len(x), len(y))
        assert math.isnan(value) or more == pytest.approx(value, rel=correction, abs=correction)
    else:
        assert more == pytest.approx(value, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("statistic", [s for s in COLUMN_STATISTICS if s.p_value], ids=lambda s: s.name)
@given(x=VALUES, y=VALUES)
def test_p_values_are_chances_and_a_tolerance_never_lowers_them(statistic, x, y):
    pair = pair_of(statistic, x, y, (20, 20))
    p_value = statistic.p_value(*pair)
    assert math.isnan(p_value) or 0 <= p_value <= 1
    if statistic.calibrated is None:
        return
    without, tolerant = statistic.calibrated(*pair, 0.0), statistic.calibrated(*pair, 0.2)
    if not math.isnan(without):
        assert without == pytest.approx(p_value)
        assert without * (1 - 1e-6) - 1e-12 <= tolerant <= 1


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
    shares = [group / group.sum() for group in groups]
    assert value("hellinger") == pytest.approx(math.sqrt(1 - np.sqrt(shares[0] * shares[1]).sum()))
    assert value("kullback_leibler") == pytest.approx(stats.entropy(groups[1], groups[0]))
    assert value("total_variation") == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)
    u = stats.mannwhitneyu(y, x).statistic
    assert value("mann_whitney") == pytest.approx(u / x.size / y.size - 0.5, abs=0.01)
    factor = x.size * y.size / (x.size + y.size)
    assert factor * value("cramer_von_mises") ** 2 == pytest.approx(
        stats.cramervonmises_2samp(x, y).statistic, rel=0.03
    )
    assert value("energy_distance") == pytest.approx(
        stats.energy_distance(x / x.std(ddof=1), y / x.std(ddof=1)), abs=0.02
    )


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
    for name in ("jensen_shannon", "hellinger", "kullback_leibler"):
        assert p_value(name) == pytest.approx(pearson, rel=0.3)
    assert p_value("mann_whitney") == pytest.approx(stats.mannwhitneyu(x, y).pvalue, rel=0.3)
    theirs = stats.cramervonmises_2samp(x, y, method="asymptotic").pvalue
    assert p_value("cramer_von_mises") == pytest.approx(theirs, rel=0.3)
    # within a factor of those that see the same: the middle and the tails of a cumulative distribution
    assert theirs / 5 < p_value("anderson_darling") < 5 * theirs
    assert theirs / 5 < p_value("energy_distance") < 5 * theirs


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


@pytest.mark.parametrize("name", ["mean_shift", "spread_shift", "wasserstein", "energy_distance"])
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
