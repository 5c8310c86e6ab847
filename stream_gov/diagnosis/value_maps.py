"""Maps by which values are known to change by mistake: units, signs, temperatures, logarithms, per cent."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["CURVES", "LINEAR_MAPS", "Curve", "LinearMap"]

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinearMap:
    """`factor * x + offset`."""

    name: str
    factor: float
    offset: float
    tier: Literal["coarse", "fine", "flip"]
    """How well it must fit, see `unit_change`: `coarse` maps move values so far that little else does."""

    def apply(self, values: Values) -> Values:
        """Map values."""
        with np.errstate(over="ignore"):
            return self.factor * values + self.offset

    def invert(self, values: Values) -> Values:
        """Map them back."""
        with np.errstate(over="ignore"):
            return (values - self.offset) / self.factor

    @property
    def increasing(self) -> bool:
        """Whether it keeps the order of the values."""
        return self.factor > 0


@dataclass(frozen=True, slots=True)
class Curve:
    """An increasing map that is no straight line, of values from `least` (exclusive) on."""

    name: str
    apply: Callable[[Values], Values]
    invert: Callable[[Values], Values]
    least: float
    most: float
    """Largest value that it can map."""
    increasing: bool = True


def _factor_name(factor: float, words: str = "") -> str:
    """Name a factor: whole ones in full, inverses of whole ones as such.

    Examples
    --------
    >>> _factor_name(1000.0), _factor_name(1 / 60), _factor_name(0.01), _factor_name(2.54, "inch to cm")
    ('x1000', 'x1/60', 'x0.01', 'x2.54 (inch to cm)')
    """
    inverse = round(1 / factor)
    if factor.is_integer() and factor < 1e15:
        text = str(int(factor))
    elif inverse > 1 and 1 / inverse == factor and str(inverse).strip("0") != "1":
        text = f"1/{inverse}"
    else:
        text = f"{factor:.6g}"
    return f"x{text}" + (f" ({words})" if words else "")


_WORDS = {-2: "per cent to fraction", 2: "fraction to per cent"}
_BY_HABIT = (60.0, 3_600.0, 86_400.0, 1_024.0, 1_024.0**2, 1_024.0**3)

# What a change of unit most often is; each moves values at least tenfold.
_COARSE: tuple[tuple[float, str], ...] = (
    *((float(f"1e{k}"), _WORDS.get(k, "")) for k in range(-12, 13) if k),
    *((f, "") for f in _BY_HABIT),
    *((1 / f, "") for f in _BY_HABIT),
)

# By definition exact, but for the two that need pi and the gravity of Earth. Each stands for itself and its inverse.
_FINE: tuple[tuple[float, str, str], ...] = (
    (2.54, "inch", "cm"),
    (0.3048, "foot", "m"),
    (0.9144, "yard", "m"),
    (1.609344, "mile", "km"),
    (1.852, "nautical mile", "km"),
    (0.45359237, "pound", "kg"),
    (28.349523125, "ounce", "g"),
    (3.785411784, "US gallon", "litre"),
    (4.54609, "imperial gallon", "litre"),
    (4.184, "calorie", "joule"),
    (3.6, "m/s", "km/h"),
    (6.894757293168361, "psi", "kPa"),
    (101.325, "atm", "kPa"),
    (745.6998715822702, "horsepower", "W"),
    (math.pi / 180, "degree", "radian"),
    (12.0, "foot", "inch"),
    (7.0, "week", "day"),
    (24.0, "day", "hour"),
)

_AFFINE: tuple[tuple[str, float, float], ...] = (
    ("Celsius to Fahrenheit", 1.8, 32.0),
    ("Fahrenheit to Celsius", 1 / 1.8, -32 / 1.8),
    ("Celsius to Kelvin", 1.0, 273.15),
    ("Kelvin to Celsius", 1.0, -273.15),
    ("Fahrenheit to Kelvin", 1 / 1.8, 459.67 / 1.8),
    ("Kelvin to Fahrenheit", 1.8, -459.67),
)

LINEAR_MAPS: tuple[LinearMap, ...] = (
    *(LinearMap(_factor_name(f, words), f, 0.0, "coarse") for f, words in _COARSE),
    *(LinearMap(f"sign flipped, {_factor_name(f)}", -f, 0.0, "coarse") for f, _ in _COARSE),
    *(LinearMap(_factor_name(f, f"{a} to {b}"), f, 0.0, "fine") for f, a, b in _FINE),
    *(LinearMap(_factor_name(1 / f, f"{b} to {a}"), 1 / f, 0.0, "fine") for f, a, b in _FINE),
    *(LinearMap(name, factor, offset, "fine") for name, factor, offset in _AFFINE),
    LinearMap("sign flipped", -1.0, 0.0, "flip"),
)
"""In the order in which one of two that fit alike is preferred."""

CURVES: tuple[Curve, ...] = (
    Curve("natural logarithm", np.log, np.exp, 0.0, math.inf),
    Curve("natural logarithm of 1 + x", np.log1p, np.expm1, -1.0, math.inf),
    Curve("logarithm to base 10", np.log10, lambda y: np.exp(y * math.log(10)), 0.0, math.inf),
    Curve("logarithm to base 2", np.log2, np.exp2, 0.0, math.inf),
    Curve("exponential", np.exp, np.log, -math.inf, 700.0),
    Curve("power of 10", lambda x: np.exp(x * math.log(10)), np.log10, -math.inf, 300.0),
)
