"""The folder of a demo: its files, settings of its own, and free ports."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from stream_gov.cli.demo_model import ModelReport, monitor_text, write_events
from stream_gov.contracts import ConfigurationError, DataError
from stream_gov.files.state_directory import StateDirectory
from stream_gov.settings import ENV_PREFIX, Settings, load_settings

__all__ = ["DemoFolder", "free_ports"]

_MARK = ".stream-gov-demo"
_SETTINGS = """\
# Settings of the demo. `stream-gov` reads them when it is started in this folder.
cut_interval: 500ms   # summaries go on twice a second, so that the display moves
"""


class DemoFolder:
    """Files that a demo writes, all in one folder.

    Parameters
    ----------
    path
        The folder. One that an earlier demo made is made anew; any other must be empty or missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events = path / "events.csv"
        """Half-hours of the market with the model's predictions."""
        self.monitor = path / "monitor.yaml"
        self.settings_file = path / "stream-gov.yaml"
        self.state = StateDirectory(path / ".stream-gov")
        self.results = path / "results.jsonl"
        self.picture = path / "drift.html"
        self.log = path / "workers.log"

    def make(self) -> ModelReport:
        """Empty the folder, train the model, and write events, monitor and settings.

        Raises
        ------
        ConfigurationError
            The folder holds what no demo wrote, or a demo runs in it.
        DataError
            It cannot be written to.
        """
        self._empty()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / _MARK).touch()
            self.monitor.write_text(monitor_text(), encoding="utf-8")
            self.settings_file.write_text(_SETTINGS, encoding="utf-8")
            return write_events(self.events)
        except OSError as err:
            msg = f"{err.filename or self.path}: the demo cannot write there: {err.strerror}; choose another --out"
            raise DataError(msg) from err

    def _empty(self) -> None:
        if self.path.is_file():
            msg = f"--out {self.path}: this is a file; name a folder"
            raise ConfigurationError(msg)
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return
        if not (self.path / _MARK).exists():
            msg = f"--out {self.path}: the folder is not empty, and no demo made it; choose another"
            raise ConfigurationError(msg)
        running = self.state.running_broker()
        if running is not None:
            msg = f"--out {self.path}: a demo runs there (process {running.pid}); end it, or choose another folder"
            raise ConfigurationError(msg)
        for file in (self.events, self.monitor, self.settings_file, self.results, self.picture, self.log):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.state.path, ignore_errors=True)

    @contextlib.contextmanager
    def settings(self) -> Iterator[Settings]:
        """Give the demo's own settings, whatever the environment and the working directory say; its workers inherit them."""
        before = {name: value for name, value in os.environ.items() if name.startswith(ENV_PREFIX)}
        for name in before:
            del os.environ[name]
        # Workers are started with this environment, and read the same file.
        os.environ[f"{ENV_PREFIX}CONFIG"] = str(self.settings_file.absolute())
        try:
            yield load_settings(state_dir=self.state.path, metrics_port=free_ports(5))
        finally:
            for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
                del os.environ[name]
            os.environ.update(before)


def free_ports(n: int, host: str = "127.0.0.1") -> int:
    """Find `n` ports in a row that nothing listens on, and return the first.

    Raises
    ------
    ConfigurationError
        There are none.
    """
    for _ in range(50):
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            first = _bind(probes, host, 0)
            if first + n > 65_536:
                continue
            for port in range(first + 1, first + n):
                _bind(probes, host, port)
            return first
    msg = f"no {n} free ports in a row were found on {host}; end some programs that listen there"
    raise ConfigurationError(msg)


def _bind(probes: contextlib.ExitStack, host: str, port: int) -> int:
    probe = probes.enter_context(socket.socket())
    probe.bind((host, port))
    return int(probe.getsockname()[1])
