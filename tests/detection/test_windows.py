from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_gov.detection import closing_watermark, first_end_after, last_end_containing, window_ends_containing

sizes = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5)).map(
    lambda t: {"size_ms": max(t[0], t[1]) * t[2], "every_ms": min(t[0], t[1]) * t[2]}
)


def all_ends(size_ms: int, every_ms: int) -> list[int]:
    return [k * every_ms + size_ms for k in range(-200, 400)]


@given(sizes, st.integers(0, 200))
def test_the_windows_of_a_time_are_those_whose_bounds_hold_it(grid, t):
    by_hand = [e for e in all_ends(**grid) if e - grid["size_ms"] <= t < e]
    assert list(window_ends_containing(t, t + 1, **grid)) == by_hand
    assert last_end_containing(t, **grid) == by_hand[-1]


@given(sizes, st.integers(0, 200))
def test_first_end_after_is_the_least_greater_end(grid, t):
    assert first_end_after(t, **grid) == min(e for e in all_ends(**grid) if e > t)


@given(sizes, st.integers(0, 200), st.integers(0, 30))
def test_at_the_closing_watermark_no_window_of_an_event_can_be_revised_any_more(grid, t, lateness):
    end = closing_watermark(t, allowed_lateness_ms=lateness, **grid)
    assert all(e + lateness <= end for e in window_ends_containing(t, t + 1, **grid))
