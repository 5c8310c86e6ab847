from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from stream_gov.contracts import ConfigurationError, StreamGovError, UnavailableError
from stream_gov.runtime.kafka_errors import (
    _DENIED,
    _MEND,
    _RETRY,
    _START_OVER,
    AccessDeniedError,
    Remedy,
    TakenOverError,
    remedy_for,
    translate_kafka_error,
)

ALL_CODES = {
    value: name for name in dir(KafkaError) if name.isupper() and isinstance(value := getattr(KafkaError, name), int)
}


def test_the_library_still_has_the_codes_we_know() -> None:
    assert len(ALL_CODES) > 100
    assert set(ALL_CODES) >= _RETRY | _START_OVER | set(_MEND) | set(_DENIED)


def test_no_code_has_two_remedies() -> None:
    assert not _RETRY & _START_OVER
    assert not _RETRY & set(_MEND)
    assert not _START_OVER & set(_MEND)
    assert not (_RETRY | _START_OVER | set(_MEND)) & set(_DENIED)


@pytest.mark.parametrize("code", sorted(ALL_CODES), ids=lambda c: ALL_CODES[c])
def test_every_code_becomes_an_error_of_our_tree(code: int) -> None:
    error = KafkaError(code)
    translated = translate_kafka_error(KafkaException(error), "read the topic t")
    assert isinstance(translated, StreamGovError)
    assert "could not read the topic t" in str(translated)
    assert error.name() in str(translated)
    expected = {
        Remedy.MEND: ConfigurationError,
        Remedy.DENIED: AccessDeniedError,
        Remedy.START_OVER: TakenOverError,
        Remedy.RETRY: UnavailableError,
    }[remedy_for(code)]
    assert type(translated) is expected


@pytest.mark.parametrize("code", sorted(_MEND | _DENIED), ids=lambda c: ALL_CODES[c])
def test_a_configuration_error_says_what_to_do(code: int) -> None:
    message = str(translate_kafka_error(KafkaError(code), "join"))
    assert message.partition("; ")[2]


def test_a_fatal_error_of_the_client_is_never_tried_again_with_the_same_client() -> None:
    error = KafkaError(KafkaError.UNKNOWN, fatal=True)
    assert isinstance(translate_kafka_error(error, "produce"), TakenOverError)


def test_an_exception_without_a_kafka_error_is_translated_too() -> None:
    assert "could not commit: odd" in str(translate_kafka_error(KafkaException("odd"), "commit"))


def test_who_is_not_let_in_goes_on_trying() -> None:
    assert issubclass(AccessDeniedError, UnavailableError)


def test_a_worker_that_lost_its_place_counts_as_unavailable_so_that_it_is_retried() -> None:
    assert issubclass(TakenOverError, UnavailableError)
