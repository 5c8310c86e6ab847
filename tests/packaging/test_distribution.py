"""The package as a user installs it: built into a wheel, put into an environment that has the runtime requirements and nothing else."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # a copy, so that building leaves nothing in the tree
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    for path in (ROOT / "stream_gov").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            target = source / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of programs of an environment with the wheel and the locked runtime requirements, linked from this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=True, symlinks=True)
    requirements = folder / "requirements"
    requirements.mkdir()
    for distribution in runtime_distributions():
        for file in distribution.files or ():
            top = file.parts[0]
            origin = Path(str(distribution.locate_file(top)))
            if top not in {"..", "__pycache__"} and not (requirements / top).exists():
                (requirements / top).symlink_to(origin)
    programs = folder / "venv" / "bin"
    install = [str(programs / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, text=True)
    (site_packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site_packages / "requirements.pth").write_text(f"{requirements}\n", encoding="utf-8")
    return programs


def runtime_distributions() -> list[importlib.metadata.Distribution]:
    text = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    entries = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==[^\s;\\]+\s*(?:; ([^\\\n]*))?", text, flags=re.MULTILINE)
    names = {canonicalize_name(name) for name, marker in entries if not marker or Marker(marker.strip()).evaluate()}
    return [importlib.metadata.distribution(name) for name in sorted(names)]


def run(program: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "STREAM_GOV_", "COVERAGE"))}
    return subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )


def test_wheel_holds_all_of_the_package_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "stream_gov").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert "stream_gov/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_wheel_names_its_requirements_and_its_licence(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
    metadata = archive.read(name).decode("utf-8")
    assert "License-Expression: Apache-2.0\n" in metadata
    assert "Requires-Python: >=3.11\n" in metadata
    assert "Requires-Dist: scipy>=" in metadata
    assert "pytest" not in metadata.partition("\n\n")[0]


def test_command_works_without_anything_the_tests_need(installed, tmp_path):
    for absent in ("pytest", "hypothesis", "pandas", "fastavro"):
        assert run(installed / "python", "-c", f"import {absent}", cwd=tmp_path).returncode != 0, absent
    shown = run(installed / "stream-gov", "--help", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    for command in (
        "reference",
        "monitor",
        "ingest",
        "detect",
        "sink",
        "up",
        "replay",
        "backtest",
        "alerts",
        "demo",
        "doctor",
    ):
        assert command in shown.stdout
    assert run(installed / "stream-gov", "--version", cwd=tmp_path).stdout.strip().endswith("0.1.0")


def test_every_command_of_the_compose_file_is_a_command(installed, tmp_path):
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    commands = [service["command"] for service in compose["services"].values() if "build" in service]
    assert len(commands) == 5
    for command in commands:
        shown = run(installed / "stream-gov", *command, "--help", cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr


def test_every_module_can_be_imported_without_anything_the_tests_need(installed, tmp_path):
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "stream_gov").rglob("*.py")
        if path.name != "__main__.py"
    )
    program = f"import importlib\nfor name in {modules!r}: importlib.import_module(name)"
    done = run(installed / "python", "-W", "ignore", "-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
