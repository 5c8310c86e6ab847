"""The topics stream-gov works on: what each should be like, creating the missing ones, telling how existing ones differ."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, TopicMetadata  # type: ignore[attr-defined]

from stream_gov.contracts import ConfigurationError, UnavailableError, format_duration
from stream_gov.runtime.kafka_clients import MAX_MESSAGE_BYTES, Cluster, client_config, group_name, wait_for_broker
from stream_gov.runtime.kafka_errors import AccessDeniedError, translate_kafka_error
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.settings import Settings

__all__ = [
    "TopicFinding",
    "TopicSpec",
    "detect_changelog_name",
    "ensure_topics",
    "inspect_topics",
    "wanted_topics",
]

_REQUEST_TIMEOUT_S = 20.0
_APPEAR_TIMEOUT_S = 30.0
_DEAD_LETTER_BYTES = 2_000_000

_USES: Mapping[str, frozenset[str]] = {
    "ingest": frozenset({"events", "summaries", "dead_letters", "references", "monitors"}),
    "detect": frozenset({"summaries", "metrics", "alerts", "detect_changelog", "references", "monitors"}),
    "replay": frozenset({"events", "references", "monitors"}),
    "monitor": frozenset({"references", "monitors"}),
    "promote": frozenset({"references", "monitors"}),
}
"""By worker the topics without which it cannot work; one that is not named needs all. It may lack the rights to the others."""


@dataclass(frozen=True)
class TopicSpec:
    """What a topic should be like where stream-gov creates it."""

    role: str
    """What it is for: the name of the setting in `topics`, or `detect_changelog`."""
    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    same_partitions_as: str | None = None
    """Name of a topic whose number of partitions it must have."""


@dataclass(frozen=True)
class TopicFinding:
    """One topic as it was found, or left."""

    spec: TopicSpec
    state: Literal["exists", "created", "automatic", "missing"]
    """`automatic`: the embedded broker brought it into being."""
    partitions: int = 0
    differences: tuple[str, ...] = ()
    """How it differs from what stream-gov would have created, each with what to do."""


def detect_changelog_name(settings: Settings) -> str:
    """Topic in which the detector keeps its state."""
    return f"{settings.topics.prefix}{group_name(settings, 'detect')}-state-changelog"


def wanted_topics(settings: Settings) -> list[TopicSpec]:
    """Every topic of stream-gov and what it should be like."""
    topics = settings.topics

    def spec(role: str, partitions: int, **config: str | int) -> TopicSpec:
        return TopicSpec(role, topics.name(role), partitions, {k.replace("_", "."): str(v) for k, v in config.items()})

    n = topics.partitions
    compacted: dict[str, str | int] = {"cleanup_policy": "compact", "max_message_bytes": MAX_MESSAGE_BYTES}
    return [
        spec("events", n, retention_ms=topics.events_retention),
        spec("ground_truth", n, retention_ms=topics.events_retention),
        spec("summaries", n, retention_ms=topics.events_retention, max_message_bytes=MAX_MESSAGE_BYTES),
        spec("metrics", n, retention_ms=topics.results_retention),
        spec("alerts", n, retention_ms=topics.results_retention),
        spec("dead_letters", n, retention_ms=topics.results_retention, max_message_bytes=_DEAD_LETTER_BYTES),
        spec("refused", n, retention_ms=topics.results_retention, max_message_bytes=_DEAD_LETTER_BYTES),
        # One partition: small, read in full by every worker, and so in one order for all of them.
        spec("references", 1, **compacted),
        spec("monitors", 1, **compacted),
        TopicSpec(
            "detect_changelog",
            detect_changelog_name(settings),
            n,
            {k.replace("_", "."): str(v) for k, v in compacted.items()},
            same_partitions_as=topics.name("summaries"),
        ),
    ]


def inspect_topics(settings: Settings, cluster: Cluster, *, worker: str = "topics") -> list[TopicFinding]:
    """Look at every topic without changing anything.

    Raises
    ------
    UnavailableError
        The broker does not answer.
    ConfigurationError
        It refuses to tell.
    """
    return _Topics(settings, cluster, worker).inspect()


def ensure_topics(settings: Settings, cluster: Cluster | None = None, *, worker: str = "topics") -> list[TopicFinding]:
    """Create what is missing; log how existing topics differ from what would have been created.

    A topic that the worker does not use, and has no right to, is left to others.

    The embedded broker cannot create topics: it brings each into being, with 4 partitions, when asked for it.

    Raises
    ------
    UnavailableError
        The broker does not answer, a topic did not appear, or rights are lacking; the message says what to create by hand.
    ConfigurationError
        The broker refuses, and will go on to.
    """
    cluster = wait_for_broker(settings, worker, give_up_after_s=_REQUEST_TIMEOUT_S) if cluster is None else cluster
    findings = _Topics(settings, cluster, worker).ensure()
    log = get_logger(worker)
    for finding in findings:
        if finding.state == "created":
            log.info("topic created", topic=finding.spec.name, partitions=finding.partitions)
        for difference in finding.differences:
            log.warning("topic is not as it should be", topic=finding.spec.name, difference=difference)
    return findings


class _Topics:
    def __init__(self, settings: Settings, cluster: Cluster, worker: str) -> None:
        self._settings = settings
        self._cluster = cluster
        self._admin = AdminClient(client_config(settings, worker))
        self._specs = wanted_topics(settings)
        self._uses = _USES.get(worker, frozenset(spec.role for spec in self._specs))

    def inspect(self) -> list[TopicFinding]:
        known = self._partitions()
        existing = [spec for spec in self._specs if spec.name in known]
        configs = {} if self._cluster.embedded else self._configs([spec.name for spec in existing])
        findings = []
        for spec in self._specs:
            if spec.name not in known:
                findings.append(TopicFinding(spec, "missing"))
                continue
            state: Literal["automatic", "exists"] = "automatic" if self._cluster.embedded else "exists"
            differences = () if self._cluster.embedded else tuple(_differences(spec, known, configs.get(spec.name, {})))
            findings.append(TopicFinding(spec, state, known[spec.name], differences))
        return findings

    def ensure(self) -> list[TopicFinding]:
        if self._cluster.embedded:
            for spec in self._specs:
                self._metadata(spec.name)
            self._wait_for([spec.name for spec in self._specs])
            return self.inspect()
        known = self._partitions()
        created = []
        for spec in self._specs:  # one after the other: the changelog takes its partitions from the topic of summaries
            if spec.name not in known:
                partitions = known.get(spec.same_partitions_as or "", spec.partitions)
                if self._create(spec, partitions):
                    known[spec.name] = partitions
                    created.append(spec.name)
        self._wait_for(created)
        return [TopicFinding(f.spec, "created", f.partitions) if f.spec.name in created else f for f in self.inspect()]

    def _create(self, spec: TopicSpec, partitions: int) -> bool:
        """Create a topic; False if others must."""
        new = NewTopic(spec.name, partitions, self._settings.topics.replication, config=dict(spec.config))
        doing = f"create the topic {spec.name}"
        try:
            self._admin.create_topics([new], operation_timeout=10.0, request_timeout=_REQUEST_TIMEOUT_S)[
                spec.name
            ].result()
        except KafkaException as err:
            code = err.args[0].code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:  # another worker was faster
                return True
            error = translate_kafka_error(err, doing)
            if isinstance(error, AccessDeniedError) and spec.role not in self._uses:
                return False
            if isinstance(error, ConfigurationError | AccessDeniedError):
                wanted = ", ".join(f"{k}={v}" for k, v in spec.config.items())
                msg = f"{error}; or create it by hand with {partitions} partitions and {wanted}"
                raise type(error)(msg) from err
            raise error from err
        return True

    def _partitions(self) -> dict[str, int]:
        topics = self._metadata()
        return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}

    def _wait_for(self, names: list[str]) -> None:
        deadline = time.monotonic() + _APPEAR_TIMEOUT_S
        pause = 0.02
        while missing := [name for name in names if not self._is_ready(name)]:
            if time.monotonic() > deadline:
                msg = (
                    f"topics {', '.join(missing)} did not appear within {_APPEAR_TIMEOUT_S:g} s; is the broker healthy?"
                )
                raise UnavailableError(msg)
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    def _is_ready(self, name: str) -> bool:
        topic = self._metadata(name).get(name)
        return (
            topic is not None
            and topic.error is None
            and bool(topic.partitions)
            and all(p.leader >= 0 for p in topic.partitions.values())
        )

    def _configs(self, names: list[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        configs = {}
        for resource, future in self._admin.describe_configs(resources, request_timeout=_REQUEST_TIMEOUT_S).items():
            try:
                configs[resource.name] = {key: entry.value for key, entry in future.result().items()}
            except KafkaException as err:
                if isinstance(translate_kafka_error(err, ""), ConfigurationError | AccessDeniedError):
                    continue  # no right to look: work on with what is there
                raise translate_kafka_error(err, f"read the configuration of the topic {resource.name}") from err
        return configs

    def _metadata(self, *name: str) -> dict[str, TopicMetadata]:
        """Look up one topic or all; on the embedded broker the look-up brings a topic into being."""
        try:
            return dict(self._admin.list_topics(*name, timeout=_REQUEST_TIMEOUT_S).topics)
        except KafkaException as err:
            raise translate_kafka_error(err, f"look up topics at {self._settings.bootstrap}") from err


def _differences(spec: TopicSpec, partitions: Mapping[str, int], config: Mapping[str, str]) -> list[str]:
    """Say how a topic differs where it matters: more partitions or a longer retention than asked for are the user's choice."""
    found = []
    n = partitions[spec.name]
    if spec.same_partitions_as is not None and partitions.get(spec.same_partitions_as, n) != n:
        wanted = partitions[spec.same_partitions_as]
        found.append(
            f"it has {n} partitions and {spec.same_partitions_as} has {wanted}; they must be equal: stop detect, choose another "
            f"`group`, and start again"
        )
    policy = spec.config.get("cleanup.policy", "delete")
    if policy == "compact" and "compact" not in config.get("cleanup.policy", policy):
        found.append(
            "cleanup.policy lacks `compact`, so what is in it will be deleted in time; set cleanup.policy=compact"
        )
    if policy == "compact" and "delete" in config.get("cleanup.policy", policy):
        found.append(
            "cleanup.policy has `delete`, so what is in it will be deleted in time; set cleanup.policy=compact"
        )
    if policy == "delete" and "compact" in config.get("cleanup.policy", policy):
        found.append(
            "cleanup.policy has `compact`, so messages of one key replace each other; set cleanup.policy=delete"
        )
    for key, meaning in (("max.message.bytes", "bytes"), ("retention.ms", "ms")):
        if key not in spec.config or key not in config:
            continue
        wanted, got = int(spec.config[key]), int(config[key])
        if 0 <= got < wanted:
            shown = (format_duration(got), format_duration(wanted)) if meaning == "ms" else (str(got), str(wanted))
            found.append(f"{key} is {shown[0]}, less than {shown[1]}; raise it")
    return found
