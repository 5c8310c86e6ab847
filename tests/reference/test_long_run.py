from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.reference.block_counts import MAX_BLOCKS, BlockCounts
from stream_gov.reference.long_run import andrews_bandwidth, bartlett
from stream_gov.summaries import MAX_LONG_RUN_CELLS, Dependence, PaneLayout, n_cells_of, pooled_cells


def autoregression(rng: np.random.Generator, rho: float, n: int) -> np.ndarray:
    innovations = rng.normal(size=n)
    innovations[1:] *= math.sqrt(1 - rho * rho)
    return signal.lfilter([1.0], [1.0, -rho], innovations)


def build(batches: list[RowBatch], **options) -> ReferenceProfile:
    return build_profile(
        lambda: batches, ProfileBuilder(**options), name="r", revision=1, model="m", source="rows", created_ms=0
    )


def in_order(columns: dict, n: int) -> RowBatch:
    return RowBatch(columns, n, times_ms=np.arange(n) * 1_000)


def test_bartletts_kernel_weighs_autocovariances_with_a_falling_line():
    series = np.random.default_rng(0).normal(size=(50, 3))

    by_hand = sum(
        (1 - abs(j) / 4) * sum(np.outer(series[t], series[t + j]) for t in range(50) if 0 <= t + j < 50)
        for j in range(-3, 4)
    )
    np.testing.assert_allclose(bartlett(series, 3), by_hand / 50)
    assert np.linalg.eigvalsh(bartlett(series, 3)).min() > -1e-12


def test_the_lag_grows_with_the_dependence_and_is_bounded():
    rng = np.random.default_rng(1)
    lags = [andrews_bandwidth(autoregression(rng, rho, 2_000)[:, np.newaxis]).lag for rho in (0.0, 0.5, 0.9)]
    walk = andrews_bandwidth(np.cumsum(rng.normal(size=(400, 1)), axis=0))

    # Andrews's bandwidth for a known autoregression: 1.1447 (4 rho**2 / ((1 - rho)**2 (1 + rho)**2) k)**(1/3)
    exact = [1.1447 * (4 * rho**2 / ((1 - rho) ** 2 * (1 + rho) ** 2) * 2_000) ** (1 / 3) for rho in (0.5, 0.9)]
    assert lags[0] <= 2
    assert lags[1:] == pytest.approx(exact, rel=0.25)
    assert walk.lag == 50
    assert andrews_bandwidth(np.zeros((10, 2))).lag == 0
    assert andrews_bandwidth(np.array([[1.0], [-1.0]] * 50)).correction >= 1


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_mean_and_the_cells_have_the_long_run_variance_of_the_process(rho):
    # 10 references of 100,000 rows: the standard error of the mean ratio is below 5 %; 20 % are 4 of them
    rng, means, cells = np.random.default_rng(2), [], []
    for _ in range(10):
        known = build([in_order({"x": autoregression(rng, rho, 100_000)}, 100_000)]).long_run["x"].long_run
        means.append(known.mean.ratio)
        below = np.arange(10) < 5  # the share of values below the median
        cells.append(below @ known.covariance @ below)
    # of the mean (1 + rho) / (1 - rho); below the median the autocovariance at lag j is arcsin(rho**j) / (2 pi)
    j = np.arange(1, 400)
    of_median = 0.25 + 2 * (np.arcsin(rho**j) / (2 * math.pi)).sum()
    assert np.mean(means) == pytest.approx((1 + rho) / (1 - rho), rel=0.2)
    assert np.mean(cells) == pytest.approx(of_median, rel=0.2)


def test_independent_rows_have_the_covariance_of_a_multinomial():
    rng, n = np.random.default_rng(3), 200_000
    colors = rng.choice(["a", "b", "c"], n, p=[0.7, 0.2, 0.1]).tolist()
    known = build([in_order({"color": colors}, n)]).long_run["color"].long_run

    expected = np.diag(known.shares) - np.outer(known.shares, known.shares)
    np.testing.assert_allclose(known.shares, [0.7, 0.2, 0.1, 0.0], atol=0.01)
    np.testing.assert_allclose(known.covariance, expected, atol=0.03)
    assert known.typical.ratio == pytest.approx(1, abs=0.2)


def test_missing_values_that_come_in_spells_are_inflated():
    rng, n = np.random.default_rng(4), 100_000
    spells = np.repeat(rng.random(n // 100) < 0.1, 100)  # 100 rows each: a variance 100 times that of single ones
    x = np.where(spells, np.nan, rng.normal(size=n))
    known = build([in_order({"x": x}, n)]).long_run["x"].long_run

    assert known.missing.ratio == pytest.approx(100, rel=0.25)
    assert (known.type_errors.ratio, known.mean.ratio) == (1.0, pytest.approx(1, rel=0.25))


JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.5, float("nan"), float("inf"), 10**400]),
    st.sampled_from("abc"),
)


@settings(max_examples=60)
@given(
    values=st.lists(JSON, min_size=1, max_size=200),
    cuts=st.lists(st.integers(0, 200), max_size=3),
    seed=st.integers(0, 9),
)
def test_blocks_count_what_the_profile_counts_whatever_the_batches(values, cuts, seed):
    columns = {
        "x": np.random.default_rng(seed).normal(size=200),
        "n": [float(i % 7) for i in range(200)],
        "s": ["a", "b", "c", "d"] * 50,
        "b": [True, False] * 100,
    }
    layout = build([in_order(columns, 200)], covariance=False).layout
    rows = in_order(dict.fromkeys(columns, values), len(values))
    bounds = sorted({0, len(values), *(c for c in cuts if c < len(values))})
    builder = ProfileBuilder()
    whole, parts = BlockCounts(layout), BlockCounts(layout)
    whole.update(rows)
    for start, stop in itertools.pairwise(bounds):
        parts.update(rows.slice(start, stop))
    builder._layout = layout
    builder._panes[""] = pane = type(build([in_order(columns, 200)]).segments[""])(layout)
    builder.count(rows)

    for name, column in whole.columns.items():
        mine, summary = column.counts[: whole.n_blocks], pane.columns[name]
        np.testing.assert_array_equal(mine, parts.columns[name].counts[: parts.n_blocks])
        np.testing.assert_array_equal(column.steps[: whole.n_blocks], parts.columns[name].steps[: parts.n_blocks])
        np.testing.assert_array_equal(mine[:, :-2].sum(axis=0), summary.cell_counts())
        assert mine[:, -2:].sum(axis=0).tolist() == [summary.n_missing, summary.n_type_errors]


def test_memory_is_bounded_and_blocks_double():
    rng, n = np.random.default_rng(5), 450_000
    layout = build([in_order({"x": rng.normal(size=1_000), "s": [str(i % 400) for i in range(1_000)]}, 1_000)]).layout
    layout = PaneLayout("", {**layout.columns})
    one, many = BlockCounts(layout), BlockCounts(layout)
    rows = in_order({"x": rng.normal(size=n), "s": [str(i % 400) for i in range(n)]}, n)
    one.update(rows)
    for start in range(0, n, 70_001):
        many.update(rows.slice(start, start + 70_001))

    assert (one.block_rows, one.n_blocks) == (400, 1_125)
    assert many.block_rows == 400
    for name, column in one.columns.items():
        assert column.counts.nbytes + column.steps.nbytes < 1e6
        assert len(column.steps) <= MAX_BLOCKS + 8_192 // 50 + 2
        np.testing.assert_array_equal(column.counts[: one.n_blocks], many.columns[name].counts[: many.n_blocks])
        assert column.counts.sum() == n


def test_a_profile_is_the_same_whatever_the_batches():
    rng, n = np.random.default_rng(6), 30_000
    rows = in_order({"x": autoregression(rng, 0.8, n), "s": rng.choice(list("abc"), n).tolist()}, n)
    whole, parts = build([rows]), build([rows.slice(i, i + 777) for i in range(0, n, 777)])

    assert {c: k.to_state() for c, k in whole.long_run.items()} == {c: k.to_state() for c, k in parts.long_run.items()}
    again = ReferenceProfile.from_bytes(whole.to_bytes())
    assert {c: k.to_state() for c, k in whole.long_run.items()} == {c: k.to_state() for c, k in again.long_run.items()}
    np.testing.assert_array_equal(again.long_run["x"].long_run.covariance, again.long_run["x"].long_run.covariance.T)


def test_rows_without_an_order_of_time_give_a_warning_and_no_covariance():
    x = np.random.default_rng(7).normal(size=2_000)
    without = build([RowBatch({"x": x}, 2_000)])
    unordered = build([RowBatch({"x": x}, 2_000, times_ms=np.arange(2_000)[::-1])])
    late = in_order({"x": x}, 2_000)
    across = build([late.slice(1_000, 2_000), late.slice(0, 1_000)])
    short = build([in_order({"x": x[:900], "s": ["a"] * 900}, 900)])

    assert [p.long_run for p in (without, unordered, across)] == [{}, {}, {}]
    assert "their tests take 5 events for one independent one" in without.warnings[-1]
    assert "because the rows have no event times; name the column of event times" in without.warnings[-1]
    for profile in (unordered, across):
        assert "are not in the order of their event times" in profile.warnings[-1]
    assert set(short.long_run) == {"s"}
    assert "how strongly the values of the column x depend" in short.warnings[-1]
    assert "900 rows are too few" in short.warnings[-1]
    assert build([in_order({"x": x}, 2_000)]).warnings == ()


@pytest.mark.parametrize("batch", [1, 77, 10_000])
def test_a_few_rows_out_of_order_are_left_out_of_the_blocks_and_no_more(batch):
    rng, n = np.random.default_rng(8), 5_000
    x, times = autoregression(rng, 0.8, n), np.arange(n)
    stragglers = rng.choice(np.arange(100, n), 50, replace=False)
    times[stragglers] -= 100
    timely = times == np.maximum.accumulate(times)
    rows = RowBatch({"x": x}, n, times_ms=times)
    found = build([rows.slice(i, i + batch) for i in range(0, n, batch)])
    kept = build([rows.take(np.flatnonzero(timely))])

    assert found.n_rows == n
    assert n - timely.sum() == 50
    shares = found.long_run["x"].long_run.shares
    cells = np.searchsorted(found.layout.columns["x"].edges, x[timely], side="right")
    np.testing.assert_allclose(shares, np.bincount(found.layout.columns["x"].groups[cells]) / timely.sum())
    assert found.long_run["x"].long_run.lag == kept.long_run["x"].long_run.lag
    times[100:152] = 0  # now more than 1 %
    assert build([RowBatch({"x": x}, n, times_ms=times)]).long_run == {}


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
@pytest.mark.parametrize("n_cells", [1, 2, 32, 33, 34, 50, 1_001])
def test_pooled_cells_are_few_and_none_is_empty(kind, n_cells):
    pool = pooled_cells(n_cells, kind=kind)

    assert len(pool) == n_cells
    assert set(pool.tolist()) == set(range(pool.max() + 1))
    assert pool.max() <= MAX_LONG_RUN_CELLS
    if kind == "categorical":
        assert (pool == pool[-1]).sum() == 1
    else:
        assert (np.diff(pool) >= 0).all()


def test_a_covariance_of_another_column_is_refused():
    profile = build([in_order({"x": np.arange(2_000.0) % 97, "s": ["a", "b"] * 1_000}, 2_000)])
    given = {field: getattr(profile, field) for field in ReferenceProfile.__dataclass_fields__}
    swapped = {"x": profile.long_run["s"]}
    with pytest.raises(ValueError, match="the long-run covariance of 'x' is of 3 cells"):
        ReferenceProfile(**{**given, "long_run": swapped})
    known = profile.long_run["s"]
    state, n_cells = known.to_state(), n_cells_of(profile.layout.columns["s"])
    lag, of_cells, _, inflations = state["spans"][-1]
    assert n_cells == 3
    with pytest.raises(ValueError, match="must be a finite 3 x 3 matrix"):
        Dependence.from_state({**state, "spans": [[lag, of_cells, np.full(6, np.nan).tobytes(), inflations]]})
    with pytest.raises(ValueError, match="lag -1"):
        Dependence.from_state({**state, "spans": [[lag, -1, state["spans"][-1][2], inflations]]})
    with pytest.raises(ValueError, match=r"by rising lag.* got lags \[\]"):
        Dependence.from_state({**state, "spans": []})


def test_a_short_window_has_the_covariance_of_its_own_length():
    rng, n = np.random.default_rng(9), 100_000
    x = autoregression(rng, 0.98, n)
    known = build([in_order({"x": x}, n)]).long_run["x"]
    lags = [lag for lag, _ in known.spans]
    assert lags[:4] == [0, 1, 3, 7]
    assert lags[-1] == known.long_run.lag

    # variance of the mean of n rows of the autoregression, times n
    def exact(size):
        j = np.arange(1, size)
        return 1 + 2 * ((1 - j / size) * 0.98**j).sum()

    for size in (50, 100, 150, 200, 336, 400):
        short = known.of_window(size, 10**12)
        assert short.mean.ratio == pytest.approx(exact(size), rel=0.15)
        assert short.degrees > known.long_run.degrees
    assert known.of_window(100_000, 20_000) is known.long_run
    half = known.of_window(200, 200)
    whole = known.of_window(200, 10**12)
    np.testing.assert_allclose(half.covariance, (whole.covariance + known.long_run.covariance) / 2, rtol=1e-6)


def test_cumulative_inflation_is_the_largest_over_the_edges():
    rng = np.random.default_rng(8)
    known = build([in_order({"x": autoregression(rng, 0.9, 50_000)}, 50_000)]).long_run["x"].long_run
    by_hand = []
    for k in range(1, 10):
        below = np.arange(10) < k
        share = known.shares[below].sum()
        by_hand.append(below @ known.covariance @ below / (share * (1 - share)))
    assert known.cumulative.ratio == pytest.approx(max(by_hand))


def test_where_dependence_is_not_known_five_events_count_as_one():
    rng = np.random.default_rng(12)
    rows = RowBatch(
        {"x": rng.normal(size=20_000), "s": rng.choice(["a", "b", "c"], 20_000).tolist(), "n": [None] * 20_000}, 20_000
    )
    profile = build([rows])
    assert set(profile.dependence) == {"x", "s"}
    for name in ("x", "s"):
        known = profile.dependence[name]
        assert known.assumed
        long_run = known.of_window(500, 20_000)
        cells = profile.segments[""].columns[name].cell_counts() / 20_000
        np.testing.assert_allclose(long_run.covariance, 5 * (np.diag(cells) - np.outer(cells, cells)), atol=1e-12)
        assert [i.ratio for i in (long_run.mean, long_run.missing, long_run.typical)] == pytest.approx([5, 5, 5])
    ordered = build([in_order({"x": rng.normal(size=2_000)}, 2_000)])
    assert not ordered.dependence["x"].assumed
    assert ordered.dependence["x"] is ordered.long_run["x"]
