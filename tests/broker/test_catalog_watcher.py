from __future__ import annotations

from threading import Event

import pytest

from stream_gov.contracts import UnavailableError
from stream_gov.runtime.catalog_publisher import CatalogPublisher
from stream_gov.runtime.catalog_watcher import CatalogWatcher
from tests.broker.cluster import TestCluster, wait_until
from tests.detection.scenario import monitor, profile_for

pytestmark = pytest.mark.broker


def test_a_worker_reads_the_whole_catalogue_and_then_follows_it(any_cluster: TestCluster) -> None:
    cluster = any_cluster
    others = [monitor().model_copy(update={"name": f"m{i}", "model": f"model-{i}"}) for i in range(50)]
    cluster.publish(monitor(), *others, profiles=[profile_for(monitor(), revision=r) for r in (1, 2)])
    changed = Event()
    with CatalogWatcher(cluster.settings, "test", on_change=changed.set) as watcher:
        watcher.wait_until_loaded(20)
        catalog = watcher.catalog
        assert len(catalog.models()) == 51
        assert catalog.references() == {"base": [2, 1]}
        newest = catalog.newest_profile("shop")
        assert newest is not None
        assert newest.layout == profile_for(monitor(), revision=2).layout

        stricter = monitor().model_copy(update={"min_events": 5})
        cluster.publish(stricter, profiles=[profile_for(monitor(), revision=3)])
        wait_until(lambda: catalog.monitor("shop") == stricter and catalog.revisions("base") == [3, 2, 1], "changes")
        assert changed.is_set()

        with CatalogPublisher(cluster.settings) as publisher:
            publisher.delete_monitor("m7")
            publisher.delete_reference("base@3")
        wait_until(lambda: catalog.monitor("model-7") is None and catalog.revisions("base") == [2, 1], "deletions")


def test_two_workers_read_everything_each(cluster: TestCluster) -> None:
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    with CatalogWatcher(cluster.settings, "one") as one, CatalogWatcher(cluster.settings, "two") as two:
        one.wait_until_loaded(20)
        two.wait_until_loaded(20)
        assert one.catalog.models() == two.catalog.models() == ["shop"]


def test_bad_entries_hide_nothing_else(cluster: TestCluster) -> None:
    for value in (b"{", b"\xff", b"null"):
        cluster.producer.produce(cluster.topic("monitors"), key=b"bad", value=value)
        cluster.producer.produce(cluster.topic("references"), key=b"bad", value=value)
        cluster.producer.produce(cluster.topic("references"), key=b"bad@1", value=value)
    cluster.producer.flush()
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    with CatalogWatcher(cluster.settings, "test") as watcher:
        watcher.wait_until_loaded(20)
        assert watcher.catalog.models() == ["shop"]
        assert watcher.catalog.newest_profile("shop") is not None


def test_an_empty_catalogue_is_read_too(cluster: TestCluster) -> None:
    with CatalogWatcher(cluster.settings, "test") as watcher:
        watcher.wait_until_loaded(20)
        assert watcher.loaded
        assert watcher.catalog.models() == []


def test_a_broker_that_is_not_there_is_told_in_time(cluster: TestCluster) -> None:
    settings = cluster.settings.model_copy(update={"bootstrap": "127.0.0.1:1"})
    with CatalogWatcher(settings, "test") as watcher, pytest.raises(UnavailableError, match="were not read within"):
        watcher.wait_until_loaded(1)


def test_the_wish_to_stop_ends_the_waiting(cluster: TestCluster) -> None:
    settings = cluster.settings.model_copy(update={"bootstrap": "127.0.0.1:1"})
    stop = Event()
    stop.set()
    with CatalogWatcher(settings, "test") as watcher, pytest.raises(UnavailableError):
        watcher.wait_until_loaded(600, stop=stop)


def test_publishing_without_a_broker_is_told_in_time(cluster: TestCluster) -> None:
    settings = cluster.settings.model_copy(update={"bootstrap": "127.0.0.1:1"})
    publisher = CatalogPublisher(settings, timeout_s=0.5)
    publisher.publish_monitor(monitor())
    with pytest.raises(UnavailableError, match=r"1 messages for the catalogue were not delivered within 0\.5 s"):
        publisher.flush()
