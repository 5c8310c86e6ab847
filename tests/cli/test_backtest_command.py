from __future__ import annotations

import json

import pytest

from stream_gov.contracts import Alert, Result
from tests.cli.stream_files import HOURS, ROWS_PER_HOUR, SHIFT_AT, START, write_monitor, write_stream

HOUR_MS = 3_600_000
START_MS = int(START.timestamp() * 1_000)


@pytest.fixture
def shop(run, tmp_path):
    data = write_stream(tmp_path)
    run("reference", "build", data, "-m", write_monitor(tmp_path), "--rows", "0:2400")
    return tmp_path


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_shift_is_found_in_its_first_window_and_named(run, shop):
    result = run("backtest", "shop.csv", "--monitor", "monitor.yaml", "--json", "out.jsonl")
    assert result.exit_code == 0, result.output
    alerts = [r for r in lines_of((shop / "out.jsonl").read_text()) if r["type"] == "alert"]
    assert alerts[0]["window_start_ms"] == START_MS + SHIFT_AT * HOUR_MS
    assert [c["column"] for c in alerts[0]["causes"]] == ["amount"]
    assert "still open" in result.stdout
    assert "amount" in result.stdout


def test_each_line_has_a_type_and_the_fields_of_its_contract(run, shop):
    run("backtest", "shop.csv", "-m", "monitor.yaml", "-r", "shop-base@1", "--json", "out.jsonl")
    records = lines_of((shop / "out.jsonl").read_text())
    for record in records:
        contract = {"result": Result, "alert": Alert}[record["type"]]
        assert list(record) == ["type", *contract.__struct_fields__]


def test_events_in_windows_are_the_rows_of_the_file(run, shop):
    run("backtest", "shop.csv", "-m", "monitor.yaml", "--json", "out.jsonl")
    counts = [r["events"] for r in lines_of((shop / "out.jsonl").read_text()) if r.get("statistic") == "events"]
    assert counts == [ROWS_PER_HOUR] * HOURS


def test_standard_output_takes_the_lines_and_nothing_else(run, shop):
    run("backtest", "shop.csv", "-m", "monitor.yaml", "--json", "out.jsonl")
    result = run("backtest", "shop.csv", "-m", "monitor.yaml", "--json", "-")
    assert result.stdout == (shop / "out.jsonl").read_text()


def test_the_picture_is_one_file_that_names_the_column(run, shop):
    assert run("backtest", "shop.csv", "-m", "monitor.yaml", "--picture", "pictures/drift.html").exit_code == 0
    text = (shop / "pictures" / "drift.html").read_text()
    assert "<b>drift in 10 of 40</b>" in text
    assert "amount" in text


def test_rows_before_the_shift_give_no_alert(run, shop):
    result = run("backtest", "shop.csv", "-m", "monitor.yaml", "--until", "2026-01-02T06:00:00Z")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no alert would have opened" in result.stderr


def test_a_column_that_the_reference_does_not_have_is_named_with_the_nearest(run, shop):
    monitor = (shop / "monitor.yaml").read_text() + "\ncolumns: {include: [amuont]}\n"
    (shop / "typo.yaml").write_text(monitor)
    result = run("backtest", "shop.csv", "-m", "typo.yaml")
    assert "columns.include" in result.stderr
    assert "did you mean `amount`?" in result.stderr


def test_rejected_rows_are_told_with_their_reason(run, shop):
    lines = (shop / "shop.csv").read_text().splitlines()
    lines[5] = lines[5].replace("2026", "1975", 1)
    (shop / "shop.csv").write_text("\n".join(lines))
    result = run("backtest", "shop.csv", "-m", "monitor.yaml")
    assert "1 events were rejected" in result.stderr
    assert "row 4: timestamp_too_old" in result.stderr
