"""Read YAML written by people: plain values only, and no key twice."""

from __future__ import annotations

from typing import Any

import yaml

from stream_gov.contracts.errors import ConfigurationError

__all__ = ["parse_yaml"]


class _Loader(yaml.SafeLoader):
    """Refuses a mapping in which a key stands twice: YAML itself would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key `{key.value}` stands twice in one mapping; keep one",
                        problem_mark=key.start_mark,
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, *, source: str) -> Any:
    """Value of a YAML text.

    Raises
    ------
    ConfigurationError
        The text is no YAML, has a key twice or a value that is not plain; one line that names `source` and the place.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as err:
        mark = getattr(err, "problem_mark", None)
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark is not None else source
        problem = getattr(err, "problem", None) or " ".join(str(err).split())
        kind = "" if isinstance(err, yaml.constructor.ConstructorError) else "this is no YAML: "
        msg = f"{where}: {kind}{problem}"
        raise ConfigurationError(msg) from err
    except RecursionError as err:
        msg = f"{source}: nested too deep to read"
        raise ConfigurationError(msg) from err
