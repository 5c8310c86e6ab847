"""The types into which the events of one model are decoded, made from its counting plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Any, Literal, Union

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream_gov.decoding.careful_reader import CarefulEvent
from stream_gov.decoding.counting_plan import PREDICTION_COLUMN, SCORE_COLUMN, CountingPlan
from stream_gov.summaries import (
    CategoricalLayout,
    Derivation,
    JsonType,
    NumericColumns,
    NumericLayout,
    PaneLayout,
    VectorDerivation,
)

__all__ = ["ColumnView", "DerivedPlaces", "EventTypes", "LayoutPlaces", "open_event_type"]

_SCORE_PREFIX = f"{SCORE_COLUMN}."
_JSON_TYPES: dict[JsonType, Any] = {"number": float, "string": str, "boolean": bool}
_SCALAR = float | str | bool | None
_ValueType = JsonType | int
"""What a column of an event holds: a JSON type, or so many numbers in a list."""
_FORBIDDEN_IN_NAMES = frozenset('"\\').union(map(chr, range(32)))


@dataclass(frozen=True, slots=True)
class ColumnView:
    """A column of the events as one or more layouts count it."""

    name: str
    dtype: JsonType
    is_numeric: bool
    """Kept as floats, not as a list."""
    derivation: Derivation | None = None
    """What it is derived by; None for a column that an event has itself."""


@dataclass(frozen=True, slots=True)
class DerivedPlaces:
    """Where the columns of one derivation are among the numeric views."""

    derivation: Derivation
    places: tuple[int, ...]


class LayoutPlaces:
    """Where the columns of one layout are among the views.

    Parameters
    ----------
    layout
        The layout.
    views
        All views of the plan; numeric ones and others are numbered apart.
    """

    def __init__(self, layout: PaneLayout, views: Sequence[ColumnView]) -> None:
        numeric = {view: i for i, view in enumerate(v for v in views if v.is_numeric)}
        others = {view: i for i, view in enumerate(v for v in views if not v.is_numeric)}
        layouts = {name: c for name, c in layout.columns.items() if isinstance(c, NumericLayout)}
        self.numeric = NumericColumns(list(layouts.values()))
        self.numeric_names = tuple(layouts)
        derived = layout.derived
        places = [numeric[ColumnView(name, c.dtype, True, derived.get(name))] for name, c in layouts.items()]
        self.numeric_places = _chosen(places, len(numeric))
        self.categories = tuple(
            (name, others[ColumnView(name, c.dtype, is_numeric=False)])
            for name, c in layout.columns.items()
            if name not in layouts
        )
        place_of = dict(zip(layouts, places, strict=True))
        self.covariance_places = {
            group: _chosen([place_of[name] for name in columns], len(numeric))
            for group, columns in layout.covariance_groups.items()
        }


class EventTypes:
    """Struct types of one plan: the strict ones take only what was expected, the lenient one takes any value of a known column.

    A strict type accepts an event only if each value has its column's type, nothing is unknown, and nothing nests: what it accepts
    needs no further check. All types of a plan have the same attributes: `event_id`, `model`, `version`, `timestamp`, `features` (with
    `f0`, `f1`, ... in the order of `feature_names`), `prediction`, `scores`.

    Parameters
    ----------
    plan
        The plan; with at least one layout.
    """

    def __init__(self, plan: CountingPlan) -> None:
        self.plan = plan
        views: dict[ColumnView, None] = {}
        derived_views: dict[ColumnView, None] = {}
        types: dict[str, set[_ValueType]] = {}
        for layout in plan.layouts:
            for name, column in layout.columns.items():
                derivation = layout.derived.get(name)
                if derivation is None:
                    views[ColumnView(name, column.dtype, isinstance(column, NumericLayout))] = None
                    types.setdefault(name, set()).add(column.dtype)
                else:
                    derived_views[ColumnView(name, column.dtype, True, derivation)] = None
            for derivation in layout.derivations:
                types.setdefault(derivation.source, set()).add(_value_type(derivation))
        for definition in plan.segments:
            for name in definition:
                types.setdefault(name, set())
        self._types = types
        self.views = (*views, *derived_views)
        """Columns as they are counted, the derived ones last; two views of one column where the layouts disagree about its type, or derive it
        in different ways."""
        self.derived = _derived_places(self.views)
        self.places = tuple(LayoutPlaces(layout, self.views) for layout in plan.layouts)
        self.reserved_names = tuple(name for name in types if _is_reserved(name))
        """Columns of the plan that the prediction and the scores fill."""
        self.score_names = tuple(name for name in self.reserved_names if name != PREDICTION_COLUMN)
        self.feature_names = tuple(name for name in types if not _is_reserved(name))
        self.source_names = (*self.feature_names, PREDICTION_COLUMN, *self.score_names)
        """Columns in the order in which :meth:`columns` gives them."""
        self.source_index = {name: i for i, name in enumerate(self.source_names)}
        self.is_struct = not any(_FORBIDDEN_IN_NAMES & set(name) for name in self.source_names)
        """Whether msgspec can decode into structs with these names."""
        self._features_type = self._lenient_features()
        self._event_type = self._event("E", self._features_type, str, Any, Any)
        self._scores_type = msgspec.defstruct(
            "S", [(f"s{i}", Any, None) for i in range(len(self.score_names))], gc=False
        )
        self._no_scores = self._scores_type()
        self._get_reserved = [attrgetter(f"features.r{i}") for i in range(len(self.reserved_names))]

    def is_typed(self, name: str) -> bool:
        """Tell whether strict types hold a column to one JSON type."""
        return len(self._types[name]) == 1

    def is_text(self, name: str) -> bool:
        """Tell whether strict types hold a column to texts."""
        return self._types[name] == {"string"}

    def strict_decoder(self, *, version: str | None, has_metadata: bool) -> Callable[[bytes], Any]:
        """Give a decoder that raises for anything unexpected.

        Parameters
        ----------
        version
            Only events of this version, and with known categories, are expected; None: any text will do for either.
        has_metadata
            Whether events may have metadata. It is skipped unread: what nests in it, or is no UTF-8, is the caller's to find.
        """
        literals = version is not None
        fields = [(f"f{i}", self._strict_type(name, literals), None) for i, name in enumerate(self.feature_names)]
        rename = {f"f{i}": name for i, name in enumerate(self.feature_names)}
        features = msgspec.defstruct("F", fields, rename=rename, forbid_unknown_fields=True, gc=False)
        prediction = self._strict_type(PREDICTION_COLUMN, literals)
        version_type = str if version is None else Literal[version]
        event = self._event(
            "E", features, version_type, prediction, self._strict_scores(), forbid=True, has_metadata=has_metadata
        )
        return msgspec.json.Decoder(event).decode

    @cached_property
    def lenient_decoder(self) -> Callable[[bytes], Any]:
        """The decoder that raises only for what is no JSON, or where the envelope is wrong."""
        if self.is_struct:
            return msgspec.json.Decoder(self._event_type).decode
        loose = self._event("E", dict[str, Any], str, Any, Any)
        decode = msgspec.json.Decoder(loose).decode

        def decode_with_any_names(data: bytes) -> Any:
            event = decode(data)
            event.features = self._features_of(event.features)
            return event

        return decode_with_any_names

    def from_careful(self, event: CarefulEvent) -> Any:
        """Give the struct of an event that was read by hand."""
        return self._event_type(
            event_id=event.event_id,
            model=event.model,
            version=event.version,
            timestamp=event.timestamp,
            features=self._features_of(event.features),
            prediction=event.prediction,
            scores=event.scores,
        )

    def settle(self, events: Sequence[Any]) -> None:
        """Bring the prediction and the scores of lenient events into the form of strict ones, in place.

        A feature that bears the name of such a column fills it where the event has no prediction or score of its own.
        """
        if self._is_settled(events):
            return
        for event in events:
            fillers = {
                name: value
                for name, get in zip(self.reserved_names, self._get_reserved, strict=True)
                if (value := get(event)) is not None
            }
            if event.prediction is None:
                event.prediction = fillers.get(PREDICTION_COLUMN)
            if not self.score_names:
                continue
            scores = event.scores
            if isinstance(scores, dict):
                fillers.update({_SCORE_PREFIX + name: value for name, value in scores.items()})
            elif scores is not None:
                fillers[SCORE_COLUMN] = scores
            values = [fillers.get(name) for name in self.score_names]
            event.scores = values[0] if self._is_single_score else self._scores_type(*values)

    def _is_settled(self, events: Sequence[Any]) -> bool:
        """Tell without looking at each event that there is nothing to settle: the usual case."""
        if self.score_names and not self._is_single_score:
            return False
        if self.score_names and dict in set(map(type, map(_get_scores, events))):
            return False
        return all(list(map(get, events)).count(None) == len(events) for get in self._get_reserved)

    def columns(self, events: Sequence[Any]) -> list[Sequence[Any]]:
        """Values of each column of `source_names`, from strict or settled events (at least one)."""
        columns: list[Sequence[Any]] = list(zip(*map(_astuple, map(_get_features, events)), strict=False))
        del columns[len(self.feature_names) :]  # lenient events have further fields
        columns.append(list(map(_get_prediction, events)))
        if self._is_single_score:
            columns.append(list(map(_get_scores, events)))
        elif self.score_names:
            scores = [event.scores or self._no_scores for event in events]
            columns.extend(zip(*map(_astuple, scores), strict=True))
        return columns

    @property
    def _is_single_score(self) -> bool:
        return self.score_names == (SCORE_COLUMN,)

    def _features_of(self, features: dict[str, Any]) -> Any:
        return self._features_type(*map(features.get, (*self.feature_names, *self.reserved_names)))

    def _lenient_features(self) -> Any:
        rename = {f"f{i}": name for i, name in enumerate(self.feature_names)}
        rename.update({f"r{i}": name for i, name in enumerate(self.reserved_names)})
        fields: list[tuple[str, Any, Any]] = [(field, Any, None) for field in rename]
        return msgspec.defstruct("F", fields, rename=rename if self.is_struct else None, gc=False)

    def _event(
        self,
        name: str,
        features: Any,
        version: Any,
        prediction: Any,
        scores: Any,
        *,
        forbid: bool = False,
        has_metadata: bool = True,
    ) -> Any:
        fields = _envelope(self.plan.model, version, features, prediction, scores)
        if has_metadata:
            fields.append(("metadata", msgspec.Raw, msgspec.Raw()))
        return msgspec.defstruct(name, fields, forbid_unknown_fields=forbid, gc=False)

    def _strict_type(self, name: str, literals: bool) -> Any:
        types = self._types.get(name, set())
        if len(types) != 1:
            return _SCALAR
        known = self._known_categories(name) if literals else ()
        if known:
            return Union[Literal[known], None]  # noqa: UP007  # a type made at run time
        (kind,) = types
        if isinstance(kind, int):
            return Annotated[list[float], msgspec.Meta(min_length=kind, max_length=kind)] | None
        return _JSON_TYPES[kind] | None

    def _strict_scores(self) -> Any:
        if self._is_single_score:
            return self._strict_type(SCORE_COLUMN, literals=False)
        if SCORE_COLUMN in self.score_names:  # both forms at once: left to the lenient type
            return None
        if not self.score_names:
            return dict[str, float | None] | float | None
        fields = [(f"s{i}", self._strict_type(name, literals=False), None) for i, name in enumerate(self.score_names)]
        rename = {f"s{i}": name.removeprefix(_SCORE_PREFIX) for i, name in enumerate(self.score_names)}
        return Union[msgspec.defstruct("S", fields, rename=rename, forbid_unknown_fields=True, gc=False), None]  # noqa: UP007

    def _known_categories(self, name: str) -> tuple[str, ...]:
        """Categories of a text column; none where a layout takes the column for something else."""
        if any(name == places.derivation.source for places in self.derived):
            return ()
        columns = [layout.columns[name] for layout in self.plan.layouts if name in layout.columns]
        known: dict[str, None] = {}
        for column in columns:
            if not isinstance(column, CategoricalLayout) or column.dtype != "string":
                return ()
            known.update(dict.fromkeys(column.categories))
        return tuple(known)


def open_event_type(model: str) -> Any:
    """Struct type of events of a model without a reference; their features are dicts."""
    return msgspec.defstruct("E", _envelope(model, str, dict[str, Any], Any, Any))


def _envelope(model: str, version: Any, features: Any, prediction: Any, scores: Any) -> list[Any]:
    return [
        ("event_id", str),
        ("model", Literal[model]),
        ("version", version),
        ("timestamp", int | float | str),
        ("features", features),
        ("prediction", prediction, None),
        ("scores", scores, None),
    ]


def _chosen(places: list[int], n: int) -> NDArray[np.intp] | slice:
    """Choose rows of `n`; where it is all of them in order, without a copy."""
    return slice(None) if places == list(range(n)) else np.array(places, np.intp)


def _value_type(derivation: Derivation) -> _ValueType:
    return derivation.dimension if isinstance(derivation, VectorDerivation) else "string"


def _derived_places(views: Sequence[ColumnView]) -> tuple[DerivedPlaces, ...]:
    places: dict[Derivation, list[int]] = {}
    for place, view in enumerate(view for view in views if view.is_numeric):
        if view.derivation is not None:
            places.setdefault(view.derivation, []).append(place)
    return tuple(DerivedPlaces(derivation, tuple(of_its)) for derivation, of_its in places.items())


_astuple = msgspec.structs.astuple
_get_features = attrgetter("features")
_get_prediction = attrgetter("prediction")
_get_scores = attrgetter("scores")


def _is_reserved(name: str) -> bool:
    return name in (PREDICTION_COLUMN, SCORE_COLUMN) or name.startswith(_SCORE_PREFIX)
