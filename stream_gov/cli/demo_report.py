"""What the demo says at its end: its alerts and columns, what they are, where everything is, and what to type next."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import typer

from stream_gov.cli.alert_table import print_alerts
from stream_gov.cli.demo_folder import DemoFolder
from stream_gov.cli.demo_model import ModelReport
from stream_gov.cli.demo_watch import DemoWatch
from stream_gov.cli.output import print_table
from stream_gov.contracts import Alert, Monitor, Result
from stream_gov.files.time_axis import moment

__all__ = ["WHAT_IT_IS", "column_rows", "print_report"]

_VICTORIA = "real: stood still in the training year (Victoria was not recorded), moves since 5 May 1997"
WHAT_IT_IS = {
    "vicprice": _VICTORIA,
    "vicdemand": _VICTORIA,
    "transfer": _VICTORIA,
    "nswprice": "real: prices fell; their median was 0.065 in the training year and is 0.040 after it",
    "nswdemand": "the seasons, at least in part: a week is compared with a whole year",
    "score": "the model meets inputs that it was not trained on",
    "prediction": "follows from the score",
}
"""What the drift of each column is, as far as the data tells; `examples/electricity/README.md` has the measurements."""

_COLUMNS = ("column", "first drift", "windows", "found by", "farthest", "what it is")


def column_rows(monitor: Monitor, results: Iterable[Result]) -> list[tuple[str, ...]]:
    """Cells of the table of columns, the one that drifted first in the first row."""
    watch = DemoWatch(monitor)
    watch.take(results)
    drifted = {name: c for name, c in watch.columns.items() if c.n_drift}
    rows: list[tuple[str, ...]] = []
    for name in sorted(drifted, key=lambda n: (drifted[n].first_drift_ms or 0, -drifted[n].n_drift, n)):
        column = drifted[name]
        peak = column.peak
        farthest = (
            ""
            if peak is None or peak.value is None
            else f"{column.statistic} {peak.value:.2f} ({moment(peak.window_end_ms)})"
        )
        rows.append(
            (
                name,
                moment(column.first_drift_ms or 0),
                f"{column.n_drift} of {column.n_windows}",
                ", ".join(column.found_by),
                farthest,
                WHAT_IT_IS.get(name, ""),
            )
        )
    return rows


def print_report(folder: DemoFolder, results: Sequence[Result], alerts: Sequence[Alert], model: ModelReport) -> None:
    """Print everything to standard output."""
    typer.echo("")
    print_alerts(alerts)
    typer.echo("\nAn alert holds all columns of a model that drift together. Column by column:\n")
    monitor = Monitor.from_yaml(folder.monitor.read_text(encoding="utf-8"), source=str(folder.monitor))
    rows = column_rows(monitor, results)
    print_table(_COLUMNS, rows, right=("windows",))
    calm = sorted({r.column for r in results if r.column} - {row[0] for row in rows})
    if calm:
        typer.echo(f"\nnever drifted: {', '.join(calm)}")
    for line in (*_about_the_model(model), *_places(folder), *_what_next(folder)):
        typer.echo(line)


def _about_the_model(model: ModelReport) -> Iterator[str]:
    yield ""
    yield (
        f"The model was right in {model.accuracy_training:.1%} of the training year and in {model.accuracy_after:.1%} of what came after. The monitor "
        "knew none of the"
    )
    yield "labels: it saw the inputs and the scores drift."


def _places(folder: DemoFolder) -> Iterator[str]:
    places = (
        ("drift over time, as a picture", folder.picture.absolute()),
        ("results and alerts, one JSON object a line", folder.results),
        ("the store (SQLite)", folder.state.path / "store.sqlite"),
        (
            "the events, the monitor, the reference",
            f"{folder.events}, {folder.monitor.name}, {folder.state.references}",
        ),
    )
    yield ""
    for what, where in places:
        yield f"{what:<44} {where}"


def _what_next(folder: DemoFolder) -> Iterator[str]:
    yield ""
    yield "What next:"
    if shutil.which("stream-gov") is None:
        yield f"  export PATH={Path(sys.executable).parent}:$PATH"
    yield f"  cd {_relative(folder.path)}"
    for command, why in (
        ("stream-gov alerts --json", "the alert, from the store"),
        ("stream-gov reference show electricity", "what the model was trained on"),
        (
            "stream-gov backtest events.csv -m monitor.yaml --rows 17520:",
            "the same without a broker; then change monitor.yaml",
        ),
        ("stream-gov up", "everything again, to stay; then stream-gov doctor"),
    ):
        yield f"  {command:<62} # {why}"
    yield "Your own data: docs/quickstart.md"


def _relative(path: Path) -> str:
    text = os.path.relpath(path)
    return text if not text.startswith("..") else str(path.absolute())
