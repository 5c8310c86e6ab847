from __future__ import annotations

import pytest

from stream_gov.contracts import DataError
from stream_gov.files import TableColumns, TableMapping


def resolve(columns: str, **mapping) -> TableColumns:
    return TableMapping(**mapping).resolve(columns.split(), source="f.csv")


def test_without_flags_roles_are_told_by_names():
    found = resolve("a timestamp b prediction score")

    assert found.timestamp == "timestamp"
    assert found.features == ("a", "b")
    assert found.watched() == {"a": "a", "b": "b", "prediction": "prediction", "score": "score"}


def test_flags_say_what_the_columns_are():
    found = resolve(
        "when who a up down class",
        timestamp="when",
        event_id="who",
        prediction="class",
        scores=("up", "down"),
    )

    assert found.features == ("a",)
    assert found.watched() == {"a": "a", "prediction": "class", "score.up": "up", "score.down": "down"}
    assert set(found.needed()) == {"a", "class", "up", "down", "when", "who"}


def test_scores_of_classes_are_told_by_their_prefix():
    assert resolve("a score.up score.down").scores == {"score.up": "score.up", "score.down": "score.down"}
    assert resolve("a p", scores=("p",)).scores == {"score": "p"}


def test_ignored_columns_are_no_features():
    assert resolve("a b label", ignore=("label", "b")).features == ("a",)


def test_a_role_that_is_given_away_is_not_found_by_name():
    found = resolve("timestamp date a", ignore=("timestamp",))

    assert (found.timestamp, found.features) == ("date", ("a",))


@pytest.mark.parametrize(
    ("columns", "mapping", "message"),
    [
        ("price demand", {"timestamp": "prise"}, r"there is no column 'prise' \(--timestamp\); did you mean `price`\?"),
        ("a b", {"ignore": ("zzzz",)}, r"there is no column 'zzzz' \(--ignore\); known are: a, b"),
        ("a b", {"timestamp": "a", "prediction": "a"}, "column 'a' stands for --timestamp and for --prediction"),
        ("a b", {"timestamp": "a", "ignore": ("a",)}, "column 'a' stands for --timestamp and for --ignore"),
        ("prediction out", {"prediction": "out"}, "the feature 'prediction' has the name under which"),
        ("timestamp", {}, "no column is left to watch; its columns are timestamp"),
    ],
)
def test_a_mapping_that_does_not_fit_the_file_is_refused(columns, mapping, message):
    with pytest.raises(DataError, match=f"f.csv: {message}"):
        resolve(columns, **mapping)
