from __future__ import annotations

from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.reference import RowBatch, effective_rows, largest_remainder, mixture
from stream_gov.reference.counting import count_rows
from stream_gov.summaries import (
    BooleanLayout,
    CategoricalLayout,
    CategoricalSummary,
    NumericLayout,
    PaneLayout,
    PaneSummary,
)

EDGES = np.array([-1.0, 0.0, 0.5, 2.0])
LAYOUT = PaneLayout(
    "r@1",
    {
        "x": NumericLayout(EDGES, np.array([0, 0, 1, 2, 2]), center=0.25, scale=0.5),
        "y": NumericLayout(np.array([10.0]), np.array([0, 1]), center=9.0, scale=2.0),
        "s": CategoricalLayout(("a", "b", "c")),
        "b": BooleanLayout(),
    },
    covariance=True,
)


def rows(rng: np.random.Generator, n: int, *, shift: float = 0.0) -> RowBatch:
    """Rows with every kind of value: valid, missing, of a wrong type, unseen."""
    pick = rng.random(n)
    x = np.where(pick < 0.1, None, np.where(pick < 0.15, "no number", rng.normal(shift, 1, n).astype(object)))
    s = rng.choice(["a", "b", "c", "new", "newer", None, 7], n, p=[0.5, 0.2, 0.05, 0.1, 0.05, 0.05, 0.05]).tolist()
    flags = [bool(v) if v is not None else None for v in rng.choice([True, False, None], n)]
    columns = {"x": x.tolist(), "y": rng.normal(10 + shift, 2, n), "s": [v if v != "7" else 7 for v in s], "b": flags}
    return RowBatch(columns, n, times_ms=np.sort(rng.integers(0, 10**9, n)))


def pane_of(*batches: RowBatch) -> PaneSummary:
    pane = PaneSummary(LAYOUT)
    for batch in batches:
        count_rows(pane, batch)
    return pane


def merged(panes: list[PaneSummary]) -> PaneSummary:
    return reduce(PaneSummary.merge, panes)


def fill(column) -> list[int]:
    """Counts of a column that sum to its rows."""
    cells = column.counts if hasattr(column, "counts") and not isinstance(column, CategoricalSummary) else None
    return [*(column.cell_counts() if cells is None else cells).tolist(), column.n_missing, column.n_type_errors]


sizes = st.lists(st.integers(1, 60), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(sizes=sizes, times=st.integers(1, 50), seed=st.integers(0, 5))
def test_with_as_much_of_each_slot_as_the_reference_it_is_the_whole(sizes, times, seed):
    rng = np.random.default_rng(seed)
    slots = [pane_of(rows(rng, n, shift=i)) for i, n in enumerate(sizes)]

    assert mixture(slots, [times * n for n in sizes]).to_bytes() == merged(slots).to_bytes()


@settings(max_examples=80, deadline=None)
@given(data=st.data(), sizes=sizes, seed=st.integers(0, 5))
def test_counts_are_the_whole_numbers_next_to_their_shares_and_sum_to_the_effective_size(data, sizes, seed):
    rng = np.random.default_rng(seed)
    window = data.draw(st.lists(st.integers(0, 500), min_size=len(sizes), max_size=len(sizes)).filter(any))
    slots = [pane_of(rows(rng, n, shift=i)) for i, n in enumerate(sizes)]
    mixed = mixture(slots, window)

    exact = Fraction(sum(window)) ** 2 / sum(Fraction(k * k, m) for k, m in zip(window, sizes, strict=True))
    assert abs(mixed.n_events - exact) <= Fraction(1, 2) + Fraction(1, 10**6)
    for name, column in mixed.columns.items():
        counts = fill(column)
        assert sum(counts) == mixed.n_events == column.n
        for i, count in enumerate(counts):
            share = sum(
                Fraction(k, sum(window)) * Fraction(fill(slot.columns[name])[i], m)
                for k, slot, m in zip(window, slots, sizes, strict=True)
            )
            assert abs(count - share * mixed.n_events) < 1 + Fraction(1, 10**4)


def test_moments_are_those_of_the_weighted_rows():
    rng = np.random.default_rng(3)
    batches = [rows(rng, n, shift=shift) for n, shift in ((4_000, 0.0), (500, 3.0), (9_000, -1.0))]
    window = [100, 700, 50]
    mixed = mixture([pane_of(batch) for batch in batches], window)

    weights = np.concatenate([np.full(b.n_rows, k / b.n_rows) for b, k in zip(batches, window, strict=True)])
    for name in ("x", "y"):
        values = np.concatenate(
            [[v if type(v) is float else np.nan for v in np.asarray(b.columns[name]).tolist()] for b in batches]
        )
        valid = ~np.isnan(values)
        mean = np.average(values[valid], weights=weights[valid])
        variance = np.average((values[valid] - mean) ** 2, weights=weights[valid])
        column = mixed.columns[name]
        assert column.mean() == pytest.approx(mean, abs=1e-3)
        assert column.variance() == pytest.approx(variance, rel=2e-3)
        assert (column.minimum, column.maximum) == (values[valid].min(), values[valid].max())
    assert [type(v) for v in (mixed.columns["x"].sum_q, mixed.columns["x"].sum_q2)] == [int, int]


def test_the_covariance_is_that_of_the_weighted_rows():
    rng = np.random.default_rng(4)
    batches, window = [rows(rng, n, shift=shift) for n, shift in ((3_000, 0.0), (2_000, 2.0))], [10, 30]
    mixed = mixture([pane_of(batch) for batch in batches], window)

    x, y, weights = [], [], []
    for batch, k in zip(batches, window, strict=True):
        for a, b in zip(batch.columns["x"], batch.columns["y"], strict=True):
            if type(a) is float:
                x.append(a)
                y.append(b)
                weights.append(k / batch.n_rows)
    np.testing.assert_allclose(mixed.covariance.covariance(), np.cov(x, y, aweights=weights, ddof=0), rtol=5e-3)
    assert mixed.covariance.n == pytest.approx(mixed.n_events * sum(weights) / 40, abs=1)


def test_slots_that_the_window_does_not_have_count_for_nothing():
    rng = np.random.default_rng(5)
    night, day = pane_of(rows(rng, 300)), pane_of(rows(rng, 500, shift=4))
    assert mixture([night, day], [20, 0]).to_bytes() == night.to_bytes()
    assert mixture([night, day], [20, 0]).n_events == 300


def test_a_slot_with_few_rows_makes_the_reference_small():
    # half of the window is compared with 10 rows: the share in that half is known no better than from 10
    assert effective_rows([10_000, 10], [500, 500]) == 40
    assert effective_rows([10_000, 10], [990, 10]) == pytest.approx(10_000 / 1.08, rel=0.01)
    # the standard error of the mixed share is that of a sample of this size, for slots of equal share
    rng = np.random.default_rng(6)
    shares = rng.binomial(400, 0.3, 20_000) / 400 * 0.2 + rng.binomial(50, 0.3, 20_000) / 50 * 0.8
    assert shares.var() == pytest.approx(0.21 / effective_rows([400, 50], [2, 8]), rel=0.05)


def test_unseen_categories_are_mixed_by_name():
    a, b = (PaneSummary(PaneLayout("r@1", {"s": CategoricalLayout(("a",))})) for _ in range(2))
    count_rows(a, RowBatch({"s": ["a"] * 50 + ["u"] * 50}, 100))
    count_rows(b, RowBatch({"s": ["a"] * 100 + ["v"] * 300}, 400))
    column = mixture([a, b], [10, 10]).columns["s"]

    assert column.n == effective_rows([100, 400], [10, 10]) == 320
    assert column.cell_counts().tolist() == [120, 200]
    assert (column.unseen.counts, column.unseen.n, column.unseen.error) == ({"u": 80, "v": 120}, 200, 0)
    # of 64 names, each met twice, 32 places keep none: what is lost is mixed too, rounded up
    count_rows(b, RowBatch({"s": [f"n{i}" for i in range(64)] * 2}, 128))
    lost = b.columns["s"].unseen.error
    assert lost > 0
    column = mixture([a, b], [10, 10]).columns["s"]
    exact = Fraction(lost, 528) / (Fraction(50, 100) + Fraction(428, 528)) * column.unseen.n
    assert exact <= column.unseen.error <= exact + 1


def test_values_far_from_the_center_are_mixed_without_overflow():
    slots = []
    for far in (1e8, -1e9):
        pane = PaneSummary(PaneLayout("r@1", {"x": NumericLayout(EDGES, np.arange(5), center=0.0, scale=1.0)}))
        count_rows(pane, RowBatch({"x": np.full(5_000, far)}, 5_000))
        slots.append(pane)
    column = mixture(slots, [3, 1]).columns["x"]
    clipped = -(2.0**28)  # scales from the center
    assert column.mean() == pytest.approx(0.75e8 + 0.25 * clipped, rel=1e-6)
    assert column.standard_deviation() == pytest.approx((1e8 - clipped) * (0.75 * 0.25) ** 0.5, rel=1e-3)


@given(numerators=st.lists(st.integers(0, 10**30), min_size=1, max_size=20).filter(any), total=st.integers(0, 10**9))
def test_the_largest_remainder_keeps_the_quota_and_the_order(numerators, total):
    counts = largest_remainder(numerators, total)
    whole = sum(numerators)
    assert sum(counts) == total
    assert all(abs(c * whole - n * total) < whole for c, n in zip(counts, numerators, strict=True))
    rising = sorted(range(len(numerators)), key=lambda i: (numerators[i], -i))
    assert [counts[i] for i in rising] == sorted(counts)


def test_a_mixture_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs a window with events"):
        mixture([pane_of(rows(np.random.default_rng(0), 5))], [0])
