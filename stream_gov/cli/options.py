"""Options and arguments that several commands share, so that they are called and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AsJson",
    "Bootstrap",
    "ComparedReference",
    "EventIdColumn",
    "FromTime",
    "IgnoredColumns",
    "MetricsPort",
    "ModelVersion",
    "MonitorFile",
    "PredictionColumn",
    "Rows",
    "ScoreColumns",
    "StateDir",
    "TimestampColumn",
    "UntilTime",
    "VersionColumn",
]

Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--bootstrap",
        metavar="HOST:PORT",
        help="Address of Kafka. Default: the setting `bootstrap`, else the embedded broker of a running `stream-gov up`.",
        show_default=False,
    ),
]
StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        help="Where references, monitors and the store are kept. Default: the setting `state_dir`, else .stream-gov.",
        show_default=False,
    ),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        metavar="PORT",
        min=0,
        max=65_535,
        help="Port of /metrics; 0: none. Default: the setting `metrics_port`, else 9464.",
        show_default=False,
    ),
]
ComparedReference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        "-r",
        metavar="NAME[@REV]",
        help="What to compare with; or a .sgref file. Default: the monitor's `reference`.",
        show_default=False,
    ),
]
MonitorFile = Annotated[
    Path,
    typer.Option(
        "--monitor", "-m", metavar="FILE", help="The monitor file: model, columns, window, checks.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

TimestampColumn = Annotated[
    str | None,
    typer.Option(
        "--timestamp",
        metavar="COLUMN",
        help="Column of event times. Default: the first of timestamp, event_time, event_timestamp, datetime, time, date, ts that is there.",
        show_default=False,
    ),
]
PredictionColumn = Annotated[
    str | None,
    typer.Option(
        "--prediction",
        metavar="COLUMN",
        help="Column of the prediction. Default: prediction, if it is there.",
        show_default=False,
    ),
]
ScoreColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--score",
        metavar="COLUMN",
        help="Column of a probability; once for each class. Default: score, or score.<class>.",
        show_default=False,
    ),
]
VersionColumn = Annotated[
    str | None,
    typer.Option(
        "--version-column",
        metavar="COLUMN",
        help="Column of the model's version, where it differs from row to row.",
        show_default=False,
    ),
]
ModelVersion = Annotated[
    str | None,
    typer.Option(
        "--model-version",
        metavar="VERSION",
        help="Version of the model that made the rows. Default: 1.",
        show_default=False,
    ),
]
EventIdColumn = Annotated[
    str | None,
    typer.Option(
        "--event-id",
        metavar="COLUMN",
        help="Column of event ids. Default: the file's name and the row.",
        show_default=False,
    ),
]
IgnoredColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="COLUMN",
        help="Column that is no feature, such as the label; may be repeated.",
        show_default=False,
    ),
]
Rows = Annotated[
    str | None,
    typer.Option(
        "--rows",
        metavar="FIRST:END",
        help="Only these rows, counted from 0, the end not included: 0:17520, or 17520: for all from there on.",
        show_default=False,
    ),
]
FromTime = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="Only rows of this event time or later.", show_default=False),
]
UntilTime = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="Only rows of an event time before this.", show_default=False),
]
