from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from stream_gov.contracts import AlertChange, AlertStatus, Verdict
from stream_gov.sinks import Record
from stream_gov.sinks.influx_points import point_of
from tests.conftest import Influx
from tests.contracts.messages import DAY_MS, END_MS, START_MS, a_result, an_alert
from tests.sinks.influx_bench import an_events_result, ask, at, write

pytestmark = pytest.mark.influxdb

DOCS = Path("docs/influxdb.md")


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
