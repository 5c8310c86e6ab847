from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stream_gov.contracts import ConfigurationError, Monitor
from stream_gov.contracts.online_detector import (
    DETECTORS,
    MAX_VALUES,
    SERIES,
    SHARE_SERIES,
    Adwin,
    HddmA,
    HddmW,
    Kswin,
    OnlineDetector,
    PageHinkley,
)
from stream_gov.detection.change_detector import river_detector

SMALLEST = "{monitor: shop, model: shop, window: {size: 1h}}"


def monitor_with(*detectors: Any) -> Monitor:
    return Monitor.from_mapping(yaml.safe_load(SMALLEST) | {"detectors": list(detectors)}, source="shop.yaml")


def mistake_of(*detectors: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        monitor_with(*detectors)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix("shop.yaml: ")


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        ("{detector: adwin, series: mean, threshold: 3}", "detectors[0].threshold: unknown key; known are: clock, columns, delta, detector, grace_period, max_buckets, min_window_length, series"),
        ("{detector: page_hinkley, series: mean, treshold: 3}", "detectors[0].treshold: unknown key; did you mean `threshold`?"),
        ("{detector: hddm_a, series: error_rate, columns: [a], warning_confidence: 0.1}", "detectors[0].warning_confidence: unknown key; did you mean `drift_confidence`?"),
        ("{detector: adwn, series: mean}", "detectors[0]: unknown detector 'adwn'; did you mean `adwin`?"),
        ("{detector: zzz, series: mean}", "detectors[0]: unknown detector 'zzz'; known are: adwin, hddm_a, hddm_w, kswin, page_hinkley"),
        ("{detector: [adwin], series: mean}", "detectors[0]: unknown detector ['adwin']"),
        ("{detector: ddm, series: error_rate}", "detectors[0]: ddm counts single errors one by one, and a pane has only their share; use hddm_a or hddm_w on"),
        ("{detector: eddm, series: error_rate}", "detectors[0]: eddm counts single errors"),
        ("{series: mean}", "detectors[0]: `detector` is required: one of adwin, page_hinkley, kswin, hddm_a, hddm_w"),
        ("{detector: adwin}", "detectors[0].series: this key is required"),
        ("adwin", "detectors[0]: a mapping such as {detector: adwin, series: mean} is expected, got 'adwin'"),
        ("{detector: adwin, series: median}", "detectors[0].series: must be one of 'mean', 'missing_share'"),
        ("{detector: adwin, series: mean, columns: []}", "detectors[0].columns: must name at least one; or leave the key out"),
        ("{detector: hddm_a, series: mean}", "detectors[0]: hddm_a takes values between 0 and 1, which mean does not give; use one of the series missing_share,"),
        ("{detector: hddm_w, series: events}", "detectors[0]: hddm_w takes values between 0 and 1, which events does not give"),
        ("{detector: adwin, series: events, columns: [a]}", "detectors[0]: the series events is of the whole model; take `columns` away"),
        ("{detector: adwin, series: error_rate}", "detectors[0]: the series error_rate is the share of true of boolean columns"),
        ("{detector: adwin, series: mean, delta: 1}", "detectors[0].delta: must be less than 1, got 1"),
        ("{detector: adwin, series: mean, clock: 0}", "detectors[0].clock: must be at least 1, got 0"),
        ("{detector: adwin, series: mean, clock: 1.5}", "detectors[0].clock: a whole number is expected, got 1.5"),
        ("{detector: adwin, series: mean, clock: 900, grace_period: 950}", "detectors[0]: adwin could first signal after 1800 values, more than the 1000 it is given"),
        ("{detector: page_hinkley, series: mean, threshold: 0}", "detectors[0].threshold: must be more than 0, got 0"),
        ("{detector: page_hinkley, series: mean, threshold: .inf}", "detectors[0].threshold: "),
        ("{detector: page_hinkley, series: mean, mode: left}", "detectors[0].mode: must be one of 'up', 'down' or 'both', got 'left'"),
        ("{detector: kswin, series: mean, window_size: 50}", "detectors[0]: kswin draws stat_size = 30 values of the 20 before the newest 30; window_size must be at least 60"),
        ("{detector: kswin, series: mean, window_size: 2000}", "detectors[0].window_size: must be at most 1000, got 2000"),
        ("{detector: hddm_w, series: missing_share, lambda_val: 0.3}", "detectors[0]: hddm_w with lambda_val = 0.3 and drift_confidence = 0.001 can never signal"),
        ("{detector: hddm_w, series: missing_share, lambda_val: 0.001}", "detectors[0]: hddm_w with lambda_val = 0.001 needs "),
    ],
)  # fmt: skip
def test_a_mistake_gives_one_line_with_place_and_remedy(detector, message):
    assert mistake_of(yaml.safe_load(detector)).startswith(message)


def test_two_detectors_of_one_kind_on_one_series_of_a_column_are_refused():
    one = {"detector": "adwin", "series": "mean"}
    assert mistake_of(one, one) == "two detectors of adwin_mean judge all other columns; keep one"
    two = mistake_of(one | {"columns": ["a"]}, one | {"columns": ["b", "a"]})
    assert two == "two detectors of adwin_mean judge column 'a'; keep one"
    monitor_with(one, one | {"columns": ["a"]}, one | {"detector": "kswin"}, one | {"series": "missing_share"})


def test_the_detector_that_names_a_column_takes_precedence():
    watched = monitor_with(
        {"detector": "adwin", "series": "mean"},
        {"detector": "adwin", "series": "mean", "columns": ["a"], "delta": 0.1},
        {"detector": "kswin", "series": "events"},
    )
    assert [d.delta for d in watched.detectors_of("a")] == [0.1]
    assert [d.delta for d in watched.detectors_of("b")] == [0.002]
    assert [d.statistic for d in watched.model_detectors()] == ["kswin_events"]


@pytest.mark.parametrize("name", DETECTORS)
def test_it_comes_back_from_the_topic_as_it_went(name):
    watched = monitor_with({"detector": name, "series": "missing_share", "columns": ["a"]})
    assert Monitor.from_json_bytes(watched.to_json_bytes(), source="topic") == watched


# --- against river ---------------------------------------------------------------------------------------------------------------------

LEFT_OUT = {
    "seed": "a seed of chance gives other verdicts each time",
    "window": "values before the first",
    "warning_confidence": "warnings are not reported, and it changes nothing else",
}


@pytest.mark.parametrize("name", DETECTORS)
def test_parameters_have_the_names_and_defaults_of_river(name):
    mine = DETECTORS[name](detector=name, series="missing_share")
    signature = inspect.signature(type(river_detector(mine)).__init__)
    theirs = {p.name: p.default for p in signature.parameters.values() if p.name != "self"}
    assert set(mine.parameters()) <= set(theirs)
    assert {k: v for k, v in mine.parameters().items() if k not in LEFT_OUT} == {
        k: v for k, v in theirs.items() if k not in LEFT_OUT
    }


def first_signal(config: OnlineDetector, n: int) -> int | None:
    """Fewest values with which a step from 0 to 1 (or any larger one, where values are no shares) makes river signal."""
    height = 1.0 if config.needs_shares else 1e6
    best = None
    for split in range(1, n):
        river = river_detector(config)
        for i in range(n if best is None else best - 1):
            river.update(0.0 if i < split else height)
            if river.drift_detected:
                best = i + 1
                break
    return best


@pytest.mark.parametrize(
    "config",
    [
        Adwin(detector="adwin", series="mean"),
        Adwin(detector="adwin", series="mean", clock=1),
        Adwin(detector="adwin", series="mean", clock=7, grace_period=30),
        Adwin(detector="adwin", series="mean", clock=1, grace_period=0, min_window_length=9),
        Adwin(detector="adwin", series="mean", clock=1, grace_period=0, min_window_length=1, delta=1e-9),
        Adwin(detector="adwin", series="mean", clock=1, grace_period=0, min_window_length=2, delta=0.9),
        PageHinkley(detector="page_hinkley", series="mean"),
        PageHinkley(detector="page_hinkley", series="mean", min_instances=3),
        Kswin(detector="kswin", series="mean", window_size=30, stat_size=10),
        HddmA(detector="hddm_a", series="missing_share"),
        HddmA(detector="hddm_a", series="missing_share", drift_confidence=0.1),
        HddmW(detector="hddm_w", series="missing_share"),
        HddmW(detector="hddm_w", series="missing_share", lambda_val=0.2),
        HddmW(detector="hddm_w", series="missing_share", lambda_val=0.1, drift_confidence=0.05),
    ],
    ids=str,
)
def test_it_can_signal_with_the_values_it_needs_and_not_with_fewer(config):
    assert first_signal(config, config.values_needed + 3) == config.values_needed


@pytest.mark.parametrize("lambda_val", [0.2, 0.25, 0.2529, 0.2531, 0.3])
def test_whether_hddm_w_can_signal_at_all_is_what_river_does(lambda_val):
    config = HddmW.model_construct(
        detector="hddm_w", series="missing_share", drift_confidence=0.001, lambda_val=lambda_val, two_sided_test=False
    )
    assert (first_signal(config, 120) is not None) == (config.values_needed > 0)


NUMBERS = {
    "adwin": {
        "delta": st.floats(1e-9, 0.999),
        "clock": st.integers(1, MAX_VALUES),
        "max_buckets": st.integers(2, 100),
        "min_window_length": st.integers(1, MAX_VALUES // 2),
        "grace_period": st.integers(0, MAX_VALUES),
    },
    "page_hinkley": {
        "min_instances": st.integers(1, MAX_VALUES),
        "delta": st.floats(0, 1e300),
        "threshold": st.floats(1e-300, 1e300),
        "alpha": st.floats(1e-9, 1),
        "mode": st.sampled_from(["up", "down", "both"]),
    },
    "kswin": {
        "alpha": st.floats(1e-9, 0.999),
        "window_size": st.integers(4, MAX_VALUES),
        "stat_size": st.integers(2, MAX_VALUES // 2),
        "seed": st.integers(0, 2**63 - 1),
    },
    "hddm_a": {"drift_confidence": st.floats(1e-100, 0.999), "two_sided_test": st.booleans()},
    "hddm_w": {
        "drift_confidence": st.floats(1e-100, 0.999),
        "lambda_val": st.floats(1e-6, 0.999),
        "two_sided_test": st.booleans(),
    },
}


@pytest.mark.parametrize("name", DETECTORS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_river_takes_whatever_the_monitor_allows(name, data):
    options = {key: data.draw(values) for key, values in NUMBERS[name].items() if data.draw(st.booleans())}
    try:
        watched = monitor_with({"detector": name, "series": "missing_share", **options})
    except ConfigurationError:
        assume(False)
    (config,) = watched.detectors
    assert 1 <= config.values_needed <= MAX_VALUES
    assert 1 <= config.values_kept <= MAX_VALUES
    river = river_detector(config)
    for i in range(60 if config.values_needed > 60 else 2 * config.values_needed):
        river.update((i * 7919 % 1000) / 1000)
        assert river.drift_detected in (True, False)


def test_every_series_has_a_name_and_shares_are_among_them():
    assert len(set(SERIES)) == len(SERIES)
    assert set(SERIES) > SHARE_SERIES
    assert math.isclose(PageHinkley(detector="page_hinkley", series="mean").alpha, 0.9999)
