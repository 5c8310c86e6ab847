"""The long-run covariance of a vector's mean: against theory, and the level of the test that rests on it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from stream_gov.contracts import Check, ColumnSelection, Verdict
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.statistics import STATISTICS, decide
from stream_gov.summaries import CovarianceSummary, VectorDependence

DIMENSION = 12


def vectors(rng: np.random.Generator, rho: float, n: int, weights: np.ndarray) -> np.ndarray:
    """Stationary first-order autoregressions of variance 1, mixed by weights; shape `(n, DIMENSION)`."""
    noise = rng.normal(size=(n, DIMENSION)) * np.sqrt(1 - rho * rho)
    noise[0] = rng.normal(size=DIMENSION)
    mixed: np.ndarray = signal.lfilter([1.0], [1.0, -rho], noise, axis=0) @ weights
    return mixed


def build(rows: np.ndarray, *, ordered: bool = True) -> ReferenceProfile:
    n = len(rows)
    batch = RowBatch({"emb": rows.tolist()}, n, times_ms=np.arange(n) * 1_000 if ordered else None)
    builder = ProfileBuilder(columns=ColumnSelection(types={"emb": "vector"}))
    return build_profile(lambda: [batch], builder, name="r", revision=1, model="m", source="rows", created_ms=0)


def window_of(profile: ReferenceProfile, rows: np.ndarray) -> CovarianceSummary:
    (derivation,) = profile.layout.derivations
    summary = CovarianceSummary(profile.segments[""].covariances["emb"].columns)
    summary.update_rows(derivation.derive(rows.tolist(), ()).numbers[1:].T)
    return summary


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_it_is_that_of_an_autoregression(rho):
    """`(1 + rho) / (1 - rho)` times the covariance of the vectors; its estimate from 400 blocks is off by some tenths at 0.8."""
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(DIMENSION, DIMENSION))
    profile = build(vectors(rng, rho, 20_000, weights))
    known = profile.vector_long_run["emb"]
    expected = profile.segments[""].covariances["emb"].covariance() * (1 + rho) / (1 - rho)
    found = known.spans[-1][2]
    np.testing.assert_array_equal(found, found.T)
    assert np.trace(found) == pytest.approx(np.trace(expected), rel=0.15)
    assert np.abs(found - expected).max() < 0.4 * np.trace(expected) / 8


def test_it_reads_back_and_is_left_out_without_an_order_of_time():
    rows = vectors(np.random.default_rng(2), 0.5, 5_000, np.eye(DIMENSION))
    profile = build(rows)
    again = ReferenceProfile.from_bytes(profile.to_bytes())
    assert again.to_bytes() == profile.to_bytes()
    assert list(again.vector_long_run) == ["emb"]
    unordered = build(rows, ordered=False)
    assert unordered.vector_long_run == {}
    assert b"vector_long_run" not in unordered.to_bytes()
    assert build(rows[:300]).vector_long_run == {}  # too few blocks


def test_vectors_that_do_not_vary_have_none():
    assert build(np.ones((2_000, DIMENSION))).vector_long_run == {}


def test_a_short_window_has_the_covariance_of_its_own_length():
    short, long = np.eye(2), 5 * np.eye(2)
    known = VectorDependence(block_rows=50, n_blocks=100, spans=((0, 0, short), (3, 3, long)))
    for n, expected, degrees in ((10, 1.0, 99), (50, 1.0, 99), (200, 5.0, 24), (9_999, 5.0, 24)):
        law = known.of_window(n, 5_000)
        np.testing.assert_allclose(law.of_window, expected * np.eye(2))
        np.testing.assert_allclose(law.of_reference, long)
        assert law.degrees == degrees
    # between the two lengths the variance of the sum is linear: 1 at one block, 4 * 5 at four
    law = known.of_window(100, 5_000)
    np.testing.assert_allclose(law.of_window, (1 + (20 - 1) / 3) / 2 * np.eye(2))


def test_what_is_no_covariance_is_refused():
    for spans in (
        (),
        ((1, 1, np.eye(2)), (0, 0, np.eye(2))),
        ((0, 0, np.eye(2)), (1, 1, np.eye(3))),
        ((0, 0, np.full((2, 2), np.nan)),),
    ):
        with pytest.raises(ValueError, match="must be finite, of one shape and stand by rising span"):
            VectorDependence(block_rows=50, n_blocks=10, spans=spans)


def test_the_test_holds_its_level_where_vectors_depend_on_those_before_them():
    """Autocorrelation 0.9, level 0.01, 600 windows of 500 against 3 references of 20,000 rows.

    Taken for independent draws a third of the windows would fire and more. At most 2.5 % may fire here (15; a true rate of 0.01 has a chance
    of 0.1 % for more), at the tolerance as well; a shift well beyond it is found.
    """
    rng = np.random.default_rng(3)
    statistic = STATISTICS["frechet_distance"]
    rates: dict[str, list[bool]] = {"long_run": [], "independent": [], "tolerance": [], "beyond": []}
    for _ in range(3):
        weights = rng.normal(size=(DIMENSION, DIMENSION))
        profile = build(vectors(rng, 0.9, 20_000, weights))
        reference, known = profile.segments[""].covariances["emb"], profile.vector_long_run["emb"]
        spread = np.sqrt(np.trace(reference.covariance()))
        (derivation,) = profile.layout.derivations
        direction = rng.normal(size=DIMENSION)
        length = np.linalg.norm(derivation.derive([direction.tolist()], ()).numbers[1:])
        unit = direction / length * spread  # shifts the projected mean by one spread
        for _ in range(200):
            rows = vectors(rng, 0.9, 500, weights)
            for name, shift, tolerance in (("long_run", 0.0, 0.0), ("tolerance", 0.3, 0.3), ("beyond", 1.5, 0.1)):
                check = Check(statistic="frechet_distance", tolerance=tolerance, level=0.01)
                window = window_of(profile, rows + shift * unit)
                decided = decide(statistic, reference, window, check, 200, dependence=known)
                assert decided.calibration == "long_run"
                rates[name].append(decided.verdict is Verdict.DRIFT)
            plain = decide(
                statistic,
                reference,
                window_of(profile, rows),
                Check(statistic="frechet_distance", tolerance=0, level=0.01),
                200,
            )
            rates["independent"].append(plain.verdict is Verdict.DRIFT)
    shares = {name: float(np.mean(fired)) for name, fired in rates.items()}
    assert shares["long_run"] <= 0.025
    assert shares["tolerance"] <= 0.025
    assert shares["independent"] > 0.33
    assert shares["beyond"] > 0.95
