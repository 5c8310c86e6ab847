"""What goes to standard output (data) and to standard error (everything said about it); colour only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

__all__ = ["error", "for_people", "note", "print_table", "warning"]


def for_people() -> bool:
    """Whether standard output is a terminal, so that colour and wrapping serve."""
    return sys.stdout.isatty()


def note(text: str) -> None:
    """Say something about what is going on."""
    typer.echo(text, err=True)


def warning(text: str) -> None:
    """Say something that the user should look at."""
    typer.echo(f"{typer.style('warning:', fg='yellow', bold=True)} {text}", err=True)


def error(text: str, *, prefix: str = "error: ") -> None:
    """Say what went wrong."""
    typer.echo(f"{typer.style(prefix, fg='red', bold=True) if prefix else ''}{text}", err=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """Print a table to standard output: wrapped to the terminal, or aligned and never cut where another program reads it.

    Parameters
    ----------
    columns
        Headings.
    rows
        Cells, as many in each as there are headings.
    right
        Headings of columns of numbers, which are set to the right.
    """
    if for_people():
        _print_wrapped(columns, rows, right)
        return
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = (
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(columns, row, widths, strict=True)
        )
        typer.echo("  ".join(cells).rstrip())


def _print_wrapped(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text.from_ansi(cell) for cell in row))
    Console().print(table)
