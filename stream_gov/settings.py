"""Settings of every worker: a file, then the environment, then flags; the later wins.

The file is `stream-gov.yaml` in the working directory, or the one `STREAM_GOV_CONFIG` names. A variable is `STREAM_GOV_` and the key in
capitals, levels joined by two underscores: `STREAM_GOV_INFLUX__TOKEN`. A secret may stand in a file of its own, named by the variable
with `_FILE` behind it: `STREAM_GOV_INFLUX__TOKEN_FILE=/run/secrets/influx`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from stream_gov.contracts import ConfigurationError, Duration
from stream_gov.contracts.strict_yaml import parse_yaml
from stream_gov.contracts.unknown_keys import describe_validation_error

__all__ = ["InfluxSettings", "Settings", "TopicSettings", "load_settings"]

ENV_PREFIX = "STREAM_GOV_"
DEFAULT_FILE = "stream-gov.yaml"
_NAMES_A_FILE = "_FILE"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TopicSettings(_Section):
    """Names of the topics, and what is asked of the broker where they are created."""

    events: str = "inference-events"
    """Inference events, from outside."""
    ground_truth: str = "ground-truth"
    """Labels that become known later, from outside."""
    summaries: str = "stream-gov.summaries"
    """What ingest tells detect."""
    metrics: str = "drift-metrics"
    """Results, one for each statistic, column and window."""
    alerts: str = "drift-alerts"
    """Alerts, one message for each change."""
    references: str = "stream-gov.reference-profiles"
    """Reference profiles, compacted."""
    monitors: str = "stream-gov.monitor-configs"
    """Monitors, compacted."""
    dead_letters: str = "inference-events.dlq"
    """Rejected events with their reasons."""
    refused: str = "stream-gov.refused"
    """Results and alerts that a sink will never take, with its reasons."""
    prefix: str = ""
    """Put before every name."""
    partitions: int = Field(default=12, ge=1, le=1_000)
    """Of the topics of events, summaries, metrics and alerts where stream-gov creates them."""
    replication: int = Field(default=1, ge=1, le=9)
    """Copies of each partition where stream-gov creates the topics."""
    events_retention: Duration = 604_800_000
    """Of the events where stream-gov creates their topic."""
    results_retention: Duration = 2_592_000_000
    """Of metrics, alerts and dead letters."""

    def name(self, topic: str) -> str:
        """Full name of a topic, such as ``topics.name("events")``."""
        return self.prefix + str(getattr(self, topic))


class InfluxSettings(_Section):
    """Where the InfluxDB sink writes."""

    url: str = "http://127.0.0.1:8086"
    """Address of InfluxDB 2."""
    token: SecretStr = SecretStr("")
    """Secret; needs permission to write to the bucket. Without one `up` runs no InfluxDB sink."""
    org: str = "stream-gov"
    """Organisation."""
    bucket: str = "stream-gov"
    """Bucket that points are written to; it must exist."""
    timeout: Duration = 10_000
    """Longest wait for one request."""
    batch_size: int = Field(default=5_000, ge=1, le=50_000)
    """Points in one request."""


class Settings(BaseSettings):
    """Everything a worker can be told."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=False
    )

    bootstrap: str = ""
    """Address of the brokers, `host:port[,host:port]`; empty: the embedded broker of a running `stream-gov up`."""
    kafka: dict[str, str] = Field(default_factory=dict)
    """Further options for librdkafka, such as `security.protocol`."""
    topics: TopicSettings = TopicSettings()
    group: str = "stream-gov"
    """Consumer groups are named `<group>.ingest`, `<group>.detect` and so on."""
    state_dir: Path = Path(".stream-gov")
    """Where reference files, monitors, the SQLite store and a note on the running embedded broker are kept."""

    cut_interval: Duration = 2_000
    """How often an ingest worker sends its summaries."""
    batch_size: int = Field(default=5_000, ge=1, le=100_000)
    """Events an ingest worker takes from Kafka at once."""
    start_at: Literal["earliest", "latest"] = "earliest"
    """Where a new consumer group begins."""
    out_of_orderness: Duration = 10_000
    """How far event times may run backwards in one partition before an event counts as late."""
    idle_timeout: Duration = 30_000
    """A partition without events for so long (on the clock) no longer holds windows open."""
    max_future_skew: Duration = 3_600_000
    """Events further in the future than this are rejected."""
    dead_letter_unknown_models: bool = True
    """Send events of models without a monitor to the dead-letter topic; otherwise they are only counted."""
    dead_letter_payloads: bool = True
    """Put the rejected message itself into the dead letter; otherwise only its place and the reason."""
    dead_letter_redacted: list[str] = Field(default_factory=list)
    """Columns whose values are taken out of dead letters, with `metadata` and unknown fields; `*`: of all columns. A message that is no JSON
    object then goes without its payload."""

    influx: InfluxSettings = InfluxSettings()
    store_url: str = ""
    """SQLAlchemy URL of the store; empty: SQLite in `state_dir`."""
    metrics_host: str = "127.0.0.1"
    """Where `/metrics` listens; only this machine unless told otherwise."""
    metrics_port: int = Field(default=9464, ge=0, le=65_535)
    """`/metrics` of the first worker; `up` counts on from it. 0: none."""
    log_format: Literal["console", "json"] = "console"
    """`console` for people, `json` for one object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level of the lines that are written."""

    @property
    def store(self) -> str:
        """SQLAlchemy URL of the store, the default filled in."""
        return self.store_url or f"sqlite:///{self.state_dir / 'store.sqlite'}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, which wins over the file."""
        del dotenv_settings, file_secret_settings
        if isinstance(env_settings, EnvSettingsSource):
            # a variable that names the file of a secret is no setting itself
            env_settings.env_vars = {k: v for k, v in env_settings.env_vars.items() if not _names_a_secret_file(k)}
        file_values = InitSettingsSource(settings_cls, init_kwargs=_file_values())
        secrets = InitSettingsSource(settings_cls, init_kwargs=_values_of_secret_files(os.environ))
        return init_settings, secrets, env_settings, file_values


def _file_values() -> dict[str, Any]:
    named = os.environ.get(f"{ENV_PREFIX}CONFIG")
    path = Path(named or DEFAULT_FILE)
    if not path.exists():
        if named:
            msg = f"settings file {named} (named by {ENV_PREFIX}CONFIG) does not exist; create it or unset the variable"
            raise ConfigurationError(msg)
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as err:
        msg = f"{path}: this settings file cannot be read: {err}"
        raise ConfigurationError(msg) from err
    values = parse_yaml(text, source=str(path))
    if values is None:
        return {}
    if not isinstance(values, dict):
        msg = (
            f"{path}: a settings file is a mapping of keys such as `bootstrap:`; this one is a {type(values).__name__}"
        )
        raise ConfigurationError(msg)
    return values


def _values_of_secret_files(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, path in sorted(environment.items()):
        if not _names_a_secret_file(variable):
            continue
        try:
            secret = Path(path).read_text(encoding="utf-8").strip()
        except OSError as err:
            msg = f"{variable} names {path}, which cannot be read: {err.strerror}"
            raise ConfigurationError(msg) from err
        here = values
        *levels, last = variable[len(ENV_PREFIX) : -len(_NAMES_A_FILE)].lower().split("__")
        for level in levels:
            here = here.setdefault(level, {})
        here[last] = secret
    return values


def _names_a_secret_file(variable: str) -> bool:
    return variable.upper().startswith(ENV_PREFIX) and variable.upper().endswith(_NAMES_A_FILE)


def _refuse_misspelt_variables(environment: Mapping[str, str]) -> None:
    """Refuse a variable that is nearly one of ours.

    One that is like none is left alone: Kubernetes sets `STREAM_GOV_PORT` and its like by itself where a service has this name.
    """
    known = [*Settings.model_fields, "config"]
    for variable in environment:
        if not variable.upper().startswith(ENV_PREFIX):
            continue
        key = variable[len(ENV_PREFIX) :].lower().split("__")[0].removesuffix(_NAMES_A_FILE.lower())
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.8)
        if close and key not in known:
            msg = f"environment: {variable}: unknown setting; did you mean `{ENV_PREFIX}{close[0].upper()}`?"
            raise ConfigurationError(msg)


def _source_of(path: Sequence[int | str], flags: Mapping[str, Any]) -> str:
    """Name what a wrong value was read from."""
    key = str(path[0]) if path else ""
    if key in flags:
        return "flags"
    variables = {variable.upper(): variable for variable in os.environ}
    for depth in range(len(path), 0, -1):
        variable = ENV_PREFIX + "__".join(str(step) for step in path[:depth]).upper()
        for candidate in (variable + _NAMES_A_FILE, variable):
            if candidate in variables:
                return f"environment ({variables[candidate]})"
    return os.environ.get(f"{ENV_PREFIX}CONFIG") or DEFAULT_FILE


def load_settings(**flags: Any) -> Settings:
    """Read file, environment and flags; flags that are None count as not given.

    Raises
    ------
    ConfigurationError
        With one line for each mistake: where it stands and the nearest known key.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    _refuse_misspelt_variables(os.environ)
    try:
        return Settings(**given)
    except ValidationError as err:
        message = describe_validation_error(err, Settings, source=lambda path: _source_of(path, given))
        raise ConfigurationError(message) from err
    except SettingsError as err:
        sections = [f"{ENV_PREFIX}{name.upper()}" for name in ("kafka", "topics", "influx")]
        wrong = " or ".join(s for s in sections if s in os.environ) or "a variable"
        msg = (
            f'environment: {wrong} is no JSON mapping; write it such as \'{{"key": "value"}}\', '
            f"or give each part a variable of its own, such as {ENV_PREFIX}TOPICS__PREFIX=prod."
        )
        raise ConfigurationError(msg) from err
