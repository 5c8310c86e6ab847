from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.stream_files import REFERENCE_HOURS, ROWS_PER_HOUR, write_monitor, write_stream


@pytest.fixture
def two(run, tmp_path: Path) -> None:
    """Revision 1 of the hours before `amount` doubles, revision 2 of those after, revision 3 of the same rows as 1."""
    data, monitor = write_stream(tmp_path), write_monitor(tmp_path)
    for rows in (f"0:{REFERENCE_HOURS * ROWS_PER_HOUR}", "3600:", f"0:{REFERENCE_HOURS * ROWS_PER_HOUR}"):
        assert run("reference", "build", data, "-m", monitor, "--rows", rows).exit_code == 0


def test_the_column_that_differs_most_stands_first_with_both_shapes(run, two):
    done = run("reference", "diff", "shop-base@1", "shop-base@2")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        "A  shop-base@1: model shop, version 1, 2,400 rows from shop.csv, rows 0 to 2399, event times 2026-01-01"
    )
    assert lines[2].endswith("different")
    rows = lines[lines.index("") + 2 :]
    assert rows[0].split()[0] == "amount"
    assert rows[0].count("█") >= 2, "each shape has its peak"
    assert "->" in rows[0]
    assert "estimated from its sketch" in done.stderr


def test_as_json_everything_is_there(run, two):
    found = json.loads(run("reference", "diff", "shop-base@1", "shop-base@2", "--json").stdout)
    first = found["columns"][0]
    assert (first["column"], first["in"], first["approximate"], first["type_changed"]) == (
        "amount",
        "both",
        True,
        False,
    )
    assert first["distance"] > 1
    assert first["after"]["mean"] == pytest.approx(2 * first["before"]["mean"], rel=0.1)
    assert len(first["before"]["histogram"]) == len(first["bins"]) + 1 == 16
    assert (found["before"]["rows"], found["after"]["rows"], found["same_data"]) == (2_400, 1_200, False)


def test_it_is_no_gate_unless_asked(run, two):
    assert run("reference", "diff", "shop-base@1", "shop-base@2", "--exit-code").exit_code == 1
    same = run("reference", "diff", "shop-base@1", "shop-base@3", "--exit-code")
    assert same.exit_code == 0
    assert "equal: the same values in the same order" in same.stdout
    assert "differ in nothing" in same.stderr


def test_columns_that_come_go_or_change_their_type_are_named(run, tmp_path):
    write_monitor(tmp_path)
    (tmp_path / "a.csv").write_text("x,kind,gone\n" + "".join(f"{i % 60},{i % 2},{i}\n" for i in range(300)))
    (tmp_path / "b.csv").write_text("x,kind,new\n" + "".join(f"{i % 60},k{i % 2},{i}\n" for i in range(300)))
    for name in ("a", "b"):
        assert run("reference", "build", f"{name}.csv", "-m", "monitor.yaml", "--out", f"{name}.sgref").exit_code == 0
    lines = {x.split()[0]: x for x in run("reference", "diff", "a.sgref", "b.sgref").stdout.splitlines() if x}
    assert "only in A" in lines["gone"]
    assert "only in B" in lines["new"]
    assert "type: numeric (number) -> categorical (string)" in lines["kind"]


def test_a_reference_that_is_not_there_is_one_clear_line(run, two):
    done = run("reference", "diff", "shop-base@1", "shop-base@9")
    assert done.exit_code == 2
    assert "no revision 9; there are 1, 2, 3" in done.stderr
