"""The season of a reference for people: its emptiest slots, and the cycle of each column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from stream_gov.cli.histogram import curve
from stream_gov.contracts import Season
from stream_gov.reference import ReferenceProfile
from stream_gov.summaries import AnyColumnSummary, BooleanSummary, CategoricalSummary, NumericSummary

__all__ = ["cycle_rows", "describe_season", "season_lines"]

_EMPTIEST_SHOWN = 3
_WIDEST = 56
"""Characters of a cycle: of the 168 hours of a week three share one."""


def describe_season(profile: ReferenceProfile) -> dict[str, Any] | None:
    """Season, slots and cycles as plain data, for `--json`; None without a season."""
    if profile.season is None or profile.slots is None:
        return None
    rows = profile.slots.rows("")
    return {
        "kind": profile.season.kind,
        "timezone": profile.season.timezone,
        "rows": [rows.get(slot, 0) for slot in range(profile.season.n_slots)],
        "segments": sorted(segment for segment in profile.slots.segments if segment),
        "cycles": {name: {"of": what, "values": values} for name, what, values in _cycles(profile, profile.season)},
    }


def season_lines(profile: ReferenceProfile) -> Iterable[str]:
    """What stands above the table of a reference: the season, and the slots with the fewest rows."""
    if profile.season is None or profile.slots is None:
        return
    season, rows = profile.season, profile.slots.rows("")
    emptiest = sorted(range(season.n_slots), key=lambda slot: (rows.get(slot, 0), slot))[:_EMPTIEST_SHOWN]
    named = ", ".join(f"{season.name_of(slot)} ({rows.get(slot, 0):,} rows)" for slot in emptiest)
    yield f"season {season.kind}, time zone {season.timezone}: {season.n_slots} slots, the emptiest {named}"


def cycle_rows(profile: ReferenceProfile) -> list[tuple[str, str, str, str]]:
    """Rows for the table of cycles: column, what is drawn, its least and largest value, and its curve over the slots."""
    if profile.season is None or profile.slots is None:
        return []
    rows = profile.slots.rows("")
    counts = [float(rows.get(slot, 0)) for slot in range(profile.season.n_slots)]
    table = [("", "rows", _range(counts), _curve(counts))]
    for name, what, values in _cycles(profile, profile.season):
        table.append((name, what, _range(values), _curve(values)))
    return table


def _cycles(profile: ReferenceProfile, season: Season) -> Iterable[tuple[str, str, list[float | None]]]:
    if profile.slots is None:
        return
    present = sorted(profile.slots.rows(""))
    panes = dict(zip(present, profile.slots.summaries("", present), strict=True))
    for name, whole in profile.segments[""].columns.items():
        values: list[float | None] = []
        for slot in range(season.n_slots):
            column = panes[slot].columns[name] if slot in panes else None
            values.append(_typical(column) if column is not None and column.n_valid else None)
        yield name, _what(whole), values


def _typical(column: AnyColumnSummary) -> float:
    if isinstance(column, NumericSummary):
        return column.mean()
    if isinstance(column, BooleanSummary):
        return column.n_true / column.n_valid
    return float(column.cell_counts()[0]) / column.n_valid


def _what(column: AnyColumnSummary) -> str:
    if isinstance(column, NumericSummary):
        return "mean"
    if isinstance(column, CategoricalSummary) and column.layout.categories:
        return f"share of {column.layout.categories[0]}"
    return "share of true" if isinstance(column, BooleanSummary) else "share of unseen"


def _range(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{min(known):.4g} to {max(known):.4g}" if known else ""


def _curve(values: Sequence[float | None]) -> str:
    joined = -(-len(values) // _WIDEST)
    parts = [[v for v in values[i : i + joined] if v is not None] for i in range(0, len(values), joined)]
    return curve([sum(part) / len(part) if part else None for part in parts])
