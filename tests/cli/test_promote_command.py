"""`stream-gov reference promote` and `list` on the state directory alone, and at an embedded broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stream_gov.cli.reference_uses import read_catalog
from stream_gov.contracts import Monitor
from stream_gov.files.state_directory import StateDirectory
from stream_gov.runtime.catalog import TopicCatalog
from stream_gov.runtime.catalog_publisher import CatalogPublisher
from stream_gov.runtime.embedded_broker import EmbeddedBroker
from stream_gov.runtime.topics import ensure_topics
from stream_gov.settings import Settings, load_settings
from tests.cli.stream_files import MONITOR
from tests.detection.scenario import monitor, profile_for

COMMENTED = MONITOR.replace("reference: shop-base", "reference: base   # the first year")


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    """Three revisions, and two monitors that are compared with the newest; a third with another reference."""
    state = StateDirectory(tmp_path / ".stream-gov")
    for revision in (1, 2, 3):
        state.save_profile(profile_for(monitor(), revision=revision))
    for name in ("shop", "bank"):
        text = COMMENTED.replace("shop", name)
        state.save_monitor(Monitor.from_yaml(text, source=name), text=text)
    other = COMMENTED.replace("shop", "other").replace("base ", "elsewhere ")
    state.save_monitor(Monitor.from_yaml(other, source="other"), text=other)
    return state


def kept(state: StateDirectory) -> dict[str, str | None]:
    return {m.name: m.reference for m in state.load_monitors()}


@pytest.fixture(scope="module")
def bootstrap():
    with EmbeddedBroker() as broker:
        yield broker.bootstrap


@pytest.fixture
def broker(bootstrap, request, monkeypatch) -> Settings:
    """Topics of this test alone."""
    monkeypatch.setenv("STREAM_GOV_BOOTSTRAP", bootstrap)
    monkeypatch.setenv("STREAM_GOV_TOPICS__PREFIX", f"{request.node.name[:60]}.")
    settings = load_settings()
    ensure_topics(settings)
    return settings


def publish(settings: Settings, state: StateDirectory, *revisions: int) -> None:
    with CatalogPublisher(settings) as publisher:
        for revision in revisions:
            publisher.publish_reference(state.load_profile(f"base@{revision}"))
        for each in state.load_monitors():
            publisher.publish_monitor(each)


def in_force(settings: Settings) -> dict[str, str | None]:
    catalog = read_catalog(settings, "test")
    found = {m.name: catalog.profile_named_by(m) for m in catalog.monitors()}
    return {name: None if profile is None else profile.id for name, profile in found.items()}


def test_without_a_broker_the_state_directory_changes_and_comments_stay(run, state, tmp_path):
    done = run("reference", "promote", "base@2")
    assert done.exit_code == 0
    assert kept(state) == {"shop": "base@2", "bank": "base@2", "other": "elsewhere"}
    assert "reference: base@2   # the first year" in state.monitor_path("shop").read_text()
    assert "`stream-gov up` publishes it" in done.stderr
    assert [line.split()[:5] for line in done.stdout.splitlines()[1:3]] == [
        ["bank", "bank", "state", "directory", "base@3"],
        ["shop", "shop", "state", "directory", "base@3"],
    ]


def test_a_dry_run_says_what_would_change_and_changes_nothing(run, state):
    done = run("reference", "promote", "base@1", "--monitor", "shop", "--dry-run")
    assert done.exit_code == 0
    assert "base@1" in done.stdout
    assert "bank" not in done.stdout
    assert "nothing was changed" in done.stderr
    assert kept(state)["shop"] == "base"


def test_what_is_in_force_already_is_left_alone(run, state):
    run("reference", "promote", "base@2")
    done = run("reference", "promote", "base@2")
    assert (done.exit_code, "nothing to do" in done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["base"], ["base@1", "reference list"]),
        (["base@9"], ["no revision 9", "1, 2, 3"]),
        (["bse@1"], ["no reference 'bse'", "did you mean `base`"]),
        (["a b"], ["'a b' is no reference"]),
        (["base@1", "--monitor", "shp"], ["--monitor shp", "did you mean `shop`"]),
        (["base@1", "--monitor", "other"], ["--monitor other", "elsewhere"]),
    ],
)
def test_a_mistake_is_one_clear_line_and_changes_nothing(run, state, arguments, parts):
    done = run("reference", "promote", *arguments)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert (done.exit_code, len(errors)) == (2, 1), done.stderr
    assert all(part in errors[0] for part in parts), errors
    assert kept(state) == {"shop": "base", "bank": "base", "other": "elsewhere"}


def test_a_reference_that_no_monitor_uses_is_refused(run, state):
    state.remove_monitor("shop")
    state.remove_monitor("bank")
    done = run("reference", "promote", "base@1")
    assert done.exit_code == 2
    assert "no monitor is compared with base" in done.stderr


def test_a_file_that_cannot_be_edited_is_named_before_anything_is_published(run, state):
    text = "monitor: &base base\nmodel: m\nreference: *base\nwindow: {size: 1h}\n"
    state.save_monitor(Monitor.from_yaml(text, source="base"), text=text)
    done = run("reference", "promote", "base@1")
    assert done.exit_code == 2
    assert "write `reference: base@1` into it by hand" in done.stderr
    assert kept(state)["shop"] == "base"


@pytest.mark.broker
def test_promoted_and_taken_back_on_the_topic_and_in_the_state_directory(run, state, broker):
    publish(broker, state, 1, 2)
    assert in_force(broker) == {"shop": "base@2", "bank": "base@2", "other": None}
    forward = run("reference", "promote", "base@3")
    assert forward.exit_code == 0, forward.stderr
    assert "counted on both for 1h of event time" in forward.stdout
    assert "those that span it with base@2" in forward.stderr
    assert in_force(broker) == {"shop": "base@3", "bank": "base@3", "other": None}
    assert kept(state) == {"shop": "base@3", "bank": "base@3", "other": "elsewhere"}
    catalog: TopicCatalog = read_catalog(broker, "test")
    assert catalog.references() == {"base": [3, 2, 1]}, "the old ones stay"
    before = catalog.previous_reference("shop")
    assert before is not None
    assert before[0] == "base@2", "a worker that starts now knows what was in force"

    back = run("reference", "promote", "base@1", "-m", "shop")
    assert back.exit_code == 0, back.stderr
    assert in_force(broker) == {"shop": "base@1", "bank": "base@3", "other": None}
    assert kept(state) == {"shop": "base@1", "bank": "base@3", "other": "elsewhere"}


@pytest.mark.broker
def test_a_monitor_that_is_not_promoted_does_not_follow_to_the_newest(run, state, broker):
    publish(broker, state, 1)
    done = run("reference", "promote", "base@3", "--monitor", "shop")
    assert "stays, and names it: it would follow" in done.stdout
    assert in_force(broker) == {"shop": "base@3", "bank": "base@1", "other": None}
    assert kept(state) == {"shop": "base@3", "bank": "base@1", "other": "elsewhere"}


@pytest.mark.broker
def test_only_the_reference_of_a_published_monitor_changes(run, state, broker):
    """What else differs between the topic and the file is not decided here."""
    publish(broker, state, 1)
    text = state.monitor_path("shop").read_text().replace("min_events: 50", "min_events: 77")
    state.save_monitor(Monitor.from_yaml(text, source="shop"), text=text)
    run("reference", "promote", "base@2")
    published = read_catalog(broker, "test").monitor("shop")
    assert published is not None
    assert (published.min_events, published.reference) == (50, "base@2")
    assert state.load_monitor("shop").min_events == 77


@pytest.mark.broker
def test_a_revision_of_another_machine_comes_from_the_topic(run, state, broker):
    publish(broker, state, 1, 2)
    state.profile_path("base", 1).unlink()
    done = run("reference", "promote", "base@1")
    assert done.exit_code == 0, done.stderr
    assert state.load_profile("base@1").id == "base@1", "or `up` could not publish the monitor"


@pytest.mark.broker
def test_list_says_who_uses_what_and_marks_differences(run, state, broker):
    publish(broker, state, 1, 2)
    lines = {line.split()[0]: line for line in run("reference", "list").stdout.splitlines()}
    assert "bank (kept, not in force), shop (kept, not in force)" in lines["base@3"]
    assert "bank (in force), shop (in force)" in lines["base@2"]
    done = run("reference", "list", "--json")
    found = {line["id"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert found["base@2"]["used_by"] == {"kept": [], "published": ["bank", "shop"]}
    assert found["base@3"]["used_by"] == {"kept": ["bank", "shop"], "published": []}
    assert "monitor shop: the state directory says base@3, and base@2 is in force" in done.stderr
    run("reference", "promote", "base@2")
    done = run("reference", "list")
    assert "in force" not in done.stdout + done.stderr, "they agree"
    assert "bank, shop" in done.stdout
    state.profile_path("base", 2).unlink()
    assert "(on the topic only)" in run("reference", "list").stdout


def test_list_without_a_broker_tells_what_the_files_say(run, state):
    lines = {line.split()[0]: line for line in run("reference", "list").stdout.splitlines()}
    assert "bank (not published), shop (not published)" in lines["base@3"]


def test_list_at_a_broker_that_does_not_answer_shows_the_state_directory(run, state, monkeypatch):
    monkeypatch.setattr("stream_gov.cli.reference_uses._ANSWER_S", 0.5)
    done = run("reference", "list", "--bootstrap", "127.0.0.1:1")
    assert done.exit_code == 0
    assert "base@3" in done.stdout
    assert "only the state directory is shown" in done.stderr
