from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.summaries import VectorDerivation
from stream_gov.summaries import vector_derivation as module
from tests.summaries.brute_force_derivations import of_vector, signs_of

numbers = st.one_of(
    st.floats(-2, 2, allow_nan=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324, 1e-300, 2**60, -(2**53) - 1, 1]),
)
odd_values = st.sampled_from(
    [None, math.nan, "x", 7, True, [], [1.0], [[1.0]] * 3, [1.0, "2", 3.0], [1.0, None, 3.0], [True, 1.0, 2.0],
     [1.0, math.nan, 2.0], [1.0, math.inf, 2.0], [10**400, 1, 2], {"a": 1}]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    values=st.lists(st.one_of(st.lists(numbers, min_size=3, max_size=3), odd_values), max_size=8),
    k=st.integers(1, 9),
    seed=st.integers(0, 3),
    block=st.integers(1, 20),
)
def test_agrees_with_whole_numbers_and_fractions_to_the_last_bit(values, k, seed, block):
    of = VectorDerivation("emb", 3, k, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_NUMBERS", block)
        derived = of.derive(values, range(len(values)))
    for i, value in enumerate(values):
        expected = of_vector(of, value)
        assert (i in derived.wrong) == (expected == "wrong"), value
        row = derived.numbers[:, i]
        assert row.tolist() == expected if isinstance(expected, list) else np.isnan(row).all()
        assert not np.signbit(row[row == 0]).any()


@pytest.mark.parametrize("dimension", [1, 2, 7, 8, 9, 384, 1_536, 4_097])
def test_any_split_into_batches_gives_the_same_bits(dimension):
    """A BLAS product may sum in another order for another number of rows; here every sum is exact."""
    rng = np.random.default_rng(dimension)
    of = VectorDerivation("emb", dimension)
    vectors = (rng.normal(size=(97, dimension)) * np.exp(rng.normal(0, 5, (97, 1)))).tolist()
    whole = of.derive(vectors, ()).numbers
    for cuts in ([], [1], [50], sorted(rng.integers(0, 97, 20).tolist()), range(97)):
        ends = [*cuts, 97]
        parts = [of.derive(vectors[a:b], ()).numbers for a, b in zip([0, *ends], ends, strict=False)]
        assert np.concatenate(parts, axis=1).tobytes() == whole.tobytes()
    order = rng.permutation(97)
    shuffled = of.derive([vectors[i] for i in order], range(97)).numbers
    assert shuffled.tobytes() == np.ascontiguousarray(whole[:, order]).tobytes()
    assert whole[:, 0].tolist() == of_vector(of, vectors[0])


def test_projection_and_length_are_those_of_numpy_within_their_rounding():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 384))
    of = VectorDerivation("emb", 384, 8, seed=5)
    derived = of.derive(vectors.tolist(), ()).numbers
    np.testing.assert_allclose(derived[0], np.linalg.norm(vectors, axis=1), rtol=1e-6)
    projected = vectors @ np.array(signs_of(of)).T / math.sqrt(8)
    np.testing.assert_allclose(derived[1:].T, projected, atol=1e-10)


def test_the_signs_are_fixed_for_all_releases():
    """Written down once: a profile keeps only the seed, so the signs must never change."""
    signs = VectorDerivation("emb", 12, 2, seed=0).signs
    assert signs.T.astype(int).tolist() == signs_of(VectorDerivation("emb", 12, 2, seed=0)) == SIGNS
    assert (VectorDerivation("emb", 12, 2, seed=1).signs != signs).any()


SIGNS = [[-1, 1, 1, -1, 1, -1, -1, -1, 1, 1, -1, 1], [1, 1, -1, -1, 1, 1, -1, -1, -1, 1, -1, -1]]


def test_distances_survive_the_projection_on_average():
    """The mean over 200 seeds of the squared length of a projected vector is within 4 standard errors (0.5 / sqrt(200)) of that of the vector."""
    vector = np.random.default_rng(3).normal(size=64).tolist()
    squares = [
        (VectorDerivation("emb", 64, 8, seed).derive([vector], ()).numbers[1:, 0] ** 2).sum() for seed in range(200)
    ]
    assert np.mean(squares) == pytest.approx(float(np.square(vector).sum()), rel=4 * 0.5 / math.sqrt(200))


def test_normalised_vectors_have_the_length_1_and_no_other():
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(300, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    of = VectorDerivation("emb", 384)
    assert set(of.derive(vectors.tolist(), ()).numbers[0].tolist()) == {1.0}
    assert set(of.derive((vectors * 2).tolist(), ()).numbers[0].tolist()) == {2.0}


def test_a_vector_without_length_is_no_error():
    derived = VectorDerivation("emb", 3).derive([[0, 0.0, -0.0], [5e-324, 0, 0]], range(2))
    assert derived.wrong == []
    assert derived.numbers[:, 0].tolist() == [0.0] * 9


def test_settings_are_checked_and_read_back():
    of = VectorDerivation("emb", 384, 4, 7)
    assert VectorDerivation.from_state(of.to_state()) == of
    assert of.columns == ("emb.norm", "emb.0", "emb.1", "emb.2", "emb.3")
    for bad in ((0, 8, 0), (65_537, 8, 0), (3, 0, 0), (3, 65, 0), (3, 8, -1)):
        with pytest.raises(ValueError, match="a projection needs 1 to 65536 numbers"):
            VectorDerivation("emb", *bad)
