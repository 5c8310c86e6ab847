"""The state directory: reference profiles, monitors and a note on the running embedded broker, each a file of its own."""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from stream_gov.contracts import ConfigurationError, DataError, Monitor
from stream_gov.contracts.unknown_keys import nearest
from stream_gov.reference import ReferenceProfile, profile_id, split_profile_id

__all__ = ["BrokerNote", "StateDirectory"]

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_PROFILE_FILE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,99})@(?P<revision>[1-9][0-9]{0,8})\.sgref")


@dataclass(frozen=True)
class BrokerNote:
    """Where the embedded broker of a running `stream-gov up` listens."""

    bootstrap: str
    """`host:port`."""
    pid: int
    """Process that runs it."""

    @property
    def is_running(self) -> bool:
        """Whether the process is still there (on this machine)."""
        if self.pid <= 0:  # to the system call these mean groups of processes
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # there, but of another user
            return True
        return True


class StateDirectory:
    """Files under `state_dir` of the settings.

    ::

        references/<name>@<revision>.sgref     never changed once written
        monitors/<monitor>.yaml                replaced when the monitor is applied again
        broker.json                            while the embedded broker runs

    A file comes into being whole or not at all: it is written beside its place and then moved there, so a reader never sees a part
    of it, and neither a crash nor a full disk leaves one.

    Parameters
    ----------
    path
        The directory; it need not exist until something is saved.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.references = self.path / "references"
        self.monitors = self.path / "monitors"
        self.broker = self.path / "broker.json"

    # References

    def profile_ids(self) -> list[str]:
        """Ids of all profiles, by name and then revision."""
        found = [
            (match["name"], int(match["revision"]))
            for match in map(_PROFILE_FILE.fullmatch, _names_in(self.references))
            if match is not None
        ]
        return [profile_id(name, revision) for name, revision in sorted(found)]

    def revisions(self, name: str) -> list[int]:
        """Revisions of a profile, in ascending order."""
        pairs = map(split_profile_id, self.profile_ids())
        return [revision for known, revision in pairs if known == name and revision is not None]

    def next_revision(self, name: str) -> int:
        """Revision that the next profile of this name gets: one more than the newest, from 1 on."""
        return max(self.revisions(name), default=0) + 1

    def profile_path(self, name: str, revision: int) -> Path:
        """File of a profile."""
        return self.references / f"{profile_id(name, revision)}.sgref"

    def save_profile(self, profile: ReferenceProfile) -> Path:
        """Write a profile and return its file.

        Raises
        ------
        DataError
            That revision is there already (a profile never changes), or the file cannot be written.
        """
        path = self.profile_path(profile.name, profile.revision)
        temporary = self._write_beside(path, profile.to_bytes())
        try:
            _move_unless_there(temporary, path)
        except FileExistsError as err:
            msg = (
                f"{path}: revision {profile.revision} of {profile.name!r} is there already, and a profile never changes; save this one "
                f"as revision {self.next_revision(profile.name)}"
            )
            raise DataError(msg) from err
        except OSError as err:
            raise DataError(_cannot(path, "written", err)) from err
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def resolve(self, reference: str) -> str:
        """Give the id of the profile that `name@revision` or `name` (its newest revision) means.

        Raises
        ------
        ConfigurationError
            The text is no reference.
        DataError
            There is no such profile.
        """
        try:
            name, revision = split_profile_id(reference)
        except ValueError as err:
            raise ConfigurationError(str(err)) from err
        known = self.revisions(name)
        if not known:
            names = sorted({split_profile_id(known_id)[0] for known_id in self.profile_ids()})
            hint = nearest(name, names) if names else "; there are none yet"
            msg = (
                f"{self.references}: there is no reference {name!r}{hint}; build one with `stream-gov reference build`"
            )
            raise DataError(msg)
        revision = known[-1] if revision is None else revision
        if revision not in known:
            msg = f"{self.references}: reference {name!r} has no revision {revision}; there are {', '.join(map(str, known))}"
            raise DataError(msg)
        return profile_id(name, revision)

    def load_profile(self, reference: str) -> ReferenceProfile:
        """Read a profile by `name@revision`, or the newest one by `name`.

        Raises
        ------
        ConfigurationError
            The text is no reference.
        DataError
            There is no such profile.
        UnreadableProfileError
            The file is damaged, or of a later release.
        """
        path = self.references / f"{self.resolve(reference)}.sgref"
        try:
            data = path.read_bytes()
        except OSError as err:
            raise DataError(_cannot(path, "read", err)) from err
        profile = ReferenceProfile.from_bytes(data, source=str(path))
        if profile.id != path.stem:
            msg = f"{path}: the file holds the profile {profile.id!r}; give it back its name {profile.id}.sgref"
            raise DataError(msg)
        return profile

    def profiles(self) -> list[ReferenceProfile]:
        """Read all profiles, by name and then revision; see :meth:`load_profile`."""
        return [self.load_profile(known) for known in self.profile_ids()]

    # Monitors

    def monitor_names(self) -> list[str]:
        """Names of all monitors, sorted."""
        return sorted(name.removesuffix(".yaml") for name in _names_in(self.monitors) if name.endswith(".yaml"))

    def monitor_path(self, name: str) -> Path:
        """File of a monitor."""
        return self.monitors / f"{name}.yaml"

    def save_monitor(self, monitor: Monitor, *, text: str | None = None) -> Path:
        """Write a monitor, replacing one of the same name, and return its file.

        Parameters
        ----------
        monitor
            The monitor.
        text
            The file it was read from, to keep its comments; without it the monitor's own values are written.
        """
        if text is None:
            values = monitor.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        path = self.monitor_path(monitor.name)
        self._replace(path, text.encode())
        return path

    def load_monitor(self, name: str) -> Monitor:
        """Read a monitor.

        Raises
        ------
        ConfigurationError
            There is no such monitor, its file is wrong, or it holds a monitor of another name.
        """
        path = self.monitor_path(name)
        known = self.monitor_names()
        if name not in known:
            hint = nearest(name, known) if known else "; there are none yet"
            msg = f"{self.monitors}: there is no monitor {name!r}{hint}; apply one with `stream-gov monitor apply`"
            raise ConfigurationError(msg)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as err:
            raise ConfigurationError(_cannot(path, "read", err)) from err
        monitor = Monitor.from_yaml(text, source=str(path))
        if monitor.name != name:
            msg = f"{path}: monitor: the file holds the monitor {monitor.name!r}; rename the file to {monitor.name}.yaml, or mend the name"
            raise ConfigurationError(msg)
        return monitor

    def load_monitors(self) -> list[Monitor]:
        """Read all monitors, by name; see :meth:`load_monitor`."""
        return [self.load_monitor(name) for name in self.monitor_names()]

    def remove_monitor(self, name: str) -> bool:
        """Remove a monitor; tell whether it was there."""
        there = name in self.monitor_names()
        if there:
            self.monitor_path(name).unlink(missing_ok=True)
        return there

    # The embedded broker

    def write_broker_note(self, bootstrap: str, pid: int) -> None:
        """Note where the embedded broker listens, and which process runs it."""
        self._replace(self.broker, json.dumps({"bootstrap": bootstrap, "pid": pid}).encode())

    def read_broker_note(self) -> BrokerNote | None:
        """Read the note; None if there is none, or it cannot be read (it is of use to a running broker only)."""
        try:
            note = json.loads(self.broker.read_text(encoding="utf-8"))
            return BrokerNote(str(note["bootstrap"]), int(note["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def running_broker(self) -> BrokerNote | None:
        """Read the note if its process is still there; None otherwise."""
        note = self.read_broker_note()
        return note if note is not None and note.is_running else None

    def remove_broker_note(self, pid: int) -> None:
        """Remove the note, unless another process has written its own since."""
        note = self.read_broker_note()
        if note is None or note.pid == pid:
            self.broker.unlink(missing_ok=True)

    # Writing

    def _replace(self, path: Path, content: bytes) -> None:
        temporary = self._write_beside(path, content)
        try:
            temporary.replace(path)
        except OSError as err:
            temporary.unlink(missing_ok=True)
            raise DataError(_cannot(path, "written", err)) from err

    def _write_beside(self, path: Path, content: bytes) -> Path:
        """Write a temporary file in the directory of `path`, all of it on the disk."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
                temporary = Path(file.name)
                try:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                    os.fchmod(file.fileno(), 0o644)
                except OSError:
                    temporary.unlink(missing_ok=True)
                    raise
        except OSError as err:
            raise DataError(_cannot(path, "written", err)) from err
        return temporary


def _move_unless_there(source: Path, target: Path) -> None:
    """Give a file its name, or raise FileExistsError: unlike a rename, a link fails where the name is taken, even by a hair's breadth."""
    try:
        os.link(source, target)
    except OSError as err:
        if err.errno not in _NO_LINKS:
            raise
        # Some shared and FAT file systems have no links. Then two that save the same revision in the same instant are not told apart.
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from err
        source.replace(target)


def _names_in(directory: Path) -> list[str]:
    try:
        return [entry.name for entry in directory.iterdir() if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as err:
        raise DataError(_cannot(directory, "read", err)) from err


def _cannot(path: Path, what: str, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{path}: it cannot be {what}: {reason}; mend that, or choose another directory (`state_dir`)"
