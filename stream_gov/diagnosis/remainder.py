"""The summary of all events but those of a part: counts can be taken away as exactly as they are added."""

from __future__ import annotations

import numpy as np

from stream_gov.summaries import AnyColumnSummary, BooleanSummary, CategoricalSummary, NumericSummary

__all__ = ["remainder"]


def remainder(total: AnyColumnSummary, part: AnyColumnSummary) -> AnyColumnSummary | None:
    """Give the summary of what `total` holds and `part` does not; neither is changed.

    Parameters
    ----------
    total, part
        Summaries of one layout; every value of `part` is in `total`.

    Returns
    -------
    Merged with `part` it is `total` again, with two exceptions: least and largest value are those of the total, so they are bounds; and names of
    unseen categories stay where their counts differ. None if `part` holds more of anything than `total`.
    """
    n_missing = total.n_missing - part.n_missing
    n_type_errors = total.n_type_errors - part.n_type_errors
    if n_missing < 0 or n_type_errors < 0:
        return None
    rest: AnyColumnSummary
    match total, part:
        case NumericSummary(), NumericSummary():
            rest = NumericSummary(total.layout)
            rest.counts = total.counts - part.counts
            rest.sum_q, rest.sum_q2 = total.sum_q - part.sum_q, total.sum_q2 - part.sum_q2
            if np.any(rest.counts < 0) or rest.sum_q2 < 0:
                return None
            if rest.n_valid:
                rest.minimum, rest.maximum = total.minimum, total.maximum
        case CategoricalSummary(), CategoricalSummary():
            rest = CategoricalSummary(total.layout)
            rest.counts = total.counts - part.counts
            rest.unseen.n = total.unseen.n - part.unseen.n
            if np.any(rest.counts < 0) or rest.unseen.n < 0:
                return None
            left = {name: count - part.unseen.counts.get(name, 0) for name, count in total.unseen.counts.items()}
            rest.unseen.counts = {name: count for name, count in left.items() if count > 0}
            rest.unseen.error = total.unseen.error + part.unseen.error
        case BooleanSummary(), BooleanSummary():
            rest = BooleanSummary(total.layout)
            rest.n_true, rest.n_false = total.n_true - part.n_true, total.n_false - part.n_false
            if rest.n_true < 0 or rest.n_false < 0:
                return None
        case _:
            msg = f"a part of kind {part.kind} cannot be taken from a total of kind {total.kind}; give two summaries of one layout"
            raise TypeError(msg)
    rest.n_missing, rest.n_type_errors = n_missing, n_type_errors
    return rest
