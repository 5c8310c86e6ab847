from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.diagnosis import remainder
from tests.diagnosis.columns import reference_of, window_of

RNG = np.random.default_rng(2)
COLUMNS = {
    "numeric": (RNG.normal(0, 1, 500), st.floats(-50, 50)),
    "categorical": (["a", "b", "c"] * 50, st.sampled_from(["a", "b", "c", "x", "y", ""])),
    "boolean": ([True, False] * 50, st.booleans()),
}


@pytest.mark.parametrize("kind", COLUMNS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_merged_with_the_part_it_is_the_total_again(kind, data):
    before, values = COLUMNS[kind]
    reference = reference_of(before)
    lists = st.lists(values, max_size=40)
    part = window_of(reference, data.draw(lists), n_missing=2, n_type_errors=1)
    other = window_of(reference, data.draw(lists), n_missing=1)
    total = part.merge(other)
    as_they_were = total.to_state(), part.to_state()
    rest = remainder(total, part)
    assert (total.to_state(), part.to_state()) == as_they_were
    assert rest is not None
    assert (rest.n_valid, rest.n_missing, rest.n_type_errors) == (other.n_valid, 1, 0)
    assert rest.cell_counts().tolist() == other.cell_counts().tolist()
    again = rest.merge(part)
    assert again.cell_counts().tolist() == total.cell_counts().tolist()
    if kind == "numeric":
        assert (rest.sum_q, rest.sum_q2) == (other.sum_q, other.sum_q2)
        assert again.to_state() == total.to_state() or not rest.n_valid
    if kind == "categorical":
        assert rest.unseen.counts == other.unseen.counts


@pytest.mark.parametrize("kind", COLUMNS)
def test_what_holds_more_than_the_total_is_no_part_of_it(kind):
    before, _ = COLUMNS[kind]
    reference = reference_of(before)
    few, many = window_of(reference, before[:3]), window_of(reference, before[:9])
    assert remainder(few, many) is None
    assert remainder(few, window_of(reference, [], n_missing=1)) is None


def test_a_part_of_another_kind_is_refused():
    numeric, boolean = (reference_of(COLUMNS[k][0]) for k in ("numeric", "boolean"))
    with pytest.raises(TypeError, match="one layout"):
        remainder(numeric, boolean)
