"""What `examples/electricity/README.md` says about the data, and the reference of its first year."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stream_gov.contracts import Monitor
from stream_gov.files import TableMapping, TabularFile, build_reference
from stream_gov.reference import ProfileBuilder, ReferenceProfile

EXAMPLE = Path(__file__).parents[2] / "examples" / "electricity"
YEAR = 17_520
MOVES, ALL_MOVE = 17_424, 17_760


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    with as_file(files("stream_gov") / "demo_data" / "electricity.csv.gz") as path:
        return pd.read_csv(path)


@pytest.fixture(scope="module")
def profile() -> ReferenceProfile:
    with as_file(files("stream_gov") / "demo_data" / "electricity.csv.gz") as path:
        return build_reference(
            TabularFile(path, TableMapping(ignore=("class",))),
            ProfileBuilder(),
            name="electricity",
            revision=1,
            model="electricity",
            created_ms=0,
            stop=YEAR,
        )


def test_the_data_is_what_the_readme_says(data):
    assert data.shape == (45_312, 7)
    assert list(data) == ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer", "class"]
    assert not data.isna().any().any()
    assert data["class"].value_counts().to_dict() == {0: 26_075, 1: 19_237}
    assert np.array_equal(data["period"], np.tile(data["period"][:48], 944))
    features = data.drop(columns="class")
    assert (features.min() == 0).all()
    assert (features.max() == 1).all()


def test_the_columns_move_where_the_readme_says(data):
    for column, constant in (("vicprice", 0.003467), ("vicdemand", 0.422915), ("transfer", 0.414912)):
        assert (data[column][:MOVES] == constant).all()
        assert data[column][MOVES] != constant
    for column in ("vicprice", "vicdemand"):
        assert data[column][MOVES:ALL_MOVE].nunique() > 300
    assert set(data["transfer"][MOVES:ALL_MOVE]) == {0.500526}
    assert data["transfer"][ALL_MOVE:].nunique() == 1_878


def test_the_reference_of_the_first_year_has_the_counts_of_its_rows(profile, data):
    year = data[:YEAR]
    assert profile.n_rows == YEAR
    for name, column in profile.segments[""].columns.items():
        expected, _ = np.histogram(year[name], [-np.inf, *column.layout.edges, np.inf])
        np.testing.assert_array_equal(column.counts, expected)
        np.testing.assert_allclose(column.mean(), year[name].mean(), rtol=1e-5)
        np.testing.assert_allclose(column.standard_deviation(), year[name].std(), rtol=1e-4)


def test_the_reference_of_the_first_year_has_groups_that_fit_each_column(profile):
    counts = {name: column.cell_counts().tolist() for name, column in profile.segments[""].columns.items()}

    assert counts["period"] == [365] * 48 + [0]
    for name in ("nswprice", "nswdemand"):
        assert len(counts[name]) == 10
        assert min(counts[name]) > 0.09 * YEAR
    # Two days of the change lie within the year, so these are not quite constant.
    for name in ("vicprice", "vicdemand"):
        assert sorted(counts[name]) == [96, YEAR - 96]
    assert counts["transfer"] == [YEAR - 96, 96, 0]


def test_the_change_puts_most_values_into_cells_that_the_reference_hardly_fills(profile, data):
    for name in ("vicprice", "vicdemand", "transfer"):
        layout = profile.layout.columns[name]
        after = data[name][ALL_MOVE : ALL_MOVE + 336].to_numpy()
        groups = layout.groups[np.searchsorted(layout.edges, after, side="right")]
        reference = profile.segments[""].columns[name].cell_counts() / YEAR
        assert reference[groups].mean() < 0.02


def test_the_example_is_prepared_and_its_monitor_builds_the_reference_it_names(tmp_path):
    target = tmp_path / "electricity.csv"
    subprocess.run([sys.executable, EXAMPLE / "prepare.py", target], check=True, capture_output=True)
    path = EXAMPLE / "monitor.yaml"
    monitor = Monitor.from_yaml(path.read_text(encoding="utf-8"), source=str(path))
    file = TabularFile(target, TableMapping(ignore=("class",)))

    reference = build_reference(
        file,
        ProfileBuilder.for_monitor(monitor),
        name="electricity",
        revision=1,
        model=monitor.model,
        created_ms=0,
        stop=YEAR,
    )

    assert list(reference.layout.columns) == ["nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
    assert reference.first_ms == 831_391_200_000  # 1996-05-06T14:00:00Z
    assert reference.last_ms == reference.first_ms + (YEAR - 1) * 1_800_000
    assert file.n_rows == 45_312
    assert file.notices == ()
