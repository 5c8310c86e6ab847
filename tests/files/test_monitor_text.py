from __future__ import annotations

import pytest

from stream_gov.contracts import ConfigurationError
from stream_gov.files.monitor_text import with_reference

BLOCK = """\
# The shop.
monitor: shop
model: shop
reference:   'base'    # the first year, "base@1"
window: {size: 1h}     # reference: not this one
checks:
  - {statistic: psi, threshold: 0.2}   # a lot
"""


def test_only_the_value_changes_and_comments_stay() -> None:
    changed = with_reference(BLOCK, "base@7", source="shop.yaml")
    assert changed == BLOCK.replace("'base' ", "'base@7' ")
    assert with_reference(changed, "base", source="shop.yaml") == BLOCK


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{window: {size: 1h}, reference: base, model: m, monitor: m}",
            "{window: {size: 1h}, reference: base@2, model: m, monitor: m}",
        ),
        (
            '"monitor": m\n"model": m\n"reference": "base@1"\nwindow: {size: 1h}',
            '"monitor": m\n"model": m\n"reference": "base@2"\nwindow: {size: 1h}',
        ),
        (
            "monitor: m # ü\nmodel: m\nreference:\n  base\nwindow: {size: 1h}\n",
            "monitor: m # ü\nmodel: m\nreference:\n  base@2\nwindow: {size: 1h}\n",
        ),
    ],
)
def test_every_way_of_writing_it_is_found(text: str, expected: str) -> None:
    assert with_reference(text, "base@2", source="m.yaml") == expected


@pytest.mark.parametrize(
    "text",
    [
        "{monitor: m, model: m, window: {size: 1h}}",
        "{monitor: &name base, model: m, reference: *name, window: {size: 1h}}",
    ],
    ids=["no key", "alias"],
)
def test_a_place_that_is_not_there_is_left_to_the_author(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"m\.yaml: reference: .* write `reference: base@2` into it by hand"):
        with_reference(text, "base@2", source="m.yaml")
