"""Random lives of alerts, held against a model that tells them from scratch (`alert_model`), and against what everyone may rely on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.contracts import (
    Alert,
    AlertAction,
    AlertChange,
    AlertCommandRecord,
    AlertPolicy,
    AlertStatus,
    Monitor,
    OpenAfter,
    Result,
    Verdict,
    alert_event_id,
)
from stream_gov.detection.alert_driver import judge_alert, obey_command, wake_alert
from stream_gov.detection.state import Series
from tests.detection.alert_model import ModelCommand, ModelTime, ModelWindow, Truth, truth_of
from tests.detection.test_alert_lifecycle import DAY, result

COLUMNS = ("a", "b", "c")
BOUND = 0.2
# Times the bound: over, in the hysteresis of the bound, beyond it, in the hysteresis of `critical`, beyond that.
VERDICTS = [
    ("stable", 0.3),
    ("stable", 0.9),
    ("stable", 0.95),
    ("drift", 1.5),
    ("drift", 2.8),
    ("drift", 3.2),
    ("drift", 7.0),
    ("insufficient", 1.0),
]

windows = st.builds(
    ModelWindow,
    st.dictionaries(st.sampled_from(COLUMNS), st.sampled_from(VERDICTS), min_size=1),
    st.sampled_from([False] * 9 + [True]),
)
# ("window", window), ("again", window): late events have changed the newest one; ("say", action, name, days, repeated): a command
steps = st.lists(
    st.one_of(
        st.tuples(st.just("window"), windows),
        st.tuples(st.just("window"), windows),
        st.tuples(st.just("again"), windows),
        st.tuples(
            st.just("say"),
            st.sampled_from(list(AlertAction)),
            st.sampled_from(["anna", "ben"]),
            st.integers(1, 6),
            st.booleans(),
        ),
        st.tuples(st.just("restart")),
    ),
    max_size=30,
)
policies = st.builds(
    lambda windows, more, **rest: AlertPolicy(open_after=OpenAfter(windows=windows, of=windows + more), **rest),
    windows=st.integers(1, 3),
    more=st.integers(0, 2),
    resolve_after=st.integers(1, 3),
    hysteresis=st.sampled_from([0.0, 0.1, 0.5]),
    severities=st.sampled_from(
        [
            {"warning": 1.0, "critical": 3.0},
            {"info": 1.0, "warning": 2.0, "critical": 5.0},
            {"critical": 1.0},
        ]
    ),
)


def results_of(number: int, window: ModelWindow) -> list[Result]:
    judged = [
        result(column, Verdict(verdict), day=number, value=times * BOUND, threshold=BOUND)
        for column, (verdict, times) in window.columns.items()
    ]
    # The result that every window has.
    return [msgspec.structs.replace(judged[0], column="", statistic="events", verdict=Verdict.INSUFFICIENT), *judged]


@dataclass
class Life:
    """A series that is driven as the detector drives it, and the story so far."""

    policy: AlertPolicy
    restarts: bool = True
    series: Series = field(default_factory=Series)
    told: list[Alert] = field(default_factory=list)
    story: list[Any] = field(default_factory=list)
    number: int = -1
    n_commands: int = 0
    before: tuple[Any, ...] = ()
    """What the newest window and all after it was told upon."""

    def __post_init__(self) -> None:
        self.monitor = Monitor.from_mapping(
            {"monitor": "mon", "model": "m", "window": {"size": "1d"}}, source="test"
        ).model_copy(update={"alerts": self.policy})

    def truth(self) -> Truth:
        return truth_of(
            self.story,
            windows=self.policy.open_after.windows,
            of=self.policy.open_after.span,
            resolve_after=self.policy.resolve_after,
            hysteresis=self.policy.hysteresis,
            begins=self.policy.severities,
        )

    def take(self, step: tuple[Any, ...]) -> list[Alert]:
        """Do one step; return what was told by it."""
        match step:
            case ("window", window):
                self.number += 1
                end = (self.number + 1) * DAY
                found = (
                    wake_alert(self.series, end - 1) + self._judge(window, again=False) + wake_alert(self.series, end)
                )
                self.story += [ModelTime(end - 1), window, ModelTime(end)]
            case ("again", window) if self.number >= 0:
                found = self._judge(window, again=True) + wake_alert(self.series, (self.number + 1) * DAY)
                at = max(i for i, event in enumerate(self.story) if isinstance(event, ModelWindow))
                self.story[at] = window
            case ("say", action, name, days, repeated):
                self.n_commands += 1
                until = (self.number + 1 + days) * DAY
                command = AlertCommandRecord("m", "", f"c{self.n_commands}", action, name, "", 1, until)
                now = self.truth()
                found = obey_command(self.series, command)
                self.story.append(ModelCommand(action, name, until, now.opened, now.severity))
                if repeated:
                    assert obey_command(self.series, command) == []
            case _:
                found = []
                if self.restarts:
                    self.series = Series.from_state(msgspec.msgpack.decode(self.series.to_bytes())[1:])
        self.told += found
        return found

    def _judge(self, window: ModelWindow, *, again: bool) -> list[Alert]:
        return judge_alert(
            self.series,
            self.monitor,
            results_of(self.number, window),
            {},
            again=again,
            maintenance=window.maintenance,
            group_id="",
        )


def lives(told: list[Alert]) -> dict[str, list[Alert]]:
    by_id: dict[str, list[Alert]] = defaultdict(list)
    for alert in told:
        by_id[alert.alert_id].append(alert)
    return by_id


@settings(max_examples=400, deadline=None)
@given(policies, steps)
def test_what_is_told_of_an_alert_is_the_truth_unless_it_is_snoozed(policy, plan):
    life = Life(policy)
    for step in plan:
        before = life.truth()
        found = life.take(step)
        truth, memory = life.truth(), life.series.alert
        # The memory is the truth, snoozed or not.
        assert {c.column for c in memory.causes} == truth.causes
        assert (memory.last is not None) == bool(truth.causes)
        last = life.told[-1] if life.told else None
        if not truth.causes:
            assert last is None or last.status is AlertStatus.RESOLVED
            continue
        assert memory.last is not None
        assert memory.n_windows == truth.n_windows
        assert memory.last.severity == truth.severity
        assert memory.last.opened_window_start_ms == truth.opened * DAY
        # The last message is of this alert, and what people said is always told.
        assert last is not None
        assert last.alert_id == memory.last.alert_id
        assert last.status is (AlertStatus.ACKNOWLEDGED if truth.acknowledged_by else AlertStatus.OPEN)
        assert last.acknowledged_by == truth.acknowledged_by
        assert last.snoozed_until_ms == truth.snoozed_until
        if found or truth.snoozed_until is None:
            assert {c.column for c in last.causes} == truth.causes
            assert last.severity == truth.severity
        # A window that changes nothing is no news.
        if step[0] == "window" and (before.causes, before.severity) == (truth.causes, truth.severity):
            assert all(a.change is AlertChange.UNSNOOZED for a in found)


@settings(max_examples=400, deadline=None)
@given(policies, steps)
def test_alerts_of_a_series_follow_one_another_and_each_ends_once(policy, plan):
    life = Life(policy)
    revised: set[str] = set()
    for step in plan:
        found = life.take(step)
        if step[0] == "again":
            revised |= {a.id for a in found}
        # At most one is open.
        assert sum(messages[-1].status is not AlertStatus.RESOLVED for messages in lives(life.told).values()) <= 1
    assert len({a.id for a in life.told}) == len(life.told)
    for alert_id, messages in lives(life.told).items():
        assert [a.sequence for a in messages] == list(range(len(messages)))
        assert [a.id for a in messages] == [alert_event_id(alert_id, a.sequence) for a in messages]
        assert [a.change is AlertChange.OPENED for a in messages] == [True] + [False] * (len(messages) - 1)
        assert len({(a.opened_window_start_ms, a.group_id) for a in messages}) == 1
        assert all((a.change is AlertChange.RESOLVED) == (a.status is AlertStatus.RESOLVED) for a in messages)
        assert all(bool(a.causes) == (a.status is not AlertStatus.RESOLVED) for a in messages)
        for ended, following in pairwise(messages):
            if ended.status is AlertStatus.RESOLVED:
                # Only late events that change the very window may take an end back.
                assert following.id in revised
                assert following.change is AlertChange.UPDATED
                assert following.window_end_ms == ended.window_end_ms


@settings(max_examples=200, deadline=None)
@given(policies, steps)
def test_restarts_change_nothing_that_is_told(policy, plan):
    restarted, steady = Life(policy), Life(policy, restarts=False)
    for step in plan:
        assert restarted.take(step) == steady.take(step)
    assert restarted.series.to_bytes() == steady.series.to_bytes()


@settings(max_examples=200, deadline=None)
@given(policies, steps, st.lists(windows, max_size=4), windows)
def test_revisions_leave_what_judging_the_window_once_leaves(policy, plan, between, final):
    """Whatever was judged in between, and in which order."""
    revised, once = Life(policy), Life(policy)
    for step in plan:
        revised.take(step)
        once.take(step)
    for i, window in enumerate([*between, final]):
        revised.take(("window" if i == 0 else "again", window))
    once.take(("window", final))
    assert stripped(revised.series) == stripped(once.series)
    assert revised.series.attention == once.series.attention


def stripped(series: Series) -> Any:
    """The memory without what depends on how much was told, and when."""
    last = series.alert.last
    named = (
        None if last is None else (last.alert_id, last.severity, sorted((c.column, c.statistic) for c in last.causes))
    )
    return msgspec.structs.replace(series.alert, last=None), named


@settings(max_examples=200, deadline=None)
@given(policies, steps)
def test_while_an_alert_is_snoozed_updates_are_told_only_of_a_severity_above_that_of_the_snooze(policy, plan):
    life = Life(policy)
    for step in plan:
        before = life.truth()
        found = life.take(step)
        asleep = before.snoozed_until is not None and life.truth().snoozed_until is not None
        if step[0] == "window" and asleep:
            for alert in found:
                assert alert.change is AlertChange.UPDATED
                assert rank(alert.severity) > rank(before.snoozed_severity)
                assert rank(alert.severity) > rank(before.severity)


def rank(severity: str) -> int:
    return ["info", "warning", "critical"].index(severity)
