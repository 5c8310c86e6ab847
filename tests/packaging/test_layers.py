from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import stream_gov

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "stream_gov"


def contracts() -> dict[str, dict[str, list[str]]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return {contract["type"]: contract for contract in settings["contracts"]}


def in_layers() -> list[list[str]]:
    return [[name.strip() for name in layer.split("|")] for layer in contracts()["layers"]["layers"]]


def core() -> list[str]:
    """Subpackages below the settings."""
    layers = in_layers()
    return [name for layer in layers[layers.index(["stream_gov.settings"]) + 1 :] for name in layer]


def test_no_layer_imports_one_above_it_and_the_core_imports_no_io():
    # a process of its own: import-linter turns off loggers that other tests listen to
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--config", "pyproject.toml", "--no-cache", "--no-logo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Contracts: 2 kept, 0 broken." in done.stdout


def test_every_part_of_the_package_has_its_layer():
    named = {name.removeprefix("stream_gov.") for layer in in_layers() for name in layer}
    # a folder of data holds no code to be held to a layer
    parts = {module.name for module in pkgutil.iter_modules([str(PACKAGE)])}
    assert parts == named


def test_ban_on_io_holds_for_the_whole_core():
    assert set(contracts()["forbidden"]["source_modules"]) == set(core())


def test_core_can_be_used_without_anything_of_the_rim_being_loaded():
    banned = ["confluent_kafka", "faust", "aiokafka", "influxdb_client", "prometheus_client", "sqlalchemy", "pyarrow"]
    banned += ["typer", "rich", "structlog", "river", "pandas", "statsmodels"]
    program = f"import sys, {', '.join(core())}; print(sorted(set({banned!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


CORE_FILES = sorted(
    path
    for name in core()
    for place in [PACKAGE / name.removeprefix("stream_gov.")]
    for path in (place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")])
)


@pytest.mark.parametrize("path", CORE_FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_core_neither_opens_files_nor_prints_nor_asks_the_clock(path):
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    attributes = {
        f"{call.value.id}.{call.attr}"
        for call in calls
        if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name)
    }
    assert not names & {"open", "print", "input", "exec", "eval"}
    assert not attributes & {"time.time", "time.time_ns", "time.monotonic", "time.sleep", "datetime.now", "os.environ"}


def test_package_says_its_version():
    assert stream_gov.__all__ == ["__version__"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert stream_gov.__version__ == project["version"]
