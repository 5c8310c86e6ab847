"""The reference profile: what a model's data looked like when it was trained, in the cells that live data is counted in."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from stream_gov.contracts import Season, UnreadableProfileError, UnreadableRecordError
from stream_gov.reference.season_slots import SlotSummaries
from stream_gov.summaries import ColumnSketch, Dependence, PaneLayout, PaneSummary, n_cells_of, pooled_cells

__all__ = ["PROFILE_FORMAT", "ReferenceProfile", "profile_id", "split_profile_id"]

PROFILE_FORMAT = 1
"""Layout of the bytes, see `docs/formats/reference-profile.md`. New keys do not change it; what an old reader would misread does."""

_MAGIC = b"SGRP"
_DIGEST_SIZE = 16
_HEADER_SIZE = len(_MAGIC) + 1 + _DIGEST_SIZE
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REBUILD = "copy it again from where it was built, or build the reference again"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()


def profile_id(name: str, revision: int) -> str:
    """Give the id of a profile: `name@revision`."""
    return f"{name}@{revision}"


def split_profile_id(reference: str) -> tuple[str, int | None]:
    """Take `name@revision` or `name` (its newest revision) apart.

    Examples
    --------
    >>> split_profile_id("electricity@3"), split_profile_id("electricity")
    (('electricity', 3), ('electricity', None))

    Raises
    ------
    ValueError
        The text is neither.
    """
    name, at, revision = reference.partition("@")
    if not _NAME.fullmatch(name) or (at and not re.fullmatch("[1-9][0-9]{0,8}", revision)):
        msg = (
            f"{reference!r} is no reference; write `name` or `name@revision`, a name of letters, digits, `.`, `_` and `-` "
            "(at most 100, the first a letter or digit) and a revision from 1 on"
        )
        raise ValueError(msg)
    return name, int(revision) if at else None


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceProfile:
    """Distributions of every column of a model in its training data; immutable, and kept by name and revision.

    Notes
    -----
    Error: counts in cells exact, moments as `NumericSummary` says. The sketches' quantiles are within 1.33 % of rank (KLL). All but
    the sketches is a function of the data alone: KLL tosses coins, so the bytes of two builds differ where `n_rows` is large.
    Bytes: format 1, see `docs/formats/reference-profile.md`; every later release reads it.
    """

    name: str
    revision: int
    """From 1 on; a revision is never written twice."""
    model: str
    version: str
    """Of the model it describes; empty if not told."""
    layout: PaneLayout
    """Columns and cells; its id is `name@revision`."""
    segments: dict[str, PaneSummary]
    """Counts by segment name; `""` is all rows and always there."""
    segment_columns: tuple[tuple[str, ...], ...] = ()
    """Definitions of the segments, by feature columns."""
    sketches: dict[str, ColumnSketch] = field(default_factory=dict)
    """By column of the layout: types, quantiles, frequent values."""
    n_rows: int
    data_hash: str
    """Of the values in the order of the rows, the same for each file format: see :class:`~stream_gov.reference.DataHash`."""
    source: str
    """Where the rows came from, for people."""
    created_ms: int
    first_ms: int | None = None
    """Least event time of the rows, None if they have none."""
    last_ms: int | None = None
    """Largest event time of the rows."""
    column_types: dict[str, str] = field(default_factory=dict)
    """By column: numeric, categorical or boolean."""
    ignored: dict[str, str] = field(default_factory=dict)
    """Columns of the rows that are not watched, with the reason; they are not new when they come in events."""
    long_run: dict[str, Dependence] = field(default_factory=dict)
    """By column: how strongly its rows depend on those before them. Without the columns, or all, where that is not known; see `warnings` and
    :attr:`dependence`."""
    season: Season | None = None
    """Cycle whose slots are kept apart; None: none was asked for when it was built."""
    slots: SlotSummaries | None = None
    """Counts by segment and slot of the season."""
    seasonal_long_run: dict[str, Dependence] = field(default_factory=dict)
    """By column: how strongly its rows depend on those before them beyond the season, in the coordinates of the slots."""
    warnings: tuple[str, ...] = ()
    """What the builder found doubtful, each naming its column and a remedy."""
    stream_gov_version: str = ""
    """Release that built it."""
    extensions: dict[str, Any] = field(default_factory=dict)
    """Keys that a later release wrote and this one does not know; kept when the profile is written again."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.revision < 1:
            msg = (
                f"a profile has a name of letters, digits, `.`, `_` and `-` (at most 100, the first a letter or digit) and a revision "
                f"from 1 on, got {self.name!r} and {self.revision!r}"
            )
            raise ValueError(msg)
        if self.layout.id != self.id:
            msg = f"the layout of profile {self.id!r} has the id {self.layout.id!r}; they must be equal"
            raise ValueError(msg)
        if "" not in self.segments:
            msg = f'profile {self.id!r} lacks the segment "" of all rows; it has {sorted(self.segments)}'
            raise ValueError(msg)
        if (self.season is None) != (self.slots is None) or (self.slots is not None and "" not in self.slots.segments):
            msg = f"profile {self.id!r} has the season {self.season} and slots of {sorted(self.slots.segments) if self.slots else 'no segment'}; it needs both, or neither"
            raise ValueError(msg)
        for column, known in (*self.long_run.items(), *self.seasonal_long_run.items()):
            cells = self.layout.columns.get(column)
            n_cells = int(pooled_cells(n_cells_of(cells), kind=cells.kind).max()) + 1 if cells is not None else 0
            if known.long_run.shares.size != n_cells:
                msg = f"the long-run covariance of {column!r} is of {known.long_run.shares.size} cells, the column of profile {self.id!r} has {n_cells}"
                raise ValueError(msg)

    @property
    def id(self) -> str:
        """`name@revision`."""
        return profile_id(self.name, self.revision)

    @cached_property
    def dependence(self) -> dict[str, Dependence]:
        """By column with values: how its rows depend on each other, as they show, or else as :meth:`Dependence.assume` says."""
        everything = self.segments[""].columns
        return {
            name: self.long_run[name]
            if name in self.long_run
            else Dependence.assume(column.cell_counts(), kind=column.kind)
            for name, column in everything.items()
            if column.n_valid
        }

    @property
    def known_segments(self) -> frozenset[str]:
        """Names of the segments kept apart, without `""` (all rows)."""
        return frozenset(name for name in self.segments if name)

    def to_bytes(self) -> bytes:
        """Write in format 1."""
        body = _encoder.encode(
            {
                **self.extensions,
                "name": self.name,
                "revision": self.revision,
                "model": self.model,
                "version": self.version,
                "layout": self.layout.to_state(),
                "segment_columns": [list(columns) for columns in self.segment_columns],
                "segments": [[name, pane.to_bytes()] for name, pane in self.segments.items()],
                "sketches": [[name, sketch.to_state()] for name, sketch in self.sketches.items()],
                "n_rows": self.n_rows,
                "data_hash": self.data_hash,
                "source": self.source,
                "created_ms": self.created_ms,
                "first_ms": self.first_ms,
                "last_ms": self.last_ms,
                "column_types": self.column_types,
                "ignored": self.ignored,
                "warnings": list(self.warnings),
                **(
                    {"long_run": [[c, known.to_state()] for c, known in self.long_run.items()]} if self.long_run else {}
                ),
                **self._season_state(),
                "stream_gov_version": self.stream_gov_version,
            }
        )
        return _MAGIC + bytes((PROFILE_FORMAT,)) + _digest(body) + body

    def _season_state(self) -> dict[str, Any]:
        if self.season is None or self.slots is None:
            return {}
        return {
            "season": {"kind": self.season.kind, "timezone": self.season.timezone},
            "slots": self.slots.to_state(),
            "seasonal_long_run": [[c, known.to_state()] for c, known in self.seasonal_long_run.items()],
        }

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, *, source: str = "reference profile") -> ReferenceProfile:
        """Read what :meth:`to_bytes` of this or an earlier release wrote.

        Parameters
        ----------
        data
            The whole file or message.
        source
            Where it came from, for the message of an error.

        Raises
        ------
        UnreadableProfileError
            The bytes are no profile, are damaged, or have a later format; the message says what to do.
        """
        view = bytes(data)
        if not view.startswith(_MAGIC):
            msg = f"{source}: this is no reference profile: it starts with {view[:4]!r}, not with {_MAGIC!r}; name a file that `stream-gov reference build` wrote"
            raise UnreadableProfileError(msg)
        if len(view) < _HEADER_SIZE:
            msg = f"{source}: the profile is cut off after {len(view)} bytes; {_REBUILD}"
            raise UnreadableProfileError(msg)
        if view[4] != PROFILE_FORMAT:
            msg = f"{source}: the profile has format {view[4]}, this release reads format {PROFILE_FORMAT}; upgrade stream-gov, or build the reference again with this release"
            raise UnreadableProfileError(msg)
        body = view[_HEADER_SIZE:]
        if _digest(body) != view[5:_HEADER_SIZE]:
            msg = f"{source}: the profile is damaged: its checksum does not match its {len(body)} bytes; {_REBUILD}"
            raise UnreadableProfileError(msg)
        try:
            return cls._from_map(_decoder.decode(body))
        except UnreadableProfileError as err:
            msg = f"{source}: {err}"
            raise UnreadableProfileError(msg) from err
        except (msgspec.MsgspecError, UnreadableRecordError, KeyError, TypeError, ValueError, AttributeError) as err:
            msg = f"{source}: the profile is damaged ({type(err).__name__}: {err}); {_REBUILD}"
            raise UnreadableProfileError(msg) from err

    @classmethod
    def _from_map(cls, content: dict[str, Any]) -> ReferenceProfile:
        rest = dict(content)
        layout = PaneLayout.from_state(rest.pop("layout"))
        season, slots = rest.pop("season", None), rest.pop("slots", None)
        return cls(
            name=rest.pop("name"),
            revision=rest.pop("revision"),
            model=rest.pop("model"),
            version=rest.pop("version"),
            layout=layout,
            segment_columns=tuple(tuple(columns) for columns in rest.pop("segment_columns")),
            segments={name: PaneSummary.from_bytes(pane, layout) for name, pane in rest.pop("segments")},
            sketches={name: ColumnSketch.from_state(state) for name, state in rest.pop("sketches")},
            n_rows=rest.pop("n_rows"),
            data_hash=rest.pop("data_hash"),
            source=rest.pop("source"),
            created_ms=rest.pop("created_ms"),
            first_ms=rest.pop("first_ms"),
            last_ms=rest.pop("last_ms"),
            column_types=rest.pop("column_types"),
            ignored=rest.pop("ignored"),
            warnings=tuple(rest.pop("warnings")),
            long_run={column: Dependence.from_state(state) for column, state in rest.pop("long_run", ())},
            season=None if season is None else Season(season["kind"], season["timezone"]),
            slots=None if slots is None else SlotSummaries.from_state(slots, layout),
            seasonal_long_run={c: Dependence.from_state(state) for c, state in rest.pop("seasonal_long_run", ())},
            stream_gov_version=rest.pop("stream_gov_version"),
            extensions=rest,
        )


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_SIZE).digest()
