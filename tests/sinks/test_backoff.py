from __future__ import annotations

import pytest

from stream_gov.sinks import Backoff


def test_waits_double_up_to_the_limit_and_start_anew_after_a_success() -> None:
    backoff = Backoff(first_s=0.5, limit_s=30.0, random_share=lambda: 1.0)
    assert [backoff.next_s() for _ in range(8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    backoff.reset()
    assert backoff.next_s() == 0.5


def test_the_random_part_takes_at_most_half_away() -> None:
    assert Backoff(first_s=4.0, random_share=lambda: 0.0).next_s() == 2.0
    waits = {Backoff(first_s=4.0).next_s() for _ in range(200)}
    assert len(waits) > 100
    assert all(2.0 <= wait < 4.0 for wait in waits)


def test_many_failures_do_not_overflow() -> None:
    backoff = Backoff()
    for _ in range(5_000):
        backoff.next_s()
    assert backoff.next_s() <= 30.0


@pytest.mark.parametrize(("first_s", "limit_s"), [(0.0, 1.0), (2.0, 1.0)])
def test_arguments_are_checked(first_s: float, limit_s: float) -> None:
    with pytest.raises(ValueError, match="positive and not above the limit"):
        Backoff(first_s=first_s, limit_s=limit_s)
