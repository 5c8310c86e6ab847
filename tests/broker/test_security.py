"""The workers on a Kafka that asks who they are."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from stream_gov.runtime.detect_worker import run_detect
from stream_gov.runtime.ingest_worker import run_ingest
from tests.broker.cluster import TestCluster, wait_until
from tests.broker.test_detect_worker import hour_of_events
from tests.broker.worker_process import Worker
from tests.servers.secured_kafka import PASSWORD, SecuredKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.mark.parametrize("how", ["scram", "mutual tls"])
def test_the_whole_flow_works_over_tls(secured: SecuredKafka, secured_cluster: TestCluster, how: str) -> None:
    address, options = (
        (secured.sasl_address, secured.scram(PASSWORD)) if how == "scram" else (secured.tls_address, secured.mutual_tls)
    )
    settings = secured_cluster.settings.model_copy(update={"bootstrap": address, "kafka": options})
    metrics, alerts = secured_cluster.json_reader("metrics"), secured_cluster.json_reader("alerts")
    secured_cluster.send(
        value for hour in range(3) for _, value in hour_of_events(hour, shift=2.0 if hour == 1 else 0.0)
    )
    secured_cluster.send(value for _, value in hour_of_events(4, n=40))
    with secured_cluster.running(run_ingest, settings), secured_cluster.running(run_detect, settings):
        wait_until(lambda: len({r["window_end_ms"] for r in metrics()}) >= 3, "three windows")
        wait_until(lambda: [a["change"] for a in alerts()] == ["opened", "resolved"], "the alert opens and resolves")


@pytest.mark.parametrize("name", ["ingest", "detect", "sink store"])
def test_with_a_wrong_password_a_worker_says_so_within_seconds_and_goes_on_trying(
    secured: SecuredKafka, secured_cluster: TestCluster, tmp_path: Path, name: str
) -> None:
    wrong = "wrong-secret-77"
    environment = {"STREAM_GOV_BOOTSTRAP": secured.sasl_address, "STREAM_GOV_KAFKA": json.dumps(secured.scram(wrong))}
    began = time.monotonic()
    with Worker(secured_cluster, *name.split(), folder=tmp_path, **environment) as worker:
        worker.wait_for("log-in" if name.startswith("sink") else "log in")
        assert time.monotonic() - began < 15
        assert "sasl." in worker.lines()
        assert worker.process.poll() is None
        secured.set_password(wrong)  # somebody sets it right, at the other end
        try:
            worker.wait_for("is ready" if name.startswith("sink") else "is running")
            code, _ = worker.stop()
            assert code == 0, worker.lines()
            assert wrong not in worker.lines(), "no secret stands in a log"
            assert "Traceback" not in worker.lines()
        finally:
            secured.set_password(PASSWORD)


def test_a_certificate_of_another_authority_is_refused_with_a_reason(
    secured: SecuredKafka, secured_cluster: TestCluster, tmp_path: Path
) -> None:
    options = {k: v for k, v in secured.scram(PASSWORD).items() if k != "ssl.ca.location"}
    environment = {"STREAM_GOV_BOOTSTRAP": secured.sasl_address, "STREAM_GOV_KAFKA": json.dumps(options)}
    with Worker(secured_cluster, "ingest", folder=tmp_path, **environment) as worker:
        worker.wait_for("ssl.")
        assert "certificate" in worker.lines()
        code, seconds = worker.stop()
        assert (code, seconds < 10) == (0, True), worker.lines()


def test_doctor_says_that_the_log_in_is_refused_and_shows_no_secret(
    secured: SecuredKafka, secured_cluster: TestCluster, tmp_path: Path
) -> None:
    wrong = "wrong-secret-78"
    environment = {"STREAM_GOV_BOOTSTRAP": secured.sasl_address, "STREAM_GOV_KAFKA": json.dumps(secured.scram(wrong))}
    with Worker(secured_cluster, "doctor", folder=tmp_path, **environment) as doctor:
        assert doctor.process.wait(60) not in (0, None)
        assert "sasl.password" in doctor.lines()
        assert wrong not in doctor.lines()
        assert "Traceback" not in doctor.lines()
