from __future__ import annotations

import os

import pytest
from pydantic import SecretStr

from stream_gov.contracts import ConfigurationError
from stream_gov.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    """An empty folder, and no variable of ours."""
    for variable in list(os.environ):
        if variable.upper().startswith("STREAM_GOV_"):
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def settings_file(nothing_set):
    def write(text: str, name: str = "stream-gov.yaml") -> None:
        (nothing_set / name).write_text(text, encoding="utf-8")

    return write


def mistake(**flags: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(**flags)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_without_anything_given_there_are_defaults():
    settings = load_settings()
    assert settings.bootstrap == ""
    assert settings.cut_interval == 2_000
    assert settings.topics.name("metrics") == "drift-metrics"
    assert settings.store == "sqlite:///.stream-gov/store.sqlite"


def test_file_is_read_from_the_working_directory(settings_file):
    settings_file("bootstrap: kafka:9092\ncut_interval: 5s\ntopics: {prefix: prod., partitions: 3}\n")
    settings = load_settings()
    assert (settings.bootstrap, settings.cut_interval, settings.topics.partitions) == ("kafka:9092", 5_000, 3)
    assert settings.topics.name("alerts") == "prod.drift-alerts"


def test_file_may_be_named_by_a_variable(settings_file, monkeypatch):
    settings_file("bootstrap: ignored:9092")
    settings_file("bootstrap: kafka:9092", name="other.yaml")
    monkeypatch.setenv("STREAM_GOV_CONFIG", "other.yaml")
    assert load_settings().bootstrap == "kafka:9092"


def test_environment_wins_over_the_file_and_flags_over_both(settings_file, monkeypatch):
    settings_file("bootstrap: file:1\ngroup: file\nlog_level: error\n")
    monkeypatch.setenv("STREAM_GOV_BOOTSTRAP", "environment:1")
    monkeypatch.setenv("STREAM_GOV_GROUP", "environment")
    settings = load_settings(bootstrap="flag:1", group=None)
    assert (settings.bootstrap, settings.group, settings.log_level) == ("flag:1", "environment", "error")


def test_sections_are_joined_key_by_key(settings_file, monkeypatch):
    settings_file("influx: {url: 'http://file:8086', org: file, bucket: file}\n")
    monkeypatch.setenv("STREAM_GOV_INFLUX__ORG", "environment")
    influx = load_settings().influx
    assert (influx.url, influx.org, influx.bucket) == ("http://file:8086", "environment", "file")


def test_kafka_options_come_as_json_or_one_by_one(monkeypatch):
    monkeypatch.setenv("STREAM_GOV_KAFKA", '{"security.protocol": "SSL"}')
    monkeypatch.setenv("STREAM_GOV_KAFKA__SASL.MECHANISM", "PLAIN")
    assert load_settings().kafka == {"security.protocol": "SSL", "sasl.mechanism": "PLAIN"}


def test_secret_may_stand_in_a_file_of_its_own(nothing_set, monkeypatch):
    (nothing_set / "token").write_text("hush\n", encoding="utf-8")
    monkeypatch.setenv("STREAM_GOV_INFLUX__TOKEN_FILE", str(nothing_set / "token"))
    monkeypatch.setenv("STREAM_GOV_INFLUX__ORG", "ours")
    settings = load_settings()
    assert settings.influx.token.get_secret_value() == "hush"
    assert settings.influx.org == "ours"


def test_secret_of_the_top_level_may_stand_in_a_file_too(nothing_set, monkeypatch):
    (nothing_set / "url").write_text("postgresql+psycopg://monitor:hush@db/monitor\n", encoding="utf-8")
    monkeypatch.setenv("STREAM_GOV_STORE_URL_FILE", str(nothing_set / "url"))
    assert load_settings().store == "postgresql+psycopg://monitor:hush@db/monitor"


def test_secret_is_not_shown_when_settings_are_printed(monkeypatch):
    monkeypatch.setenv("STREAM_GOV_INFLUX__TOKEN", "hush")
    settings = load_settings()
    assert isinstance(settings.influx.token, SecretStr)
    assert "hush" not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bootstrp: x", "stream-gov.yaml: bootstrp: unknown key; did you mean `bootstrap`?"),
        ("topics: {partitons: 3}", "stream-gov.yaml: topics.partitons: unknown key; did you mean `partitions`?"),
        ("topics: {partitions: many}", "stream-gov.yaml: topics.partitions: a whole number is expected, got 'many'"),
        ("cut_interval: 5", "stream-gov.yaml: cut_interval: 5 is no duration; give it a unit, such as 5s or 5m"),
        ("log_level: loud", "stream-gov.yaml: log_level: must be one of 'debug', 'info', 'warning' or 'error'"),
        ("influx: localhost", "stream-gov.yaml: influx: a mapping with the keys `url`, `token`, `org`, `bucket`,"),
        ("bootstrap: [", "stream-gov.yaml:1:13: this is no YAML"),
        ("group: a\ngroup: b", "stream-gov.yaml:2:1: the key `group` stands twice in one mapping; keep one"),
        (
            "- bootstrap",
            "stream-gov.yaml: a settings file is a mapping of keys such as `bootstrap:`; this one is a list",
        ),
    ],
)
def test_mistake_in_the_file_gives_one_line_with_the_place(settings_file, text, message):
    settings_file(text)
    assert mistake().startswith(message)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "STREAM_GOV_BOOTSTRP",
            "x",
            "environment: STREAM_GOV_BOOTSTRP: unknown setting; did you mean `STREAM_GOV_BOOTSTRAP`?",
        ),
        (
            "STREAM_GOV_INFLX__TOKEN_FILE",
            "x",
            "environment: STREAM_GOV_INFLX__TOKEN_FILE: unknown setting; did you mean",
        ),
        (
            "STREAM_GOV_TOPICS__PREFX",
            "x",
            "environment (STREAM_GOV_TOPICS__PREFX): topics.prefx: unknown key; did you mean",
        ),
        ("STREAM_GOV_BATCH_SIZE", "0", "environment (STREAM_GOV_BATCH_SIZE): batch_size: must be at least 1, got '0'"),
        ("STREAM_GOV_IDLE_TIMEOUT", "5", "environment (STREAM_GOV_IDLE_TIMEOUT): idle_timeout: '5' is no duration"),
        ("STREAM_GOV_KAFKA", '{"a"', "environment: STREAM_GOV_KAFKA is no JSON mapping; write it such as"),
        (
            "STREAM_GOV_INFLUX__TOKEN_FILE",
            "nowhere",
            "STREAM_GOV_INFLUX__TOKEN_FILE names nowhere, which cannot be read",
        ),
        ("STREAM_GOV_CONFIG", "nowhere.yaml", "settings file nowhere.yaml (named by STREAM_GOV_CONFIG) does not exist"),
    ],
)
def test_mistake_in_the_environment_gives_one_line_with_the_variable(monkeypatch, variable, value, message):
    monkeypatch.setenv(variable, value)
    assert mistake().startswith(message)


def test_mistake_in_a_flag_says_so():
    assert mistake(batch_size=0) == "flags: batch_size: must be at least 1, got 0"


@pytest.mark.parametrize(
    "variable",
    [
        "STREAM_GOV_PORT",  # Kubernetes sets these for a service of this name
        "STREAM_GOV_SERVICE_HOST",
        "STREAM_GOV_SERVICE_PORT",
        "STREAM_GOV_PARENT_PID",  # between `up` and its workers
        "STREAM_GOV_TEST_INFRA",  # of the tests
        "STREAM_GOV_TEST_POSTGRES_URL",
        "STREAM_GOV_REQUIRE",
    ],
)
def test_variable_that_is_like_no_setting_is_left_alone(monkeypatch, variable):
    monkeypatch.setenv(variable, "tcp://10.0.0.1:9464")
    assert load_settings() == Settings()


def test_file_that_is_empty_changes_nothing(settings_file):
    settings_file("")
    assert load_settings() == Settings()


def test_settings_file_that_is_no_text_is_refused(nothing_set):
    (nothing_set / "stream-gov.yaml").write_bytes(b"\xff\xfe")
    assert mistake().startswith("stream-gov.yaml: this settings file cannot be read")
