"""Rules on the distribution of a column: stuck at one value, no longer stuck, new and lost categories, values beyond the reference.

Each gives words if it holds and None otherwise. *Beyond chance* means a p-value below 0.001 of the exact test of a rise of a share.
*Accounts for the drift* means: at least half of the share of values that would have to move to make both sides equal.
"""

from __future__ import annotations

import math

import numpy as np

from stream_gov.diagnosis.share_changes import moved_share
from stream_gov.diagnosis.wording import category_words, number_words, share_words
from stream_gov.statistics import share_rise_p_value
from stream_gov.summaries import AnyColumnSummary, BooleanSummary, CategoricalSummary, NumericSummary

__all__ = [
    "constant_words",
    "lost_category_words",
    "missing_words",
    "new_category_words",
    "no_longer_constant_words",
    "range_words",
    "type_words",
]

_FALSE_ALARM = 0.001
_MOST_OF_THE_DRIFT = 0.5
_STOOD_STILL = 0.95
"""Share of one value from which a reference counts as constant."""
_LEFT_STILL = 0.5
"""Share of that value that may be left in the window."""
_LOST_SHARE = 0.02
"""Share in the reference from which a category that is gone is worth its name."""
_MINORITY = 0.5
"""Share of values beyond the range up to which it is the range that is said to change; with more of them the population moved."""
_FAR = 0.5
"""How far beyond the reference's range an extreme lies, in lengths of that range."""
_NAMED = 3


def missing_words(reference: AnyColumnSummary, window: AnyColumnSummary) -> str | None:
    """Missing values rose beyond chance."""
    return _rise_words("missing values", reference.n_missing, reference.n, window.n_missing, window.n)


def type_words(reference: AnyColumnSummary, window: AnyColumnSummary) -> str | None:
    """Values of a wrong type rose beyond chance."""
    words = _rise_words("values of a wrong type", reference.n_type_errors, reference.n, window.n_type_errors, window.n)
    return words and f"{words} (a {window.layout.dtype} is expected)"


def _rise_words(what: str, before: int, m: int, after: int, n: int) -> str | None:
    if not (m and n) or after * m <= before * n or share_rise_p_value(after, n, before, m) >= _FALSE_ALARM:
        return None
    return f"{what} {share_words(before / m)} -> {share_words(after / n)}"


def constant_words(reference: AnyColumnSummary, window: AnyColumnSummary) -> str | None:
    """All values of the window are equal, the reference's are not, and so many equal ones are beyond chance.

    The chance is that of drawing only values of this cell of the reference: its share to the power of the number of values.
    """
    m, n = reference.n_valid, window.n_valid
    if not (m and n):
        return None
    match reference, window:
        case NumericSummary(), NumericSummary():
            if window.minimum != window.maximum or reference.minimum == reference.maximum:
                return None
            held = int(reference.counts[int(window.counts.argmax())])
            value = number_words(window.minimum, digits=6)
            before = f"was {number_words(reference.minimum)} to {number_words(reference.maximum)}"
        case CategoricalSummary(), CategoricalSummary():
            filled = np.flatnonzero(window.cell_counts())
            unseen = window.unseen.counts if window.n_unseen else {}
            if filled.size != 1 or (window.n_unseen and list(unseen.values()) != [n]):
                return None
            held = int(reference.cell_counts()[filled[0]])
            value = category_words(next(iter(unseen)) if window.n_unseen else window.layout.categories[filled[0]])
            before = "new" if window.n_unseen else f"was {share_words(held / m)}"
        case BooleanSummary(), BooleanSummary():
            if window.n_true and window.n_false:
                return None
            held = reference.n_true if window.n_true else reference.n_false
            value = "true" if window.n_true else "false"
            before = f"was {share_words(held / m)}"
        case _:
            return None
    if held == m or n * math.log((held + 1) / (m + 1)) >= math.log(_FALSE_ALARM):
        return None
    return f"stuck at {value} ({before})"


def no_longer_constant_words(reference: AnyColumnSummary, window: AnyColumnSummary) -> str | None:
    """At least 95 % of the reference are one value, which has lost half of its share or more in the window."""
    m, n = reference.n_valid, window.n_valid
    if not (m and n):
        return None
    match reference, window:
        case NumericSummary(), NumericSummary():
            cell = int(reference.counts.argmax())
            edges = reference.layout.edges
            single = 0 < cell < edges.size and np.nextafter(edges[cell - 1], np.inf) == edges[cell]
            if not single and reference.minimum != reference.maximum:
                return None
            before, after = int(reference.counts[cell]), int(window.counts[cell])
            value = number_words(float(edges[cell - 1]) if single else reference.minimum, digits=6)
        case CategoricalSummary(), CategoricalSummary():
            if not reference.counts.size:
                return None
            cell = int(reference.counts.argmax())
            before, after = int(reference.counts[cell]), int(window.counts[cell])
            value = category_words(reference.layout.categories[cell])
        case BooleanSummary(), BooleanSummary():
            is_true = reference.n_true >= reference.n_false
            before, after = (reference.n_true, window.n_true) if is_true else (reference.n_false, window.n_false)
            value = "true" if is_true else "false"
        case _:
            return None
    if isinstance(window, NumericSummary) and window.minimum == window.maximum:
        return None
    if before < _STOOD_STILL * m or after / n > _LEFT_STILL * before / m:
        return None
    if share_rise_p_value(n - after, n, m - before, m) >= _FALSE_ALARM:
        return None
    return f"no longer constant at {value} ({share_words(before / m)} -> {share_words(after / n)})"


def new_category_words(
    reference: AnyColumnSummary, window: AnyColumnSummary, *, accounts_for_drift: bool = True
) -> str | None:
    """Values of categories that the reference does not know rose beyond chance, and account for the drift.

    Parameters
    ----------
    reference, window
        Summaries of one layout.
    accounts_for_drift
        Whether that is asked for; it is not where the statistic is the share of unseen values itself.
    """
    if not (isinstance(reference, CategoricalSummary) and isinstance(window, CategoricalSummary)):
        return None
    m, n = reference.n_valid, window.n_valid
    if not (m and n):
        return None
    before, after = reference.n_unseen, window.n_unseen
    rise = after / n - before / m
    if rise <= 0 or share_rise_p_value(after, n, before, m) >= _FALSE_ALARM:
        return None
    if accounts_for_drift and rise < _MOST_OF_THE_DRIFT * moved_share(reference, window):
        return None
    known = window.unseen.most_common()
    named = [f"{category_words(name)} {share_words(count / n)}" for name, count in known[:_NAMED]]
    if not named:  # a flood of names, none of them kept
        return f"new categories {share_words(after / n)}, no two values alike"
    more = len(known) - len(named)
    what = "new category" if len(known) == 1 and not window.unseen.other else "new categories"
    words = f"{what} {', '.join(named)}"
    if more or window.unseen.other:
        words += f" and more, {share_words(after / n)} together"
    renamed = _respelt(reference, window)
    return f"{words} ({renamed})" if renamed else words


def _respelt(reference: CategoricalSummary, window: CategoricalSummary) -> str:
    """Say which new category is a lost one in another spelling."""
    lost = {
        _folded(name): name
        for name, before, after in zip(
            reference.layout.categories, reference.counts.tolist(), window.counts.tolist(), strict=True
        )
        if before and not after
    }
    pairs = [(lost[_folded(name)], name) for name, _ in window.unseen.most_common() if _folded(name) in lost]
    return ", ".join(f"{category_words(a)} spelt otherwise" for a, _ in pairs[:_NAMED])


def _folded(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def lost_category_words(reference: AnyColumnSummary, window: AnyColumnSummary) -> str | None:
    """Categories of 2 % or more each came no more, which is beyond chance for each, and they account for the drift."""
    if not (isinstance(reference, CategoricalSummary) and isinstance(window, CategoricalSummary)):
        return None
    m, n = reference.n_valid, window.n_valid
    if not (m and n):
        return None
    lost = [
        (before / m, name)
        for name, before, after in zip(
            reference.layout.categories, reference.counts.tolist(), window.counts.tolist(), strict=True
        )
        if not after and before >= _LOST_SHARE * m and share_rise_p_value(before, m, 0, n) < _FALSE_ALARM
    ]
    if not lost or sum(share for share, _ in lost) < _MOST_OF_THE_DRIFT * moved_share(reference, window):
        return None
    lost.sort(key=lambda pair: (-pair[0], pair[1]))
    named = ", ".join(f"{category_words(name)} (was {share_words(share)})" for share, name in lost[:_NAMED])
    more = len(lost) - _NAMED
    gone = "category" if len(lost) == 1 else "categories"
    return f"lost {gone} {named}" + (f" and {more} more" if more > 0 else "")


def range_words(reference: AnyColumnSummary, window: AnyColumnSummary) -> str | None:
    """Values where the reference has none rose beyond chance and account for the drift.

    Where the reference has a cell for each of its values: values in no such cell. Otherwise: values in an open cell at the end, where the
    extreme lies beyond the reference's by half of the reference's whole range or more, if they are no more than half of all values.
    """
    if not (isinstance(reference, NumericSummary) and isinstance(window, NumericSummary)):
        return None
    m, n = reference.n_valid, window.n_valid
    if not (m and n):
        return None
    for before, after, words in _outside(reference, window):
        rise = after / n - before / m
        if rise <= 0 or share_rise_p_value(after, n, before, m) >= _FALSE_ALARM:
            continue
        if rise >= _MOST_OF_THE_DRIFT * moved_share(reference, window):
            return f"{share_words(after / n)} of values {words}"
    return None


def _outside(reference: NumericSummary, window: NumericSummary) -> list[tuple[int, int, str]]:
    """Counts of both sides in cells that hold what the reference does not, with words for them."""
    edges = reference.layout.edges
    places = np.searchsorted(edges, reference.layout.atoms) + 1
    on_atoms_before, on_atoms_after = int(reference.counts[places].sum()), int(window.counts[places].sum())
    if places.size and on_atoms_before == reference.n_valid:
        return [
            (
                0,
                window.n_valid - on_atoms_after,
                f"are none of the {places.size} that the reference has; they lie between {number_words(window.minimum)} and {number_words(window.maximum)}"
                if places.size > 1
                else f"are not {number_words(reference.minimum)}",
            )
        ]
    if not edges.size:
        return []
    length = reference.maximum - reference.minimum
    found = []
    if window.maximum - reference.maximum > _FAR * length and window.counts[-1] <= _MINORITY * window.n_valid:
        words = f"from {number_words(float(edges[-1]))} on, up to {number_words(window.maximum)} (was at most {number_words(reference.maximum)})"
        found.append((int(reference.counts[-1]), int(window.counts[-1]), words))
    if reference.minimum - window.minimum > _FAR * length and window.counts[0] <= _MINORITY * window.n_valid:
        words = f"below {number_words(float(edges[0]))}, down to {number_words(window.minimum)} (was at least {number_words(reference.minimum)})"
        found.append((int(reference.counts[0]), int(window.counts[0]), words))
    return found
