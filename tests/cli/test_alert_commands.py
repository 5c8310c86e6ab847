"""`stream-gov alerts ack` and its like at a broker without a detector: what is sent, and what is said when nothing comes."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from stream_gov.cli import alert_commands
from stream_gov.cli.alert_commands import choose_alert
from stream_gov.cli.alert_table import alert_rows, newest_of_each
from stream_gov.contracts import (
    Alert,
    AlertAction,
    AlertChange,
    AlertCommandRecord,
    AlertStatus,
    ConfigurationError,
    DataError,
    PaneRecord,
    decode_record,
)
from stream_gov.runtime import alert_commands as sender
from stream_gov.runtime.cut_messages import summary_message
from stream_gov.runtime.embedded_broker import EmbeddedBroker
from stream_gov.runtime.kafka_clients import producer_config
from stream_gov.runtime.topics import ensure_topics
from stream_gov.settings import Settings, load_settings
from stream_gov.sinks import Store
from tests.contracts.messages import END_MS, an_alert

OPEN = "aaaa1111" + "0" * 24
OTHER = "aaaa2222" + "0" * 24
ASLEEP = "bbbb" + "0" * 28
OVER = "cccc" + "0" * 28


def told(alert_id: str, sequence: int = 0, **changes: Any) -> Alert:
    return an_alert(id=f"{alert_id}-{sequence}", alert_id=alert_id, sequence=sequence, **changes)


RESOLVED: dict[str, Any] = {"change": AlertChange.RESOLVED, "status": AlertStatus.RESOLVED, "causes": []}
MESSAGES = [
    told(OPEN),
    told(OTHER, segment="region=NSW"),
    told(ASLEEP),
    told(ASLEEP, 1, change=AlertChange.SNOOZED, snoozed_until_ms=END_MS),
    told(OVER),
    told(OVER, 1, by="ben", **RESOLVED),
]


@pytest.fixture(scope="module")
def broker():
    with EmbeddedBroker() as broker:
        settings = load_settings(bootstrap=broker.bootstrap)
        ensure_topics(settings)
        put(settings, *MESSAGES)
        yield settings


def put(settings: Settings, *alerts: Alert) -> None:
    producer = Producer(producer_config(settings, "test"))
    for alert in alerts:
        producer.produce("drift-alerts", msgspec.json.encode(alert), key=alert.model.encode())
    assert producer.flush(20) == 0


def summaries(settings: Settings) -> list[tuple[int, int, bytes]]:
    """Partition, offset and value of every record of the topic of summaries."""
    consumer = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "test", "log_level": 0})
    found = []
    try:
        for partition in range(4):
            place = TopicPartition("stream-gov.summaries", partition, 0)
            low, high = consumer.get_watermark_offsets(place, timeout=10)
            consumer.assign([place])
            while low + len([f for f in found if f[0] == partition]) < high:
                (message,) = consumer.consume(1, 10)
                found.append((partition, message.offset(), message.value()))
    finally:
        consumer.close()
    return found


@pytest.fixture
def answering(broker, monkeypatch) -> Callable[..., None]:
    """Whatever is sent is answered at once, as the detector would."""

    def answer(change: AlertChange, **fields: Any) -> None:
        real = sender.send_alert_command

        def send(settings: Settings, command: AlertCommandRecord) -> tuple[int, int]:
            place = real(settings, command)
            message = f"{command.model}: {change.value} by {command.by}"
            alert = told(command.alert_id, 7, change=change, command_id=command.command_id, message=message, **fields)
            put(settings, told(OTHER, 1, message="of something else"), alert)
            return place

        monkeypatch.setattr(sender, "send_alert_command", send)

    return answer


at_a_broker = pytest.mark.broker


@at_a_broker
def test_the_message_that_the_command_causes_is_printed(run, broker, answering):
    answering(AlertChange.ACKNOWLEDGED, status=AlertStatus.ACKNOWLEDGED)
    done = run("alerts", "ack", OPEN[:7], "--by", "anna", "--bootstrap", broker.bootstrap)
    assert (done.exit_code, done.stdout) == (0, "electricity: acknowledged by anna\n")
    done = run("alerts", "ack", OPEN.upper(), "--json", "--bootstrap", broker.bootstrap)
    assert json.loads(done.stdout)["alert_id"] == OPEN
    assert json.loads(done.stdout)["message"].endswith(f"by {getpass.getuser()}")


@at_a_broker
@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["ack", OPEN, "--note", "mine"], (OPEN, AlertAction.ACKNOWLEDGE, "mine", None)),
        (["snooze", OPEN, "--for", "1h30m"], (OPEN, AlertAction.SNOOZE, "", 5_400_000)),
        (["unsnooze", ASLEEP[:6]], (ASLEEP, AlertAction.UNSNOOZE, "", None)),
        (["resolve", ASLEEP, "--note", "retrained"], (ASLEEP, AlertAction.RESOLVE, "retrained", None)),
    ],
)
def test_a_command_goes_to_the_partition_in_which_the_model_has_its_summaries(
    run, broker, answering, arguments, wanted
):
    answering(AlertChange.ACKNOWLEDGED)
    pane = PaneRecord("electricity", "1", "", "", 0, 1, "t", 0, 0, 1, 0, 0, b"")
    producer = Producer(producer_config(broker, "ingest"))
    message = summary_message(pane)
    producer.produce("stream-gov.summaries", key=message.key, value=message.value)
    assert producer.flush(20) == 0
    assert run("alerts", *arguments, "--by", " anna ", "--bootstrap", broker.bootstrap).exit_code == 0
    newest = sorted(summaries(broker), key=lambda found: found[1])[-2:]
    (p, _, first), (q, _, second) = newest
    assert p == q
    assert decode_record(first) == pane
    command = decode_record(second)
    assert isinstance(command, AlertCommandRecord)
    alert_id, action, note, length_ms = wanted
    assert (command.model, command.alert_id, command.action, command.note) == ("electricity", alert_id, action, note)
    assert (command.by, len(command.command_id)) == ("anna", 32)
    assert command.until_ms == (0 if length_ms is None else command.at_ms + length_ms)


@at_a_broker
@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["ack", "dddddd"], ["no alert has an id that begins with dddddd"], 2),
        (["ack", "aaaa"], ["too short", "at least 6"], 2),
        (["ack", "vicprice"], ["is no id of an alert"], 2),
        (["ack", OVER[:8]], ["is resolved already (by ben)"], 2),
        (["unsnooze", OPEN], ["is not snoozed"], 2),
        (["snooze", OPEN, "--for", "soon"], ["--for", "is no duration"], 2),
        (["snooze", OPEN, "--for", "0s"], ["--for", "no time at all"], 2),
        (["ack", OPEN, "--by", "  "], ["--by NAME"], 2),
        (["ack", OPEN, "--timeout", "1"], ["--timeout", "is no duration"], 2),
        (
            ["ack", OPEN, "--timeout", "300ms"],
            ["no answer after 0.3 s", "summary records to take in", "start `stream-gov detect`"],
            3,
        ),
        (["ack", OPEN[:5] + "1"], ["no answer after", "detect"], 3),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(run, broker, arguments, words, code):
    more = [] if "--timeout" in arguments else ["--timeout", "300ms"]
    done = run("alerts", *arguments, *more, "--bootstrap", broker.bootstrap)
    assert done.exit_code == code
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in words), done.stderr


@at_a_broker
def test_two_alerts_with_the_same_beginning_are_named(run, broker):
    put(broker, told("eeeeeeee1" + "0" * 23), told("eeeeeeee2" + "0" * 23, segment="region=NSW"))
    done = run("alerts", "ack", "eeeeee", "--bootstrap", broker.bootstrap)
    assert done.exit_code == 2
    assert "eeeeeeee1 (electricity), eeeeeeee2 (electricity, region=NSW); give more digits" in done.stderr


@at_a_broker
def test_a_detector_that_has_taken_the_command_in_and_says_nothing_knows_no_such_alert(run, broker, monkeypatch):
    real = sender.send_alert_command

    def send_and_read(settings: Settings, command: AlertCommandRecord) -> tuple[int, int]:
        partition, offset = real(settings, command)
        detect = Consumer({"bootstrap.servers": settings.bootstrap, "group.id": "stream-gov.detect", "log_level": 0})
        detect.commit(offsets=[TopicPartition("stream-gov.summaries", partition, offset + 1)], asynchronous=False)
        detect.close()
        return partition, offset

    monkeypatch.setattr(sender, "send_alert_command", send_and_read)
    done = run("alerts", "ack", OPEN, "--timeout", "300ms", "--bootstrap", broker.bootstrap)
    assert done.exit_code == 2
    assert "the detector has taken the command in: it knows no open alert" in done.stderr


@at_a_broker
def test_an_alert_that_resolves_meanwhile_is_told(run, broker, monkeypatch):
    real = sender.send_alert_command

    def send_too_late(settings: Settings, command: AlertCommandRecord) -> tuple[int, int]:
        place = real(settings, command)
        put(settings, told(command.alert_id, 1, message="electricity: back within tolerance", **RESOLVED))
        return place

    monkeypatch.setattr(sender, "send_alert_command", send_too_late)
    put(broker, told("abcdef" + "0" * 26))
    done = run("alerts", "ack", "abcdef", "--timeout", "1s", "--bootstrap", broker.bootstrap)
    assert done.exit_code == 2
    assert "was resolved before the command came: electricity: back within tolerance" in done.stderr


@at_a_broker
def test_an_alert_that_the_topic_has_forgotten_is_found_in_the_store(run, broker, answering, tmp_path):
    answering(AlertChange.ACKNOWLEDGED)
    store = Store(f"sqlite:///{tmp_path / '.stream-gov' / 'store.sqlite'}")
    store.create()
    store.write([told("ffff0000" + "1" * 24)])
    store.close()
    assert run("alerts", "ack", "ffff0000", "--bootstrap", broker.bootstrap).exit_code == 0


@at_a_broker
@pytest.mark.parametrize(
    ("status", "ids"),
    [("open", [OPEN, OTHER, ASLEEP]), ("snoozed", [ASLEEP]), ("resolved", [OVER]), ("acknowledged", [])],
)
def test_the_list_is_as_ever_and_knows_who_attends_to_what(run, broker, status, ids):
    put(broker, *(msgspec.structs.replace(m, model="listed", alert_id=f"{m.alert_id[:-1]}1") for m in MESSAGES))
    done = run("alerts", "--json", "--model", "listed", "--status", status, "--bootstrap", broker.bootstrap)
    assert sorted(json.loads(line)["alert_id"][:-1] + "0" for line in done.stdout.splitlines()) == sorted(ids)


def test_flags_before_a_command_are_not_silently_left_out(run):
    done = run("alerts", "--model", "shop", "ack", OPEN)
    assert done.exit_code == 2
    assert "flags before `ack` are those of the list of alerts; write them behind it" in done.stderr


def test_without_a_broker_a_command_says_what_to_do(run):
    done = run("alerts", "ack", OPEN)
    assert done.exit_code == 2
    assert "start `stream-gov up`" in done.stderr


def test_the_table_says_how_an_alert_stands_and_how_to_name_it():
    acknowledged = {"status": AlertStatus.ACKNOWLEDGED, "acknowledged_by": "anna"}
    rows = alert_rows([*MESSAGES, told(OTHER, 1, snoozed_until_ms=END_MS, **acknowledged)], ids=True)
    assert {row[0]: row[2] for row in rows} == {
        "aaaa1111": "still open",
        "aaaa2222": "still open, acknowledged by anna, snoozed until 1997-05-13",
        "bbbb0000": "still open, snoozed until 1997-05-13",
        "cccc0000": "1997-05-13",
    }
    assert {row[3] for row in rows} == {"warning"}


def test_an_alert_that_a_replay_tells_once_more_stands_as_it_was_told_last():
    ((first, last),) = newest_of_each([told(OPEN), told(OPEN, 1, **RESOLVED), told(OPEN)])
    assert (first.sequence, last.status) == (0, AlertStatus.OPEN)


def test_who_gives_a_command_must_be_known(monkeypatch):
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(ConfigurationError, match="give --by NAME"):
        alert_commands._who(None)


def test_an_alert_is_chosen_by_the_beginning_of_its_id():
    alerts = [told(OPEN), told(OTHER)]
    assert choose_alert(alerts, OTHER[:6]).alert_id == OTHER
    with pytest.raises(DataError, match=r"2 alerts have ids that begin with aaaa: aaaa1111 \(electricity\), aaaa2222"):
        choose_alert(alerts, "aaaa")
