"""The README: its links lead somewhere, its commands exist, its table is what the demo prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import typer.main

from stream_gov.cli.demo_folder import DemoFolder
from stream_gov.cli.demo_model import TRAINING_ROWS, monitor_text
from stream_gov.cli.demo_report import print_report
from stream_gov.cli.main import app
from stream_gov.contracts import Alert, Monitor
from stream_gov.detection import backtest
from stream_gov.files import TabularFile, build_reference, column_types
from stream_gov.reference import ProfileBuilder

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_link_leads_to_a_file():
    targets = re.findall(r"\]\(([^)#]+)\)|src(?:set)?=\"([^\"]+)\"", TEXT)
    assert len(targets) > 10
    for target in (a or b for a, b in targets):
        assert (ROOT / target).exists(), target


def test_every_command_and_flag_exists():
    root = typer.main.get_command(app)
    lines = [
        line.partition("#")[0]
        for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
        for line in block.splitlines()
    ]
    lines = [line for line in lines if line.startswith("stream-gov")]
    assert len(lines) == 5
    for line in lines:
        command = root
        for word in shlex.split(line)[1:]:
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
            elif word.startswith("-"):
                assert any(word in p.opts for p in command.params), f"{line}: {word}"


def test_every_target_of_make_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z]+)", TEXT):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_table_is_what_the_demo_prints(tmp_path, capsys, electricity):
    folder = DemoFolder(tmp_path)
    folder.monitor.write_text(monitor_text())
    path, model = electricity
    monitor = Monitor.from_yaml(monitor_text(), source="monitor.yaml")
    profile = build_reference(
        TabularFile(path, types=column_types(monitor)),
        ProfileBuilder.for_monitor(monitor),
        name="electricity",
        revision=1,
        model="electricity",
        created_ms=0,
        stop=TRAINING_ROWS,
    )
    events = TabularFile(path, types=column_types(monitor, profile)).events(model="electricity", start=TRAINING_ROWS)
    records = list(backtest(((time, message) for time, _, message in events), monitor, profile))
    alerts = [r for r in records if isinstance(r, Alert)]
    print_report(folder, [r for r in records if not isinstance(r, Alert)], alerts, model)
    shown = re.search(r"```text\n(.*?)```", TEXT, re.DOTALL)
    assert shown is not None
    assert shown[1] in capsys.readouterr().out


def test_the_readme_is_short():
    assert len(TEXT.splitlines()) < 120
