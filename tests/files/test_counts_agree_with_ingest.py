"""A reference and the live path count the same rows alike: the two are compared cell by cell later, so they must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stream_gov.contracts import Monitor, PaneRecord
from stream_gov.decoding import Intake
from stream_gov.files import TableMapping, TabularFile, build_reference, column_types
from stream_gov.reference import ProfileBuilder, ReferenceProfile, counting_plan
from stream_gov.summaries import PaneSummary

MONITOR = Monitor.from_yaml(
    """
    monitor: houses
    model: houses
    window: {size: 1d}
    segments: [region, [region, member], rooms]
    max_segments: 9
    covariance: true
    columns: {types: {code: categorical}, exclude: [noise]}
    """,
    source="houses.yaml",
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    n = 4_000
    table = pd.DataFrame(
        {
            "timestamp": pd.date_range("1996-05-07", periods=n, freq="10min", tz="UTC"),
            "price": np.round(rng.lognormal(3, 2, n), 3),
            "stock": np.where(rng.random(n) < 0.4, 0, rng.normal(size=n)),
            "rooms": rng.integers(1, 7, n),
            "region": rng.choice(["NSW", "VIC", "Ōtautahi", "a,b=c"], n, p=[0.5, 0.3, 0.15, 0.05]),
            "code": rng.integers(2_000, 2_020, n),
            "member": rng.random(n) < 0.5,
            "noise": rng.normal(size=n),
            "prediction": rng.choice(["up", "down"], n),
            "score.up": rng.random(n),
        }
    ).astype({"price": object, "rooms": object, "member": object})
    table.loc[::17, "price"] = None
    table.loc[::90, "price"] = "n.a."
    table.loc[5::90, "price"] = "inf"
    table.loc[::13, "region"] = None
    table.loc[::19, "rooms"] = None
    table.loc[::29, "member"] = None
    target = tmp_path_factory.mktemp("agree") / "houses.csv"
    table.to_csv(target, index=False)
    return target


def count_live(file: TabularFile, profile: ReferenceProfile) -> dict[str, PaneSummary]:
    """Send every row through the intake in two cuts, and merge the panes by segment."""
    plan = counting_plan(MONITOR, [profile])
    intake = Intake(lambda model: plan if model == "houses" else None, out_of_orderness_ms=0, max_future_skew_ms=0)
    events = list(file.events(model="houses"))
    merged: dict[str, PaneSummary] = {}
    for start, stop in ((0, 1_234), (1_234, len(events))):
        part = events[start:stop]
        rejected = intake.add(
            "t", 0, range(start, stop), [message for _, _, message in part], [time for time, _, _ in part], now_ms=None
        )
        assert rejected == []
        for record in intake.cut("t", 0, n_partitions=1, from_offset=start, to_offset=stop):
            if isinstance(record, PaneRecord):
                pane = PaneSummary.from_bytes(record.summary, profile.layout)
                known = merged.get(record.segment)
                merged[record.segment] = pane if known is None else known.merge(pane)
    return merged


def test_the_same_rows_counted_live_give_the_reference_itself(path):
    types = column_types(MONITOR)
    file = TabularFile(path, TableMapping(), types={**types, "price": "numeric"})
    profile = build_reference(
        file, ProfileBuilder.for_monitor(MONITOR), name="r", revision=1, model="houses", created_ms=0
    )

    live = count_live(file, profile)

    assert profile.known_segments >= {"region=NSW", "region=(other)", "rooms=6", "rooms=(other)"}
    assert profile.segments[""].columns["price"].n_type_errors == 90  # 45 times text, 45 times infinity
    assert sorted(live) == sorted(profile.segments)
    for segment, pane in profile.segments.items():
        assert live[segment].new_columns == {}, segment
        assert live[segment].to_bytes() == pane.to_bytes(), segment
