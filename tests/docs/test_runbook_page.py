from __future__ import annotations

import re
from pathlib import Path

import yaml

from stream_gov.contracts import IncidentKind

ROOT = Path(__file__).parents[2]


def test_the_runbook_has_an_entry_for_each_alert_that_the_monitor_raises_about_itself():
    groups = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text(encoding="utf-8"))["groups"]
    rules = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    entries = re.findall(r"^### (\S+)$", (ROOT / "docs/runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(entries) == sorted(rules | {kind.value for kind in IncidentKind})


def test_the_runbook_names_the_bounds_that_leave_something_out():
    text = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    for bound in ("series_per_model", "record_bytes"):
        assert f"`{bound}" in text
