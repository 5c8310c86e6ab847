"""At which pane of a window a column changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from stream_gov.summaries import AnyColumnSummary

__all__ = ["change_pane"]

_FALSE_ALARM = 0.001
_ENOUGH = 10
"""Values of a group over all panes; smaller groups are taken together."""
_LEFT = 0.25
"""Distance from the reference before the change, in units of that after it."""


def change_pane(
    reference: AnyColumnSummary, panes: Sequence[AnyColumnSummary], *, statistic: str = "psi"
) -> int | None:
    """Find the pane with which a drift begins inside the window.

    Of all splits of the panes into earlier and later ones it is that with the largest likelihood ratio `G` of two distributions against one. It
    is a change only if `G` is beyond chance (chi-squared, 0.001 divided by the number of splits), and if the earlier panes are like the reference: their
    squared Hellinger distance from it, less what sampling makes of it on average, is at most a quarter of that of the later panes. The
    latter keeps the difference of day and night from being taken for a change.

    Parameters
    ----------
    reference
        The column in the reference.
    panes
        The column in each pane, in the order of time.
    statistic
        What drifted: for `missing_share` and `type_error_share` their counts are looked at, else those of the groups of cells.

    Returns
    -------
    Index of the first later pane, from 1 on; None if there is no such change.
    """
    if len(panes) < 2:
        return None
    before = _counts_of(reference, statistic)
    counts = np.array([_counts_of(pane, statistic) for pane in panes])
    total = counts.sum(axis=0)
    small = total < _ENOUGH
    if small.any():
        counts = np.column_stack((counts[:, ~small], counts[:, small].sum(axis=1)))
        before = np.append(before[~small], before[small].sum())
        total = counts.sum(axis=0)
    kept = total > 0
    n_groups = int(kept.sum())
    if n_groups < 2 or not before.sum():
        return None
    earlier = np.cumsum(counts, axis=0)[:-1]
    later = total - earlier
    ratios = 2 * (_log_likelihood(earlier) + _log_likelihood(later) - _log_likelihood(total[np.newaxis]))
    ratios[(earlier.sum(axis=1) == 0) | (later.sum(axis=1) == 0)] = 0.0
    split = int(ratios.argmax())
    if stats.chi2.sf(ratios[split], n_groups - 1) * ratios.size >= _FALSE_ALARM:
        return None
    off_before, off_after = _hellinger(before, earlier[split]), _hellinger(before, later[split])
    return split + 1 if off_before <= _LEFT * off_after else None


def _counts_of(column: AnyColumnSummary, statistic: str) -> NDArray[np.float64]:
    if statistic in ("missing_share", "type_error_share"):
        found = column.n_missing if statistic == "missing_share" else column.n_type_errors
        return np.array([found, column.n - found], np.float64)
    return column.cell_counts().astype(np.float64)


def _log_likelihood(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest log-likelihood of counts, shape `(s, k)`, as draws of `s` distributions, but for terms that all splits share."""
    sums = counts.sum(axis=1)
    found: NDArray[np.float64] = special.xlogy(counts, counts).sum(axis=1) - special.xlogy(sums, sums)
    return found


def _hellinger(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Squared distance of the roots of the shares, less its mean without drift."""
    m, n = before.sum(), after.sum()
    noise = (before.size - 1) * (1 / m + 1 / n) / 4
    return float(((np.sqrt(after / n) - np.sqrt(before / m)) ** 2).sum()) - float(noise)
