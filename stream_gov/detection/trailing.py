"""The recent past of a series, merged into steps, for windows that are compared with it.

A pane is in exactly one place: among the panes of the series while a window that holds it may still change, and in a step after that. So the stretch
that a window is compared with is the sum of both, and late events are in it as soon as they are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stream_gov.summaries import PaneLayout, PaneSummary

__all__ = ["MAX_STRETCHES", "StepKey", "Trail", "TrailStep"]

StepKey = tuple[int, int, str]
"""Start, length (both in milliseconds), profile."""

MAX_STRETCHES = 16
"""Stretches of time kept apart in which a series was watched: of live time, and of replays of older times. Beyond it the oldest are forgotten."""

_encoder = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class TrailStep:
    """Events of one step that can no longer change."""

    n_events: int
    summary: bytes

    def to_state(self) -> list[Any]:
        """Plain data, for packing."""
        return [self.n_events, self.summary]


@dataclass(slots=True)
class _Stretch:
    """Time in which a series was watched without a break."""

    start_ms: int
    end_ms: int | None = None
    """None: up to the next stretch, or up to now."""
    replayed: bool = False
    """A replay that is not over has reached it."""


@dataclass(slots=True)
class Trail:
    """What is kept of the past of a series.

    Notes
    -----
    Bound: as many steps as the monitor's trailing reference spans, and two; see `TrailingConfig`.
    """

    steps: dict[StepKey, TrailStep] = field(default_factory=dict)
    """Kept under keys of their own."""
    watched: dict[str, list[_Stretch]] = field(default_factory=dict)
    """By profile, in the order of their starts: without it nobody could tell a silence from a time before the series was watched."""

    def watch(self, profile: str, time_ms: int, *, every_ms: int, step_ms: int, replayed: bool) -> bool:
        """Note that events of a time were counted for a profile; True if this begins, continues or widens a stretch.

        Parameters
        ----------
        replayed
            A replay of the model is not over.
        """
        stretches = self.watched.setdefault(profile, [])
        i = sum(stretch.start_ms <= time_ms for stretch in stretches)
        begins = time_ms // every_ms * every_ms
        if i:
            end = stretches[i - 1].end_ms
            if end is None or time_ms <= end:
                return False
            if time_ms - end <= step_ms:
                stretches[i - 1].end_ms = None
                return True
        if i < len(stretches) and (stretches[i].replayed is replayed or stretches[i].start_ms - time_ms <= step_ms):
            stretches[
                i
            ].start_ms = begins  # of another source partition, say: no window of the time between has closed yet
        else:
            stretches.insert(i, _Stretch(begins, replayed=replayed))
            del stretches[:-MAX_STRETCHES]
        return True

    def covers(self, profile: str, start_ms: int, end_ms: int) -> bool:
        """Tell whether the series was watched all the time from `start_ms` to `end_ms`."""
        found = self._stretch_before(profile, end_ms)
        return found is not None and found.start_ms <= start_ms and (found.end_ms is None or end_ms <= found.end_ms)

    def begins(self, profile: str, end_ms: int) -> int | None:
        """Since when the series was watched, at a time; None: never before."""
        found = self._stretch_before(profile, end_ms)
        return None if found is None else found.start_ms

    def _stretch_before(self, profile: str, time_ms: int) -> _Stretch | None:
        return next((s for s in reversed(self.watched.get(profile, [])) if s.start_ms < time_ms), None)

    def fold(
        self, start_ms: int, length_ms: int, profile: str, summary: PaneSummary, *, step_ms: int
    ) -> StepKey | None:
        """Merge a pane that can no longer change into its step; None where it fits into none, being longer than a step."""
        begins = start_ms // step_ms * step_ms
        if start_ms + length_ms > begins + step_ms:
            return None
        key = begins, step_ms, profile
        known = self.steps.get(key)
        if known is not None:
            summary = PaneSummary.from_bytes(known.summary, summary.layout).merge(summary)
        self.steps[key] = TrailStep(summary.n_events, summary.to_bytes())
        return key

    def merged(
        self, profile: str, layout: PaneLayout, start_ms: int, end_ms: int, panes: Iterable[PaneSummary]
    ) -> PaneSummary:
        """Merge the steps that lie in a stretch with panes that are in no step yet."""
        kept = [
            PaneSummary.from_bytes(self.steps[key].summary, layout)
            for key in sorted(self.steps)
            if key[2] == profile and start_ms <= key[0] and key[0] + key[1] <= end_ms
        ]
        return PaneSummary.merge_all([*kept, *panes], layout)

    def forget_before(self, time_ms: int) -> tuple[list[StepKey], bool]:
        """Forget what ended at or before a time; return the steps that are gone, and whether stretches are."""
        gone = [key for key in self.steps if key[0] + key[1] <= time_ms]
        for key in gone:
            del self.steps[key]
        before = sum(len(stretches) for stretches in self.watched.values())
        for stretches in self.watched.values():
            # one that a later one has followed, or that was ended
            last = sum(stretch.start_ms <= time_ms for stretch in stretches) - 1
            del stretches[: max(last, 0)]
            if stretches and stretches[0].end_ms is not None and stretches[0].end_ms <= time_ms:
                del stretches[0]
        self.watched = {profile: stretches for profile, stretches in self.watched.items() if stretches}
        return gone, sum(len(stretches) for stretches in self.watched.values()) != before

    def rewind(self, from_ms: int, until_ms: int, *, kept_from_ms: int) -> list[StepKey]:
        """Take back what lies in a time that is replayed; return the steps that are gone: all that overlap it.

        Parameters
        ----------
        kept_from_ms
            Steps before it may have been forgotten, so what is replayed cannot be compared with them.
        """
        gone = [key for key in self.steps if key[0] <= until_ms and from_ms < key[0] + key[1]]
        for key in gone:
            del self.steps[key]
        for profile, stretches in self.watched.items():
            kept: list[_Stretch] = []
            for stretch in stretches:
                stretch.start_ms = max(stretch.start_ms, kept_from_ms)
                if stretch.end_ms is not None and stretch.end_ms <= stretch.start_ms:
                    continue
                outside = stretch.start_ms > until_ms or (stretch.end_ms is not None and stretch.end_ms < from_ms)
                if outside or stretch.start_ms < from_ms:
                    kept.append(stretch if outside else _Stretch(stretch.start_ms, replayed=True))
                if not outside and stretch.end_ms is None:  # live time goes on behind what is replayed
                    kept.append(_Stretch(until_ms + 1))
            self.watched[profile] = kept
        return gone

    def resume(self, replayed_to_ms: int, now_ms: int, *, step_ms: int) -> bool:
        """End a replay that came as far as `replayed_to_ms`: join it to live time, or keep it apart where time is missing between them."""
        changed = False
        for stretches in self.watched.values():
            for i in reversed(range(len(stretches))):
                mine = stretches[i]
                if not mine.replayed:
                    continue
                mine.replayed = False
                changed = True
                is_last = i + 1 == len(stretches)
                if (now_ms if is_last else stretches[i + 1].start_ms) - replayed_to_ms > step_ms:
                    mine.end_ms = replayed_to_ms
                elif not is_last:
                    mine.end_ms = stretches.pop(i + 1).end_ms
        return changed

    def to_bytes(self, state_format: int) -> bytes:
        """Pack all but the steps."""
        watched = [
            [profile, [[s.start_ms, s.end_ms, s.replayed] for s in stretches]]
            for profile, stretches in sorted(self.watched.items())
        ]
        return _encoder.encode([state_format, watched])

    def step_bytes(self, key: StepKey, state_format: int) -> bytes:
        """Pack one step."""
        return _encoder.encode([state_format, *self.steps[key].to_state()])

    @staticmethod
    def watched_from_state(state: list[Any]) -> dict[str, list[_Stretch]]:
        """Read what :meth:`to_bytes` packed, but for the format."""
        (watched,) = state
        return {profile: [_Stretch(*stretch) for stretch in stretches] for profile, stretches in watched}
