"""Texts and vectors from events to alerts: what is judged by default, and what a change of either looks like."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest

from stream_gov.contracts import ConfigurationError, Monitor, PaneRecord, Verdict, decode_record, encode_record
from stream_gov.detection import backtest, levels_for
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0

ENGLISH = """the order did not arrive in time and nobody could tell me where it is now please send it again or give the money back i have been
a customer for many years but this was the last time that my parcel came late and broken thank you for your help"""
GERMAN = """die bestellung kam nicht pünktlich an und niemand konnte mir sagen wo sie jetzt ist bitte schicken sie das paket noch einmal oder
erstatten sie den betrag ich bin seit vielen jahren kunde doch dies war das letzte mal danke für ihre hilfe"""
DIMENSION = 32

MONITOR = """
monitor: tickets
model: tickets
reference: base
window: {size: 1h}
min_events: 100
columns: {types: {comment: text, emb: vector}}
"""


def text(rng: np.random.Generator, language: str) -> str:
    return " ".join(rng.choice(language.split(), rng.integers(5, 30))) + "."


class Embedder:
    """A model of embeddings: normalised, with a mean of its own, as those of texts are."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.mean, self.weights = rng.normal(size=DIMENSION), rng.normal(size=(DIMENSION, DIMENSION)) * 0.3

    def embed(self, latent: np.ndarray) -> np.ndarray:
        raw = self.mean + latent @ self.weights
        embedded: np.ndarray = raw / np.linalg.norm(raw, axis=-1, keepdims=True)
        return embedded


def monitor(extra: str = "") -> Monitor:
    return Monitor.from_yaml(MONITOR + extra, source="test")


def profile_for(
    watched: Monitor, *, revision: int = 1, dimension: int = DIMENSION, words: str = ENGLISH
) -> ReferenceProfile:
    rng = np.random.default_rng(revision)
    n = 5_000
    rows = RowBatch(
        {
            "x": rng.normal(size=n),
            "comment": [text(rng, words) for _ in range(n)],
            "emb": Embedder(1).embed(rng.normal(size=(n, DIMENSION)))[:, :dimension].tolist(),
        },
        n,
    )
    return build_profile(
        lambda: [rows],
        ProfileBuilder.for_monitor(watched),
        name="base",
        revision=revision,
        model="tickets",
        source="test",
        created_ms=0,
        version="1",
    )


@pytest.fixture(scope="module")
def profile() -> ReferenceProfile:
    return profile_for(monitor())


def features(rng: np.random.Generator, *, words: str = ENGLISH, embedder: int = 1) -> dict[str, Any]:
    return {
        "x": rng.normal(),
        "comment": text(rng, words),
        "emb": Embedder(embedder).embed(rng.normal(size=DIMENSION)).tolist(),
    }


def hour(driver: Driver, number: int, change: Any = None, *, n: int = 400, **options: Any) -> None:
    """Feed an hour of events; `change` may alter the features of each."""
    rng = np.random.default_rng(number)
    for i in range(n):
        event = features(rng, **options)
        if change is not None:
            change(i, event)
        driver.feed(event, at=T0 + number * HOUR + i * (HOUR // n))
    driver.advance(T0 + (number + 1) * HOUR)


def drifted(driver: Driver) -> set[tuple[str, str]]:
    """Columns and statistics that drift in the newest window."""
    results = driver.results()
    return {
        (r.column, r.statistic)
        for r in results
        if r.window_end_ms == results[-1].window_end_ms and r.verdict is Verdict.DRIFT
    }


def test_by_default_each_text_and_vector_is_judged_without_repetition(profile):
    driver = Driver(monitor(), profile)
    hour(driver, 0)
    judged = {(r.column, r.statistic) for r in driver.results()}
    text_columns = {
        f"comment.{f}" for f in ("length", "words", "letters", "digits", "punctuation", "out_of_vocabulary")
    }
    shares = {(c, s) for c in ("x", "comment.length", "emb.norm") for s in ("missing_share", "type_error_share")}
    of_model = {("", s) for s in ("events", "new_columns", "missing_columns")}
    distributions = {
        (column, s) for column in {"x", "emb.norm"} | text_columns for s in ("psi", "mann_whitney", "e_detector")
    }
    assert judged == distributions | shares | of_model | {("emb", "frechet_distance")}
    # Each test that draws on the budget was counted when the budget was divided, and no other.
    on_budget = [r for r in driver.results() if r.rule in ("calibrated", "sequential")]
    levels = levels_for(monitor(), profile)
    assert len(on_budget) == levels.n_tests
    assert {r.level for r in on_budget} == {levels.whole}
    assert drifted(driver) == set()
    assert driver.alerts() == []
    (frechet,) = driver.results(statistic="frechet_distance")
    assert (frechet.column, frechet.verdict, frechet.n_window, frechet.n_reference) == ("emb", "stable", 400, 5_000)


def test_a_change_of_language_is_found(profile):
    driver = Driver(monitor(), profile)
    hour(driver, 0)
    hour(driver, 1, words=GERMAN)
    assert ("comment.out_of_vocabulary", "psi") in drifted(driver)
    assert not {c for c, _ in drifted(driver) if c == "x" or c.startswith("emb")}
    (alert,) = driver.alerts()
    assert "comment.out_of_vocabulary" in alert.columns


def test_another_embedding_model_of_the_same_length_is_found(profile):
    driver = Driver(monitor("calibration: independent"), profile)
    hour(driver, 0)
    hour(driver, 1, embedder=2)
    assert drifted(driver) == {("emb", "frechet_distance")}
    (alert,) = driver.alerts()
    assert alert.columns == ["emb"]
    assert "emb: vectors " in alert.message


def test_an_embedding_model_of_another_length_is_an_error_of_types(profile):
    driver = Driver(monitor(), profile)
    hour(driver, 0, lambda _, event: event.update(emb=event["emb"] + [0.0]))
    assert drifted(driver) == {("emb.norm", "type_error_share"), ("", "missing_columns")}
    (frechet,) = driver.results(statistic="frechet_distance")
    assert (frechet.verdict, frechet.n_window) == ("insufficient", 0)
    assert frechet.reason == "the window has 0 vectors, fewer than min_events = 100"
    assert "missing columns emb" in driver.alerts()[0].message or any(
        cause.detail == "missing columns emb" for cause in driver.alerts()[0].causes
    )


def test_vectors_that_are_not_normalised_any_more_are_found_by_their_length(profile):
    driver = Driver(monitor(), profile)
    hour(driver, 0, lambda _, event: event.update(emb=(np.array(event["emb"]) * 1.2).tolist()))
    assert ("emb.norm", "psi") in drifted(driver)


def test_texts_and_vectors_that_are_gone_are_reported_once(profile):
    driver = Driver(monitor(), profile)
    hour(driver, 0, lambda i, event: event.update(comment=None, emb=None) if i % 2 else None)
    assert drifted(driver) == {("comment.length", "missing_share"), ("emb.norm", "missing_share")}
    hour(driver, 1, lambda _, event: (event.pop("comment"), event.pop("emb")))
    assert ("", "missing_columns") in drifted(driver)
    (result,) = [r for r in driver.results(statistic="missing_columns") if r.verdict is Verdict.DRIFT]
    assert result.value == 2
    causes = [cause.detail for alert in driver.alerts() for cause in alert.causes]
    assert "missing columns comment, emb" in causes


def test_features_that_have_the_name_of_a_derived_column_are_new(profile):
    driver = Driver(monitor(), profile)
    hour(driver, 0, lambda i, event: event.update({"emb.0": 1.0, "comment.length": "x"}))
    assert drifted(driver) == {("", "new_columns")}
    assert driver.results(statistic="new_columns")[0].value == 2


@pytest.mark.parametrize(
    ("checks", "columns", "judged"),
    [
        ("[{statistic: psi, threshold: 0.2}, {statistic: psi, threshold: 0.5, columns: [emb.3]}]", "", {"emb.norm", "emb.3"}),
        ("[{statistic: psi, threshold: 0.2, columns: [emb]}]", "", {"emb.norm", *(f"emb.{j}" for j in range(8))}),
        ("[{statistic: missing_share, threshold: 0.2, columns: [emb]}]", "", {"emb.norm"}),
        ("[{statistic: missing_share, threshold: 0.2, columns: [emb.2]}]", "", {"emb.2"}),
        ("[{statistic: frechet_distance, threshold: 0.2}]", "", {"emb"}),
        ("[{statistic: frechet_distance, threshold: 0.2, columns: [other]}]", "", set()),
        ("[{statistic: frechet_distance, threshold: 0.2}, {statistic: psi, threshold: 1}]", "include: [comment]", set()),
        ("[{statistic: frechet_distance, threshold: 0.2}, {statistic: psi, threshold: 1}]", "exclude: [emb.norm, comment]", {"emb"}),
        ("[{statistic: frechet_distance, threshold: 0.2}, {statistic: psi, threshold: 1}]", "exclude: [emb]", set()),
        ("[{statistic: ks, threshold: 0.2}]", "include: [emb]", {"emb.norm"}),
    ],
)  # fmt: skip
def test_checks_judge_what_they_name(profile, checks, columns, judged):
    chosen = f"columns: {{types: {{comment: text, emb: vector}}, {columns}}}" if columns else ""
    lines = [line for line in MONITOR.splitlines() if not (chosen and line.startswith("columns:"))]
    watched = Monitor.from_yaml("\n".join([*lines, chosen, f"checks: {checks}"]), source="test")
    driver = Driver(watched, profile)
    hour(driver, 0, n=120)
    found = {r.column for r in driver.results() if r.column.startswith("emb")}
    assert found == judged
    if "threshold: 0.5" in checks:
        assert {r.column: r.threshold for r in driver.results(statistic="psi")}["emb.3"] == 0.5


def test_a_reference_that_is_replaced_while_it_runs_is_derived_in_its_own_way(profile):
    driver = Driver(monitor(), profile)
    hour(driver, 0)
    assert drifted(driver) == set()
    driver.put_reference(profile_for(monitor(), revision=2, words=GERMAN))
    hour(driver, 1)
    hour(driver, 2, words=GERMAN)
    by_words = {r.window_end_ms: r for r in driver.results(column="comment.out_of_vocabulary", statistic="psi")}
    assert [(r.reference, r.verdict) for r in by_words.values()] == [
        ("base@1", "stable"),
        ("base@2", "drift"),
        ("base@2", "stable"),
    ]
    shorter = profile_for(monitor(), revision=3, dimension=DIMENSION - 2)
    driver.put_reference(shorter, count_on_old=True)
    hour(driver, 3, lambda _, event: event.update(emb=event["emb"][: DIMENSION - 2]))
    hour(driver, 4, lambda _, event: event.update(emb=event["emb"][: DIMENSION - 2]))
    newest = [r for r in driver.results(statistic="frechet_distance") if r.reference == "base@3"]
    assert newest
    assert all(r.verdict is Verdict.STABLE and r.n_window == 400 for r in newest)


def test_live_results_do_not_depend_on_batches_partitions_or_restarts_and_equal_a_backtest(profile):
    rng = np.random.default_rng(9)
    events = []
    for i in range(900):
        event = features(rng, words=ENGLISH if i < 450 else GERMAN)
        if i % 7 == 0:
            event["emb"] = [None, [1.0], "x", [float("nan")] * DIMENSION][i % 4]
        message = {
            "event_id": f"e{i}",
            "model": "tickets",
            "version": "1",
            "timestamp": T0 + i * 8_000,
            "features": event,
        }
        events.append((T0 + i * 8_000, json.dumps(message).encode()))
    expected = [r for r in backtest(iter(events), monitor(), profile) if hasattr(r, "statistic")]
    for partitions, step in ((1, 900), (1, 37), (3, 61)):
        driver = Driver(monitor(), profile, partitions=partitions, out_of_orderness="10s")
        for number, start in enumerate(range(0, 900, step)):
            part = events[start : start + step]
            driver.feed_bytes([message for _, message in part], at=part[-1][0], partition=number % partitions)
            if partitions == 1:
                driver.cut()
                driver.restart()
        driver.finish()
        key = lambda r: (r.window_end_ms, r.column, r.statistic)  # noqa: E731
        assert sorted(driver.results(), key=key) == sorted(expected, key=key)


def test_raw_text_does_not_leave_ingest_with_or_without_a_reference(profile):
    for reference in (profile, None):
        driver = Driver(monitor(), reference)
        sent: list[bytes] = []
        take = driver.take
        driver.take = lambda record, take=take, sent=sent: (sent.append(encode_record(record)), take(record))[1]  # type: ignore[method-assign, misc]
        for i, word in enumerate(("zwetschge", "Rumpelstilzchen")):
            driver.feed({"x": 1.0, "comment": f"the {word} order", "emb": [0.25] * DIMENSION}, at=T0 + i)
        driver.finish()
        kept = b"".join([*sent, *driver.table.values()])
        panes = [record for record in map(decode_record, sent) if isinstance(record, PaneRecord)]
        assert sum(pane.n_events for pane in panes) == 2
        assert not [w for w in (b"zwetschge", b"Rumpelstilzchen", b"order") if w in kept]


def test_segments_may_not_be_made_of_texts_or_vectors():
    with pytest.raises(ConfigurationError, match=r"segments: 'comment' is declared text .*; choose another column"):
        monitor("segments: [[x, comment]]")


def test_a_long_run_monitor_judges_vectors_by_their_dependence():
    """Without event times in the reference it is assumed, and the result says so."""
    watched = monitor("calibration: long_run")
    times = np.arange(5_000) * 60_000
    rng = np.random.default_rng(4)
    rows = RowBatch({"emb": Embedder(1).embed(rng.normal(size=(5_000, DIMENSION))).tolist()}, 5_000, times_ms=times)
    for batch, expected in ((rows, "long_run"), (RowBatch(rows.columns, 5_000), "assumed")):
        builder = ProfileBuilder.for_monitor(Monitor.from_yaml(MONITOR.replace("comment: text, ", ""), source="test"))
        known = build_profile(
            lambda batch=batch: [batch], builder, name="base", revision=1, model="tickets", source="", created_ms=0
        )  # fmt: skip
        driver = Driver(watched, known)
        hour(driver, 0, lambda _, event: [event.pop(name) for name in ("x", "comment")])
        (result,) = driver.results(statistic="frechet_distance")
        assert result.calibration == expected
        assert result.verdict is Verdict.STABLE


def test_results_of_a_vector_have_ids_of_their_own(profile):
    driver = Driver(
        monitor(
            "checks: [{statistic: frechet_distance, threshold: 0.5}, {statistic: psi, threshold: 0.5, columns: [emb]}]"
        ),
        profile,
    )
    hour(driver, 0)
    ids = [r.id for r in driver.results()]
    assert len(set(ids)) == len(ids)
    assert list(itertools.islice((r.column for r in driver.results(statistic="frechet_distance")), 2)) == ["emb"]


# --- with a season, with the recent past, explained --------------------------------------------------------------------------------


@pytest.mark.parametrize("compared", ["season: hour_of_day", "trailing: {length: 4h}"])
def test_vectors_are_compared_with_the_slots_of_a_season_and_with_the_recent_past(compared):
    text = (
        MONITOR.replace("comment: text, ", "") + "checks: [{statistic: frechet_distance, tolerance: 0.1}]\n" + compared
    )
    watched = Monitor.from_yaml(text, source="test")
    rng = np.random.default_rng(4)
    embedder = Embedder(1)
    n = 24 * 400
    rows = RowBatch(
        {"emb": embedder.embed(rng.normal(size=(n, DIMENSION))).tolist()}, n, times_ms=T0 + np.arange(n) * (HOUR // 400)
    )
    builder = ProfileBuilder.for_monitor(watched)
    known = build_profile(lambda: [rows], builder, name="base", revision=1, model="tickets", source="", created_ms=0)
    driver = Driver(watched, known)
    for at in range(8):
        hour(driver, at, lambda _, event: [event.pop(name) for name in ("x", "comment")])
    found = driver.results(statistic="frechet_distance")
    judged = [r for r in found if r.verdict is not Verdict.INSUFFICIENT]
    assert len(judged) >= 4
    assert {r.verdict for r in judged} == {Verdict.STABLE}
    assert {r.reference.partition("~")[2] for r in judged} == {"hour_of_day" if "season" in compared else "4h"}


def test_an_alert_says_that_vectors_have_moved(profile):
    driver = Driver(
        monitor("calibration: independent\nchecks: [{statistic: frechet_distance, tolerance: 0.1}]"), profile
    )
    hour(driver, 0)
    hour(driver, 1, lambda _, event: event.update(emb=[x + 2.0 for x in event["emb"]]))
    (alert,) = driver.alerts()
    (cause,) = alert.causes
    assert (cause.column, cause.kind) == ("emb", "population_drift")
    assert "emb: vectors " in alert.message
