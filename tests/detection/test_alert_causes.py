from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from stream_gov.contracts import AlertPolicy, OpenAfter, Result, Verdict
from stream_gov.detection import AlertMemory, OpenCause, advance, distance, weight
from stream_gov.detection.alert_causes import follow_causes, is_over, multiple
from tests.detection.test_alert_lifecycle import result, window


def a_result(verdict: str = "stable", **changes: Any) -> Result:
    return msgspec.structs.replace(result("a", Verdict(verdict)), **changes)


def calibrated(**changes: Any) -> Result:
    fields = {"rule": "calibrated", "threshold": None, "tolerance": 0.2, "level": 0.001, "p_value": 0.01}
    return a_result(**(fields | changes))


def by_p_value(**changes: Any) -> Result:
    return a_result(**({"rule": "p_value", "threshold": None, "level": 0.01, "p_value": 0.2} | changes))


def lasting(verdict: str = "drift", **changes: Any) -> Result:
    """Of the e-detector: the value is the evidence, in powers of ten."""
    fields = {"rule": "sequential", "value": 5.0, "threshold": 4.0, "tolerance": 0.1, "distance": 0.3, "level": 1e-4}
    return a_result(verdict, **(fields | changes))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (calibrated(value=0.9, distance=0.1), 0.5),  # a share: it is its rise that counts
        (lasting(), 3.0),
        (lasting(distance=0.01), 1.0),
        (lasting(tolerance=0.0), None),
        (lasting("stable", value=3.0, distance=None), 0.75),
        (a_result(value=0.3), 1.5),
        (a_result(value=-0.3), 1.5),
        (calibrated(value=0.1), 0.5),
        (a_result(value=None), math.inf),
        (a_result(threshold=0.0), None),
        (calibrated(tolerance=0.0), None),
        (by_p_value(), None),
    ],
)
def test_the_multiple_is_distance_over_bound_where_there_is_a_bound(given, expected):
    assert multiple(given) == pytest.approx(expected)
    assert distance(given) is None or distance(given) >= 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (a_result(value=0.3), 1.5),
        (lasting(), 3.0),
        (lasting(tolerance=0.0), 1.25),
        (by_p_value(p_value=0.001), 10),
        (calibrated(tolerance=0.0, p_value=0.0001), 10),
        (a_result(threshold=0.0), math.inf),
    ],
)
def test_the_weight_is_the_multiple_or_level_over_p_value(given, expected):
    assert weight(given) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "over"),
    [
        (a_result(value=0.18), True),  # the edge itself: 0.9 of 0.2
        (a_result(value=-0.18), True),
        (a_result(value=0.19), False),
        (a_result("drift", value=0.01), False),
        (a_result("insufficient", value=0.01), False),
        (a_result(threshold=0.0, value=0.0), True),
        (calibrated(value=0.17), True),
        (calibrated(value=0.25), False),  # beyond the tolerance, though not beyond doubt
        (calibrated(value=0.25, p_value=0.5), True),  # few events: chance alone brings half of all windows farther
        (calibrated(value=0.25, p_value=0.49), False),
        (calibrated(tolerance=0.0, p_value=0.001), False),
        (calibrated(tolerance=0.0, p_value=0.0012), True),
        (by_p_value(p_value=0.0100001), False),
        (by_p_value(p_value=0.0112), True),
        (lasting(), False),
        (lasting("stable", value=3.99, distance=None), True),
        (calibrated(value=0.9, distance=0.17), True),
    ],
)
def test_a_cause_is_over_when_it_is_stable_and_well_within_its_rule(given, over):
    assert is_over(given, 0.1) is over


def test_without_hysteresis_the_verdict_decides_where_the_rule_is_a_threshold():
    assert is_over(a_result(value=0.2), 0.0)


def story(pattern: str, policy: AlertPolicy, value: float = 0.5) -> str:
    """What is told window by window: `o`pened, `u`pdated, `r`esolved, or nothing; `D`rift, `S`table, `N`ear the edge, `I`nsufficient."""
    memory, said = AlertMemory(), ""
    for day, letter in enumerate(pattern):
        verdict = {"D": "drift", "S": "stable", "N": "stable", "I": "insufficient"}[letter]
        results = [result("a", Verdict(verdict), day=day, value={"D": value, "S": 0.05, "N": 0.19, "I": 0.0}[letter])]
        memory, event = advance(memory, results, policy)
        said += "." if event is None else event.change.value[0]
    return said


def two_of_three(**more: Any) -> AlertPolicy:
    return AlertPolicy(open_after=OpenAfter(windows=2, of=3), **more)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("DSSDS", "....."),
        ("DD", ".o"),
        ("DSD", "..o"),
        ("DSSD", "...."),
        ("DIISD", "....o"),  # what cannot be judged counts neither way
        ("DNDS", "..or"),  # near the edge is no drift
        ("DDSDS", ".or.."),  # what an alert has told counts for nothing in the next
        ("DDSDD", ".or.o"),
    ],
)
def test_an_alert_opens_when_two_of_the_last_three_windows_drifted(pattern, told):
    assert story(pattern, two_of_three()) == told


def test_windows_in_a_row_are_asked_for_by_their_number_alone():
    assert story("DSDDSDDD", AlertPolicy(open_after=OpenAfter(windows=3))) == ".......o"


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("DNNNS", "o...r"),  # at the edge it neither ends nor opens anew
        ("DSNSNS", "or...."),
        ("DNDNDS", "o....r"),
    ],
)
def test_an_alert_does_not_flap_at_the_edge(pattern, told):
    assert story(pattern, AlertPolicy()) == told


def test_an_alert_ends_only_after_so_many_windows_in_a_row_that_are_over():
    assert story("DSNSDSIS", AlertPolicy(resolve_after=2)) == "o......r"


def test_a_cause_that_joins_must_persist_as_one_that_opens():
    policy, memory, told = two_of_three(), AlertMemory(), []
    for day, b in enumerate(["stable", "stable", "drift", "stable", "drift"]):
        memory, event = advance(memory, window(day, a="drift", b=b), policy)
        told.append(None if event is None else (event.change.value, [c.column for c in event.causes]))
    assert told == [None, ("opened", ["a"]), None, None, ("updated", ["a", "b"])]


def test_a_cause_leaves_an_alert_that_goes_on_as_slowly_as_the_alert_would_end():
    policy, memory, told = AlertPolicy(resolve_after=2), AlertMemory(), []
    for day, b in enumerate(["drift", "stable", "stable"]):
        memory, event = advance(memory, window(day, a="drift", b=b), policy)
        told.append(None if event is None else [c.column for c in event.causes])
    assert told == [["a", "b"], None, ["a"]]


def test_what_is_looked_back_upon_is_bounded_and_forgotten():
    policy = AlertPolicy(open_after=OpenAfter(windows=3, of=4))
    recent: tuple[tuple[str, str, int], ...] = ()
    for day in range(200):
        recent = follow_causes((), recent, window(day, a="drift" if day % 3 == 0 else "stable"), policy).recent
        assert recent[0][2] < 2**4
    for day in range(4):
        recent = follow_causes((), recent, window(day, a="stable"), policy).recent
    assert recent == ()


def test_a_cause_whose_check_is_gone_counts_as_over_once_a_window_says_anything():
    open_one = (OpenCause("gone", "psi", 0, 2.0),)
    assert follow_causes(open_one, (), window(0, a="insufficient"), AlertPolicy()).causes == open_one
    assert follow_causes(open_one, (), window(0, a="stable"), AlertPolicy()).causes == ()


@pytest.mark.parametrize(
    ("values", "policy", "severities"),
    [
        ([0.3, 0.7, 0.3, 0.3], {}, ["warning", "critical", "warning", "warning"]),
        ([0.7, 0.55, 0.3], {}, ["critical", "critical", "warning"]),  # 0.55 is within the hysteresis of 3 * 0.2
        ([0.7, 0.3, 0.7, 0.3, 0.3], {"resolve_after": 2}, ["critical"] * 4 + ["warning"]),
        ([0.3, 0.5], {"severities": {"info": 1, "warning": 2, "critical": 10}}, ["info", "warning"]),
        ([9.0], {"severities": {"warning": 1}}, ["warning"]),
    ],
)
def test_severity_rises_at_once_and_falls_after_as_many_windows_as_an_end_takes(values, policy, severities):
    memory, found, told = AlertMemory(), [], 0
    for day, value in enumerate(values):
        memory, event = advance(memory, [result("a", Verdict.DRIFT, day=day, value=value)], AlertPolicy(**policy))
        assert memory.last is not None
        found.append(memory.last.severity.value)
        told += event is not None
    assert found == severities
    assert told == 1 + sum(a != b for a, b in pairwise(severities))


def test_a_fall_goes_to_the_highest_of_the_windows_it_took():
    policy = AlertPolicy(resolve_after=3, severities={"info": 1, "warning": 2, "critical": 5})
    memory = AlertMemory()
    for day, value in enumerate([2.0, 0.3, 0.6, 0.3]):
        memory, event = advance(memory, [result("a", Verdict.DRIFT, day=day, value=value)], policy)
    assert event is not None
    assert event.severity == "warning"


@pytest.mark.parametrize(
    "given",
    [
        by_p_value(verdict=Verdict.DRIFT, p_value=1e-200),
        a_result("drift", threshold=0.0, value=50.0),
        calibrated(verdict=Verdict.DRIFT, tolerance=0.0, p_value=1e-9),
    ],
)
def test_without_a_bound_to_measure_by_the_severity_is_warning_or_the_least(given):
    for severities, expected in (
        ({"warning": 1, "critical": 3}, "warning"),
        ({"info": 1, "warning": 2}, "warning"),
        ({"info": 1, "critical": 2}, "info"),
        ({"critical": 1}, "critical"),
    ):
        _, event = advance(AlertMemory(), [given], AlertPolicy(severities=severities))
        assert event is not None
        assert (event.severity, event.causes[0].severity) == (expected, expected)


def test_a_distance_without_end_is_critical_and_its_weight_is_null_on_the_wire():
    _, event = advance(AlertMemory(), [a_result("drift", value=None)], AlertPolicy())
    assert event is not None
    assert (event.severity, event.causes[0].weight) == ("critical", None)


def test_the_severity_of_an_alert_is_that_of_its_heaviest_cause():
    results = [result("a", Verdict.DRIFT, value=0.3), result("b", Verdict.DRIFT, value=2.0)]
    _, event = advance(AlertMemory(), results, AlertPolicy())
    assert event is not None
    assert event.severity == "critical"
    assert [(c.column, c.severity.value) for c in event.causes] == [("b", "critical"), ("a", "warning")]
    assert [c.weight for c in event.causes] == pytest.approx([10, 1.5])


def test_what_a_window_cannot_judge_is_named_as_it_was_last():
    memory, first = advance(AlertMemory(), [result("a", Verdict.DRIFT, value=0.5)], AlertPolicy())
    results = [result("a", Verdict.INSUFFICIENT, day=1, value=9.0), result("b", Verdict.DRIFT, day=1, value=0.3)]
    _, event = advance(memory, results, AlertPolicy())
    assert first is not None
    assert event is not None
    assert event.causes[0] == first.causes[0]
    assert [c.column for c in event.causes] == ["a", "b"]


def test_the_sentence_does_not_call_drift_what_is_stable_and_not_over():
    memory, _ = advance(AlertMemory(), window(0, a="drift", b="drift"), AlertPolicy())
    results = [result("a", Verdict.STABLE, day=1, value=0.19), result("b", Verdict.STABLE, day=1, value=0.01)]
    _, event = advance(memory, results, AlertPolicy())
    assert event is not None
    assert event.message == "m: drift in a (psi 0.19, stable but not yet over; 100 events against 1000)"
