"""Pane summaries that earlier releases wrote stay readable, and this one writes the same bytes for the same content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_gov.summaries import (
    BooleanLayout,
    CategoricalLayout,
    NumericLayout,
    PaneLayout,
    PaneSummary,
    VectorDerivation,
)

FOLDER = Path(__file__).parent / "panes"
LAYOUT = PaneLayout(
    "golden@1",
    {
        "x": NumericLayout(
            edges=np.linspace(-2, 2, 41), groups=np.minimum(np.arange(42) // 4, 9), center=0.25, scale=0.75
        ),
        "c": CategoricalLayout(("a", "b")),
        "b": BooleanLayout(),
    },
    covariance=True,
)
SIZES = [0, 1, 10, 1_000, 1_000_000]


def pane_of(n: int) -> PaneSummary:
    """Events without chance: number `i` is `sin(i)`, with a missing value, an outlier and a new category now and then."""
    pane = PaneSummary(LAYOUT)
    if not n:
        return pane
    i = np.arange(n)
    # Rounded to an eighth of a thousandth, so that no platform's sine changes a bit.
    x = np.round(np.sin(i) * 8_000) / 8_000
    x[i % 1_000 == 999] = 1e9
    valid = i % 7 != 3
    pane.update_times(1_700_000_000_000, 1_700_000_000_000 + n, n)
    pane.columns["x"].update_values(x[valid], n_missing=int((~valid).sum()))
    pane.columns["c"].update_counts({"a": n // 2, "b": n // 3, "new": n - n // 2 - n // 3})
    pane.columns["b"].update_values((i % 3 == 0).tolist())
    pane.update_new_columns({"extra": n // 16})
    assert pane.covariance is not None
    pane.covariance.update_rows(x[valid][:, None])
    return pane


@pytest.mark.parametrize("n", SIZES)
def test_golden_panes_of_format_1_are_read_and_written_alike(n):
    golden = (FOLDER / f"format-1-n{n}.bin").read_bytes()
    pane = PaneSummary.from_bytes(golden, LAYOUT)
    assert pane.n_events == n
    assert pane.columns["x"].n == n
    assert pane.to_bytes() == golden
    assert pane_of(n).to_bytes() == golden


VECTOR = VectorDerivation("v", 4, k=2)
VECTOR_LAYOUT = PaneLayout(
    "golden@2",
    dict.fromkeys(VECTOR.columns, NumericLayout(np.linspace(-2, 2, 5), np.array([0, 0, 1, 1, 2, 2]), 0.25, 0.75)),
    derivations=(VECTOR,),
)


def vector_pane() -> PaneSummary:
    """A thousand vectors of eighths, one of them missing and one too short."""
    pane = PaneSummary(VECTOR_LAYOUT)
    i = np.arange(1_000)
    vectors = (np.outer(i, [3, 5, 7, 11]) % 17 / 8 - 1).tolist()
    derived = VECTOR.derive([None, [1.0], *vectors[2:]], [0, 1])
    pane.update_times(1_700_000_000_000, 1_700_000_001_000, 1_000)
    for name, row in zip(VECTOR.columns, derived.numbers, strict=True):
        pane.columns[name].update_values(row[np.isfinite(row)], n_missing=1, n_type_errors=len(derived.wrong))
    pane.covariances["v"].update_rows(derived.numbers[1:].T)
    return pane


def test_the_golden_pane_with_the_covariance_of_a_vector_is_read_and_written_alike():
    golden = (FOLDER / "format-1-vector.bin").read_bytes()
    pane = PaneSummary.from_bytes(golden, VECTOR_LAYOUT)
    assert pane.covariance is None
    assert pane.covariances["v"].n == pane.columns["v.norm"].n_valid == 998
    assert pane.to_bytes() == golden
    assert vector_pane().to_bytes() == golden


def test_the_golden_panes_are_all_there():
    assert {p.name for p in FOLDER.iterdir()} == {*(f"format-1-n{n}.bin" for n in SIZES), "format-1-vector.bin"}
