"""`stream-gov demo`: real drift in a real stream, from nothing, in about a minute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream_gov.cli.command_inputs import end_as_stopped, log_to_stderr
from stream_gov.cli.output import note

if TYPE_CHECKING:
    from stream_gov.cli.demo_folder import DemoFolder
    from stream_gov.contracts import Alert, Result
    from stream_gov.settings import Settings

__all__ = ["demo"]


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for everything the demo writes.")] = Path(
        "demo-out"
    ),
    speed: Annotated[
        float,
        typer.Option(
            "--speed", metavar="DAYS", min=0.1, help="Days of the market that pass in a second; there are 579."
        ),
    ] = 20.0,
) -> None:
    """Find real drift in a real stream, and watch it happen.

    Trains a small model on the first year of the New South Wales electricity market, starts a broker and every worker on this
    machine, replays what came after that year with the model's predictions, and shows what the monitor sees. At its end all
    processes have stopped, and the folder holds events, monitor, reference, results, alerts and a picture.
    """
    from stream_gov.cli.demo_display import make_display
    from stream_gov.cli.demo_folder import DemoFolder
    from stream_gov.cli.demo_report import print_report
    from stream_gov.cli.demo_run import run_demo
    from stream_gov.runtime.stop_signals import stop_on_signals

    folder = DemoFolder(out)
    stop = stop_on_signals()
    with make_display() as display:
        display.stage("training a model on the first year of the market, 1996-05-07 to 1997-05-06")
        model = folder.make()
        with folder.settings() as settings:
            log_to_stderr(settings, least="error")
            finished = run_demo(folder, settings, display, days_per_second=speed, stop=stop)
            if finished:
                display.stage("drawing the picture")
                results, alerts = _read_store(settings)
                _write_results(folder, results, alerts)
    if not finished:
        note(f"stopped; nothing runs any more, and what there is so far is in {folder.path}")
        end_as_stopped()
        raise typer.Exit(1)
    print_report(folder, results, alerts, model)


def _read_store(settings: Settings) -> tuple[list[Result], list[Alert]]:
    from stream_gov.sinks import Store

    store = Store(settings.store)
    try:
        results = list(store.results())
        alerts = [change for last in store.alerts() for change in store.alert_changes(last.alert_id)]
    finally:
        store.close()
    return results, alerts


def _write_results(folder: DemoFolder, results: list[Result], alerts: list[Alert]) -> None:
    from stream_gov.cli.record_lines import RecordLines
    from stream_gov.files.drift_picture import drift_picture

    records: list[Result | Alert] = [*results, *alerts]
    with RecordLines(folder.results) as lines:
        for record in sorted(records, key=lambda r: r.window_end_ms):
            lines.write(record)
    picture = drift_picture(results, alerts, title="Drift in the New South Wales electricity market")
    folder.picture.write_text(picture, encoding="utf-8")
