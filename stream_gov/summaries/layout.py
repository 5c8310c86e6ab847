"""What a summary counts in: cells of each column, taken from a reference profile. Summaries of one layout merge and compare exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import UnreadableProfileError
from stream_gov.summaries.derivations import Derivation, derivation_from_state

__all__ = [
    "BooleanLayout",
    "CategoricalLayout",
    "ColumnLayout",
    "JsonType",
    "NumericLayout",
    "PaneLayout",
    "layout_from_state",
]

JsonType = Literal["number", "string", "boolean"]
"""The JSON type a column's values must have; any other is a type error."""

_RESOLUTION_BITS = 16


@dataclass(frozen=True, eq=False)
class NumericLayout:
    """Cells of a numeric column.

    Parameters
    ----------
    edges
        Strictly increasing, finite, shape `(k,)`, in the column's own unit; may be empty. There are `k + 1` cells; cell `i` is
        `[edges[i - 1], edges[i])`, the first and the last are open to infinity. A value with a cell of its own (an atom `a`) has
        the two edges `a` and the next larger float.
    groups
        Shape `(k + 1,)`, values `0 .. n_groups - 1`: the group each cell belongs to. PSI and its kin compare groups (tens of them,
        so that each holds enough); Kolmogorov-Smirnov and Wasserstein compare the finer cells.
    center, scale
        Location and spread of the reference, in the column's unit; `scale > 0`. Moments are kept as exact integers of
        `(value - center) / scale * 2**16`, so that their sums do not depend on the order of adding.
    atoms
        Values that have a cell of their own, sorted; shape `(a,)`.
    """

    edges: NDArray[np.float64]
    groups: NDArray[np.int64]
    center: float
    scale: float
    atoms: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    kind: Literal["numeric"] = field(default="numeric", init=False)
    dtype: JsonType = field(default="number", init=False)

    def __post_init__(self) -> None:
        edges, groups = self.edges, self.groups
        if edges.ndim != 1 or not np.all(np.isfinite(edges)) or np.any(edges[1:] <= edges[:-1]):
            msg = f"edges must be finite and strictly increasing, got {edges!r}"
            raise ValueError(msg)
        if groups.shape != (edges.size + 1,) or groups.min() != 0 or len(np.unique(groups)) != groups.max() + 1:
            msg = f"groups must give each of the {edges.size + 1} cells a number from 0 on without gaps, got {groups!r}"
            raise ValueError(msg)
        if not (np.isfinite(self.center) and np.isfinite(self.scale) and self.scale > 0):
            msg = f"center must be finite and scale positive, got {self.center!r} and {self.scale!r}"
            raise ValueError(msg)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NumericLayout) and self.to_state() == other.to_state()

    def __hash__(self) -> int:
        return hash((self.center, self.scale, self.edges.tobytes()))

    @property
    def n_cells(self) -> int:
        """Cells, the two open ones included."""
        return int(self.edges.size) + 1

    @cached_property
    def n_groups(self) -> int:
        """Groups of cells."""
        return int(self.groups.max()) + 1

    @cached_property
    def factor(self) -> float:
        """Integer steps per unit of the column, in which moments are kept."""
        return float(2.0**_RESOLUTION_BITS / self.scale)

    def to_state(self) -> list[Any]:
        """Plain data, for a file."""
        return [
            self.kind,
            self.edges.astype("<f8").tobytes(),
            self.groups.astype("<u4").tobytes(),
            self.center,
            self.scale,
            self.atoms.astype("<f8").tobytes(),
        ]


@dataclass(frozen=True)
class CategoricalLayout:
    """Known categories of a column, in the order of their counts in the reference; all others are unseen.

    Categories are text: numbers in their shortest decimal form, such as `1` or `0.5`.
    """

    categories: tuple[str, ...]
    dtype: JsonType = "string"

    kind: Literal["categorical"] = field(default="categorical", init=False)

    def __post_init__(self) -> None:
        if len(set(self.categories)) != len(self.categories):
            msg = f"a category stands twice in {self.categories!r}"
            raise ValueError(msg)

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each known category."""
        return {name: i for i, name in enumerate(self.categories)}

    def to_state(self) -> list[Any]:
        """Plain data, for a file."""
        return [self.kind, list(self.categories), self.dtype]


@dataclass(frozen=True)
class BooleanLayout:
    """A column of true and false."""

    kind: Literal["boolean"] = field(default="boolean", init=False)
    dtype: JsonType = field(default="boolean", init=False)

    def to_state(self) -> list[Any]:
        """Plain data, for a file."""
        return [self.kind]


ColumnLayout = NumericLayout | CategoricalLayout | BooleanLayout


def layout_from_state(state: list[Any]) -> ColumnLayout:
    """Read what `to_state` of a column layout gave.

    Raises
    ------
    UnreadableProfileError
        The kind is unknown: a later release wrote it.
    """
    kind, *rest = state
    if kind == "numeric":
        edges, groups, center, scale, atoms = rest
        return NumericLayout(
            edges=np.frombuffer(edges, "<f8").astype(np.float64),
            groups=np.frombuffer(groups, "<u4").astype(np.int64),
            center=float(center),
            scale=float(scale),
            atoms=np.frombuffer(atoms, "<f8").astype(np.float64),
        )
    if kind == "categorical":
        categories, dtype = rest
        return CategoricalLayout(categories=tuple(categories), dtype=dtype)
    if kind == "boolean":
        return BooleanLayout()
    msg = f"this profile has a column of kind {kind!r}, which this release does not know; upgrade stream-gov"
    raise UnreadableProfileError(msg)


@dataclass(frozen=True)
class PaneLayout:
    """Layout of all columns of a model.

    Parameters
    ----------
    id
        The profile it belongs to, `name@revision`; empty for a model without a reference.
    columns
        By name, in a fixed order. The prediction is the column `prediction`; scores are `score` or `score.<class>`.
    covariance
        Whether a pane keeps the joint covariance of the numeric columns.
    derivations
        Which of the columns do not stand in an event but are derived from one that does, and how. All columns of a derivation are there, and
        numeric.
    """

    id: str
    columns: dict[str, ColumnLayout]
    covariance: bool = False
    derivations: tuple[Derivation, ...] = ()

    def __post_init__(self) -> None:
        for derivation in self.derivations:
            for name in derivation.columns:
                if not isinstance(self.columns.get(name), NumericLayout):
                    msg = (
                        f"{name!r}, derived from {derivation.source!r}, must be a numeric column of profile {self.id!r}"
                    )
                    raise ValueError(msg)

    @cached_property
    def derived(self) -> dict[str, Derivation]:
        """By column: what it is derived by; without the columns that stand in an event themselves."""
        return {name: derivation for derivation in self.derivations for name in derivation.columns}

    @cached_property
    def event_columns(self) -> tuple[str, ...]:
        """Columns that an event has: those that are not derived, and the sources of the others."""
        own = (name for name in self.columns if name not in self.derived)
        return (*own, *(derivation.source for derivation in self.derivations))

    @cached_property
    def covariance_groups(self) -> dict[str, tuple[str, ...]]:
        """By name: numeric columns whose joint covariance a pane keeps.

        The group `""` is all of them; that of the projections of a vector has the vector's name.
        """
        numeric = tuple(name for name, column in self.columns.items() if isinstance(column, NumericLayout))
        everything = {"": numeric} if self.covariance else {}
        return {**everything, **{d.source: d.joint for d in self.derivations if d.joint}}

    def to_state(self) -> list[Any]:
        """Plain data, for a file."""
        columns = [[name, layout.to_state()] for name, layout in self.columns.items()]
        derivations = [[derivation.to_state() for derivation in self.derivations]] if self.derivations else []
        return [self.id, columns, self.covariance, *derivations]

    @classmethod
    def from_state(cls, state: list[Any]) -> PaneLayout:
        """Read what :meth:`to_state` of this or an earlier release gave."""
        layout_id, columns, covariance, *derivations = state
        return cls(
            layout_id,
            {name: layout_from_state(column) for name, column in columns},
            bool(covariance),
            tuple(derivation_from_state(one) for part in derivations for one in part),
        )
