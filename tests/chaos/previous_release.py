"""The code as the commit before wrote it, to run workers of."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout


def _revision() -> str:
    """The commit before the one that last changed the code; of code that is not committed, the last commit."""
    if revision := os.environ.get("STREAM_GOV_PREVIOUS"):
        return revision
    if _git("status", "--porcelain", "--", "stream_gov"):
        return "HEAD"
    newest = _git("rev-list", "-1", "HEAD", "--", "stream_gov").decode().strip()
    return f"{newest}~1"


def unpack_previous_code(folder: Path) -> str:
    """Unpack it; return what PYTHONPATH must be for it. Without the history (an archive, a shallow clone) the test is skipped.

    `STREAM_GOV_PREVIOUS` names another commit, such as the tag of the last release.
    """
    try:
        packed = _git("archive", _revision(), "stream_gov")
    except (OSError, subprocess.CalledProcessError) as err:
        pytest.skip(f"the commit before this one is not here: {getattr(err, 'stderr', b'').decode().strip() or err}")
    with tarfile.open(fileobj=BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")
    found = subprocess.run(
        [sys.executable, "-c", "import stream_gov; print(stream_gov.__file__)"],
        env=os.environ | {"PYTHONPATH": str(folder)},
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert Path(found).is_relative_to(folder), f"{found} would be run instead of the code before"
    return str(folder)
