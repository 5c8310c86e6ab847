"""`stream-gov reference diff`: two references column by column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from stream_gov.cli.command_inputs import read_profile, read_settings
from stream_gov.cli.options import AsJson, StateDir
from stream_gov.cli.output import note, print_table

if TYPE_CHECKING:
    from stream_gov.reference import ProfileDiff

__all__ = ["diff"]

_DIFFERENT = 1


def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A", help="A reference, NAME[@REV], its newest revision if none is given; or a .sgref file."
        ),
    ],
    after: Annotated[str, typer.Argument(metavar="B", help="Another one, which is compared with it.")],
    as_json: AsJson = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 if they differ in anything, with 0 if not.")
    ] = False,
    state_dir: StateDir = None,
) -> None:
    """Compare two references column by column, those that differ most first.

    The distance is the population stability index, in the groups of cells of A (of categories: in those that both can tell apart), ks the largest difference of the distribution functions. A ~ marks a distance for which shares of B had to be estimated, since its cells are others. It is no test and no gate: the exit code is 0 whatever differs, unless --exit-code is given.
    """
    from stream_gov.cli.diff_table import describe_diff
    from stream_gov.reference import diff_profiles

    settings = read_settings(state_dir=state_dir)
    found = diff_profiles(read_profile(settings, before), read_profile(settings, after))
    if as_json:
        typer.echo(json.dumps(describe_diff(found), indent=2, ensure_ascii=False))
    else:
        _print(found)
    if exit_code and not found.is_empty:
        raise typer.Exit(_DIFFERENT)


def _print(found: ProfileDiff) -> None:
    from stream_gov.cli.diff_table import diff_rows, heading_lines

    for line in heading_lines(found):
        typer.echo(line)
    typer.echo("")
    headings = ("column", "distance", "ks", "mean", "sd", "missing", "A", "B", "what else")
    print_table(headings, list(diff_rows(found)), right=("distance", "ks"))
    for line in _closing_lines(found):
        note(line)


def _closing_lines(found: ProfileDiff) -> Iterator[str]:
    if found.is_empty:
        yield "they differ in nothing that a window is compared with"
    if any(c.approximate for c in found.columns):
        yield "~: the cells differ, so shares of B in the cells of A are estimated from its sketch (within 1.33 % of rank), and rare categories are one group"
