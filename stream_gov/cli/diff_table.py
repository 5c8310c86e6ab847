"""The difference of two references in words and numbers: what `reference diff` prints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from stream_gov.cli.histogram import bars
from stream_gov.cli.profile_table import number, share, time_text
from stream_gov.reference import ColumnDiff, ProfileDiff, ReferenceProfile

__all__ = ["describe_diff", "diff_rows", "heading_lines"]

_CATEGORIES_SHOWN = 3
_SEGMENTS_SHOWN = 8


def describe_diff(diff: ProfileDiff) -> dict[str, Any]:
    """Everything about a difference as plain data, for `--json`."""
    return {
        "before": _profile(diff.before),
        "after": _profile(diff.after),
        "same_data": diff.same_data,
        "differs": not diff.is_empty,
        "new_segments": list(diff.new_segments),
        "gone_segments": list(diff.gone_segments),
        "columns": [_column(column) for column in diff.columns],
    }


def _profile(profile: ReferenceProfile) -> dict[str, Any]:
    return {
        "id": profile.id,
        "model": profile.model,
        "version": profile.version,
        "rows": profile.n_rows,
        "source": profile.source,
        "data_hash": profile.data_hash,
        "first_ms": profile.first_ms,
        "last_ms": profile.last_ms,
    }


def _column(column: ColumnDiff) -> dict[str, Any]:
    described: dict[str, Any] = {
        "column": column.column,
        "in": "both" if column.before and column.after else "before" if column.before else "after",
        "type_changed": column.type_changed,
        "same_cells": column.same_cells,
        "distance": _finite(column.distance),
        "ks": _finite(column.ks),
        "approximate": column.approximate,
        "new_categories": column.new_categories,
        "gone_categories": column.gone_categories,
        "bins": list(column.bins),
    }
    for side, facts, histogram in (
        ("before", column.before, column.histogram_before),
        ("after", column.after, column.histogram_after),
    ):
        described[side] = facts and {
            "kind": facts.kind,
            "type": facts.dtype,
            "valid": facts.valid,
            "missing_share": facts.missing_share,
            "type_error_share": facts.type_error_share,
            "mean": _finite(facts.mean),
            "sd": _finite(facts.sd),
            "histogram": list(histogram),
        }
    return described


def heading_lines(diff: ProfileDiff) -> Iterator[str]:
    """What stands above the table."""
    for letter, profile in (("A", diff.before), ("B", diff.after)):
        span = ""
        if profile.first_ms is not None and profile.last_ms is not None:
            span = f", event times {time_text(profile.first_ms)} to {time_text(profile.last_ms)}"
        version = f", version {profile.version}" if profile.version else ""
        yield f"{letter}  {profile.id}: model {profile.model}{version}, {profile.n_rows:,} rows from {profile.source}{span}"
    equal = "equal: the same values in the same order" if diff.same_data else "different"
    yield f"data hashes {diff.before.data_hash} and {diff.after.data_hash}: {equal}"
    for what, names in (("only in A", diff.gone_segments), ("only in B", diff.new_segments)):
        if names:
            more = f" and {len(names) - _SEGMENTS_SHOWN} more" if len(names) > _SEGMENTS_SHOWN else ""
            yield f"segments {what}: {', '.join(names[:_SEGMENTS_SHOWN])}{more}"


def diff_rows(diff: ProfileDiff) -> Iterator[tuple[str, ...]]:
    """Rows of the table: column, distance, ks, mean, sd, missing, both histograms, and what else is to be said."""
    for column in diff.columns:
        before, after = column.before, column.after
        if before is None or after is None:
            yield (column.column, *[""] * 7, "only in A" if after is None else "only in B")
            continue
        near = "~" if column.approximate else ""
        yield (
            column.column,
            f"{near}{column.distance:.4f}" if column.is_comparable else "",
            f"{near}{column.ks:.3f}" if math.isfinite(column.ks) else "",
            _change(number(_finite(before.mean)), number(_finite(after.mean))),
            _change(number(_finite(before.sd)), number(_finite(after.sd))),
            _change(share(before.missing_share), share(after.missing_share)),
            bars(column.histogram_before),
            bars(column.histogram_after),
            "; ".join(_remarks(column)),
        )


def _change(before: str, after: str) -> str:
    return before if before == after else f"{before or '-'} -> {after or '-'}"


def _remarks(column: ColumnDiff) -> Iterator[str]:
    before, after = column.before, column.after
    if before is None or after is None:
        return
    if column.type_changed:
        yield f"type: {before.kind} ({before.dtype}) -> {after.kind} ({after.dtype})"
    elif not column.is_comparable:
        yield "no values in " + ("A" if not before.valid else "B")
    if before.type_error_share or after.type_error_share:
        yield f"wrong types {_change(share(before.type_error_share), share(after.type_error_share))}"
    for what, categories in (("new", column.new_categories), ("gone", column.gone_categories)):
        if categories:
            yield f"{what}: {_named(categories)}"


def _named(categories: Mapping[str, float]) -> str:
    shown = ", ".join(f"{name} {share(part)}" for name, part in list(categories.items())[:_CATEGORIES_SHOWN])
    rest = len(categories) - _CATEGORIES_SHOWN
    return shown + (f" and {rest} more" if rest > 0 else "")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
