from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.contracts import ColumnSelection, DataError, Monitor
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile

NOW = 1_700_000_000_000


def rows(n: int = 20_000, seed: int = 0) -> RowBatch:
    rng = np.random.default_rng(seed)
    x = rng.normal(3, 2, n)
    x[rng.random(n) < 0.1] = np.nan
    return RowBatch(
        {
            "x": x,
            "y": 2 * x + rng.normal(size=n),
            "hours": rng.integers(0, 24, n).astype(float),
            "region": rng.choice(["NSW", "VIC", "QLD"], n, p=[0.6, 0.3, 0.1]).tolist(),
            "member": [bool(v) for v in rng.random(n) < 0.2],
            "prediction": rng.choice(["up", "down"], n).tolist(),
        },
        n,
        times_ms=np.arange(n) * 1_000,
    )


def cut(batch: RowBatch, cuts: list[int]) -> Iterator[RowBatch]:
    bounds = [0, *cuts, batch.n_rows]
    for start, stop in itertools.pairwise(bounds):
        yield batch.slice(start, stop)


def build(batch: RowBatch, *, cuts: tuple[int, ...] = (), **options) -> ReferenceProfile:
    return build_profile(
        lambda: cut(batch, list(cuts)),
        ProfileBuilder(**options),
        name="r",
        revision=1,
        model="m",
        source="rows",
        created_ms=NOW,
    )


def test_counts_equal_numpys_histogram():
    batch = rows()
    column = build(batch, cuts=(1, 5_000)).segments[""].columns["x"]
    values = batch.columns["x"]
    valid = values[~np.isnan(values)]

    expected, _ = np.histogram(valid, [-np.inf, *column.layout.edges, np.inf])
    np.testing.assert_array_equal(column.counts, expected)
    assert column.n_missing == np.isnan(values).sum()
    assert (column.minimum, column.maximum) == (valid.min(), valid.max())
    np.testing.assert_allclose(column.mean(), valid.mean(), rtol=1e-6)
    np.testing.assert_allclose(column.variance(), valid.var(ddof=1), rtol=1e-4)


def test_categories_and_booleans_are_counted_exactly():
    batch = rows()
    columns = build(batch).segments[""].columns
    by_region = Counter(batch.columns["region"])

    assert columns["region"].layout.categories == ("NSW", "VIC", "QLD")
    assert columns["region"].cell_counts().tolist() == [by_region[r] for r in ("NSW", "VIC", "QLD")] + [0]
    n_true = sum(batch.columns["member"])
    assert columns["member"].cell_counts().tolist() == [batch.n_rows - n_true, n_true]


def test_a_profile_says_what_it_was_built_from():
    batch = rows(1_000)
    profile = build(batch)

    assert profile.id == profile.layout.id == "r@1"
    assert profile.n_rows == profile.segments[""].n_events == 1_000
    assert (profile.first_ms, profile.last_ms) == (0, 999_000)
    assert profile.column_types == {
        "x": "numeric",
        "y": "numeric",
        "hours": "numeric",
        "region": "categorical",
        "member": "boolean",
        "prediction": "categorical",
    }
    assert profile.sketches["x"].n == 1_000
    assert (profile.source, profile.created_ms, profile.version) == ("rows", NOW, "")
    assert profile.stream_gov_version


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 19_999), max_size=8, unique=True).map(sorted))
def test_the_profile_does_not_depend_on_the_batches(cuts):
    options = {"segments": [("region",)], "covariance": True}
    whole, parts = build(rows(), **options), build(rows(), cuts=tuple(cuts), **options)

    assert parts.layout == whole.layout
    assert parts.data_hash == whole.data_hash
    assert {n: p.to_bytes() for n, p in parts.segments.items()} == {n: p.to_bytes() for n, p in whole.segments.items()}
    assert parts.warnings == whole.warnings


def test_beyond_the_sample_cells_are_still_near_the_quantiles_and_counts_exact():
    values = np.random.default_rng(0).normal(size=300_000)
    batch = RowBatch({"x": values}, len(values))
    column = build(batch, cuts=(123_456,)).segments[""].columns["x"]

    expected, _ = np.histogram(values, [-np.inf, *column.layout.edges, np.inf])
    np.testing.assert_array_equal(column.counts, expected)
    # Standard error of a tenth from 100,000 rows: 0.0009; the rows are fixed, so this cannot fail by chance.
    np.testing.assert_allclose(column.cell_counts() / len(values), 0.1, atol=5e-3)


def test_each_segment_has_the_counts_of_its_own_rows():
    batch = rows()
    profile = build(batch, cuts=(3_000,), segments=[("region",), ("region", "member")], max_segments=4)

    counts = Counter(batch.columns["region"]) + Counter(
        zip(batch.columns["region"], batch.columns["member"], strict=True)
    )
    known = {key for key, _ in counts.most_common(4)}
    assert profile.known_segments == {
        *(f"region={k}" if isinstance(k, str) else f"region={k[0]},member={str(k[1]).lower()}" for k in known),
        "region=(other)",
        "region=(other),member=(other)",
    }
    nsw = profile.segments["region=NSW"].columns["x"]
    own = batch.columns["x"][np.array(batch.columns["region"]) == "NSW"]
    expected, _ = np.histogram(own[~np.isnan(own)], [-np.inf, *nsw.layout.edges, np.inf])
    np.testing.assert_array_equal(nsw.counts, expected)
    for definition in (1, 2):
        parts = [p for name, p in profile.segments.items() if name.count("=") == definition]
        assert sum(p.n_events for p in parts) == batch.n_rows


def test_covariance_is_that_of_the_rows_without_missing_values():
    batch = rows()
    covariance = build(batch, cuts=(9_000,), covariance=True).segments[""].covariance
    table = np.column_stack([batch.columns[c] for c in ("x", "y", "hours")])

    assert list(covariance.columns) == ["x", "y", "hours"]
    expected = np.cov(table[~np.isnan(table).any(axis=1)], rowvar=False)
    np.testing.assert_allclose(covariance.covariance(), expected, rtol=1e-3, atol=0.02)


def test_columns_that_the_monitor_leaves_out_are_named():
    monitor = Monitor.from_yaml(
        "{monitor: m, model: m, window: {size: 1d}, columns: {exclude: [y], types: {hours: categorical}}, segments: [region]}",
        source="monitor.yaml",
    )
    batch = rows(1_000)
    profile = build_profile(
        lambda: [batch], ProfileBuilder.for_monitor(monitor), name="r", revision=1, model="m", source="", created_ms=NOW
    )

    assert "y" not in profile.layout.columns
    assert profile.ignored == {"y": "left out by the monitor's `columns`"}
    assert profile.layout.columns["hours"].kind == "categorical"
    assert profile.segment_columns == (("region",),)


def test_ids_are_ignored_and_named():
    profile = build(RowBatch({"x": np.ones(200), "id": [f"id-{i}" for i in range(200)]}, 200))

    assert list(profile.layout.columns) == ["x"]
    assert profile.ignored == {"id": "nearly unique: 200 distinct values in 200"}
    assert any("'id'" in w for w in profile.warnings)


def test_values_of_a_wrong_type_are_counted():
    column = build(RowBatch({"x": [1.0, 2.0, 3.0, "4", True, None, [1], float("inf")]}, 8)).segments[""].columns["x"]

    assert (column.n_valid, column.n_missing, column.n_type_errors) == (3, 1, 4)


def test_a_column_that_some_batches_lack_is_missing_there():
    early, late = RowBatch({"a": [1, 2]}, 2), RowBatch({"a": [3], "b": ["x"]}, 1)
    profile = build_profile(
        lambda: [early, late], ProfileBuilder(), name="r", revision=1, model="m", source="", created_ms=NOW
    )

    assert profile.segments[""].columns["b"].n_missing == 2
    assert profile.sketches["b"].n_missing == 2


def test_the_version_is_that_of_the_rows():
    def version_of(versions: list[str], **told) -> ReferenceProfile:
        batch = RowBatch({"x": [1.0] * 3}, 3, versions=versions)
        return build_profile(
            lambda: [batch], ProfileBuilder(), name="r", revision=1, model="m", source="", created_ms=NOW, **told
        )

    assert version_of(["2"] * 3).version == "2"
    assert version_of(["2"] * 3, version="7").version == "7"
    mixed = version_of(["1", "2", "2"])
    assert mixed.version == "2"
    assert any("several versions of the model: '2' (2 rows), '1' (1 rows)" in w for w in mixed.warnings)


@pytest.mark.parametrize(
    ("selection", "segments", "message"),
    [
        ({"include": ["x", "pric"]}, (), "columns.include names the column 'pric', .* did you mean `price`?"),
        ({"types": {"z": "categorical"}}, (), "columns.types names the column 'z'"),
        ({}, (("regio",),), "segments names the column 'regio'"),
    ],
)
def test_a_column_that_the_data_lacks_is_an_error(selection, segments, message):
    batch = RowBatch({"x": [1.0], "price": [2.0]}, 1)
    with pytest.raises(DataError, match=message):
        build(batch, columns=ColumnSelection(**selection), segments=segments)


def test_no_rows_are_an_error():
    with pytest.raises(DataError, match="a reference needs rows, and there are none"):
        build(RowBatch({"x": []}, 0))


def test_nothing_to_watch_is_an_error():
    with pytest.raises(DataError, match=r"needs at least one column to watch.*id: nearly unique"):
        build(RowBatch({"id": [str(i) for i in range(500)]}, 500))


def test_rows_that_change_between_the_passes_are_an_error():
    builder = ProfileBuilder()
    builder.sketch(rows(100))
    builder.count(rows(101))
    with pytest.raises(DataError, match="changed while it was read: 100 rows in the first pass, 101 in the second"):
        builder.finish(name="r", revision=1, model="m", source="", created_ms=NOW)


def test_the_first_pass_ends_with_the_second():
    builder = ProfileBuilder()
    builder.sketch(rows(10))
    builder.count(rows(10))
    with pytest.raises(RuntimeError, match="the first pass is over"):
        builder.sketch(rows(10))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3), min_size=1, max_size=60))
def test_any_column_gives_a_profile_that_reads_back(values):
    profile = build(RowBatch({"x": values, "always": [1.0] * len(values)}, len(values)), covariance=True)

    again = ReferenceProfile.from_bytes(profile.to_bytes())
    assert again.to_bytes() == profile.to_bytes()
    column = profile.segments[""].columns["x"]
    assert column.n == len(values)
