"""The segment that carries a drift is named, a drift of all events names none."""

from __future__ import annotations

import numpy as np
import pytest

from stream_gov.contracts import Check, Verdict
from stream_gov.diagnosis import SegmentPart, find_carrier
from stream_gov.statistics import STATISTICS, decide, psi_p_value
from tests.diagnosis.columns import reference_of, window_of

PSI = Check(statistic="psi", tolerance=0.1, level=0.001)
REGIONS = {"region=A": 4_000, "region=B": 3_000, "region=C": 2_000, "region=D": 1_000}


class World:
    """Four regions, each normal about a mean of its own."""

    def __init__(self, *, seed=1, share=0.25):
        self.rng = np.random.default_rng(seed)
        self.before = {name: self.draw(name, n) for name, n in REGIONS.items()}
        self.reference = reference_of(np.concatenate(list(self.before.values())))
        self.share = share

    def draw(self, name, n):
        return self.rng.normal(ord(name[-1]) - 65, 1, n)

    def parts(self, shifts, *, missing=None, definition=("region",)):
        self.after = {name: self.draw(name, int(n * self.share)) + shifts.get(name, 0.0) for name, n in REGIONS.items()}
        missing = missing or {}
        return [
            SegmentPart(
                name,
                definition,
                window_of(self.reference, self.before[name]),
                window_of(self.reference, self.after[name], n_missing=missing.get(name, 0)),
            )
            for name in REGIONS
        ]

    def search(self, parts, check=PSI, **more):
        total = parts[0].window
        for part in parts[1:]:
            if part.definition == parts[0].definition:
                total = total.merge(part.window)
        return total, find_carrier(check.statistic, check, self.reference, total, parts, min_events=100, **more)


@pytest.mark.parametrize("name", ["region=A", "region=B", "region=C"])
@pytest.mark.parametrize(
    "check",
    [
        PSI,
        Check(statistic="psi", threshold=0.1),
        Check(statistic="psi", p_value=0.001),
        Check(statistic="ks", tolerance=0.05, level=0.001),
        Check(statistic="l_infinity", threshold=0.05),
    ],
    ids=lambda c: f"{c.statistic} {c.rule}",
)
def test_the_one_segment_that_drifts_is_named(name, check):
    world = World(share=1.0)
    total, found = world.search(world.parts({name: 3.0}), check)
    decision = decide(STATISTICS[check.statistic], world.reference, total, check, 100)
    assert decision.verdict is Verdict.DRIFT
    assert found is not None
    finding, words = found
    assert (finding.segment, finding.n_searched, finding.kind) == (name, 4, "population_drift")
    assert finding.n_window == REGIONS[name]
    assert words.startswith("mean ")
    assert (finding.p_value is None) == (STATISTICS[check.statistic].p_value is None)


def test_the_p_value_is_that_of_the_segment_times_the_number_of_segments():
    world = World(share=0.1)
    parts = world.parts({"region=B": 0.62})
    _, found = world.search(parts)
    assert found is not None
    b = parts[1]
    alone = psi_p_value(b.reference.cell_counts(), b.window.cell_counts(), tolerance=0.1, ordered=True)
    assert 1e-8 < alone < 2.5e-4
    assert found[0].p_value == pytest.approx(4 * alone, rel=1e-9)


@pytest.mark.parametrize(
    "shifts",
    [
        dict.fromkeys(REGIONS, 1.5),
        {"region=A": 2.0, "region=B": 2.0},
        {"region=A": 2.0, "region=C": 1.0},
        {},
    ],
    ids=["all", "two", "two, one less", "none"],
)
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_a_drift_of_more_than_one_segment_names_none(shifts, share):
    world = World(share=share)
    _, found = world.search(world.parts(shifts))
    assert found is None


def test_a_rest_with_too_few_events_to_drift_does_not_make_a_carrier():
    # all drift alike; without A and B the rest is far too small to prove it
    world = World(share=0.12)
    parts = world.parts(dict.fromkeys(REGIONS, 0.7))
    _, found = world.search(parts[:3])
    assert found is None


def test_segments_with_too_few_events_are_neither_searched_nor_counted():
    world = World(share=0.09)  # 90 events of region D
    _, found = world.search(world.parts({"region=A": 3.0}))
    assert found is not None
    assert found[0].n_searched == 3
    assert find_carrier("psi", PSI, world.reference, world.reference, [], min_events=100) is None


def test_missing_values_of_one_segment_are_found():
    world = World()
    check = Check(statistic="missing_share", tolerance=0.02)
    _, found = world.search(world.parts({}, missing={"region=B": 300}), check)
    assert found is not None
    assert (found[0].segment, found[0].kind) == ("region=B", "missing_values_rose")
    assert found[1] == "missing values 0 % -> 28.6 %"


def test_of_several_definitions_the_most_specific_segment_is_named():
    world = World(share=1.0)
    parts = world.parts({"region=B": 3.0})
    b = parts[1]
    half = world.after["region=B"].size // 2
    devices = [
        SegmentPart(
            f"region=B,device={device}",
            ("region", "device"),
            window_of(world.reference, world.before["region=B"][part]),
            window_of(world.reference, world.after["region=B"][part]),
        )
        for device, part in (("web", slice(None, half)), ("app", slice(half, None)))
    ]
    _, found = world.search([*parts, *devices])
    assert found is not None
    assert found[0].segment == b.name  # both devices drift, so neither carries it
    calm = SegmentPart("x", ("region", "device"), devices[1].reference, devices[1].reference)
    world.after["region=B"][half:] -= 3.0
    drifting = window_of(world.reference, world.after["region=B"])
    parts[1] = SegmentPart(b.name, b.definition, b.reference, drifting)
    _, found = world.search([*parts, devices[0], calm])
    assert found is not None
    assert found[0].segment == "region=B,device=web"
    assert found[0].n_searched == 6


def test_without_any_drift_a_segment_is_hardly_ever_named():
    """The check of all events is left out here: only the level divided by the number of segments stands in the way."""
    world = World(seed=5, share=0.2)
    check = Check(statistic="psi", tolerance=0.0, level=0.05)
    named = sum(world.search(world.parts({}), check)[1] is not None for _ in range(300))
    # at most 5 % of 300 by Bonferroni; a binomial count with that mean exceeds 28 once in 1,000
    assert named <= 28


def test_the_level_that_judged_is_the_one_that_is_divided():
    world = World(share=0.1)
    parts = world.parts({"region=B": 0.55})
    _, found = world.search(parts, level=0.4)
    assert found is not None
    assert 0.001 < found[0].p_value < 0.4
    assert world.search(parts)[1] is None


def flags(share, n):
    """A column of true and false with just that share."""
    return [True] * round(share * n) + [False] * (n - round(share * n))


def flag_parts(shares):
    """Segments of a column of flags by name: share of true before and after, and events after."""
    reference = reference_of(flags(0.5, 1_000))
    return reference, [
        SegmentPart(name, ("s",), window_of(reference, flags(before, 4_000)), window_of(reference, flags(after, n)))
        for name, (before, after, n) in shares.items()
    ]


def merged(parts, side):
    first, *rest = (getattr(p, side) for p in parts)
    for other in rest:
        first = first.merge(other)
    return first


def test_a_rest_that_moved_as_far_and_is_too_small_to_prove_it_makes_no_carrier():
    check = Check(statistic="psi", p_value=0.001)
    _, parts = flag_parts({"s=a": (0.5, 0.58, 4_000), "s=b": (0.5, 0.58, 150)})
    sides = [merged(parts, side) for side in ("reference", "window")]
    assert find_carrier("psi", check, *sides, parts, min_events=100) is None
    _, parts = flag_parts({"s=a": (0.5, 0.58, 4_000), "s=b": (0.5, 0.51, 150)})
    sides = [merged(parts, side) for side in ("reference", "window")]
    found = find_carrier("psi", check, *sides, parts, min_events=100)
    assert found is not None
    assert found[0].segment == "s=a"


def test_a_rest_that_is_beyond_the_tolerance_makes_no_carrier_though_it_cannot_prove_it():
    for after, named in ((0.67, False), (0.6, True)):
        _, parts = flag_parts({"s=a": (0.5, 0.87, 4_000), "s=b": (0.5, after, 150)})
        sides = [merged(parts, side) for side in ("reference", "window")]
        left = STATISTICS["psi"].compute(parts[1].reference, parts[1].window)
        assert (left <= 0.1) == named
        assert (find_carrier("psi", PSI, *sides, parts, min_events=100) is not None) == named


def test_beyond_a_threshold_a_segment_must_be_beyond_chance_for_so_many_segments():
    check = Check(statistic="psi", threshold=0.01)
    calm = {f"s={i}": (0.5, 0.5, 400) for i in range(7)}
    for after, named in ((0.586, False), (0.62, True)):
        _, parts = flag_parts({"s=a": (0.5, after, 500), **calm})
        p_value = STATISTICS["psi"].p_value(parts[0].reference, parts[0].window)
        assert p_value < 0.001  # alone it is beyond chance
        assert (p_value < 0.001 / 8) == named
        sides = [merged(parts, side) for side in ("reference", "window")]
        assert (find_carrier("psi", check, *sides, parts, min_events=100) is not None) == named
