"""`docs/why.md` is held to the code: every kind has its rule, and every sentence is one that the flow gives."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from stream_gov.contracts import AlertCause, CauseKind
from stream_gov.detection.evidence import MAX_PANES_SPLIT, MAX_SEGMENTS_SEARCHED
from stream_gov.detection.explanation import MAX_COLUMNS_DIAGNOSED, MAX_COLUMNS_SEARCHED, MAX_HISTOGRAMS
from stream_gov.diagnosis.clock_shift import CYCLES
from stream_gov.diagnosis.share_changes import CATEGORY_BARS, MAX_BARS
from stream_gov.diagnosis.value_maps import CURVES, LINEAR_MAPS
from tests.detection.broken_streams import STREAMS, alert_of
from tests.detection.test_explanation_of_segments import alert_of_all, segmented

TEXT = (Path(__file__).parents[2] / "docs" / "why.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| ((?:`\w+`(?:, )?)+) \| (.+?) \| (.*?) \|$", TEXT.partition("## In the message")[0], re.MULTILINE
)
EXAMPLES = {kind: example for kinds, _, example in ROWS for kind in re.findall(r"`(\w+)`", kinds)}


def test_every_kind_has_a_row():
    assert set(EXAMPLES) == set(CauseKind)


@pytest.mark.parametrize("kind", STREAMS)
def test_the_sentence_of_a_kind_is_what_the_flow_says(kind):
    (cause,) = alert_of(kind).causes
    assert f"{cause.column}: {cause.description}" == EXAMPLES[kind]


def test_the_sentence_of_a_segment_is_what_the_flow_says():
    (cause,) = alert_of_all(segmented({"VIC": 2.5})).causes
    assert f"{cause.column}: {cause.description}" == EXAMPLES["segment_only"]


def test_kinds_stand_in_the_order_in_which_they_are_asked():
    asked = [k for k in EXAMPLES if k in STREAMS]
    assert asked == list(STREAMS)


def test_every_field_of_a_cause_is_explained():
    check = {"column", "statistic", "value", "rule", "threshold", "p_value", "level", "tolerance", "distance"}
    check |= {"n_reference", "n_window", "detail", "weight", "severity"}
    table = TEXT.partition("## In the message")[2]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.+?) \|", table, re.MULTILINE))))
    fields = {f.name for f in msgspec.structs.fields(AlertCause)}
    assert fields - check == named


@pytest.mark.parametrize(
    "said",
    [
        f"histograms are of the {MAX_HISTOGRAMS} heaviest columns",
        f"beyond the {MAX_COLUMNS_DIAGNOSED} heaviest columns",
        f"at most {MAX_BARS}: cells",
        f"the {CATEGORY_BARS} categories that moved most",
        f"of more than {MAX_SEGMENTS_SEARCHED} the largest are",
        "{}, {}, {}, {} or {} consecutive whole numbers".format(*CYCLES),
    ],
)
def test_numbers_of_the_page_are_those_of_the_code(said):
    assert said in TEXT
    assert MAX_COLUMNS_SEARCHED == MAX_HISTOGRAMS  # "in these, too"
    assert MAX_PANES_SPLIT >= 168  # an hour-by-hour week is split


def test_every_map_is_named():
    for words in (
        "Celsius",
        "Fahrenheit",
        "Kelvin",
        "1,024",
        "86,400",
        "Flipped sign".lower(),
        "power of 10",
        "base 2",
    ):
        assert words in TEXT
    units = {c.name.partition(" (")[2].partition(" to ")[0] for c in LINEAR_MAPS if c.tier == "fine" and " (" in c.name}
    told = {"m", "cm", "kg", "g", "km", "litre", "joule", "kPa", "W", "radian", "inch", "hour", "m/s", "day"}
    for unit in sorted(units - told):
        stem = unit.removeprefix("US ").removeprefix("imperial ")
        assert stem in TEXT, unit
    assert len(CURVES) == 6
