"""Every Flux query of the dashboard, run on a real InfluxDB on points that the sink's own code has made."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from stream_gov.contracts import AlertChange, AlertStatus, Verdict
from stream_gov.sinks.influx_points import point_of
from tests.contracts.messages import DAY_MS, END_MS, START_MS, a_result, an_alert
from tests.deploy.test_dashboard import flux_queries

pytestmark = pytest.mark.influxdb

WEEK_MS = 7 * DAY_MS
MODEL = "dashboard/model"
COLUMNS = ("vicprice", "a/b (c)")
Rows = list[dict[str, Any]]


def records() -> list[Any]:
    """Four weeks of two columns and two statistics: too few events at first, drift of one column at last."""
    made: list[Any] = []
    for week in range(4):
        window = {
            "model": MODEL,
            "window_start_ms": START_MS + week * WEEK_MS,
            "window_end_ms": END_MS + week * WEEK_MS,
        }
        made.append(
            a_result(
                rule="none", statistic="events", column="", verdict=Verdict.STABLE, late=week, rejected=1, **window
            )
        )
        for column in COLUMNS:
            for statistic, tolerance in (("psi", 0.1), ("missing_share", 0.02)):
                drifts = week == 3 and column == "vicprice" and statistic == "psi"
                verdict = Verdict.DRIFT if drifts else Verdict.STABLE if week else Verdict.INSUFFICIENT
                made.append(
                    a_result(
                        column=column,
                        statistic=statistic,
                        value=0.01 * week,
                        tolerance=tolerance,
                        verdict=verdict,
                        **window,
                    )
                )
    made.append(an_alert(**window))
    made.append(an_alert(sequence=1, segment="region=NSW", **window))
    made.append(
        an_alert(
            sequence=2,
            segment="region=NSW",
            change=AlertChange.RESOLVED,
            status=AlertStatus.RESOLVED,
            **(window | {"window_end_ms": window["window_end_ms"] + WEEK_MS}),
        )
    )
    return made


def as_grafana_sends_it(query: str, bucket: str) -> str:
    chosen: dict[str, Any] = {
        "model": MODEL,
        "version": ["1"],
        "segment": "(all)",
        "statistic": "psi",
        "column": list(COLUMNS),
    }

    def value(match: re.Match[str]) -> str:
        name, how = match.groups()
        if how == "doublequote":
            return json.dumps(chosen[name])
        assert how == "regex"
        return "(" + "|".join(re.sub(r"([\\^$*+?.()|\[\]{}/])", r"\\\1", v) for v in chosen[name]) + ")"

    query = re.sub(r"\$\{(\w+):(\w+)\}", value, query)
    range_of_time = "timeRangeStart: 1997-01-01T00:00:00Z, timeRangeStop: 1998-01-01T00:00:00Z"
    options = f'option v = {{{range_of_time}, windowPeriod: 1h, defaultBucket: "{bucket}"}}\n'
    head, separator, rest = query.partition("\n") if query.startswith("import") else ("", "", query)
    return head + separator + options + rest


@pytest.fixture(scope="module")
def rows_of(influxdb_server, dashboard) -> Iterator[Callable[..., list[Rows]]]:
    """Rows of each table that the query of a panel or variable returns, by its title."""
    options = influxdb_server.options
    with InfluxDBClient(url=influxdb_server.address, token=options["token"], org=options["org"]) as client:
        bucket = client.buckets_api().create_bucket(bucket_name=f"dashboard-{uuid.uuid4().hex}", org=options["org"])
        writer = client.write_api(write_options=SYNCHRONOUS)
        for record in records():
            writer.write(bucket.name, record=point_of(record)[1], write_precision="us")
        yield reader_of(client, flux_queries(dashboard), bucket.name)
        client.buckets_api().delete_bucket(bucket)


def reader_of(client: InfluxDBClient, queries: list[tuple[str, str]], bucket: str) -> Callable[..., list[Rows]]:
    by_title: dict[str, list[str]] = {}
    for title, query in queries:
        by_title.setdefault(title, []).append(query)

    def rows(title: str, number: int = 0) -> list[Rows]:
        query = as_grafana_sends_it(by_title[title][number], bucket)
        tables = client.query_api().query(query)
        return [[dict(record.values) for record in table.records] for table in tables]

    return rows


@pytest.mark.parametrize(
    ("title", "value"),
    [
        ("Open alerts", 1),
        ("Columns that drift", 1),
        ("Events counted", 4 * 336),
        ("Late events", 0 + 1 + 2 + 3),
        ("Rejected events", 4),
    ],
)
def test_single_number_is_right(rows_of, title, value):
    ((row,),) = rows_of(title)
    assert row["_value"] == value


def test_no_check_that_cannot_tell_gives_no_row_which_grafana_shows_as_zero(rows_of, dashboard):
    assert rows_of("Cannot tell") == []
    panel = next(p for p in dashboard["panels"] if p["title"] == "Cannot tell")
    assert panel["fieldConfig"]["defaults"]["noValue"] == "0"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("model", [MODEL]),
        ("version", ["1"]),
        ("segment", ["(all)"]),
        ("statistic", ["missing_share", "psi"]),
        ("column", sorted(COLUMNS)),
    ],
)
def test_variable_offers_just_what_is_there(rows_of, name, values):
    found = [row["_value"] for table in rows_of(name) for row in table]
    assert sorted(found) == values


def test_timeline_shows_the_most_serious_verdict_of_each_column_and_window(rows_of):
    shown = {table[0]["column"]: [row["_value"] for row in table] for table in rows_of("Verdict by column")}
    assert shown == {"vicprice": [2, 1, 1, 3], "a/b (c)": [2, 1, 1, 1]}


def test_drift_is_shown_by_column_with_its_limit(rows_of):
    drift = {table[0]["column"]: [row["_value"] for row in table] for table in rows_of("${statistic} by column")}
    assert drift == {column: [0.0, 0.01, 0.02, 0.03] for column in COLUMNS}
    (limit,) = rows_of("${statistic} by column", 1)
    assert [row["_value"] for row in limit] == [0.1] * 4
    assert {row["_field"] for row in limit} == {"tolerance"}


def test_alerts_stand_in_a_table_newest_first(rows_of):
    (table,) = rows_of("Alerts")
    assert [(row["segment"], row["change"], row["columns"]) for row in table] == [
        ("region=NSW", "resolved", "vicprice"),
        ("region=NSW", "opened", "vicprice"),
        ("(all)", "opened", "vicprice"),
    ]


def test_events_late_and_rejected_are_shown_by_window(rows_of):
    shown = {table[0]["_field"]: [row["_value"] for row in table] for table in rows_of("Events by window")}
    assert shown == {"events": [336] * 4, "late": [0, 1, 2, 3], "rejected": [1] * 4}
