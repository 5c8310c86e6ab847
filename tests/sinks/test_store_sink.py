from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import sqlalchemy

from stream_gov.contracts import ConfigurationError, UnavailableError
from stream_gov.settings import Settings
from stream_gov.sinks import RefusedRecordsError, Store, StoreSink, run_store_sink
from tests.contracts.messages import a_result, an_alert
from tests.servers.finder import free_port
from tests.servers.gate import Gate
from tests.servers.mock_cluster import MockCluster
from tests.sinks.store_bench import in_week
from tests.sinks.worker import MOCK_CLUSTER_OPTIONS, Worker

LONG_AND_RANDOM = "".join(random.Random(1).choices("0123456789abcdef", k=40_000))


class StoreWorker(Worker):
    """`stream-gov sink store`, on a broker."""

    def __init__(self, cluster: MockCluster, url: str) -> None:
        settings = Settings(bootstrap=cluster.bootstrap, store_url=url, kafka=MOCK_CLUSTER_OPTIONS)
        super().__init__(lambda stop, counts: run_store_sink(settings, stop, counts=counts))
        self._cluster = cluster

    @property
    def committed(self) -> int:
        return self._cluster.committed("stream-gov.sink.store", "drift-metrics")


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "nul\x00"}, "NUL"),
        ({"id": "x" * 65}, "value too long"),
        ({"model": LONG_AND_RANDOM}, "index row"),
    ],
)
def test_a_record_postgres_cannot_hold_is_refused_and_no_reason_to_wait(
    postgres_url: str, changes: dict[str, Any], words: str
) -> None:
    store = Store(postgres_url)
    store.create()
    with pytest.raises(RefusedRecordsError, match=words):
        store.write([a_result(**changes), a_result(id="good")])
    assert list(store.results()) == []  # all or nothing; the loop finds the bad one
    store.write([a_result(id="good")])
    assert len(list(store.results())) == 1
    store.close()


@pytest.mark.postgres
def test_postgres_errors_tell_waiting_from_mending_and_hide_the_password(postgres_url: str) -> None:
    address = sqlalchemy.make_url(postgres_url)
    for changes, kind, words in (
        ({"database": "nowhere"}, ConfigurationError, "the database does not exist"),
        ({"username": "nobody"}, ConfigurationError, "the log-in is refused"),
        ({"port": free_port()}, UnavailableError, "does not answer .*refused"),
        ({"host": "no.such.host.invalid"}, UnavailableError, "does not answer"),
    ):
        url = address.set(password="top-secret", **changes)  # type: ignore[arg-type]
        store = Store(url.render_as_string(hide_password=False))
        with pytest.raises(kind, match=words) as caught:
            store.create()
        assert "top-secret" not in str(caught.value)
        assert "STREAM_GOV_STORE_URL" in str(caught.value)
        store.close()


@pytest.mark.broker
def test_the_sink_writes_what_stands_on_the_topics(store_url: str) -> None:
    with MockCluster() as cluster:
        cluster.send("drift-metrics", *[msgspec.json.encode(in_week(n)) for n in range(20)], b"{")
        cluster.send("drift-alerts", msgspec.json.encode(an_alert()))
        with StoreWorker(cluster, store_url) as worker:
            worker.until(lambda: worker.committed == 21)
            worker.until(lambda: cluster.committed("stream-gov.sink.store", "drift-alerts") == 1)
        assert (worker.counts.written, worker.counts.unreadable) == (21, 1)
    store = Store(store_url)
    assert [r.id for r in store.results()] == [in_week(n).id for n in range(20)]
    assert list(store.alerts()) == [an_alert()]
    store.close()


@pytest.mark.broker
@pytest.mark.postgres
def test_in_an_outage_of_postgres_nothing_is_committed_and_afterwards_nothing_is_missing(postgres_url: str) -> None:
    address = urlsplit(postgres_url)
    with MockCluster() as cluster, Gate(address.hostname or "", address.port or 0) as gate:
        through_gate = sqlalchemy.make_url(postgres_url).set(host="127.0.0.1", port=int(gate.address.split(":")[1]))
        cluster.send("drift-metrics", *[msgspec.json.encode(in_week(n)) for n in range(10)])
        with StoreWorker(cluster, through_gate.render_as_string(hide_password=False)) as worker:
            worker.until(lambda: worker.committed == 10)
            gate.shut()
            cluster.send("drift-metrics", *[msgspec.json.encode(in_week(n)) for n in range(10, 30)])
            worker.until(lambda: worker.counts.failures >= 2)
            assert "does not answer" in worker.counts.trouble
            assert worker.committed == 10
            gate.open()
            worker.until(lambda: worker.committed == 30)
    store = Store(postgres_url)
    assert [r.id for r in store.results()] == [in_week(n).id for n in range(30)]
    store.close()


def test_the_sink_forgets_a_batch_that_failed(tmp_path: Path) -> None:
    """The loop adds it again; it must not be there twice, nor be held while the loop waits."""
    store = Store(f"sqlite:///{tmp_path / 'store.sqlite'}")
    sink = StoreSink(store)
    sink.add(a_result())
    with pytest.raises((ConfigurationError, UnavailableError)):
        sink.flush()  # no tables yet
    sink.setup()
    sink.flush()
    assert list(store.results()) == []
    sink.add(a_result())
    sink.flush()
    assert list(store.results()) == [a_result()]
    sink.close()
    sink.close()
