"""A revision is promoted and taken back while events come in: no window is without a reference, and each says which."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stream_gov.cli.main import app
from stream_gov.contracts import PaneRecord
from stream_gov.files.state_directory import StateDirectory
from stream_gov.runtime.detect_worker import run_detect
from stream_gov.runtime.ingest_worker import run_ingest
from tests.broker.cluster import TestCluster, wait_until
from tests.broker.test_detect_worker import hour_of_events, newest
from tests.detection.scenario import HOUR, T0, monitor, profile_for

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_a_promotion_in_mid_stream_leaves_no_window_without_a_reference_and_each_says_which(
    cluster: TestCluster, tmp_path: Path
) -> None:
    """Forward to a newer revision and back to an older one; the second time ingest is started anew in the middle of the change."""
    state = StateDirectory(tmp_path)
    for revision in (1, 2):
        state.save_profile(profile_for(monitor(), revision=revision))
    state.save_monitor(monitor(reference="base@1"))
    cluster.publish(monitor(reference="base@1"), profiles=[state.load_profile("base@1")])
    metrics, records = cluster.json_reader("metrics"), cluster.record_reader()

    def promote(reference: str) -> None:
        flags = ["--bootstrap", cluster.settings.bootstrap, "--state-dir", str(tmp_path)]
        done = CliRunner().invoke(app, ["reference", "promote", reference, *flags], env=cluster.environment())
        assert done.exit_code == 0, done.output

    def windows() -> dict[int, tuple[str, int]]:
        """Reference and events of each window that has closed, by its hour."""
        found: list[dict[str, Any]] = list(newest(metrics()).values())
        of_model = [r for r in found if r["statistic"] == "events"]
        return {(r["window_start_ms"] - T0) // HOUR: (r["reference"], r["events"]) for r in of_model}

    def counted() -> bool:
        return cluster.committed("ingest", "events") == [(end, "") for end in cluster.ends("events")]

    def heard() -> bool:
        """Whether any event was counted on the new revision."""
        return any(isinstance(r, PaneRecord) and r.profile == "base@2" for _, r in records())

    def send(hour: int, part: slice = slice(None)) -> None:
        cluster.send(value for _, value in hour_of_events(hour)[part])
        wait_until(counted, f"hour {hour} is counted")

    with cluster.running(run_detect):
        with cluster.running(run_ingest):
            send(0)
            send(1, slice(150))
            promote("base@2")
            send(1, slice(150, None))
            sent = 0
            while sent < 300 and not heard():
                send(2, slice(sent, sent + 10))
                sent += 10
            assert heard(), "ingest has taken up the change before hour 3 begins"
            send(2, slice(sent, None))
            send(3)
            send(4, slice(150))
            wait_until(lambda: windows().keys() >= {0, 1, 2, 3}, "the windows of the change to @2")
        promote("base@1")
        with cluster.running(run_ingest):  # which was not there when the monitor changed
            send(4, slice(150, None))
            send(5)
            send(6)
            send(7)
            send(8)
            wait_until(lambda: windows().keys() >= set(range(8)), "the windows of the change back to @1")

    found = [windows()[hour] for hour in range(8)]
    assert [events for _, events in found] == [300] * 8, "no window lacks events that were counted on another revision"
    used = [reference for reference, _ in found]
    assert used[0] == used[1] == "base@1", "the window that spans the change is compared with the revision from before"
    assert used[3:5] == ["base@2"] * 2  # the hour before them may have begun when the workers heard of it
    assert used[5:] == ["base@1"] * 3
