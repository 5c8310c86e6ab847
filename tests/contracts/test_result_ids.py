from __future__ import annotations

import itertools

import msgspec
import pytest

from stream_gov.contracts import Alert, Result, alert_event_id, alert_id, content_id, result_id
from tests.contracts.messages import a_result, an_alert


def test_result_id_is_the_same_in_every_release():
    found = result_id("electricity", "1", "region=NSW", "vicprice", "psi", 862_876_800_000, 863_481_600_000)
    assert found == "bded845663e10dac7e8de127bfc86502"


def test_alert_ids_are_the_same_in_every_release():
    alert = alert_id("electricity", "electricity", "1", "", 862_876_800_000, 863_481_600_000)
    assert alert == "c959ccd00148099dfff1e81e49a23dba"
    assert alert_event_id(alert, 0) == "b9f22674359413cbb95e363b68fe18d2"


def test_each_part_of_a_result_changes_its_id():
    base = ("m", "1", "s", "c", "psi", 0, 60_000)
    other = ("n", "2", "t", "d", "ks", 1, 60_001)
    ids = {
        result_id(*(o if chosen else b for b, o, chosen in zip(base, other, mask, strict=True)))
        for mask in itertools.product([False, True], repeat=len(base))
    }
    assert len(ids) == 2 ** len(base)


def test_each_change_of_an_alert_has_an_id_of_its_own():
    alerts = [alert_id("e", "m", "1", segment, start, 60_000) for segment in ("", "a=b") for start in (0, 1)]
    ids = [alert_event_id(a, sequence) for a in alerts for sequence in range(10)]
    assert len({*alerts, *ids}) == len(alerts) + len(ids)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("ab", "c"), ("a", "bc")), (("a", ""), ("", "a")), (("1",), (1,)), (("a",), ("a", ""))],
)
def test_parts_that_read_alike_when_joined_give_different_ids(one, other):
    assert content_id(*one) != content_id(*other)


def test_messages_read_back_from_json_as_they_were_written():
    assert msgspec.json.decode(msgspec.json.encode(a_result()), type=Result) == a_result()
    assert msgspec.json.decode(msgspec.json.encode(an_alert()), type=Alert) == an_alert()


def test_message_of_a_later_release_is_read_without_its_new_field():
    wire = msgspec.json.decode(msgspec.json.encode(a_result())) | {"added_later": 1}
    assert msgspec.json.decode(msgspec.json.encode(wire), type=Result) == a_result()


def test_messages_cannot_be_changed():
    with pytest.raises(AttributeError, match="immutable"):
        a_result().value = 0.0
    with pytest.raises(AttributeError, match="immutable"):
        an_alert().sequence = 1
