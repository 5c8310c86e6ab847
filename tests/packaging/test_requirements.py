from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ("runtime", "dev")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def declared(which: str) -> list[Requirement]:
    described = project()
    texts = [*described["project"]["dependencies"], *described["project"]["optional-dependencies"]["postgres"]]
    if which == "dev":
        texts += described["dependency-groups"]["dev"]
    return [Requirement(text) for text in texts]


def locked(which: str) -> dict[str, set[str]]:
    """Versions by name; several where they differ between Pythons."""
    versions: dict[str, set[str]] = {}
    text = (ROOT / "requirements" / f"{which}.txt").read_text(encoding="utf-8")
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", text, flags=re.MULTILINE):
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


@pytest.mark.parametrize("which", LOCKS)
def test_lock_names_no_place_to_fetch_from(which):
    text = (ROOT / "requirements" / f"{which}.txt").read_text(encoding="utf-8")
    assert not re.search(r"\bhttps?\b|://", text)
    assert not re.search(
        r"^\s*-(i|f|e)\b|^\s*--(index|extra|find|trusted)|@ |file:|\.whl|^\s*/", text, flags=re.MULTILINE
    )


@pytest.mark.parametrize("which", LOCKS)
def test_every_locked_version_has_its_hashes(which):
    text = (ROOT / "requirements" / f"{which}.txt").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) > 50
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("which", LOCKS)
def test_lock_holds_every_declared_requirement_in_its_range(which):
    versions = locked(which)
    for requirement in declared(which):
        found = versions.get(canonicalize_name(requirement.name))
        assert found, f"{requirement.name} is not in the lock; run `make lock`"
        assert all(requirement.specifier.contains(v) for v in found), f"{requirement} but locked {found}"


def test_tests_run_against_the_versions_that_users_get():
    runtime, dev = locked("runtime"), locked("dev")
    assert {name: versions for name, versions in runtime.items() if dev.get(name) != versions} == {}


@pytest.mark.parametrize("requirement", declared("dev"), ids=str)
def test_range_has_a_lower_bound_at_most(requirement):
    assert {s.operator for s in requirement.specifier} <= {">="}, "an upper bound ages badly; the lock pins"


def test_environment_of_the_tests_is_the_locked_one():
    versions = locked("dev")
    for requirement in declared("dev"):
        name = canonicalize_name(requirement.name)
        assert importlib.metadata.version(name) in versions[name], f"{name}; run `make setup-dev`"


def test_every_supported_python_is_named():
    described = project()["project"]
    assert described["requires-python"] == ">=3.11"
    assert Version("3.11") <= Version(f"{sys.version_info[0]}.{sys.version_info[1]}")
    named = [c.rpartition(" ")[2] for c in described["classifiers"] if re.search(r":: 3\.\d+$", c)]
    assert named == ["3.11", "3.12", "3.13"]


def imported_by_the_package() -> set[str]:
    found = set()
    for path in (ROOT / "stream_gov").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"stream_gov"}


def test_every_import_of_the_package_is_a_declared_requirement():
    owners = importlib.metadata.packages_distributions()
    names = {canonicalize_name(r.name) for r in declared("runtime")}
    undeclared = {
        module: owners.get(module)
        for module in imported_by_the_package()
        if not _owned_by(owners.get(module, []), names)
    }
    assert undeclared == {}


def _owned_by(distributions: list[str], names: set[str]) -> bool:
    return any(canonicalize_name(d) in names for d in distributions)
