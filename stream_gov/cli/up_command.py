"""`stream-gov up`: all workers in one command, with a broker of its own unless one is named."""

from __future__ import annotations

import socket
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from stream_gov.cli.command_inputs import end_as_stopped, log_to_stderr, read_settings
from stream_gov.cli.options import Bootstrap, MetricsPort, StateDir
from stream_gov.cli.output import note

if TYPE_CHECKING:
    from stream_gov.settings import Settings

__all__ = ["up"]

_LOOK_EVERY_S = 0.1
_PORTS = 10  # the workers take up to five, one after the other
_PORTS_TRIED = 200


def up(
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
    metrics_port: MetricsPort = None,
    influx: Annotated[
        bool | None,
        typer.Option(
            "--influx/--no-influx",
            help="Run the InfluxDB sink. Default: if a token of InfluxDB is set.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run everything on this machine: ingest, detect and the sinks, each a process of its own.

    Without --bootstrap (and without the setting) it brings the embedded broker, which keeps nothing on disk: for trying out, not for
    production. Monitors and references of the state directory are published. It runs until SIGTERM or Ctrl-C, starts a worker that
    has ended again, and stops all of them in order. Other commands find it through the state directory.
    """
    settings = read_settings(bootstrap=bootstrap, state_dir=state_dir, metrics_port=metrics_port)
    log_to_stderr(settings)
    from stream_gov.cli.local_stack import LocalStack
    from stream_gov.runtime.stop_signals import stop_on_signals
    from stream_gov.runtime.supervisor import default_workers

    settings = _with_free_ports(settings)
    stop = stop_on_signals()
    lock = threading.Lock()

    def on_line(worker: str, line: str) -> None:
        # JSON lines name their worker themselves, and stay JSON
        text = line if settings.log_format == "json" else f"{worker:<16} {line}"
        with lock:
            sys.stderr.write(text + "\n")

    with LocalStack(settings, lambda s: default_workers(s, influx=influx), on_line=on_line, stop=stop) as stack:
        _greet(stack.settings, stack.published, embedded=stack.embedded)
        while not stop.wait(_LOOK_EVERY_S):
            stack.supervisor.look_after()
        note("stopping the workers")
    end_as_stopped()


def _with_free_ports(settings: Settings) -> Settings:
    """Move to other ports of `/metrics` where another program, such as a second `up`, holds one of them."""
    first = settings.metrics_port
    for candidate in range(first, min(first + _PORTS_TRIED, 65_536 - _PORTS), _PORTS) if first else ():
        if all(_is_free(settings.metrics_host, port) for port in range(candidate, candidate + _PORTS)):
            if candidate != first:
                note(
                    f"a port from {first} on is taken; /metrics of the workers are at {candidate} and the ports after it"
                )
            return settings.model_copy(update={"metrics_port": candidate})
    return settings


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _greet(settings: Settings, published: list[str], *, embedded: bool) -> None:
    if settings.log_format == "json":
        return
    kind = "embedded broker" if embedded else "broker"
    note(f"{kind} at {settings.bootstrap}; published: {', '.join(published) or 'nothing (no monitor was applied yet)'}")
    note(
        "Ctrl-C stops everything. In another terminal: stream-gov replay FILE --monitor M.yaml, stream-gov alerts --follow"
    )
