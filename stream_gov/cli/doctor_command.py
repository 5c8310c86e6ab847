"""`stream-gov doctor`: looks at everything a monitor needs, and says what to do about what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from stream_gov.cli.command_inputs import find_broker, read_settings, silence_logs, state_of
from stream_gov.cli.options import Bootstrap, StateDir
from stream_gov.cli.output import for_people

if TYPE_CHECKING:
    from stream_gov.cli.doctor_checks import Finding
    from stream_gov.settings import Settings

__all__ = ["doctor"]

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """Look at versions, settings, broker, topics, InfluxDB, monitors, references and ports, and say what to do.

    Nothing is changed. The exit code is 1 if there is a problem; warnings leave it 0.
    """
    flags = {"bootstrap": bootstrap, "state_dir": state_dir}
    settings = read_settings(**flags)
    counts = {"ok": 0, "warning": 0, "problem": 0}
    with silence_logs():  # what the parts would log is told as findings
        for finding in _look(settings, flags):
            counts[finding.level.value] += 1
            if as_json:
                typer.echo(msgspec.json.encode(finding))
            else:
                _print(finding)
    if not as_json:
        problems, warnings = (f"{counts[k]} {k}" + ("" if counts[k] == 1 else "s") for k in ("problem", "warning"))
        typer.echo(f"\n{problems}, {warnings}, {counts['ok']} in order")
    if counts["problem"]:
        raise typer.Exit(1)


def _look(settings: Settings, flags: dict[str, Any]) -> Iterator[Finding]:
    from stream_gov.cli import doctor_checks as checks

    state = state_of(settings)
    yield from checks.check_python()
    yield from checks.check_libraries()
    yield from checks.check_settings(settings, flags)
    yield from checks.check_state_directory(state)
    yield from checks.check_monitors(state)
    running = find_broker(settings)
    if running is None:
        yield checks.Finding(
            "broker",
            checks.Level.PROBLEM,
            "no broker: the setting `bootstrap` is empty and no embedded broker runs",
            "start `stream-gov up`, or give --bootstrap HOST:PORT (STREAM_GOV_BOOTSTRAP)",
        )
    else:
        yield from _look_at_broker(running)
    yield from checks.check_influx(settings)
    yield from checks.check_store(settings)
    yield from checks.check_port(settings.metrics_host, settings.metrics_port, what="/metrics of the first worker")


def _look_at_broker(settings: Settings) -> Iterator[Finding]:
    from stream_gov.cli import doctor_broker_checks as checks

    cluster, findings = checks.check_broker(settings)
    yield from findings
    if cluster is None:
        return
    topics = list(checks.check_topics(settings, cluster))
    yield from topics
    needed = (settings.topics.name("monitors"), settings.topics.name("references"))
    missing = " ".join(f.text for f in topics if "missing" in f.text)
    if not any(name in missing for name in needed):
        yield from checks.check_catalog(settings, state_of(settings))


def _print(finding: Finding) -> None:
    level = finding.level.value
    typer.echo(
        f"{typer.style(level.ljust(8), fg=_COLOURS[level], bold=level != 'ok')} {finding.check:<11} {finding.text}"
    )
    if finding.remedy:
        indent = " " * 21
        typer.echo(f"{indent}{typer.style('->', bold=True) if for_people() else '->'} {finding.remedy}")
