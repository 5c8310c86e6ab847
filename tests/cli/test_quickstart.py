"""`docs/quickstart.md` is run as written: its script, its monitor, its commands, its event."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream_gov.files.state_directory import StateDirectory
from stream_gov.runtime.group_progress import GroupProgress
from stream_gov.settings import load_settings

PAGE = (Path(__file__).parents[2] / "docs" / "quickstart.md").read_text(encoding="utf-8")
START_S = 40.0


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run(folder: Path, line: str, *, expect: int = 0) -> subprocess.CompletedProcess[str]:
    program, _, arguments = line.partition(" ")
    assert program == "stream-gov"
    done = subprocess.run(
        f"{sys.executable} -m stream_gov.cli.main {arguments}",
        shell=True,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("quickstart")
    subprocess.run([sys.executable, "-c", blocks("python")[0]], cwd=folder, check=True)
    (folder / "monitor.yaml").write_text(blocks("yaml")[0])
    return folder


def test_the_steps_without_a_broker_print_what_the_page_shows(folder):
    _, validate, build, backtest, *_ = blocks("sh")
    assert "there is no reference 'orders-january'" in run(folder, validate.strip()).stderr
    run(folder, build.strip())
    assert run(folder, backtest.strip()).stdout == blocks("text")[0]
    assert (folder / "drift.html").exists()


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.xdist_group("up")
def test_the_steps_with_a_broker_end_in_the_same_alert(folder):
    apply, up = blocks("sh")[4].strip().splitlines()
    if not StateDirectory(folder / ".stream-gov").profile_ids():
        run(folder, blocks("sh")[2].strip())
    run(folder, apply)
    environment = {**os.environ, "STREAM_GOV_METRICS_PORT": "0"}
    with (folder / "up.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stream_gov.cli.main", *up.split()[1:]],
            cwd=folder,
            env=environment,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_S
        while StateDirectory(folder / ".stream-gov").running_broker() is None:
            assert time.monotonic() < deadline, (folder / "up.log").read_text()
            time.sleep(0.1)
        replay, alerts, doctor = blocks("sh")[5].strip().splitlines()
        run(folder, replay)
        shown = run(folder, alerts).stdout.splitlines()
        assert [line.split(maxsplit=1)[1] for line in shown] == blocks("text")[0].splitlines()  # behind the id
        assert "0 problems" in run(folder, doctor).stdout
        settings = load_settings(bootstrap=StateDirectory(folder / ".stream-gov").running_broker().bootstrap)
        with GroupProgress(settings, "stream-gov.ingest", "inference-events") as ingest:
            sent_before = sum(ingest.ends().values())
            subprocess.run([sys.executable, "-c", blocks("python")[1]], cwd=folder, check=True)
            assert sum(ingest.ends().values()) == sent_before + 1
            assert ingest.wait_until_read(timeout_s=START_S)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_each_file_that_the_page_links_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / target).exists(), target
