"""What the calibrated test needs of each divergence: gradients against differences, and the share that a tolerance allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from stream_gov.statistics.divergences import (
    JENSEN_SHANNON_NATS,
    KULLBACK_LEIBLER_NATS,
    PSI_NATS,
    SQUARED_HELLINGER,
)

DIVERGENCES = {
    "psi": PSI_NATS,
    "jensen_shannon": JENSEN_SHANNON_NATS,
    "hellinger": SQUARED_HELLINGER,
    "kullback_leibler": KULLBACK_LEIBLER_NATS,
}
every_divergence = pytest.mark.parametrize("divergence", DIVERGENCES.values(), ids=DIVERGENCES)
SHARES = st.lists(st.floats(0.05, 1), min_size=4, max_size=4).map(lambda x: np.array(x) / sum(x))


@every_divergence
@given(w=SHARES, r=SHARES, direction=SHARES)
def test_gradients_are_the_slopes_of_the_value(divergence, w, r, direction):
    along = direction - direction.mean()  # shares keep their sum
    by_w, by_r = divergence.gradient(w, r)
    step = 1e-5
    slopes = [
        (divergence.value(w + step * along, r) - divergence.value(w - step * along, r)) / (2 * step),
        (divergence.value(w, r + step * along) - divergence.value(w, r - step * along)) / (2 * step),
    ]
    assert [float(by_w @ along), float(by_r @ along)] == pytest.approx(slopes, rel=1e-3, abs=1e-6)


@every_divergence
@given(w=st.floats(0.01, 0.99), r=st.floats(0.01, 0.99))
def test_two_cells_are_the_value_of_two_shares(divergence, w, r):
    value = divergence.value(np.array([w, 1 - w]), np.array([r, 1 - r]))
    assert divergence.two_cells(special.logit(np.array([w])), special.logit(np.array([r])))[0] == pytest.approx(
        value, abs=1e-12
    )


@every_divergence
@pytest.mark.parametrize("tolerance", [0.001, 0.02, 0.3])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.6])
def test_tolerated_share_is_as_far_as_the_tolerance(divergence, tolerance, share):
    risen = float(divergence.tolerated_share(np.array([share]), tolerance)[0])
    largest = divergence.value(np.array([1 - 1e-9, 1e-9]), np.array([share, 1 - share]))
    assert risen > share
    if tolerance < largest:
        found = divergence.value(np.array([risen, 1 - risen]), np.array([share, 1 - share]))
        assert found == pytest.approx(tolerance, rel=0.02)
    else:
        assert risen > 1 - 1e-6


@every_divergence
@given(w=SHARES, r=SHARES)
def test_divergences_agree_with_the_squared_distance_of_roots_near_equality(divergence, w, r):
    near = r + 0.01 * (w - r)
    freeman_tukey = 4 * ((np.sqrt(near) - np.sqrt(r)) ** 2).sum()
    factor = {
        id(PSI_NATS): 1,
        id(JENSEN_SHANNON_NATS): 1 / 8,
        id(SQUARED_HELLINGER): 1 / 8,
        id(KULLBACK_LEIBLER_NATS): 1 / 2,
    }
    assert divergence.value(near, r) == pytest.approx(factor[id(divergence)] * freeman_tukey, rel=0.15, abs=1e-9)
