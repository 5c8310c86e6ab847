from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # these tests are run by make themselves, and a make within a make says so
    inherited = {k: v for k, v in os.environ.items() if k not in {"MAKELEVEL", "MAKEFLAGS", "MFLAGS", "VENV", "ARGS"}}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=inherited | environment)


@pytest.fixture
def interpreters(tmp_path):
    """A folder to be used as PATH, with make's own tools and interpreters that claim a version."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "sed"):
        (folder / tool).symlink_to(shutil.which(tool) or "")

    def add(name: str, version: tuple[int, int], *, has_venv: bool = True) -> None:
        path = folder / name
        lacking = "" if has_venv else "sys.modules['ensurepip'] = None; "
        path.write_text(
            "#!/bin/sh\n"
            # the rest of the command line is the program, after -c
            f'exec {sys.executable} -c "import sys; sys.version_info = {version!r} + (0,); {lacking}exec(sys.argv[1])" "$2"\n',
            encoding="utf-8",
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    add.folder = folder  # type: ignore[attr-defined]
    return add


def chosen(interpreters, **environment: str) -> subprocess.CompletedProcess[str]:
    environment.setdefault("PYTHON", "")
    return run("sh", "scripts/choose-python.sh", PATH=str(interpreters.folder), **environment)


def test_every_target_is_in_the_help():
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, flags=re.MULTILINE))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)
    shown = run("make", "help")
    assert shown.returncode == 0
    assert set(re.findall(r"^  ([a-z-]+) ", shown.stdout, flags=re.MULTILINE)) == targets == set(phony.split())


def test_help_is_what_make_alone_shows():
    assert run("make").stdout == run("make", "help").stdout


def test_tests_come_after_style_types_and_layers_and_print_last():
    plan = run("make", "--dry-run", "--always-make", "test").stdout
    order = [plan.index(step) for step in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest")]
    assert order == sorted(order)
    assert plan.strip().splitlines()[-1].find("pytest") > 0


def test_demo_needs_nothing_that_only_the_tests_need():
    plan = run("make", "--dry-run", "--always-make", "demo").stdout
    assert "requirements/runtime.txt" in plan
    assert "requirements/dev.txt" not in plan
    assert plan.strip().splitlines()[-1].strip().endswith("stream-gov demo")


def test_installs_are_by_hash_only():
    installs = [line for line in MAKEFILE.splitlines() if "$(PIP) install" in line and "uv" not in line]
    assert len(installs) == 3
    assert all("--require-hashes -r" in line or "--no-deps --no-build-isolation -e ." in line for line in installs)


def test_python3_is_taken_where_it_is_new_enough(interpreters):
    interpreters("python3", (3, 12))
    interpreters("python3.13", (3, 13))
    assert chosen(interpreters).stdout == "python3\n"


def test_newer_python_is_found_beside_an_old_python3(interpreters):
    interpreters("python3", (3, 9))
    interpreters("python3.12", (3, 12))
    assert chosen(interpreters).stdout == "python3.12\n"


def test_tested_python_is_preferred_to_one_of_a_later_release(interpreters):
    interpreters("python3", (3, 15))
    assert chosen(interpreters).stdout == "python3\n"
    interpreters("python3.11", (3, 11))
    assert chosen(interpreters).stdout == "python3.11\n"


def test_python_without_venv_is_passed_over(interpreters):
    interpreters("python3", (3, 12), has_venv=False)
    interpreters("python3.11", (3, 11))
    assert chosen(interpreters).stdout == "python3.11\n"


def test_old_python_gives_a_clear_message_and_no_environment(interpreters, tmp_path):
    interpreters("python3", (3, 9))
    interpreters("python3.11", (3, 11), has_venv=False)
    done = chosen(interpreters)
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr
    assert "python3 (3.9 is too old), python3.11 (3.11 lacks the venv module)\n" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_machine_without_python_gives_a_clear_message(interpreters):
    done = chosen(interpreters)
    assert done.returncode == 1
    assert "found: none\n" in done.stderr


def test_python_may_be_named(interpreters):
    interpreters("python3", (3, 12))
    interpreters("my-python", (3, 11))
    assert chosen(interpreters, PYTHON="my-python").stdout == "my-python\n"
    assert chosen(interpreters, PYTHON="absent").returncode == 1


def test_make_stops_with_the_message_where_python_is_too_old(tmp_path):
    done = run("make", "setup", f"VENV={tmp_path / 'venv'}", "PYTHON=/nowhere/python3")
    assert done.returncode != 0
    assert "needs Python 3.11" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_ci_runs_the_same_command_as_the_reader_of_the_readme():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert text.rstrip().endswith("\nmake test")
    assert "set -euo pipefail" in text
    assert run("bash", "-n", str(script)).returncode == 0
