"""`stream-gov replay`: rows of a file as inference events."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_gov.cli.command_inputs import log_to_stderr, open_table, read_monitor, read_settings, state_of, with_broker
from stream_gov.cli.options import (
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
from stream_gov.cli.output import note, warning
from stream_gov.contracts import ConfigurationError, DataError, Monitor

if TYPE_CHECKING:
    from stream_gov.reference import ReferenceProfile
    from stream_gov.runtime.replay import ReplayTotals
    from stream_gov.settings import Settings

__all__ = ["replay"]

_BROKER_ANSWERS_S = 10.0
_SAY_EVERY_S = 5.0


def replay(
    data: Annotated[Path, typer.Argument(metavar="FILE", help="Past events, one a row: .csv, .csv.gz or .parquet.")],
    monitor: MonitorFile,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="N", min=0.001, help="At most so many events a second.", show_default=False),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            "--speed",
            metavar="X",
            min=0.000001,
            help="X seconds of event time in a second: 3600 for an hour in a second.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until ingest, detect and the store have taken in everything.")
    ] = False,
    timestamp: TimestampColumn = None,
    prediction: PredictionColumn = None,
    score: ScoreColumns = None,
    version_column: VersionColumn = None,
    model_version: ModelVersion = None,
    event_id: EventIdColumn = None,
    ignore: IgnoredColumns = None,
    rows: Rows = None,
    from_time: FromTime = None,
    until_time: UntilTime = None,
    bootstrap: Bootstrap = None,
    state_dir: StateDir = None,
) -> None:
    """Send the rows of a file as inference events, as their producer would have, only faster.

    The model gets a clock of its own for the time of the replay, so old events are not late, and its windows in that time are
    closed anew: replaying a file twice gives the same results twice. The monitor must have been applied. Without --rate and --speed
    it goes as fast as the workers keep up.
    """
    settings = with_broker(read_settings(bootstrap=bootstrap, state_dir=state_dir))
    log_to_stderr(settings, least="warning")
    watched = read_monitor(monitor)
    from stream_gov.cli.row_choice import RowChoice
    from stream_gov.runtime.replay import replay_events, wait_until_detected
    from stream_gov.runtime.stop_signals import stop_on_signals

    table = open_table(
        data,
        watched,
        _profile_of(watched, settings),
        timestamp=timestamp,
        prediction=prediction,
        scores=score,
        version_column=version_column,
        model_version=model_version,
        event_id=event_id,
        ignore=ignore,
    )
    choice = RowChoice.from_flags(rows, from_time, until_time)
    n_events, from_ms, until_ms = choice.extent(table)
    for notice in table.notices:
        note(f"{data}: {notice}")
    stop = stop_on_signals()
    _check_applied(settings, monitor, watched)
    with _Progress(n_events) as progress:
        totals = replay_events(
            settings,
            watched,
            choice.events(table, watched.model),
            from_ms=from_ms,
            until_ms=until_ms,
            rate=rate,
            speed=speed,
            progress=progress.update,
            stop=stop,
        )
    note(
        f"{totals.events:,} events in {totals.seconds:.1f} s ({totals.events_per_second:,.0f}/s) to {settings.topics.name('events')}"
    )
    if totals.broken_off:
        warning(f"the replay was broken off after {totals.events:,} of {n_events:,} events")
        raise KeyboardInterrupt
    if wait:
        note("waiting until they are ingested, judged and stored")
        if not wait_until_detected(settings, sinks=("store",), timeout_s=300.0, stop=stop):
            raise KeyboardInterrupt


def _check_applied(settings: Settings, file: Path, monitor: Monitor) -> None:
    """Refuse to send what every worker would reject.

    Raises
    ------
    ConfigurationError
        No monitor of this model was applied, so all events would go to the dead letters.
    UnavailableError
        The broker does not answer.
    """
    from stream_gov.runtime.catalog_watcher import CatalogWatcher
    from stream_gov.runtime.kafka_clients import wait_for_broker
    from stream_gov.runtime.topics import ensure_topics

    ensure_topics(settings, wait_for_broker(settings, "replay", give_up_after_s=_BROKER_ANSWERS_S), worker="replay")
    with CatalogWatcher(settings, "replay") as watcher:
        watcher.wait_until_loaded(_BROKER_ANSWERS_S)
        applied = watcher.catalog.monitor(monitor.model)
    if applied is None:
        msg = f"{file}: no monitor of the model {monitor.model!r} was applied, so every event would be rejected; first `stream-gov monitor apply {file}`"
        raise ConfigurationError(msg)
    if applied != monitor:
        warning(
            f"{file} differs from the monitor that was applied for the model {monitor.model!r}, and that one judges; "
            f"`stream-gov monitor apply {file}` puts this one in force"
        )


def _profile_of(monitor: Monitor, settings: Settings) -> ReferenceProfile | None:
    """Return the reference, which knows the types of columns; it may be on another machine."""
    if monitor.reference is None:
        return None
    try:
        return state_of(settings).load_profile(monitor.reference)
    except DataError:
        return None


class _Progress:
    """A bar with events a second and the time left on a terminal; otherwise a line every few seconds."""

    def __init__(self, n_events: int) -> None:
        self._n_events = n_events
        self._said_s = 0.0
        self._bar: Callable[[int, float], None] | None = None
        self._end: Callable[[], None] | None = None

    def __enter__(self) -> _Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            bar = Progress(
                TextColumn("replay"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:,.0f}/s"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            task = bar.add_task("replay", total=self._n_events, rate=0.0)
            bar.start()
            self._bar = lambda n, rate: bar.update(task, completed=n, rate=rate)
            self._end = bar.stop
        return self

    def update(self, totals: ReplayTotals) -> None:
        """Show how far it is."""
        if self._bar is not None:
            self._bar(totals.events, totals.events_per_second)
        elif totals.seconds - self._said_s >= _SAY_EVERY_S:
            self._said_s = totals.seconds
            note(f"{totals.events:,} of {self._n_events:,} events, {totals.events_per_second:,.0f}/s")

    def __exit__(self, *_: object) -> None:
        if self._end is not None:
            self._end()
