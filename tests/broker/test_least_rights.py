"""The rights that docs/runtime.md names are enough for each worker, and it has no others here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType  # type: ignore[attr-defined]

from stream_gov.runtime.topics import detect_changelog_name
from stream_gov.settings import Settings
from tests.broker.cluster import TestCluster, wait_until
from tests.broker.test_detect_worker import hour_of_events
from tests.broker.worker_process import Worker
from tests.servers.secured_kafka import PASSWORD, SecuredKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

PAGE = Path(__file__).parents[2] / "docs" / "runtime.md"


def documented_rights(worker: str, settings: Settings) -> list[tuple[ResourceType, str, list[AclOperation]]]:
    """Rights in the table of the page, for the topics and the group of these settings."""
    section = PAGE.read_text(encoding="utf-8").partition("### The least rights")[2].partition("\n#")[0]
    (row,) = re.findall(rf"^\| {worker} \| (.*) \|$", section, re.MULTILINE)
    topics, group = row.split(" | ")
    rights = []
    for clause in topics.split("; "):
        verbs = re.findall("read|write|describe", clause.partition("`")[0])
        operations = [AclOperation[verb.upper()] for verb in verbs]
        assert operations, clause
        for name in re.findall(r"`([^`]+)`", clause):
            is_changelog = name == "<group>.detect-state-changelog"
            topic = detect_changelog_name(settings) if is_changelog else settings.topics.prefix + name
            rights.append((ResourceType.TOPIC, topic, operations))
    for name in re.findall(r"`<group>\.([^`]+)`", group):
        group_id = f"{settings.group}.{name.replace('<name>', 'store')}"
        rights.append((ResourceType.GROUP, group_id, [AclOperation.READ]))
    return rights


def test_the_documented_rights_are_enough(
    secured: SecuredKafka,
    secured_cluster: TestCluster,
    tmp_path: Path,
) -> None:
    cluster = secured_cluster
    metrics = cluster.json_reader("metrics")
    cluster.send(value for hour in range(3) for _, value in hour_of_events(hour))
    running: list[Worker] = []
    try:
        for worker, command in (("ingest", "ingest"), ("detect", "detect"), ("sink", "sink store")):
            user = f"{worker}-user"
            secured.set_password(PASSWORD, user=user)
            for kind, name, operations in documented_rights(worker, cluster.settings):
                secured.allow(user, kind, name, *operations)
            settings = cluster.settings.model_copy(
                update={"bootstrap": secured.sasl_address, "kafka": secured.scram(PASSWORD, user=user)}
            )
            folder = tmp_path / worker
            folder.mkdir()
            environment = {
                "STREAM_GOV_BOOTSTRAP": settings.bootstrap,
                "STREAM_GOV_KAFKA": Settings.model_validate(settings).model_dump_json(include={"kafka"})[9:-1],
                "STREAM_GOV_STORE_URL": f"sqlite:///{tmp_path}/store.sqlite",
            }
            running.append(Worker(cluster, *command.split(), folder=folder, **environment))
        wait_until(metrics, "a window closes")
        wait_until(
            lambda: cluster.committed("sink.store", "metrics") and sum(max(o, 0) for o, _ in cluster.committed("sink.store", "metrics")) > 0,
            "the sink commits",
        )  # fmt: skip
    finally:
        logs = [worker.lines() for worker in running]
        for worker in running:
            worker.__exit__(None, None, None)
    for log in logs:
        assert "Traceback" not in log
        assert "denied" not in log.lower(), log
