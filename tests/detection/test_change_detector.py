"""A detector with a bounded memory against plain river fed by hand, and against itself restarted at every value."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_gov.contracts.online_detector import Adwin, HddmA, HddmW, Kswin, OnlineDetector, PageHinkley
from stream_gov.detection.change_detector import MAX_ROWS, ChangeDetector, fingerprint_of, river_detector
from stream_gov.detection.pane_log import PaneLog
from stream_gov.detection.pane_series import Unit

NAME = ("x", "mean")

# Quick to signal, so that a short series holds many signals; the memories of KSWIN are cut every few values.
QUICK = {
    "adwin": Adwin(detector="adwin", series="mean", clock=1, delta=0.1, grace_period=3, min_window_length=2),
    "page_hinkley": PageHinkley(detector="page_hinkley", series="mean", min_instances=5, threshold=2.0),
    "kswin": Kswin(detector="kswin", series="mean", window_size=12, stat_size=4, alpha=0.2),
    "hddm_a": HddmA(detector="hddm_a", series="missing_share", drift_confidence=0.2, two_sided_test=True),
    "hddm_w": HddmW(detector="hddm_w", series="missing_share", drift_confidence=0.2, two_sided_test=True),
}


def plain_river(config: OnlineDetector, values: list[float]) -> list[int]:
    """Places at which river's own object signals."""
    detector = river_detector(config)
    signals = []
    for i, value in enumerate(values):
        detector.update(value)
        if detector.drift_detected:
            signals.append(i)
    return signals


def restarted(detector: ChangeDetector, log: PaneLog) -> tuple[ChangeDetector, PaneLog]:
    """As a worker finds them that has read what was kept."""
    log.drop_before(detector.first_row)
    fresh = PaneLog()
    for number in reversed(log.block_numbers):
        fresh.restore_block(number, log.block_state(number))
    return ChangeDetector(detector.name, detector.fingerprint, detector.first_row), fresh


def run(
    config: OnlineDetector, values: list[float], *, restart_at: set[int] | None = None, unit: Unit | None = None
) -> tuple[list[int], list[int]]:
    """Places of the signals, and the number of values remembered after each value; `nan` is a pane without a value."""
    log, detector = PaneLog(), ChangeDetector(NAME, "", 0)
    signals, remembered = [], []
    for i, value in enumerate(values):
        if restart_at is not None and i in restart_at:
            detector, log = restarted(detector, log)
        detector.wake(config, unit or Unit(), log)
        detector.make_room(log)
        log.append({NAME: value}, [NAME])
        log.until_ms = i
        fed = detector.in_unit(value)
        if not np.isnan(fed) and detector.feed(fed, i):
            signals.append(i)
        remembered.append(detector.n)
    return signals, remembered


def steps(seed: int, n: int, *, every: int, shares: bool = False) -> list[float]:
    """A noisy level that jumps."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.uniform(0, 1, -(-n // every)), every)[:n]
    values: NDArray[np.float64] = level * (0.7 if shares else 4) + rng.uniform(0, 0.3, n)
    return values.tolist()


@pytest.mark.parametrize("name", QUICK)
def test_it_signals_where_plain_river_fed_by_hand_signals(name):
    """As long as nothing is cut: the memory of a quick KSWIN is, after 22 values without a signal."""
    config = QUICK[name] if name != "kswin" else QUICK[name].model_copy(update={"window_size": 200, "stat_size": 60})
    n = 390 if name == "kswin" else 1_900
    values = steps(3, n, every=150, shares=name.startswith("hddm"))
    signals, _ = run(config, values)
    assert signals == plain_river(config, values)
    assert signals


@pytest.mark.parametrize("name", QUICK)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**16), gaps=st.sampled_from([0.0, 0.3]))
def test_a_restart_before_every_value_changes_nothing(name, seed, gaps):
    values = steps(seed, 120, every=30, shares=name.startswith("hddm"))
    rng = random.Random(seed)
    values = [float("nan") if rng.random() < gaps else v for v in values]
    unit = Unit() if name.startswith("hddm") else Unit(0.3, 0.7)
    assert run(QUICK[name], values, unit=unit) == run(QUICK[name], values, unit=unit, restart_at=set(range(120)))


@pytest.mark.parametrize(
    "config",
    [
        Adwin(detector="adwin", series="mean", clock=1),
        PageHinkley(detector="page_hinkley", series="mean", threshold=50),
        Kswin(detector="kswin", series="mean", window_size=40, stat_size=10, alpha=1e-3, seed=5),
        HddmA(detector="hddm_a", series="missing_share"),
        HddmW(detector="hddm_w", series="missing_share", drift_confidence=1e-4),
    ],
    ids=lambda c: c.detector,
)
def test_restarts_around_the_cuts_of_the_memory_change_nothing(config):
    """4,500 values: the memory of 2,000 is cut three times, that of KSWIN a hundred times."""
    rng = np.random.default_rng(8)
    values = rng.uniform(0, 0.1, 4_500)
    values[3_700:] += 0.5
    cuts = {1_999, 2_000, 2_001, 2_500, 2_999, 3_000, 3_001, 3_999, 4_000, 4_001, *range(100, 400)}
    undisturbed = run(config, values.tolist())
    assert undisturbed == run(config, values.tolist(), restart_at=cuts)
    assert max(undisturbed[1]) <= 2 * config.values_kept
    assert undisturbed[0], "the step is found"


def test_the_memory_of_2_000_values_is_cut_to_the_newest_1_000_before_the_next():
    config = PageHinkley(detector="page_hinkley", series="mean", threshold=60, delta=0.0)
    rng = np.random.default_rng(1)
    values = [*rng.uniform(0, 1, 2_000).tolist(), *rng.uniform(1, 2, 200).tolist()]
    signals, remembered = run(config, values)
    assert remembered[1_998:2_002] == [1_999, 2_000, 1_001, 1_002]
    assert signals[0] == 1_000 + plain_river(config, values[1_000:])[0]
    assert signals[0] != plain_river(config, values)[0], "or the cut would not show"


def test_a_signal_while_values_are_fed_again_is_not_reported_and_empties_the_memory_up_to_there():
    quiet = Adwin(detector="adwin", series="mean", clock=1, delta=1e-12)
    eager = quiet.model_copy(update={"delta": 0.5})
    rng = np.random.default_rng(5)
    values = [*rng.uniform(0, 0.3, 60).tolist(), *rng.uniform(0.8, 1.1, 30).tolist()]
    assert not plain_river(quiet, values)
    found = plain_river(eager, values)
    assert found
    log = PaneLog()
    for value in values:
        log.append({NAME: value}, [NAME])
    detector = ChangeDetector(NAME, "", 0)
    detector.wake(quiet, Unit(), log)
    assert (detector.first_row, detector.n) == (0, 90)
    detector.wake(eager, Unit(), log)  # as another release of river, or another unit, may see the same values
    assert (detector.first_row, detector.n) == (found[-1] + 1, 90 - found[-1] - 1)


def test_a_sparse_series_keeps_its_values_but_no_more_than_4_000_panes():
    config = Kswin(detector="kswin", series="mean", window_size=30, stat_size=10, alpha=1e-9)
    values = [float(i % 7) if i % 100 == 0 else float("nan") for i in range(9_000)]
    _, remembered = run(config, values)
    assert remembered[2_999] == 30
    assert max(remembered) == MAX_ROWS // 100
    dense_enough = [float(i % 7) if i % 20 == 0 else float("nan") for i in range(9_000)]
    _, remembered = run(config, dense_enough)
    assert min(remembered[600:]) >= config.values_needed - 1, "a cut leaves it all but one of the values it needs"
    assert max(remembered) == 2 * config.values_kept


def test_values_beyond_all_numbers_are_no_values():
    detector, log = ChangeDetector(NAME, "", 0), PaneLog()
    log.append({NAME: 1e300}, [NAME])
    detector.wake(QUICK["adwin"], Unit(0.0, 1e-300), log)
    assert detector.n == 0
    assert np.isnan(detector.in_unit(1e300))


def test_a_detector_that_was_not_woken_is_not_fed():
    with pytest.raises(RuntimeError, match="before it is woken"):
        ChangeDetector(NAME, "", 0).feed(1.0, 0)


def test_the_fingerprint_tells_parameters_kind_and_pane_apart_but_not_columns():
    config = QUICK["adwin"]
    same = config.model_copy(update={"columns": ("a", "b")})
    prints = [
        fingerprint_of(config, "numeric", 1_000),
        fingerprint_of(config.model_copy(update={"delta": 0.2}), "numeric", 1_000),
        fingerprint_of(config, "boolean", 1_000),
        fingerprint_of(config, "numeric", 2_000),
    ]
    assert len(set(prints)) == 4
    assert fingerprint_of(same, "numeric", 1_000) == prints[0]


# --- published numbers ---------------------------------------------------------------------------------------------------------------


def of_the_documentation() -> list[float]:
    rng = random.Random(12345)
    return [float(x) for x in rng.choices([0, 1], k=1000) + rng.choices(range(4, 8), k=1000)]


def two_levels_of_integers() -> list[float]:
    rng = np.random.RandomState(12345)
    return np.concatenate((rng.randint(2, size=1000), rng.randint(8, size=1000))).astype(float).tolist()


def two_levels_of_bits() -> list[float]:
    rng = np.random.RandomState(12345)
    return [float(rng.binomial(1, p)) for p in (0.2, 0.8) for _ in range(1000)]


def four_levels_of_bits() -> list[float]:
    rng = np.random.RandomState(12345)
    return np.concatenate([rng.normal(m, 0.1, 500) > 0 for m in (0.0, 0.25, 0.0, 0.25)]).astype(float).tolist()


def four_levels_of_integers() -> list[float]:
    rng = random.Random(42)
    return [float(x) for k in range(4) for x in rng.choices(range(4, 8) if k % 2 else [0, 1], k=1000)]


def bits_of_hddm_w() -> list[float]:
    rng = random.Random(42)
    return [float(x) for x in rng.choices([0, 1], k=1000) + rng.choices([0, 1], k=1000, weights=[0.3, 0.7])]


@pytest.mark.parametrize(
    ("config", "values", "signals"),
    [
        # river's documentation of each class, the same from 0.22 to 0.26
        (Adwin(detector="adwin", series="mean"), of_the_documentation, [1023]),
        (Kswin(detector="kswin", series="mean", alpha=1e-4, seed=42), of_the_documentation, [1016]),
        (PageHinkley(detector="page_hinkley", series="mean"), of_the_documentation, [1006]),
        (HddmA(detector="hddm_a", series="missing_share"), bits_of_hddm_w, [1206]),
        (HddmW(detector="hddm_w", series="missing_share"), bits_of_hddm_w, [1077]),
        # river/drift/test_drift_detectors.py and test_adwin_regression.py of 0.24.2
        (Adwin(detector="adwin", series="mean"), two_levels_of_integers, [1023]),
        (Adwin(detector="adwin", series="mean"), four_levels_of_integers, [1023, 2015, 3007]),
        (
            Kswin(detector="kswin", series="mean", alpha=1e-4, window_size=200, stat_size=100, seed=42),
            two_levels_of_integers,
            [1042],
        ),
        (PageHinkley(detector="page_hinkley", series="mean", mode="up"), four_levels_of_bits, [588, 1681]),
        (PageHinkley(detector="page_hinkley", series="mean", mode="down"), four_levels_of_bits, [1172]),
        (PageHinkley(detector="page_hinkley", series="mean"), four_levels_of_bits, [588, 1097, 1585]),
        (HddmA(detector="hddm_a", series="missing_share"), two_levels_of_bits, [1047]),
        (
            HddmA(detector="hddm_a", series="missing_share", two_sided_test=True),
            four_levels_of_bits,
            [531, 1015, 1545],
        ),
        (HddmW(detector="hddm_w", series="missing_share"), two_levels_of_bits, [1018]),
        (
            HddmW(detector="hddm_w", series="missing_share", two_sided_test=True),
            four_levels_of_bits,
            [507, 1032, 1508],
        ),
    ],
    ids=lambda x: x.detector if hasattr(x, "detector") else getattr(x, "__name__", ""),
)
def test_published_signals_of_river_are_found(config, values, signals):
    """Though memories are cut: what is cut away changes none of these."""
    assert run(config, values())[0] == signals
