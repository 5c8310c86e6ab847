from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.decoding import MAX_DEPTH
from stream_gov.decoding.nesting import is_deeper_than, nesting_depth
from tests.decoding.reference_counting import depth_of

json_values = st.recursive(
    st.one_of(st.none(), st.integers(), st.text(alphabet='ab"\\[]{}é\n')),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text('[]{}"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(json_values)
def test_depth_of_any_document(value):
    data = json.dumps(value).encode()
    assert nesting_depth(data) == depth_of(data)


@given(st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b'\\"', b"\\\\", b"a"]), max_size=40).map(b"".join))
def test_depth_of_any_bytes_with_escapes_within_strings(data):
    # outside strings a backslash is malformed: what the depth is then does not matter
    if b"\\" not in data:
        assert nesting_depth(data) == depth_of(data)


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
def test_the_bound_is_exact(depth):
    assert is_deeper_than(b"[" * depth + b"]" * depth, MAX_DEPTH) == (depth > MAX_DEPTH)


def test_brackets_in_texts_and_flat_arrays_are_not_deep():
    assert not is_deeper_than(json.dumps(["[{" * 200, *[[1]] * 200]).encode(), MAX_DEPTH)


def test_a_scalar_and_nothing_are_not_nested():
    assert nesting_depth(b"3") == nesting_depth(b"") == 0
