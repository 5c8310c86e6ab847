from __future__ import annotations

import csv
import gzip
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.contracts import DataError, Monitor
from stream_gov.files import TableMapping, TabularFile, build_reference, column_types, iter_events
from stream_gov.files.csv_types import parse_word
from stream_gov.reference import ProfileBuilder, ReferenceProfile

START_MS = 831_391_200_000  # 1996-05-07 00:00 in Sydney


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 9_000
    table = pd.DataFrame(
        {
            "timestamp": pd.date_range("1996-05-07", periods=n, freq="30min", tz="+10:00"),
            "price": rng.normal(50, 10, n),
            "rooms": rng.integers(1, 5, n),
            "region": rng.choice(["NSW", "VIC", "Ōtautahi"], n),
            "member": rng.random(n) < 0.5,
            "prediction": rng.choice(["up", "down"], n),
            "score": rng.random(n),
            "label": rng.integers(0, 2, n),
        }
    )
    table.loc[::17, "price"] = np.nan
    table.loc[::13, "region"] = None
    return table


@pytest.fixture(scope="module")
def files(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("tables")
    paths = {name: directory / f"houses.{name}" for name in ("csv", "csv.gz", "parquet")}
    frame.to_csv(paths["csv"], index=False)
    frame.to_csv(paths["csv.gz"], index=False)
    frame.to_parquet(paths["parquet"], index=False, row_group_size=1_000)
    return paths


MAPPING = TableMapping(ignore=("label",))


def profile_of(path: Path, **rows: int) -> ReferenceProfile:
    return build_reference(
        TabularFile(path, MAPPING),
        ProfileBuilder(segments=[("region",)], covariance=True),
        name="r",
        revision=1,
        model="houses",
        created_ms=0,
        **rows,
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def events_of(path: Path, **options) -> list[dict]:
    return [json.loads(message) for _, _, message in iter_events(path, model="m", **options)]


def test_csv_and_parquet_give_the_same_profile(files):
    plain, packed, columnar = (profile_of(files[name]) for name in ("csv", "csv.gz", "parquet"))

    for other in (packed, columnar):
        assert other.data_hash == plain.data_hash
        assert other.layout == plain.layout
        assert other.column_types == plain.column_types
        assert {n: p.to_bytes() for n, p in other.segments.items()} == {
            n: p.to_bytes() for n, p in plain.segments.items()
        }
        assert (other.first_ms, other.last_ms, other.n_rows) == (plain.first_ms, plain.last_ms, plain.n_rows)


def test_csv_and_parquet_give_the_same_events(files):
    plain, packed, columnar = (events_of(files[name], mapping=MAPPING) for name in ("csv", "csv.gz", "parquet"))

    assert plain == packed == columnar


def test_an_event_has_the_fields_of_its_contract(files, frame):
    moment, event_id, message = next(iter_events(files["csv"], model="houses", mapping=MAPPING, start=1))

    assert (moment, event_id) == (START_MS + 1_800_000, "houses-1")
    row = frame.iloc[1]
    assert json.loads(message) == {
        "event_id": "houses-1",
        "model": "houses",
        "version": "1",
        "timestamp": START_MS + 1_800_000,
        "features": {
            "price": row["price"],
            "rooms": int(row["rooms"]),
            "region": row["region"],
            "member": bool(row["member"]),
        },
        "prediction": row["prediction"],
        "scores": row["score"],
    }


def test_missing_values_are_null(files):
    first = events_of(files["parquet"], mapping=MAPPING, stop=1)[0]

    assert first["features"]["price"] is None
    assert first["features"]["region"] is None


@pytest.mark.parametrize("name", ["csv", "csv.gz", "parquet"])
def test_rows_come_in_their_order_with_ids_by_position(files, name):
    events = list(iter_events(files[name], model="m", mapping=MAPPING, start=2_500, stop=7_001))

    assert [e[1] for e in events] == [f"houses-{row}" for row in range(2_500, 7_001)]
    assert [e[0] for e in events] == [START_MS + 1_800_000 * row for row in range(2_500, 7_001)]


def test_a_range_of_rows_makes_a_reference(files, frame):
    profile = profile_of(files["parquet"], start=100, stop=4_100)

    assert profile.n_rows == 4_000
    assert profile.source == "houses.parquet, rows 100 to 4100"
    assert profile.segments[""].columns["price"].n_missing == frame["price"][100:4_100].isna().sum()


def test_the_number_of_rows_is_known_beforehand(files):
    assert {TabularFile(path).n_rows for path in files.values()} == {9_000}


def test_versions_and_ids_may_come_from_columns(tmp_path):
    path = write(tmp_path / "e.csv", "ts,x,v,id\n831427200,1,7,17\n831427201,2,8,018\n")
    file = TabularFile(path, TableMapping(version_column="v", event_id="id"))

    events = list(file.events(model="m"))

    assert [(e[0], e[1], json.loads(e[2])["version"]) for e in events] == [
        (831_427_200_000, "17", "7"),
        (831_427_201_000, "018", "8"),
    ]
    assert file.notices == ("column 'ts' is taken as epoch seconds",)
    assert list(next(file.row_batches()).versions) == ["7", "8"]


def test_scores_of_classes_are_a_mapping(tmp_path):
    path = write(tmp_path / "e.csv", "ts,x,score.up,score.down\n831427200,1,0.25,0.75\n")

    assert events_of(path)[0]["scores"] == {"up": 0.25, "down": 0.75}
    assert list(next(TabularFile(path).row_batches()).columns) == ["x", "score.up", "score.down"]


def test_infinity_becomes_text_since_json_has_none(tmp_path):
    table = pa.table({"ts": pa.array([831_427_200] * 3), "x": [np.inf, -np.inf, np.nan]})
    pq.write_table(table, tmp_path / "e.parquet")

    assert [e["features"]["x"] for e in events_of(tmp_path / "e.parquet")] == ["Infinity", "-Infinity", None]


def test_other_types_of_parquet_become_json(tmp_path):
    table = pa.table(
        {
            "ts": pa.array([831_427_200], pa.timestamp("s")),
            "small": pa.array([0.5], pa.float32()),
            "money": pa.array([pa.scalar("12.50").cast(pa.decimal128(10, 2)).as_py()]),
            "color": pa.array(["red"]).dictionary_encode(),
            "born": pa.array([0], pa.date32()),
            "nothing": pa.nulls(1),
        }
    )
    pq.write_table(table, tmp_path / "e.parquet")

    (event,) = events_of(tmp_path / "e.parquet")

    assert event["features"] == {
        "small": 0.5,
        "money": 12.5,
        "color": "red",
        "born": "1970-01-01",
        "nothing": None,
    }
    batch = next(TabularFile(tmp_path / "e.parquet").row_batches())
    assert list(batch.columns["money"]) == [12.5]
    assert batch.columns["nothing"] == [None]


def test_empty_text_is_missing_in_csv_and_na_is_a_category(tmp_path):
    path = write(tmp_path / "e.csv", "ts,x,country\n831427200,NA,NA\n831427201,5,\n831427202,,FR\n")

    assert [e["features"] for e in events_of(path)] == [
        {"x": None, "country": "NA"},
        {"x": 5, "country": None},
        {"x": None, "country": "FR"},
    ]


def test_a_quoted_field_may_hold_commas_and_newlines(tmp_path):
    path = write(tmp_path / "e.csv", 'ts,x\n831427200,"a, ""b""\nc"\n831427201,d\n')

    assert [e["features"]["x"] for e in events_of(path)] == ['a, "b"\nc', "d"]


def test_a_column_may_look_like_integers_for_long(tmp_path):
    path = write(tmp_path / "e.csv", "ts,x\n" + "831427200,1\n" * 300_000 + "831427201,1.5\n")

    assert events_of(path, start=299_999) == [
        {"event_id": f"e-{i}", "model": "m", "version": "1", "timestamp": t, "features": {"x": x}}
        for i, t, x in ((299_999, 831_427_200_000, 1.0), (300_000, 831_427_201_000, 1.5))
    ]


def test_with_a_reference_wrong_fields_stay_wrong(tmp_path):
    reference = write(tmp_path / "reference.csv", "x,code,flag\n" + "1,0042,true\n2,0017,false\n" * 50)
    profile = build_reference(TabularFile(reference), ProfileBuilder(), name="r", revision=1, model="m", created_ms=0)
    path = write(tmp_path / "e.csv", "ts,x,code,flag\n831427200,1,42,true\n831427201,n.a.,17,1\n831427202,3,18,2\n")

    events = events_of(path, types=column_types(profile=profile))

    assert [e["features"] for e in events] == [
        {"x": 1, "code": "42", "flag": True},
        {"x": "n.a.", "code": "17", "flag": 1},
        {"x": 3, "code": "18", "flag": 2},
    ]


def test_the_reference_knows_types_better_than_the_monitor():
    monitor = Monitor.from_yaml(
        "{monitor: m, model: m, window: {size: 1d}, columns: {types: {x: categorical}}}", source="m.yaml"
    )

    assert column_types(monitor) == {"x": "categorical"}
    assert column_types() == {}


def test_a_monitor_may_say_what_a_mixed_column_is(tmp_path):
    path = write(tmp_path / "e.csv", "ts,x\n831427200,1\n831427201,2\n831427202,3a\n")

    assert [e["features"]["x"] for e in events_of(path, types={"x": "categorical"})] == ["1", "2", "3a"]
    assert [e["features"]["x"] for e in events_of(path, types={"x": "numeric"})] == [1, 2, "3a"]


def test_a_column_without_a_name_is_left_out_and_said_so(tmp_path):
    path = write(tmp_path / "e.csv", ",ts,x\n0,831427200,1\n1,831427201,2\n")
    file = TabularFile(path)

    assert file.columns.features == ("x",)
    assert file.notices == ("a column without a name is left out",)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    path = write(tmp_path / "e.csv", "\ufeffts,x\n831427200,1\n")

    assert TabularFile(path).columns.timestamp == "ts"
    assert len(events_of(path)) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.csv", None, r"absent.csv: the file does not exist; name a file that ends in"),
        ("e.xlsx", b"PK", r"e.xlsx: files that end in '.xlsx' are not read; give `.csv`, `.csv.gz` or `.parquet`"),
        ("e.csv", b"", r"e.csv: the file is empty; a CSV file has the columns' names in its first line"),
        ("e.csv", b"ts,x\n", r"e.csv: the file has no rows; name a file with rows"),
        ("e.csv", b"ts,x,x\n1,2,3\n", r"e.csv: the column 'x' stands twice in the header"),
        ("e.csv", b"x,y\n1,2\n", r"e.csv: no column of event times was found; name it with --timestamp \(its columns are x, y\)"),
        ("e.csv", b"ts,x\n831427200,1\n831427201\n", r"e.csv:3: the row has 1 fields where the header has 2; mend or remove it"),
        ("e.csv", b'ts,x\n831427200,"1\n2"\n831427201,2,3\n', r"e.csv:4: the row has 3 fields where the header has 2"),
        ("e.csv", b"ts,x\n831427200,1\n831427201,\xff\n", r"e.csv:3: the row is no UTF-8 text; convert the file to UTF-8"),
        ("e.csv", b"\xff\xfet\x00s\x00", r"e.csv: the header cannot be read: .*; a CSV file is UTF-8 text"),
        ("e.csv", b'ts,x\n831427200,"abc\n831427201,2\n', r"e.csv:3: the file ends inside a quoted field .*; a quote lacks its partner"),
        (
            "e.csv",
            b"ts,x\n831427200,1\n831427201,n.a.\n831427202,3\n",
            r"e.csv: column 'x' has mixed types: 2 numbers, 1 text \(first in row 1: 'n.a.'\); mend or empty the wrong fields",
        ),
        ("e.csv.gz", b"ts,x\n", r"e.csv.gz: the header cannot be read: Not a gzipped file"),
        (
            "e.csv.gz",
            gzip.compress(b"ts,x\n" + b"".join(b"831427200,%d\n" % (i * i) for i in range(99_999)))[:200_000],
            r"e.csv.gz: the file is damaged or cut off: .*; copy it again",
        ),
        ("e.parquet", b"ts,x\n", r"e.parquet: this is no Parquet file, or it is damaged: .*; copy it again, or name a CSV file `.csv`"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 12 else "",
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_one_clear_error(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError, match=message) as raised:
        events_of(path)

    assert "\n" not in str(raised.value)


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(DataError, match="the file is a directory"):
        TabularFile(tmp_path)


def test_a_column_that_is_not_there_is_named_with_the_nearest(files):
    with pytest.raises(DataError, match=r"there is no column 'tmestamp' \(--timestamp\); did you mean `timestamp`\?"):
        TabularFile(files["parquet"], TableMapping(timestamp="tmestamp"))


def test_a_parquet_column_that_is_no_scalar_is_refused_unless_ignored(tmp_path):
    pq.write_table(pa.table({"ts": [831_427_200], "x": [1.0], "vector": [[1.0, 2.0]]}), tmp_path / "e.parquet")

    with pytest.raises(DataError, match=r"column 'vector' holds list<.*>; .* leave the column out \(--ignore vector\)"):
        events_of(tmp_path / "e.parquet")
    assert len(events_of(tmp_path / "e.parquet", mapping=TableMapping(ignore=("vector",)))) == 1


def test_a_damaged_parquet_file_is_one_clear_error(files, tmp_path):
    data = bytearray(files["parquet"].read_bytes())
    data[5_000:40_000] = bytes(35_000)
    path = tmp_path / "e.parquet"
    path.write_bytes(bytes(data))

    with pytest.raises(DataError, match=r"e.parquet: the file cannot be read after row \d+: .*; it may be damaged"):
        events_of(path, mapping=MAPPING)


def test_rows_that_are_not_there_are_an_error(files):
    with pytest.raises(DataError, match="the file has 9000 rows, none from 9000 on; name a file with rows, or another"):
        events_of(files["csv"], mapping=MAPPING, start=9_000)
    with pytest.raises(DataError, match="rows are counted from 0, and the last comes after the first; got rows 5 to 3"):
        events_of(files["csv"], mapping=MAPPING, start=5, stop=3)


def test_an_event_without_its_id_or_version_is_an_error(tmp_path):
    path = write(tmp_path / "e.csv", "ts,x,id\n831427200,1,a\n831427201,2,\n")

    with pytest.raises(DataError, match=r"e.csv: row 1: the event id in column 'id' is empty"):
        events_of(path, mapping=TableMapping(event_id="id"))
    with pytest.raises(DataError, match=r"e.csv: row 1: the model version in column 'id' is empty"):
        events_of(path, mapping=TableMapping(version_column="id"))


def test_a_time_that_cannot_be_read_is_an_error_with_its_row(tmp_path):
    path = write(tmp_path / "e.csv", "timestamp,x\n1996-05-07 00:00,1\nnoon,2\n,3\n")

    with pytest.raises(DataError, match=r"e.csv: row 2: the time in column 'timestamp' is empty"):
        events_of(path)
    with pytest.raises(DataError, match=r"e.csv: row 1: the time in column 'timestamp' is 'noon'"):
        events_of(path, stop=2)


WORDS = st.sampled_from(["", "NA", "null", "nan", "-nan", "inf", "-Infinity", "INF", "true", "FALSE", "0", "-0", "+3", "1.", ".5", "1e5", "1E-400", "1e400", "007", "-0042", "9" * 18, "9" * 19, "0x10", "1_0", "1,5", "n.a.", '"q"', "ä"])  # fmt: skip
FIELDS = (WORDS | st.integers().map(str) | st.floats().map(repr) | st.text("ab 1.-+e", max_size=4)).flatmap(
    lambda word: st.sampled_from([word, f" {word}", f"{word} "])
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FIELDS, min_size=1, max_size=8), st.sampled_from([None, "number", "string", "boolean", "categorical"]))
def test_any_fields_are_read_as_their_types_say(fields, known):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "e.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["ts", "x"], *([831_427_200, field] for field in fields)])
        try:
            events = events_of(path, types={"x": known} if known else {})
        except DataError as err:
            if known is None and "mixed types" in str(err):
                return
            raise

    found = [event["features"]["x"] for event in events]
    assert len(found) == len(fields)
    for value, field in zip(found, fields, strict=True):
        if isinstance(value, str) and (known == "string" or value not in ("Infinity", "-Infinity")):
            assert value == field  # text stays as it is written
        elif known != "string" and parse_word(field) != field:
            expected = parse_word(field)
            assert isinstance(value, bool) == isinstance(expected, bool)
            assert (value is None) == (expected is None)
            assert value is None or float(value) == pytest.approx(float(expected))
        else:
            assert value is None
            assert field == ""
