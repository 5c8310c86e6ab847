from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from stream_gov.contracts import Alert, Result, Verdict
from stream_gov.sinks import Store
from tests.contracts.messages import END_MS, a_result, an_alert
from tests.sinks.store_bench import RESOLVED, an_event, in_week

DOCS = Path("docs/sinks.md").read_text()
BY_SQL = re.findall(r"```sql\n(.*?)```", DOCS, flags=re.DOTALL)


def rows_of(store: Store, query: str) -> list[dict[str, Any]]:
    with store._transaction() as connection:
        return [dict(row) for row in connection.execute(sqlalchemy.text(query)).mappings()]


def test_the_documented_queries_say_what_the_documentation_says(store: Store) -> None:
    store.write([in_week(n, column="a", value=float(n)) for n in range(3)] + [in_week(0, column="b", value=9.0)])
    store.write([in_week(5, column="c", value=99.0, verdict=Verdict.STABLE)])
    store.write([an_event(0), an_event(1, n_windows=2), an_event(0, "over"), an_event(1, "over", **RESOLVED)])
    what_drifted, open_alerts = BY_SQL
    assert [(r["column"], r["windows"], r["largest"]) for r in rows_of(store, what_drifted)] == [
        ("a", 3, 2.0),
        ("b", 1, 9.0),
    ]
    (row,) = rows_of(store, open_alerts)
    assert (row["columns"], row["n_windows"]) == ('["vicprice"]', 2)


def test_the_documented_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAM_GOV_STORE_URL", f"sqlite:///{tmp_path}/store.sqlite")
    store = Store(f"sqlite:///{tmp_path}/store.sqlite")
    store.create()
    store.write([a_result(), a_result(id="other", column="nswprice"), an_alert()])
    (code,) = re.findall(r"```python\n(.*?)```", DOCS, flags=re.DOTALL)
    exec(compile(code, "docs/sinks.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == [
        "electricity warning ['vicprice'] electricity version 1: drift in vicprice",
        f"{END_MS} 3.25 drift",
    ]


def test_tables_and_columns_are_those_of_the_messages(store: Store) -> None:
    inspector = sqlalchemy.inspect(store._engine)
    assert {c["name"] for c in inspector.get_columns("results")} == set(Result.__struct_fields__)
    assert {c["name"] for c in inspector.get_columns("alert_events")} == set(Alert.__struct_fields__)
    assert all(f"`{table}`" in DOCS for table in inspector.get_table_names())
