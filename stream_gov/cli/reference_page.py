"""Write `docs/cli.md` from the help of every command: `python -m stream_gov.cli.reference_page docs/cli.md`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from stream_gov.cli.main import app

__all__ = ["all_commands", "reference_page"]

_WIDTH = 100
_HEAD = """# The command line

Written from the help of the commands by `make docs`; change the commands, not this page. `stream-gov COMMAND --help` prints the same.

Data goes to standard output, everything else to standard error, so output can be piped. Settings come from the file `stream-gov.yaml`
(or the one that `STREAM_GOV_CONFIG` names), the environment (`STREAM_GOV_...`) and flags; the later wins.

| exit code | meaning |
|---|---|
| 0 | all is well |
| 1 | `doctor` found a problem, or two references differ (`reference diff --exit-code`) |
| 2 | a file, a setting or a flag is wrong; the line on standard error names the place and the remedy |
| 3 | a server does not answer |
| 130 | stopped by Ctrl-C |
"""


def all_commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its full name, groups before their commands."""
    yield from _below("stream-gov", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield name, command
    for child in getattr(command, "commands", {}).values():
        yield from _below(f"{name} {child.name}", child)


def _help(name: str, command: Any) -> str:
    context = command.context_class(command, info_name=name, terminal_width=_WIDTH, help_option_names=["--help", "-h"])
    text: str = command.get_help(context)
    return "\n".join(line.rstrip() for line in text.splitlines())


def reference_page() -> str:
    """Return the text of the page."""
    parts = [f"## {name}\n\n```text\n{_help(name, command)}\n```\n" for name, command in all_commands()]
    return "\n".join([_HEAD, *parts])


if __name__ == "__main__":
    os.environ.pop("COLUMNS", None)
    Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
