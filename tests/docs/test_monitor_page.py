"""`docs/monitor.md` is held to the code: its examples are run, and no key is left out."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from stream_gov.contracts import STATISTIC_NAMES, Monitor, TrailingConfig
from stream_gov.contracts.monitor import (
    CALIBRATED_STATISTICS,
    P_VALUE_STATISTICS,
    SEQUENTIAL_STATISTICS,
    AlertPolicy,
    Budget,
    Check,
    ColumnSelection,
    WindowConfig,
)
from stream_gov.statistics import STATISTICS

PAGE = Path(__file__).parents[2] / "docs" / "monitor.md"
TEXT = PAGE.read_text(encoding="utf-8")
MONITORS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("text", MONITORS)
def test_every_monitor_of_the_page_is_valid(text):
    Monitor.from_yaml(text, source="docs/monitor.md")


def test_the_defaults_of_the_page_are_the_defaults():
    written = next(Monitor.from_yaml(t, source="page") for t in MONITORS if "monitor: defaults" in t)
    bare = Monitor.from_yaml("{monitor: d, model: any, window: {size: 1d}}", source="bare")
    assert written.checks == bare.checks


def test_every_key_is_in_the_table_and_the_example_with_every_key():
    keys = {(f.alias or name) for name, f in Monitor.model_fields.items()} - {
        "columns",
        "window",
        "alerts",
        "budget",
        "checks",
        "trailing",
    }
    keys |= {f"columns.{k}" for k in ColumnSelection.model_fields} | {f"alerts.{k}" for k in AlertPolicy.model_fields}
    keys |= {f"window.{k}" for k in WindowConfig.model_fields} | {"checks"}
    keys |= {f"budget.{k}" for k in Budget.model_fields}
    trailing = {f"trailing.{k}" for k in TrailingConfig.model_fields}
    table = set(re.findall(r"^\| `([a-z_.]+)` \|", TEXT, re.MULTILINE))
    assert keys | trailing <= table
    of_past = next(t for t in MONITORS if "trailing:" in t)  # no monitor has a season as well
    assert all(f"{k.split('.')[-1]}:" in of_past for k in trailing)
    full = next(t for t in MONITORS if "max_segments" in t)
    assert all(re.search(rf"\b{k.split('.')[-1]}:", full) for k in keys)
    assert all(f"{k}:" in full for k in Check.model_fields)


def test_the_table_of_statistics_says_which_columns_and_rules_each_has():
    rows = {
        m[0]: (m[1], m[2]) for m in re.findall(r"^\| `(\w+)` \| ([^|]+) \| [^|]+ \| ([^|]+) \|$", TEXT, re.MULTILINE)
    }
    assert set(rows) == set(STATISTIC_NAMES) == set(STATISTICS) | SEQUENTIAL_STATISTICS
    assert all(rows.pop(name) == ("all kinds", "tolerance") for name in SEQUENTIAL_STATISTICS)
    for name, (columns, rules) in rows.items():
        allowed = {"threshold"} | ({"p_value"} if name in P_VALUE_STATISTICS else set())
        allowed |= {"tolerance"} if name in CALIBRATED_STATISTICS else set()
        assert allowed == ({"threshold", "p_value", "tolerance"} if rules == "all" else set(rules.split(", "))), name
        if columns != "the model":
            kinds = {k for k in ("numeric", "categorical", "boolean") if STATISTICS[name].applies_to(k)}
            assert kinds == {
                k for k in ("numeric", "categorical", "boolean") if columns == "all kinds" or k in columns
            }, name


def test_the_example_for_a_csv_of_your_own_runs_as_written(tmp_path):
    rng = np.random.default_rng(4)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with (tmp_path / "transactions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["when", "amount", "country", "approved"])
        for i in range(24 * 50 * 20):
            when = start + timedelta(minutes=3 * i)
            late = when >= datetime(2026, 2, 10, tzinfo=UTC)
            amount = rng.lognormal(3 + late, 1)
            writer.writerow([when.isoformat(), f"{amount:.2f}", rng.choice(["DE", "FR", "NL"]), bool(amount < 60)])
    (tmp_path / "monitor.yaml").write_text(next(t for t in MONITORS if "transactions" in t))
    printed = ""
    for line in next(c for c in COMMANDS if "transactions.csv" in c).strip().splitlines():
        command = [sys.executable, "-m", "stream_gov.cli.main", *shlex.split(line)[1:]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    assert "amount" in printed
    assert "approved" not in printed or "prediction" in printed
