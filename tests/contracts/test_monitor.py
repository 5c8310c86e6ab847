from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.contracts import STATISTIC_NAMES, Check, ConfigurationError, Monitor, format_duration
from stream_gov.contracts.monitor import (
    CALIBRATED_STATISTICS,
    MODEL_STATISTICS,
    P_VALUE_STATISTICS,
    SEQUENTIAL_STATISTICS,
)

SMALLEST = """
monitor: electricity
model: electricity
window: {size: 7d}
"""

FULL = """
monitor: electricity
model: electricity
reference: electricity-1996@2
columns: {include: [nswprice, vicprice, region], exclude: [period], types: {region: categorical}}
segments: [region, [region, device]]
max_segments: 50
window: {size: 7d, every: 1d, allowed_lateness: 6h}
pane: 12h
min_events: 100
covariance: true
checks:
  - {statistic: psi, tolerance: 0.1, level: 0.01}
  - {statistic: ks, threshold: 0.1, columns: [nswprice]}
  - {statistic: chi_squared, p_value: 0.01}
alerts: {resolve_after: 2}
"""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def monitor_with(**changes: Any) -> Monitor:
    return Monitor.from_mapping(yaml.safe_load(SMALLEST) | changes, source="prices.yaml")


def mistake_of(**changes: Any) -> str:
    """The message for the smallest monitor with these changes; there must be exactly one line."""
    with pytest.raises(ConfigurationError) as caught:
        monitor_with(**changes)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("prices.yaml: ")
    assert "Input should" not in message, "in the words of the file, not of the validator"
    return message.removeprefix("prices.yaml: ")


def test_smallest_monitor_has_the_defaults():
    monitor = Monitor.from_yaml(SMALLEST, source="here")
    assert monitor.name == monitor.model == "electricity"
    assert monitor.reference is None
    assert (monitor.window.size, monitor.window.every_ms, monitor.window.allowed_lateness) == (
        7 * DAY_MS,
        7 * DAY_MS,
        0,
    )
    assert monitor.pane_ms == 7 * DAY_MS
    assert monitor.min_events == 200
    assert monitor.segments == ()
    assert monitor.alerts.resolve_after == 1
    assert (monitor.calibration, monitor.budget.false_alarms, monitor.budget.per) == ("long_run", 1, 30 * DAY_MS)
    assert [(c.statistic, c.rule, c.tolerance) for c in monitor.checks] == [
        ("psi", "calibrated", 0.1),
        ("mann_whitney", "calibrated", 0.1),
        ("e_detector", "sequential", 0.1),
        ("frechet_distance", "calibrated", 0.1),
        ("missing_share", "calibrated", 0.02),
        ("type_error_share", "calibrated", 0.001),
        ("unseen_share", "calibrated", 0.02),
        ("new_columns", "threshold", None),
        ("missing_columns", "threshold", None),
    ]


def test_monitor_with_every_key_is_read():
    monitor = Monitor.from_yaml(FULL, source="here")
    assert monitor.reference == "electricity-1996@2"
    assert [c for c in ("nswprice", "period", "region", "day") if monitor.columns.wants(c)] == ["nswprice", "region"]
    assert monitor.columns.types == {"region": "categorical"}
    assert monitor.segments == (("region",), ("region", "device"))
    assert monitor.window.every_ms == DAY_MS
    assert monitor.window.allowed_lateness == 6 * HOUR_MS
    assert monitor.pane_ms == 12 * HOUR_MS
    assert monitor.covariance
    assert monitor.alerts.resolve_after == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"windwo": {"size": "1h"}}, "windwo: unknown key; did you mean `window`?"),
        (
            {"zzz": 1},
            "zzz: unknown key; known are: alerts, budget, calibration, checks, columns, covariance, detectors, maintenance,",
        ),
        ({"window": {"size": "1h", "evry": "1h"}}, "window.evry: unknown key; did you mean `every`?"),
        ({"alerts": {"resolv_after": 1}}, "alerts.resolv_after: unknown key; did you mean `resolve_after`?"),
        (
            {"checks": [{"statistic": "psi", "threshold": 0.1, "colums": ["a"]}]},
            "checks[0].colums: unknown key; did you mean `columns`?",
        ),
        ({"window": {}}, "window.size: this key is required"),
        ({"window": "1h"}, "window: a mapping with the keys `size`, `every`, `allowed_lateness` is expected, got '1h'"),
        ({"window": None}, "window: a mapping with the keys `size`, `every`, `allowed_lateness` is expected"),
        ({"window": {"size": "soon"}}, "window.size: 'soon' is no duration; write a number and a unit"),
        ({"window": {"size": 60}}, "window.size: 60 is no duration; give it a unit, such as 60s or 60m"),
        ({"window": {"size": "1h", "allowed_lateness": "-1h"}}, "window.allowed_lateness: '-1h' is no duration"),
        ({"window": {"size": "100ms"}}, "window.size and window.every must be at least 1s, got 100ms every 100ms"),
        (
            {"window": {"size": "1h", "every": "2h"}},
            "window.every (2h) is longer than window.size (1h): events between",
        ),
        ({"pane": "5h"}, "pane (5h) must divide window.size (7d)"),
        ({"pane": "0s"}, "pane (0s) must divide window.size (7d)"),
        ({"window": {"size": "7d", "every": "1m"}}, "a window has 10080 panes of 1m, more than 1000; choose a longer"),
        ({"monitor": "two words"}, "monitor: must be letters, digits, `.`, `_` and `-`, at most 100"),
        ({"monitor": "x" * 101}, "monitor: must be letters, digits, `.`, `_` and `-`, at most 100"),
        ({"monitor": "prices\n"}, "monitor: must be letters"),
        ({"monitor": 2024}, "monitor: text is expected; put it in quotes, got 2024"),
        ({"model": ""}, "model: must not be empty"),
        ({"reference": "prices@0"}, "reference: must be a name"),
        ({"min_events": 0}, "min_events: must be at least 1, got 0"),
        ({"min_events": "many"}, "min_events: a whole number is expected, got 'many'"),
        ({"min_events": 1.5}, "min_events: a whole number is expected, got 1.5"),
        ({"max_segments": 1_000_000}, "max_segments: must be at most 10000, got 1000000"),
        ({"covariance": "perhaps"}, "covariance: true or false is expected, got 'perhaps'"),
        ({"alerts": {"resolve_after": 0}}, "alerts.resolve_after: must be at least 1, got 0"),
        ({"budget": {"false_alarms": 0}}, "budget.false_alarms: must be more than 0, got 0"),
        ({"budget": {"false_alarms": -1}}, "budget.false_alarms: must be more than 0, got -1"),
        ({"budget": {"false_alarms": 1e6}}, "budget.false_alarms: must be at most 1000, got 1000000.0"),
        ({"budget": {"per": "1m"}}, "budget: budget.per must be from 1h to 3650d, got 1m"),
        ({"budget": 1}, "budget: a mapping with the keys `false_alarms`, `per` is expected, got 1"),
        ({"columns": ["a"]}, "columns: a mapping with the keys `include`, `exclude`, `types` is expected"),
        ({"columns": {"include": "a"}}, "columns.include: a list is expected, such as [a, b], got 'a'"),
        ({"columns": {"include": []}}, "columns.include: must name at least one; or leave the key out"),
        (
            {"columns": {"types": {"a": "words"}}},
            "columns.types.a: must be one of 'numeric', 'categorical', 'boolean', 'text' or 'vector'",
        ),
        ({"segments": "region"}, "segments: a list is expected"),
        ({"segments": [[]]}, "segments: a segment names at least one column"),
        (
            {"segments": ["a", "a"]},
            "segments: a segment names at least one column, each once, and no segment stands twice",
        ),
        ({"segments": [["a", "a"]]}, "segments: a segment names at least one column, each once"),
        ({"checks": {"statistic": "psi"}}, "checks: a list is expected"),
        ({"checks": ["psi"]}, "checks[0]: a mapping with the keys `statistic`, `columns`, `threshold`"),
        ({"checks": [{"threshold": 0.1}]}, "checks[0].statistic: this key is required"),
        (
            {"checks": [{"statistic": "ks", "threshold": 0.1}, {"statistic": "psy", "threshold": 0.1}]},
            "checks[1].statistic: unknown statistic 'psy'; did you mean `psi`?",
        ),
        ({"checks": [{"statistic": "psi"}]}, "checks[0]: check of psi needs exactly one rule"),
        (
            {"checks": [{"statistic": "psi", "threshold": 0.1, "p_value": 0.1}]},
            "checks[0]: check of psi needs exactly one rule: `threshold`, `p_value`, or `tolerance` (with `level`); "
            "found `threshold` and `p_value`",
        ),
        (
            {"checks": [{"statistic": "psi", "threshold": 0.1, "level": 0.1}]},
            "checks[0]: check of psi: `level` goes with `tolerance`, not with `threshold`",
        ),
        ({"checks": [{"statistic": "psi", "level": 0.1}]}, "checks[0]: check of psi needs exactly one rule"),
        ({"checks": [{"statistic": "wasserstein", "p_value": 0.1}]}, "checks[0]: wasserstein has no p-value; use"),
        (
            {"checks": [{"statistic": "l_infinity", "tolerance": 0.1}]},
            "checks[0]: l_infinity has no calibrated test; use `threshold`",
        ),
        (
            {"checks": [{"statistic": "new_columns", "threshold": 0, "columns": ["a"]}]},
            "checks[0]: new_columns is of the",
        ),
        (
            {"checks": [{"statistic": "drifted_columns", "threshold": 30}, {"statistic": "psi", "threshold": 0.1}]},
            "checks[0]: drifted_columns is a share, so `threshold` must be below 1, got 30; write 0.3 for 30 %",
        ),
        (
            {
                "checks": [
                    {"statistic": "drifted_columns", "threshold": 0.3},
                    {"statistic": "new_columns", "threshold": 0},
                ]
            },
            "drifted_columns counts the columns that other checks call drift, and there is no check of columns; add one",
        ),
        ({"checks": [{"statistic": "psi", "threshold": -1}]}, "checks[0].threshold: must be at least 0, got -1"),
        ({"checks": [{"statistic": "psi", "threshold": "high"}]}, "checks[0].threshold: a number is expected"),
        (
            {"checks": [{"statistic": "psi", "threshold": float("inf")}]},
            "checks[0]: check of psi: `threshold` must be a",
        ),
        (
            {"checks": [{"statistic": "psi", "tolerance": float("inf")}]},
            "checks[0]: check of psi: `tolerance` must be a",
        ),
        ({"checks": [{"statistic": "psi", "p_value": 2}]}, "checks[0].p_value: must be less than 1, got 2"),
        ({"checks": [{"statistic": "psi", "p_value": 0}]}, "checks[0].p_value: must be more than 0, got 0"),
        ({"checks": [{"statistic": "psi", "tolerance": 0.1, "level": 0.5}]}, "checks[0].level: must be less than 0.5"),
        (
            {"checks": [{"statistic": "psi", "threshold": 0.1, "columns": []}]},
            "checks[0].columns: must name at least one",
        ),
        (
            {"checks": [{"statistic": "psi", "threshold": 0.1}, {"statistic": "psi", "tolerance": 0.1}]},
            "two checks of psi judge all other columns; keep one",
        ),
        (
            {
                "checks": [
                    {"statistic": "psi", "threshold": 0.1, "columns": ["a", "b"]},
                    {"statistic": "psi", "tolerance": 0.1, "columns": ["b"]},
                ]
            },
            "two checks of psi judge column 'b'; keep one",
        ),
    ],
)
def test_mistake_gives_one_line_with_place_and_remedy(changes, message):
    assert mistake_of(**changes).startswith(message)


def test_each_mistake_has_a_line_of_its_own():
    with pytest.raises(ConfigurationError) as caught:
        monitor_with(windwo={"size": "1h"}, min_events=0)
    assert str(caught.value).splitlines() == [
        "prices.yaml: min_events: must be at least 1, got 0",
        "prices.yaml: windwo: unknown key; did you mean `window`?",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "here: a monitor file is a mapping of keys such as `monitor:`, `model:` and `window:`; this one is empty"),
        (
            "- a\n- b\n",
            "here: a monitor file is a mapping of keys such as `monitor:`, `model:` and `window:`; this one is a list",
        ),
        ("monitor: a\nmodel: [", "here:2:9: this is no YAML: expected the node content"),
        ("monitor: a\n\tmodel: b", "here:2:1: this is no YAML: found character '\\t'"),
        (
            SMALLEST + "min_events: 10\nmodel: other\n",
            "here:6:1: the key `model` stands twice in one mapping; keep one",
        ),
        ("monitor: !!python/name:os.system", "here:1:10: could not determine a constructor for the tag"),
        ("\x00", "here: this is no YAML: unacceptable character #x0000"),
        ("[" * 5_000, "here: nested too deep to read"),
    ],
)
def test_text_that_is_no_monitor_gives_one_line_with_the_place(text, message):
    with pytest.raises(ConfigurationError) as caught:
        Monitor.from_yaml(text, source="here")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_key_that_a_merged_mapping_brings_may_be_given_again():
    text = SMALLEST + "checks:\n  - &a {statistic: psi, threshold: 0.1}\n  - {<<: *a, statistic: ks}\n"
    checks = Monitor.from_yaml(text, source="here").checks
    assert [(c.statistic, c.threshold) for c in checks] == [("psi", 0.1), ("ks", 0.1)]


@pytest.mark.parametrize("text", [SMALLEST, FULL])
def test_monitor_comes_back_from_the_topic_as_it_went(text):
    monitor = Monitor.from_yaml(text, source="here")
    written = monitor.to_json_bytes()
    assert Monitor.from_json_bytes(written, source="topic") == monitor
    assert Monitor.from_json_bytes(written, source="topic").to_json_bytes() == written


def test_monitor_on_the_topic_is_the_same_bytes_whatever_the_order_of_keys():
    data = yaml.safe_load(FULL)
    turned = dict(reversed(data.items()))
    one, other = (Monitor.from_mapping(d, source="here") for d in (data, turned))
    assert one.to_json_bytes() == other.to_json_bytes()


def test_monitor_on_the_topic_is_written_as_in_the_file():
    assert json.loads(Monitor.from_yaml(SMALLEST, source="here").to_json_bytes()) == {
        "monitor": "electricity",
        "model": "electricity",
        "window": {"size": "7d"},
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "this is no JSON"),
        (b"\xff", "this is no JSON"),
        (b"[]", "is a mapping of keys"),
        (b"", "this is no JSON"),
    ],
)
def test_damaged_monitor_on_the_topic_is_refused(data, message):
    with pytest.raises(ConfigurationError, match=message):
        Monitor.from_json_bytes(data, source="monitors[0]@17")


@given(
    every_min=st.integers(1, 200),
    times=st.integers(1, 50),
)
def test_pane_is_the_longest_that_fits_both_size_and_step(every_min, times):
    every, size = every_min * 60_000, every_min * 60_000 * times
    monitor = monitor_with(window={"size": format_duration(size), "every": format_duration(every)})
    pane = monitor.pane_ms
    assert size % pane == 0
    assert every % pane == 0
    assert not any(size % p == 0 and every % p == 0 for p in range(pane + 60_000, every + 1, 60_000))


def test_check_that_names_a_column_takes_precedence_over_one_that_names_none():
    monitor = monitor_with(
        checks=[
            {"statistic": "psi", "tolerance": 0.1},
            {"statistic": "psi", "threshold": 0.5, "columns": ["price"]},
            {"statistic": "ks", "threshold": 0.1, "columns": ["price"]},
            {"statistic": "new_columns", "threshold": 0},
        ]
    )
    assert [(c.statistic, c.rule) for c in monitor.checks_of("price")] == [("psi", "threshold"), ("ks", "threshold")]
    assert [(c.statistic, c.rule) for c in monitor.checks_of("demand")] == [("psi", "calibrated")]
    assert [c.statistic for c in monitor.model_checks()] == ["new_columns"]


def test_check_that_names_a_text_or_vector_judges_what_is_derived_from_it_unless_one_names_that():
    monitor = monitor_with(
        checks=[
            {"statistic": "psi", "threshold": 0.3, "columns": ["emb"]},
            {"statistic": "psi", "threshold": 0.4, "columns": ["emb.1"]},
            {"statistic": "psi", "threshold": 0.2},
            {"statistic": "ks", "threshold": 0.1, "columns": ["emb"]},
        ]
    )
    found = {
        (column, source): {c.statistic: c.threshold for c in monitor.checks_of(column, source)}
        for column, source in (("emb.0", "emb"), ("emb.1", "emb"), ("emb", None), ("x", None))
    }
    assert found == {
        ("emb.0", "emb"): {"psi": 0.3, "ks": 0.1},
        ("emb.1", "emb"): {"psi": 0.4, "ks": 0.1},
        ("emb", None): {"psi": 0.3, "ks": 0.1},
        ("x", None): {"psi": 0.2},
    }


def test_columns_are_wanted_by_their_own_name_or_that_of_their_source():
    columns = monitor_with(
        columns={"include": ["emb", "x.1"], "exclude": ["emb.3"], "types": {"emb": "vector", "c": "text"}}
    ).columns
    assert columns.derived == {"emb": "vector", "c": "text"}
    wanted = [
        pair
        for pair in (("emb.0", "emb"), ("emb.3", "emb"), ("emb", None), ("x.1", "x"), ("x.2", "x"))
        if columns.wants(*pair)
    ]
    assert wanted == [("emb.0", "emb"), ("emb", None), ("x.1", "x")]


@pytest.mark.parametrize("kind", ["text", "vector"])
def test_texts_and_vectors_are_no_segments(kind):
    message = mistake_of(columns={"types": {"a": kind}}, segments=[["b", "a"]])
    assert (
        message
        == f"segments: 'a' is declared {kind} (`columns.types`), and each of its values would be a segment; choose another column"
    )


def test_a_check_with_a_tolerance_draws_on_the_budget_unless_it_states_a_level():
    budgeted, stated = Check(statistic="psi", tolerance=0.1), Check(statistic="psi", tolerance=0.1, level=0.02)
    p_value, threshold = Check(statistic="ks", p_value=0.05), Check(statistic="ks", threshold=0.05)
    assert [c.draws_on_budget for c in (budgeted, stated, p_value, threshold)] == [True, False, False, False]
    assert [c.stated_level for c in (budgeted, stated, p_value, threshold)] == [None, 0.02, 0.05, None]


@pytest.mark.parametrize("statistic", STATISTIC_NAMES)
def test_every_statistic_takes_just_the_rules_it_has(statistic):
    rules = {
        "threshold": (statistic not in SEQUENTIAL_STATISTICS, {"threshold": 0.1}),
        "p_value": (statistic in P_VALUE_STATISTICS, {"p_value": 0.01}),
        "calibrated": (statistic in CALIBRATED_STATISTICS, {"tolerance": 0.1}),
        "sequential": (statistic in SEQUENTIAL_STATISTICS, {"tolerance": 0.1}),
    }
    of_others = "use `tolerance`" if statistic in SEQUENTIAL_STATISTICS else "use `threshold`"
    tolerates = statistic in CALIBRATED_STATISTICS | SEQUENTIAL_STATISTICS
    for rule, (allowed, options) in rules.items():
        checks = [{"statistic": statistic, **options}, {"statistic": "missing_share", "threshold": 0.1}]
        checks = checks[: 2 if statistic == "drifted_columns" else 1]  # which judges what others found
        if allowed:
            assert monitor_with(checks=checks, covariance=True).checks[0].rule == rule
        elif "tolerance" not in options or not tolerates:
            assert of_others in mistake_of(checks=checks)


def test_sets_of_statistics_hold_known_names_only():
    assert set(STATISTIC_NAMES) >= SEQUENTIAL_STATISTICS | CALIBRATED_STATISTICS | P_VALUE_STATISTICS | MODEL_STATISTICS


def test_monitor_cannot_be_changed():
    monitor = Monitor.from_yaml(SMALLEST, source="here")
    with pytest.raises(ValueError, match="frozen"):
        monitor.min_events = 1
