"""What `stream-gov reference list` prints: every revision that is kept, which monitors are compared with it, here and on the topics."""

from __future__ import annotations

import json
import time

import typer

from stream_gov.cli.command_inputs import find_broker
from stream_gov.cli.output import note, print_table, warning
from stream_gov.cli.profile_table import describe_profile
from stream_gov.cli.reference_uses import MonitorUse, read_catalog, reference_uses
from stream_gov.contracts import DataError, StreamGovError
from stream_gov.files.state_directory import StateDirectory
from stream_gov.reference import ReferenceProfile
from stream_gov.runtime.catalog import TopicCatalog
from stream_gov.settings import Settings

__all__ = ["list_lines"]


def list_lines(settings: Settings, state: StateDirectory, *, as_json: bool) -> None:
    """Print them to standard output, and what is to be looked at to standard error."""
    catalog = _catalog(settings)
    uses = reference_uses(state, catalog)
    kept = _kept_profiles(state)
    profiles = [*kept, *_only_published(catalog, uses, {p.id for p in kept})]
    if as_json:
        for profile in profiles:
            described = describe_profile(profile)
            line = {
                **described,
                "columns": [c["column"] for c in described["columns"]],
                "kept": profile in kept,
                "used_by": {
                    "kept": [u.name for u in uses if u.kept_revision == profile.id],
                    "published": [u.name for u in uses if u.published_revision == profile.id],
                },
            }
            typer.echo(json.dumps(line))
    elif profiles:
        rows = [_row(profile, uses, is_kept=profile in kept) for profile in profiles]
        headings = ("reference", "model", "version", "rows", "columns", "built", "used by", "source")
        print_table(headings, rows, right=("rows", "columns"))
    else:
        note(f"no references in {state.references}; build one with `stream-gov reference build`")
    for use in uses:
        if use.difference:
            warning(
                f"monitor {use.name}: {use.difference}; put one into force with `stream-gov reference promote NAME@REV -m {use.name}`"
            )


def _catalog(settings: Settings) -> TopicCatalog | None:
    running = find_broker(settings)
    if running is None:
        return None
    try:
        return read_catalog(running, "references")
    except StreamGovError as err:
        warning(f"only the state directory is shown: {err}")
        return None


def _kept_profiles(state: StateDirectory) -> list[ReferenceProfile]:
    profiles = []
    for profile_id in state.profile_ids():
        try:
            profiles.append(state.load_profile(profile_id))
        except DataError as err:  # one bad file does not hide the others
            warning(str(err))
    return profiles


def _only_published(catalog: TopicCatalog | None, uses: list[MonitorUse], kept: set[str]) -> list[ReferenceProfile]:
    """Revisions in force that are not in the state directory."""
    if catalog is None:
        return []
    wanted = sorted({use.published_revision for use in uses if use.published_revision is not None} - kept)
    return [profile for profile in map(catalog.profile, wanted) if profile is not None]


def _row(profile: ReferenceProfile, uses: list[MonitorUse], *, is_kept: bool) -> tuple[str, ...]:
    built = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(profile.created_ms / 1_000))
    n_columns = str(len(profile.layout.columns))
    source = profile.source if is_kept else f"{profile.source} (on the topic only)"
    used = ", ".join(filter(None, (_use(use, profile.id) for use in uses)))
    return (profile.id, profile.model, profile.version, f"{profile.n_rows:,}", n_columns, built, used, source)


def _use(use: MonitorUse, profile_id: str) -> str:
    here, there = use.kept_revision == profile_id, use.published_revision == profile_id
    if not (here or there):
        return ""
    if here and there:
        return use.name
    if use.published is None:
        return f"{use.name} (not published)"
    return f"{use.name} (in force)" if there else f"{use.name} (kept, not in force)"
