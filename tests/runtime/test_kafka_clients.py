from __future__ import annotations

import logging

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from stream_gov.contracts import ConfigurationError, UnavailableError
from stream_gov.runtime.kafka_clients import (
    BrokerHealth,
    client_config,
    consumer_config,
    group_name,
    make_consumer,
    make_producer,
    plain_reason,
    producer_config,
    wait_for_broker,
)
from stream_gov.settings import Settings

NOWHERE = "127.0.0.1:1"


def test_groups_are_named_after_the_setting_and_the_worker() -> None:
    assert group_name(Settings(group="g"), "ingest") == "g.ingest"


def test_without_a_broker_the_message_says_how_to_name_one() -> None:
    with pytest.raises(ConfigurationError, match=r"--bootstrap HOST:PORT.*`stream-gov up`"):
        client_config(Settings(), "ingest")


def test_options_of_the_user_win_over_ours() -> None:
    settings = Settings(bootstrap=NOWHERE, kafka={"linger.ms": "50", "session.timeout.ms": "30000"})
    assert producer_config(settings, "w")["linger.ms"] == "50"
    assert consumer_config(settings, "w", group="g")["session.timeout.ms"] == "30000"


@pytest.mark.parametrize("option", ["enable.auto.commit", "auto.offset.reset", "acks", "group.id"])
def test_options_that_keep_data_safe_are_not_the_users(option: str) -> None:
    settings = Settings(bootstrap=NOWHERE, kafka={option: "x"})
    with pytest.raises(ConfigurationError, match=f"holds {option}, which the workers choose"):
        client_config(settings, "w")


def test_an_unknown_option_is_named() -> None:
    settings = Settings(bootstrap=NOWHERE, kafka={"sesion.timeout.ms": "1"})
    with pytest.raises(ConfigurationError, match=r'No such configuration property: "sesion.timeout.ms"'):
        make_consumer(consumer_config(settings, "w", group="g"))
    with pytest.raises(ConfigurationError, match="a producer"):
        make_producer(producer_config(settings, "w"))


def test_the_new_group_protocol_gets_no_options_of_the_old() -> None:
    settings = Settings(bootstrap=NOWHERE, kafka={"group.protocol": "consumer"})
    config = consumer_config(settings, "w", group="g")
    assert not {"partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"} & config.keys()
    make_consumer(config).close()


def test_a_consumer_and_a_producer_accept_our_options() -> None:
    settings = Settings(bootstrap=NOWHERE)
    make_consumer(consumer_config(settings, "w", group="g")).close()
    assert make_producer(producer_config(settings, "w")).flush(0) == 0


def test_a_broker_that_is_not_there_is_told_once_with_reason_and_remedy() -> None:
    with capture_logs() as lines, pytest.raises(UnavailableError, match=r"no broker answers at 127\.0\.0\.1:1"):
        wait_for_broker(Settings(bootstrap=NOWHERE), "ingest", give_up_after_s=3.0)
    (line,) = [line for line in lines if line["log_level"] == "warning"]
    assert line["bootstrap"] == NOWHERE
    assert "refused" in line["reason"]
    assert "start it" in line["remedy"]


def test_health_turns_a_stream_of_errors_into_two_lines() -> None:
    now = [10.0]
    health = BrokerHealth(NOWHERE, "ingest", monotonic=lambda: now[0])
    with capture_logs() as lines:
        health.on_error(KafkaError(KafkaError._TRANSPORT, "Connect failed: Connection refused"))
        for _ in range(20):
            health.on_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
        assert health.down
        now[0] = 17.5
        for _ in range(5):
            health.answered()
    assert not health.down
    assert [(line["log_level"], line.get("reason"), line.get("after_seconds")) for line in lines] == [
        ("warning", "Connect failed: Connection refused", None),
        ("info", None, 7.5),
    ]


def test_an_error_that_only_the_operator_can_mend_is_told_once() -> None:
    health = BrokerHealth(NOWHERE, "ingest")
    with capture_logs() as lines:
        for _ in range(5):
            health.on_error(KafkaError(KafkaError._AUTHENTICATION, "SASL authentication failed"))
    (line,) = lines
    assert line["log_level"] == "error"
    assert "sasl." in line["event"]


def test_reasons_leave_out_what_only_the_library_understands() -> None:
    text = "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)"
    assert (
        plain_reason(KafkaError(KafkaError._TRANSPORT, text))
        == "Connect to ipv4#127.0.0.1:1 failed: Connection refused"
    )


def test_the_library_does_not_chat_about_connections(caplog: pytest.LogCaptureFixture) -> None:
    logger = client_config(Settings(bootstrap=NOWHERE), "w")["logger"]
    with caplog.at_level(logging.DEBUG, logger=logger.name):
        logger.error("FAIL [x#producer-1] Connect to ipv4#127.0.0.1:1 failed: Connection refused")
        logger.error("1/1 brokers are down")
        logger.error("something else went wrong")
    assert [r.getMessage() for r in caplog.records] == ["something else went wrong"]
