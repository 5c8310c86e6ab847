"""Numbers that stand for a vector, such as an embedding: a random projection to few dimensions, and its length."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries.derived_values import DerivedValues, is_missing

__all__ = ["LARGEST_DIMENSION", "PROJECTIONS", "VectorDerivation"]

PROJECTIONS = 8
"""Dimensions that a vector is projected to, unless a profile says otherwise."""
LARGEST_DIMENSION = 65_536
"""Numbers in a vector, at most."""

_EXACT_BITS = 52
"""Whole numbers of so many bits and their sums are exact in a float."""
_LEAST_EXPONENT = -900
"""Vectors all of whose numbers are below `2**-900` are rounded on the grid of larger ones, so that no power of two overflows."""
_NORM_BITS = 20
_BLOCK_NUMBERS = 32_768
"""Numbers looked at together: they stay in a processor's cache."""
_NUMBERS = frozenset({int, float})


@dataclass(frozen=True)
class VectorDerivation:
    """Projects a column of vectors at random to a few numeric columns.

    Column `<source>.<j>` is `sum(s_ji * x_i) / sqrt(k)` with random signs `s_ji`; the distance of two projected vectors is that of the
    vectors on average, its square with a relative standard deviation of `sqrt(2 / k)` at most. `<source>.norm` is the Euclidean length of the
    vector itself.

    Parameters
    ----------
    source
        The column of vectors.
    dimension
        Numbers in a vector, 1 to 65,536; lists of another length are of a wrong type.
    k
        Dimensions that they are projected to, 1 to 64.
    seed
        Which signs: bits of SHAKE-256, least first, of the text `stream-gov <seed>`; row by row, each from a new byte. 0 is plus.

    Notes
    -----
    What comes of a vector depends on its numbers alone, to the last bit, on every machine: they are rounded to whole multiples of the power of
    two that is `52 - ceil(log2(dimension))` bits below the largest of them, so that every sum is exact, in whatever order it is taken. The
    length is that of half as many bits, rounded to 20 (a millionth), so that normalised vectors have the length 1 and no other.

    References
    ----------
    Achlioptas (2003), Database-friendly random projections: Johnson-Lindenstrauss with binary coins, J. Comput. Syst. Sci. 66.
    Diaconis and Freedman (1984), Asymptotics of graphical projection pursuit, Ann. Statist. 12: such projections are nearly normal.
    """

    source: str
    dimension: int
    k: int = PROJECTIONS
    seed: int = 0

    kind: Literal["vector"] = field(default="vector", init=False)

    def __post_init__(self) -> None:
        if not (1 <= self.dimension <= LARGEST_DIMENSION and 1 <= self.k <= 64 and self.seed >= 0):
            msg = (
                f"a projection needs 1 to {LARGEST_DIMENSION} numbers, 1 to 64 dimensions and a seed from 0 on, got {self.dimension}, "
                f"{self.k} and {self.seed}"
            )
            raise ValueError(msg)

    @cached_property
    def joint(self) -> tuple[str, ...]:
        """Derived columns whose joint covariance is kept: the projection."""
        return tuple(f"{self.source}.{j}" for j in range(self.k))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the derived columns."""
        return (f"{self.source}.norm", *self.joint)

    @cached_property
    def signs(self) -> NDArray[np.float64]:
        """1 or -1, shape `(dimension, k)`."""
        row = (self.dimension + 7) // 8
        bits = hashlib.shake_256(f"stream-gov {self.seed}".encode()).digest(row * self.k)
        packed = np.frombuffer(bits, np.uint8).reshape(self.k, row)
        signs = 1.0 - 2.0 * np.unpackbits(packed, axis=1, count=self.dimension, bitorder="little")
        return np.ascontiguousarray(signs.T)

    def derive(self, values: Sequence[Any], doubtful: Sequence[int]) -> DerivedValues:
        """Derive the columns of some rows.

        Parameters
        ----------
        values
            JSON values of the source.
        doubtful
            Positions of values that may be anything; the others are None, or lists of `dimension` finite floats.
        """
        wrong: list[int] = []
        if doubtful:
            values = list(values)
            for i in doubtful:
                if not self._fits(values[i]):
                    if not is_missing(values[i]):
                        wrong.append(i)
                    values[i] = None
        derived = np.full((self.k + 1, len(values)), np.nan)
        rows = [i for i, value in enumerate(values) if value is not None]
        pack = _packer(self.dimension).pack
        step = max(_BLOCK_NUMBERS // self.dimension, 1)
        for start in range(0, len(rows), step):
            chosen = rows[start : start + step]
            numbers = b"".join([_packed(values[i], pack) for i in chosen])
            derived[:, chosen] = self._project(np.frombuffer(numbers).reshape(len(chosen), self.dimension))
        too_large = np.flatnonzero(np.isinf(derived).any(axis=0)).tolist()
        if too_large:
            derived[:, too_large] = np.nan
            wrong = sorted([*wrong, *too_large])
        return DerivedValues(derived, wrong)

    def _fits(self, value: Any) -> bool:
        """Tell whether a value is a vector: a list of as many finite numbers as there are dimensions."""
        if type(value) is not list or len(value) != self.dimension or not set(map(type, value)) <= _NUMBERS:
            return False
        try:
            return all(map(math.isfinite, value))
        except OverflowError:  # an integer that no float holds
            return False

    def _project(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Length and projections of vectors, shape `(k + 1, m)`."""
        bits = _EXACT_BITS - (self.dimension - 1).bit_length()
        grid = np.abs(vectors)
        exponents = np.maximum(np.frexp(grid.max(axis=1))[1], _LEAST_EXPONENT)
        derived = np.empty((self.k + 1, len(vectors)))
        with np.errstate(over="ignore"):  # what no float holds is infinite, and the caller's to find
            np.multiply(vectors, np.ldexp(1.0, bits - exponents)[:, np.newaxis], out=grid)
            np.rint(grid, out=grid)
            derived[1:] = np.ldexp(grid @ self.signs, (exponents - bits)[:, np.newaxis]).T / math.sqrt(self.k)
            half = bits // 2  # the squares' sum has twice as many bits
            np.multiply(vectors, np.ldexp(1.0, half - exponents)[:, np.newaxis], out=grid)
            np.rint(grid, out=grid)
            fractions, powers = np.frexp(np.sqrt(np.einsum("ij,ij->i", grid, grid)))
            derived[0] = np.ldexp(np.rint(fractions * 2.0**_NORM_BITS), powers - _NORM_BITS + exponents - half)
        derived += 0.0  # no negative zero, whose sign would depend on the order of the sum
        return derived

    def to_state(self) -> list[Any]:
        """Plain data, for a file."""
        return [self.kind, self.source, self.dimension, self.k, self.seed]

    @classmethod
    def from_state(cls, state: list[Any]) -> VectorDerivation:
        """Read what :meth:`to_state` gave."""
        _, source, dimension, k, seed = state
        return cls(source, dimension, k, seed)


@lru_cache(maxsize=64)
def _packer(n: int) -> struct.Struct:
    return struct.Struct(f"{n}d")


def _packed(vector: list[float], pack: Any) -> bytes:
    packed: bytes = pack(*vector)
    return packed
