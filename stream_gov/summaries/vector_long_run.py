"""How strongly the vectors of a reference depend on those before them: the long-run covariance of their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries.long_run import AS_IF_KNOWN, ASSUMED_INFLATION, window_weights

__all__ = ["VectorDependence", "VectorLongRun"]

_Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorLongRun:
    """Covariances of the mean of a window and of the reference, times the number of vectors in each; shape `(k, k)`."""

    of_window: _Array
    of_reference: _Array
    degrees: float
    """Degrees of freedom of them: blocks that are independent of each other."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorDependence:
    """The covariance of the mean of projected vectors by the length of a window, as `Dependence` has that of shares.

    For `n` vectors in a row the covariance of their mean is about `covariance / n`; for independent draws `covariance` is that of the vectors.
    """

    block_rows: int
    """Rows of a block, whose sums it was computed from."""
    n_blocks: int
    spans: tuple[tuple[int, int, _Array], ...]
    """For windows of up to `span + 1` blocks: span, lag up to which autocovariances were summed, covariance of shape `(k, k)`. By rising
    span; the last is the long-run covariance."""
    assumed: bool = False
    """Whether it is not known, but taken to be as :meth:`assume` says."""

    def __post_init__(self) -> None:
        spans = [span for span, _, _ in self.spans]
        shapes = {covariance.shape for _, _, covariance in self.spans}
        sound = (
            spans and spans == sorted(set(spans)) and len(shapes) == 1 and self.block_rows >= 1 and self.n_blocks >= 2
        )
        if not sound or not all(np.isfinite(covariance).all() for _, _, covariance in self.spans):
            msg = f"the covariances of a vector's mean must be finite, of one shape and stand by rising span, got spans {spans} and shapes {shapes}"
            raise ValueError(msg)

    @classmethod
    def assume(cls, covariance: _Array) -> VectorDependence:
        """Take five vectors for one independent draw, as `Dependence.assume` does, since the reference does not show how they depend on each other.

        Parameters
        ----------
        covariance
            Of the vectors, finite, shape `(k, k)`.
        """
        return cls(block_rows=1, n_blocks=AS_IF_KNOWN, spans=((0, 0, ASSUMED_INFLATION * covariance),), assumed=True)

    def of_window(self, n: int, n_reference: int) -> VectorLongRun:
        """For the comparison of a window of `n` vectors in a row with a reference of `n_reference`."""
        del n_reference  # the two covariances are kept apart
        weights = window_weights([span for span, _, _ in self.spans], n / self.block_rows)
        covariances: Sequence[_Array] = [covariance for _, _, covariance in self.spans]
        lag = self.spans[weights[-1][0]][1]
        return VectorLongRun(
            of_window=sum((w * covariances[i] for i, w in weights), start=np.zeros_like(covariances[0])),
            of_reference=covariances[-1],
            degrees=max(self.n_blocks / (1 + lag) - 1, 1.0),
        )

    def to_state(self) -> dict[str, Any]:
        """Plain data, for a file."""
        upper = np.triu_indices(len(self.spans[0][2]))
        return {
            "block_rows": self.block_rows,
            "n_blocks": self.n_blocks,
            "k": len(self.spans[0][2]),
            "spans": [[span, lag, covariance[upper].astype("<f8").tobytes()] for span, lag, covariance in self.spans],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> VectorDependence:
        """Read what :meth:`to_state` gave."""
        k = int(state["k"])
        rows, columns = np.triu_indices(k)
        spans = []
        for span, lag, packed in state["spans"]:
            covariance = np.zeros((k, k))
            covariance[rows, columns] = covariance[columns, rows] = np.frombuffer(packed, "<f8")
            spans.append((int(span), int(lag), covariance))
        return cls(block_rows=int(state["block_rows"]), n_blocks=int(state["n_blocks"]), spans=tuple(spans))
