from __future__ import annotations

from stream_gov.runtime.stall_watch import StallWatch


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_regular_looks_are_no_stall() -> None:
    clock = Clock()
    watch = StallWatch(5.0, monotonic_s=clock)
    for _ in range(100):
        clock.now += 4.0
        watch.look()
    assert watch.stalled_s() is None


def test_a_gap_is_found_by_whoever_runs_first() -> None:
    clock = Clock()
    watch = StallWatch(5.0, monotonic_s=clock)
    clock.now += 9.0
    assert watch.stalled_s() == 9.0
    watch.look()
    clock.now += 0.5
    watch.look()
    assert watch.stalled_s() == 9.0, "what was read before it may belong to another by now, so it stays"


def test_the_watching_thread_ends_with_the_context() -> None:
    with StallWatch(5.0) as watch:
        assert watch.stalled_s() is None
    assert not watch._thread.is_alive()
