from __future__ import annotations

import json

import pytest

from stream_gov.cli import alerts_command
from stream_gov.contracts import Alert, AlertPolicy
from stream_gov.detection import AlertMemory, advance
from stream_gov.sinks import Store
from tests.files.test_drift_picture import a_result


def changes(model: str, values: list[float]) -> list[Alert]:
    import msgspec

    found, memory = [], AlertMemory()
    for window, value in enumerate(values):
        result = msgspec.structs.replace(a_result(window, "amount", value), model=model)
        memory, alert = advance(memory, [result], AlertPolicy())
        found += [alert] if alert is not None else []
    return found


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path / '.stream-gov' / 'store.sqlite'}")
    store.create()
    store.write([*changes("shop", [0.0, 1.0, 0.0]), *changes("bank", [0.0, 0.0, 2.0])])
    store.close()


def test_without_a_broker_alerts_come_from_the_store(run, store):
    result = run("alerts")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split()[:6] == ["alert", "opened", "until", "severity", "windows", "model"]
    assert [line.split()[1:3] for line in lines[1:]] == [["1970-01-03", "1970-01-04"], ["1970-01-04", "still"]]
    assert all(len(line.split()[0]) == 8 for line in lines[1:])
    assert "from the store" in result.stderr


def test_where_the_topic_holds_no_alert_they_come_from_the_store(run, store, monkeypatch):
    """The embedded broker forgets everything when it ends; the store does not."""
    monkeypatch.setattr(alerts_command, "find_broker", lambda settings: settings)
    monkeypatch.setattr(alerts_command, "_from_topic", lambda settings: iter(()))
    result = run("alerts")
    assert len(result.stdout.splitlines()) == 3
    assert "no alert is on the topic; these are from the store" in result.stderr


@pytest.mark.parametrize(
    ("flags", "models"), [([], ["shop", "bank"]), (["--status", "open"], ["bank"]), (["--model", "shop"], ["shop"])]
)
def test_json_is_the_last_message_of_each_alert(run, store, flags, models):
    alerts = [json.loads(line) for line in run("alerts", "--json", *flags).stdout.splitlines()]
    assert [a["model"] for a in alerts] == models
    assert all(a["change"] == {"shop": "resolved", "bank": "opened"}[a["model"]] for a in alerts)
    assert list(alerts[0]) == list(Alert.__struct_fields__)


def test_no_alerts_print_nothing_where_a_program_reads(run, store):
    assert run("alerts", "--model", "none").stdout == ""
