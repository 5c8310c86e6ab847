"""What the tests of the InfluxDB sink share: writing, and reading back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from influxdb_client import Authorization, Permission, PermissionResource
from pydantic import SecretStr

from stream_gov.contracts import Result, Verdict
from stream_gov.settings import InfluxSettings
from stream_gov.sinks import InfluxSink, Record
from tests.conftest import Influx
from tests.contracts.messages import a_result


def settings_of(influx: Influx, **changes: Any) -> InfluxSettings:
    settings = InfluxSettings(url=influx.url, token=SecretStr(influx.token), org=influx.org, bucket=influx.bucket)
    return settings.model_copy(update={"timeout": 5_000} | changes)


def write(influx: Influx, *records: Record, **changes: Any) -> None:
    sink = InfluxSink(settings_of(influx, **changes))
    try:
        sink.setup()
        for record in records:
            sink.add(record)
        sink.flush()
    finally:
        sink.close()


def an_events_result(**changes: Any) -> Result:
    fields = {"column": "", "statistic": "events", "rule": "none", "verdict": Verdict.STABLE, "value": 336.0}
    return a_result(**(fields | changes))


def ask(influx: Influx, flux: str, *, bucket: str = "") -> list[dict[str, Any]]:
    """Rows of a query, with the variables a Grafana panel would set."""
    option = (
        f'option v = {{defaultBucket: "{bucket or influx.bucket}", windowPeriod: 30d, '
        "timeRangeStart: 1990-01-01T00:00:00Z, timeRangeStop: 2100-01-01T00:00:00Z}\n"
    )
    tables = influx.client.query_api().query(option + flux)
    return [{k: v for k, v in r.values.items() if k not in {"result", "table"}} for t in tables for r in t.records]


def all_points(influx: Influx, measurement: str, *, bucket: str = "") -> list[dict[str, Any]]:
    return ask(
        influx,
        f"""from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
        |> filter(fn: (r) => r._measurement == "{measurement}")
        |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> group() |> sort(columns: ["_time"])""",
        bucket=bucket,
    )


def at(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1_000, tz=UTC)


def token_with(influx: Influx, *, action: str, bucket: str) -> Authorization:
    """A token that may do one thing to one bucket."""
    org = influx.client.organizations_api().find_organizations(org=influx.org)[0]
    found = influx.client.buckets_api().find_bucket_by_name(bucket)
    assert found is not None
    resource = PermissionResource(type="buckets", id=found.id, org_id=org.id)
    return influx.client.authorizations_api().create_authorization(
        org_id=org.id, permissions=[Permission(action=action, resource=resource)]
    )
