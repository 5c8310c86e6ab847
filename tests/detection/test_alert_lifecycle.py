from __future__ import annotations

from collections.abc import Sequence

from stream_gov.contracts import AlertChange, AlertPolicy, AlertStatus, Result, Verdict, result_id
from stream_gov.detection import AlertMemory, advance, revise

POLICY = AlertPolicy()
DAY = 86_400_000


def result(
    column: str, verdict: Verdict, *, day: int = 0, value: float | None = None, threshold: float = 0.2
) -> Result:
    if value is None:
        value = 0.5 if verdict is Verdict.DRIFT else 0.05
    return Result(
        id=result_id("m", "1", "", column, "psi", day * DAY, (day + 1) * DAY),
        monitor="mon",
        model="m",
        version="1",
        segment="",
        column=column,
        statistic="psi",
        window_start_ms=day * DAY,
        window_end_ms=(day + 1) * DAY,
        revision=0,
        value=value,
        rule="threshold",
        threshold=threshold,
        n_reference=1000,
        n_window=100,
        verdict=verdict,
        reference="r@1",
        events=100,
        late=0,
        rejected=0,
    )


def window(day: int, **verdicts: str) -> list[Result]:
    return [result(column, Verdict(v), day=day) for column, v in verdicts.items()]


def play(windows: Sequence[list[Result]], policy: AlertPolicy = POLICY) -> list[tuple[int, str, list[str]]]:
    memory, said = AlertMemory(), []
    for results in windows:
        memory, event = advance(memory, results, policy)
        if event is not None:
            said.append((event.sequence, event.change.value, [c.column for c in event.causes]))
    return said


def test_an_alert_opens_updates_when_other_columns_drift_and_resolves():
    said = play(
        [
            window(0, a="stable", b="stable"),
            window(1, a="drift", b="stable"),
            window(2, a="drift", b="stable"),
            window(3, a="drift", b="drift"),
            window(4, a="stable", b="stable"),
            window(5, a="stable", b="stable"),
        ]
    )
    assert said == [(0, "opened", ["a"]), (1, "updated", ["a", "b"]), (2, "resolved", [])]


def test_it_resolves_only_after_enough_stable_windows_in_a_row():
    windows = [
        window(0, a="drift"),
        window(1, a="stable"),
        window(2, a="drift"),
        window(3, a="stable"),
        window(4, a="stable"),
    ]
    assert [c for _, c, _ in play(windows, AlertPolicy(resolve_after=2))] == ["opened", "resolved"]
    assert [c for _, c, _ in play(windows)] == ["opened", "resolved", "opened", "resolved"]


def test_insufficient_neither_opens_nor_resolves():
    assert play([window(0, a="insufficient")]) == []
    said = play(
        [window(0, a="drift", b="stable"), window(1, a="insufficient", b="stable"), window(2, a="stable", b="stable")]
    )
    assert [c for _, c, _ in said] == ["opened", "resolved"]
    memory, _ = advance(AlertMemory(), window(0, a="drift", b="stable"), POLICY)
    held, event = advance(memory, window(1, a="insufficient", b="stable"), POLICY)
    assert event is None
    assert held.last is not None


def test_an_alert_keeps_its_id_and_every_message_has_its_own():
    memory, opened = advance(AlertMemory(), window(0, a="drift"), POLICY)
    _, resolved = advance(memory, window(1, a="stable"), POLICY)
    assert opened is not None
    assert resolved is not None
    assert opened.alert_id == resolved.alert_id
    assert opened.id != resolved.id
    assert (opened.status, resolved.status) == (AlertStatus.OPEN, AlertStatus.RESOLVED)
    assert resolved.opened_window_start_ms == 0
    assert resolved.columns == ["a"]
    _, again = advance(AlertMemory(), window(0, a="drift"), POLICY)
    assert again == opened


def test_causes_stand_heaviest_first_and_the_message_names_them():
    results = [
        result("light", Verdict.DRIFT, value=0.3),
        result("heavy", Verdict.DRIFT, value=3.0),
        result("fine", Verdict.STABLE, value=0.1),
    ]
    _, event = advance(AlertMemory(), results, POLICY)
    assert event is not None
    assert [c.column for c in event.causes] == ["heavy", "light"]
    assert event.message == "m: drift in heavy, light (psi 3 > 0.2; 100 events against 1000)"


def test_a_revision_that_says_the_same_says_nothing():
    after, said = advance(AlertMemory(), window(0, a="drift"), POLICY)
    again, event = revise(AlertMemory(), said, window(0, a="drift"), POLICY)
    assert event is None
    assert again == after


def test_a_revision_opens_what_the_first_look_did_not_see():
    _, event = revise(AlertMemory(), None, window(0, a="drift"), POLICY)
    assert event is not None
    assert event.change is AlertChange.OPENED


def test_a_revision_takes_back_an_alert_that_should_not_have_opened():
    _, said = advance(AlertMemory(), window(0, a="drift"), POLICY)
    memory, event = revise(AlertMemory(), said, window(0, a="stable"), POLICY)
    assert event is not None
    assert said is not None
    assert (event.change, event.alert_id, event.sequence) == (AlertChange.RESOLVED, said.alert_id, 1)
    assert memory.last is None


def test_a_revision_with_other_columns_updates_the_same_alert():
    _, said = advance(AlertMemory(), window(0, a="drift", b="stable"), POLICY)
    memory, event = revise(AlertMemory(), said, window(0, a="drift", b="drift"), POLICY)
    assert event is not None
    assert said is not None
    assert (event.change, event.alert_id, event.sequence) == (AlertChange.UPDATED, said.alert_id, 1)
    assert memory.last == event


def test_a_revision_reopens_what_was_resolved_too_early():
    open_memory, _ = advance(AlertMemory(), window(0, a="drift"), POLICY)
    _, said = advance(open_memory, window(1, a="stable"), POLICY)
    assert said is not None
    assert said.change is AlertChange.RESOLVED
    memory, event = revise(open_memory, said, window(1, a="drift"), POLICY)
    assert event is not None
    assert (event.change, event.status, event.alert_id) == (AlertChange.UPDATED, AlertStatus.OPEN, said.alert_id)
    assert event.sequence == said.sequence + 1
    assert memory.last is not None


def test_a_revision_that_changes_the_numbers_of_what_was_said_corrects_them():
    _, said = advance(AlertMemory(), [result("a", Verdict.DRIFT, value=0.5)], POLICY)
    memory, event = revise(AlertMemory(), said, [result("a", Verdict.DRIFT, value=0.4)], POLICY)
    assert event is not None
    assert (event.change, event.sequence, event.causes[0].value) == (AlertChange.UPDATED, 1, 0.4)
    assert memory.last == event


def test_a_revision_that_changes_the_numbers_of_a_window_of_which_nothing_was_said_is_no_news():
    before, opened = advance(AlertMemory(), [result("a", Verdict.DRIFT, value=0.5)], POLICY)
    now, _ = advance(before, [result("a", Verdict.DRIFT, day=1, value=0.5)], POLICY)
    memory, event = revise(before, now.last, [result("a", Verdict.DRIFT, day=1, value=0.4)], POLICY)
    assert event is None
    assert memory.last == opened
    assert memory.n_windows == 2
