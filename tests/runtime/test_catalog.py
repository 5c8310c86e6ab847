from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from stream_gov.contracts import Monitor
from stream_gov.runtime import catalog as catalog_module
from stream_gov.runtime.catalog import TopicCatalog
from tests.detection.scenario import monitor, profile_for


def put(catalog: TopicCatalog, *revisions: int) -> None:
    for revision in revisions:
        profile = profile_for(monitor(), revision=revision)
        catalog.apply_reference(profile.id.encode(), profile.to_bytes())


def named(name: str, model: str = "shop", reference: str | None = "base") -> Monitor:
    return monitor().model_copy(update={"name": name, "model": model, "reference": reference})


def test_monitors_are_found_by_their_model() -> None:
    catalog = TopicCatalog()
    assert catalog.apply_monitor(b"shop", monitor().to_json_bytes(), 1)
    assert catalog.monitor("shop") == monitor()
    assert catalog.monitor("other") is None
    assert catalog.models() == ["shop"]


def test_the_same_message_again_changes_nothing() -> None:
    catalog = TopicCatalog()
    catalog.apply_monitor(b"shop", monitor().to_json_bytes(), 1)
    version = catalog.version
    assert not catalog.apply_monitor(b"shop", monitor().to_json_bytes(), 2)
    assert catalog.version == version


def test_of_two_monitors_of_one_model_the_later_wins_and_that_is_told_once() -> None:
    catalog = TopicCatalog()
    with capture_logs() as lines:
        catalog.apply_monitor(b"new", named("new").to_json_bytes(), 2)
        catalog.apply_monitor(b"old", named("old").to_json_bytes(), 1)
        catalog.apply_monitor(b"third", named("third", model="x").to_json_bytes(), 3)
    assert catalog.monitor("shop") == named("new")
    assert [(line["used"], line["unused"]) for line in lines if "used" in line] == [("new", "old")]
    catalog.apply_monitor(b"new", None, 4)
    assert catalog.monitor("shop") == named("old"), "the other is in force again"
    assert [m.name for m in catalog.monitors()] == ["old", "third"]


def test_a_deleted_monitor_is_gone() -> None:
    catalog = TopicCatalog()
    catalog.apply_monitor(b"shop", monitor().to_json_bytes(), 1)
    assert catalog.apply_monitor(b"shop", b"", 2)
    assert catalog.monitor("shop") is None
    assert not catalog.apply_monitor(b"shop", None, 3)


def test_entries_that_cannot_be_read_are_skipped_and_told() -> None:
    catalog = TopicCatalog()
    catalog.apply_monitor(b"shop", monitor().to_json_bytes(), 1)
    with capture_logs() as lines:
        assert not catalog.apply_monitor(b"shop", b"{", 2)
        assert not catalog.apply_monitor(b"shop", json.dumps({"monitor": "shop", "colour": 1}).encode(), 2)
        assert not catalog.apply_reference(b"no-revision", b"x")
        assert not catalog.apply_reference(None, b"x")
        catalog.apply_reference(b"base@1", b"not a profile")
        assert catalog.profile("base@1") is None
        assert catalog.profile("base@1") is None
    assert catalog.monitor("shop") == monitor(), "what was good before stays"
    assert catalog.n_unreadable == 5
    assert sum(line["log_level"] == "error" for line in lines) == 5, "a profile that cannot be read is told once"


def test_a_name_means_its_newest_revision_and_a_revision_itself() -> None:
    catalog = TopicCatalog()
    put(catalog, 2, 10, 1)
    catalog.apply_monitor(b"shop", monitor().to_json_bytes(), 1)
    catalog.apply_monitor(b"pinned", named("pinned", "p", "base@2").to_json_bytes(), 1)
    newest = catalog.newest_profile("shop")
    pinned = catalog.newest_profile("p")
    assert newest is not None
    assert newest.id == "base@10"
    assert pinned is not None
    assert pinned.id == "base@2"
    assert [p.id for p in catalog.profiles_of("shop")] == ["base@10", "base@2", "base@1"]
    assert [p.id for p in catalog.profiles_of("p")] == ["base@2"]
    assert catalog.references() == {"base": [10, 2, 1]}


def test_a_newest_revision_that_cannot_be_read_leaves_the_one_before_in_force() -> None:
    catalog = TopicCatalog()
    put(catalog, 1)
    catalog.apply_reference(b"base@2", b"SGRP\xffof a later release")
    catalog.apply_monitor(b"shop", monitor().to_json_bytes(), 1)
    newest = catalog.newest_profile("shop")
    assert newest is not None
    assert newest.id == "base@1"


def test_a_model_without_a_reference_has_no_profile() -> None:
    catalog = TopicCatalog()
    put(catalog, 1)
    catalog.apply_monitor(b"shop", named("shop", reference=None).to_json_bytes(), 1)
    catalog.apply_monitor(b"lost", named("lost", "l", "nowhere").to_json_bytes(), 1)
    assert catalog.newest_profile("shop") is None
    assert catalog.newest_profile("l") is None
    assert catalog.newest_profile("unknown") is None
    assert catalog.profiles_of("unknown") == []


def test_a_deleted_profile_is_gone() -> None:
    catalog = TopicCatalog()
    put(catalog, 1)
    assert catalog.profile("base@1") is not None
    assert catalog.apply_reference(b"base@1", None)
    assert catalog.profile("base@1") is None
    assert catalog.references() == {}


def test_only_so_many_profiles_stay_unpacked_and_so_many_revisions_stay_at_all(monkeypatch: object) -> None:
    patch = monkeypatch
    patch.setattr(catalog_module, "MAX_DECODED_PROFILES", 2)  # type: ignore[attr-defined]
    patch.setattr(catalog_module, "MAX_REVISIONS", 3)  # type: ignore[attr-defined]
    catalog = TopicCatalog()
    put(catalog, 1, 2, 3, 4)
    assert catalog.revisions("base") == [4, 3, 2]
    first = catalog.profile("base@2")
    assert catalog.profile("base@2") is first
    catalog.profile("base@3")
    catalog.profile("base@4")
    assert len(catalog._decoded) == 2
    again = catalog.profile("base@2")
    assert again is not None
    assert again is not first


def test_a_revision_that_a_monitor_names_is_never_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "MAX_REVISIONS", 3)
    catalog = TopicCatalog()
    catalog.apply_monitor(b"pinned", named("pinned", "p", "base@1").to_json_bytes(), 1)
    catalog.apply_monitor(b"shop", monitor().to_json_bytes(), 1)
    put(catalog, 1, 2, 3, 4, 5, 6)
    assert catalog.revisions("base") == [6, 5, 4, 1]
    catalog.apply_monitor(b"pinned", named("pinned", "p", "base@4").to_json_bytes(), 2)
    put(catalog, 7)
    assert catalog.revisions("base") == [7, 6, 5, 4, 1], "windows that span the change are compared with the one before"
    catalog.apply_monitor(b"pinned", named("pinned", "p", "base@7").to_json_bytes(), 3)
    put(catalog, 8)
    assert catalog.revisions("base") == [8, 7, 6, 4], "only the one before the last change"


def test_an_old_revision_published_again_stays_until_a_monitor_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "MAX_REVISIONS", 3)
    catalog = TopicCatalog()
    put(catalog, 2, 3, 4, 5, 6)
    assert catalog.revisions("base") == [6, 5, 4]
    put(catalog, 2)
    put(catalog, 7, 8)
    assert catalog.revisions("base") == [8, 7, 2], "the order is that of publication"
    put(catalog, 3, 4, 5)
    assert catalog.revisions("base") == [8, 5, 4, 3], "the newest is what a name means"


def test_a_revision_published_again_without_a_change_is_not_unpacked_again() -> None:
    catalog, data = TopicCatalog(), profile_for(monitor()).to_bytes()
    assert catalog.apply_reference(b"base@1", data)
    first, version = catalog.profile("base@1"), catalog.version
    assert not catalog.apply_reference(b"base@1", data)
    assert catalog.profile("base@1") is first
    assert catalog.version == version


def test_what_a_monitor_was_compared_with_before_is_remembered_or_told() -> None:
    catalog = TopicCatalog()
    put(catalog, 1, 2, 3)
    catalog.apply_monitor(b"shop", monitor().to_json_bytes(), 1)
    assert catalog.previous_reference("shop") is None
    catalog.apply_monitor(b"shop", named("shop", reference="base@1").to_json_bytes(), 5)
    assert catalog.previous_reference("shop") == ("base@3", 5)
    stricter = named("shop", reference="base@1").model_copy(update={"min_events": 7})
    catalog.apply_monitor(b"shop", stricter.to_json_bytes(), 6)
    assert catalog.previous_reference("shop") == ("base@3", 6), "another change does not touch it"
    late = TopicCatalog()
    late.apply_monitor(b"shop", named("shop", reference="base@1").to_json_bytes(), 5, previous="base@3")
    assert late.previous_reference("shop") == ("base@3", 5)
    assert late.previous_reference("other") is None
