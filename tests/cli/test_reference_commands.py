from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from stream_gov.files.state_directory import StateDirectory
from stream_gov.reference import ReferenceProfile
from tests.cli.stream_files import MONITOR, REFERENCE_HOURS, ROWS_PER_HOUR, write_monitor, write_stream


@pytest.fixture
def built(run, tmp_path):
    data, monitor = write_stream(tmp_path), write_monitor(tmp_path)
    result = run("reference", "build", data, "--monitor", monitor, "--until", "2026-01-01T20:00:00Z")
    assert result.exit_code == 0, result.output
    return result


def test_a_reference_is_kept_under_the_name_that_the_monitor_gives_it(built, tmp_path):
    profile = StateDirectory(".stream-gov").load_profile("shop-base@1")
    assert profile.n_rows == REFERENCE_HOURS * ROWS_PER_HOUR
    assert list(profile.layout.columns) == ["amount", "country", "member", "prediction", "score"]
    assert "shop-base@1.sgref" in built.stdout


def test_each_build_is_a_revision_of_its_own(run, built, tmp_path):
    result = run("reference", "build", "shop.csv", "--monitor", "monitor.yaml", "--rows", "0:500")
    assert "shop-base@2" in result.stdout
    assert StateDirectory(".stream-gov").revisions("shop-base") == [1, 2]


def test_rows_may_be_chosen_by_number_or_by_time_and_agree(run, built):
    run("reference", "build", "shop.csv", "-m", "monitor.yaml", "--rows", f"0:{REFERENCE_HOURS * ROWS_PER_HOUR}")
    by_time, by_number = (StateDirectory(".stream-gov").load_profile(f"shop-base@{r}") for r in (1, 2))
    assert by_time.data_hash == by_number.data_hash
    assert by_time.segments[""].to_bytes() == by_number.segments[""].to_bytes()


def test_a_reference_can_be_written_to_a_file_and_read_from_there(run, tmp_path):
    data, monitor = write_stream(tmp_path), write_monitor(tmp_path)
    out = tmp_path / "deep" / "base.sgref"
    assert run("reference", "build", data, "-m", monitor, "--out", out).exit_code == 0
    assert ReferenceProfile.from_bytes(out.read_bytes()).n_rows == 4_800
    assert not (tmp_path / ".stream-gov").exists()
    assert "shop-base@1" in run("reference", "show", out).stdout


def test_a_monitor_that_names_another_revision_is_told_of_it(run, tmp_path):
    data = write_stream(tmp_path)
    monitor = write_monitor(tmp_path, MONITOR.replace("shop-base", "shop-base@7"))
    result = run("reference", "build", data, "-m", monitor)
    assert "reference: shop-base@1" in result.stderr


def test_show_agrees_with_pandas(run, built, tmp_path):
    shown = json.loads(run("reference", "show", "shop-base@1", "--json").stdout)
    rows = pd.read_csv(tmp_path / "shop.csv")[: REFERENCE_HOURS * ROWS_PER_HOUR]
    columns = {c["column"]: c for c in shown["columns"]}
    assert shown["rows"] == len(rows)
    assert columns["amount"]["mean"] == pytest.approx(rows["amount"].mean(), rel=1e-5)
    assert columns["amount"]["sd"] == pytest.approx(rows["amount"].std(), rel=1e-4)
    assert (columns["amount"]["minimum"], columns["amount"]["maximum"]) == (rows["amount"].min(), rows["amount"].max())
    for rank, value in columns["amount"]["quantiles"].items():
        assert np.mean(rows["amount"] <= value) == pytest.approx(float(rank), abs=0.03)  # rank error of the sketch
    assert columns["country"]["categories"] == rows["country"].value_counts().to_dict()
    assert columns["member"]["categories"] == {"false": int((~rows["member"]).sum()), "true": int(rows["member"].sum())}


def test_the_table_has_a_line_for_each_column_with_its_shape(run, built):
    lines = run("reference", "show", "shop-base").stdout.splitlines()
    cells = {line.split()[0]: line for line in lines if line}
    assert {"amount", "country", "member", "prediction", "score"} <= set(cells)
    assert "█" in cells["amount"]
    assert "DE" in cells["country"]


def test_list_gives_one_line_for_each_reference(run, built):
    assert run("reference", "list").stdout.splitlines()[1].split()[:2] == ["shop-base@1", "shop"]
    assert [json.loads(line)["id"] for line in run("reference", "list", "--json").stdout.splitlines()] == [
        "shop-base@1"
    ]


def test_a_damaged_file_does_not_hide_the_other_references(run, built, tmp_path):
    (tmp_path / ".stream-gov" / "references" / "broken@1.sgref").write_bytes(b"SGRP")
    result = run("reference", "list")
    assert result.exit_code == 0
    assert "shop-base@1" in result.stdout
    assert "broken@1.sgref" in result.stderr


def test_an_empty_list_says_what_to_do(run):
    result = run("reference", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "stream-gov reference build" in result.stderr


def test_the_state_directory_is_told_by_flag_then_environment_then_file(run, tmp_path, monkeypatch):
    for name in ("flag", "variable", "file"):
        monitors = tmp_path / name / "monitors"
        monitors.mkdir(parents=True)
        (monitors / f"{name}.yaml").write_text(f"{{monitor: {name}, model: m, window: {{size: 1h}}}}")
    (tmp_path / "stream-gov.yaml").write_text("state_dir: file\n")

    def names(*flags):
        return [json.loads(line)["monitor"] for line in run("monitor", "list", "--json", *flags).stdout.splitlines()]

    assert names() == ["file"]
    monkeypatch.setenv("STREAM_GOV_STATE_DIR", "variable")
    assert names() == ["variable"]
    assert names("--state-dir", "flag") == ["flag"]
