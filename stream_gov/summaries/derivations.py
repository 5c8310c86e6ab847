"""Columns that are derived from columns of another kind: of texts and of vectors."""

from __future__ import annotations

from typing import Any

from stream_gov.contracts import UnreadableProfileError
from stream_gov.summaries.text_derivation import TextDerivation
from stream_gov.summaries.vector_derivation import VectorDerivation

__all__ = ["Derivation", "derivation_from_state"]

Derivation = TextDerivation | VectorDerivation
"""How a column of the events (its `source`) becomes numeric columns (`columns`): by `derive`, the same for a reference and for live events."""


def derivation_from_state(state: list[Any]) -> Derivation:
    """Read what `to_state` of a derivation gave.

    Raises
    ------
    UnreadableProfileError
        The kind is unknown: a later release wrote it.
    """
    kind = state[0]
    if kind == "text":
        return TextDerivation.from_state(state)
    if kind == "vector":
        return VectorDerivation.from_state(state)
    msg = (
        f"this profile derives columns from one of kind {kind!r}, which this release does not know; upgrade stream-gov"
    )
    raise UnreadableProfileError(msg)
