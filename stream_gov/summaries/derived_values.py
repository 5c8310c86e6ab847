"""Values of numeric columns that are derived from a column of another kind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DerivedValues", "is_missing"]


@dataclass(frozen=True, slots=True)
class DerivedValues:
    """Some rows of all columns of one derivation."""

    numbers: NDArray[np.float64]
    """One row for each derived column, shape `(k, n)`; NaN where the source is missing or has a wrong type, or the number is undefined."""
    wrong: list[int]
    """Positions of the rows in which the source has a wrong type."""


def is_missing(value: Any) -> bool:
    """Tell whether a JSON value counts as missing: null, or NaN."""
    return value is None or (type(value) is float and math.isnan(value))
