from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream_gov.sinks.influx_points import MEASUREMENTS, point_of
from tests.contracts.messages import a_result, an_alert
from tests.deploy.metric_names import exported_labels, grouped_by, metrics_in

ROOT = Path(__file__).parents[2]
OF_PROMETHEUS = {"job", "instance"}
# columns that every Flux table has, or that a query of ours makes
OF_FLUX = {"_time", "_value", "_field", "_measurement"}


def targets(dashboard: dict[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        (panel["title"], target)
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
        if target["datasource"]["type"] == kind
    ]


def flux_queries(dashboard: dict[str, Any]) -> list[tuple[str, str]]:
    variables = [(v["name"], v["query"]["query"]) for v in dashboard["templating"]["list"]]
    return variables + [(title, target["query"]) for title, target in targets(dashboard, "influxdb")]


def provisioned() -> dict[str, str]:
    path = ROOT / "deploy/grafana/provisioning/datasources/datasources.yaml"
    return {s["uid"]: s["type"] for s in yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]}


def fields_written() -> dict[str, set[str]]:
    """Fields of each measurement, from points of real records."""
    window = a_result(rule="none", statistic="events", column="")
    return {p["measurement"]: set(p["fields"]) for _, p in (point_of(r) for r in (a_result(), window, an_alert()))}


def test_every_data_source_that_is_named_is_provisioned(dashboard):
    sources = provisioned()
    assert set(sources.values()) == {"influxdb", "prometheus"}
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            continue
        for source in [panel["datasource"], *(t["datasource"] for t in panel["targets"])]:
            assert sources[source["uid"]] == source["type"], panel["title"]
    for variable in dashboard["templating"]["list"]:
        assert sources[variable["datasource"]["uid"]] == variable["datasource"]["type"]


def test_dashboard_is_where_grafana_looks_for_it(dashboard):
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    grafana = compose["services"]["grafana"]
    mounts = {target: source for source, target, *_ in (v.split(":") for v in grafana["volumes"])}
    provider = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/dashboards/dashboards.yaml").read_text(encoding="utf-8")
    )["providers"][0]
    folder = ROOT / mounts[provider["options"]["path"]]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (folder / Path(home).name).is_file()
    assert str(Path(home).parent) == provider["options"]["path"]
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,40}", dashboard["uid"])


def test_panels_have_their_own_numbers_and_do_not_overlap(dashboard):
    panels = dashboard["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_every_panel_says_what_it_shows(dashboard):
    assert [p["title"] for p in dashboard["panels"] if p["type"] != "row" and not p["description"]] == []


def test_every_variable_that_is_used_is_declared_and_the_other_way_round(dashboard):
    declared = {v["name"] for v in dashboard["templating"]["list"]}
    used = {
        name
        for text in [q for _, q in flux_queries(dashboard)] + [p["title"] for p in dashboard["panels"]]
        for name in re.findall(r"\$\{(\w+)(?::\w+)?\}", text)
    }
    assert used == declared


def test_flux_queries_read_what_the_sink_writes(dashboard):
    written = fields_written()
    for title, query in flux_queries(dashboard):
        measurements = set(re.findall(r'_measurement == "(\w+)"', query))
        assert measurements, title
        assert measurements <= set(MEASUREMENTS), title
        fields = set(re.findall(r'_field == "(\w+)"', query))
        fields |= set(re.findall(r'"(\w+)"', " ".join(re.findall(r"r\._field, set: \[([^]]*)\]", query))))
        tags = set(re.findall(r"\br\.(\w+)", query)) - OF_FLUX
        tags |= set(re.findall(r'tag: "(\w+)"', query))
        for measurement in measurements:
            assert fields <= written[measurement], title
            assert tags <= set(MEASUREMENTS[measurement]), title


def test_columns_that_are_kept_or_grouped_by_exist(dashboard):
    written = fields_written()
    for title, query in flux_queries(dashboard):
        measurement = re.findall(r'_measurement == "(\w+)"', query)[0]
        named = set(re.findall(r'"(\w+)"', " ".join(re.findall(r"(?:columns|rowKey|columnKey): \[([^]]*)\]", query))))
        assert named <= OF_FLUX | set(MEASUREMENTS[measurement]) | written[measurement], title


def test_prometheus_queries_read_what_the_workers_export(dashboard):
    labels = exported_labels()
    found = targets(dashboard, "prometheus")
    assert len(found) > 5
    for title, target in found:
        names = metrics_in(target["expr"])
        assert names <= set(labels), title
        of_metrics = set().union(*(labels[name] for name in names), OF_PROMETHEUS)
        assert grouped_by(target["expr"]) <= of_metrics, title
        assert set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", ""))) <= grouped_by(target["expr"]), title


def test_prometheus_queries_are_promql(dashboard, promtool, tmp_path):
    queries = [
        target["expr"].replace("$__rate_interval", "5m").replace("$__range", "1d")
        for _, target in targets(dashboard, "prometheus")
    ]
    rules = [{"record": f"panel:{i}", "expr": query} for i, query in enumerate(queries)]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run([promtool, "check", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["model", "version", "segment", "statistic", "column"])
def test_values_of_a_variable_are_those_of_the_time_range(dashboard, name):
    variable = next(v for v in dashboard["templating"]["list"] if v["name"] == name)
    assert "start: v.timeRangeStart, stop: v.timeRangeStop" in variable["query"]["query"]
    assert variable["refresh"] == 2, "asked anew when the time range changes"
