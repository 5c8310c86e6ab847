"""`stream-gov reference build|show|diff|promote|list`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_gov.cli.command_inputs import open_table, read_monitor, read_profile, read_settings, state_of
from stream_gov.cli.diff_command import diff
from stream_gov.cli.groups import Command, examples, new_app
from stream_gov.cli.options import (
    AsJson,
    Bootstrap,
    EventIdColumn,
    FromTime,
    IgnoredColumns,
    ModelVersion,
    MonitorFile,
    PredictionColumn,
    Rows,
    ScoreColumns,
    StateDir,
    TimestampColumn,
    UntilTime,
    VersionColumn,
)
from stream_gov.cli.output import note, print_table, warning
from stream_gov.cli.promote_command import promote
from stream_gov.contracts import ConfigurationError, DataError

if TYPE_CHECKING:
    from stream_gov.cli.row_choice import RowChoice
    from stream_gov.contracts import Monitor
    from stream_gov.files import TabularFile
    from stream_gov.reference import ReferenceProfile

__all__ = ["app"]

app = new_app(
    help="References: what the model's data looked like when it was trained.",
    epilog=examples("stream-gov reference build prices.csv --monitor monitor.yaml --until 2026-02-01"),
)


@app.command(
    cls=Command,
    epilog=examples(
        "stream-gov reference build prices.csv --monitor monitor.yaml --timestamp when --until 2026-02-01",
        "stream-gov reference build train.parquet -m monitor.yaml --prediction label --model-version 3",
        "stream-gov reference build --from-topic -m monitor.yaml --from 2026-01-01 --until 2026-02-01",
    ),
)
def build(
    monitor: MonitorFile,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="CSV or Parquet file: .csv, .csv.gz or .parquet. With --from-topic the topic; default: the topic of events.",
            show_default=False,
        ),
    ] = None,
    from_topic: Annotated[
        bool,
        typer.Option(
            "--from-topic",
            help="Build it from events of this time on a topic; needs a broker, and commits nothing there.",
        ),
    ] = False,
    lateness: Annotated[
        str | None,
        typer.Option(
            "--lateness",
            metavar="DURATION",
            help="With --from-topic and --until: how long after that time its events were still sent, or `all` to read to the end of the topic. Default: 1d.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="Name of the reference. Default: the one that the monitor's `reference` names.",
            show_default=False,
        ),
    ] = None,
    model_version: ModelVersion = None,
    timestamp: TimestampColumn = None,
    prediction: PredictionColumn = None,
    score: ScoreColumns = None,
    version_column: VersionColumn = None,
    event_id: EventIdColumn = None,
    ignore: IgnoredColumns = None,
    rows: Rows = None,
    from_time: FromTime = None,
    until_time: UntilTime = None,
    bootstrap: Bootstrap = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write the reference to this file (.sgref), not into the state directory.",
            show_default=False,
        ),
    ] = None,
    state_dir: StateDir = None,
) -> None:
    """Build a reference from the rows a model was trained on, or from a stretch of production.

    The monitor says which columns and segments are wanted. Each build gets a revision of its own, one more than the newest; a
    revision is never changed. `stream-gov monitor apply` publishes it.
    """
    from stream_gov.cli.row_choice import RowChoice
    from stream_gov.cli.topic_reference import build_from_topic, refuse_flags_of_files, refuse_flags_of_topics

    settings = read_settings(bootstrap=bootstrap, state_dir=state_dir)
    wanted = read_monitor(monitor)
    if out is not None and out.suffix != ".sgref":
        msg = f"--out {out}: a reference file ends in .sgref; write {out.with_suffix('.sgref')}"
        raise ConfigurationError(msg)
    chosen_name = _checked(name) if name is not None else _name_in(wanted, monitor)
    state = state_of(settings)
    revision = state.next_revision(chosen_name)
    notices: tuple[str, ...] = ()
    if from_topic:
        refuse_flags_of_files(
            {
                "--timestamp": timestamp,
                "--prediction": prediction,
                "--score": score,
                "--version-column": version_column,
                "--event-id": event_id,
                "--ignore": ignore,
                "--rows": rows,
            }
        )
        profile = build_from_topic(
            settings,
            wanted,
            topic=None if data is None else str(data),
            name=chosen_name,
            revision=revision,
            from_time=from_time,
            until_time=until_time,
            lateness=lateness,
            version=model_version,
        )
    else:
        refuse_flags_of_topics({"--lateness": lateness, "--bootstrap": bootstrap})
        if data is None:
            msg = (
                "name a CSV or Parquet file of past rows (`stream-gov reference build DATA ...`), or give --from-topic"
            )
            raise ConfigurationError(msg)
        table = open_table(
            data,
            wanted,
            timestamp=timestamp,
            prediction=prediction,
            scores=score,
            version_column=version_column,
            model_version=model_version,
            event_id=event_id,
            ignore=ignore,
        )
        profile = _build(table, wanted, RowChoice.from_flags(rows, from_time, until_time), chosen_name, revision)
        notices = table.notices
    if out is not None:
        _write(out, profile.to_bytes())
        path = out
    else:
        path = state.save_profile(profile)
    _print_profile(profile)
    for notice in notices:
        note(f"{data}: {notice}")
    _warn_of_pinned_revision(wanted, monitor, profile)
    typer.echo(f"\nwrote {path}")


def _build(table: TabularFile, monitor: Monitor, choice: RowChoice, name: str, revision: int) -> ReferenceProfile:
    from rich.console import Console

    from stream_gov.reference import ProfileBuilder, build_profile

    where = f", {choice.text}" if choice.text else ""
    console = Console(stderr=True)
    builder = ProfileBuilder.for_monitor(monitor)
    times, first = ("three times", "to learn words and lengths of vectors, then ") if builder.learns else ("twice", "")
    with console.status(f"reading {table.path} {times}: {first}to find types and cells, then to count"):
        return build_profile(
            lambda: choice.batches(table),
            builder,
            name=name,
            revision=revision,
            model=monitor.model,
            version=None if table.columns.version is not None else table.mapping.model_version,
            source=f"{table.path.name}{where}",
            created_ms=time.time_ns() // 1_000_000,
        )


def _checked(name: str) -> str:
    from stream_gov.reference import split_profile_id

    try:
        _, revision = split_profile_id(name)
    except ValueError as err:
        msg = f"--name: {err}"
        raise ConfigurationError(msg) from err
    if revision is not None:
        msg = f"--name {name}: the revision is found by itself, one more than the newest; leave `@{revision}` out"
        raise ConfigurationError(msg)
    return name


def _name_in(monitor: Monitor, path: Path) -> str:
    if monitor.reference is None:
        msg = f"{path}: reference: the monitor names none; add `reference: {monitor.name}-base` to it, or give --name"
        raise ConfigurationError(msg)
    return monitor.reference.partition("@")[0]


def _warn_of_pinned_revision(monitor: Monitor, path: Path, profile: ReferenceProfile) -> None:
    named = monitor.reference
    if named is not None and named not in (profile.name, profile.id):
        warning(f"{path} compares with {named}, and this is {profile.id}; to use it write `reference: {profile.id}`")


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as err:
        msg = f"{path}: the reference cannot be written: {err.strerror}; name another file"
        raise DataError(msg) from err


@app.command(
    cls=Command,
    epilog=examples("stream-gov reference show prices-base", "stream-gov reference show prices-base@2 --json"),
)
def show(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="NAME[@REV]", help="A reference, its newest revision if none is given; or a .sgref file."
        ),
    ],
    as_json: AsJson = False,
    state_dir: StateDir = None,
) -> None:
    """Show a reference column by column.

    For each its kind and type, missing values, moments, quantiles or categories, and its shape. Of a reference with a season also the emptiest slots, and the cycle of each column.
    """
    from stream_gov.cli.profile_table import describe_profile

    profile = read_profile(read_settings(state_dir=state_dir), reference)
    if as_json:
        typer.echo(json.dumps(describe_profile(profile), indent=2, ensure_ascii=False))
    else:
        _print_profile(profile)


def _print_profile(profile: ReferenceProfile) -> None:
    from stream_gov.cli.profile_table import heading_lines, table_rows
    from stream_gov.cli.season_table import cycle_rows

    for line in heading_lines(profile):
        typer.echo(line)
    typer.echo("")
    columns = ("column", "kind", "type", "missing", "mean", "sd", "shape", "min | 5 25 50 75 95 % | max, or shares")
    print_table(columns, table_rows(profile), right=("missing", "mean", "sd"))
    cycles = cycle_rows(profile)
    if cycles and profile.season is not None:
        typer.echo("")
        first, last = (profile.season.name_of(slot) for slot in (0, profile.season.n_slots - 1))
        print_table(("column", "of each slot", "least to largest", f"from {first} to {last}"), cycles)
    for name, reason in profile.ignored.items():
        note(f"{name} is not watched: {reason}")
    for text in profile.warnings:
        warning(text)


app.command(
    cls=Command,
    epilog=examples(
        "stream-gov reference diff prices-base@1 prices-base@2",
        "stream-gov reference diff old.sgref prices-base --json",
    ),
)(diff)
app.command(
    cls=Command,
    epilog=examples(
        "stream-gov reference promote prices-base@4 --dry-run",
        "stream-gov reference promote prices-base@3 --monitor prices",
    ),
)(promote)


@app.command("list", cls=Command, epilog=examples("stream-gov reference list --json | jq -r .id"))
def list_references(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line instead of a table.")] = False,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """List the references in the state directory, and which monitors are compared with each.

    Where a broker is configured or runs, also what is in force there: monitors that name another revision there than here are marked, and so are revisions that are in force and not here.
    """
    from stream_gov.cli.reference_list import list_lines

    settings = read_settings(bootstrap=bootstrap, state_dir=state_dir)
    list_lines(settings, state_of(settings), as_json=as_json)
