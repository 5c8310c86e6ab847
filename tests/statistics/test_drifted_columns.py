from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.contracts import Verdict
from stream_gov.statistics import STATISTICS, drifted_columns

VERDICTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.lists(st.sampled_from(Verdict), max_size=3))


@given(verdicts=VERDICTS)
def test_share_is_that_of_the_columns_with_drift_among_those_with_any_judgement(verdicts):
    judged = [name for name, found in verdicts.items() if {Verdict.STABLE, Verdict.DRIFT} & set(found)]
    drifting = [name for name in judged if Verdict.DRIFT in verdicts[name]]
    found = drifted_columns(verdicts.keys(), verdicts)
    assert found.names == tuple(sorted(drifting))
    assert (found.n_judged, found.n_columns) == (len(judged), len(verdicts))
    if judged:
        assert found.share == len(drifting) / len(judged)
    else:
        assert math.isnan(found.share)


@pytest.mark.parametrize(
    ("n_judged", "n_columns", "reason"),
    [
        (2, 4, ""),
        (5, 9, ""),
        (4, 9, "4 of 9 columns could be judged, fewer than half"),
        (0, 1, "0 of 1 columns could be judged, fewer than half"),
        (0, 0, "no check applies to a column"),
    ],
)
def test_fewer_than_half_of_the_columns_say_nothing_of_the_model(n_judged, n_columns, reason):
    names = [f"c{i}" for i in range(n_columns)]
    verdicts = {name: [Verdict.DRIFT if i < n_judged else Verdict.INSUFFICIENT] for i, name in enumerate(names)}
    assert drifted_columns(names, verdicts).why_insufficient == reason
    value = STATISTICS["drifted_columns"].compute(names, verdicts)
    assert math.isnan(value) if reason else value == 1.0


def test_a_column_without_verdicts_was_not_judged():
    assert drifted_columns(["a", "b"], {"a": [Verdict.STABLE]}).n_judged == 1
