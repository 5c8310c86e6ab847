"""What a command works with: settings from file, environment and flags, the broker, the state directory, the files it was given."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stream_gov.contracts import ConfigurationError, Monitor

if TYPE_CHECKING:
    from stream_gov.files import TabularFile
    from stream_gov.files.state_directory import StateDirectory
    from stream_gov.reference import ReferenceProfile
    from stream_gov.settings import Settings

__all__ = [
    "end_as_stopped",
    "find_broker",
    "log_to_stderr",
    "open_table",
    "read_monitor",
    "read_profile",
    "read_settings",
    "read_text",
    "silence_logs",
    "state_of",
    "with_broker",
]


def read_settings(**flags: Any) -> Settings:
    """Read file, environment and flags, of which the later win; a flag that is None was not given."""
    from stream_gov.settings import load_settings

    return load_settings(**flags)


def log_to_stderr(settings: Settings, *, least: str | None = None) -> None:
    """Send log lines to standard error: of the settings' level, or of `least` for a command that reports by itself."""
    from stream_gov.runtime.structured_logging import configure_logging

    configure_logging(settings if least is None else settings.model_copy(update={"log_level": least}))


def end_as_stopped() -> None:
    """End with the exit code of Ctrl-C if that stopped the work; SIGTERM is how a worker ends in the ordinary course.

    Raises
    ------
    KeyboardInterrupt
        It was Ctrl-C: `stop_on_signals` gives each signal that came its first meaning back.
    """
    import signal

    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        raise KeyboardInterrupt


@contextlib.contextmanager
def silence_logs() -> Iterator[None]:
    """Keep every log line off the terminal for a while."""
    import logging

    import structlog

    from stream_gov.settings import Settings

    if not structlog.is_configured():  # or it would print to standard output, past `logging`
        log_to_stderr(Settings.model_construct())
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def state_of(settings: Settings) -> StateDirectory:
    """Return the state directory that the settings name."""
    from stream_gov.files.state_directory import StateDirectory

    return StateDirectory(settings.state_dir)


def find_broker(settings: Settings) -> Settings | None:
    """Fill in the broker: that of the settings, else the embedded one of a running `stream-gov up`; None if there is neither."""
    if not settings.bootstrap:
        running = state_of(settings).running_broker()
        if running is None:
            return None
        settings = settings.model_copy(update={"bootstrap": running.bootstrap})
    log_to_stderr(settings, least="warning")  # what talks to the broker logs; a worker says more than a warning
    return settings


def with_broker(settings: Settings) -> Settings:
    """Fill in the broker, see :func:`find_broker`.

    Raises
    ------
    ConfigurationError
        None is named and none runs.
    """
    found = find_broker(settings)
    if found is None:
        msg = (
            f"no broker: the setting `bootstrap` is empty and no embedded broker runs (nothing in {state_of(settings).broker}); "
            "start `stream-gov up` in another terminal, or give --bootstrap HOST:PORT (STREAM_GOV_BOOTSTRAP)"
        )
        raise ConfigurationError(msg)
    return found


def read_monitor(path: Path) -> Monitor:
    """Read a monitor file.

    Raises
    ------
    ConfigurationError
        It is not there, or wrong.
    """
    return Monitor.from_yaml(read_text(path), source=str(path))


def read_text(path: Path) -> str:
    """Read the text of a monitor file.

    Raises
    ------
    ConfigurationError
        It is not there, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as err:
        msg = f"{path}: there is no such monitor file; write one (docs/monitor.md says how) or name another"
        raise ConfigurationError(msg) from err
    except UnicodeDecodeError as err:
        msg = f"{path}: this is no text in UTF-8 ({err.reason} at byte {err.start}); name a monitor file"
        raise ConfigurationError(msg) from err
    except OSError as err:
        msg = f"{path}: the monitor file cannot be read: {err.strerror}"
        raise ConfigurationError(msg) from err


def read_profile(settings: Settings, reference: str) -> ReferenceProfile:
    """Read a profile from the state directory by `name` or `name@revision`, or from a file that ends in `.sgref`.

    Raises
    ------
    DataError
        There is none, or it cannot be read.
    """
    if not reference.endswith(".sgref"):
        return state_of(settings).load_profile(reference)
    from stream_gov.contracts import DataError
    from stream_gov.reference import ReferenceProfile

    try:
        data = Path(reference).read_bytes()
    except OSError as err:
        msg = f"{reference}: the reference cannot be read: {err.strerror}; name a file that `stream-gov reference build --out` wrote"
        raise DataError(msg) from err
    return ReferenceProfile.from_bytes(data, source=reference)


def open_table(
    path: Path,
    monitor: Monitor,
    profile: ReferenceProfile | None = None,
    *,
    timestamp: str | None = None,
    prediction: str | None = None,
    scores: Sequence[str] | None = None,
    version_column: str | None = None,
    model_version: str | None = None,
    event_id: str | None = None,
    ignore: Sequence[str] | None = None,
) -> TabularFile:
    """Open a CSV or Parquet file, its columns in the roles that the flags give them."""
    from stream_gov.files import TableMapping, TabularFile, column_types

    mapping = TableMapping(
        timestamp=timestamp,
        prediction=prediction,
        version_column=version_column,
        model_version="1" if model_version is None else model_version,
        event_id=event_id,
        scores=tuple(scores) if scores else None,
        ignore=tuple(ignore or ()),
    )
    return TabularFile(path, mapping, types=column_types(monitor, profile))
