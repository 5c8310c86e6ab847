from __future__ import annotations

import json
from collections import Counter

import pytest
from structlog.testing import capture_logs

from stream_gov.contracts import PaneRecord, ReplayRecord, WatermarkRecord
from stream_gov.runtime.ingest_worker import run_ingest
from stream_gov.runtime.replay_mark import CONTROL_HEADER, REPLAY_MARK, ReplayMark
from tests.broker.cluster import TestCluster, wait_until
from tests.detection.scenario import HOUR, T0, monitor, profile_for

pytestmark = pytest.mark.broker


def event(number: int, time_ms: int, **fields: object) -> bytes:
    content = {
        "event_id": f"e{number}",
        "model": "shop",
        "version": "1",
        "timestamp": time_ms,
        "features": {"x": number % 7 / 3, "color": "red"},
    }
    return json.dumps(content | fields).encode()


def test_events_become_summaries_and_bad_ones_dead_letters(any_cluster: TestCluster) -> None:
    cluster = any_cluster
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    good = [event(i, T0 + i * 1000) for i in range(5_000)]
    bad = [b"{", b'{"model": "shop"}', event(1, T0, model="unknown"), b"\xff\xfe", event(2, T0 // 1000)]
    cluster.send(good)
    cluster.send(bad, key="from-a-broken-producer", partition=2)
    records, letters = cluster.record_reader(), cluster.reader("dead_letters")
    with cluster.running(run_ingest):
        wait_until(lambda: sum(r.n_events for _, r in records() if isinstance(r, PaneRecord)) >= 5_000, "all counted")
        wait_until(lambda: len(letters()) >= len(bad), "all dead letters")

    panes = [r for _, r in records() if isinstance(r, PaneRecord)]
    truth = Counter((T0 + i * 1000) // HOUR * HOUR for i in range(5_000))
    counted: Counter[int] = Counter()
    for pane in panes:
        counted[pane.pane_start_ms] += pane.n_events
        assert (pane.model, pane.profile, pane.pane_ms, pane.segment) == ("shop", "base@1", HOUR, "")
    assert counted == truth
    assert len({p for p, r in records() if isinstance(r, PaneRecord)}) == 1, "a model is in one partition"

    found = {}
    for letter in letters():
        headers = dict(letter.headers() or [])
        assert letter.key() == b"from-a-broken-producer"
        assert headers["topic"] == cluster.topic("events").encode()
        assert headers["partition"] == b"2"
        found[letter.value()] = headers["reason"].decode(), int(headers["offset"])
        assert headers["detail"]
    offsets = sorted(offset for _, offset in found.values())
    assert offsets == list(range(offsets[0], offsets[0] + len(bad)))
    assert {value: reason for value, (reason, _) in found.items()} == {
        b"{": "malformed_json",
        bad[1]: "missing_field",
        bad[2]: "unknown_model",
        b"\xff\xfe": "invalid_utf8",
        bad[4]: "timestamp_in_seconds",
    }
    assert cluster.committed("ingest", "events") == [(end, "") for end in cluster.ends("events")], "cuts are finished"


def test_every_partition_of_the_summaries_hears_of_every_partition_of_the_events(cluster: TestCluster) -> None:
    cluster.publish(monitor())
    cluster.send([event(i, T0) for i in range(10)], partition=1)
    records = cluster.record_reader()
    with cluster.running(run_ingest):

        def heard() -> set[tuple[int, int]]:
            return {(p, r.partition) for p, r in records() if isinstance(r, WatermarkRecord)}

        everyone = {(s, p) for s in range(4) for p in range(4)}
        wait_until(lambda: heard() == everyone, "watermarks of every partition in every partition")
        wait_until(lambda: cluster.committed("ingest", "events")[1] == (10, ""), "the cut")
    for summaries in range(4):
        of_events = [r for p, r in records() if p == summaries and isinstance(r, WatermarkRecord) and r.partition == 1]
        cuts = [r for r in of_events if r.to_offset > r.from_offset]
        assert [c.from_offset for c in cuts] == [0, *(c.to_offset for c in cuts[:-1])]
        assert cuts[-1].to_offset == 10
        assert {(c.n_partitions, c.watermark_ms, c.idle) for c in cuts} == {(4, T0 - 10_000, False)}


def test_a_quiet_partition_becomes_idle_and_says_so(embedded_bootstrap: str) -> None:
    with TestCluster(embedded_bootstrap, idle_timeout="1s") as cluster:
        cluster.publish(monitor())
        records = cluster.record_reader()
        with cluster.running(run_ingest):

            def idle() -> set[int]:
                return {r.partition for _, r in records() if isinstance(r, WatermarkRecord) and r.idle}

            wait_until(lambda: idle() == {0, 1, 2, 3}, "all partitions idle")


def test_payloads_stay_out_of_dead_letters_where_the_settings_say_so(embedded_bootstrap: str) -> None:
    with TestCluster(embedded_bootstrap, dead_letter_payloads=False, dead_letter_unknown_models=False) as cluster:
        cluster.publish(monitor())
        letters = cluster.reader("dead_letters")
        cluster.send([event(1, T0, model="unknown"), b"{"], partition=0)
        with cluster.running(run_ingest):
            wait_until(lambda: len(letters()) == 1, "the letter")
        assert letters()[0].value() is None
        assert dict(letters()[0].headers() or [])["reason"] == b"malformed_json"


def test_values_of_columns_that_are_redacted_stay_out_of_dead_letters(embedded_bootstrap: str) -> None:
    with TestCluster(embedded_bootstrap, dead_letter_redacted=["x"]) as cluster:
        cluster.publish(monitor())
        letters = cluster.reader("dead_letters")
        cluster.send([event(1, T0, model="unknown"), b'{"x": 1'], partition=0)
        with cluster.running(run_ingest):
            wait_until(lambda: len(letters()) == 2, "the letters")
        first, second = letters()
        assert json.loads(first.value() or b"")["features"]["x"] == "[redacted]"
        assert json.loads(first.value() or b"")["model"] == "unknown"
        assert second.value() is None


def test_a_replay_mark_goes_to_the_detector_behind_the_events_before_it(cluster: TestCluster) -> None:
    cluster.publish(monitor())
    records = cluster.record_reader()

    def mark(watermark_ms: int, **flags: bool) -> bytes:
        return ReplayMark(
            model="shop", replay="r", watermark_ms=watermark_ms, from_ms=T0, until_ms=T0 + HOUR, **flags
        ).to_bytes()

    control = [(CONTROL_HEADER, REPLAY_MARK)]
    cluster.send([event(0, T0)], partition=3)
    cluster.send([mark(T0, started=True)], partition=3, headers=control)
    cluster.send([event(1, T0), event(2, T0)], partition=3)
    cluster.send([mark(T0 + HOUR, ended=True)], partition=3, headers=control)
    with cluster.running(run_ingest):
        wait_until(lambda: any(isinstance(r, ReplayRecord) and r.ended for _, r in records()), "the end of the replay")
        wait_until(lambda: (5, "") in cluster.committed("ingest", "events"), "the commit")
    of_model = [r for _, r in records() if not isinstance(r, WatermarkRecord)]
    assert [(type(r).__name__, r.from_offset, r.to_offset) for r in of_model] == [
        ("PaneRecord", 0, 1),
        ("ReplayRecord", 1, 2),
        ("PaneRecord", 2, 5),
        ("ReplayRecord", 2, 5),
    ]


def test_two_workers_share_the_partitions_and_count_everything_once(any_cluster: TestCluster) -> None:
    cluster = any_cluster
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    records = cluster.record_reader()

    def counted() -> int:
        merged: dict[tuple[int, int], int] = {}
        total = 0
        for _, record in records():
            if isinstance(record, PaneRecord):
                key = (record.partition, record.to_offset)
                if key not in merged:
                    merged[key] = record.n_events
                    total += record.n_events
        return total

    def handed_over() -> bool:
        return sum(line["event"] == "partitions taken over" for line in lines) >= 2

    sent = 0

    def send(n: int) -> None:
        nonlocal sent
        sent += cluster.send(event(i, T0) for i in range(n))

    with capture_logs() as lines, cluster.running(run_ingest):
        send(3_000)
        wait_until(lambda: counted() == sent, "all counted by the first")
        with cluster.running(run_ingest):
            while not handed_over():
                send(100)
                wait_until(lambda: counted() == sent or handed_over(), "counted while the group rebalances")
            send(3_000)
            wait_until(lambda: counted() == sent, "all counted by both")
        send(500)
        wait_until(lambda: counted() == sent, "all counted by the one that stayed")
    assert cluster.committed("ingest", "events") == [(end, "") for end in cluster.ends("events")]
