from __future__ import annotations

import numpy as np

from stream_gov.contracts import Monitor
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile, counting_plan

MONITOR = Monitor.from_yaml(
    "{monitor: m, model: houses, reference: r, window: {size: 1d, every: 6h}, segments: [region], max_segments: 2, "
    "columns: {exclude: [noise]}}",
    source="monitor.yaml",
)


def profile(revision: int, regions: list[str]) -> ReferenceProfile:
    n = 300
    batch = RowBatch(
        {
            "x": np.arange(n) % 7.0,
            "region": [regions[i % len(regions)] for i in range(n)],
            "id": [f"id-{i}" for i in range(n)],
            "noise": np.zeros(n),
        },
        n,
    )
    return build_profile(
        lambda: [batch],
        ProfileBuilder.for_monitor(MONITOR),
        name="r",
        revision=revision,
        model="houses",
        source="",
        created_ms=0,
    )


def test_a_model_is_counted_in_the_cells_of_its_profile():
    reference = profile(1, ["NSW", "VIC"])
    plan = counting_plan(MONITOR, [reference])

    assert plan.model == "houses"
    assert plan.layouts == (reference.layout,)
    assert plan.pane_ms == 6 * 3_600_000
    assert plan.segments == (("region",),)
    assert plan.max_segments == 2
    assert plan.known_segments == {"region=NSW", "region=VIC"}


def test_columns_that_the_reference_ignores_are_not_new():
    plan = counting_plan(MONITOR, [profile(1, ["NSW"])])

    assert {"id", "noise", "x", "region"} <= plan.known_columns


def test_while_a_profile_is_replaced_both_are_counted_in_the_segments_of_either():
    new, old = profile(2, ["QLD"]), profile(1, ["NSW", "VIC"])
    plan = counting_plan(MONITOR, [new, old])

    assert [layout.id for layout in plan.layouts] == ["r@2", "r@1"]
    assert plan.known_segments == {"region=NSW", "region=VIC", "region=QLD"}


def test_without_a_profile_segments_are_found_on_the_way():
    plan = counting_plan(MONITOR, [])

    assert plan.layouts == ()
    assert plan.known_segments is None
    assert not plan.columns.wants("noise")
