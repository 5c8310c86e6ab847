"""The `stream-gov` command. What a command needs is imported when it runs, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import typer

from stream_gov.cli import monitor_commands, reference_commands
from stream_gov.cli.alerts_command import alerts
from stream_gov.cli.backtest_command import backtest
from stream_gov.cli.doctor_command import doctor
from stream_gov.cli.groups import Command, Group, examples, new_app

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
    found a problem, 2 a file, setting or flag is wrong, 3 a server does not answer, 130 stopped by Ctrl-C.
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
    epilog=examples(
        "stream-gov backtest prices.csv --monitor monitor.yaml --picture drift.html",
        "stream-gov backtest prices.csv -m monitor.yaml -r prices-base@2 --json - | jq 'select(.verdict == \"drift\")'",
    ),
)(backtest)
app.command(
    cls=Command,
    epilog=examples("stream-gov alerts --status open", "stream-gov alerts --follow --json | jq -r .message"),
)(alerts)
app.command(
    cls=Command, epilog=examples("stream-gov doctor", "stream-gov doctor --json | jq 'select(.level == \"problem\")'")
)(doctor)


def main() -> None:
    """Run the command."""
    app(prog_name="stream-gov")


if __name__ == "__main__":
    main()
