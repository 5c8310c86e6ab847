from __future__ import annotations

import pytest

from stream_gov.sinks.latest_series import LatestSeries


def test_the_newest_window_and_its_highest_revision_win_in_any_order() -> None:
    latest = LatestSeries[str](10)
    for end, revision, value in ((20, 1, "b1"), (10, 0, "a"), (20, 0, "b0"), (10, 7, "a7")):
        latest.update(("k",), end - 10, end, revision, value)
    assert dict(latest) == {("k",): "b1"}
    latest.update(("k",), 20, 30, 0, "c")
    assert dict(latest) == {("k",): "c"}


def test_at_the_bound_a_new_series_is_left_out_and_counted() -> None:
    latest = LatestSeries[int](2)
    for name in "abc":
        latest.update((name,), 0, 10, 0, 1)
    latest.update(("c",), 10, 20, 0, 2)
    latest.update(("a",), 10, 20, 0, 2)  # known series go on
    assert dict(latest) == {("a",): 2, ("b",): 1}
    assert latest.n_dropped == 2


def test_at_the_bound_series_that_missed_two_of_their_windows_give_way() -> None:
    latest = LatestSeries[int](3)
    latest.update(("hourly",), 0, 10, 0, 1)
    latest.update(("weekly",), 0, 100, 0, 1)
    latest.update(("live",), 20, 30, 0, 1)
    assert not latest.update(("new",), 20, 30, 0, 1)  # `hourly` has missed two windows only now
    assert latest.update(("new",), 21, 31, 0, 1)
    assert {key for key, _ in latest} == {("weekly",), ("live",), ("new",)}
    assert latest.n_dropped == 1


def test_values_that_are_over_may_be_told_from_those_that_last() -> None:
    latest = LatestSeries[bool](2, is_over=lambda is_open: not is_open)
    latest.update(("old",), 0, 10, 0, True)
    latest.update(("over",), 0, 10, 0, False)
    assert latest.update(("new",), 1_000, 1_010, 0, True)
    assert dict(latest) == {("old",): True, ("new",): True}
    assert not latest.update(("newer",), 1_010, 1_020, 0, True)


def test_the_bound_is_checked() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LatestSeries[int](0)
