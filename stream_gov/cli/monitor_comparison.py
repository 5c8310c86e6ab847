"""`stream-gov backtest --compare` and `--inject`: monitors side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from stream_gov.cli.command_inputs import read_monitor, read_profile
from stream_gov.cli.monitor_commands import unknown_columns
from stream_gov.cli.output import note, print_table, warning
from stream_gov.cli.row_choice import RowChoice, parse_time
from stream_gov.contracts import ConfigurationError, Monitor

if TYPE_CHECKING:
    from stream_gov.detection import InjectedShift, MonitorRun
    from stream_gov.files import TabularFile
    from stream_gov.reference import ReferenceProfile
    from stream_gov.settings import Settings

__all__ = ["compare_monitors"]

_DAY_MS = 86_400_000


def compare_monitors(
    settings: Settings,
    files: Sequence[Path],
    injected: Sequence[str],
    choice: RowChoice,
    open_events: Callable[[Monitor, ReferenceProfile], TabularFile],
    *,
    reference: str | None,
    json_out: Path | None,
) -> str:
    """Run each monitor over the same events, print the table, and return the picture.

    Raises
    ------
    ConfigurationError
        A monitor names no reference, or a shift cannot be put in.
    """
    from stream_gov.detection import InjectedShift, evenly, never
    from stream_gov.files.comparison_picture import comparison_picture
    from stream_gov.reference import season_mismatch

    pairs: list[tuple[Path, Monitor, ReferenceProfile]] = []
    for file in files:
        monitor = read_monitor(file)
        if pairs and monitor.model != pairs[0][1].model:
            msg = f"{file}: model {monitor.model!r}, and {files[0]} is of {pairs[0][1].model!r}: monitors of one model are compared"
            raise ConfigurationError(msg)
        named = reference or monitor.reference
        if named is None:
            msg = f"{file}: reference: the monitor names none, so there is nothing to compare with; add one, or give --reference"
            raise ConfigurationError(msg)
        profile = read_profile(settings, named)
        mistake = season_mismatch(monitor, profile)
        if mistake:
            msg = f"{file}: season: {mistake}"
            raise ConfigurationError(msg)
        for doubt in unknown_columns(monitor, profile):
            warning(f"{file}: {doubt}")
        pairs.append((file, monitor, profile))
    # Once, by the first reference: every monitor gets the same events.
    shifts = [InjectedShift.parse(text, pairs[0][2], partial(parse_time, flag="--inject")) for text in injected]
    runs = [_run(settings, file, monitor, profile, shifts, choice, open_events) for file, monitor, profile in pairs]
    first = runs[0]
    if first.window_ends:
        if first.alerts:
            runs.append(evenly(len(first.alerts), first.window_ends, shifts))
        runs.append(never(first.window_ends, shifts))
    else:
        warning(f"{files[0]}: no window was judged; see `min_events` and the rows chosen")
    to_stdout = json_out is not None and str(json_out) == "-"
    document = [_as_json(run, shifts) for run in runs]
    if json_out is not None:
        text = json.dumps(document, ensure_ascii=False, indent=2)
        if to_stdout:
            typer.echo(text)
        else:
            json_out.write_text(text + "\n", encoding="utf-8")
            note(f"comparison: {json_out}")
    if not to_stdout:
        _print(runs, shifts)
    return comparison_picture(runs, shifts, title=f"{len(files)} monitors on the same events")


def _run(
    settings: Settings,
    file: Path,
    monitor: Monitor,
    profile: ReferenceProfile,
    shifts: Sequence[InjectedShift],
    choice: RowChoice,
    open_events: Callable[[Monitor, ReferenceProfile], TabularFile],
) -> MonitorRun:
    from stream_gov.detection import BacktestTotals, backtest, inject, run_of

    table = open_events(monitor, profile)
    if shifts:
        _, first_ms, last_ms = choice.extent(table)
        for shift in shifts:
            if not first_ms <= shift.start_ms <= last_ms:
                msg = f"--inject {shift.text}: the events are from {_time(first_ms)} to {_time(last_ms)}; choose a time between"
                raise ConfigurationError(msg)
    touched: Counter[str] = Counter()
    chosen = ((moment, message) for moment, _, message in choice.events(table, monitor.model))
    totals = BacktestTotals()
    records = backtest(
        inject(chosen, shifts, touched), monitor, profile, out_of_orderness_ms=settings.out_of_orderness, totals=totals
    )
    run = run_of(str(file), records, shifts)
    for shift in shifts:
        if not touched[shift.text]:
            msg = f"--inject {shift.text}: no event of that time has {shift.column!r}; shift a column that the file has"
            raise ConfigurationError(msg)
    if totals.n_rejected:
        warning(f"{file}: {totals.n_rejected:,} of {totals.events:,} events were rejected")
    return run


def _time(time_ms: int) -> str:
    from stream_gov.files.time_axis import moment

    return moment(time_ms)


def _print(runs: Sequence[MonitorRun], shifts: Sequence[InjectedShift]) -> None:
    before = "before the shift" if shifts else ""
    heads = [
        "monitor",
        "windows",
        "flagged",
        "alerts",
        *([before] if before else []),
        *(s.text for s in shifts),
        "columns",
    ]
    rows = []
    for run in runs:
        found = [_found(run, i, shift) for i, shift in enumerate(shifts)]
        counts = [f"{len(run.window_ends):,}", f"{len(run.flagged):,}", f"{len(run.alerts):,}"]
        rows.append(
            [run.name, *counts, *([f"{run.false_alerts(shifts):,}"] if before else []), *found, ", ".join(run.columns)]
        )
    print_table(heads, rows, right=("windows", "flagged", "alerts", *([before] if before else [])))


def _found(run: MonitorRun, i: int, shift: InjectedShift) -> str:
    delay = run.delay(i, shift)
    if delay is not None:
        windows, ms = delay
        return f"{windows} window{'' if windows == 1 else 's'}, {ms / _DAY_MS:.3g}d"
    return "named already" if run.named_before and run.named_before[i] else "not found"


def _as_json(run: MonitorRun, shifts: Sequence[InjectedShift]) -> dict[str, Any]:
    found = []
    for i, shift in enumerate(shifts):
        delay = run.delay(i, shift)
        found.append(
            {
                "shift": shift.text,
                "found_ms": run.found[i],
                "delay_windows": None if delay is None else delay[0],
                "delay_ms": None if delay is None else delay[1],
                "named_before": bool(run.named_before and run.named_before[i]),
            }
        )
    return {
        "monitor": run.name,
        "windows": len(run.window_ends),
        "flagged": len(run.flagged),
        "alerts": len(run.alerts),
        "alerts_before_the_shift": run.false_alerts(shifts),
        "shifts": found,
        "columns": list(run.columns),
    }
