from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

import stream_gov
from stream_gov.cli.main import app
from stream_gov.cli.reference_page import all_commands, reference_page

COMMANDS = dict(all_commands())
PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
NEEDED = {
    *("reference build", "reference show", "reference list", "monitor validate", "monitor apply", "monitor list"),
    *(
        "ingest",
        "detect",
        "sink influx",
        "sink prometheus",
        "sink store",
        "up",
        "replay",
        "backtest",
        "alerts",
        "demo",
        "doctor",
    ),
}


def test_every_command_that_is_promised_is_there():
    assert {f"stream-gov {name}" for name in NEEDED} <= set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_help_has_an_example_that_names_the_command(name):
    result = CliRunner().invoke(app, [*name.split()[1:], "--help"], prog_name="stream-gov")
    assert result.exit_code == 0
    _, found, example = result.stdout.partition("Example")
    assert found
    assert f"  {name}" in example


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_and_argument_is_explained(name):
    command = COMMANDS[name]
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{name} {parameter.name}"
    assert command.help


def test_every_command_stands_in_a_section_of_the_first_help():
    root = typer.main.get_command(app)
    in_sections = [name for names in root.sections.values() for name in names]
    assert sorted(in_sections) == sorted(root.commands)


def test_the_page_of_the_command_line_is_current():
    assert PAGE.read_text(encoding="utf-8") == reference_page(), "run `make docs`"


def test_the_version_is_printed():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"stream-gov {stream_gov.__version__}\n")


def test_help_loads_nothing_that_takes_long():
    heavy = (
        "numpy",
        "scipy",
        "pyarrow",
        "confluent_kafka",
        "faust",
        "river",
        "sqlalchemy",
        "influxdb_client",
        "rich",
        "datasketches",
    )
    code = f"import sys, stream_gov.cli.main; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_group_without_a_command_shows_its_help(run):
    assert "build" in run("reference").output
