from __future__ import annotations

import json

import pytest

from stream_gov.files.state_directory import StateDirectory
from tests.cli.stream_files import MONITOR, write_monitor, write_stream


@pytest.fixture
def with_reference(run, tmp_path):
    run("reference", "build", write_stream(tmp_path), "-m", write_monitor(tmp_path), "--rows", "0:2400")


def test_a_valid_monitor_is_told_in_words(run, tmp_path, with_reference):
    result = run("monitor", "validate", "monitor.yaml")
    assert result.exit_code == 0
    assert "monitor shop of model shop, windows of 1h, compared with shop-base; checks psi" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("addition", "doubt"),
    [
        (
            "columns: {exclude: [amuont]}\n",
            "columns.exclude: shop-base@1 has no column 'amuont'; did you mean `amount`?",
        ),
        ("segments: [country]\n", "built without country"),
        (
            "detectors: [{detector: adwin, series: mean, columns: [amuont]}]\n",
            "detectors (adwin_mean): shop-base@1 has no column 'amuont'; did you mean `amount`?",
        ),
    ],
)
def test_what_the_reference_does_not_have_is_doubted(run, tmp_path, with_reference, addition, doubt):
    result = run("monitor", "validate", write_monitor(tmp_path, MONITOR + addition))
    assert result.exit_code == 0
    assert doubt in result.stderr


def test_detectors_are_told_in_words(run, tmp_path, with_reference):
    detectors = "detectors: [{detector: adwin, series: mean}, {detector: kswin, series: events}]\n"
    result = run("monitor", "validate", write_monitor(tmp_path, MONITOR + detectors))
    assert "checks psi; detectors adwin_mean, kswin_events" in result.stdout


def test_a_monitor_without_a_reference_is_doubted(run, tmp_path):
    result = run("monitor", "validate", write_monitor(tmp_path, MONITOR.replace("reference: shop-base\n", "")))
    assert result.exit_code == 0
    assert "insufficient" in result.stderr


def test_apply_keeps_the_monitor_with_its_comments_for_up(run, tmp_path, with_reference):
    write_monitor(tmp_path, "# why it is watched\n" + MONITOR)
    result = run("monitor", "apply", "monitor.yaml")
    assert result.exit_code == 0
    assert "stream-gov up" in result.stderr
    assert StateDirectory(".stream-gov").monitor_path("shop").read_text().startswith("# why it is watched")
    assert json.loads(run("monitor", "list", "--json").stdout)["monitor"] == "shop"
    assert run("monitor", "list").stdout.splitlines()[1].split() == ["shop", "shop", "shop-base", "1h", "1h", "psi"]


def test_apply_wants_the_reference_to_be_there(run, tmp_path):
    result = run("monitor", "apply", write_monitor(tmp_path))
    assert result.exit_code == 2
    assert "stream-gov reference build" in result.stderr
    assert not StateDirectory(".stream-gov").monitor_names()


def test_apply_fails_where_the_broker_does_not_answer(run, tmp_path, with_reference):
    assert run("monitor", "apply", "monitor.yaml", "--bootstrap", "127.0.0.1:1").exit_code == 3
