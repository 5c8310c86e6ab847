"""Small histograms of block characters, for tables on a terminal."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_gov.summaries import ColumnSketch

__all__ = ["bars", "curve", "of_numbers"]

_BLOCKS = "▁▂▃▄▅▆▇█"


def bars(shares: Sequence[float]) -> str:
    """One character for each share; the largest is a full block, and nothing at all a blank.

    Examples
    --------
    >>> bars([0.0, 0.1, 0.5, 1.0])
    ' ▁▄█'
    """
    largest = max(shares, default=0.0)
    if largest <= 0:
        return " " * len(shares)
    return "".join(" " if s <= 0 else _BLOCKS[max(0, round(s / largest * len(_BLOCKS)) - 1)] for s in shares)


def curve(values: Sequence[float | None]) -> str:
    """One character for each value between the least and the largest; a blank where there is none.

    Examples
    --------
    >>> curve([-1.0, 0.0, 1.0, None, 1.0]), curve([3.0, 3.0])
    ('▁▅█ █', '▄▄')
    """
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    low, span = min(known), max(known) - min(known)
    last = len(_BLOCKS) - 1
    return "".join(
        " " if v is None else _BLOCKS[int((v - low) / span * last + 0.5) if 0 < span < float("inf") else last // 2]
        for v in values
    )


def of_numbers(sketch: ColumnSketch, *, width: int = 16) -> str:
    """Histogram of a column of numbers in `width` bins of equal length, between its 1 % and 99 % quantiles.

    The tails are left out so that one far value does not press all others into one bin. Empty where there are no numbers.
    """
    if not sketch.n_numbers:
        return ""
    low, high = sketch.quantile(0.01), sketch.quantile(0.99)
    if not low < high:
        return bars([1.0])
    edges = [low + (high - low) * i / width for i in range(1, width)]
    cumulative = [0.0, *(float(sketch.quantiles.get_rank(edge)) for edge in edges), 1.0]
    return bars([b - a for a, b in itertools.pairwise(cumulative)])
