"""The command in this process, in an empty directory, with an environment that sets nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from stream_gov.cli.demo_model import ModelReport, write_events
from stream_gov.cli.main import app


@pytest.fixture(autouse=True)
def _quiet_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for variable in list(os.environ):
        if variable.startswith("STREAM_GOV_") and not variable.startswith(("STREAM_GOV_TEST", "STREAM_GOV_REQUIRE")):
            monkeypatch.delenv(variable)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def electricity(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelReport]:
    """The demo's events and how good its model is: the model is trained once."""
    path = tmp_path_factory.mktemp("electricity") / "events.csv"
    return path, write_events(path)


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run `stream-gov` with arguments; the result has `exit_code`, `stdout` and `stderr`."""
    runner = CliRunner()

    def run_it(*arguments: str | Path) -> Any:
        result = runner.invoke(app, [str(a) for a in arguments], prog_name="stream-gov")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run_it
