"""What a statistic is: its name, what it applies to, and its functions of the summaries of a reference and a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from stream_gov.summaries import ColumnSummary, CovarianceSummary, PaneSummary

__all__ = ["ANY_KIND", "CATEGORICAL", "NUMERIC", "Statistic"]

ANY_KIND = frozenset({"numeric", "categorical", "boolean"})
NUMERIC = frozenset({"numeric"})
CATEGORICAL = frozenset({"categorical"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One statistic of the catalogue.

    The functions take the summary of the reference and that of the window, in this order: of a column where `scope` is `"column"`, of a pane
    where it is `"model"`, the covariance of a vector's projections where it is `"vector"`. Both have the same layout. None of them decides anything. Where `scope` is `"verdicts"` there is only `compute`, and it takes
    the columns that checks apply to, and the verdicts of each.
    """

    name: str
    """As in the monitor file and in results."""
    scope: Literal["column", "vector", "model", "verdicts"] = "column"
    kinds: frozenset[str] = ANY_KIND
    """Kinds of column it applies to; empty for a statistic of the model or of vectors."""
    unit: str
    """Of the value and of a threshold."""
    range: str
    description: str
    """One sentence for people: what the value means, and the tolerance where that is something else."""
    undefined: str = "one side has no values"
    """When the value is `nan`, in words that end the sentence "undefined: ..."."""
    signed: bool = False
    """Whether the value has a direction; a threshold is then compared with its size."""
    counts: Literal["values", "rows", "complete_rows"] = "values"
    """What the sample size counts: valid values, events whether their value is valid or not, or events in which no numeric column is missing."""
    compute: Callable[[Any, Any], float]
    """(reference, window) -> value, `nan` where it is undefined."""
    p_value: Callable[[Any, Any], float] | None = None
    """(reference, window) -> p-value of "no change"; None if there is no sound test."""
    calibrated: Callable[[Any, Any, float], float] | None = None
    """(reference, window, tolerance) -> p-value of "the true distance is within the tolerance"; None if there is no sound test."""
    long_run: Callable[[Any, Any, float, Any], float] | None = None
    """The same where draws depend on the draws before them as the reference's long-run covariance says; the larger p-value counts."""

    tolerated_over: Callable[[Any], float] | None = None
    """(reference) -> value from which a tolerance is measured; None: from 0."""

    def applies_to(self, kind: str) -> bool:
        """Tell whether it can be computed for a column of this kind (`numeric`, `categorical` or `boolean`)."""
        return kind in self.kinds

    def sample_sizes(
        self,
        reference: ColumnSummary | PaneSummary | CovarianceSummary,
        window: ColumnSummary | PaneSummary | CovarianceSummary,
    ) -> tuple[int, int]:
        """Sizes of reference and window that it rests on."""
        return self._sample_size(reference), self._sample_size(window)

    def _sample_size(self, summary: ColumnSummary | PaneSummary | CovarianceSummary) -> int:
        if isinstance(summary, CovarianceSummary):
            return summary.n
        if isinstance(summary, PaneSummary):
            # Without joint moments the value is undefined, and the reason to state is that, not a lack of rows.
            joint = summary.covariance if self.counts == "complete_rows" else None
            return summary.n_events if joint is None else joint.n
        return summary.n_valid if self.counts == "values" else summary.n
