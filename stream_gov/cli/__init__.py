"""The `stream-gov` command: each subcommand parses, calls the library, and prints."""

from __future__ import annotations

__all__: list[str] = []  # nothing to import: the door is the command itself
