from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.servers.containers import Container, why_no_docker
from tests.servers.finder import (
    INFLUXDB,
    KAFKA,
    POSTGRES,
    Kind,
    NoServerError,
    find_server,
    free_port,
    is_alive,
    server_or_skip,
    stop_process,
)

NO_DOCKER = "no Docker daemon answers"

SCRIPT = """#!/bin/sh
exec 3>"$1/unused"
{python} -c 'import time; time.sleep(600)' >/dev/null 2>&1 &
echo $! >"$1/fake.pid"
echo "starting up, port $2" >&2
echo "127.0.0.1:$2"
"""


def a_kind(**changes: object) -> Kind:
    def no_container() -> Container:
        raise AssertionError("no container was asked for")

    fields: dict[str, object] = {
        "name": "fake",
        "variable": "TEST_FAKE",
        "script": "fake.sh",
        "start_container": no_container,
    }
    return Kind(**(fields | changes))  # type: ignore[arg-type]


def infra(directory: Path, text: str) -> dict[str, str]:
    directory.mkdir(exist_ok=True)
    script = directory / "fake.sh"
    script.write_text(text)
    script.chmod(0o755)
    return {**os.environ, "STREAM_GOV_TEST_INFRA": str(directory)}


def test_a_server_named_in_the_environment_comes_first(tmp_path: Path) -> None:
    environment = infra(tmp_path / "infra", "exit 1") | {"TEST_FAKE": "example:9"}

    def docker_is_not_asked() -> str:
        raise AssertionError

    found = find_server(a_kind(), tmp_path, environment=environment, why_no_docker=docker_is_not_asked)
    assert found.address == "example:9"
    found.stop()  # it is not ours: nothing happens


def test_the_token_of_a_named_server_is_asked_for(tmp_path: Path) -> None:
    environment = {"STREAM_GOV_TEST_INFLUX_URL": "http://example:8086", "STREAM_GOV_TEST_INFLUX_ORG": "o"}
    with pytest.raises(NoServerError, match="so must be STREAM_GOV_TEST_INFLUX_TOKEN, STREAM_GOV_TEST_INFLUX_BUCKET"):
        find_server(INFLUXDB, tmp_path, environment=environment)
    environment |= {"STREAM_GOV_TEST_INFLUX_TOKEN": "t", "STREAM_GOV_TEST_INFLUX_BUCKET": "b"}
    found = find_server(INFLUXDB, tmp_path, environment=environment)
    assert found.options == {"token": "t", "org": "o", "bucket": "b"}


def test_a_container_comes_second_and_is_stopped(tmp_path: Path) -> None:
    stopped = []
    kind = a_kind(start_container=lambda: Container("host:1", lambda: stopped.append(True)), options={"token": "t"})
    found = find_server(kind, tmp_path, environment={}, why_no_docker=lambda: "")
    assert (found.address, found.options) == ("host:1", {"token": "t"})
    found.stop()
    assert stopped == [True]


def test_a_container_that_does_not_start_leads_to_the_script(tmp_path: Path) -> None:
    def broken() -> Container:
        raise RuntimeError("no such image")

    environment = infra(tmp_path / "infra", SCRIPT.format(python=sys.executable))
    found = find_server(a_kind(start_container=broken), tmp_path, environment=environment, why_no_docker=lambda: "")
    found.stop()
    with pytest.raises(NoServerError, match="Docker cannot start it: no such image"):
        find_server(a_kind(start_container=broken), tmp_path, environment={}, why_no_docker=lambda: "")


def test_a_script_starts_a_server_that_stop_ends(tmp_path: Path) -> None:
    environment = infra(tmp_path / "infra", SCRIPT.format(python=sys.executable))
    found = find_server(a_kind(), tmp_path, environment=environment, why_no_docker=lambda: NO_DOCKER)
    host, _, port = found.address.partition(":")
    assert host == "127.0.0.1"
    assert int(port) > 1024
    assert found.pid is not None
    assert is_alive(found.pid)
    found.stop()
    assert not is_alive(found.pid)


def test_a_script_that_fails_is_tried_again_and_then_shown(tmp_path: Path) -> None:
    environment = infra(
        tmp_path / "infra", f'#!/bin/sh\necho x >>"{tmp_path}/tries"\necho "port is taken" >&2\nexit 1\n'
    )
    with pytest.raises(NoServerError, match=r"could not start fake \(exit code 1\): port is taken"):
        find_server(a_kind(), tmp_path, environment=environment, why_no_docker=lambda: NO_DOCKER)
    assert (tmp_path / "tries").read_text() == "x\nx\nx\n"


def test_what_was_looked_for_is_said(tmp_path: Path) -> None:
    kind = a_kind()
    with pytest.raises(NoServerError) as caught:
        find_server(kind, tmp_path, environment={}, why_no_docker=lambda: NO_DOCKER)
    assert str(caught.value) == (
        "no fake for this test: TEST_FAKE is not set; no Docker daemon answers; "
        "STREAM_GOV_TEST_INFRA, a directory of start scripts, is not set"
    )
    environment = {"STREAM_GOV_TEST_INFRA": str(tmp_path)}
    with pytest.raises(NoServerError, match=r"there is no .*fake\.sh"):
        find_server(kind, tmp_path, environment=environment, why_no_docker=lambda: NO_DOCKER)


@pytest.mark.parametrize("kind", [KAFKA, INFLUXDB, POSTGRES], ids=lambda kind: kind.name)
def test_a_missing_server_skips_unless_it_is_required(kind: Kind, tmp_path: Path) -> None:
    # a variable without its companions, or an infra directory without scripts: no way to this server, with or without Docker
    def broken() -> Container:
        raise RuntimeError("not in this test")

    kind = Kind(**{**vars(kind), "start_container": broken})
    environment = {"STREAM_GOV_TEST_INFRA": str(tmp_path)}
    with pytest.raises(pytest.skip.Exception, match=f"no {kind.name} for this test"):
        server_or_skip(kind, tmp_path, environment=environment)
    others = ",".join(name for name in ("kafka", "influxdb", "postgres") if name != kind.name)
    with pytest.raises(pytest.skip.Exception):
        server_or_skip(kind, tmp_path, environment=environment | {"STREAM_GOV_REQUIRE": others})
    required = environment | {"STREAM_GOV_REQUIRE": f"other, {kind.name}"}
    with pytest.raises(pytest.fail.Exception, match="STREAM_GOV_REQUIRE asks for it"):
        server_or_skip(kind, tmp_path, environment=required)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"HTTP/1.0 200 OK\r\n\r\nOK", ""), (b"HTTP/1.0 404 Not Found\r\n\r\n", "what answers at .* is no Docker daemon")],
)
def test_a_docker_daemon_is_known_by_its_ping(
    answer: bytes, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(f"{tmp_path}/docker.sock")
        daemon.listen()

        def serve() -> None:
            client, _ = daemon.accept()
            with client:
                assert client.recv(100).startswith(b"GET /_ping")
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        found = why_no_docker.__wrapped__()
        thread.join()
    assert re.fullmatch(expected, found)


def test_docker_without_a_daemon_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    assert why_no_docker.__wrapped__() == (
        f"no Docker daemon answers at unix://{tmp_path}/docker.sock (No such file or directory)"
    )


def test_free_ports_can_be_bound() -> None:
    port = free_port()
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", port))
        second.bind(("127.0.0.1", port + 1))


def test_stopping_a_process_that_ignores_the_signal_kills_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.finder.STOP_TIMEOUT_S", 0.2)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stop_process(process.pid, signal.SIGTERM)
        assert process.wait(10) == -signal.SIGKILL
