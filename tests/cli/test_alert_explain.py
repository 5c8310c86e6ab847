"""`stream-gov alerts show ID`, from the store."""

from __future__ import annotations

import json

import msgspec
import pytest

from stream_gov.cli.alert_explain import _life
from stream_gov.sinks import Store
from tests.detection.broken_streams import STREAMS, drive


@pytest.fixture
def explained(run, tmp_path):
    """Run it on the alert of a broken stream."""

    def of(name, *flags):
        driver = drive(STREAMS[name])
        store = Store(f"sqlite:///{tmp_path / '.stream-gov' / 'store.sqlite'}")
        store.create()
        store.write(driver.alerts())
        store.close()
        alert = driver.alerts()[0]
        return alert, run("alerts", "show", alert.alert_id[:8], *flags)

    return of


def test_an_alert_of_numbers_is_told_with_numbers_and_bars(explained):
    alert, result = explained("unit_change")
    assert result.exit_code == 0
    text = result.stdout
    assert f"alert {alert.alert_id}" in text
    assert "shop version 1, 2026-01-01 02:00 still open, drift in 1 window or more; critical" in text
    assert "compared with base@1, by monitor shop" in text
    assert "\namount: unit change x1000 (mean 34.05 -> 32,642)\nsince 2026-01-01 01:00; psi 8.283\n" in text
    rows = {line.split("  ")[0].strip(): line.split() for line in text.splitlines()}
    assert rows["mean"] == ["mean", "34.05", "32,642"]
    assert rows["median"][-1] == "-"
    last = rows["from 148.6"]
    assert last[2:] == ["▋", "2.5", "█" * 24, "100"]


def test_an_alert_of_categories_is_told_with_shares(explained):
    _, result = explained("new_category")
    lines = [line.split() for line in result.stdout.splitlines()]
    (new,) = (line for line in lines if line[:1] == ["UK"])
    assert (new[1], new[-1]) == ("0", "11.8")
    assert len(new[2]) in (7, 8)  # of 24, the longest bar being 40 %
    assert "country: new category 'UK' 11.8 %" in result.stdout


def test_json_is_every_message_of_the_alert(explained):
    alert, result = explained("missing_values_rose", "--json")
    (message,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert message["alert_id"] == alert.alert_id
    assert message["causes"][0]["kind"] == "missing_values_rose"
    assert message["causes"][0]["shift"]["window"]["missing_share"] == pytest.approx(0.106)


@pytest.mark.parametrize(
    ("digits", "said"),
    [
        ("ffffffffff", "no alert has an id that begins with ffffffffff"),
        ("abc", "abc is too short for an id; give at least 6 of the digits"),
        ("not-an-id", "'not-an-id' is no id of an alert"),
    ],
)
def test_a_wrong_id_is_one_clear_line(explained, run, digits, said):
    explained("constant")
    result = run("alerts", "show", digits)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_an_alert_that_a_replay_told_again_is_told_once():
    alert = drive(STREAMS["constant"]).alerts()[0]
    told = [msgspec.structs.replace(alert, sequence=n, message=words) for n, words in ((0, "a"), (1, "b"), (0, "c"))]
    assert [m.message for m in _life(told)] == ["c"]
    assert [m.message for m in _life(told[:2])] == ["a", "b"]


def test_an_id_that_several_alerts_begin_with_asks_for_more_digits(run, tmp_path):
    alert = drive(STREAMS["constant"]).alerts()[0]
    store = Store(f"sqlite:///{tmp_path / '.stream-gov' / 'store.sqlite'}")
    store.create()
    store.write([msgspec.structs.replace(alert, id=i, alert_id="abcdef" + i) for i in ("01", "02")])
    store.close()
    result = run("alerts", "show", "ABCDEF")
    assert result.exit_code == 2
    assert (
        "2 alerts have ids that begin with abcdef: abcdef01 (shop), abcdef02 (shop); give more digits" in result.stderr
    )
