"""Damaged pane records end as one error with a reason, whatever is damaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.contracts import UnreadableRecordError
from stream_gov.summaries import (
    BooleanLayout,
    CategoricalLayout,
    ColumnSketch,
    NumericLayout,
    PaneLayout,
    PaneSummary,
    VectorDerivation,
)

VECTOR = VectorDerivation("v", 2, k=2)
LAYOUT = PaneLayout(
    "p@1",
    {
        "x": NumericLayout(np.linspace(-2, 2, 20), np.zeros(21, np.int64), 0.0, 1.0),
        "c": CategoricalLayout(("a", "b")),
        "b": BooleanLayout(),
        **dict.fromkeys(VECTOR.columns, NumericLayout(np.empty(0), np.array([0]), 0.0, 1.0)),
    },
    covariance=True,
    derivations=(VECTOR,),
)
OPEN = PaneLayout("", {})


def counted() -> PaneSummary:
    pane = PaneSummary(LAYOUT)
    values = np.random.default_rng(4).normal(size=300)
    pane.update_times(10, 20, 300)
    pane.columns["x"].update_values(np.append(values, 1e200), n_missing=2)
    pane.columns["c"].update_values(["a", "new", "newer"] * 100)
    pane.columns["b"].update_values([True] * 300)
    pane.update_new_columns({"extra": 4})
    for name in VECTOR.columns:
        pane.columns[name].update_values(values)
    pane.covariances[""].update_rows(np.column_stack([values] * 4))
    pane.covariances["v"].update_rows(np.column_stack([values, -values]))
    return pane


def sketched() -> PaneSummary:
    pane = PaneSummary(OPEN)
    pane.update_times(10, 20, 300)
    pane.sketches["x"] = ColumnSketch()
    pane.sketches["x"].update_values([*np.random.default_rng(4).normal(size=300).tolist(), "a", None])
    return pane


PANES = {"counted": (counted().to_bytes(), LAYOUT), "sketched": (sketched().to_bytes(), OPEN)}


@pytest.mark.parametrize("name", PANES)
def test_a_pane_cut_short_anywhere_is_refused(name):
    data, layout = PANES[name]
    for end in range(len(data)):
        with pytest.raises(UnreadableRecordError):
            PaneSummary.from_bytes(data[:end], layout)


@pytest.mark.parametrize("name", PANES)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=500, deadline=None)
def test_a_changed_byte_is_refused_or_gives_another_pane(name, place, byte):
    data, layout = PANES[name]
    at = int(place * len(data))
    damaged = data[:at] + bytes((byte,)) + data[at + 1 :]
    try:
        pane = PaneSummary.from_bytes(damaged, layout)
    except UnreadableRecordError as err:
        assert str(err)  # noqa: PT017
    else:
        assert isinstance(pane, PaneSummary)
