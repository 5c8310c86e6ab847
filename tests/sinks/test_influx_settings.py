from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from stream_gov.contracts import ConfigurationError, UnavailableError
from stream_gov.sinks import InfluxSink
from tests.conftest import Influx
from tests.contracts.messages import a_result
from tests.servers.finder import free_port
from tests.servers.gate import Gate
from tests.sinks.influx_bench import all_points, ask, settings_of, token_with, write

pytestmark = pytest.mark.influxdb


def check(influx: Influx, **changes: Any) -> tuple[str, str]:
    sink = InfluxSink(settings_of(influx, **changes))
    try:
        (finding,) = sink.check()
        with pytest.raises((ConfigurationError, UnavailableError)) as caught:
            sink.setup()
        assert finding.problem in str(caught.value)
        assert finding.remedy in str(caught.value)
        return finding.problem, finding.remedy
    finally:
        sink.close()


def test_all_is_well_with_a_token_that_may_only_write_to_the_bucket(influx: Influx) -> None:
    token = SecretStr(token_with(influx, action="write", bucket=influx.bucket).token)
    sink = InfluxSink(settings_of(influx, token=token))
    assert sink.check() == []
    sink.close()
    write(influx, a_result(), token=token)
    assert len(all_points(influx, "drift")) == 1


def test_a_check_writes_nothing(influx: Influx) -> None:
    sink = InfluxSink(settings_of(influx))
    assert sink.check() == []
    sink.close()
    assert ask(influx, "from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop)") == []


def test_a_wrong_token_is_found(influx: Influx) -> None:
    problem, remedy = check(influx, token=SecretStr("wrong"))
    assert problem == f"InfluxDB at {influx.url} refuses the token (401 unauthorized access)"
    assert "STREAM_GOV_INFLUX__TOKEN" in remedy


def test_a_token_without_write_permission_is_found(influx: Influx) -> None:
    token = SecretStr(token_with(influx, action="read", bucket=influx.bucket).token)
    problem, remedy = check(influx, token=token)
    assert "may not write to bucket" in problem
    assert "give it write permission" in remedy


def test_a_missing_organisation_is_found(influx: Influx) -> None:
    problem, remedy = check(influx, org="nobody")
    assert problem.endswith("has no organisation 'nobody'")
    assert "STREAM_GOV_INFLUX__ORG" in remedy


def test_a_missing_bucket_is_found(influx: Influx) -> None:
    problem, remedy = check(influx, bucket="nowhere")
    assert "has no bucket 'nowhere'" in problem
    assert "STREAM_GOV_INFLUX__BUCKET" in remedy


def test_a_server_that_is_not_there_is_found(influx: Influx) -> None:
    problem, remedy = check(influx, url=f"http://127.0.0.1:{free_port()}")
    assert "does not answer" in problem
    assert "Connection refused" in problem
    assert "STREAM_GOV_INFLUX__URL" in remedy


def test_an_address_of_something_else_is_found(influx: Influx) -> None:
    problem, _ = check(influx, url=influx.url + "/elsewhere")
    assert "is no InfluxDB 2 (404)" in problem


def test_a_server_that_never_answers_is_found_in_time(influx: Influx, gate: Gate) -> None:
    gate.silence()
    problem, _ = check(influx, url=f"http://{gate.address}", timeout=300)
    assert "does not answer" in problem
    assert "no answer within 0.3 s, influx.timeout" in problem
