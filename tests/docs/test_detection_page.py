"""`docs/detection.md` and the tables of detectors in `docs/monitor.md` are held to the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from stream_gov.contracts.online_detector import DETECTORS, MAX_VALUES, SERIES, SHARE_SERIES
from stream_gov.detection.change_detector import MAX_ROWS
from stream_gov.detection.change_points import MAX_SILENT_PANES
from stream_gov.detection.pane_log import BLOCK_ROWS
from stream_gov.detection.pane_series import KINDS_OF_SERIES
from stream_gov.detection.series_detectors import KEEP_DETECTORS_MS

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "detection.md").read_text(encoding="utf-8")
MONITOR_PAGE = (DOCS / "monitor.md").read_text(encoding="utf-8")
SECTION = MONITOR_PAGE.split("## Detectors")[1].split("\n## ")[0]
ROWS = {row[0]: row[1:] for row in re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", SECTION, re.MULTILINE)}


@pytest.mark.parametrize("name", DETECTORS)
def test_the_table_of_detectors_has_every_parameter_with_its_default(name):
    parameters, series = ROWS[name]
    written = yaml.safe_load("{" + ", ".join(re.findall(r"`(\w+: [^`]+)`", parameters)) + "}")
    config = DETECTORS[name](detector=name, series="missing_share")
    assert written == config.parameters()
    assert series == ("shares" if config.needs_shares else "all")


def test_the_table_of_series_has_each_with_its_columns():
    assert set(ROWS) == set(SERIES) | set(DETECTORS)
    for series in SERIES:
        columns = ROWS[series][0]
        if series == "events":
            assert columns == "the model"
        else:
            kinds = {"numeric", "categorical", "boolean"} if columns == "all kinds" else set(columns.split(", "))
            assert kinds == KINDS_OF_SERIES[series]
    shares = SECTION.split("for every column:")[1].split(". `columns`")[0]
    assert set(re.findall(r"`(\w+)`", shares)) == SHARE_SERIES


def test_the_numbers_of_the_page_are_those_of_the_code():
    text = " ".join(PAGE.split())
    needed = {n: DETECTORS[n](detector=n, series="missing_share").values_needed for n in ("adwin", "hddm_a", "hddm_w")}
    clock_1 = DETECTORS["adwin"](detector="adwin", series="mean", clock=1).values_needed
    assert (
        f"{needed['adwin']} for `adwin` ({clock_1} with `clock: 1`), {needed['hddm_a']} for `hddm_a`, {needed['hddm_w']} for `hddm_w`"
        in text
    )
    assert f"when it holds {2 * MAX_VALUES:,} values it is cut to the newest {MAX_VALUES:,}" in text
    assert f"from {MAX_ROWS:,} on" in text
    assert f"up to {MAX_SILENT_PANES} in a row" in text
    assert f"in blocks of {BLOCK_ROWS} panes" in text
    assert f"for {KEEP_DETECTORS_MS // 86_400_000} days of event time" in text
