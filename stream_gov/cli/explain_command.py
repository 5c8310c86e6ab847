"""`stream-gov monitor explain`: what a monitor can see, and how often chance sets it off, before any traffic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream_gov.cli.command_inputs import read_monitor, read_profile, read_settings
from stream_gov.cli.options import ComparedReference, StateDir
from stream_gov.cli.output import note, print_table, warning
from stream_gov.contracts import Check, ConfigurationError, Monitor, format_duration

if TYPE_CHECKING:
    from stream_gov.detection import CheckOutlook, Levels
    from stream_gov.reference import ReferenceProfile

__all__ = ["explain"]


def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Monitor file.")],
    reference: ComparedReference = None,
    events: Annotated[
        int | None,
        typer.Option(
            "--events",
            min=1,
            metavar="N",
            help="Events of a window. Default: as many as the reference has rows in that time.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    state_dir: StateDir = None,
) -> None:
    """Say what a monitor can see before there is any traffic: levels, smallest visible shifts, expected false alarms.

    Windows of all events are simulated from the reference, as dependent as its rows are, and shifted until half, or nine of ten, of them
    are called drift. Segments have smaller windows and lower levels, and see less.
    """
    from stream_gov.detection import expected_events, levels_for, outlooks_of
    from stream_gov.reference import season_mismatch

    settings = read_settings(state_dir=state_dir)
    monitor = read_monitor(file)
    named = reference or monitor.reference
    if named is None:
        msg = f"{file}: reference: the monitor names none, so nothing can be said; add one, or give --reference"
        raise ConfigurationError(msg)
    profile = read_profile(settings, named)
    mistake = season_mismatch(monitor, profile)
    if mistake:
        msg = f"{file}: season: {mistake}"
        raise ConfigurationError(msg)
    n_events = events or expected_events(monitor, profile)
    if n_events is None:
        msg = f"{profile.id} has no event times, so how many events a window will hold is not known; give --events N"
        raise ConfigurationError(msg)
    levels = levels_for(monitor, profile)
    outlooks = list(outlooks_of(monitor, profile, n_events))
    doubts = _doubts(monitor, profile, levels, outlooks)
    if as_json:
        _print_json(monitor, profile, n_events, levels, outlooks, doubts)
        return
    for line in _heading(monitor, profile, n_events, levels, outlooks):
        typer.echo(line)
    typer.echo("")
    period = format_duration(monitor.budget.per)
    print_table(
        ("column", "check", "level", f"by chance in {period}", "half of the windows show", "nine of ten show"),
        [
            (
                o.column,
                _rule(o.check),
                "" if o.level is None else f"{o.level:.2g}",
                "" if o.false_alarms is None else f"{o.false_alarms:.2g}",
                o.half or o.note,
                o.most,
            )
            for o in outlooks
        ],
    )
    delays = [
        f"{o.column} {' and '.join('not' if d is None else f'{d:g}' for d in o.delays)}" for o in outlooks if o.delays
    ]
    if delays:
        typer.echo(
            f"\ne_detector, windows until a lasting shift of 1.5 and of 2 times the tolerance is found: {', '.join(delays)}"
        )
    for doubt in doubts:
        warning(doubt)
    note("simulated: sizes are right to about a tenth")


def _rule(check: Check) -> str:
    if check.rule == "threshold":
        return f"{check.statistic} > {check.threshold:g}"
    if check.rule == "p_value":
        return f"{check.statistic} p < {check.p_value:g}"
    return f"{check.statistic} beyond {check.tolerance:g}"


def _heading(
    monitor: Monitor, profile: ReferenceProfile, n_events: int, levels: Levels, outlooks: list[CheckOutlook]
) -> list[str]:
    period, budget = format_duration(monitor.budget.per), monitor.budget.false_alarms
    by_budget = sum(o.false_alarms or 0.0 for o in outlooks if o.check.draws_on_budget)
    outside = sum(o.false_alarms or 0.0 for o in outlooks if not o.check.draws_on_budget)
    lines = [
        f"monitor {monitor.name} of model {monitor.model}, compared with {profile.id}: windows of {format_duration(monitor.window.size)} every "
        f"{format_duration(monitor.window.every_ms)}, {n_events:,} events each",
        f"budget: {budget:g} false alarms in {period}, for {levels.n_windows:g} windows of {levels.n_tests} tests"
        + (f", and as many of {levels.n_segments} segments" if levels.n_segments else "")
        + f": a level of {levels.whole:.2g} each"
        + (f" ({levels.segment:.2g} in segments)" if levels.n_segments else ""),
        f"expected false alarms in {period}, all events: at most {by_budget:.2g} of the tests within the budget"
        + (f", and {outside:.2g} of those outside it" if outside else ""),
    ]
    of_model = ", ".join(_rule(check) for check in monitor.model_checks())
    detectors = ", ".join(dict.fromkeys(d.statistic for d in monitor.detectors))
    outside_it = [
        f"of the model: {of_model}" if of_model else "",
        f"online detectors: {detectors}" if detectors else "",
    ]
    if any(outside_it):
        lines.append(f"outside the budget, and not in the table: {'; '.join(filter(None, outside_it))}")
    if monitor.alerts.open_after.windows > 1:
        lines.append(f"an alert takes {monitor.alerts.open_after.windows} windows with drift; levels count that in")
    return lines


def _doubts(monitor: Monitor, profile: ReferenceProfile, levels: Levels, outlooks: list[CheckOutlook]) -> list[str]:
    found = []
    budget = monitor.budget.false_alarms
    noisy = [o for o in outlooks if o.check.rule != "calibrated" and (o.false_alarms or 0.0) > budget]
    for o in noisy:
        found.append(
            f"{o.column}: {_rule(o.check)} fires by chance in {(o.false_alarms or 0.0) * levels.persistence / levels.n_windows:.0%} of the windows; "
            "use `tolerance`, longer windows or a larger threshold"
        )
    blind = sorted(
        {o.column for o in outlooks if not _of_quality(o)}
        - {o.column for o in outlooks if o.half and not _of_quality(o)}
    )
    if blind:
        found.append(
            f"no check sees a shift of the values of {', '.join(blind)} at this volume; use longer windows, or a larger budget"
        )
    if monitor.seasonal is not None or monitor.trailing is not None:
        found.append(
            "windows will be compared with a season or the recent past, and are compared with the whole reference here: what they see will differ"
        )
    if monitor.calibration == "long_run":
        assumed = sorted(name for name, known in profile.dependence.items() if known.assumed)
        if assumed:
            found.append(
                f"how events depend on each other is not known of {', '.join(assumed)}: five count for one independent one; build the reference from "
                "rows with event times in their order, or say `calibration: independent` if they are independent"
            )
    return found


def _of_quality(outlook: CheckOutlook) -> bool:
    return outlook.check.statistic in {"missing_share", "type_error_share", "unseen_share"}


def _print_json(
    monitor: Monitor,
    profile: ReferenceProfile,
    n_events: int,
    levels: Levels,
    outlooks: list[CheckOutlook],
    doubts: list[str],
) -> None:
    checks: list[dict[str, Any]] = [
        {
            "column": o.column,
            "kind": o.kind,
            "statistic": o.check.statistic,
            "rule": o.check.rule,
            "level": o.level,
            "expected_false_alarms": o.false_alarms,
            "half_of_windows_show": o.half or None,
            "half_value": o.half_value,
            "nine_of_ten_show": o.most or None,
            "nine_of_ten_value": o.most_value,
            "delays_at_1.5_and_2_times_the_tolerance": list(o.delays),
            "note": o.note,
        }
        for o in outlooks
    ]
    document = {
        "monitor": monitor.name,
        "reference": profile.id,
        "events_per_window": n_events,
        "budget": {"false_alarms": monitor.budget.false_alarms, "per_ms": monitor.budget.per},
        "windows": levels.n_windows,
        "tests": levels.n_tests,
        "level": levels.whole,
        "level_of_segments": levels.segment if levels.n_segments else None,
        "checks": checks,
        "warnings": doubts,
    }
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
