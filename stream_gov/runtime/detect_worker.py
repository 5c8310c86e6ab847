"""The detect worker: one Faust application after the other, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import time
from threading import Event

from confluent_kafka import KafkaException

from stream_gov.contracts import ConfigurationError, DataError, StreamGovError, UnavailableError
from stream_gov.endpoints import Health
from stream_gov.runtime.catalog_watcher import CatalogWatcher
from stream_gov.runtime.detect_app import DetectApp, make_app, session_timeout_s
from stream_gov.runtime.kafka_clients import Cluster, group_name, wait_for_broker
from stream_gov.runtime.kafka_errors import translate_kafka_error
from stream_gov.runtime.reader_pace import ReaderPace
from stream_gov.runtime.skipped_records import SkippedRecords
from stream_gov.runtime.stall_watch import StallWatch
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.runtime.topics import TopicFinding, ensure_topics
from stream_gov.runtime.worker_metrics import DetectMetrics, MetricsServer
from stream_gov.settings import Settings

__all__ = ["run_detect"]

SINKS = ("sink.store", "sink.influx", "sink.prometheus")
"""Groups that read the results; on the embedded broker the detector does not run away from those that are there."""

_LOOK_EVERY_S = 0.1
_LAG_EVERY_S = 5.0
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 15.0
_CATALOG_TIMEOUT_S = 60.0
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.5, 15.0


def run_detect(settings: Settings, stop: Event) -> None:
    """Run a detect worker until `stop` is set; a broker that is not there, or goes away, is waited for.

    Raises
    ------
    ConfigurationError
        Something must be configured differently; the message says what.
    DataError
        The state was written by a later release.
    """
    log = get_logger("detect")
    metrics = DetectMetrics()
    skipped = SkippedRecords()
    backoff = _FIRST_BACKOFF_S
    with MetricsServer(settings, metrics, "detect") as server:
        while not stop.is_set():
            began = time.monotonic()
            server.health.waits("it waits for the broker, for its monitors, or for its state")
            try:
                cluster = wait_for_broker(settings, "detect", stop=stop)
                findings = ensure_topics(settings, cluster, worker="detect")
                with CatalogWatcher(settings, "detect") as catalog:
                    catalog.wait_until_loaded(_CATALOG_TIMEOUT_S, stop=stop)
                    asyncio.run(
                        _life(settings, catalog, cluster, _partitions(findings), metrics, skipped, stop, server.health)
                    )
            except (ConfigurationError, DataError):
                raise
            except (StreamGovError, KafkaException, OSError, TimeoutError, RuntimeError) as err:
                if stop.is_set():
                    break
                error = translate_kafka_error(err, "detect") if isinstance(err, KafkaException) else err
                metrics.restarts.inc()
                backoff = _FIRST_BACKOFF_S if time.monotonic() - began > 60 else min(2 * backoff, _LAST_BACKOFF_S)
                log.warning(
                    "beginning anew from what was committed",
                    reason=str(error) or type(error).__name__,
                    in_seconds=backoff,
                )
                stop.wait(backoff)
    log.info("detect has stopped")


def _partitions(findings: list[TopicFinding]) -> int:
    by_role = {finding.spec.role: finding for finding in findings}
    summaries, changelog = by_role["summaries"], by_role["detect_changelog"]
    if summaries.partitions != changelog.partitions:
        msg = (
            f"topic {summaries.spec.name} has {summaries.partitions} partitions and the detector's changelog {changelog.spec.name} has "
            f"{changelog.partitions}; they must be equal: choose another `group`, which begins with a new state"
        )
        raise ConfigurationError(msg)
    return summaries.partitions


async def _life(
    settings: Settings,
    catalog: CatalogWatcher,
    cluster: Cluster,
    n_partitions: int,
    metrics: DetectMetrics,
    skipped: SkippedRecords,
    stop: Event,
    health: Health,
) -> None:
    """Run one application to its end."""
    log = get_logger("detect")
    pace = None
    if cluster.embedded:
        groups = [group_name(settings, sink) for sink in SINKS]
        pace = ReaderPace(settings, "detect", settings.topics.name("metrics"), groups)
    # Faust tells about every connection that fails; our own lines say it once.
    for name in ("faust", "mode", "aiokafka", make_app.__module__):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with StallWatch(session_timeout_s(settings) * 0.6) as stall_watch:
        detect_app = make_app(
            settings,
            catalog.catalog,
            metrics=metrics,
            n_partitions=n_partitions,
            pace=pace,
            stall_watch=stall_watch,
            skipped=skipped,
        )
        app = detect_app.app
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await app.start()
            log.info("detect is running", bootstrap=settings.bootstrap)
            await _watch(detect_app, settings, metrics, stop, health)
        finally:
            try:
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    await app.stop()
            except TimeoutError:
                log.warning("the detector did not stop in time", seconds=_STOP_TIMEOUT_S)
            if pace is not None:
                pace.close()


async def _watch(
    detect_app: DetectApp, settings: Settings, metrics: DetectMetrics, stop: Event, health: Health
) -> None:
    app, topic = detect_app.app, settings.topics.name("summaries")
    next_lag = time.monotonic()
    while not stop.is_set():
        health.turns("its group rebalances, or its state is being restored" if app.rebalancing else "")
        if detect_app.failure is not None:
            raise detect_app.failure
        if app.crashed or app.should_stop:
            msg = f"the connection to the broker failed: {app.crash_reason!r}"
            raise UnavailableError(msg)
        if time.monotonic() >= next_lag:
            next_lag = time.monotonic() + _LAG_EVERY_S
            for partition, lag in detect_app.lags().items():
                metrics.lag.labels(topic, str(partition)).set(lag)
        await asyncio.sleep(_LOOK_EVERY_S)
