"""`stream-gov backtest`: would this have paged?"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_gov.cli.command_inputs import open_table, read_monitor, read_profile, read_settings
from stream_gov.cli.monitor_commands import unknown_columns
from stream_gov.cli.options import (
    ComparedReference,
    EventIdColumn,
    FromTime,
    IgnoredColumns,
    ModelVersion,
    PredictionColumn,
    Rows,
    ScoreColumns,
    StateDir,
    TimestampColumn,
    UntilTime,
    VersionColumn,
)
from stream_gov.cli.output import note, warning
from stream_gov.contracts import Alert, ConfigurationError, DataError, Monitor, Result

if TYPE_CHECKING:
    from stream_gov.cli.record_lines import RecordLines
    from stream_gov.detection import BacktestTotals
    from stream_gov.files import TabularFile
    from stream_gov.reference import ReferenceProfile

__all__ = ["backtest"]

_REJECTIONS_SHOWN = 5


def backtest(
    data: Annotated[Path, typer.Argument(metavar="FILE", help="Past events, one a row: .csv, .csv.gz or .parquet.")],
    more: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[MONITOR]...", help="With --compare further monitor files.", show_default=False),
    ] = None,
    monitor: Annotated[
        Path | None,
        typer.Option(
            "--monitor",
            "-m",
            metavar="FILE",
            help="The monitor file: model, columns, window, checks.",
            show_default=False,
        ),
    ] = None,
    reference: ComparedReference = None,
    json_out: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="OUT",
            help="Write results and alerts to this file, one JSON object a line; - is standard output.",
            show_default=False,
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", metavar="OUT.html", help="Draw drift over time into this HTML file.", show_default=False
        ),
    ] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            "--compare",
            metavar="FILE",
            help="A monitor file for a table of monitors on the same events; may be repeated: --compare A.yaml B.yaml.",
            show_default=False,
        ),
    ] = None,
    injected: Annotated[
        list[str] | None,
        typer.Option(
            "--inject",
            metavar="COLUMN=SHIFT@TIME",
            help="Put a shift into the events, such as price=mean+0.2sd@2026-03-01, and say how soon it is found; may be repeated. Also mean*1.1, "
            "missing+0.05, share:CATEGORY+0.1, and TIME..TIME.",
            show_default=False,
        ),
    ] = None,
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
    state_dir: StateDir = None,
) -> None:
    """Run a monitor over past events, without a broker: the same results and alerts as a live run of the same events.

    With --json each line has a `type`, `result` or `alert`, and the fields of its contract as on the topic: a window revised by
    late events has a line for every revision.

    With --compare or --inject there is a table instead: of each monitor the windows that were judged, those with drift, alerts, and how soon each shift was
    found, beside as many alarms as the first monitor raises at even distances, and no alarm at all.
    """
    from stream_gov.cli.alert_table import print_alerts
    from stream_gov.cli.row_choice import RowChoice
    from stream_gov.detection import BacktestTotals
    from stream_gov.detection import backtest as run_backtest
    from stream_gov.reference import season_mismatch

    settings = read_settings(state_dir=state_dir)

    def opened(watched: Monitor, profile: ReferenceProfile) -> TabularFile:
        return open_table(
            data,
            watched,
            profile,
            timestamp=timestamp,
            prediction=prediction,
            scores=score,
            version_column=version_column,
            model_version=model_version,
            event_id=event_id,
            ignore=ignore,
        )

    choice = RowChoice.from_flags(rows, from_time, until_time)
    files = [*([monitor] if monitor is not None else []), *(compare or ()), *(more or ())]
    if not files or (more and not compare):
        msg = (
            "name a monitor with -m FILE"
            if not files
            else f"{more[0] if more else ''}: a second file is a monitor to compare; write --compare A.yaml B.yaml"
        )
        raise ConfigurationError(msg)
    if compare or injected:
        from stream_gov.cli.monitor_comparison import compare_monitors

        drawn = compare_monitors(
            settings,
            files,
            injected or (),
            choice,
            opened,
            reference=reference,
            json_out=json_out,
        )
        if picture is not None:
            _write_text(picture, drawn)
            note(f"picture: {picture}")
        return
    monitor = files[0]
    watched = read_monitor(monitor)
    named = reference or watched.reference
    if named is None:
        msg = f"{monitor}: reference: the monitor names none, so there is nothing to compare with; add one, or give --reference"
        raise ConfigurationError(msg)
    profile = read_profile(settings, named)
    mistake = season_mismatch(watched, profile)
    if mistake:
        msg = f"{monitor}: season: {mistake}"
        raise ConfigurationError(msg)
    table = opened(watched, profile)
    for doubt in unknown_columns(watched, profile):
        warning(f"{monitor}: {doubt}")
    events = ((moment, message) for moment, _, message in choice.events(table, watched.model))
    totals = BacktestTotals()
    started = time.monotonic()
    alerts: list[Alert] = []
    results: list[Result] = []  # only for the picture, or they would fill the memory for nothing
    with _lines(json_out) as lines:
        for record in run_backtest(
            events, watched, profile, out_of_orderness_ms=settings.out_of_orderness, totals=totals
        ):
            if isinstance(record, Alert):
                alerts.append(record)
            elif picture is not None:
                results.append(record)
            if lines is not None:
                lines.write(record)
    for notice in table.notices:
        note(f"{data}: {notice}")
    _report(totals, time.monotonic() - started)
    to_stdout = json_out is not None and str(json_out) == "-"
    if not to_stdout:
        print_alerts(alerts)
        if not alerts:
            note("no alert would have opened")
    if picture is not None:
        from stream_gov.files.drift_picture import drift_picture

        _write_text(picture, drift_picture(results, alerts, title=f"Drift of {watched.model}"))
        note(f"picture: {picture}")
    if json_out is not None and not to_stdout:
        note(f"results and alerts: {json_out}")


def _lines(path: Path | None) -> contextlib.AbstractContextManager[RecordLines | None]:
    from stream_gov.cli.record_lines import RecordLines

    return contextlib.nullcontext() if path is None else RecordLines(path)


def _report(totals: BacktestTotals, seconds: float) -> None:
    rate = totals.events / max(seconds, 1e-9)
    note(f"{totals.events:,} events in {seconds:.1f} s ({rate:,.0f}/s), {totals.windows_closed:,} windows closed")
    if not totals.n_rejected:
        return
    warning(f"{totals.n_rejected:,} events were rejected; live they would go to the dead-letter topic:")
    for rejection in totals.rejections[:_REJECTIONS_SHOWN]:
        note(f"  row {rejection.offset}: {rejection.reason.value}: {rejection.detail}")
    if totals.n_rejected > _REJECTIONS_SHOWN:
        note(f"  and {totals.n_rejected - _REJECTIONS_SHOWN:,} more")


def _write_text(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        msg = f"{path}: the picture cannot be written: {err.strerror}; name another file"
        raise DataError(msg) from err
