"""`stream-gov reference build --from-topic`: the same reference as from a file of the same rows, and clear words where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner, Result

from stream_gov.cli.main import app
from stream_gov.files.state_directory import StateDirectory
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.runtime.topic_rows import TopicRows
from tests.broker.cluster import TestCluster
from tests.detection.scenario import HOUR, MONITOR, T0, monitor

pytestmark = pytest.mark.broker

N = 3_000
MINUTE = 60_000


def rows() -> tuple[np.ndarray, list[str]]:
    """A column that depends on itself, and one that does not."""
    rng = np.random.default_rng(5)
    x = np.zeros(N)
    for i in range(1, N):
        x[i] = 0.9 * x[i - 1] + rng.normal()
    return x, [str(c) for c in rng.choice(["red", "blue"], N)]


def event(i: int, x: float, color: str, **more: Any) -> bytes:
    fields = {
        "model": "shop",
        "version": "1",
        "timestamp": T0 + i * MINUTE,
        "event_id": f"e{i}",
        "features": {"x": x, "color": color},
    }
    return json.dumps(fields | more).encode()


def build(cluster: TestCluster, tmp_path: Path, *flags: str, topic: str | None = None, watched: str = "") -> Result:
    path = tmp_path / "monitor.yaml"
    path.write_text(watched or MONITOR)
    where = ["--bootstrap", cluster.settings.bootstrap, "--state-dir", str(tmp_path)]
    args = ["reference", "build", *([topic] if topic else []), "--from-topic", "-m", str(path), *flags, *where]
    return CliRunner().invoke(app, args, env=cluster.environment() | {"COLUMNS": "300"})


def from_rows(columns: dict[str, Any], times: np.ndarray) -> ReferenceProfile:
    batch = RowBatch(columns, len(times), times_ms=times)
    builder = ProfileBuilder.for_monitor(monitor())
    return build_profile(lambda: [batch], builder, name="base", revision=1, model="shop", source="", created_ms=0)


def test_it_is_the_reference_of_the_same_rows_in_the_order_of_their_times(
    any_cluster: TestCluster, tmp_path: Path
) -> None:
    x, color = rows()
    order = np.random.default_rng(6).permutation(N)  # over all partitions, and late and early within each
    any_cluster.send(event(i, x[i], color[i]) for i in order.tolist())
    any_cluster.send([b"no event", event(1, 1.0, "red", model="other"), event(5, 2.0, "red", timestamp="yesterday")])
    start, end = 500, 2_500
    flags = ["--from", "2026-01-01T08:20Z", "--until", "2026-01-02T17:40Z", "--lateness", "all"]
    done = build(any_cluster, tmp_path, *flags)
    assert done.exit_code == 0, done.output

    built = StateDirectory(tmp_path).load_profile("base@1")
    expected = from_rows({"x": x[start:end], "color": color[start:end]}, T0 + np.arange(start, end) * MINUTE)
    assert built.n_rows == end - start
    assert (built.first_ms, built.last_ms) == (T0 + start * MINUTE, T0 + (end - 1) * MINUTE)
    assert built.segments[""].to_bytes() == expected.segments[""].to_bytes()
    assert built.long_run["x"].to_state() == expected.long_run["x"].to_state()
    assert "messages rejected, as ingest rejects them" in done.output
    assert "other" not in done.output.partition("rejected")[2]
    assert any_cluster.topic("events") in built.source


def test_it_commits_nothing_and_a_later_build_sees_what_came_since(cluster: TestCluster, tmp_path: Path) -> None:
    x, color = rows()
    cluster.send(event(i, x[i], color[i]) for i in range(1_000))
    assert build(cluster, tmp_path).exit_code == 0
    cluster.send(event(i, x[i], color[i]) for i in range(1_000, 1_100))
    assert build(cluster, tmp_path).exit_code == 0
    state = StateDirectory(tmp_path)
    assert [state.load_profile(f"base@{r}").n_rows for r in (1, 2)] == [1_000, 1_100]
    assert {offset for offset, _ in cluster.committed("reader", "events")} <= {-1001}


def test_each_reason_for_nothing_is_said_with_a_remedy(cluster: TestCluster, tmp_path: Path) -> None:
    done = build(cluster, tmp_path)
    assert (done.exit_code, "it is empty" in done.output) == (2, True), done.output
    cluster.send(event(i, 1.0, "red") for i in range(10))
    for flags, words in (
        (["--from", "2027-01-01"], "choose another --from or --until"),
        (["--model-version", "9"], "those read are of the versions '1'; give another --model-version"),
        (["--rows", "0:10"], "--rows: an event says itself what is what"),
        (["--until", "2026-02-01", "--lateness", "soon"], "or write `all`"),
        (["--lateness", "1d"], "without --until the topic is read to its end anyway"),
    ):
        done = build(cluster, tmp_path, *flags)
        assert done.exit_code == 2, done.output
        assert words in done.output
    done = build(cluster, tmp_path, topic="no-such-topic")
    assert done.exit_code == 2
    assert "there is no topic 'no-such-topic'" in done.output
    done = build(cluster, tmp_path, watched=MONITOR.replace("model: shop", "model: nobody"))
    assert done.exit_code == 2
    assert "it holds events of 'shop'; mend `model` in the monitor" in done.output


def test_flags_of_topics_are_refused_for_files_and_a_file_or_topic_must_be_named(tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text(MONITOR)
    for flags, words in (
        (["rows.csv", "--lateness", "1d"], "--lateness: only with --from-topic"),
        ([], "name a CSV or Parquet file"),
    ):
        args = ["reference", "build", *flags, "-m", str(tmp_path / "monitor.yaml"), "--state-dir", str(tmp_path)]
        done = CliRunner().invoke(app, args, env={"COLUMNS": "300"})
        assert done.exit_code == 2
        assert words in done.output


def test_a_reference_of_a_stretch_has_the_hours_asked_for(cluster: TestCluster, tmp_path: Path) -> None:
    cluster.send(event(i, float(i % 7), "red") for i in range(240))
    done = build(cluster, tmp_path, "--from", "2026-01-01T01:00Z", "--until", "2026-01-01T03:00Z", "--lateness", "all")
    assert done.exit_code == 0, done.output
    profile = StateDirectory(tmp_path).load_profile("base@1")
    assert (profile.n_rows, profile.first_ms) == (120, T0 + HOUR)


@pytest.mark.kafka
def test_a_partition_whose_part_of_the_time_was_deleted_is_named(kafka_cluster: TestCluster, tmp_path: Path) -> None:
    topic, day = kafka_cluster.topic("events"), 86_400_000
    for partition in (0, 1, 2):
        for i in range(60):
            at = T0 + i * MINUTE
            kafka_cluster.producer.produce(topic, event(i, float(i % 7), "red"), partition=partition, timestamp=at)
    kafka_cluster.producer.produce(topic, event(61, 1.0, "red"), partition=0, timestamp=T0 + 20 * day)
    assert kafka_cluster.producer.flush(20) == 0
    admin = AdminClient({"bootstrap.servers": kafka_cluster.settings.bootstrap})
    gone = [TopicPartition(topic, 0, 60), TopicPartition(topic, 1, 60)]
    for future in admin.delete_records(gone).values():
        future.result(20)

    done = build(kafka_cluster, tmp_path, "--from", "2026-01-01", "--until", "2026-01-02")
    assert done.exit_code == 0, done.output
    words = " ".join(done.output.split())
    assert "the first still there of partition 0 was sent at 2026-01-21" in words
    assert "deleted every message of partition 1 (retention)" in words
    assert StateDirectory(tmp_path).load_profile("base@1").n_rows == 60


def test_events_that_are_sent_while_it_reads_are_left_out(cluster: TestCluster, tmp_path: Path) -> None:
    cluster.send(event(i, float(i % 7), "red") for i in range(300))
    first_pass = TopicRows.batches
    passes = 0

    def batches(rows: TopicRows) -> Any:
        nonlocal passes
        passes += 1
        cluster.send(event(1_000 * passes + i, 99.0, "red") for i in range(50))
        yield from first_pass(rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TopicRows, "batches", batches)
        done = build(cluster, tmp_path)
    assert done.exit_code == 0, done.output
    assert passes >= 2
    assert StateDirectory(tmp_path).load_profile("base@1").n_rows == 300


def test_a_broker_that_does_not_answer_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_gov.cli.topic_reference._BROKER_ANSWERS_S", 1.0)
    (tmp_path / "monitor.yaml").write_text(MONITOR)
    args = ["reference", "build", "--from-topic", "-m", str(tmp_path / "monitor.yaml"), "--state-dir", str(tmp_path)]
    done = CliRunner().invoke(app, [*args, "--bootstrap", "127.0.0.1:1"], env={"COLUMNS": "300"})
    assert done.exit_code not in (0, 1)
    assert "127.0.0.1:1" in done.output
