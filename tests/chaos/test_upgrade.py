"""A rolling upgrade from the code of the commit before, and the way back, under a stream whose outcome is known.

Each side reads what the other has left: the cut at hand, summary records, the detector's changelog, the catalogue's profile, the store.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from stream_gov.reference import ReferenceProfile
from tests.broker.cluster import TestCluster, wait_until
from tests.chaos.deployment import Deployment, Sender
from tests.chaos.outcome import Outcome
from tests.chaos.previous_release import unpack_previous_code
from tests.chaos.test_faults import assert_nothing_lost_and_nothing_twice, environment
from tests.chaos.traffic import Traffic
from tests.conftest import Influx

WORKERS = {"ingest": 2, "detect": 2, "sink store": 1, "sink influx": 1}
UP = ("detect", "sink store", "sink influx", "ingest")
"""The order that docs/runtime.md asks for."""
BACK = ("ingest", "detect", "sink store", "sink influx")


@pytest.mark.kafka
@pytest.mark.influxdb
@pytest.mark.slow
@pytest.mark.parametrize("way", ["up", "back"])
def test_workers_of_this_code_and_of_the_commit_before_go_on_with_one_anothers_state(
    chaos_cluster: TestCluster, influx: Influx, tmp_path: Path, way: str
) -> None:
    before = {"PYTHONPATH": unpack_previous_code(tmp_path / "before")}
    traffic = Traffic(12_000, hours=12)
    store_url = f"sqlite:///{tmp_path}/store.sqlite"
    chaos_cluster.publish(*traffic.monitors, profiles=traffic.profiles)
    ours = environment(influx, store_url)
    first, then = (ours | before, ours) if way == "up" else (ours, ours | before)
    with Deployment(chaos_cluster, tmp_path / "workers", WORKERS, first) as deployment:
        results = chaos_cluster.json_reader("metrics")
        script = [
            name for command in (UP if way == "up" else BACK) for name in deployment.names if name.startswith(command)
        ]
        sender = Sender(chaos_cluster, rate=1_000)

        def exchange() -> None:
            # Not before there is a state to take over, and one worker a second.
            if not script or sender.sent < 3_000 + 1_000 * (len(WORKERS) + 2 - len(script)):
                return
            if len(script) == len(WORKERS) + 2:
                wait_until(results, "a window is closed before the first worker is exchanged")
                deployment.environment = then
            deployment.stop_in_mid_work(script.pop(0))

        sender.send(traffic.messages(), exchange)
        assert not script, f"{script} were not exchanged"
        sender.send(traffic.last_messages())
        assert_nothing_lost_and_nothing_twice(Outcome(chaos_cluster, traffic), influx, store_url, deadline_s=120)
        deployment.assert_all_run()


MONITOR = """
monitor: prices
model: prices
reference: prices
window: {size: 1h}
"""


def test_a_reference_that_the_commit_before_has_built_is_read_and_is_the_one_of_today(tmp_path: Path) -> None:
    code = unpack_previous_code(tmp_path / "before")
    rows = ["timestamp,x,color,prediction"]
    rows += [
        f"2026-01-{1 + i // 240:02}T{i // 10 % 24:02}:{i % 10 * 5:02}:00Z,{(i * 37 % 101) / 10},{'rgb'[i % 3]},{i % 7}"
        for i in range(2_400)
    ]
    (tmp_path / "events.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "monitor.yaml").write_text(MONITOR)
    built = {}
    for name, path in {"before": code, "now": str(Path(__file__).parents[2])}.items():
        state = tmp_path / f"state-{name}"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "stream_gov.cli.main",
                "reference",
                "build",
                "events.csv",
                "--monitor",
                "monitor.yaml",
            ],
            env=os.environ | {"PYTHONPATH": path, "STREAM_GOV_STATE_DIR": str(state), "STREAM_GOV_METRICS_PORT": "0"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (file,) = state.rglob("*.sgref")
        built[name] = ReferenceProfile.from_bytes(file.read_bytes())
    before, now = built["before"], built["now"]
    assert before.segments[""].n_events == 2_400
    # All but the sketches, which toss coins, the time and the release.
    without = {"sketches": {}, "created_ms": 0, "stream_gov_version": ""}
    assert replace(before, **without).to_bytes() == replace(now, **without).to_bytes()
