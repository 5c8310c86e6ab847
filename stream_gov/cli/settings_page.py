"""Write `docs/settings.md` from the settings themselves: `python -m stream_gov.cli.settings_page docs/settings.md`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stream_gov.files.schema_files import all_schema_files
from stream_gov.settings import ENV_PREFIX

__all__ = ["all_settings", "settings_page"]

_HEAD = """# Settings

Written from the code by `make docs`. A setting stands in the file `stream-gov.yaml` of the working directory (or the one that
`STREAM_GOV_CONFIG` names), in the environment, or in a flag of a command; the later wins. In the file levels are nested:

```yaml
bootstrap: 127.0.0.1:9092
influx:
  url: http://127.0.0.1:8086
```

In the environment levels are joined by two underscores: `STREAM_GOV_INFLUX__URL`. A secret may stand in a file of its own, named by the
variable with `_FILE` behind it: `STREAM_GOV_INFLUX__TOKEN_FILE=/run/secrets/influx`. A misspelt key is refused with the nearest known one.
The JSON Schema is `schemas/settings.v1.json`.

| key | variable | default | meaning |
|---|---|---|---|
"""


def all_settings() -> Iterator[tuple[str, Any, str]]:
    """Yield key, default and meaning of every setting, sections opened."""
    schema = json.loads(all_schema_files()["settings.v1.json"])
    yield from _below("", schema["properties"], schema.get("$defs", {}))


def _below(
    prefix: str, properties: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Iterator[tuple[str, Any, str]]:
    for name, field in properties.items():
        if "$ref" in field:
            section = definitions[field["$ref"].rpartition("/")[2]]
            yield from _below(f"{prefix}{name}.", section["properties"], definitions)
        else:
            yield prefix + name, field.get("default"), field.get("description", "")


def settings_page() -> str:
    """Return the text of the page."""
    rows = []
    for key, default, meaning in all_settings():
        variable = ENV_PREFIX + key.replace(".", "__").upper()
        shown = "" if default in (None, "") else f"`{default if isinstance(default, str) else json.dumps(default)}`"
        rows.append(f"| `{key}` | `{variable}` | {shown} | {' '.join(meaning.split())} |")
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(settings_page(), encoding="utf-8")
