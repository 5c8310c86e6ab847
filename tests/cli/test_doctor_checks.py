from __future__ import annotations

import json
import os
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from stream_gov.cli.doctor_checks import (
    Level,
    check_influx,
    check_libraries,
    check_monitors,
    check_port,
    check_settings,
    check_state_directory,
    check_versions_seen,
    settings_with_sources,
)
from stream_gov.files.state_directory import StateDirectory
from stream_gov.settings import load_settings
from tests.cli.stream_files import MONITOR, write_monitor, write_stream


@pytest.fixture
def state(run, tmp_path):
    run(
        "reference",
        "build",
        write_stream(tmp_path),
        "-m",
        write_monitor(tmp_path),
        "--rows",
        "0:2400",
        "--model-version",
        "7",
    )
    run("monitor", "apply", "monitor.yaml")
    return StateDirectory(".stream-gov")


def problems(findings):
    return [f for f in findings if f.level is not Level.OK]


def test_all_in_order_is_said(state):
    assert not problems(check_monitors(state))
    assert not problems(check_state_directory(state))


def test_a_library_that_is_missing_or_too_old_is_named_with_its_remedy():
    found = list(check_libraries(["numpy>=1.26", "scipy>=1.11", "rich>=13.7"], {"numpy": "1.9.3", "rich": "15.0.0"}))
    assert [(f.level, f.text) for f in found] == [
        (Level.PROBLEM, "numpy 1.9.3 is too old"),
        (Level.PROBLEM, "scipy is not installed"),
        (Level.OK, "rich 15.0.0"),
    ]
    assert found[0].remedy == "pip install 'numpy>=1.26'"


def test_this_environment_has_what_is_needed():
    assert not problems(check_libraries())


def test_each_setting_is_told_with_its_source_and_secrets_are_hidden(tmp_path, monkeypatch):
    (tmp_path / "stream-gov.yaml").write_text("group: mine\nkafka: {sasl.password: hush}\n")
    (tmp_path / "secret").write_text("also-hush\n")
    monkeypatch.setenv("STREAM_GOV_BATCH_SIZE", "100")
    monkeypatch.setenv("STREAM_GOV_INFLUX__TOKEN_FILE", str(tmp_path / "secret"))
    flags = {"bootstrap": "broker:9092"}
    found = {key: (value, source) for key, value, source in settings_with_sources(load_settings(**flags), flags)}
    assert found == {
        "bootstrap": ("broker:9092", "a flag"),
        "kafka.sasl.password": ("********", "stream-gov.yaml"),
        "group": ("mine", "stream-gov.yaml"),
        "batch_size": ("100", "the variable STREAM_GOV_BATCH_SIZE"),
        "influx.token": ("********", "the variable STREAM_GOV_INFLUX__TOKEN_FILE"),
    }
    text = " ".join(f.text for f in check_settings(load_settings(**flags), flags))
    assert "hush" not in text


def test_a_password_in_a_url_is_hidden(monkeypatch):
    monkeypatch.setenv("STREAM_GOV_STORE_URL", "postgresql://me:hush@db/gov")
    text = " ".join(f.text for f in check_settings(load_settings(), {}))
    assert "hush" not in text
    assert "postgresql://me:" in text


def test_an_unreadable_monitor_is_a_problem(state):
    state.monitor_path("shop").write_text(MONITOR.replace("psi", "pis"))
    (found,) = problems(check_monitors(state))
    assert found.level is Level.PROBLEM
    assert "checks[0].statistic" in found.text
    assert "did you mean" in found.remedy


def test_a_missing_reference_is_a_problem(state):
    state.profile_path("shop-base", 1).unlink()
    (found,) = problems(check_monitors(state))
    assert found.level is Level.PROBLEM
    assert "stream-gov reference build" in found.remedy


def test_a_damaged_reference_is_a_problem(state):
    path = state.profile_path("shop-base", 1)
    path.write_bytes(path.read_bytes()[:-1])
    (found,) = problems(check_monitors(state))
    assert "checksum" in found.text


def test_a_reference_of_another_model_is_a_problem(state):
    state.monitor_path("shop").write_text(MONITOR.replace("model: shop", "model: bank"))
    (found,) = problems(check_monitors(state))
    assert (found.level, "bank" in found.text, "shop-base@1 was made for shop" in found.text) == (
        Level.PROBLEM,
        True,
        True,
    )


def test_two_monitors_of_one_model_are_a_warning(state):
    state.monitor_path("other").write_text(MONITOR.replace("monitor: shop", "monitor: other"))
    (found,) = problems(check_monitors(state))
    assert (found.level, "other" in found.text) == (Level.WARNING, True)


@pytest.mark.parametrize(
    ("seen", "level"),
    [({"7": 10}, Level.OK), ({"8": 10}, Level.PROBLEM), ({"7": 5, "8": 10}, Level.WARNING)],
)
def test_a_reference_for_another_version_is_found(state, seen, level):
    monitor, profile = state.load_monitor("shop"), state.load_profile("shop-base")
    (found,) = check_versions_seen(monitor, profile, seen, where="the newest events")
    assert found.level is level
    if level is Level.PROBLEM:
        assert "version 7" in found.text
        assert "--model-version 8" in found.remedy


def test_no_events_say_nothing_of_versions(state):
    assert not list(
        check_versions_seen(state.load_monitor("shop"), state.load_profile("shop-base"), {}, where="events")
    )


def test_the_note_of_a_broker_that_has_ended_is_a_warning(state):
    state.write_broker_note("127.0.0.1:1", pid=2**22 + 1)  # beyond what Linux gives to a process
    (found,) = problems(check_state_directory(state))
    assert "stream-gov up" in found.remedy


def test_a_directory_that_cannot_be_written_to_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, whom containers run tests as, may write everywhere
    (found,) = problems(check_state_directory(StateDirectory(tmp_path)))
    assert found.level is Level.PROBLEM
    assert "state_dir" in found.remedy


def test_a_free_port_is_told_from_one_that_another_program_holds():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (taken,) = check_port("127.0.0.1", port, what="metrics")
    (free,) = check_port("127.0.0.1", port, what="metrics")
    assert (taken.level, free.level) == (Level.WARNING, Level.OK)
    assert "STREAM_GOV_METRICS_PORT" in taken.remedy


def test_a_port_that_a_worker_holds_is_in_order():
    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"stream_gov_build_info 1\n")

        def log_message(self, *_):
            return

    with HTTPServer(("127.0.0.1", 0), Metrics) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        (found,) = check_port("127.0.0.1", server.server_port, what="metrics")
        thread.join()
    assert found.level is Level.OK
    assert "a worker of stream-gov answers" in found.text


def test_without_a_token_influxdb_is_a_warning_only():
    (found,) = check_influx(load_settings())
    assert found.level is Level.WARNING


def test_an_influxdb_that_does_not_answer_is_a_problem():
    (found,) = check_influx(load_settings(influx={"url": "http://127.0.0.1:1", "token": "t"}))
    assert found.level is Level.PROBLEM
    assert found.remedy


def test_doctor_ends_with_1_and_says_what_to_do_where_there_is_no_broker(run, state):
    result = run("doctor", "--json")
    assert result.exit_code == 1
    found = [json.loads(line) for line in result.stdout.splitlines()]
    (broker,) = [f for f in found if f["check"] == "broker"]
    assert broker["level"] == "problem"
    assert "stream-gov up" in broker["remedy"]


def test_doctor_prints_the_remedy_below_each_finding(run, state):
    result = run("doctor", "--bootstrap", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "no broker answers at 127.0.0.1:1" in result.stdout
    assert "-> start it" in result.stdout
    assert "1 problem, " in result.stdout


@pytest.mark.influxdb
def test_a_wrong_token_of_influxdb_is_a_problem(influxdb_server):
    options = influxdb_server.options
    good = {
        "url": influxdb_server.address,
        "token": options["token"],
        "org": options["org"],
        "bucket": options["bucket"],
    }
    assert [f.level for f in check_influx(load_settings(influx=good))] == [Level.OK]
    (found,) = check_influx(load_settings(influx=good | {"token": "wrong"}))
    assert found.level is Level.PROBLEM
    assert "STREAM_GOV_INFLUX__TOKEN" in found.remedy
