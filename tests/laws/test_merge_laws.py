"""Laws of merging, held for every kind of summary: found in the package, so that a new kind cannot be forgotten."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stream_gov.summaries as package
from stream_gov.contracts import IncompatibleSummaryError
from stream_gov.summaries import (
    BooleanLayout,
    BooleanSummary,
    CategoricalLayout,
    CategoricalSummary,
    ColumnSketch,
    CovarianceSummary,
    HeavyHitters,
    NumericLayout,
    NumericSummary,
    PaneLayout,
    PaneSummary,
)

NUMERIC = NumericLayout(
    edges=np.array([-1.0, 0.0, np.nextafter(0.0, 1.0), 2.5]), groups=np.array([0, 0, 1, 2, 2]), center=0.5, scale=1.5
)
CATEGORICAL = CategoricalLayout(("a", "b", "c"))
PANE = PaneLayout("p@1", {"x": NUMERIC, "y": NUMERIC, "c": CATEGORICAL, "b": BooleanLayout()}, covariance=True)

numbers = st.one_of(
    st.floats(-5, 5, allow_nan=False), st.sampled_from([0.0, -0.0, 1e6, -1e12, 1e300, -1e308, 5e-324, 2.5, -1.0])
)
words = st.sampled_from(["a", "b", "c", "new", "other", ""])


@dataclass(frozen=True)
class Kind:
    """How to make one kind of summary, and what it is made from."""

    name: str
    items: st.SearchStrategy[Any]
    empty: Callable[[], Any]
    update: Callable[[Any, list[Any]], None]
    exact: bool = True

    def of(self, items: list[Any]) -> Any:
        summary = self.empty()
        self.update(summary, items)
        return summary


def update_numeric(summary: NumericSummary, items: list[float]) -> None:
    summary.update_values(np.array(items, np.float64), n_missing=len(items) % 3, n_type_errors=len(items) % 2)


def update_heavy(summary: HeavyHitters, items: list[str]) -> None:
    for item in items:
        summary.update({item: 1})


def update_covariance(summary: CovarianceSummary, items: list[tuple[float, float]]) -> None:
    summary.update_rows(np.array(items, np.float64).reshape(-1, 2))


def update_pane(summary: PaneSummary, items: list[tuple[int, float, str, bool, str]]) -> None:
    for at, x, word, flag, new in items:
        summary.update_times(at, at, 1)
        summary.columns["x"].update_values(np.array([x]))
        summary.columns["y"].update_values(np.empty(0), n_missing=1)
        summary.columns["c"].update_values([word])
        summary.columns["b"].update_values([flag])
        summary.update_new_columns({new: 1})
        assert summary.covariance is not None
        summary.covariance.update_rows(np.array([[x, x / 2]]))


KINDS = [
    Kind("NumericSummary", numbers, lambda: NumericSummary(NUMERIC), update_numeric),
    Kind(
        "CategoricalSummary",
        words,
        lambda: CategoricalSummary(CATEGORICAL),
        lambda s, v: s.update_values(v, n_missing=len(v) % 2),
    ),
    Kind("BooleanSummary", st.booleans(), lambda: BooleanSummary(BooleanLayout()), lambda s, v: s.update_values(v)),
    Kind("HeavyHitters", words, lambda: HeavyHitters(10), update_heavy),
    Kind(
        "CovarianceSummary",
        st.tuples(numbers, numbers),
        lambda: CovarianceSummary({"x": NUMERIC, "y": NUMERIC}),
        update_covariance,
    ),
    Kind(
        "PaneSummary",
        st.tuples(st.integers(0, 10**12), numbers, words, st.booleans(), st.text("mn", min_size=1, max_size=8)),
        lambda: PaneSummary(PANE),
        update_pane,
    ),
    Kind(
        "ColumnSketch",
        st.one_of(numbers, words, st.booleans(), st.none()),
        ColumnSketch,
        lambda s, v: s.update_values(v),
        exact=False,
    ),
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)


def content(summary: Any) -> Any:
    """Everything a summary holds, packed; of a sketch only what it promises to be exact."""
    if isinstance(summary, ColumnSketch):
        return (
            [summary.n_missing, summary.n_numbers, summary.n_strings, summary.n_booleans, summary.n_other],
            summary.categories.to_state(),
            sorted(summary.numbers.counts.items()),
        )
    return summary.to_bytes() if isinstance(summary, PaneSummary) else repr(summary.to_state())


def lists(kind: Kind) -> st.SearchStrategy[list[Any]]:
    return st.lists(kind.items, max_size=12)


def test_no_kind_of_summary_is_left_out():
    mergeable = {
        name
        for name, member in inspect.getmembers(package, inspect.isclass)
        if hasattr(member, "merge") and not getattr(member, "_is_protocol", False)
    }
    assert mergeable == {k.name for k in KINDS}
    assert len(KINDS) >= 7


@every_kind
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_merge_is_associative(kind, data):
    a, b, c = (kind.of(data.draw(lists(kind))) for _ in range(3))
    assert content(a.merge(b).merge(c)) == content(a.merge(b.merge(c)))


@every_kind
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_merge_is_commutative(kind, data):
    a, b = (kind.of(data.draw(lists(kind))) for _ in range(2))
    assert content(a.merge(b)) == content(b.merge(a))


@every_kind
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_empty_summary_changes_nothing(kind, data):
    a = kind.of(data.draw(lists(kind)))
    assert content(a.merge(kind.empty())) == content(a) == content(kind.empty().merge(a))


@every_kind
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_merging_leaves_both_as_they_were(kind, data):
    a, b = (kind.of(data.draw(lists(kind))) for _ in range(2))
    before = content(a), content(b)
    merged = a.merge(b)
    kind.update(merged, data.draw(lists(kind)))
    assert (content(a), content(b)) == before


@every_kind
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_parts_merged_are_the_whole(kind, data):
    parts = data.draw(st.lists(lists(kind), min_size=1, max_size=4))
    merged = kind.empty()
    whole = kind.empty()
    for part in parts:
        merged = merged.merge(kind.of(part))
        kind.update(whole, part)
    assert content(merged) == content(whole)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_many_panes_merged_at_once_are_what_they_are_one_by_one(data):
    kind = next(k for k in KINDS if k.name == "PaneSummary")
    parts = [kind.of(items) for items in data.draw(st.lists(lists(kind), max_size=6))]
    before = [content(part) for part in parts]
    together = PaneSummary.merge_all(parts, PANE)
    assert content(together) == content(reduce(PaneSummary.merge, parts, PaneSummary(PANE)))
    kind.update(together, data.draw(lists(kind)))
    assert [content(part) for part in parts] == before
    with pytest.raises(IncompatibleSummaryError, match="different profiles"):
        PaneSummary.merge_all([PaneSummary(PANE), PaneSummary(PaneLayout("other@1", {}))], PANE)


@every_kind
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_is_packed_is_read_back(kind, data):
    a = kind.of(data.draw(lists(kind)))
    if isinstance(a, PaneSummary):
        back: Any = PaneSummary.from_bytes(a.to_bytes(), PANE)
    elif isinstance(a, CovarianceSummary):
        back = CovarianceSummary.from_state(a.to_state(), a.columns)
    elif isinstance(a, HeavyHitters | ColumnSketch):
        back = type(a).from_state(a.to_state())
    else:
        back = type(a).from_state(a.to_state(), a.layout)
    assert content(back) == content(a)


@pytest.mark.parametrize("kind", [k for k in KINDS if k.exact], ids=lambda k: k.name)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_the_order_of_items_does_not_change_a_byte(kind, data):
    items = data.draw(lists(kind))
    shuffled = data.draw(st.permutations(items))
    assert content(kind.of(items)) == content(kind.of(list(shuffled)))


def test_summaries_of_different_layouts_do_not_merge():
    other = NumericLayout(edges=np.array([0.0]), groups=np.array([0, 1]), center=0.0, scale=1.0)
    with pytest.raises(IncompatibleSummaryError, match="one reference profile"):
        NumericSummary(NUMERIC).merge(NumericSummary(other))
    with pytest.raises(IncompatibleSummaryError, match="known categories"):
        CategoricalSummary(CATEGORICAL).merge(CategoricalSummary(CategoricalLayout(("z",))))
    with pytest.raises(IncompatibleSummaryError, match="different profiles"):
        PaneSummary(PANE).merge(PaneSummary(PaneLayout("q@1", {})))
    with pytest.raises(IncompatibleSummaryError, match="different columns"):
        CovarianceSummary({"x": NUMERIC}).merge(CovarianceSummary({"y": NUMERIC}))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=40), max_size=6), st.integers(1, 5))
def test_a_heavy_hitter_is_off_by_no_more_than_its_stated_error(parts, capacity):
    merged = HeavyHitters(capacity)
    for part in parts:
        one = HeavyHitters(capacity)
        update_heavy(one, part)
        merged = merged.merge(one)
    flat = [item for part in parts for item in part]
    assert merged.n == len(flat)
    assert merged.error <= len(flat) / (capacity + 1)
    assert len(merged.counts) <= capacity
    for item in set(flat):
        assert flat.count(item) - merged.error <= merged.counts.get(item, 0) <= flat.count(item)
