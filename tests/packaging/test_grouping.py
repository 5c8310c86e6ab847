from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_tests_of_one_group_run_in_one_process(tmp_path):
    """Tests that share a running server count on it; a release of pytest and one of pytest-xdist may disagree about groups."""
    (tmp_path / "test_grouped.py").write_text(
        "import os, time, pytest\n"
        "@pytest.mark.xdist_group('shared')\n"
        "@pytest.mark.parametrize('i', range(6))\n"
        "def test_it(i):\n"
        "    time.sleep(0.05)\n",
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "-n",
        "2",
        "--dist",
        "loadgroup",
        "-p",
        "no:cacheprovider",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert len(re.findall(r"\[gw\d\].*PASSED", done.stdout)) == 6
    assert len(set(re.findall(r"\[(gw\d)\].*PASSED", done.stdout))) == 1


def test_make_runs_the_tests_by_groups():
    assert "--dist loadgroup" in (ROOT / "Makefile").read_text(encoding="utf-8")
