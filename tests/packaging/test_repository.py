from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone: which files belong to the repository is not known")
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True, cwd=ROOT)
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return "" if b"\0" in data[:8_000] else data.decode("utf-8", errors="replace")


def test_no_file_names_a_place_that_only_one_machine_has():
    places = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/[\w.]")
    found = [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in tracked_files()
        for match in places.finditer(text_of(path))
    ]
    assert found == []


def test_no_source_file_has_become_too_long_to_read():
    lengths = {
        str(path.relative_to(ROOT)): text_of(path).count("\n")
        for path in tracked_files()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "stream_gov")
    }
    assert {name: n for name, n in lengths.items() if n > 500} == {}


def test_no_module_has_a_name_that_says_nothing():
    names = {path.stem for path in tracked_files() if path.suffix == ".py"}
    assert not names & {"utils", "util", "common", "helpers", "helper", "base", "misc"}


def test_every_module_postpones_its_annotations():
    without = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix == ".py" and text_of(path).strip() and "from __future__ import annotations" not in text_of(path)
    ]
    assert without == []


def test_licence_is_the_one_that_is_declared():
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
