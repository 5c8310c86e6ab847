"""Rows of several partitions brought into the order of their event times, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from stream_gov.reference.rows import Rechunker, RowBatch, concatenate

__all__ = ["buffer_rows", "in_time_order", "sorted_chunks"]

_ROWS_HELD = 131_072
_LEAST, _LARGEST = 256, 8_192


def buffer_rows(n_partitions: int) -> int:
    """How many rows of each of so many partitions are held back for reordering: 8,192, fewer with more than 16 partitions.

    Examples
    --------
    >>> buffer_rows(4), buffer_rows(64), buffer_rows(10_000)
    (8192, 2048, 256)
    """
    return max(_LEAST, min(_LARGEST, _ROWS_HELD // max(n_partitions, 1)))


def sorted_chunks(batches: Iterator[RowBatch], size: int) -> Iterator[RowBatch]:
    """Sort the rows of one partition by event time as far as a buffer of `size` rows allows.

    Yields chunks whose rows rise in time, each row of a chunk at or after those of the chunks before it, but for stragglers: rows that
    came more than `size` rows after one with a later time. A straggler is yielded when it comes, at its place by time in the chunk of that
    moment. Rows of equal time keep their order. What is yielded depends on the rows and their order alone, not on where batches end.

    Parameters
    ----------
    batches
        Rows with event times, in the order of the partition.
    size
        Rows held back, at least 1.
    """
    held: RowBatch | None = None
    for chunk in _chunks(batches, size):
        both = _sorted(chunk if held is None else concatenate([held, chunk]))
        ready = max(both.n_rows - size, 0)
        if ready:
            yield both.slice(0, ready)
        held = both.slice(ready, both.n_rows)
    if held is not None and held.n_rows:
        yield held


def _chunks(batches: Iterator[RowBatch], size: int) -> Iterator[RowBatch]:
    chunks = Rechunker(size)
    for batch in batches:
        yield from chunks.feed(batch)
    yield from chunks.rest()


def _sorted(batch: RowBatch) -> RowBatch:
    times = _times(batch)
    if (np.diff(times) >= 0).all():
        return batch
    return batch.take(np.argsort(times, kind="stable"))


def _times(batch: RowBatch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if batch.times_ms is None:
        msg = "rows without event times have no order of time; give `times_ms`"
        raise ValueError(msg)
    return batch.times_ms


def in_time_order(
    partitions: Sequence[Callable[[], Iterator[RowBatch]]], *, size: int | None = None
) -> Iterator[RowBatch]:
    """Merge partitions by event time.

    A partition is asked for rows only when they are needed: how far one is behind the others costs no memory. Rows of equal time come in
    the order of the partitions. The result rises in time but for stragglers within a partition (see :func:`sorted_chunks`).

    Parameters
    ----------
    partitions
        For each a function that gives its rows, with event times, in their order.
    size
        Rows held back of each; None: as :func:`buffer_rows` says.
    """
    size = buffer_rows(len(partitions)) if size is None else size
    streams = [sorted_chunks(partition(), size) for partition in partitions]
    heads: list[RowBatch | None] = [next(stream, None) for stream in streams]
    while any(head is not None for head in heads):
        bound = min(int(_times(head)[-1]) for head in heads if head is not None)
        parts = []
        for i, head in enumerate(heads):
            if head is None:
                continue
            n = int(np.searchsorted(_times(head), bound, side="right"))
            if n:
                parts.append(head.slice(0, n))
            rest = head.slice(n, head.n_rows)
            heads[i] = rest if rest.n_rows else next(streams[i], None)
        yield _sorted(concatenate(parts))
