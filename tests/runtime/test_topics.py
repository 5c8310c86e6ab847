from __future__ import annotations

import pytest

from stream_gov.runtime.topics import TopicSpec, _differences, detect_changelog_name, wanted_topics
from stream_gov.settings import Settings, TopicSettings

SETTINGS = Settings(group="g", topics=TopicSettings(prefix="p.", partitions=6, events_retention="3d"))
WANTED = {spec.role: spec for spec in wanted_topics(SETTINGS)}


def test_every_topic_of_the_settings_is_wanted_under_its_full_name() -> None:
    of_settings = {
        name for name, field in TopicSettings.model_fields.items() if field.annotation is str and name != "prefix"
    }
    assert set(WANTED) == of_settings | {"detect_changelog"}
    assert WANTED["events"].name == "p.inference-events"
    assert detect_changelog_name(SETTINGS) == "p.g.detect-state-changelog"


def test_state_is_compacted_and_streams_are_kept_as_long_as_told() -> None:
    for role in ("references", "monitors", "detect_changelog"):
        assert WANTED[role].config["cleanup.policy"] == "compact"
    assert WANTED["events"].config["retention.ms"] == str(3 * 86_400_000)
    assert WANTED["summaries"].config["retention.ms"] == str(3 * 86_400_000)
    assert WANTED["metrics"].config["retention.ms"] == str(30 * 86_400_000)
    assert (WANTED["monitors"].partitions, WANTED["events"].partitions) == (1, 6)


def test_a_dead_letter_fits_where_the_event_fitted() -> None:
    assert int(WANTED["dead_letters"].config["max.message.bytes"]) > 1_048_588


def differences(role: str, config: dict[str, str], **partitions: int) -> list[str]:
    spec = WANTED[role]
    known = {WANTED[r].name: n for r, n in partitions.items()} or {spec.name: spec.partitions}
    return _differences(spec, known, config)


def test_a_topic_as_wanted_has_no_differences() -> None:
    for spec in WANTED.values():
        assert _differences(spec, {spec.name: spec.partitions}, dict(spec.config)) == []


def test_more_than_was_asked_for_is_the_users_choice() -> None:
    config = {"retention.ms": "-1", "max.message.bytes": "99999999", "cleanup.policy": "delete"}
    assert differences("summaries", config, summaries=60) == []


@pytest.mark.parametrize(
    ("role", "config", "found"),
    [
        ("monitors", {"cleanup.policy": "delete"}, "lacks `compact`"),
        ("references", {"cleanup.policy": "compact,delete"}, "has `delete`"),
        ("events", {"cleanup.policy": "compact"}, "has `compact`"),
        ("events", {"retention.ms": "3600000"}, "retention.ms is 1h, less than 3d"),
        ("summaries", {"max.message.bytes": "1048588"}, "max.message.bytes is 1048588, less than 10000000"),
    ],
)
def test_what_would_lose_data_is_told_with_a_remedy(role: str, config: dict[str, str], found: str) -> None:
    said = differences(role, config)
    assert any(found in line for line in said)
    assert all("; " in line for line in said)


def test_a_changelog_needs_the_partitions_of_the_summaries() -> None:
    (line,) = differences("detect_changelog", {}, detect_changelog=6, summaries=12)
    assert "p.stream-gov.summaries has 12" in line
    assert differences("detect_changelog", {}, detect_changelog=12, summaries=12) == []


def test_a_spec_is_a_value() -> None:
    assert TopicSpec("events", "e", 1) == TopicSpec("events", "e", 1)
