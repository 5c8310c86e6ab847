"""An alert says why: driven through the whole flow, from events to the message."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from stream_gov.contracts import Alert, AlertAction, AlertChange, AlertCommandRecord, AlertPolicy, CauseKind, Verdict
from stream_gov.detection import AlertMemory, advance
from stream_gov.detection.evidence import Evidence
from stream_gov.detection.explanation import MAX_COLUMNS_DIAGNOSED, MAX_HISTOGRAMS, explain
from stream_gov.detection.reason_memory import Reason, ReasonMemory
from stream_gov.detection.reasons import continue_runs, give_reasons
from stream_gov.detection.state import Series
from stream_gov.reference import ProfileBuilder, RowBatch, build_profile
from stream_gov.summaries import PaneLayout, PaneSummary
from stream_gov.testing import Driver
from tests.detection.broken_streams import HOUR, STREAMS, T0, BrokenStream, alert_of, drive
from tests.detection.scenario import monitor, profile_for
from tests.detection.test_alert_lifecycle import result
from tests.diagnosis.columns import reference_of, window_of

MODEL_KINDS = {CauseKind.NEW_COLUMN, CauseKind.LOST_COLUMN, CauseKind.MODEL_CHANGE, CauseKind.SERIES_CHANGE}


# --- every kind ------------------------------------------------------------------------------------------------------------------------


def test_there_is_a_stream_for_every_kind_of_a_column():
    assert set(STREAMS) | {CauseKind.SEGMENT_ONLY} | MODEL_KINDS == set(CauseKind)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_that_breaks_in_a_known_way_is_explained(name):
    alert = alert_of(name)
    (cause,) = alert.causes
    assert cause.kind == name
    assert cause.column == STREAMS[name].column
    assert alert.message.startswith(f"shop: {cause.column}: {cause.description}; ")
    assert cause.since_ms == alert.window_start_ms == T0 + HOUR


@pytest.mark.parametrize("name", STREAMS)
def test_the_numbers_of_an_alert_are_those_of_the_raw_data(name):
    stream = STREAMS[name]
    (cause,) = alert_of(name).causes
    shift, histogram = cause.shift, cause.histogram
    assert shift is not None
    assert histogram is not None
    raw = raw_windows(stream)
    for side, values in ((shift.reference, raw[0]), (shift.window, raw[1])):
        valid = [v for v in values if v is not None and (not isinstance(v, str) or stream.column == "country")]
        assert side.n_valid == len(valid)
        assert side.missing_share == pytest.approx(sum(v is None for v in values) / len(values))
        if stream.column != "country":
            assert side.mean == pytest.approx(np.mean(valid), rel=1e-3, abs=1e-3)
            assert (side.minimum, side.maximum) == (min(valid), max(valid))
    assert sum(histogram.reference) == pytest.approx(1)
    assert sum(histogram.window) == pytest.approx(1)
    if stream.column == "country":
        for label, before, after in zip(histogram.labels, histogram.reference, histogram.window, strict=True):
            assert before == pytest.approx(raw[0].count(label) / len(raw[0]))
            assert after == pytest.approx(raw[1].count(label) / len(raw[1]))


def raw_windows(stream: BrokenStream) -> list[list]:
    """The values of the column that `drive` feeds: the reference's, and those of the broken hour."""
    seen = []

    def recorded(make):
        def again(rng, n):
            seen.append(make(rng, n))
            return seen[-1]

        return again

    drive(BrokenStream(stream.column, recorded(stream.before), recorded(stream.after)))
    return [seen[0], seen[-1]]


def test_a_mapping_says_how_the_new_values_come_from_the_old():
    unit, clock = alert_of("unit_change").causes[0].mapping, alert_of("clock_shift").causes[0].mapping
    assert (unit.factor, unit.offset, unit.name) == (1000.0, 0.0, "x1000")
    assert (clock.factor, clock.offset) == (None, 2.0)
    assert alert_of("population_drift").causes[0].mapping is None


def test_columns_that_come_and_go_are_causes_of_the_model():
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    rng = np.random.default_rng(1)
    for i in range(100):
        driver.feed({"x": float(rng.normal()), "extra": 1.0}, at=T0 + i * 1_000)
    driver.finish()
    (alert,) = driver.alerts()
    assert {c.kind: (c.column, c.description) for c in alert.causes if not c.column} == {
        "new_column": ("", "new columns extra"),
        "lost_column": ("", "missing columns color"),
    }
    assert "new columns extra" in alert.message
    assert "color: missing values 0 % -> 100 %" in alert.message


# --- order, bounds, message ----------------------------------------------------------------------------------------------------------------


def test_causes_of_one_column_stand_together_and_the_heaviest_column_first():
    def of(column, statistic, value):
        return msgspec.structs.replace(result(column, Verdict.DRIFT, value=value), statistic=statistic, distance=value)

    results = [of("a", "psi", 0.9), of("b", "psi", 3.0), of("a", "ks", 1.5), of("b", "ks", 0.3), of("c", "psi", 1.2)]
    _, event = advance(AlertMemory(), results, AlertPolicy())
    assert event is not None
    assert [(c.column, c.statistic) for c in explain(event, None, ()).causes] == [
        ("b", "psi"),
        ("b", "ks"),
        ("a", "ks"),
        ("a", "psi"),
        ("c", "psi"),
    ]


def many_columns(n: int) -> Driver:
    names = [f"column_with_a_long_name_{i:03d}" for i in range(n)]
    watched = monitor(min_events="20")
    rng = np.random.default_rng(1)
    rows = RowBatch({name: rng.normal(0, 1, 500) for name in names}, 500)
    profile = build_profile(
        lambda: [rows],
        ProfileBuilder.for_monitor(watched),
        name="base",
        revision=1,
        model="shop",
        source="test",
        created_ms=0,
    )
    driver = Driver(watched, profile)
    for i in range(60):
        driver.feed({name: float(3 + rng.normal()) for name in names}, at=T0 + i * 1_000)
    driver.finish()
    return driver


def test_a_message_is_bounded_however_many_columns_drift():
    driver = many_columns(MAX_COLUMNS_DIAGNOSED + 30)
    (alert,) = driver.alerts()
    assert len(alert.causes) == MAX_COLUMNS_DIAGNOSED + 30
    assert sum(c.histogram is not None for c in alert.causes) == MAX_HISTOGRAMS
    assert sum(c.shift is not None for c in alert.causes) == MAX_COLUMNS_DIAGNOSED
    assert all(c.histogram is not None for c in alert.causes[:MAX_HISTOGRAMS])  # the heaviest
    assert [bool(c.kind) for c in alert.causes] == [True] * MAX_COLUMNS_DIAGNOSED + [False] * 30
    assert len(msgspec.json.encode(alert)) < 200_000
    assert alert.message.count("mean ") == 3
    assert f"drift in {alert.causes[3].column}, " in alert.message
    assert "and 122 more; 60 events against 500" in alert.message


def test_what_is_remembered_of_an_alert_holds_no_explanation():
    driver = many_columns(40)
    (state,) = (value for key, value in driver.table.items() if key.startswith('["series"'))
    assert b"column_with_a_long_name_039" in state
    assert b"from 1" not in state  # a label of a histogram
    assert len(state) < 3 * len(msgspec.msgpack.encode(driver.alerts()[0])) / 2


def test_a_second_statistic_of_a_column_repeats_neither_shift_nor_histogram():
    stream = STREAMS["population_drift"]
    checks = "  - {statistic: ks, threshold: 0.1}\n  - {statistic: mean_shift, threshold: 0.2}\n"
    (alert,) = drive(stream, more=checks).alerts()
    assert len(alert.causes) == 3
    assert {c.kind for c in alert.causes} == {"population_drift"}
    assert [c.shift is not None for c in alert.causes] == [True, False, False]
    assert [c.histogram is not None for c in alert.causes] == [True, False, False]
    assert alert.message.count("mean ") == 1  # the same words are not said twice


def test_a_column_with_two_troubles_tells_both():
    unit = STREAMS["unit_change"]

    def broken(rng, n):
        return [None if i % 8 == 0 else v for i, v in enumerate(unit.after(rng, n))]

    (alert,) = drive(BrokenStream("amount", unit.before, broken)).alerts()
    assert {c.kind for c in alert.causes} == {"unit_change", "missing_values_rose"}
    assert "unit change x1000" in alert.message
    assert "missing values 0 % -> 12.5 %" in alert.message


def test_the_message_of_an_end_stays_as_it_is():
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    rng = np.random.default_rng(1)
    for hour, shift in enumerate((3.0, 0.0)):
        for i in range(100):
            driver.feed(
                {"x": float(rng.normal(shift, 1)), "color": ["red", "blue", "red", "red"][i % 4]},
                at=T0 + hour * HOUR + i * 1_000,
            )
    driver.finish()
    opened, resolved = driver.alerts()
    assert opened.causes[0].kind
    assert (resolved.change, resolved.causes) == (AlertChange.RESOLVED, [])
    assert resolved.message == "shop: back within tolerance after 1 window with drift (x)"


def test_without_evidence_only_the_time_is_added():
    _, event = advance(AlertMemory(), [result("a", Verdict.DRIFT)], AlertPolicy())
    assert event is not None
    explained = explain(event, None, (("a", "psi", 7),))
    assert explained.causes[0].since_ms == 7
    assert (explained.causes[0].kind, explained.message) == ("", event.message)


def test_a_cause_that_does_not_drift_in_this_window_keeps_what_was_found_before():
    stays, drifts = result("a", Verdict.DRIFT), result("b", Verdict.DRIFT)
    _, event = advance(AlertMemory(), [stays, drifts], AlertPolicy())
    series = Series()
    told = (Reason("a", "psi", "unit_change", "unit change x1000"), Reason("c", "psi", "constant", "stuck at 3"))
    series.reasons = ReasonMemory((("a", "psi", 7),), (), told)
    now = [result("a", Verdict.INSUFFICIENT), drifts]
    (said,) = give_reasons(series, now, [event], None, again=False)
    by_column = {c.column: c for c in said.causes}
    assert (by_column["a"].kind, by_column["a"].description) == ("unit_change", "unit change x1000")
    assert (by_column["a"].since_ms, by_column["b"].since_ms) == (7, 0)
    assert by_column["b"].kind == ""
    assert [r.column for r in series.reasons.told] == ["a"]  # what the message no longer names is forgotten


def test_a_revision_continues_the_runs_from_before_its_window():
    series = Series()
    for day, verdict in enumerate(("drift", "drift")):
        give_reasons(series, [result("a", Verdict(verdict), day=day)], [], None, again=False)
    assert series.reasons.runs == (("a", "psi", 0),)
    give_reasons(series, [result("a", Verdict.STABLE, day=1)], [], None, again=True)
    assert series.reasons.runs == ()
    give_reasons(series, [result("a", Verdict.DRIFT, day=1)], [], None, again=True)
    assert series.reasons.runs == (("a", "psi", 0),)


def test_a_lasting_shift_that_no_window_shows_is_told_as_one_and_a_shown_one_only_once():
    lasting = msgspec.structs.replace(
        result("amount", Verdict.DRIFT), statistic="e_detector", rule="sequential", tolerance=0.1, since_ms=T0
    )
    shown = msgspec.structs.replace(result("amount", Verdict.DRIFT), distance=0.5)
    stream = STREAMS["population_drift"]
    reference = reference_of(np.array(stream.before(np.random.default_rng(1), 2_000)))
    window = window_of(reference, stream.after(np.random.default_rng(2), 500))
    layout = PaneLayout("r@1", {"amount": reference.layout})
    sides = PaneSummary(layout), PaneSummary(layout)
    sides[0].columns["amount"], sides[1].columns["amount"] = reference, window
    watched = monitor()
    evidence = Evidence(
        monitor=watched,
        profile=profile_for(watched),
        reference=sides[0],
        window=sides[1],
        segments=lambda: [],
        panes=lambda: [],
    )
    words = []
    for results in ([lasting], [lasting, shown]):
        _, event = advance(AlertMemory(), results, AlertPolicy())
        words.append(explain(event, evidence, continue_runs((), results)))
    assert words[0].causes[0].description.startswith("lasting shift since 2026-01-01 00:00Z, in this window mean ")
    assert words[0].causes[0].since_ms == T0
    assert {c.description[:5] for c in words[1].causes} == {"mean "}
    assert words[1].message.count("mean ") == 1


# --- since when ----------------------------------------------------------------------------------------------------------------------------


def runs_through(*windows: dict[str, str]) -> list[dict[str, int]]:
    runs, seen = (), []
    for day, verdicts in enumerate(windows):
        runs = continue_runs(runs, [result(column, Verdict(v), day=day) for column, v in verdicts.items()])
        seen.append({column: start // 86_400_000 for column, _, start in runs})
    return seen


def test_a_run_lasts_from_its_first_window_to_the_first_stable_one():
    assert runs_through({"a": "stable"}, {"a": "drift"}, {"a": "drift"}, {"a": "stable"}, {"a": "drift"}) == [
        {},
        {"a": 1},
        {"a": 1},
        {},
        {"a": 4},
    ]


def test_what_cannot_be_judged_neither_begins_nor_breaks_a_run():
    assert runs_through({"a": "insufficient"}, {"a": "drift"}, {"a": "insufficient"}, {"a": "drift"}) == [
        {},
        {"a": 1},
        {"a": 1},
        {"a": 1},
    ]


def test_a_check_that_is_asked_no_more_is_forgotten_and_a_silent_window_forgets_nothing():
    assert runs_through({"a": "drift", "b": "stable"}, {"b": "stable"})[-1] == {}
    before = (("a", "psi", 5),)
    events = msgspec.structs.replace(result("", Verdict.INSUFFICIENT), statistic="events", rule="none")
    assert continue_runs(before, [events]) == before
    assert continue_runs(before, []) == before


def test_a_message_says_since_when_each_cause_drifts_also_after_a_restart():
    watched = monitor("alerts: {resolve_after: 2}")
    driver = Driver(watched, profile_for(watched))
    for hour, (shift, odd) in enumerate(
        [(0.0, False), (3.0, False), (3.0, False), (3.0, True), (0.0, True), (0.0, True)]
    ):
        hour_of_events(driver, hour, shift, odd=odd)
        driver.restart()
    since = [
        ((a.window_start_ms - T0) // HOUR, {c.column: (c.since_ms - T0) // HOUR for c in a.causes})
        for a in driver.alerts()
    ]
    # x is stable in window 4 and not over before window 5
    assert since == [(1, {"x": 1}), (3, {"x": 1, "color": 3}), (5, {"color": 3})]


def test_a_stable_window_in_which_a_cause_is_not_over_breaks_no_run_and_is_told():
    watched = monitor("alerts: {resolve_after: 2}")
    driver = Driver(watched, profile_for(watched))
    for hour, (shift, odd) in enumerate([(3.0, False), (0.0, True), (3.0, True)]):
        hour_of_events(driver, hour, shift, odd=odd)
    first, second = driver.alerts()
    by_column = {c.column: c for c in second.causes}
    assert (by_column["x"].since_ms, by_column["color"].since_ms) == (T0, T0 + HOUR)
    assert by_column["x"].description == first.causes[0].description
    assert (by_column["x"].shift, by_column["color"].shift is None) == (None, False)
    assert f"x: {first.causes[0].description}, stable but not yet over" in second.message
    assert ("x", "psi", T0) in series_of(driver).reasons.runs


def test_the_answer_to_a_command_has_the_reasons_that_were_found():
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    hour_of_events(driver, 0, 3.0)
    (opened,) = driver.alerts()
    driver.take(
        AlertCommandRecord(
            model="shop",
            alert_id=opened.alert_id,
            command_id="c1",
            action=AlertAction.ACKNOWLEDGE,
            by="anna",
            note="",
            at_ms=T0,
            until_ms=0,
        )
    )
    said = driver.alerts()[-1]
    assert said.change is AlertChange.ACKNOWLEDGED
    (cause,) = said.causes
    assert (cause.kind, cause.description) == (opened.causes[0].kind, opened.causes[0].description)
    assert (cause.since_ms, cause.shift) == (T0, None)
    assert said.message == "shop: acknowledged by anna"


def test_what_joins_while_an_alert_is_snoozed_is_explained_when_the_snooze_is_over():
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    hour_of_events(driver, 0, 3.0)
    driver.take(
        AlertCommandRecord(
            model="shop",
            alert_id=driver.alerts()[0].alert_id,
            command_id="c1",
            action=AlertAction.SNOOZE,
            by="anna",
            note="",
            at_ms=T0 + HOUR,
            until_ms=T0 + 3 * HOUR,
        )
    )
    n_before = len(driver.alerts())
    hour_of_events(driver, 1, 3.0, odd=True)
    assert len(driver.alerts()) == n_before
    driver.restart()
    hour_of_events(driver, 2, 3.0, odd=True)
    hour_of_events(driver, 3, 3.0, odd=True)
    woken = driver.alerts()[-1]
    assert woken.change is AlertChange.UNSNOOZED
    assert {c.column: (c.kind, c.since_ms) for c in woken.causes} == {
        "x": ("population_drift", T0),
        "color": ("population_drift", T0 + HOUR),
    }


def test_a_maintenance_begins_no_run_and_ends_none():
    day = "2026-01-01T0"
    watched = monitor(f"maintenance: [{{from: '{day}1:00:00Z', until: '{day}2:00:00Z'}}]")
    for first, rest, since in ((3.0, 0.0, 0), (0.0, 3.0, 2)):
        driver = Driver(watched, profile_for(watched))
        for hour, shift in enumerate((first, rest, 3.0)):
            hour_of_events(driver, hour, shift)
        runs = {column: (start - T0) // HOUR for column, _, start in series_of(driver).reasons.runs}
        assert runs == {"x": since}


def series_of(driver: Driver) -> Series:
    return driver._state.series["shop"][("shop", "1", "")]


def hour_of_events(driver: Driver, hour: int, shift: float, *, odd: bool = False) -> None:
    rng = np.random.default_rng(hour)
    for i in range(120):
        color = "blue" if odd and i % 2 else ["red", "blue", "red", "red"][i % 4]
        driver.feed({"x": float(rng.normal(shift, 1)), "color": color}, at=T0 + hour * HOUR + i * 1_000)
    driver.advance(T0 + (hour + 1) * HOUR)


def test_a_table_that_an_earlier_version_wrote_is_read_and_runs_begin_anew():
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    rng = np.random.default_rng(1)

    def feed(hour, shift, odd=0):
        for i in range(120):
            color = "blue" if odd and i % 2 else ["red", "blue", "red", "red"][i % 4]
            driver.feed({"x": float(rng.normal(shift, 1)), "color": color}, at=T0 + hour * HOUR + i * 1_000)
        driver.advance(T0 + (hour + 1) * HOUR)

    feed(0, 3.0)
    for key in [key for key in driver.table if key.startswith('["reasons"')]:
        del driver.table[key]
    driver.restart()
    feed(1, 3.0, odd=1)
    opened, updated = driver.alerts()
    assert {c.column: (c.since_ms - T0) // HOUR for c in updated.causes} == {"x": 1, "color": 1}
    assert {c.kind for c in updated.causes} == {c.kind for c in opened.causes} == {"population_drift"}


def test_reasons_are_forgotten_when_nothing_drifts_any_more():
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    rng = np.random.default_rng(1)
    stored = []
    for hour, shift in enumerate((0.0, 3.0, 0.0, 0.0)):
        for i in range(120):
            features = {"x": float(rng.normal(shift, 1)), "color": ["red", "blue", "red", "red"][i % 4]}
            driver.feed(features, at=T0 + hour * HOUR + i * 1_000)
        driver.advance(T0 + (hour + 1) * HOUR)
        stored.append(any(key.startswith('["reasons"') for key in driver.table))
    assert stored == [False, True, True, False]  # of the newest window it is kept what was before it, for a revision


def test_a_message_of_an_earlier_version_is_read():
    _, event = advance(AlertMemory(), [result("a", Verdict.DRIFT)], AlertPolicy())
    old = msgspec.to_builtins(event)
    for cause in old["causes"]:
        for name in ("kind", "description", "shift", "histogram", "mapping", "carrier", "since_ms", "change_ms"):
            del cause[name]
    assert msgspec.convert(old, Alert) == event


def test_the_pane_in_which_a_drift_begins_is_told_once():
    stream = STREAMS["unit_change"]
    at = T0 + HOUR + HOUR // 2

    def late(rng, n):
        return [*stream.before(rng, n // 2), *stream.after(rng, n - n // 2)]

    windows = "{size: 1h, every: 30m}\npane: 5m"
    alerts = drive(BrokenStream("amount", stream.before, late), window=windows).alerts()
    first = alerts[0].causes[0]
    assert first.since_ms == alerts[0].window_start_ms
    assert first.change_ms == at
    for alert in alerts[1:]:
        assert all(c.change_ms is None for c in alert.causes if c.since_ms != alert.window_start_ms)
