from __future__ import annotations

from stream_gov.contracts import Monitor
from stream_gov.reference import ReferenceProfile
from stream_gov.runtime.catalog import TopicCatalog
from stream_gov.runtime.counting_plans import CountingPlans
from tests.detection.scenario import HOUR, T0, monitor, profile_for

WATCHED = monitor(window="{size: 1h, allowed_lateness: 10m}")
SPAN = HOUR + HOUR // 6


def profile(revision: int, *, created_ms: int = 0) -> ReferenceProfile:
    made = profile_for(WATCHED, revision=revision)
    object.__setattr__(made, "created_ms", created_ms)
    return made


class Scene:
    def __init__(self, *profiles: ReferenceProfile, watched: Monitor = WATCHED, now_ms: int = T0) -> None:
        self.catalog = TopicCatalog()
        self.put_monitor(watched)
        for each in profiles:
            self.put(each)
        self.plans = CountingPlans(self.catalog, out_of_orderness_ms=1_000, wall_clock_ms=lambda: now_ms)

    def put_monitor(self, watched: Monitor) -> None:
        self.catalog.apply_monitor(watched.name.encode(), watched.to_json_bytes(), 1)

    def put(self, made: ReferenceProfile) -> None:
        self.catalog.apply_reference(made.id.encode(), made.to_bytes())

    def counted_on(self) -> list[str]:
        plan = self.plans.plan_of("shop")
        assert plan is not None
        return [layout.id for layout in plan.layouts]


def test_a_model_without_a_monitor_has_no_plan_and_leaves_no_trace() -> None:
    scene = Scene()
    for i in range(100):
        assert scene.plans.plan_of(f"m{i}") is None
    assert scene.plans._entries == {}


def test_a_model_without_a_reference_is_counted_without_one() -> None:
    assert Scene().counted_on() == []


def test_a_plan_stays_the_same_object_until_something_of_its_model_changes() -> None:
    scene = Scene(profile(1))
    plan = scene.plans.plan_of("shop")
    scene.put_monitor(monitor().model_copy(update={"name": "other", "model": "other"}))
    assert scene.plans.plan_of("shop") is plan
    scene.put_monitor(WATCHED.model_copy(update={"min_events": 7}))
    assert scene.plans.plan_of("shop") is not plan


def test_a_replaced_profile_is_counted_on_until_the_windows_that_span_the_change_have_closed() -> None:
    scene = Scene(profile(1))
    assert scene.counted_on() == ["base@1"]
    scene.plans.observe("e", 0, T0)
    scene.plans.observe("e", 1, T0 + 5_000)
    scene.put(profile(2))
    assert scene.counted_on() == ["base@2", "base@1"]
    end = T0 + 5_000 + 1_000 + SPAN
    scene.plans.observe("e", 0, end)
    assert scene.counted_on() == ["base@2", "base@1"], "the other partition is behind"
    scene.plans.observe("e", 1, end - 1)
    assert scene.counted_on() == ["base@2", "base@1"]
    scene.plans.observe("e", 1, end)
    assert scene.counted_on() == ["base@2"]


def test_an_idle_partition_does_not_hold_the_old_profile() -> None:
    scene = Scene(profile(1))
    scene.counted_on()
    scene.plans.observe("e", 0, T0)
    scene.plans.observe("e", 1, T0)
    scene.put(profile(2))
    scene.counted_on()
    scene.plans.leave_out("e", 1)
    scene.plans.observe("e", 0, T0 + 1_000 + SPAN)
    assert scene.counted_on() == ["base@2"]


def test_a_change_before_any_event_is_measured_from_the_first_event_time() -> None:
    scene = Scene(profile(1))
    scene.counted_on()
    scene.put(profile(2))
    assert scene.counted_on() == ["base@2", "base@1"]
    scene.plans.observe("e", 0, T0)
    scene.plans.observe("e", 0, T0 + SPAN)
    assert scene.counted_on() == ["base@2", "base@1"]
    scene.plans.observe("e", 0, T0 + 1_000 + SPAN)
    assert scene.counted_on() == ["base@2"]


def test_of_two_changes_the_profile_before_the_newest_is_kept() -> None:
    scene = Scene(profile(1))
    scene.counted_on()
    scene.put(profile(2))
    scene.counted_on()
    scene.put(profile(3))
    assert scene.counted_on() == ["base@3", "base@2"]


def test_a_worker_that_starts_takes_a_profile_built_just_now_for_one_being_replaced() -> None:
    assert Scene(profile(1), profile(2, created_ms=T0 - SPAN + 1)).counted_on() == ["base@2", "base@1"]
    assert Scene(profile(1), profile(2, created_ms=T0 - SPAN)).counted_on() == ["base@2"]
    assert Scene(profile(2, created_ms=T0)).counted_on() == ["base@2"]


def test_a_monitor_that_names_a_revision_is_counted_on_that_alone() -> None:
    pinned = WATCHED.model_copy(update={"reference": "base@1"})
    assert Scene(profile(1, created_ms=T0), profile(2, created_ms=T0), watched=pinned).counted_on() == ["base@1"]


def test_a_change_of_the_monitor_during_a_replacement_keeps_the_old_profile() -> None:
    scene = Scene(profile(1))
    scene.counted_on()
    scene.plans.observe("e", 0, T0)
    scene.put(profile(2))
    scene.counted_on()
    scene.put_monitor(WATCHED.model_copy(update={"min_events": 7}))
    assert scene.counted_on() == ["base@2", "base@1"]


def test_a_monitor_that_is_deleted_has_no_plan_any_more() -> None:
    scene = Scene(profile(1))
    scene.counted_on()
    scene.catalog.apply_monitor(b"shop", None, 2)
    assert scene.plans.plan_of("shop") is None


def pinned(revision: int) -> Monitor:
    return WATCHED.model_copy(update={"reference": f"base@{revision}"})


def test_a_monitor_that_goes_back_to_an_older_revision_is_counted_on_both_for_a_while() -> None:
    scene = Scene(profile(1), profile(2))
    assert scene.counted_on() == ["base@2"]
    scene.plans.observe("e", 0, T0)
    scene.put_monitor(pinned(1))
    assert scene.counted_on() == ["base@1", "base@2"]
    scene.plans.observe("e", 0, T0 + 1_000 + SPAN)
    assert scene.counted_on() == ["base@1"]


def test_a_worker_that_starts_after_a_promotion_counts_on_what_was_in_force_before() -> None:
    for age, expected in ((SPAN - 1, ["base@1", "base@2"]), (SPAN, ["base@1"]), (-1, ["base@1"])):
        scene = Scene(profile(1), profile(2), watched=pinned(1))
        scene.catalog.apply_monitor(b"shop", pinned(1).to_json_bytes(), T0 - age, previous="base@2")
        assert scene.counted_on() == expected
        scene.plans.observe("e", 0, T0)
        scene.plans.observe("e", 0, T0 + 1_000 + SPAN)
        assert scene.counted_on() == ["base@1"]
