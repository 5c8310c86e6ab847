"""Build a reference profile from rows, in two passes and bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

import stream_gov
from stream_gov.contracts import ColumnSelection, DataError, Monitor, Season
from stream_gov.contracts.unknown_keys import nearest
from stream_gov.reference.block_counts import BlockCounts
from stream_gov.reference.column_scan import ColumnScan
from stream_gov.reference.counting import count_rows
from stream_gov.reference.data_hash import DataHash
from stream_gov.reference.layouts import choose_layout
from stream_gov.reference.long_run import dependence_of
from stream_gov.reference.profile import ReferenceProfile, profile_id
from stream_gov.reference.row_sample import RowSample
from stream_gov.reference.rows import Rechunker, RowBatch, as_numbers
from stream_gov.reference.season_counts import SeasonCounts
from stream_gov.reference.seasonal_long_run import seasonal_dependence_of
from stream_gov.reference.segments import Segmenter, SegmentScan
from stream_gov.summaries import ASSUMED_INFLATION, HeavyHitters, PaneLayout, PaneSummary

__all__ = ["ProfileBuilder", "build_profile"]

# Rows looked at together in the first pass. What a sketch of frequent values keeps depends on it, so it is fixed.
_CHUNK = 8_192
_VERSIONS_CAPACITY = 100


class ProfileBuilder:
    """Two passes over the same rows: :meth:`sketch` finds types and cells, :meth:`count` counts exactly in them.

    Parameters
    ----------
    columns
        Which columns are watched, and types that the data cannot tell.
    segments
        Definitions of segments, by feature columns.
    max_segments
        Segments kept apart, the most frequent; the rows of all others go together into `(other)`.
    covariance
        Keep the joint covariance of the numeric columns.
    season
        Keep the slots of this cycle apart as well; the rows need event times.

    Notes
    -----
    The profile is a function of the rows and their order, whatever the sizes of the batches; only the quantile sketches it carries
    toss coins. Cells come from all values up to 100,000 rows, beyond that from a fixed sample of as many (see `RowSample`); counts,
    moments, missing values and type errors are exact.
    Memory: about 2 MB for each column, and a summary for each segment, however many rows there are.

    Examples
    --------
    >>> import numpy as np
    >>> rows = RowBatch({"x": np.arange(1000.0), "color": ["red", "blue"] * 500}, n_rows=1000)
    >>> builder = ProfileBuilder()
    >>> builder.sketch(rows)
    >>> builder.count(rows)
    >>> profile = builder.finish(name="demo", revision=1, model="demo", source="an example", created_ms=0)
    >>> profile.id, profile.column_types
    ('demo@1', {'x': 'numeric', 'color': 'categorical'})
    >>> profile.segments[""].columns["x"].cell_counts().tolist()
    [100, 100, 100, 100, 100, 100, 100, 100, 100, 100]
    """

    def __init__(
        self,
        *,
        columns: ColumnSelection | None = None,
        segments: Sequence[tuple[str, ...]] = (),
        max_segments: int = 100,
        covariance: bool = False,
        season: Season | None = None,
    ) -> None:
        self._selection = columns if columns is not None else ColumnSelection()
        self._segments = tuple(segments)
        self._max_segments = max_segments
        self._covariance = covariance
        self._season = season
        self._seasonal: SeasonCounts | None = None
        self._chunks = Rechunker(_CHUNK)
        self._hash = DataHash()
        self._sample = RowSample()
        self._scans: dict[str, ColumnScan] = {}
        self._left_out: dict[str, None] = {}
        self._segment_scan = SegmentScan(self._segments)
        self._versions = HeavyHitters(_VERSIONS_CAPACITY)
        self._n_rows = 0
        self._first_ms: int | None = None
        self._last_ms: int | None = None
        self._layout: PaneLayout | None = None
        self._ignored: dict[str, str] = {}
        self._warnings: list[str] = []
        self._segmenter = Segmenter(self._segments, frozenset())
        self._panes: dict[str, PaneSummary] = {}
        self._blocks = BlockCounts(PaneLayout("", {}))

    @classmethod
    def for_monitor(cls, monitor: Monitor) -> ProfileBuilder:
        """Build what a monitor needs: its columns, segments and covariance."""
        return cls(
            columns=monitor.columns,
            segments=monitor.segments,
            max_segments=monitor.max_segments,
            covariance=monitor.covariance,
            season=monitor.seasonal,
        )

    def sketch(self, batch: RowBatch) -> None:
        """First pass: add rows."""
        if self._layout is not None:
            msg = "the first pass is over: call `sketch` for all rows, then `count` for all rows"
            raise RuntimeError(msg)
        for chunk in self._chunks.feed(batch):
            self._sketch_chunk(chunk)

    def _sketch_chunk(self, chunk: RowBatch) -> None:
        self._hash.update(chunk)
        numbers = {}
        for name, values in chunk.columns.items():
            if not self._selection.wants(name):
                self._left_out[name] = None
                continue
            scan = self._scans.get(name)
            if scan is None:
                scan = ColumnScan(numbers_are_categories=self._selection.types.get(name) == "categorical")
                scan.update_missing(self._n_rows)
                self._scans[name] = scan
            scan.update(values)
            numbers[name] = values if isinstance(values, np.ndarray) else as_numbers(values)
        for name in self._scans.keys() - chunk.columns.keys():
            self._scans[name].update_missing(chunk.n_rows)
        self._sample.update(numbers, chunk.n_rows)
        self._segment_scan.update(chunk)
        if chunk.times_ms is not None:
            first, last = int(chunk.times_ms.min()), int(chunk.times_ms.max())
            self._first_ms = first if self._first_ms is None else min(self._first_ms, first)
            self._last_ms = last if self._last_ms is None else max(self._last_ms, last)
        if chunk.versions is not None:
            self._versions.update(Counter(chunk.versions))
        self._n_rows += chunk.n_rows

    def layouts(self) -> PaneLayout:
        """End the first pass: choose the cells of each column. Its id is empty until :meth:`finish`.

        Raises
        ------
        DataError
            There are no rows, no column can be watched, or a column has no value of its declared type.
        """
        if self._layout is not None:
            return self._layout
        for chunk in self._chunks.rest():
            self._sketch_chunk(chunk)
        if not self._n_rows:
            msg = "a reference needs rows, and there are none; check the file and the range of rows"
            raise DataError(msg)
        self._check_names()
        columns = {}
        for name, scan in self._scans.items():
            choice = choose_layout(name, scan, self._sample.numbers(name), declared=self._selection.types.get(name))
            self._warnings.extend(choice.warnings)
            if choice.layout is None:
                self._ignored[name] = choice.ignored
            else:
                columns[name] = choice.layout
        if not columns:
            msg = "a reference needs at least one column to watch, and there is none: " + "; ".join(
                f"{name}: {reason}" for name, reason in self._ignored.items()
            )
            raise DataError(msg)
        self._ignored.update(dict.fromkeys(self._left_out, "left out by the monitor's `columns`"))
        self._layout = PaneLayout("", columns, covariance=self._covariance)
        self._segmenter = Segmenter(self._segments, self._segment_scan.most_frequent(self._max_segments))
        self._panes = {"": PaneSummary(self._layout)}
        if self._season is not None:
            ranked = self._segment_scan.ranked()[: self._max_segments]
            self._seasonal = SeasonCounts(self._season, self._layout, ranked, n_other=len(self._segments))
        self._blocks = BlockCounts(self._layout, self._season)
        self._sample = RowSample()  # free its memory
        return self._layout

    def _check_names(self) -> None:
        known = {**self._scans, **self._left_out}
        wanted = {
            "columns.include": self._selection.include or (),
            "columns.types": tuple(self._selection.types),
            "segments": tuple(column for definition in self._segments for column in definition),
        }
        for key, names in wanted.items():
            for name in names:
                if name not in known:
                    msg = f"{key} names the column {name!r}, which the data does not have{nearest(name, sorted(known))}"
                    raise DataError(msg)

    def count(self, batch: RowBatch) -> None:
        """Second pass: add the same rows again. The first call ends the first pass."""
        layout = self.layouts()
        if not batch.n_rows:
            return
        count_rows(self._panes[""], batch)
        self._blocks.update(batch)
        if self._seasonal is not None:
            self._seasonal.update("", batch)
        for name, rows in self._segmenter.rows_of(batch).items():
            pane = self._panes.get(name)
            if pane is None:
                pane = self._panes[name] = PaneSummary(layout)
            of_segment = batch.take(rows)
            count_rows(pane, of_segment)
            if self._seasonal is not None:
                self._seasonal.update(name, of_segment)

    def finish(
        self,
        *,
        name: str,
        revision: int,
        model: str,
        source: str,
        created_ms: int,
        version: str | None = None,
    ) -> ReferenceProfile:
        """End the second pass and return the profile.

        Parameters
        ----------
        name, revision
            Of the profile.
        model, version
            What it describes; without a version the one that the rows tell.
        source
            Where the rows came from, for people.
        created_ms
            Now, epoch milliseconds.

        Raises
        ------
        DataError
            The two passes saw different numbers of rows.
        """
        base = self.layouts()
        everything = self._panes[""]
        if everything.n_events != self._n_rows:
            msg = (
                f"the data changed while it was read: {self._n_rows} rows in the first pass, {everything.n_events} in the second; "
                "build the reference again from a file that nobody writes to"
            )
            raise DataError(msg)
        version = self._version() if version is None else version
        long_run = dependence_of(self._blocks, everything)
        warnings = [*self._warnings, *_warnings_of(self._blocks, [c for c in base.columns if c not in long_run])]
        seasonal_long_run, slots = {}, None
        layout = replace(base, id=profile_id(name, revision))
        if self._seasonal is not None:
            slots = self._seasonal.finish(layout)
            seasonal_long_run = seasonal_dependence_of(self._blocks, self._seasonal.of_all_rows)
            warnings += self._seasonal.warnings(
                frozenset(self._panes), sorted(long_run.keys() - seasonal_long_run.keys())
            )
        for pane in self._panes.values():
            pane.layout = layout
        return ReferenceProfile(
            name=name,
            revision=revision,
            model=model,
            version=version,
            layout=layout,
            segments={segment: self._panes[segment] for segment in sorted(self._panes)},
            segment_columns=self._segments,
            # Not of a column that looks like an id: its most frequent values would be nothing but ids.
            sketches={column: self._scans[column].sketch for column in layout.columns},
            n_rows=self._n_rows,
            data_hash=self._hash.hexdigest(),
            source=source,
            created_ms=created_ms,
            first_ms=self._first_ms,
            last_ms=self._last_ms,
            column_types={column: cells.kind for column, cells in layout.columns.items()},
            ignored=dict(self._ignored),
            long_run=long_run,
            season=self._season,
            slots=slots,
            seasonal_long_run=seasonal_long_run,
            warnings=tuple(warnings),
            stream_gov_version=stream_gov.__version__,
        )

    def _version(self) -> str:
        ranked = self._versions.most_common()
        if not ranked:
            return ""
        if len(ranked) > 1:
            found = ", ".join(f"{version!r} ({count} rows)" for version, count in ranked[:5])
            self._warnings.append(
                f"the rows are of several versions of the model: {found}; the profile is filed under the most frequent"
            )
        return ranked[0][0]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful about the data; known after the first pass."""
        return tuple(self._warnings)


def _warnings_of(blocks: BlockCounts, unknown: list[str]) -> list[str]:
    """Say which columns have no long-run covariance, why, and what follows from it."""
    if not unknown:
        return []
    what = (
        "every column"
        if blocks.why_not or len(unknown) > 5
        else f"the column{'s' * (len(unknown) > 1)} {', '.join(unknown)}"
    )
    why = (
        f"the rows {blocks.why_not}; name the column of event times and sort the rows by it"
        if blocks.why_not
        else f"{blocks.n_rows} rows are too few; build the reference from more"
    )
    return [
        f"it is not known how strongly the values of {what} depend on those before them, because {why}; their tests take "
        f"{ASSUMED_INFLATION:g} events for one independent one (if they are independent, say `calibration: independent` in the monitor)"
    ]


def build_profile(
    batches: Callable[[], Iterable[RowBatch]],
    builder: ProfileBuilder,
    *,
    name: str,
    revision: int,
    model: str,
    source: str,
    created_ms: int,
    version: str | None = None,
) -> ReferenceProfile:
    """Make both passes; `batches` gives the same rows each time it is called. See :meth:`ProfileBuilder.finish`."""
    for batch in batches():
        builder.sketch(batch)
    builder.layouts()
    for batch in batches():
        builder.count(batch)
    return builder.finish(
        name=name, revision=revision, model=model, source=source, created_ms=created_ms, version=version
    )
