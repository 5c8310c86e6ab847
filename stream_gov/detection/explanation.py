"""Says in an alert why it is there: adds to each cause its kind, the shift in the column's own unit, histograms, and since when."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property

import msgspec

from stream_gov.contracts import Alert, AlertCause, CauseKind, Check, SegmentFinding
from stream_gov.contracts.online_detector import DETECTOR_RULE
from stream_gov.detection.check_choice import checks_of_column
from stream_gov.detection.evidence import Evidence
from stream_gov.detection.reason_memory import DriftRuns
from stream_gov.diagnosis import (
    SegmentPart,
    change_pane,
    diagnose,
    find_carrier,
    list_words,
    number_words,
    time_words,
)
from stream_gov.statistics import STATISTICS
from stream_gov.summaries import AnyColumnSummary, PaneSummary

__all__ = [
    "MAX_COLUMNS_DIAGNOSED",
    "MAX_COLUMNS_SEARCHED",
    "MAX_HISTOGRAMS",
    "explain",
]

MAX_HISTOGRAMS = 10
"""Columns of an alert with histograms, the heaviest."""
MAX_COLUMNS_DIAGNOSED = 100
"""Columns of an alert with a diagnosis, the heaviest; with the bound above it keeps a message below 200 kB."""
MAX_COLUMNS_SEARCHED = 10
"""Columns of an alert whose segments are searched, the heaviest."""
_NAMED_IN_FULL = 3
_NAMED = 5


def explain(
    event: Alert, evidence: Evidence | None, runs: DriftRuns, calm: Collection[tuple[str, str]] = frozenset()
) -> Alert:
    """Add to each cause why it is there, and say so in the message.

    Parameters
    ----------
    event
        A message about the window of the evidence. A cause that has a kind already keeps it, and its words.
    evidence
        None where there is none: then only `since_ms` is added.
    runs
        Since when each check drifts.
    calm
        Column and statistic of the causes that are stable in this window, though not over yet.

    Returns
    -------
    The message, explained, the causes of one column together. They carry its shift and histograms once, at the first of them. Beyond 10
    columns there are no histograms, beyond 100 there is no diagnosis. A message without causes stays as it is.
    """
    if not event.causes:
        return event
    since = {(column, statistic): start for column, statistic, start in runs}
    places = {column: place for place, column in enumerate(dict.fromkeys(c.column for c in event.causes))}
    causes = [
        msgspec.structs.replace(c, since_ms=since.get((c.column, c.statistic)))
        for c in sorted(event.causes, key=lambda c: places[c.column])
    ]
    if evidence is not None:
        explainer = _Explainer(event, evidence)
        causes = [explainer.explained(cause) for cause in causes]
    return msgspec.structs.replace(event, causes=causes, message=_message(event, causes, calm))


class _Explainer:
    """Explains the causes of one message, one after the other, the heaviest first."""

    def __init__(self, event: Alert, evidence: Evidence) -> None:
        self._event = event
        self._evidence = evidence
        self._places: dict[str, int] = {}
        """By column, in the order in which they come."""
        self._with_shift: set[str] = set()
        self._shown_by_window = {c.column for c in event.causes if c.rule != "sequential"}

    def explained(self, cause: AlertCause) -> AlertCause:
        if cause.rule == DETECTOR_RULE:
            return _explained_signal(cause)
        if not cause.column:
            return _explained_model_cause(cause)
        if cause.column in self._evidence.reference.covariances:
            return _explained_vectors(cause)
        reference = self._evidence.reference.columns.get(cause.column)
        window = self._evidence.window.columns.get(cause.column)
        place = self._places.setdefault(cause.column, len(self._places))
        if cause.kind or reference is None or window is None or place >= MAX_COLUMNS_DIAGNOSED:
            return cause
        is_first = cause.column not in self._with_shift
        self._with_shift.add(cause.column)
        found = diagnose(reference, window, statistic=cause.statistic)
        is_heavy = place < MAX_COLUMNS_SEARCHED
        carrier = self._carrier(cause, reference, window) if is_heavy else None
        kind, description = found.kind, found.description
        if carrier is not None:
            kind, description = CauseKind.SEGMENT_ONLY, f"only in {carrier[0].segment}: {carrier[1]}"
        if cause.rule == "sequential" and cause.since_ms is not None and cause.column not in self._shown_by_window:
            # no single window shows it, so what this one shows is not all there is to say
            description = f"lasting shift since {time_words(cause.since_ms)}, in this window {description}"
        return msgspec.structs.replace(
            cause,
            kind=kind.value,
            description=description,
            mapping=found.mapping if carrier is None else None,
            carrier=carrier[0] if carrier is not None else None,
            shift=found.shift if is_first else None,
            histogram=found.histogram if is_first and place < MAX_HISTOGRAMS else None,
            change_ms=self._change_time(cause, reference) if is_heavy else None,
        )

    # --- segments ----------------------------------------------------------------------------------------------------------------

    def _carrier(
        self, cause: AlertCause, reference: AnyColumnSummary, window: AnyColumnSummary
    ) -> tuple[SegmentFinding, str] | None:
        check, statistic = self._check_of(cause), STATISTICS.get(cause.statistic)
        if check is None or statistic is None or statistic.scope != "column":
            return None  # also of what no single window shows, such as the e-detector's shifts
        profile, monitor = self._evidence.profile, self._evidence.monitor
        parts = [
            SegmentPart(name, definition, before.columns[cause.column], inside.columns[cause.column])
            for name, definition, before, inside in self._segments
        ]
        return find_carrier(
            cause.statistic,
            check,
            reference,
            window,
            parts,
            min_events=monitor.min_events,
            level=cause.level,
            dependence=profile.dependence.get(cause.column) if monitor.calibration == "long_run" else None,
        )

    def _check_of(self, cause: AlertCause) -> Check | None:
        derivation = self._evidence.profile.layout.derived.get(cause.column)
        checks = checks_of_column(self._evidence.monitor, cause.column, derivation)
        return next((c for c in checks if c.statistic == cause.statistic), None)

    @cached_property
    def _segments(self) -> list[tuple[str, tuple[str, ...], PaneSummary, PaneSummary]]:
        known = self._evidence.profile.segments
        if self._evidence.reference is not known.get(""):
            return []  # of slots of a season, and of the recent past, what the segments had is not known
        definitions = self._evidence.monitor.segments
        return [
            (name, _definition_of(name, definitions), known[name], inside)
            for name, inside in self._evidence.segments()
            if name in known
        ]

    # --- time --------------------------------------------------------------------------------------------------------------------

    def _change_time(self, cause: AlertCause, reference: AnyColumnSummary) -> int | None:
        """Start of the pane with which the drift begins, in the first window of its run."""
        if cause.since_ms != self._event.window_start_ms:
            return None
        columns = [pane.columns[cause.column] for _, pane in self._panes]
        split = change_pane(reference, columns, statistic=cause.statistic)
        return None if split is None else self._panes[split][0]

    @cached_property
    def _panes(self) -> Sequence[tuple[int, PaneSummary]]:
        return self._evidence.panes()


def _explained_signal(cause: AlertCause) -> AlertCause:
    """Say what signalled; a detector compares with what came before and not with the reference, so neither does this."""
    if cause.kind:
        return cause
    value = number_words(cause.value)
    more = "" if cause.n_window == 1 else "s"
    words = f"change signalled by {cause.statistic}, now {value} ({cause.n_window} pane value{more} after {cause.n_reference})"
    return msgspec.structs.replace(cause, kind=CauseKind.SERIES_CHANGE.value, description=words)


def _explained_vectors(cause: AlertCause) -> AlertCause:
    words = f"vectors {number_words(cause.value)} of the reference's spreads away"
    return (
        cause
        if cause.kind
        else msgspec.structs.replace(cause, kind=CauseKind.POPULATION_DRIFT.value, description=words)
    )


def _explained_model_cause(cause: AlertCause) -> AlertCause:
    kind = {"new_columns": CauseKind.NEW_COLUMN, "missing_columns": CauseKind.LOST_COLUMN}.get(
        cause.statistic, CauseKind.MODEL_CHANGE
    )
    words = cause.detail or f"{cause.statistic} {number_words(cause.value)}"
    return msgspec.structs.replace(cause, kind=kind.value, description=words)


def _definition_of(name: str, definitions: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Columns of a segment by its name, such as `region=NSW,device=web`: the longest definition that it may be of."""
    fitting = [
        d for d in definitions if re.fullmatch(",".join(f"{re.escape(column)}=.*" for column in d), name, re.DOTALL)
    ]
    return max(fitting, key=len, default=())


# --- words ---------------------------------------------------------------------------------------------------------------------------


def _message(event: Alert, causes: Sequence[AlertCause], calm: Collection[tuple[str, str]]) -> str:
    """Say of the heaviest columns what happened to them, of the others their names.

    Such as `shop: amount: unit change x1000 (mean 12.5 -> 12,500); country: new category 'UK' 12 %; 400 events against 14,941`.
    """
    where = event.model + (f" [{event.segment}]" if event.segment else "")
    words: dict[str, list[str]] = {}
    for cause in causes:
        of_column = words.setdefault(cause.column, [])
        if cause.description and cause.description not in of_column:
            of_column.append(cause.description)
    if not any(words.values()):
        return event.message
    loud = {c.column for c in causes if (c.column, c.statistic) not in calm}
    for column in words.keys() - loud:
        words[column].append("stable but not yet over")
    in_full = list(words)[:_NAMED_IN_FULL]
    parts = [f"{column}: {', '.join(words[column])}" if column else ", ".join(words[column]) for column in in_full]
    others = list(words)[_NAMED_IN_FULL:]
    if others:
        names = [column or ", ".join(words[column]) for column in others]
        parts.append(f"drift in {list_words(names, most=_NAMED)}")
    counted = next((c for c in causes if c.rule != DETECTOR_RULE), None)
    if counted is not None:
        parts.append(f"{counted.n_window} events against {counted.n_reference}")
    return f"{where}: {'; '.join(parts)}"
