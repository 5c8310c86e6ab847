"""The `stream-gov` command. What a command needs is imported when it runs, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import typer

from stream_gov.cli import monitor_commands, reference_commands
from stream_gov.cli.alerts_command import alerts
from stream_gov.cli.backtest_command import backtest
from stream_gov.cli.demo_command import demo
from stream_gov.cli.doctor_command import doctor
from stream_gov.cli.groups import Command, Group, examples, new_app
from stream_gov.cli.replay_command import replay
from stream_gov.cli.up_command import up
from stream_gov.cli.worker_commands import detect, ingest, sinks

__all__ = ["app", "main"]


class _RootGroup(Group):
    sections: ClassVar[Mapping[str, Sequence[str]]] = {
        "Start": ("demo", "up"),
        "Set up": ("reference", "monitor"),
        "Run": ("replay", "ingest", "detect", "sink"),
        "Look": ("alerts", "backtest", "doctor"),
    }


app = new_app(
    cls=_RootGroup,
    help="""Watch the data and predictions of models in a stream, and raise an alert when they drift.

    Settings come from the file stream-gov.yaml (or the one that STREAM_GOV_CONFIG names), the environment (STREAM_GOV_...) and
    flags; the later wins. Data goes to standard output, everything else to standard error. Exit codes: 0 all is well, 1 `doctor`
    found a problem (or `reference diff --exit-code` a difference), 2 a file, setting or flag is wrong, 3 a server does not answer, 130 stopped by Ctrl-C.
    """,
    epilog=examples("stream-gov demo", "stream-gov up"),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from stream_gov import __version__

        typer.echo(f"stream-gov {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    del version


app.add_typer(reference_commands.app, name="reference")
app.add_typer(monitor_commands.app, name="monitor")
app.command(
    cls=Command,
    short_help="Find real drift in a real stream, and watch it happen.",
    epilog=examples("stream-gov demo", "stream-gov demo --out /tmp/demo --speed 100"),
)(demo)
app.command(
    cls=Command,
    short_help="Run everything on this machine, with a broker of its own.",
    epilog=examples("stream-gov up", "stream-gov up --bootstrap localhost:9092 --influx"),
)(up)
app.command(
    cls=Command,
    short_help="Send the rows of a file as inference events.",
    epilog=examples(
        "stream-gov replay prices.csv --monitor monitor.yaml --from 2026-02-01 --wait",
        "stream-gov replay prices.csv -m monitor.yaml --speed 3600",
    ),
)(replay)
app.command(
    cls=Command,
    short_help="Worker: read inference events and send on their summaries.",
    epilog=examples("stream-gov ingest --bootstrap localhost:9092"),
)(ingest)
app.command(
    cls=Command,
    short_help="Worker: close windows, judge them, send results and alerts.",
    epilog=examples("stream-gov detect --bootstrap localhost:9092"),
)(detect)
app.add_typer(sinks, name="sink")
app.command(
    cls=Command,
    short_help="Run a monitor over past events: would this have paged?",
    epilog=examples(
        "stream-gov backtest prices.csv --monitor monitor.yaml --picture drift.html",
        "stream-gov backtest prices.csv -m monitor.yaml -r prices-base@2 --json - | jq 'select(.verdict == \"drift\")'",
    ),
)(backtest)
app.add_typer(alerts, name="alerts", short_help="Show alerts, follow them, say something of one.")
app.command(
    cls=Command,
    short_help="Look at everything a monitor needs, and say what to do.",
    epilog=examples("stream-gov doctor", "stream-gov doctor --json | jq 'select(.level == \"problem\")'"),
)(doctor)


def main() -> None:
    """Run the command."""
    app(prog_name="stream-gov")


if __name__ == "__main__":
    main()
