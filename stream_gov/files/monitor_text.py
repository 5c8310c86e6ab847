"""Change one thing in the text of a monitor file, and leave the rest as its author wrote it: comments, order, quotes."""

from __future__ import annotations

import yaml

from stream_gov.contracts import ConfigurationError, Monitor

__all__ = ["with_reference"]


def with_reference(text: str, reference: str, *, source: str) -> str:
    """Return the text of a monitor file with another value of `reference`; no other character changes.

    Parameters
    ----------
    text
        A monitor that names a reference.
    reference
        `name` or `name@revision`.
    source
        Where the text is from, for messages.

    Raises
    ------
    ConfigurationError
        The text is no monitor, or the place cannot be found (the key is missing, or its value is an alias); change it by hand then.

    Examples
    --------
    >>> with_reference("{monitor: a, model: a, reference: base, window: {size: 1h}}  # mine", "base@2", source="a.yaml")
    '{monitor: a, model: a, reference: base@2, window: {size: 1h}}  # mine'
    """
    before = Monitor.from_yaml(text, source=source)
    by_hand = f"{source}: reference: the place of the key cannot be found in the text; write `reference: {reference}` into it by hand"
    place = _place_of_reference(text)
    if place is None:
        raise ConfigurationError(by_hand)
    start, end, quote = place
    changed = f"{text[:start]}{quote}{reference}{quote}{text[end:]}"
    try:
        after = Monitor.from_yaml(changed, source=source)
    except ConfigurationError as err:
        raise ConfigurationError(by_hand) from err
    if after != before.model_copy(update={"reference": reference}):
        raise ConfigurationError(by_hand)
    return changed


def _place_of_reference(text: str) -> tuple[int, int, str] | None:
    """Where the value begins and ends, and the quotes it stands in."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return None
    for key, value in root.value:
        if isinstance(key, yaml.ScalarNode) and key.value == "reference" and isinstance(value, yaml.ScalarNode):
            quote = value.style if value.style in ("'", '"') else ""
            return value.start_mark.index, value.end_mark.index, quote
    return None
