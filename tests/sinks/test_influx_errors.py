from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from influxdb_client.rest import ApiException
from pydantic import SecretStr

from stream_gov.contracts import ConfigurationError, UnavailableError
from stream_gov.settings import InfluxSettings
from stream_gov.sinks import InfluxSink, RefusedRecordsError
from stream_gov.sinks.influx_errors import api_error, connection_error

SETTINGS = InfluxSettings(url="http://influx:8086", token=SecretStr("top-secret"), org="acme", bucket="drift")


@dataclass
class Answer:
    """What the client keeps of a response."""

    status: int
    data: str
    reason: str = "a reason"
    headers: dict[str, str] = field(default_factory=dict)

    def getheaders(self) -> dict[str, str]:
        return self.headers

    def getheader(self, name: str) -> str | None:
        return self.headers.get(name)


def an_answer(status: int, code: str = "", message: str = "", *, text: str | None = None) -> ApiException:
    body = text if text is not None else json.dumps({"code": code, "message": message})
    return ApiException(http_resp=Answer(status, body))


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (an_answer(401, "unauthorized", "unauthorized access"), ConfigurationError, "STREAM_GOV_INFLUX__TOKEN"),
        (an_answer(403, "forbidden", "insufficient permissions for write"), ConfigurationError, "write permission"),
        (
            an_answer(404, "not found", 'organization name "acme" not found'),
            ConfigurationError,
            "no organisation 'acme'",
        ),
        (an_answer(404, "not found", 'bucket "drift" not found'), ConfigurationError, "no bucket 'drift'"),
        (an_answer(404, text="<html>nginx</html>"), ConfigurationError, "no InfluxDB 2 .* set influx.url"),
        (an_answer(405, text=""), ConfigurationError, "no InfluxDB 2"),
        (an_answer(400, "invalid", "unable to parse 'x'"), RefusedRecordsError, "400 unable to parse"),
        (an_answer(422, "unprocessable entity", "field type conflict"), RefusedRecordsError, "422 field type conflict"),
        (an_answer(413, text="<html>"), RefusedRecordsError, "size"),
        (an_answer(429, "too many requests", "slow down"), UnavailableError, "cannot write now .429 slow down"),
        (an_answer(500, "internal error", "unexpected"), UnavailableError, "500 unexpected"),
        (an_answer(503, text="upstream is down"), UnavailableError, "503 a reason"),
        # a proxy that answers 400 for reasons of its own must not cost a record
        (an_answer(400, text="<html>bad gateway config</html>"), UnavailableError, "400"),
        (an_answer(422, "something else", "?"), UnavailableError, "422"),
        (an_answer(302, text=""), UnavailableError, "302"),
    ],
)
def test_every_answer_says_whether_to_wait_to_mend_or_to_leave_out(
    answer: ApiException, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        raise api_error(answer, SETTINGS, n_points=5)
    assert "top-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refusal_of_a_write_without_points_is_about_the_settings() -> None:
    error = api_error(an_answer(400, "invalid", "invalid bucket name"), SETTINGS, n_points=0)
    assert isinstance(error, ConfigurationError)


@pytest.mark.parametrize(("dropped", "all_refused"), [(5, True), (4, False), (None, False)])
def test_a_partial_write_says_whether_anything_was_written(dropped: int | None, all_refused: bool) -> None:
    message = "partial write: points beyond retention policy" + (f" dropped={dropped}" if dropped else "")
    error: Any = api_error(an_answer(422, "unprocessable entity", message), SETTINGS, n_points=5)
    assert error.all_refused is all_refused


def test_a_failed_secure_connection_is_told_apart() -> None:
    error = api_error(ApiException(status=0, reason="SSLError\ncertificate verify failed"), SETTINGS, n_points=1)
    assert isinstance(error, UnavailableError)
    assert "certificate verify failed" in str(error)


def test_no_answer_names_the_address_and_the_setting() -> None:
    error = connection_error(
        OSError("<urllib3.connection.HTTPConnection object at 0x7f>: Connection refused"), SETTINGS
    )
    assert str(error) == (
        "InfluxDB at http://influx:8086 does not answer (Connection refused); "
        "start it, or set influx.url (STREAM_GOV_INFLUX__URL)"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "localhost:8086"}, r"influx\.url is 'localhost:8086'"),
        ({"url": ""}, r"influx\.url is ''"),
        ({"url": "ftp://host"}, r"influx\.url is 'ftp://host'"),
        ({"org": ""}, r"influx\.org is empty: set influx\.org \(STREAM_GOV_INFLUX__ORG\)"),
        ({"bucket": ""}, r"influx\.bucket is empty"),
    ],
)
def test_settings_that_can_never_work_are_refused_at_once(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        InfluxSink(SETTINGS.model_copy(update=changes))


def test_a_missing_token_is_found_without_asking_the_server() -> None:
    sink = InfluxSink(SETTINGS.model_copy(update={"token": SecretStr("")}))
    (finding,) = sink.check()
    assert finding.problem == "no token for InfluxDB is set"
    assert "STREAM_GOV_INFLUX__TOKEN" in finding.remedy
    sink.close()
