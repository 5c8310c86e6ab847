"""Texts and vectors in a reference: what is learnt of them, how rows are derived, and what is said of bad ones."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from stream_gov.contracts import ColumnSelection, DataError
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.reference.derived_rows import LEAST_ROWS_OF_A_WORD, MAX_VOCABULARY, DerivationScan, derive_rows
from stream_gov.summaries import NumericSummary, TextDerivation, VectorDerivation
from tests.summaries.brute_force_derivations import hash_of, of_text, of_vector, words_of

N = 1_200
DECLARED = ColumnSelection(types={"comment": "text", "emb": "vector"})


def rows(n: int = N, **replaced: list[Any]) -> RowBatch:
    rng = np.random.default_rng(8)
    words = [f"word{'abcdefghij'[i % 10]}{'abcdefghij'[i // 10]}" for i in range(100)]
    columns: dict[str, Any] = {
        "comment": [" ".join(rng.choice(words, rng.integers(0, 12))) + "!" * (i % 3) for i in range(n)],
        "x": rng.normal(size=n),
        "emb": rng.normal(2, 1, (n, 6)).tolist(),
    }
    columns["comment"][::50] = [None] * len(columns["comment"][::50])
    columns["emb"][::40] = [None] * len(columns["emb"][::40])
    return RowBatch({**columns, **replaced}, n, times_ms=np.arange(n) * 60_000)


def build(*batches: RowBatch, columns: ColumnSelection = DECLARED, **options: Any) -> ReferenceProfile:
    builder = ProfileBuilder(columns=columns, **options)
    return build_profile(
        lambda: batches, builder, name="r", revision=1, model="m", source="rows", created_ms=0, version="1"
    )


def test_a_text_and_a_vector_become_numeric_columns_counted_as_by_hand():
    batch = rows()
    profile = build(batch, covariance=True)
    text, vector = profile.layout.derivations
    assert list(profile.layout.columns) == ["x", *text.columns, *vector.columns]
    assert profile.layout.event_columns == ("x", "comment", "emb")
    assert (vector.dimension, vector.k, vector.seed) == (6, 8, 0)
    pane = profile.segments[""]
    by_hand = [
        (text.columns, [of_text(text, value) for value in batch.columns["comment"]]),
        (vector.columns, [of_vector(vector, value) for value in batch.columns["emb"]]),
    ]
    for columns, derived in by_hand:
        for j, name in enumerate(columns):
            expected = [row[j] for row in derived if not isinstance(row, str) and not math.isnan(row[j])]
            summary = pane.columns[name]
            assert isinstance(summary, NumericSummary)
            again = NumericSummary(summary.layout)
            again.update_values(np.array(expected), n_missing=N - len(expected))
            assert again.to_state() == summary.to_state(), name
    projected = np.array([row[1:] for row in by_hand[1][1] if not isinstance(row, str)])
    joint = pane.covariances["emb"]
    np.testing.assert_allclose(joint.covariance(), np.cov(projected.T), rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(joint.mean(), projected.mean(axis=0), atol=1e-3)
    assert profile.column_types["comment"] == "text"
    assert profile.column_types["emb.norm"] == "numeric"
    assert [w for w in profile.warnings if not w.startswith("it is not known how strongly")] == []
    assert set(profile.sketches) == set(profile.layout.columns)


def test_the_profile_is_the_same_whatever_the_batches_and_reads_back():
    batch = rows()
    whole = build(batch, covariance=True)
    for size in (1, 7, 500):
        parts = build(*(batch.slice(start, start + size) for start in range(0, N, size)), covariance=True)
        assert parts.layout == whole.layout
        assert parts.data_hash == whole.data_hash
        assert parts.segments[""].to_bytes() == whole.segments[""].to_bytes()
        assert parts.vector_long_run["emb"].to_state() == whole.vector_long_run["emb"].to_state()
    again = ReferenceProfile.from_bytes(whole.to_bytes())
    assert again.to_bytes() == whole.to_bytes()
    assert again.layout.derivations == whole.layout.derivations


def test_the_hash_of_the_data_does_not_depend_on_what_is_declared():
    undeclared = build(rows(), columns=ColumnSelection(exclude=("comment", "emb")))
    assert undeclared.data_hash == build(rows()).data_hash
    assert undeclared.layout.derivations == ()


def test_the_vocabulary_is_the_words_of_most_rows_and_of_enough_rows():
    texts: list[Any] = [f"everywhere {'twice ' * 2}{'rare' if i < 4 else 'five' if i < 9 else ''}" for i in range(100)]
    (text,) = DerivationScanOf(comment=texts)
    assert set(text.vocabulary.tolist()) == set(map(hash_of, ("everywhere", "twice", "five")))
    assert LEAST_ROWS_OF_A_WORD == 5
    # More words than the vocabulary holds: those of the most rows, of equal ones the first by their hash.
    letters = "abcdefghijklmnopqrst"
    made = [a + b + c + d for a in letters for b in letters for c in letters for d in "xy"]
    many = [" ".join(made[i::7] + made[: i * 200]) for i in range(7)] * LEAST_ROWS_OF_A_WORD
    (text,) = DerivationScanOf(comment=many)
    rows_of: Counter[int] = Counter()
    for value in many:
        rows_of.update({hash_of(word) for word in words_of(value)})
    ranked = sorted(rows_of, key=lambda h: (-rows_of[h], h))
    assert text.vocabulary.tolist() == sorted(ranked[:MAX_VOCABULARY])


def DerivationScanOf(**columns: list[Any]) -> tuple[Any, ...]:  # noqa: N802  # reads as what it makes
    scan = DerivationScan({name: "text" if name == "comment" else "vector" for name in columns})
    n = len(next(iter(columns.values())))
    whole = RowBatch(columns, n)
    for start in range(0, n, 13):
        scan.update(whole.slice(start, start + 13))
    return scan.derivations()


def test_vectors_have_the_length_that_most_have():
    assert DerivationScanOf(emb=[[1.0, 2.0]] * 3 + [[1.0]] * 2 + [[], None, "x"]) == (VectorDerivation("emb", 2),)
    assert DerivationScanOf(emb=[[1.0, 2.0], [1.0]]) == (VectorDerivation("emb", 1),)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("comment", [7.0] * N, "column 'comment': `columns.types` says text, but none of its 1200 values is a text"),
        ("comment", [None, 4] * (N // 2), "none of its 600 values is a text"),
        ("comment", np.arange(float(N)), "none of its 1200 values is a text"),
        ("emb", ["[1, 2]"] * N, "`columns.types` says vector, but none of its 1200 values is a list of 1 to 65,536 numbers"),
        ("emb", [[]] * N, "none of its 1200 values is a list of 1 to 65,536 numbers"),
        ("emb", [[[1.0, 2.0]]] * N, "says vector, but none of its 1200 values is a list of 1 finite numbers"),
        ("emb", [[1.0, math.nan]] * N, "none of its 1200 values is a list of 2 finite numbers"),
        ("emb.norm", [1.0] * N, "has a column 'emb.norm', which is the name of a column derived from 'emb' \\(vector\\); rename it"),
    ],
)  # fmt: skip
def test_a_column_that_is_not_what_it_is_declared_to_be_is_refused(column, values, message):
    with pytest.raises(DataError, match=message):
        build(rows(**{column: values}))


def test_a_declared_column_that_is_not_there_is_named():
    without = RowBatch({"x": [1.0, 2.0]}, 2)
    with pytest.raises(DataError, match=r"columns.types names the column 'comment', which the data does not have"):
        build(without)


def test_some_broken_values_are_type_errors_and_a_warning_says_how_many():
    batch = rows()
    comments, vectors = list(batch.columns["comment"]), list(batch.columns["emb"])
    comments[1], comments[2] = 4, ["a"]
    vectors[1], vectors[2], vectors[3] = [1.0] * 5, [1.0, 2.0, 3.0, 4.0, 5.0, math.inf], "x"
    profile = build(rows(comment=comments, emb=vectors))
    columns = profile.segments[""].columns
    assert {columns[name].n_type_errors for name in profile.layout.derivations[0].columns} == {2}
    assert {columns[name].n_type_errors for name in profile.layout.derivations[1].columns} == {3}
    assert columns["emb.3"].n_missing == 30
    assert profile.warnings[:2] == (
        "column 'comment' (text): 2 of 1176 values are not a text; they count as type errors; mend the data",
        "column 'emb' (vector): 3 of 1170 values are not a list of 6 finite numbers; they count as type errors; mend the data",
    )


def test_texts_whose_words_hardly_come_twice_are_warned_of():
    profile = build(rows(comment=[f"{'abcdefghij'[i % 10] * (i // 10 + 1)} the" for i in range(N)], emb=[[1.0]] * N))
    assert [w for w in profile.warnings if "most words stand in fewer than 5 rows" in w] == []
    profile = build(rows(comment=[f"{'abcdefghij'[i % 10] * (i // 10 + 1)} {i}" for i in range(600)] * 2))
    assert any(
        "'comment.out_of_vocabulary' says little; build the reference from more rows" in w for w in profile.warnings
    )


def test_a_declared_column_without_any_value_is_watched_for_values_alone():
    profile = build(rows(comment=[None] * N))
    assert "comment" in profile.layout.columns
    assert [d.source for d in profile.layout.derivations] == ["emb"]
    assert profile.segments[""].columns["comment"].n_missing == N
    assert any("'comment' has no value in any of 1200 rows; only its missing share" in w for w in profile.warnings)


def test_undeclared_lists_and_texts_are_treated_as_before_and_the_warning_names_the_remedy():
    profile = build(
        RowBatch({**rows().columns, "comment": [f"note {i}" for i in range(N)]}, N), columns=ColumnSelection()
    )
    assert profile.layout.derivations == ()
    assert profile.segments[""].columns["emb"].n_type_errors == N - 30
    assert any(
        "it holds lists in 1170 rows: declare it, if they are vectors (`columns.types: {emb: vector}`)" in w
        for w in profile.warnings
    )
    assert "comment" in profile.ignored
    assert any("declare it if people wrote it (`columns.types: {comment: text}`)" in w for w in profile.warnings)
    written = build(rows(comment=[f"[{i}, 0.5]" for i in range(N)]), columns=ColumnSelection(types={"emb": "vector"}))
    assert any("declare it if it holds vectors (`columns.types: {comment: vector}`)" in w for w in written.warnings)


def test_a_column_that_the_monitor_leaves_out_is_not_derived():
    profile = build(rows(), columns=ColumnSelection(types=DECLARED.types, exclude=("comment",)))
    assert [d.source for d in profile.layout.derivations] == ["emb"]
    assert profile.ignored == {"comment": "left out by the monitor's `columns`"}
    only = build(rows(), columns=ColumnSelection(types=DECLARED.types, include=("comment",)))
    assert [d.source for d in only.layout.derivations] == ["comment"]
    without_a_part = build(rows(), columns=ColumnSelection(types=DECLARED.types, exclude=("comment.digits",)))
    assert "comment.digits" in without_a_part.layout.columns


def test_the_passes_come_in_their_order():
    builder = ProfileBuilder(columns=DECLARED)
    assert builder.learns
    assert not ProfileBuilder().learns
    with pytest.raises(
        RuntimeError, match="comment, emb are texts or vectors: call `learn` for all rows before `sketch`"
    ):
        builder.sketch(rows())
    builder.learn(rows())
    builder.sketch(rows())
    with pytest.raises(RuntimeError, match="the pass of `learn` is over"):
        builder.learn(rows())


def test_segments_have_the_derived_columns_of_their_rows():
    region = ["north" if i % 3 else "south" for i in range(N)]
    batch = rows(region=region)
    profile = build(batch, segments=[("region",)])
    of_south = derive_rows(batch.take(np.flatnonzero(np.arange(N) % 3 == 0)), profile.layout.derivations)
    south = profile.segments["region=south"]
    assert south.columns["emb.2"].n_valid == np.isfinite(of_south.columns["emb.2"]).sum()
    assert south.covariances["emb"].n == south.columns["emb.2"].n_valid
    merged = south.merge(profile.segments["region=north"])
    assert merged.to_bytes() == profile.segments[""].to_bytes()


def test_no_text_of_the_rows_stands_in_the_profile():
    names = ["Marguerite", "Zbigniew", "Thandiwe"]
    profile = build(rows(comment=[f"refund for {names[i % 3]} please" for i in range(N)]))
    written = profile.to_bytes().lower()
    assert not [word for word in ("marguerite", "zbigniew", "thandiwe", "refund", "please") if word.encode() in written]
    text = profile.layout.derivations[0]
    assert isinstance(text, TextDerivation)
    assert hash_of("Zbigniew") in text.vocabulary
