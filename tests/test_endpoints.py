from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry, Counter

from stream_gov.endpoints import STANDSTILL_S, Health, serve_endpoints


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(monotonic_s=clock)


@pytest.fixture(params=["127.0.0.1", "::1"])
def base(health: Health, request: pytest.FixtureRequest) -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc(3)
    try:
        server, thread = serve_endpoints(request.param, 0, registry, health)
    except OSError:
        pytest.skip("this machine has no such address")
    yield f"http://{f'[{request.param}]' if ':' in request.param else request.param}:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, err.read().decode()


def test_metrics_are_served_as_prometheus_wants_them(base: str) -> None:
    code, text = get(f"{base}/metrics")
    assert code == 200
    assert "things_total 3.0" in text


def test_a_worker_that_waits_is_alive_and_not_ready_and_says_what_for(base: str, health: Health, clock: Clock) -> None:
    assert get(f"{base}/readyz") == (503, json.dumps({"ok": False, "reason": "it is starting"}))
    health.waits("no broker answers")
    clock.now_s = 10 * STANDSTILL_S
    assert get(f"{base}/livez") == (200, '{"ok": true}')
    assert get(f"{base}/readyz") == (503, json.dumps({"ok": False, "reason": "no broker answers"}))


def test_a_worker_whose_loop_stands_still_is_not_alive(base: str, health: Health, clock: Clock) -> None:
    health.turns()
    assert get(f"{base}/readyz") == (200, '{"ok": true}')
    clock.now_s += STANDSTILL_S
    assert get(f"{base}/livez")[0] == 200
    clock.now_s += 1
    code, text = get(f"{base}/livez")
    assert code == 503
    assert "has not turned for 301 s" in text
    assert get(f"{base}/readyz")[0] == 503
    health.turns()
    assert get(f"{base}/livez")[0] == 200


def test_trouble_makes_it_unready_but_not_dead(base: str, health: Health) -> None:
    health.turns("InfluxDB does not answer")
    assert get(f"{base}/livez")[0] == 200
    assert "InfluxDB does not answer" in get(f"{base}/readyz")[1]


def test_other_paths_are_not_found(base: str) -> None:
    assert get(f"{base}/secrets")[0] == 404
