"""Finds real servers for tests: one that runs already, one in a container, or one that a local script starts.

Looked for in this order:

1. an address in the environment: ``STREAM_GOV_TEST_KAFKA``, ``STREAM_GOV_TEST_INFLUX_URL`` (with ``_TOKEN``, ``_ORG``, ``_BUCKET``),
   ``STREAM_GOV_TEST_POSTGRES_URL``, ``STREAM_GOV_TEST_TOXIPROXY_URL``;
2. testcontainers, where a Docker daemon answers;
3. a script ``kafka.sh``, ``influxdb2.sh``, ``postgres.sh`` or ``toxiproxy.sh`` in the directory that ``STREAM_GOV_TEST_INFRA`` names, called as
   ``NAME.sh DIR PORT``: it starts the server, prints its address, and leaves its process id in ``DIR/*.pid``.

If there is none, the test is skipped; ``STREAM_GOV_REQUIRE=kafka,influxdb,postgres,toxiproxy`` makes that a failure for those it names.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.servers import containers

START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 20.0


class NoServerError(Exception):
    """There is no server; the text says what was looked for."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    address: str
    """`host:port` of Kafka, the URL of the others."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What else is needed to use it, such as a token."""
    stop: Callable[[], None] = lambda: None
    pid: int | None = None
    """Of a server that a script has started."""
    start_again: Callable[[], int] | None = None
    """Starts a server that a script had started and that has ended, with its data and address; returns its process id."""


@dataclass(frozen=True)
class Kind:
    """A kind of server and the ways to it."""

    name: str
    """As it stands in STREAM_GOV_REQUIRE, and the marker of its tests."""
    variable: str
    """Names a running server."""
    script: str
    start_container: Callable[[], containers.Container] | None = None
    """None: a container will not do."""
    stop_signal: signal.Signals = signal.SIGTERM
    option_variables: Mapping[str, str] = field(default_factory=dict)
    """Variable of the environment of each option, for a running server."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of a server started here."""
    script_environment: Mapping[str, str] = field(default_factory=dict)
    script_arguments: tuple[str, ...] = ()
    """Further ones; `{port}` and `{controller_port}` stand for the port given to the script, and the next."""
    why_no_container: str = ""
    """Why no container will do; empty: one does."""


KAFKA = Kind(
    name="kafka",
    variable="STREAM_GOV_TEST_KAFKA",
    script="kafka.sh",
    start_container=containers.kafka,
)
INFLUXDB = Kind(
    name="influxdb",
    variable="STREAM_GOV_TEST_INFLUX_URL",
    script="influxdb2.sh",
    start_container=containers.influxdb,
    option_variables={
        "token": "STREAM_GOV_TEST_INFLUX_TOKEN",
        "org": "STREAM_GOV_TEST_INFLUX_ORG",
        "bucket": "STREAM_GOV_TEST_INFLUX_BUCKET",
    },
    options=containers.INFLUX_OPTIONS,
    script_environment={f"INFLUX_{name.upper()}": value for name, value in containers.INFLUX_OPTIONS.items()},
)
POSTGRES = Kind(
    name="postgres",
    variable="STREAM_GOV_TEST_POSTGRES_URL",
    script="postgres.sh",
    start_container=containers.postgres,
    stop_signal=signal.SIGINT,  # PostgreSQL's word for: do not wait for clients
)
TOXIPROXY = Kind(
    name="toxiproxy",
    variable="STREAM_GOV_TEST_TOXIPROXY_URL",
    script="toxiproxy.sh",
    why_no_container="in a container it could not reach the servers of this machine",
)
KINDS = (KAFKA, INFLUXDB, POSTGRES)


def find_server(
    kind: Kind,
    directory: Path,
    *,
    environment: Mapping[str, str] = os.environ,
    why_no_docker: Callable[[], str] = containers.why_no_docker,
) -> Server:
    """Return a server of a kind, started if need be.

    Parameters
    ----------
    kind
        What is needed.
    directory
        Where a script may keep the server's files.
    environment, why_no_docker
        Where to look; the second gives an empty text if Docker answers.

    Raises
    ------
    NoServerError
        There is none.
    """
    if address := environment.get(kind.variable, ""):
        missing = [v for v in kind.option_variables.values() if not environment.get(v)]
        if missing:
            msg = f"{kind.variable} is set, and so must be {', '.join(missing)}"
            raise NoServerError(msg)
        return Server(address, {name: environment[v] for name, v in kind.option_variables.items()})
    looked = [f"{kind.variable} is not set"]
    why_not = kind.why_no_container or why_no_docker()
    if not why_not and kind.start_container is not None:
        try:
            container = kind.start_container()
        except Exception as err:  # whatever keeps Docker from starting it, the next way may work
            why_not = f"Docker cannot start it: {err}"
        else:
            return Server(container.address, dict(kind.options), container.stop)
    looked.append(why_not)
    folder = environment.get("STREAM_GOV_TEST_INFRA", "")
    script = Path(folder) / kind.script
    if not folder:
        looked.append("STREAM_GOV_TEST_INFRA, a directory of start scripts, is not set")
    elif not script.is_file():
        looked.append(f"there is no {script}")
    else:
        return _start_by_script(kind, script, directory, environment)
    msg = f"no {kind.name} for this test: {'; '.join(looked)}"
    raise NoServerError(msg)


def server_or_skip(kind: Kind, directory: Path, *, environment: Mapping[str, str] = os.environ) -> Server:
    """Return a server, or skip the test; fail it if `STREAM_GOV_REQUIRE` names the kind."""
    required = {name.strip() for name in environment.get("STREAM_GOV_REQUIRE", "").split(",")}
    try:
        return find_server(kind, directory, environment=environment)
    except NoServerError as err:
        if kind.name in required:
            pytest.fail(f"{err}; STREAM_GOV_REQUIRE asks for it", pytrace=False)
        pytest.skip(str(err))


def free_port() -> int:
    """Return a port nobody listens on, nor on the one after it, which a broker uses too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return int(port)


def _start_by_script(kind: Kind, script: Path, directory: Path, environment: Mapping[str, str]) -> Server:
    directory.mkdir(parents=True, exist_ok=True)
    # others may look for a free port at the same moment
    for attempt in (1, 2, 3):
        folder = directory / f"{kind.name}-{attempt}"
        folder.mkdir()
        with (folder / "start.out").open("w+") as out, (folder / "start.err").open("w+") as err:
            # to files: the server may keep what it was given open, and a pipe would never end
            port = free_port()
            more = [a.format(port=port, controller_port=port + 1) for a in kind.script_arguments]
            run = partial(
                subprocess.run,
                [str(script), str(folder), str(port), *more],
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                env={**environment, **kind.script_environment},
                timeout=START_TIMEOUT_S,
                check=False,
            )
            code = run().returncode
            out.seek(0)
            err.seek(0)
            lines, complaint = out.read().split(), err.read().strip()
        if code == 0 and lines:
            pid = _pid_in(folder)
            return Server(
                lines[-1],
                dict(kind.options),
                stop=partial(_stop_in, folder, kind.stop_signal),
                pid=pid,
                start_again=partial(_start_again, run, folder),
            )
    msg = f"{script} could not start {kind.name} (exit code {code}): {complaint[-500:]}"
    raise NoServerError(msg)


def _start_again(run: Callable[..., subprocess.CompletedProcess[bytes]], folder: Path) -> int:
    with (folder / "start.out").open("a") as out, (folder / "start.err").open("a+") as err:
        run(stdout=out, stderr=err).check_returncode()
    return _pid_in(folder)


def _stop_in(folder: Path, how: signal.Signals) -> None:
    stop_process(_pid_in(folder), how)


def _pid_in(folder: Path) -> int:
    (file,) = folder.glob("*.pid")
    return int(file.read_text().split()[0])


def stop_process(pid: int, how: signal.Signals) -> None:
    """End a process and wait until it is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, how)
        until = time.monotonic() + STOP_TIMEOUT_S
        while is_alive(pid) and time.monotonic() < until:
            time.sleep(0.05)
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process is running."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(OSError, IndexError):  # a dead process whose parent has not asked for it yet still has its number
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
