"""`docs/alerts.md` is held to the code: its story is played, its program is run, and no field or change is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream_gov.contracts import (
    Alert,
    AlertCause,
    AlertChange,
    AlertPolicy,
    AlertSeverity,
    AlertStatus,
    Monitor,
    Verdict,
)
from stream_gov.contracts.strict_yaml import parse_yaml
from stream_gov.detection import AlertMemory, advance
from tests.contracts.messages import END_MS, an_alert
from tests.detection.test_alert_lifecycle import result
from tests.servers.mock_cluster import MockCluster

TEXT = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
POLICY, MAINTENANCE = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
(PROGRAM,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def story() -> list[tuple[int, float, str, str]]:
    """Number, value, verdict and message of each window of the page's table."""
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) \| (\w+) \|([^|]*)\|", TEXT, re.MULTILINE)
    return [(int(n), float(value), verdict, told.strip()) for n, value, verdict, told in rows]


def test_the_alert_of_the_page_lives_as_the_page_says() -> None:
    policy = AlertPolicy.model_validate(parse_yaml(POLICY, source="page")["alerts"])
    assert len(story()) == 11
    memory, previous = AlertMemory(), None
    for number, value, verdict, expected in story():
        memory, event = advance(memory, [result("a", Verdict(verdict), day=number, value=value)], policy)
        told = ""
        if event is not None:
            named = event.status is not AlertStatus.RESOLVED
            told = f"`{event.change.value}`" + (f", `{event.severity.value}`" if named else "")
            previous = event
        assert told == expected, number
    assert previous is not None
    assert previous.status is AlertStatus.RESOLVED


def test_the_defaults_that_the_page_names_are_the_defaults() -> None:
    assert "hysteresis: 0.1, severities: {warning: 1, critical: 3}" in POLICY
    assert AlertPolicy().hysteresis == 0.1
    assert AlertPolicy().severities == {"warning": 1, "critical": 3}


def test_the_maintenance_of_the_page_is_valid() -> None:
    assert len(Monitor.from_yaml(MAINTENANCE, source="docs/alerts.md").maintenance) == 3


@pytest.mark.parametrize("kind", [AlertChange, AlertStatus, AlertSeverity])
def test_every_change_status_and_severity_is_on_the_page(kind: Any) -> None:
    assert [value for value in kind if f"`{value.value}`" not in TEXT] == []


def test_every_field_of_the_message_is_on_the_page() -> None:
    table = TEXT.partition("| field | meaning |")[2].partition("\n\n")[0]
    listed = [
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    ]
    assert sorted(listed) == sorted(Alert.__struct_fields__)
    causes = TEXT.rpartition("Each cause has")[2].partition("\n\n")[0]
    assert [name for name in AlertCause.__struct_fields__ if f"`{name}`" not in causes] == []


class _EnoughError(Exception):
    pass


def told() -> Iterator[Alert]:
    """Two segments of a group, of which one gets worse and the other is attended to; then another group."""
    resolved = {"change": AlertChange.RESOLVED, "status": AlertStatus.RESOLVED, "causes": []}
    yield an_alert(alert_id="a", group_id="one", message="first")
    yield an_alert(alert_id="b", group_id="one", message="of the same group")
    yield an_alert(alert_id="b", group_id="one", severity="critical", snoozed_until_ms=END_MS, message="snoozed")
    yield an_alert(alert_id="a", group_id="one", severity="critical", message="worse")
    yield an_alert(alert_id="a", group_id="one", severity="critical", message="once more")
    yield an_alert(alert_id="a", group_id="one", **resolved)
    yield an_alert(alert_id="b", group_id="one", **resolved)
    yield an_alert(alert_id="c", group_id="two", status="acknowledged", message="acknowledged")
    yield an_alert(alert_id="a", group_id="one", message="open again, since late events took its end back")


@pytest.mark.broker
def test_the_program_of_the_page_pages_once_for_each_group_and_again_when_it_gets_worse() -> None:
    printed: list[str] = []

    def take(*words: object) -> None:
        printed.append(" ".join(map(str, words)))
        if len(printed) == 3:
            raise _EnoughError

    with MockCluster() as cluster:
        cluster.send("drift-alerts", *[msgspec.json.encode(a) for a in told()])
        program = PROGRAM.replace("localhost:9092", cluster.bootstrap)
        names: dict[str, Any] = {"print": take}
        with pytest.raises(_EnoughError):
            exec(compile(program, "docs/alerts.md", "exec"), names)
        names["consumer"].close()
    assert printed == [
        "page: warning first",
        "page: critical worse",
        "page: warning open again, since late events took its end back",
    ]
