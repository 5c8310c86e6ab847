"""Write the files of `schemas/`: `python -m stream_gov.files.schema_files [DIR]`, or `make schemas`."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from pathlib import Path

from stream_gov.contracts.schemas import CONTRACTS, Contract, schema_files
from stream_gov.settings import Settings

__all__ = ["all_schema_files", "attribute_docs", "write_schema_files"]

ALL_CONTRACTS = (*CONTRACTS, Contract("settings", 1, Settings))
"""The settings stand above the core, so they join here."""


def attribute_docs(cls: type) -> dict[str, str]:
    """Descriptions of the fields of a class: the string right below each, in one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    if not isinstance(body, ast.ClassDef):
        return {}
    docs = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            docs[field.target.id] = " ".join(below.value.value.split())
    return docs


def all_schema_files() -> dict[str, str]:
    """Text of every file of `schemas/` by its name."""
    return schema_files(attribute_docs, ALL_CONTRACTS)


def write_schema_files(directory: Path) -> list[Path]:
    """Write the files that differ from what is there; return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in all_schema_files().items():
        path = directory / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


if __name__ == "__main__":
    for changed in write_schema_files(Path(sys.argv[1] if len(sys.argv) > 1 else "schemas")):
        print(f"wrote {changed}")
