from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("stream_gov/*/**/__init__.py"))
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in ROOT.glob("stream_gov/**/*.py")
    if path.name not in {"__init__.py", "__main__.py"}
)


def public_names(module: ModuleType) -> set[str]:
    """What a reader of `dir()` would take for public; submodules are reached by their path."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }


def test_there_are_packages_to_check():
    assert {"stream_gov.contracts", "stream_gov.summaries", "stream_gov.detection"} <= set(PACKAGES)


@pytest.mark.parametrize("name", PACKAGES)
def test_package_exports_just_what_it_lists(name):
    package = importlib.import_module(name)
    assert public_names(package) == set(package.__all__)
    assert len(package.__all__) == len(set(package.__all__))


@pytest.mark.parametrize("name", MODULES)
def test_every_name_a_module_lists_is_there(name):
    module = importlib.import_module(name)
    missing = [export for export in getattr(module, "__all__", []) if not hasattr(module, export)]
    assert missing == []


@pytest.mark.parametrize("name", PACKAGES)
def test_package_says_what_it_is_for(name):
    assert importlib.import_module(name).__doc__
