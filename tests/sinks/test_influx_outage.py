from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from pydantic import SecretStr

from stream_gov.contracts import Result
from stream_gov.settings import InfluxSettings, Settings
from stream_gov.sinks import run_influx_sink
from tests.conftest import Influx
from tests.contracts.messages import a_result
from tests.servers.gate import Gate
from tests.servers.mock_cluster import MockCluster
from tests.sinks.influx_bench import all_points, settings_of, token_with
from tests.sinks.worker import MOCK_CLUSTER_OPTIONS, Worker

pytestmark = [pytest.mark.influxdb, pytest.mark.broker]


class InfluxWorker(Worker):
    """`stream-gov sink influx`, on a broker with results on it."""

    def __init__(self, cluster: MockCluster, settings: InfluxSettings) -> None:
        everything = Settings(bootstrap=cluster.bootstrap, influx=settings, kafka=MOCK_CLUSTER_OPTIONS)
        super().__init__(lambda stop, counts: run_influx_sink(everything, stop, counts=counts))
        self._cluster = cluster

    @property
    def committed(self) -> int:
        return self._cluster.committed("stream-gov.sink.influx", "drift-metrics")


def send_results(cluster: MockCluster, first: int, last: int) -> None:
    values = [msgspec.json.encode(a_result(column=f"c{i:03}", value=float(i))) for i in range(first, last)]
    cluster.send("drift-metrics", *values)


def columns(influx: Influx) -> list[str]:
    return sorted(row["column"] for row in all_points(influx, "drift"))


def test_in_an_outage_nothing_is_committed_and_afterwards_nothing_is_missing(influx: Influx, gate: Gate) -> None:
    with MockCluster() as cluster:
        send_results(cluster, 0, 50)
        with InfluxWorker(
            cluster, settings_of(influx, url=f"http://{gate.address}", batch_size=40, timeout=500)
        ) as worker:
            worker.until(lambda: worker.committed == 50)
            gate.shut()
            send_results(cluster, 50, 150)
            worker.until(lambda: worker.counts.failures >= 2)
            assert "does not answer" in worker.counts.trouble
            gate.silence()  # it accepts connections now, and answers none
            failures = worker.counts.failures
            worker.until(lambda: worker.counts.failures > failures)
            assert "no answer within 0.5 s" in worker.counts.trouble
            assert worker.committed == 50
            assert worker.counts.lag >= 60
            assert len(columns(influx)) == 50
            gate.open()
            worker.until(lambda: worker.committed == 150)
            assert worker.counts.trouble == ""
        assert columns(influx) == [f"c{i:03}" for i in range(150)]
        assert any(entry["event"] == "sink influx works again" for entry in worker.logs)


def test_a_refused_token_is_named_and_the_sink_goes_on_once_it_is_accepted(influx: Influx) -> None:
    authorization = token_with(influx, action="write", bucket=influx.bucket)
    authorizations = influx.client.authorizations_api()
    authorization.status = "inactive"
    authorizations.update_authorization(authorization)
    with MockCluster() as cluster:
        send_results(cluster, 0, 30)
        with InfluxWorker(cluster, settings_of(influx, token=SecretStr(authorization.token))) as worker:
            worker.until(lambda: worker.counts.failures >= 2)
            assert "refuses the token" in worker.counts.trouble
            assert "set influx.token (STREAM_GOV_INFLUX__TOKEN" in worker.counts.trouble
            assert worker.committed < 0
            authorization.status = "active"
            authorizations.update_authorization(authorization)
            worker.until(lambda: worker.committed == 30)
        assert columns(influx) == [f"c{i:03}" for i in range(30)]
        # nothing that was logged shows the token
        assert authorization.token not in str(worker.logs)


def test_a_started_anew_sink_with_the_right_token_finds_what_the_wrong_one_left(influx: Influx) -> None:
    with MockCluster() as cluster:
        send_results(cluster, 0, 30)
        with InfluxWorker(cluster, settings_of(influx, token=SecretStr("wrong"))) as worker:
            worker.until(lambda: worker.counts.failures >= 1)
        assert columns(influx) == []
        with InfluxWorker(cluster, settings_of(influx)) as worker:
            worker.until(lambda: worker.committed == 30)
        assert columns(influx) == [f"c{i:03}" for i in range(30)]


def test_a_bad_point_costs_only_itself(influx: Influx) -> None:
    bucket = influx.make_bucket(seconds=3_600)
    now_ms = int(datetime.now(UTC).timestamp() * 1_000)
    with MockCluster() as cluster:
        fresh = [a_result(column=f"c{i:03}", window_start_ms=now_ms - 1, window_end_ms=now_ms) for i in range(30)]
        fresh[17] = a_result(id="too-old")
        cluster.send("drift-metrics", *[msgspec.json.encode(r) for r in fresh])
        with InfluxWorker(cluster, settings_of(influx, bucket=bucket)) as worker:
            worker.until(lambda: worker.committed == 30)
            assert (worker.counts.written, worker.counts.refused) == (29, 1)
        rows = all_points(influx, "drift", bucket=bucket)
        assert sorted(row["column"] for row in rows) == [f"c{i:03}" for i in range(30) if i != 17]
        (error,) = [entry for entry in worker.logs if entry["log_level"] == "error"]
        assert error["record"] == "drift-metrics partition 0 offset 17 id too-old"
        (letter,) = cluster.read("stream-gov.refused", 1)
    assert msgspec.json.decode(letter.value() or b"", type=Result) == fresh[17]
    headers = {name: bytes(value).decode() for name, value in letter.headers() or []}
    assert headers.pop("reason").startswith("InfluxDB refuses a point (422")
    assert headers == {"sink": "influx", "topic": "drift-metrics", "partition": "0", "offset": "17"}
