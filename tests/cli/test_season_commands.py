from __future__ import annotations

import json

import pytest

from stream_gov.cli.doctor_checks import Level, check_monitors
from stream_gov.files.state_directory import StateDirectory
from tests.cli.stream_files import MONITOR, write_monitor, write_stream

SEASONAL = MONITOR + "season: hour_of_day\ntimezone: Europe/Berlin\n"


@pytest.fixture
def built(run, tmp_path):
    result = run(
        "reference", "build", write_stream(tmp_path), "-m", write_monitor(tmp_path, SEASONAL), "--rows", "0:2400"
    )
    assert result.exit_code == 0, result.output
    return result


def test_show_prints_the_season_the_emptiest_slots_and_the_cycles(run, built):
    shown = run("reference", "show", "shop-base").stdout.splitlines()
    (line,) = [line for line in shown if line.startswith("season")]
    # 20 hours from 01:00 in Berlin on
    assert line == (
        "season hour_of_day, time zone Europe/Berlin: 24 slots, the emptiest 00:00 (0 rows), 21:00 (0 rows), 22:00 (0 rows)"
    )
    (rows,) = [line for line in shown if line.split()[:1] == ["rows"]]
    assert "120 to 120" in rows or "0 to 120" in rows
    amount = next(line for line in shown if line.startswith("amount") and "mean" in line)
    drawn = amount[amount.index(" to ") :].split(maxsplit=2)[2]
    assert set(drawn.strip()) <= set("▁▂▃▄▅▆▇█")
    assert len(drawn.strip()) == 20
    assert "4 of 24 slots have no rows: 00:00, 21:00, 22:00, 23:00" in built.stderr


def test_show_gives_the_cycles_as_data(run, built):
    season = json.loads(run("reference", "show", "shop-base", "--json").stdout)["season"]
    assert (season["kind"], season["timezone"], season["segments"]) == ("hour_of_day", "Europe/Berlin", [])
    assert season["rows"] == [0] + [120] * 20 + [0] * 3
    profile = StateDirectory(".stream-gov").load_profile("shop-base@1")
    (slot,) = profile.slots.summaries("", [7])
    assert season["cycles"]["amount"]["values"][7] == slot.columns["amount"].mean()
    assert season["cycles"]["amount"]["values"][0] is None
    assert season["cycles"]["country"]["of"] == "share of DE"


def test_a_reference_without_a_season_shows_none(run, tmp_path):
    run("reference", "build", write_stream(tmp_path), "-m", write_monitor(tmp_path), "--rows", "0:2400")
    assert "season" not in run("reference", "show", "shop-base").stdout
    assert json.loads(run("reference", "show", "shop-base", "--json").stdout)["season"] is None


@pytest.mark.parametrize(
    "command",
    [
        ("monitor", "validate", "other.yaml"),
        ("monitor", "apply", "other.yaml"),
        ("backtest", "shop.csv", "-m", "other.yaml"),
    ],
)
@pytest.mark.parametrize(
    ("season", "words"),
    [
        ("season: hour_of_week\n", "compares by the season hour_of_week, and the reference shop-base@1"),
        (
            "season: hour_of_day\ntimezone: Asia/Tokyo\n",
            "compares by the season hour_of_day (Asia/Tokyo), and the reference",
        ),
    ],
)
def test_a_season_that_the_reference_does_not_have_is_an_error(run, tmp_path, built, command, season, words):
    write_monitor(tmp_path, MONITOR + season, "other.yaml")
    result = run(*command)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if "error" in line]
    assert words in line
    assert "was built with the season hour_of_day (Europe/Berlin); build it again with this monitor" in line
    assert not StateDirectory(".stream-gov").monitor_names()


def test_a_monitor_without_the_season_of_its_reference_is_fine(run, tmp_path, built):
    result = run("monitor", "validate", write_monitor(tmp_path, MONITOR, "other.yaml"))
    assert (result.exit_code, result.stderr) == (0, "")


def test_validate_says_by_what_windows_are_compared(run, tmp_path, built):
    assert (
        "compared with shop-base by hour_of_day (Europe/Berlin);" in run("monitor", "validate", "monitor.yaml").stdout
    )
    write_monitor(tmp_path, MONITOR + "trailing: {length: 6h}\n", "other.yaml")
    assert "compared with the 6h before in the cells of shop-base;" in run("monitor", "validate", "other.yaml").stdout


def test_doctor_names_a_season_that_the_reference_does_not_have(run, built):
    run("monitor", "apply", "monitor.yaml")
    state = StateDirectory(".stream-gov")
    assert not [f for f in check_monitors(state) if f.level is not Level.OK]
    path = state.monitor_path("shop")
    path.write_text(path.read_text().replace("hour_of_day", "day_of_week"), encoding="utf-8")
    (found,) = [f for f in check_monitors(state) if f.level is not Level.OK]
    assert "compares by the season day_of_week (Europe/Berlin)" in found.text
    assert found.remedy.startswith("build it again with this monitor")


def test_rows_without_event_times_have_no_season(run, tmp_path):
    text = write_stream(tmp_path).read_text().splitlines()
    (tmp_path / "timeless.csv").write_text("\n".join(line.split(",", 1)[1] for line in text), encoding="utf-8")
    result = run("reference", "build", "timeless.csv", "-m", write_monitor(tmp_path, SEASONAL))
    assert result.exit_code == 2
    assert "season hour_of_day: the rows have no event times" in result.stderr
    assert "--timestamp" in result.stderr
