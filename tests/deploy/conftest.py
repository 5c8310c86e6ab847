from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' own checker of configurations and rules."""
    found = shutil.which("promtool")
    if found is None:
        why = "promtool is not installed (Debian: apt-get install --no-install-recommends prometheus)"
        if "promtool" in os.environ.get("STREAM_GOV_REQUIRE", "").split(","):
            pytest.fail(f"{why}; STREAM_GOV_REQUIRE asks for it", pytrace=False)
        pytest.skip(why)
    return found


@pytest.fixture(scope="session")
def dashboard() -> dict[str, Any]:
    text = (ROOT / "deploy/grafana/dashboards/drift.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document
