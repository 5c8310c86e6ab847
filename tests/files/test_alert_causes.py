from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import msgspec
import pytest

from stream_gov.contracts import ColumnFacts, Histogram, Shift
from stream_gov.files.alert_causes import column_reasons, fact_rows
from stream_gov.files.drift_picture import drift_picture
from stream_gov.files.reason_picture import reasons_html
from tests.contracts.messages import an_alert
from tests.detection.broken_streams import STREAMS, alert_of, drive
from tests.files.test_drift_picture import DAY_MS, a_run


def message(sequence: int, day: int, **descriptions: str):
    """A message whose causes have a shift, unless the words begin with `~`."""
    shift = Shift(reference=ColumnFacts(n_valid=5), window=ColumnFacts(n_valid=4), shares=[])
    causes = [
        msgspec.structs.replace(
            an_alert().causes[0], column=column, description=words, shift=None if words[0] == "~" else shift
        )
        for column, words in descriptions.items()
    ]
    return an_alert(sequence=sequence, causes=causes, window_start_ms=day * DAY_MS, window_end_ms=(day + 1) * DAY_MS)


def test_each_column_is_told_as_it_was_when_it_was_named_first():
    reasons = column_reasons(
        [message(2, 6), message(1, 5, b="later", a="later"), message(0, 3, a="first")]  # the last one has resolved it
    )
    assert [(r.column, r.descriptions, r.window_start_ms // DAY_MS) for r in reasons] == [
        ("a", ["first"], 3),
        ("b", ["later"], 5),
    ]


def test_late_events_have_the_last_word_on_their_window():
    (reason,) = column_reasons([message(0, 3, a="first"), message(1, 3, a="revised"), message(2, 4, a="next")])
    assert reason.descriptions == ["revised"]


def test_a_repeated_message_of_the_same_window_takes_nothing_away():
    (reason,) = column_reasons([message(0, 3, a="first"), message(1, 3, a="~first")])
    assert reason.causes[0].shift is not None
    (reason,) = column_reasons([message(0, 3, a="~first"), message(1, 3, a="~second")])
    assert reason.descriptions == ["~second"]


def test_words_are_said_once_and_times_are_the_earliest():
    cause = an_alert().causes[0]
    causes = [
        msgspec.structs.replace(cause, statistic=s, description="moved", since_ms=since, change_ms=None)
        for s, since in (("psi", 7), ("ks", 5))
    ]
    (reason,) = column_reasons([an_alert(causes=causes)])
    assert (reason.descriptions, reason.since_ms, reason.change_ms) == (["moved"], 5, None)


def test_rows_hold_only_what_says_something():
    shift = alert_of("missing_values_rose").causes[0].shift
    labels = [label for label, _, _ in fact_rows(shift)]
    assert labels[:3] == ["values", "mean", "standard deviation"]
    assert labels[-1] == "missing"
    assert [label for label, _, _ in fact_rows(alert_of("new_category").causes[0].shift)] == ["values"]


@pytest.mark.parametrize("name", STREAMS)
def test_every_kind_is_drawn_well_formed_below_its_alert(name):
    driver = drive(STREAMS[name])
    text = drift_picture(driver.results(), driver.alerts(), title="x")
    (why,) = re.findall(r"<div class=why>.*?</figure></div>", text, re.DOTALL)
    quoted = re.sub(r"<i class=(before|after) style=width:([\d.]+%)></i>", r'<i class="\1" style="width:\2"></i>', why)
    for _ in range(9):
        quoted = re.sub(r"(<[a-z]+[^<>]*?\s[\w-]+)=([A-Za-z0-9]+)(?=[\s>/])", r'\1="\2"', quoted)
    figure = ElementTree.fromstring(quoted)
    (cause,) = driver.alerts()[0].causes
    words = "".join(figure.itertext())
    assert cause.description in words
    assert f"{cause.shift.reference.n_valid:,}" in words
    histogram = cause.histogram
    assert histogram is not None
    if histogram.low:
        bars = [e for e in figure.iter("rect") if e.get("class") in ("before", "after")]
        assert len(bars) == 2 * len(histogram.labels)
        heights = [float(e.get("height")) for e in bars[0::2]]
        most = max(*histogram.reference, *histogram.window)
        assert heights == pytest.approx([82 * share / most for share in histogram.reference], abs=0.06)
        assert histogram.labels[0] in {t.split(":")[0] for e in figure.iter("title") for t in [e.text]}
    else:
        assert [e.text for e in figure.iter("th")][-len(histogram.labels) :] == histogram.labels


def test_names_and_labels_from_outside_cannot_become_markup():
    evil = "<script>alert(1)</script>"
    cause = msgspec.structs.replace(
        alert_of("new_category").causes[0],
        column=evil,
        description=evil,
        histogram=Histogram(labels=[evil], low=[], high=[], reference=[1.0], window=[1.0]),
    )
    text = reasons_html(column_reasons([an_alert(causes=[cause])]), most=1)
    assert evil not in text
    assert text.count("&lt;script&gt;") == 3


def test_beyond_a_number_of_columns_only_the_words_stand_there():
    reasons = column_reasons([message(0, 1, a="one", b="two", c="three")])
    text = reasons_html(reasons, most=1)
    assert [text.count(word) for word in ("one", "two", "three", "<table")] == [1, 1, 1, 1]


def test_an_alert_that_says_nothing_of_why_is_drawn_as_before():
    text = drift_picture(*a_run({"amount": [0.0, 1.0]}), title="x")
    assert "class=why" not in text
    assert "class=reasons" not in text


def test_the_size_stays_bounded_however_many_alerts_are_explained():
    driver = drive(STREAMS["population_drift"])
    (alert,) = driver.alerts()
    alerts = [
        msgspec.structs.replace(
            alert,
            id=f"{i}",
            alert_id=f"a{i}",
            causes=[msgspec.structs.replace(alert.causes[0], column=f"c{j}") for j in range(40)],
        )
        for i in range(300)
    ]
    assert len(drift_picture(driver.results(), alerts, title="x")) < 2e6
