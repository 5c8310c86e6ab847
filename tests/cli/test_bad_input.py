"""A wrong monitor, data file, setting or flag: one clear line with the place and the remedy, exit code 2, no traceback."""

from __future__ import annotations

import pytest

from tests.cli.stream_files import MONITOR, write_monitor, write_stream

BUILD = ["reference", "build", "shop.csv", "--monitor", "monitor.yaml"]
BACKTEST = ["backtest", "shop.csv", "--monitor", "monitor.yaml", "--reference", "shop-base"]
VALIDATE = ["monitor", "validate", "monitor.yaml"]

CASES = {
    # name: (text of the monitor, arguments, what the line must hold)
    "monitor: no such file": (None, ["monitor", "validate", "nowhere.yaml"], ["nowhere.yaml", "no such monitor file"]),
    "monitor: unknown key": (MONITOR + "widow: 1h\n", VALIDATE, ["monitor.yaml: widow", "did you mean `window`"]),
    "monitor: no YAML": ("monitor: [", VALIDATE, ["monitor.yaml"]),
    "monitor: empty": ("", VALIDATE, ["monitor.yaml", "mapping of keys"]),
    "monitor: duration without unit": (MONITOR.replace("1h", "60"), VALIDATE, ["window.size", "60s or 60m"]),
    "monitor: unknown statistic": (
        MONITOR.replace("psi", "pis"),
        VALIDATE,
        ["checks[0].statistic", "did you mean `psi`"],
    ),
    "monitor: key is missing": (MONITOR.replace("model: shop\n", ""), VALIDATE, ["monitor.yaml: model", "required"]),
    "data: no such file": (
        MONITOR,
        ["reference", "build", "nowhere.csv", "-m", "monitor.yaml"],
        ["nowhere.csv", "does not exist"],
    ),
    "data: unknown kind": (
        MONITOR,
        ["reference", "build", "monitor.yaml", "-m", "monitor.yaml"],
        ["monitor.yaml", ".parquet"],
    ),
    "data: no such column": (
        MONITOR,
        [*BUILD, "--timestamp", "timestmp"],
        ["'timestmp'", "--timestamp", "did you mean `timestamp`"],
    ),
    "data: column with two roles": (
        MONITOR,
        [*BUILD, "--prediction", "score", "--score", "score"],
        ["score", "one role"],
    ),
    "data: torn row": (MONITOR, ["reference", "build", "torn.csv", "-m", "monitor.yaml"], ["torn.csv:3", "fields"]),
    "reference: none of this name": (MONITOR, BACKTEST, ["shop-base", "stream-gov reference build"]),
    "reference: file is none": (MONITOR, [*BACKTEST[:-1], "fake.sgref"], ["fake.sgref", "stream-gov reference build"]),
    "reference: file is not there": (MONITOR, [*BACKTEST[:-1], "nowhere.sgref"], ["nowhere.sgref"]),
    "reference: the monitor names none": (
        MONITOR.replace("reference: shop-base\n", ""),
        BUILD,
        ["monitor.yaml: reference", "--name"],
    ),
    "flag: rows": (MONITOR, [*BUILD, "--rows", "10-20"], ["--rows 10-20", "FIRST:END"]),
    "flag: rows backwards": (MONITOR, [*BUILD, "--rows", "20:10"], ["--rows 20:10"]),
    "flag: rows beyond the file": (MONITOR, [*BUILD, "--rows", "999999:"], ["shop.csv", "999999"]),
    "flag: time": (MONITOR, [*BUILD, "--until", "tomorrow"], ["--until tomorrow", "2026-02-01"]),
    "flag: times backwards": (
        MONITOR,
        [*BUILD, "--from", "2026-02-01", "--until", "2026-01-01"],
        ["--until 2026-01-01", "after"],
    ),
    "flag: time without rows": (MONITOR, [*BUILD, "--from", "2031-01-01"], ["shop.csv", "--from"]),
    "flag: name of a reference": (MONITOR, [*BUILD, "--name", "a b"], ["--name", "a b"]),
    "flag: file of a reference": (MONITOR, [*BUILD, "--out", "base.bin"], ["--out base.bin", ".sgref"]),
    "flag: unknown": (MONITOR, [*BUILD, "--timestmp", "x"], ["--timestmp", "--timestamp"]),
    "flag: wrong choice": (MONITOR, ["alerts", "--status", "shut"], ["--status", "open"]),
    "flag: not a number": (MONITOR, ["replay", "shop.csv", "-m", "monitor.yaml", "--rate", "fast"], ["--rate"]),
    "flag: command": (MONITOR, ["backtst"], ["backtest"]),
    "alerts: to follow without a broker": (MONITOR, ["alerts", "--follow"], ["stream-gov up", "--bootstrap"]),
    "alerts: nothing to read": (MONITOR, ["alerts"], ["no store", "stream-gov up"]),
    "ingest: no broker": (MONITOR, ["ingest"], ["stream-gov up", "--bootstrap"]),
    "replay: no broker": (
        MONITOR,
        ["replay", "shop.csv", "--monitor", "monitor.yaml"],
        ["stream-gov up", "--bootstrap"],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_mistake_is_one_clear_line(run, tmp_path, case):
    text, arguments, expected = case
    write_stream(tmp_path)
    (tmp_path / "torn.csv").write_text("timestamp,amount\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:01Z,1,2,3\n")
    (tmp_path / "fake.sgref").write_bytes(b"no profile")
    if text is not None:
        write_monitor(tmp_path, text)
    result = run(*arguments)
    assert result.exit_code == 2
    said = [line for line in result.stderr.splitlines() if line.lower().startswith("error: ")]
    assert len(said) == 1, result.stderr
    assert "Usage:" not in result.stderr
    for part in expected:
        assert part in said[0]
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_each_mistake_of_a_monitor_has_a_line(run, tmp_path):
    path = write_monitor(tmp_path, MONITOR.replace("1h", "60").replace("psi", "pis"))
    result = run("monitor", "validate", path)
    assert [line.split(": ")[2] for line in result.stderr.splitlines()] == ["window.size", "checks[0].statistic"]


def test_a_good_file_beside_a_bad_one_is_still_checked(run, tmp_path):
    good, bad = write_monitor(tmp_path), write_monitor(tmp_path, "monitor: [", "bad.yaml")
    result = run("monitor", "validate", bad, good)
    assert result.exit_code == 2
    assert f"{good}: valid" in result.stdout
    assert "bad.yaml" in result.stderr


def test_a_wrong_setting_names_its_variable(run, monkeypatch):
    monkeypatch.setenv("STREAM_GOV_METRICS_PORT", "many")
    result = run("monitor", "list")
    assert result.exit_code == 2
    assert "STREAM_GOV_METRICS_PORT" in result.stderr


def test_a_picture_that_cannot_be_written_is_told_by_its_path(run, tmp_path):
    data, monitor = write_stream(tmp_path), write_monitor(tmp_path)
    assert run("reference", "build", data, "-m", monitor, "--rows", "0:2400").exit_code == 0
    (tmp_path / "file").write_text("")
    result = run("backtest", data, "-m", monitor, "--picture", tmp_path / "file" / "drift.html")
    assert result.exit_code == 2
    assert "drift.html" in result.stderr


def test_a_missing_broker_is_exit_code_3(run, tmp_path):
    result = run("alerts", "--bootstrap", "127.0.0.1:1")
    assert result.exit_code == 3
    assert "127.0.0.1:1" in result.stderr
    assert "start it" in result.stderr
