"""Share of the columns that drift: one verdict of the whole model from the verdicts of its columns."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stream_gov.contracts import Verdict

__all__ = ["LEAST_JUDGED", "DriftedColumns", "drifted_columns", "drifted_share"]

LEAST_JUDGED = 0.5
"""Share of the columns that must have been judged. With fewer the verdict would be that of a minority: a window in which most columns are
too thin to judge must not be called stable, and the few that could be judged say little of the others."""


@dataclass(frozen=True, slots=True)
class DriftedColumns:
    """Which columns of a window drift."""

    n_columns: int
    """Columns that at least one check applies to."""
    n_judged: int
    """Of them, those that at least one check called stable or drift."""
    names: tuple[str, ...]
    """Of them, those that at least one check called drift, sorted."""

    @property
    def share(self) -> float:
        """Drifting columns over judged ones, in `[0, 1]`; `nan` where none was judged."""
        return len(self.names) / self.n_judged if self.n_judged else math.nan

    @property
    def why_insufficient(self) -> str:
        """Why the share says nothing of the model, in words; empty where it does."""
        if not self.n_columns:
            return "no check applies to a column"
        if self.n_judged < LEAST_JUDGED * self.n_columns:
            return f"{self.n_judged} of {self.n_columns} columns could be judged, fewer than half"
        return ""


def drifted_columns(columns: Collection[str], verdicts: Mapping[str, Collection[Verdict]]) -> DriftedColumns:
    """Count the columns that drift.

    Parameters
    ----------
    columns
        Names of those that at least one check applies to.
    verdicts
        Of each column, by every check that applies to it; a column left out was not judged.

    Examples
    --------
    >>> found = drifted_columns("abcd", {"a": ["drift", "stable"], "b": ["stable"], "c": ["insufficient", "stable"], "d": ["insufficient"]})
    >>> found.names, found.n_judged, found.n_columns, round(found.share, 4)
    (('a',), 3, 4, 0.3333)
    """
    judged = [name for name in columns if any(v != Verdict.INSUFFICIENT for v in verdicts.get(name, ()))]
    drifting = sorted(name for name in judged if Verdict.DRIFT in verdicts[name])
    return DriftedColumns(len(columns), len(judged), tuple(drifting))


def drifted_share(columns: Collection[str], verdicts: Mapping[str, Collection[Verdict]]) -> float:
    """Share of the drifting columns among those judged, in `[0, 1]`; `nan` if fewer than half of the columns were judged.

    Parameters
    ----------
    columns, verdicts
        As for :func:`drifted_columns`.

    Examples
    --------
    >>> drifted_share("abc", {"a": ["drift"], "b": ["stable"]})
    0.5
    >>> drifted_share("abcde", {"a": ["drift"], "b": ["stable"]})
    nan
    """
    found = drifted_columns(columns, verdicts)
    return math.nan if found.why_insufficient else found.share
