"""A reference profile in words and numbers: what `reference show` prints."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from stream_gov.cli.histogram import bars, of_numbers
from stream_gov.cli.season_table import describe_season, season_lines
from stream_gov.reference import ReferenceProfile
from stream_gov.summaries import CategoricalLayout, ColumnSketch, Derivation, NumericSummary, TextDerivation

__all__ = [
    "describe_columns",
    "describe_derivation",
    "describe_profile",
    "heading_lines",
    "number",
    "share",
    "table_rows",
    "time_text",
]

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_CATEGORIES_SHOWN = 4
_BARS_SHOWN = 16


def describe_profile(profile: ReferenceProfile) -> dict[str, Any]:
    """Everything about a profile as plain data, for `--json`."""
    return {
        "id": profile.id,
        "name": profile.name,
        "revision": profile.revision,
        "model": profile.model,
        "version": profile.version,
        "rows": profile.n_rows,
        "source": profile.source,
        "data_hash": profile.data_hash,
        "created_ms": profile.created_ms,
        "first_ms": profile.first_ms,
        "last_ms": profile.last_ms,
        "stream_gov_version": profile.stream_gov_version,
        "segments": sorted(profile.known_segments),
        "season": describe_season(profile),
        "columns": describe_columns(profile),
        "derived": [describe_derivation(derivation) for derivation in profile.layout.derivations],
        "ignored": profile.ignored,
        "warnings": list(profile.warnings),
    }


def describe_derivation(derivation: Derivation) -> dict[str, Any]:
    """Say as plain data what columns are derived from, and how."""
    if isinstance(derivation, TextDerivation):
        how: dict[str, Any] = {"words": int(derivation.vocabulary.size)}
    else:
        how = {"dimension": derivation.dimension, "projections": derivation.k, "seed": derivation.seed}
    return {"source": derivation.source, "kind": derivation.kind, **how, "columns": list(derivation.columns)}


def describe_columns(profile: ReferenceProfile) -> list[dict[str, Any]]:
    """Each column as plain data: kind, type, missing values, moments, quantiles or categories."""
    described = []
    for name, summary in profile.segments[""].columns.items():
        layout = profile.layout.columns[name]
        sketch = profile.sketches.get(name)
        n = max(summary.n, 1)
        column: dict[str, Any] = {
            "column": name,
            "kind": summary.kind,
            "type": layout.dtype,
            "valid": summary.n_valid,
            "missing_share": summary.n_missing / n,
            "type_error_share": summary.n_type_errors / n,
        }
        if isinstance(summary, NumericSummary):
            column |= {
                "mean": _finite(summary.mean()),
                "sd": _finite(summary.standard_deviation()),
                "minimum": _finite(summary.minimum),
                "maximum": _finite(summary.maximum),
                "atoms": [float(a) for a in summary.layout.atoms],
            }
            if sketch is not None and sketch.n_numbers:
                column["quantiles"] = {f"{q:g}": sketch.quantile(q) for q in _QUANTILES}
        else:
            known = layout.categories if isinstance(layout, CategoricalLayout) else ("false", "true")
            counts = summary.cell_counts().tolist()
            column["categories"] = {category: int(c) for category, c in zip(known, counts, strict=False)}
            if isinstance(layout, CategoricalLayout):
                column["other"] = int(counts[-1])
        described.append(column)
    return described


def table_rows(profile: ReferenceProfile) -> list[tuple[str, ...]]:
    """Rows for the table on a terminal: column, kind, type, missing, mean, sd, quantiles or categories, histogram."""
    rows: list[tuple[str, ...]] = []
    for column in describe_columns(profile):
        if column["kind"] == "numeric":
            quantiles = column.get("quantiles", {})
            values = " | ".join(
                f"{v:.4g}" for v in (column["minimum"], *quantiles.values(), column["maximum"]) if v is not None
            )
            shape = of_numbers(profile.sketches.get(column["column"], ColumnSketch()))
        else:
            values, shape = _categories(column)
        rows.append(
            (
                column["column"],
                column["kind"],
                column["type"],
                share(column["missing_share"]),
                number(column.get("mean")),
                number(column.get("sd")),
                shape,
                values,
            )
        )
    return rows


def heading_lines(profile: ReferenceProfile) -> Iterable[str]:
    """What stands above the table."""
    version = f", version {profile.version}" if profile.version else ""
    yield f"{profile.id}: model {profile.model}{version}, {profile.n_rows:,} rows from {profile.source}"
    if profile.first_ms is not None and profile.last_ms is not None:
        yield f"event times {time_text(profile.first_ms)} to {time_text(profile.last_ms)}"
    yield f"built {time_text(profile.created_ms)} by stream-gov {profile.stream_gov_version}; data hash {profile.data_hash}"
    yield from season_lines(profile)
    if profile.known_segments:
        shown = sorted(profile.known_segments)
        more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
        yield f"segments: {', '.join(shown[:8])}{more}"
    yield from map(_derivation_line, profile.layout.derivations)


def _derivation_line(derivation: Derivation) -> str:
    names = derivation.columns
    if isinstance(derivation, TextDerivation):
        return f"{derivation.source}: text, {derivation.vocabulary.size:,} frequent words known; watched by {names[0]} to {names[-1]}"
    what = f"vector of {derivation.dimension:,} numbers, projected to {derivation.k}"
    return f"{derivation.source}: {what}; watched by {names[0]} and {names[1]} to {names[-1]}"


def _categories(column: dict[str, Any]) -> tuple[str, str]:
    counts: dict[str, int] = column["categories"]
    total = max(sum(counts.values()) + column.get("other", 0), 1)
    shown = [f"{name} {share(count / total)}" for name, count in list(counts.items())[:_CATEGORIES_SHOWN]]
    rest = len(counts) - _CATEGORIES_SHOWN
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else ""), bars(list(counts.values())[:_BARS_SHOWN])


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def share(part: float) -> str:
    """Write a share, in `[0, 1]`, in per cent."""
    if 0 < part < 0.0005:
        return "<0.1%"
    return "0" if part == 0 else f"{part:.1%}"


def number(value: float | None) -> str:
    """Write a number in four digits; nothing for None."""
    return "" if value is None else f"{value:.4g}"


def time_text(time_ms: int) -> str:
    """Write a time, epoch milliseconds, in UTC."""
    return f"{datetime.fromtimestamp(time_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S}Z"
