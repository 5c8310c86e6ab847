from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from influxdb_client import Authorization, Permission, PermissionResource
from pydantic import SecretStr
from structlog.testing import capture_logs

from stream_gov.contracts import AlertChange, AlertStatus, ConfigurationError, Result, UnavailableError, Verdict
from stream_gov.settings import InfluxSettings, Settings
from stream_gov.sinks import InfluxSink, Record, RefusedRecordsError, SinkCounts, run_influx_sink
from stream_gov.sinks.influx_points import MEASUREMENTS, point_of
from tests.conftest import Influx
from tests.contracts.messages import DAY_MS, END_MS, START_MS, a_result, an_alert
from tests.servers.finder import free_port
from tests.servers.gate import Gate
from tests.servers.mock_cluster import MockCluster

pytestmark = pytest.mark.influxdb

DOCS = Path("docs/influxdb.md")


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


# --- layout ---


@pytest.mark.parametrize(
    "record", [a_result(), an_events_result(late=3), an_alert()], ids=["result", "window", "alert"]
)
def test_what_is_written_is_read_back(influx: Influx, record: Record) -> None:
    write(influx, record)
    _, point = point_of(record)
    (row,) = all_points(influx, point["measurement"])
    assert row["_time"] == at(END_MS)
    # the CSV that carries answers has no empty texts
    expected = point["tags"] | {n: None if v == "" else v for n, v in point["fields"].items() if v is not None}
    assert {name: row[name] for name in expected} == expected
    assert not [name for name, value in point["fields"].items() if value is None and name in row]


def test_the_same_point_twice_is_one_point_and_the_last_revision_wins(influx: Influx) -> None:
    write(influx, a_result(value=1.0), an_events_result(), an_alert())
    write(influx, a_result(value=1.0), an_events_result(), an_alert())
    assert [len(all_points(influx, m)) for m in MEASUREMENTS] == [1, 1, 1]
    write(influx, a_result(value=1.5, revision=1), a_result(value=2.5, revision=2))  # in one batch
    (row,) = all_points(influx, "drift")
    assert (row["value"], row["revision"]) == (2.5, 2)


def test_changes_of_an_alert_in_one_window_are_all_kept(influx: Influx) -> None:
    resolved = {"change": AlertChange.RESOLVED, "status": AlertStatus.RESOLVED, "causes": []}
    write(influx, an_alert(), an_alert(change=AlertChange.UPDATED, sequence=1), an_alert(sequence=2, **resolved))
    rows = all_points(influx, "alert")
    assert [(row["change"], row["open"], row["sequence"]) for row in rows] == [
        ("opened", 1, 0),
        ("updated", 1, 1),
        ("resolved", 0, 2),
    ]


def test_names_that_line_protocol_must_escape_come_back_as_they_were(influx: Influx) -> None:
    odd = [
        'a b,c=d"e',
        "tab\tand back\\slash",
        "ends\\",
        "Größe λ 漢字 😀",
        "a\\nb",
        "'single' #hash",
        " lead",
        "=",
        ",",
    ]
    write(influx, *[a_result(column=name, reason=name, reference=name) for name in odd])
    rows = all_points(influx, "drift")
    assert {row["reference"] for row in rows} == set(odd)
    assert {row["reason"] for row in rows} == set(odd)
    # two things a tag cannot hold: the client writes a tab as backslash and t, and a blank for a backslash at the end
    changed = {"tab\tand back\\slash": "tab\\tand back\\slash", "ends\\": "ends "}
    assert {row["column"] for row in rows} == {changed.get(name, name) for name in odd}


def test_numbers_keep_their_type_whatever_comes_first(influx: Influx) -> None:
    write(influx, a_result(value=3))  # as JSON may give it
    write(influx, a_result(value=0.25, window_end_ms=END_MS + DAY_MS))
    assert [row["value"] for row in all_points(influx, "drift")] == [3.0, 0.25]


def test_large_batches_are_one_request_and_complete(influx: Influx) -> None:
    write(influx, *[a_result(column=f"c{i:04}", value=i / 7) for i in range(5_000)])
    rows = all_points(influx, "drift")
    assert {row["column"]: row["value"] for row in rows} == {f"c{i:04}": i / 7 for i in range(5_000)}


# --- refusals ---


def test_points_older_than_the_bucket_keeps_are_all_refused_at_once(influx: Influx) -> None:
    bucket = influx.make_bucket(seconds=3_600)
    with pytest.raises(RefusedRecordsError, match=r"422.*[Rr]etention") as caught:
        write(influx, a_result(), a_result(column="b"), bucket=bucket)
    assert caught.value.all_refused


def test_one_point_too_old_among_others_is_not_all(influx: Influx) -> None:
    bucket = influx.make_bucket(seconds=3_600)
    now_ms = int(datetime.now(UTC).timestamp() * 1_000)
    with pytest.raises(RefusedRecordsError) as caught:
        write(influx, a_result(), a_result(window_end_ms=now_ms), bucket=bucket)
    assert not caught.value.all_refused


def test_a_conflict_of_field_types_is_a_refusal(influx: Influx) -> None:
    write_api = influx.client.write_api()
    write_api.write(influx.bucket, influx.org, f'drift,model=x value="text" {END_MS * 1_000_000}')
    write_api.close()
    with pytest.raises(RefusedRecordsError, match="field type conflict"):
        write(influx, a_result())


@pytest.mark.parametrize("model", ["x" * 70_000, "line\nbreak"])
def test_a_model_with_an_impossible_name_harms_nobody_else(influx: Influx, model: str) -> None:
    with suppress(RefusedRecordsError):
        write(influx, a_result(model=model))
    write(influx, a_result())
    assert "electricity" in {row["model"] for row in all_points(influx, "drift")}


# --- settings that are wrong, for setup and for `doctor` ---


def token_with(influx: Influx, *, action: str, bucket: str) -> Authorization:
    """A token that may do one thing to one bucket."""
    org = influx.client.organizations_api().find_organizations(org=influx.org)[0]
    found = influx.client.buckets_api().find_bucket_by_name(bucket)
    assert found is not None
    resource = PermissionResource(type="buckets", id=found.id, org_id=org.id)
    return influx.client.authorizations_api().create_authorization(
        org_id=org.id, permissions=[Permission(action=action, resource=resource)]
    )


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


# --- the whole sink, on a broker ---


@pytest.fixture
def gate(influx: Influx) -> Iterator[Gate]:
    address = urlsplit(influx.url)
    with Gate(address.hostname or "", address.port or 80) as gate:
        yield gate


class Worker:
    """`stream-gov sink influx` in a thread, on a broker with results on it."""

    def __init__(self, cluster: MockCluster, settings: InfluxSettings) -> None:
        self.cluster = cluster
        self.counts = SinkCounts()
        self.logs: list[Any] = []
        self._stop = threading.Event()
        self._settings = Settings(
            bootstrap=cluster.bootstrap,
            influx=settings,
            kafka={"session.timeout.ms": "4500"},  # the mock cluster forgets a member only after this
        )
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        with capture_logs() as self.logs:
            run_influx_sink(self._settings, self._stop, counts=self.counts)

    def until(self, condition: Callable[[], bool]) -> None:
        waiting = threading.Event()
        for _ in range(900):
            if condition():
                return
            waiting.wait(0.05)
        pytest.fail(f"waited in vain; {self.counts}; {self.logs}")

    @property
    def committed(self) -> int:
        return self.cluster.committed("stream-gov.sink.influx", "drift-metrics")

    def __enter__(self) -> Worker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def send_results(cluster: MockCluster, first: int, last: int) -> None:
    values = [msgspec.json.encode(a_result(column=f"c{i:03}", value=float(i))) for i in range(first, last)]
    cluster.send("drift-metrics", *values)


def columns(influx: Influx) -> list[str]:
    return sorted(row["column"] for row in all_points(influx, "drift"))


@pytest.mark.broker
def test_in_an_outage_nothing_is_committed_and_afterwards_nothing_is_missing(influx: Influx, gate: Gate) -> None:
    with MockCluster() as cluster:
        send_results(cluster, 0, 50)
        with Worker(cluster, settings_of(influx, url=f"http://{gate.address}", batch_size=40, timeout=500)) as worker:
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


@pytest.mark.broker
def test_a_refused_token_is_named_and_the_sink_goes_on_once_it_is_accepted(influx: Influx) -> None:
    authorization = token_with(influx, action="write", bucket=influx.bucket)
    authorizations = influx.client.authorizations_api()
    authorization.status = "inactive"
    authorizations.update_authorization(authorization)
    with MockCluster() as cluster:
        send_results(cluster, 0, 30)
        with Worker(cluster, settings_of(influx, token=SecretStr(authorization.token))) as worker:
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


@pytest.mark.broker
def test_a_started_anew_sink_with_the_right_token_finds_what_the_wrong_one_left(influx: Influx) -> None:
    with MockCluster() as cluster:
        send_results(cluster, 0, 30)
        with Worker(cluster, settings_of(influx, token=SecretStr("wrong"))) as worker:
            worker.until(lambda: worker.counts.failures >= 1)
        assert columns(influx) == []
        with Worker(cluster, settings_of(influx)) as worker:
            worker.until(lambda: worker.committed == 30)
        assert columns(influx) == [f"c{i:03}" for i in range(30)]


@pytest.mark.broker
def test_a_bad_point_costs_only_itself(influx: Influx) -> None:
    bucket = influx.make_bucket(seconds=3_600)
    now_ms = int(datetime.now(UTC).timestamp() * 1_000)
    with MockCluster() as cluster:
        fresh = [a_result(column=f"c{i:03}", window_start_ms=now_ms - 1, window_end_ms=now_ms) for i in range(30)]
        fresh[17] = a_result(id="too-old")
        cluster.send("drift-metrics", *[msgspec.json.encode(r) for r in fresh])
        with Worker(cluster, settings_of(influx, bucket=bucket)) as worker:
            worker.until(lambda: worker.committed == 30)
            assert (worker.counts.written, worker.counts.refused) == (29, 1)
        rows = all_points(influx, "drift", bucket=bucket)
        assert sorted(row["column"] for row in rows) == [f"c{i:03}" for i in range(30) if i != 17]
        (error,) = [entry for entry in worker.logs if entry["log_level"] == "error"]
        assert error["record"] == "drift-metrics partition 0 offset 17 id too-old"


# --- the documentation ---


@pytest.fixture
def story(influx: Influx) -> Influx:
    """Three windows of a model: stable, drift, too few events."""
    week = 7 * DAY_MS

    def in_week(n: int) -> dict[str, int]:
        return {"window_start_ms": START_MS + n * week, "window_end_ms": END_MS + n * week}

    records: list[Record] = []
    for n, (value, verdict) in enumerate(((0.02, Verdict.STABLE), (3.25, Verdict.DRIFT), (None, Verdict.INSUFFICIENT))):
        records += [
            an_events_result(events=300 + n, late=n, rejected=2 * n, **in_week(n)),
            a_result(value=value, verdict=verdict, **in_week(n)),
            a_result(column="nswprice", value=0.01, verdict=Verdict.STABLE, **in_week(n)),
        ]
    resolved = {"change": AlertChange.RESOLVED, "status": AlertStatus.RESOLVED, "causes": []}
    records += [
        an_alert(message="vicprice drifts", **in_week(1)),
        an_alert(model="healed", alert_id="b"),
        an_alert(model="healed", alert_id="b", sequence=1, **resolved, **in_week(2)),
    ]
    write(influx, *records)
    return influx


QUERIES = re.findall(r"\n([^\n]+):\n\n```flux\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)


def rows_of(story: Influx, title: str) -> list[dict[str, Any]]:
    (query,) = [flux for heading, flux in QUERIES if heading.startswith(title)]
    return ask(story, query)


def test_the_documented_query_of_drift_over_time_returns_the_drift(story: Influx) -> None:
    rows = rows_of(story, "Drift over time")
    assert [(r["_time"], r["_value"]) for r in rows if r["column"] == "vicprice"] == [
        (at(END_MS), 0.02),
        (at(END_MS + 7 * DAY_MS), 3.25),
    ]
    assert [r["_value"] for r in rows if r["column"] == "nswprice"] == [0.01] * 3
    assert len(rows) == 5


def test_the_documented_query_of_what_drifts_returns_it_alone(story: Influx) -> None:
    (row,) = rows_of(story, "What drifts")
    assert (row["column"], row["statistic"], row["value"], row["n_window"]) == ("vicprice", "psi", 3.25, 336)
    assert row["_time"] == at(END_MS + 7 * DAY_MS)


def test_the_documented_query_of_events_returns_the_accounting(story: Influx) -> None:
    totals: dict[str, int] = {}
    for row in rows_of(story, "Events"):
        totals[row["_field"]] = totals.get(row["_field"], 0) + row["_value"]
    assert totals == {"events": 903, "late": 3, "rejected": 6}


def test_the_documented_query_of_open_alerts_returns_only_those(story: Influx) -> None:
    (row,) = rows_of(story, "Alerts that are open")
    assert (row["model"], row["message"], row["n_windows"]) == ("electricity", "vicprice drifts", 1)


def test_every_query_of_the_documentation_is_tested() -> None:
    assert len(QUERIES) == DOCS.read_text().count("```flux") == 4


def test_every_tag_and_field_is_documented() -> None:
    text = DOCS.read_text()
    for record in (a_result(), an_events_result(), an_alert()):
        _, point = point_of(record)
        for name in (point["measurement"], *point["tags"], *point["fields"]):
            assert f"`{name}`" in text, name
