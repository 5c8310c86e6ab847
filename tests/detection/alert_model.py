"""The life of an alert once more, told from scratch: plain lists of everything that happened, and no message, memory or shortcut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stream_gov.contracts import AlertAction

SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True)
class ModelWindow:
    """One window: by column the verdict and how many times its bound the distance is; a column that is missing is judged no more."""

    columns: dict[str, tuple[str, float]]
    maintenance: bool = False


@dataclass(frozen=True)
class ModelCommand:
    action: AlertAction
    name: str
    until: int
    opened: int | None
    """Number of the window that had opened the alert that was open when it was given."""
    severity: str
    """Of that alert then."""


@dataclass(frozen=True)
class ModelTime:
    now: int


@dataclass
class Truth:
    """How a series stands."""

    causes: set[str] = field(default_factory=set)
    severity: str = ""
    acknowledged_by: str = ""
    snoozed_until: int | None = None
    snoozed_severity: str = ""
    opened: int | None = None
    """Number of the window that opened it."""
    n_windows: int = 0


def truth_of(
    story: Sequence[ModelWindow | ModelCommand | ModelTime],
    *,
    windows: int,
    of: int,
    resolve_after: int,
    hysteresis: float,
    begins: dict[str, float],
) -> Truth:
    """Tell how things stand at the end of a story; of each window it holds only the last revision."""
    t = Truth()
    seen: dict[str, list[str]] = {}
    """By column, while it is no cause: its verdicts since it was one last."""
    since: dict[str, list[bool]] = {}
    """By cause: whether it was over, in each window that judged it."""
    heavy: dict[str, float] = {}
    lower: list[str] = []
    """Severities of the windows since the severity was last changed or confirmed."""
    number = -1

    def severity(by: float) -> str:
        found = [next(iter(begins))] + [s for s, b in begins.items() if max(heavy[c] / by for c in t.causes) >= b]
        return max(found, key=SEVERITIES.index)

    for event in story:
        match event:
            case ModelTime(now):
                if t.snoozed_until is not None and now >= t.snoozed_until:
                    t.snoozed_until = None
            case ModelCommand(action, name, until, opened, then) if t.causes and t.opened == opened:
                if action is AlertAction.ACKNOWLEDGE:
                    t.acknowledged_by = name
                elif action is AlertAction.SNOOZE:
                    t.snoozed_until, t.snoozed_severity = until, then
                elif action is AlertAction.UNSNOOZE:
                    t.snoozed_until = None
                else:
                    for column in t.causes:
                        seen[column] = []
                    t, since, heavy, lower = Truth(), {}, {}, []
            case ModelWindow(columns, maintenance):
                number += 1
                if maintenance:
                    continue
                says, drifts = False, False
                left: set[str] = set()
                if any(verdict != "insufficient" for verdict, _ in columns.values()):
                    for column in t.causes - columns.keys():
                        says = True
                        since[column].append(True)
                        if since[column][-resolve_after:] == [True] * resolve_after:
                            left.add(column)
                    for column in seen.keys() - columns.keys() - t.causes:
                        seen[column] = []
                for column, (verdict, times) in columns.items():
                    if verdict == "insufficient":
                        continue
                    if column in t.causes:
                        says = True
                        heavy[column] = times
                        since[column].append(verdict == "stable" and times <= 1 - hysteresis)
                        drifts |= verdict == "drift"
                        if since[column][-resolve_after:] == [True] * resolve_after:
                            left.add(column)
                    else:
                        seen.setdefault(column, []).append(verdict)
                        if verdict == "drift" and seen[column][-of:].count("drift") >= windows:
                            t.causes.add(column)
                            seen[column], since[column], heavy[column] = [], [], times
                            says = drifts = True
                for column in left:
                    t.causes.discard(column)
                    seen[column] = []
                if not t.causes:
                    t, since, heavy, lower = Truth(), {}, {}, []
                    continue
                t.n_windows += drifts
                if t.opened is None:
                    t.opened, t.severity, lower = number, severity(1.0), []
                elif SEVERITIES.index(severity(1.0)) > SEVERITIES.index(t.severity):
                    t.severity, lower = severity(1.0), []
                elif says:
                    lower.append(severity(1 - hysteresis))
                    if SEVERITIES.index(lower[-1]) >= SEVERITIES.index(t.severity):
                        lower = []
                    elif len(lower) == resolve_after:
                        t.severity, lower = max(lower, key=SEVERITIES.index), []
    return t
