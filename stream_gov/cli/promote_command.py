"""`stream-gov reference promote`: put a revision of a reference into force, a newer or an older one, without a restart."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_gov.cli.command_inputs import find_broker, read_settings, state_of
from stream_gov.cli.monitor_commands import differences_of_segments, unknown_columns
from stream_gov.cli.options import Bootstrap, StateDir
from stream_gov.cli.output import note, print_table, warning
from stream_gov.contracts import ConfigurationError, DataError, Monitor, format_duration

if TYPE_CHECKING:
    from stream_gov.cli.promotion import Move
    from stream_gov.files.state_directory import StateDirectory
    from stream_gov.reference import ReferenceProfile
    from stream_gov.runtime.catalog import TopicCatalog
    from stream_gov.settings import Settings

__all__ = ["promote"]

_ANSWER_S = 5.0


def promote(
    reference: Annotated[
        str, typer.Argument(metavar="NAME@REV", help="The revision to put into force: a newer one, or one from before.")
    ],
    monitor: Annotated[
        list[str] | None,
        typer.Option(
            "--monitor",
            "-m",
            metavar="NAME",
            help="Only this monitor, by its name; may be repeated. Default: all that are compared with the reference.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """Put a revision of a reference into force, without a restart; to go back, promote the one before.

    The revision is published, and the monitors that are compared with the reference are made to name it (`reference: NAME@REV`), on the topic and in the state directory. Windows that begin after the change are compared with it; those that span it still with the one before, on which ingest goes on counting until they have closed. Revisions from before stay on the topic.
    """
    from stream_gov.cli.promotion import plan_promotion
    from stream_gov.cli.reference_uses import reference_uses

    target = _target(reference)
    settings = read_settings(bootstrap=bootstrap, state_dir=state_dir)
    state = state_of(settings)
    running = find_broker(settings)
    catalog = None if running is None else _catalog(running, create=not dry_run)
    profile, is_here = _profile(state, catalog, target)
    moves = plan_promotion(reference_uses(state, catalog), target, monitor or ())
    _print_plan(moves)
    for move in moves:
        _warn(move, profile)
    if running is None:
        note(
            "no broker is configured and none runs: only the state directory changes, and `stream-gov up` publishes it"
        )
    texts = _new_texts(state, moves)
    if not any(move.changes for move in moves):
        note(f"{target} is in force already: nothing to do")
        return
    if dry_run:
        note("a dry run: nothing was changed")
        return
    if texts and not is_here:
        typer.echo(f"kept {state.save_profile(profile)}")
    if running is not None:
        _publish(running, profile, moves)
    for path, text in texts.items():
        changed = Monitor.from_yaml(text, source=str(path))
        typer.echo(f"kept {state.save_monitor(changed, text=text)}")
    if texts:
        note(
            "the files that you apply monitors from are yours and were left alone: write the revision into them, or the next "
            "`stream-gov monitor apply` puts into force what they name"
        )


def _target(reference: str) -> str:
    from stream_gov.reference import split_profile_id

    try:
        _, revision = split_profile_id(reference)
    except ValueError as err:
        raise ConfigurationError(str(err)) from err
    if revision is None:
        msg = f"{reference}: name the revision to put into force, such as {reference}@1; `stream-gov reference list` shows which there are"
        raise ConfigurationError(msg)
    return reference


def _catalog(settings: Settings, *, create: bool) -> TopicCatalog:
    from stream_gov.cli.reference_uses import read_catalog
    from stream_gov.runtime.kafka_clients import wait_for_broker
    from stream_gov.runtime.topics import ensure_topics

    cluster = wait_for_broker(settings, "promote", give_up_after_s=_ANSWER_S)
    if create or cluster.embedded:
        ensure_topics(settings, cluster, worker="promote")
    return read_catalog(settings, "promote")


def _profile(state: StateDirectory, catalog: TopicCatalog | None, target: str) -> tuple[ReferenceProfile, bool]:
    """The revision, and whether it is in the state directory; else it is that of the topic."""
    try:
        return state.load_profile(target), True
    except DataError:
        published = None if catalog is None else catalog.profile(target)
        if published is None:
            raise
        return published, False


def _print_plan(moves: list[Move]) -> None:
    rows = []
    for move in moves:
        use = move.use
        where = " and ".join(w for w, there in (("state directory", use.kept), ("topic", use.published)) if there)
        if not move.changes:
            what = "stays"
        elif move.holds:
            what = "stays, and names it: it would follow to the newest"
        elif use.published is None:
            what = "changes, not published"
        elif move.publishes and use.in_force != move.to:
            what = f"changes; counted on both for {_span(use.monitor)} of event time"
        else:
            what = "stays, and names it"
        rows.append((use.name, use.monitor.model, where, use.in_force or "none", move.to, what))
    print_table(("monitor", "model", "where", "from", "to", "what"), rows)
    changing = [m for m in moves if m.publishes and m.use.in_force not in (None, m.to)]
    for move in changing:
        every = move.use.monitor.window.every_ms
        first = -(-(time.time_ns() // 1_000_000) // every) * every
        note(
            f"{move.use.name}: windows that begin after the change (from {_time(first)} if events come in time) are compared with {move.to}, "
            f"those that span it with {move.use.in_force}"
        )


def _span(monitor: Monitor) -> str:
    return format_duration(monitor.window.size + monitor.window.allowed_lateness)


def _time(time_ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(time_ms / 1_000))


def _warn(move: Move, profile: ReferenceProfile) -> None:
    if move.use.difference:
        warning(f"{move.use.name}: {move.use.difference}")
    if move.holds:
        return
    watched = move.use.monitor
    if watched.model != profile.model:
        warning(f"{move.use.name} watches the model {watched.model!r}, and {profile.id} is of {profile.model!r}")
    for doubt in (*unknown_columns(watched, profile), *differences_of_segments(watched, profile)):
        warning(f"{move.use.name}: {doubt}")


def _new_texts(state: StateDirectory, moves: list[Move]) -> dict[Path, str]:
    """Texts of the kept monitors that change, by file; nothing is written yet.

    Raises
    ------
    ConfigurationError
        A file cannot be read, or the place of `reference` in it is not to be found.
    """
    from stream_gov.cli.command_inputs import read_text
    from stream_gov.files.monitor_text import with_reference

    paths = {state.monitor_path(move.use.name): move.to for move in moves if move.keeps}
    return {path: with_reference(read_text(path), to, source=str(path)) for path, to in paths.items()}


def _publish(settings: Settings, profile: ReferenceProfile, moves: list[Move]) -> None:
    from stream_gov.runtime.catalog_publisher import CatalogPublisher

    publishing = [move for move in moves if move.publishes]
    with CatalogPublisher(settings) as publisher:
        # Those that would follow to a newer revision name their own first.
        for move in publishing:
            if move.holds and move.use.published is not None:
                publisher.publish_monitor(move.use.published.model_copy(update={"reference": move.to}))
        publisher.flush()
        publisher.publish_reference(profile)
        publisher.flush()
        for move in publishing:
            if not move.holds and move.use.published is not None:
                publisher.publish_monitor(
                    move.use.published.model_copy(update={"reference": move.to}), previous=move.use.in_force
                )
    names = ", ".join(move.use.name for move in publishing)
    what = f"reference {profile.id}" + (f" and monitors {names}" if names else "")
    typer.echo(f"published {what} to {settings.bootstrap}")
