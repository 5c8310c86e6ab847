"""What `stream-gov doctor` looks at on this machine: versions, settings, references and monitors, store, InfluxDB, ports."""

from __future__ import annotations

import os
import re
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel

from stream_gov.contracts import ConfigurationError, DataError, Monitor, StreamGovError
from stream_gov.files.state_directory import StateDirectory
from stream_gov.reference import ReferenceProfile, season_mismatch
from stream_gov.settings import Settings

__all__ = [
    "Finding",
    "Level",
    "check_influx",
    "check_libraries",
    "check_monitors",
    "check_port",
    "check_python",
    "check_settings",
    "check_state_directory",
    "check_store",
    "check_versions_seen",
    "settings_with_sources",
]

_ENV_PREFIX = "STREAM_GOV_"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)>=([0-9.]+)$")
_SECRET = re.compile(r"password|secret|token|\.key$", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(://[^/:@\s]*:)[^/@\s]+@")
_HIDDEN = "********"
_MIN_PYTHON = (3, 11)


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    check: str
    """What it belongs to: python, libraries, settings, broker, topics, influxdb, references, monitors, store, ports."""
    level: Level
    text: str
    remedy: str = ""
    """What to do about it; empty where all is well."""


def check_python() -> Iterator[Finding]:
    """Look at the version of Python."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _MIN_PYTHON:
        wanted = ".".join(map(str, _MIN_PYTHON))
        yield Finding("python", Level.PROBLEM, f"Python {found}", f"install Python {wanted} or later")
    else:
        yield Finding("python", Level.OK, f"Python {found} at {sys.executable}")


def check_libraries(
    requirements: list[str] | None = None, installed: Mapping[str, str | None] | None = None
) -> Iterator[Finding]:
    """Compare installed libraries with the least versions that stream-gov asks for.

    Parameters
    ----------
    requirements
        Such as `numpy>=1.26`; by default those of the installed stream-gov.
    installed
        Versions by name; by default those of this environment.
    """
    if requirements is None:
        try:
            requirements = [r for r in metadata.requires("stream-gov") or [] if "extra ==" not in r]
        except metadata.PackageNotFoundError:
            yield Finding(
                "libraries", Level.WARNING, "stream-gov is not installed", "run `make setup`, or pip install it"
            )
            return
    good = []
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement.partition(";")[0].strip())
        if match is None:
            continue
        name, least = match[1], match[2]
        version = installed.get(name) if installed is not None else _installed(name)
        if version is None:
            yield Finding("libraries", Level.PROBLEM, f"{name} is not installed", f"pip install '{name}>={least}'")
        elif _numbers(version) < _numbers(least):
            yield Finding("libraries", Level.PROBLEM, f"{name} {version} is too old", f"pip install '{name}>={least}'")
        else:
            good.append(f"{name} {version}")
    if good:
        yield Finding("libraries", Level.OK, ", ".join(sorted(good)))


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


# --- settings ------------------------------------------------------------------------------------------------------------------------


def settings_with_sources(settings: Settings, flags: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Every setting that something names: its key, its value (secrets hidden), and where it comes from."""
    defaults = Settings.model_construct()
    found = []
    for key, value in _flatten(settings):
        source = _source(key, flags)
        if source is None and value == dict(_flatten(defaults)).get(key):
            continue
        shown = _HIDDEN if _SECRET.search(key) and value else _PASSWORD_IN_URL.sub(rf"\1{_HIDDEN}@", value)
        found.append((key, shown, source or str(_settings_file())))
    return found


def check_settings(settings: Settings, flags: Mapping[str, Any]) -> Iterator[Finding]:
    """Say which settings are not the defaults, and where each comes from."""
    named = settings_with_sources(settings, flags)
    if not named:
        yield Finding("settings", Level.OK, f"all defaults ({_settings_file()} does not exist, no variable is set)")
    for key, value, source in named:
        yield Finding("settings", Level.OK, f"{key} = {value or '(empty)'} from {source}")


def _settings_file() -> Path:
    return Path(os.environ.get(f"{_ENV_PREFIX}CONFIG") or "stream-gov.yaml")


def _source(key: str, flags: Mapping[str, Any]) -> str | None:
    here: Any = flags
    for step in key.split("."):
        here = here.get(step) if isinstance(here, Mapping) else None
    if here is not None:
        return "a flag"
    variables = {variable.upper(): variable for variable in os.environ}
    steps = key.split(".")
    for depth in range(len(steps), 0, -1):
        name = _ENV_PREFIX + "__".join(steps[:depth]).upper()
        for candidate in (f"{name}_FILE", name):
            if candidate in variables:
                return f"the variable {variables[candidate]}"
    return None


def _flatten(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, Mapping):
            yield from ((f"{prefix}{name}.{key}", str(v)) for key, v in value.items())
        elif hasattr(value, "get_secret_value"):
            yield f"{prefix}{name}", value.get_secret_value()
        else:
            yield f"{prefix}{name}", str(value)


# --- state -------------------------------------------------------------------------------------------------------------------------


def check_state_directory(state: StateDirectory) -> Iterator[Finding]:
    """Look whether the directory can be written to, and whether its note of an embedded broker is true."""
    place = state.path if state.path.exists() else state.path.absolute().parent
    if not os.access(place, os.W_OK):
        yield Finding(
            "state", Level.PROBLEM, f"{place} cannot be written to", "mend its rights, or choose another `state_dir`"
        )
        return
    exists = "" if state.path.exists() else " (not there yet; made when something is kept)"
    yield Finding("state", Level.OK, f"state directory {state.path}{exists}")
    note = state.read_broker_note()
    if note is not None and not note.is_running:
        yield Finding(
            "state",
            Level.WARNING,
            f"{state.broker} names an embedded broker of process {note.pid}, which has ended",
            f"start `stream-gov up` again, or remove {state.broker}",
        )


def check_monitors(state: StateDirectory) -> Iterator[Finding]:
    """Read every monitor, and the reference each of them names."""
    names = state.monitor_names()
    if not names:
        yield Finding(
            "monitors",
            Level.WARNING,
            f"no monitors in {state.monitors}",
            "apply one with `stream-gov monitor apply FILE`",
        )
    by_model: dict[str, str] = {}
    for name in names:
        try:
            monitor = state.load_monitor(name)
        except ConfigurationError as err:
            for line in str(err).splitlines():
                problem, _, remedy = line.rpartition("; ")
                yield Finding("monitors", Level.PROBLEM, problem or line, remedy or "mend the file")
            continue
        other = by_model.setdefault(monitor.model, name)
        if other != name:
            yield Finding(
                "monitors",
                Level.WARNING,
                f"the monitors {other} and {name} both watch the model {monitor.model}; the one applied later is used",
                "remove one of them",
            )
        yield from check_reference(monitor, state)


def check_reference(monitor: Monitor, state: StateDirectory) -> Iterator[Finding]:
    """Read the reference that a monitor names."""
    if monitor.reference is None:
        yield Finding(
            "references",
            Level.WARNING,
            f"monitor {monitor.name} names no reference, so every verdict is `insufficient`",
            "build one with `stream-gov reference build` and name it in the monitor",
        )
        return
    try:
        profile = state.load_profile(monitor.reference)
    except (DataError, ConfigurationError) as err:
        problem, _, remedy = str(err).rpartition("; ")
        yield Finding(
            "references", Level.PROBLEM, f"monitor {monitor.name}: {problem or err}", remedy or "build it again"
        )
        return
    if profile.model != monitor.model:
        yield Finding(
            "references",
            Level.PROBLEM,
            f"monitor {monitor.name} watches the model {monitor.model}, and its reference {profile.id} was made for {profile.model}",
            f"build a reference with this monitor: `stream-gov reference build DATA --monitor {state.monitor_path(monitor.name)}`",
        )
        return
    mismatch = season_mismatch(monitor, profile)
    if mismatch:
        problem, _, remedy = mismatch.rpartition("; ")
        yield Finding("references", Level.PROBLEM, problem, remedy)
        return
    yield Finding(
        "references",
        Level.OK,
        f"monitor {monitor.name} of model {monitor.model} compares with {profile.id} ({profile.n_rows:,} rows, "
        f"{len(profile.layout.columns)} columns, version {profile.version or 'not told'})",
    )


def check_versions_seen(
    monitor: Monitor, profile: ReferenceProfile, versions_seen: Mapping[str, int], *, where: str
) -> Iterator[Finding]:
    """Compare the model's version that a reference was made for with the versions that events carry.

    Parameters
    ----------
    monitor, profile
        A monitor and the reference it compares with.
    versions_seen
        Events by version.
    where
        Where they were seen, for the text.
    """
    if not versions_seen or not profile.version:
        return
    newest = max(versions_seen, key=lambda v: versions_seen[v])
    seen = ", ".join(f"{v or '(none)'} ({n} events)" for v, n in sorted(versions_seen.items()))
    if profile.version not in versions_seen:
        yield Finding(
            "references",
            Level.PROBLEM,
            f"{profile.id} was made for version {profile.version} of the model {monitor.model}, and {where} are of version {seen}",
            f"build a reference from the data that version {newest} was trained on: `stream-gov reference build ... --model-version {newest}`",
        )
    elif len(versions_seen) > 1:
        yield Finding(
            "references",
            Level.WARNING,
            f"{where} of the model {monitor.model} are of versions {seen}; all are compared with {profile.id}, made for version {profile.version}",
            "nothing, while a new version is rolled out; then build its reference",
        )
    else:
        yield Finding(
            "references",
            Level.OK,
            f"{where} of the model {monitor.model} are of version {profile.version}, as {profile.id} is",
        )


# --- servers -----------------------------------------------------------------------------------------------------------------------


def check_influx(settings: Settings) -> Iterator[Finding]:
    """Look whether records could be written to InfluxDB; nothing is written."""
    from stream_gov.sinks import InfluxSink

    influx = settings.influx
    if not influx.token.get_secret_value():
        yield Finding(
            "influxdb",
            Level.WARNING,
            "no token of InfluxDB is set, so `stream-gov sink influx` cannot write",
            "set influx.token (STREAM_GOV_INFLUX__TOKEN, or STREAM_GOV_INFLUX__TOKEN_FILE), or do without InfluxDB",
        )
        return
    try:
        sink = InfluxSink(influx)
    except ConfigurationError as err:
        problem, _, remedy = str(err).rpartition(": ")
        yield Finding("influxdb", Level.PROBLEM, problem or str(err), remedy)
        return
    try:
        found = sink.check()
    finally:
        sink.close()
    for finding in found:
        yield Finding("influxdb", Level.PROBLEM, finding.problem, finding.remedy)
    if not found:
        yield Finding("influxdb", Level.OK, f"{influx.url} takes writes to the bucket {influx.bucket} of {influx.org}")


def check_store(settings: Settings) -> Iterator[Finding]:
    """Look whether the store can be read, where there is one."""
    from stream_gov.sinks import Store

    try:
        store = Store(settings.store)
    except StreamGovError as err:
        yield _from_error("store", err)
        return
    try:
        n = sum(1 for _ in store.alerts())
    except StreamGovError as err:
        missing = str(err).startswith("there is no store")
        finding = _from_error("store", err)
        yield Finding("store", Level.WARNING, finding.text, finding.remedy) if missing else finding
    else:
        yield Finding("store", Level.OK, f"the store has {n} alerts")
    finally:
        store.close()


def check_port(host: str, port: int, *, what: str) -> Iterator[Finding]:
    """Look whether a port is free, or held by a worker of ours."""
    if port == 0:
        yield Finding("ports", Level.OK, f"{what}: none asked for (port 0)")
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as err:
            reason = err.strerror or str(err)
        else:
            yield Finding("ports", Level.OK, f"{what}: {host}:{port} is free")
            return
    if _is_a_worker(host, port):
        yield Finding("ports", Level.OK, f"{what}: a worker of stream-gov answers at {host}:{port}")
    else:
        yield Finding(
            "ports",
            Level.WARNING,
            f"{what}: {host}:{port} cannot be used ({reason}), and what is there is no worker of stream-gov",
            "end what uses it, or set metrics_host and metrics_port (STREAM_GOV_METRICS_PORT) to a free address",
        )


def _is_a_worker(host: str, port: int) -> bool:
    asked = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared with, not listened on
    try:
        with urllib.request.urlopen(f"http://{asked}:{port}/metrics", timeout=3.0) as answer:
            return b"stream_gov" in answer.read(200_000)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _from_error(check: str, err: StreamGovError) -> Finding:
    problem, _, remedy = str(err).rpartition("; ")
    return Finding(check, Level.PROBLEM, problem or str(err), remedy)
