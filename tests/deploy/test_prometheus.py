from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.metric_names import exported_labels, grouped_by, metrics_in

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules.yml"
OF_PROMETHEUS = {"job", "instance"}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_configuration_is_valid(promtool):
    done = run(promtool, "check", "config", "deploy/prometheus/prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_fire_when_they_should_and_only_then(promtool):
    done = run(promtool, "test", "rules", "tests/deploy/rules_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_in_which_it_fires():
    tests = yaml.safe_load((ROOT / "tests/deploy/rules_test.yml").read_text(encoding="utf-8"))["tests"]
    fired = {case["alertname"] for test in tests for case in test.get("alert_rule_test", []) if case.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in rules() if "alert" in rule}


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r.get("alert", r.get("record")))
def test_rule_reads_metrics_that_workers_export(rule):
    labels = exported_labels()
    unknown = metrics_in(rule["expr"]) - set(labels)
    assert unknown == set()
    of_metrics = set().union(*(labels[name] for name in metrics_in(rule["expr"])), OF_PROMETHEUS)
    assert grouped_by(rule["expr"]) <= of_metrics


def test_recorded_series_are_read_by_an_alert():
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    read = " ".join(rule["expr"] for rule in rules() if "alert" in rule)
    assert {name for name in recorded if name not in read} == set()


def test_every_alert_says_how_bad_it_is_what_it_means_and_what_to_do():
    for rule in rules():
        if "alert" in rule:
            # that of drift alerts comes with the metric
            of_metric = "severity" in set().union(*(exported_labels()[name] for name in metrics_in(rule["expr"])))
            assert of_metric or rule["labels"]["severity"] in {"critical", "warning", "info"}
            assert set(rule["annotations"]) == {"summary", "remedy"}
            assert rule["alert"].startswith("StreamGov")
