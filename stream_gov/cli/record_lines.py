"""Results and alerts as JSON lines: one object a line, with its `type` and the fields of its contract."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from stream_gov.contracts import Alert, DataError, Result

__all__ = ["RecordLines", "record_line"]


def record_line(record: Result | Alert) -> bytes:
    """One line, without its end.

    The fields come in the order of the contract, after `type`.
    """
    kind = b"alert" if isinstance(record, Alert) else b"result"
    return b'{"type":"' + kind + b'",' + msgspec.json.encode(record)[1:]


class RecordLines:
    """Writes to a file, or to standard output where the path is `-`.

    Raises
    ------
    DataError
        The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] = sys.stdout.buffer
        if not self.is_stdout(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("wb")
            except OSError as err:
                msg = f"{path}: the file cannot be written: {err.strerror}; name another one"
                raise DataError(msg) from err

    @staticmethod
    def is_stdout(path: Path | None) -> bool:
        """Whether the path stands for standard output."""
        return path is not None and str(path) == "-"

    def write(self, record: Result | Alert) -> None:
        """Write one record."""
        self._file.write(record_line(record) + b"\n")

    def __enter__(self) -> RecordLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_stdout(self._path):
            self._file.flush()
        else:
            self._file.close()
