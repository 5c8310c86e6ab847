"""What every part of a monitor file has in common: unknown keys are mistakes, and nothing can be changed once it was read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["StrictModel"]


class StrictModel(BaseModel):
    """A section of a monitor file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
