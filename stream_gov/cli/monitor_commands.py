"""`stream-gov monitor validate|explain|apply|list`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_gov.cli.command_inputs import find_broker, read_monitor, read_settings, read_text, state_of
from stream_gov.cli.explain_command import explain
from stream_gov.cli.groups import Command, examples, new_app
from stream_gov.cli.options import Bootstrap, StateDir
from stream_gov.cli.output import error, note, print_table, warning
from stream_gov.contracts import ConfigurationError, DataError, Monitor, format_duration
from stream_gov.contracts.unknown_keys import nearest

if TYPE_CHECKING:
    from stream_gov.files.state_directory import StateDirectory
    from stream_gov.reference import ReferenceProfile

__all__ = ["app", "differences_of_segments", "unknown_columns"]

app = new_app(
    help="Monitors: what is watched, in which windows, by which checks.",
    epilog=examples("stream-gov monitor validate monitor.yaml && stream-gov monitor apply monitor.yaml"),
)


@app.command(cls=Command, epilog=examples("stream-gov monitor validate monitors/*.yaml"))
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Monitor files.")],
    state_dir: StateDir = None,
) -> None:
    """Check monitor files.

    Each mistake is a line with its place, the nearest known key and what is allowed. Where the reference is in the state directory already, the columns and the season that a monitor names are looked up in it.
    """
    state = state_of(read_settings(state_dir=state_dir))
    n_wrong = 0
    for path in files:
        try:
            monitor = read_monitor(path)
        except ConfigurationError as err:
            n_wrong += 1
            for line in str(err).splitlines():
                error(line)
            continue
        mistake = _mistake_of_season(monitor, state)
        if mistake:
            n_wrong += 1
            error(f"{path}: season: {mistake}")
            continue
        typer.echo(f"{path}: valid: {_in_words(monitor)}")
        for doubt in _doubts(monitor, state):
            warning(f"{path}: {doubt}")
    if n_wrong:
        raise typer.Exit(ConfigurationError.exit_code)


def _in_words(monitor: Monitor) -> str:
    window = f"windows of {format_duration(monitor.window.size)}"
    if monitor.window.every_ms != monitor.window.size:
        window += f" every {format_duration(monitor.window.every_ms)}"
    checks = ", ".join(dict.fromkeys(c.statistic for c in monitor.checks))
    detectors = ", ".join(dict.fromkeys(d.statistic for d in monitor.detectors))
    reference = f"compared with {monitor.reference}" if monitor.reference else "without a reference"
    if monitor.seasonal is not None:
        reference += f" by {monitor.seasonal}"
    if monitor.trailing is not None:
        reference = (
            f"compared with the {format_duration(monitor.trailing.length)} before in the cells of {monitor.reference}"
        )
    words = f"monitor {monitor.name} of model {monitor.model}, {window}, {reference}; checks {checks}"
    return words + (f"; detectors {detectors}" if detectors else "")


def _mistake_of_season(monitor: Monitor, state: StateDirectory) -> str:
    """What makes every verdict `insufficient`, where the reference is known; empty otherwise."""
    from stream_gov.reference import season_mismatch

    if monitor.reference is None:
        return ""
    try:
        return season_mismatch(monitor, state.load_profile(monitor.reference))
    except DataError:  # a doubt, see `_doubts`
        return ""


def _doubts(monitor: Monitor, state: StateDirectory) -> list[str]:
    """What is allowed but probably not meant."""
    if monitor.reference is None:
        return ["reference: none is named, so every verdict will be `insufficient`"]
    try:
        profile = state.load_profile(monitor.reference)
    except DataError as err:
        return [f"reference: {err}"]
    return [
        *unknown_columns(monitor, profile),
        *differences_of_segments(monitor, profile),
        *_too_few_events(monitor, profile),
    ]


def _too_few_events(monitor: Monitor, profile: ReferenceProfile) -> list[str]:
    """Say that no window will be judged, if events come as the rows of the reference did."""
    from stream_gov.detection import expected_events

    n = expected_events(monitor, profile)
    if n is None or n >= monitor.min_events:
        return []
    return [
        f"min_events: a window will hold about {n:,} events, as many as {profile.id} has rows in that time, and with fewer than "
        f"{monitor.min_events:,} every verdict is `insufficient`; use longer windows or a smaller `min_events`"
    ]


def unknown_columns(monitor: Monitor, profile: ReferenceProfile) -> list[str]:
    """Say which columns a monitor names that its reference does not have, each with the nearest name."""
    known = list(profile.layout.columns)
    named = [("columns.include", c) for c in monitor.columns.include or ()]
    named += [("columns.exclude", c) for c in monitor.columns.exclude if c not in profile.ignored]
    named += [(f"checks ({check.statistic})", c) for check in monitor.checks for c in check.columns or ()]
    named += [(f"detectors ({d.statistic})", c) for d in monitor.detectors for c in d.columns or ()]
    return [
        f"{place}: {profile.id} has no column {column!r}{nearest(column, known)}"
        for place, column in named
        if column not in known
    ]


def differences_of_segments(monitor: Monitor, profile: ReferenceProfile) -> list[str]:
    """Say which segments a monitor wants that its reference was built without."""
    missing = [s for s in monitor.segments if s not in profile.segment_columns]
    if not missing:
        return []
    names = ", ".join("+".join(columns) for columns in missing)
    return [
        f"segments: {profile.id} was built without {names}; build it again with this monitor (`stream-gov reference build`)"
    ]


app.command(
    cls=Command,
    epilog=examples("stream-gov monitor explain monitor.yaml", "stream-gov monitor explain monitor.yaml --events 500"),
)(explain)


@app.command(cls=Command, epilog=examples("stream-gov monitor apply monitor.yaml"))
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Monitor file.")],
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """Put a monitor into force.

    It is kept in the state directory and published, with the reference it names, to the topics of the broker. Running workers take it up within seconds. Where no broker is configured and none runs, it is kept for `stream-gov up`.
    """
    settings = read_settings(bootstrap=bootstrap, state_dir=state_dir)
    text = read_text(file)
    monitor = Monitor.from_yaml(text, source=str(file))
    state = state_of(settings)
    profile = None if monitor.reference is None else state.load_profile(monitor.reference)
    mistake = _mistake_of_season(monitor, state)
    if mistake:
        msg = f"{file}: season: {mistake}"
        raise ConfigurationError(msg)
    kept = state.save_monitor(monitor, text=text)
    typer.echo(f"kept {kept}")
    for doubt in _doubts(monitor, state):
        warning(f"{file}: {doubt}")
    running = find_broker(settings)
    if running is None:
        note("no broker is configured and none runs: `stream-gov up` will publish the monitor when it starts")
        return
    from stream_gov.runtime.catalog_publisher import CatalogPublisher
    from stream_gov.runtime.kafka_clients import wait_for_broker
    from stream_gov.runtime.topics import ensure_topics

    ensure_topics(running, wait_for_broker(running, "monitor", give_up_after_s=5.0), worker="monitor")
    with CatalogPublisher(running) as publisher:
        if profile is not None:
            publisher.publish_reference(profile)
        publisher.publish_monitor(monitor)
    what = f"monitor {monitor.name}" + (f" and reference {profile.id}" if profile is not None else "")
    typer.echo(f"published {what} to {running.bootstrap}")


@app.command("list", cls=Command, epilog=examples("stream-gov monitor list --json | jq -r .monitor"))
def list_monitors(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of a table.")] = False,
    state_dir: StateDir = None,
) -> None:
    """List the monitors in the state directory."""
    state = state_of(read_settings(state_dir=state_dir))
    rows = []
    for name in state.monitor_names():
        try:
            monitor = state.load_monitor(name)
        except ConfigurationError as err:  # one bad file does not hide the others
            for line in str(err).splitlines():
                warning(line)
            continue
        if as_json:
            typer.echo(json.dumps(monitor.model_dump(mode="json", by_alias=True), ensure_ascii=False))
        else:
            window = monitor.window
            rows.append(
                (
                    monitor.name,
                    monitor.model,
                    monitor.reference or "",
                    format_duration(window.size),
                    format_duration(window.every_ms),
                    ", ".join("+".join(s) for s in monitor.segments),
                    ", ".join(dict.fromkeys(c.statistic for c in monitor.checks)),
                )
            )
    if rows:
        print_table(("monitor", "model", "reference", "window", "every", "segments", "checks"), rows)
    elif not as_json:
        note(
            f"no monitors in {state.monitors}; write one (docs/monitor.md) and apply it with `stream-gov monitor apply`"
        )
