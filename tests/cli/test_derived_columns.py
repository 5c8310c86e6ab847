"""Texts and vectors from a file of one's own: build, show and backtest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

MONITOR = """
monitor: tickets
model: tickets
reference: tickets-base
window: {size: 1h}
min_events: 100
columns: {types: {comment: text, emb: vector}}
"""
UNDECLARED = MONITOR.replace("columns: {types: {comment: text, emb: vector}}\n", "")
START = datetime(2026, 1, 1, tzinfo=UTC)
N, PER_HOUR, CHANGED_AT = 4_000, 200, 3_000


@pytest.fixture(params=["csv", "parquet"])
def data(request, tmp_path) -> str:
    rng = np.random.default_rng(1)
    english, german = (
        ["please", "send", "the", "parcel", "again", "it", "did", "not", "arrive"],
        ["bitte", "schicken", "sie", "das", "paket", "noch", "einmal"],
    )
    emb = rng.normal([0.5] * 3 + [0.0] * 9, 1, (N, 12))
    emb[CHANGED_AT:] += [0.0] * 3 + [1.0] * 9
    table = pd.DataFrame(
        {
            "timestamp": [(START + timedelta(hours=i / PER_HOUR)).isoformat() for i in range(N)],
            "comment": [" ".join(rng.choice(german if i >= CHANGED_AT else english, 12)) for i in range(N)],
            "emb": np.round(emb, 4).tolist(),
        }
    )
    (tmp_path / "monitor.yaml").write_text(MONITOR)
    (tmp_path / "undeclared.yaml").write_text(UNDECLARED)
    if request.param == "csv":
        table.assign(emb=table["emb"].map(json.dumps)).to_csv(tmp_path / "tickets.csv", index=False)
        return "tickets.csv"
    table.to_parquet(tmp_path / "tickets.parquet")
    return "tickets.parquet"


def test_a_change_of_language_and_of_the_vectors_is_found_by_a_backtest(run, data, tmp_path):
    built = run("reference", "build", data, "-m", "monitor.yaml", "--rows", "0:2000")
    assert built.exit_code == 0, built.output
    assert (
        "comment: text, 9 frequent words known; watched by comment.length to comment.out_of_vocabulary" in built.stdout
    )
    assert "emb: vector of 12 numbers, projected to 8; watched by emb.norm and emb.0 to emb.7" in built.stdout

    shown = json.loads(run("reference", "show", "tickets-base", "--json").stdout)
    assert [(d["source"], d["kind"]) for d in shown["derived"]] == [("comment", "text"), ("emb", "vector")]
    assert shown["derived"][0]["words"] == 9
    assert shown["derived"][1]["dimension"] == 12
    assert {"comment.letters", "emb.7"} <= {column["column"] for column in shown["columns"]}

    result = run(
        "backtest", data, "-m", "monitor.yaml", "--rows", "2000:4000", "--json", "out.jsonl", "--picture", "p.html"
    )
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    alerts = [line for line in lines if line["type"] == "alert"]
    assert len(alerts) == 1
    assert alerts[0]["window_start_ms"] == START.timestamp() * 1_000 + CHANGED_AT // PER_HOUR * 3_600_000
    assert {"emb", "comment.out_of_vocabulary"} <= set(alerts[0]["columns"])


def test_what_nobody_declared_is_told_with_the_remedy(run, data):
    built = run("reference", "build", data, "-m", "undeclared.yaml")
    if data.endswith(".parquet"):
        assert built.exit_code == 2
        assert (
            "if these are vectors, such as embeddings, declare it in the monitor (`columns.types: {emb: vector}`)"
            in built.stderr
        )
    else:
        assert built.exit_code == 2  # nothing but texts: there is no column to watch
        assert "comment: nearly unique" in built.stderr


def test_a_field_that_is_no_list_is_one_clear_line(run, tmp_path):
    (tmp_path / "monitor.yaml").write_text(MONITOR.replace("comment: text, ", ""))
    (tmp_path / "t.csv").write_text("x,emb\n" + '1,"[0.5 1.5]"\n' * 10)
    result = run("reference", "build", "t.csv", "-m", "monitor.yaml")
    assert result.exit_code == 2
    assert (
        "column 'emb': `columns.types` says vector, but none of its 10 values is a list of 1 to 65,536 numbers"
        in result.stderr
    )
