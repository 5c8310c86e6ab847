from __future__ import annotations

import fnmatch
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from stream_gov.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).parents[2]
Instruction = tuple[str, str]


def instructions() -> list[list[Instruction]]:
    """Instructions of each stage, in order; what stands before the first FROM is the stage 0."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
    stages: list[list[Instruction]] = [[]]
    for line in joined:
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest.strip()))
    return stages


def of_kind(stage: list[Instruction], name: str) -> list[str]:
    return [rest for kind, rest in stage if kind == name]


def environment_of(stage: list[Instruction]) -> dict[str, str]:
    return dict(pair.split("=", 1) for text in of_kind(stage, "ENV") for pair in shlex.split(text))


def ignored(path: str) -> bool:
    """Whether `.dockerignore` keeps a path out of the build; the last pattern that fits decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        parts = Path(path).parts
        prefixes = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        if any(fnmatch.fnmatch(prefix, pattern.removeprefix("!").removeprefix("**/")) for prefix in prefixes):
            out = not pattern.startswith("!")
    return out


def test_image_is_built_in_one_stage_and_run_in_another():
    _, build, run = instructions()
    assert of_kind(build, "FROM") == ["python:${PYTHON_VERSION}-slim-bookworm AS build"]
    assert of_kind(run, "FROM") == ["python:${PYTHON_VERSION}-slim-bookworm"]
    assert [c for c in of_kind(run, "COPY") if not c.startswith("--from=build ")] == []


def test_python_of_the_image_is_one_the_project_supports():
    ((_, argument),) = instructions()[0]
    version = argument.removeprefix("PYTHON_VERSION=")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_everything_that_is_copied_exists_and_is_not_ignored():
    build = instructions()[1]
    for copy in of_kind(build, "COPY"):
        *sources, _ = copy.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert not ignored(source), f"{source} is kept out by .dockerignore"


@pytest.mark.parametrize("path", [".git", ".venv", ".env", "tests/test_settings.py", "stream_gov/__pycache__/x.pyc"])
def test_what_the_image_does_not_need_is_kept_out_of_the_build(path):
    assert ignored(path)


def test_data_of_the_package_is_not_kept_out():
    assert not ignored("stream_gov/py.typed")
    assert not ignored("stream_gov/demo_data/electricity.csv.gz")


def test_requirements_are_installed_by_their_hashes_and_leave_no_cache():
    installs = [run for run in of_kind(instructions()[1], "RUN") if "pip install" in run]
    assert len(installs) == 2
    assert all("--no-cache-dir" in install for install in installs)
    assert "--require-hashes -r requirements/runtime.txt" in installs[0]
    assert "--no-deps --no-build-isolation" in installs[1]
    assert not any("dev.txt" in install for install in installs)


def test_worker_does_not_run_as_root():
    run = instructions()[2]
    assert of_kind(run, "USER") == ["10001:10001"]
    after = run[run.index(("USER", "10001:10001")) :]
    assert not of_kind(after, "RUN")


def test_settings_of_the_image_are_settings_of_the_program():
    environment = environment_of(instructions()[2])
    ours = {k for k in environment if k.startswith(ENV_PREFIX)}
    assert {k.removeprefix(ENV_PREFIX).lower() for k in ours} <= set(Settings.model_fields)


def test_health_check_asks_the_port_that_is_served_and_exposed():
    run = instructions()[2]
    environment = environment_of(run)
    port = environment["STREAM_GOV_METRICS_PORT"]
    assert of_kind(run, "EXPOSE") == [port]
    (check,) = of_kind(run, "HEALTHCHECK")
    command = json.loads(check[check.index("CMD ") + 4 :])
    assert command[:2] == ["python", "-c"]
    assert f"127.0.0.1:{port}/metrics" in command[2]
    compile(command[2], "health check", "exec")


def test_program_is_the_entry_point_so_that_a_command_is_enough():
    run = instructions()[2]
    assert of_kind(run, "ENTRYPOINT") == ['["stream-gov"]']
    assert of_kind(run, "WORKDIR") == [environment_of(run)["STREAM_GOV_STATE_DIR"]]
