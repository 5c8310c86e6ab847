"""Texts and vectors of a reference: what is learnt of them beforehand, and rows with the columns that are derived from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import DataError
from stream_gov.reference.rows import ColumnValues, RowBatch
from stream_gov.summaries import (
    LARGEST_DIMENSION,
    N_WORD_HASHES,
    Derivation,
    TextDerivation,
    VectorDerivation,
    text_blocks,
)
from stream_gov.summaries.derived_values import is_missing

__all__ = ["LEAST_ROWS_OF_A_WORD", "MAX_VOCABULARY", "DerivationScan", "derive_rows"]

MAX_VOCABULARY = 4_096
"""Words of a vocabulary; of English they make up some nine tenths of what is written."""
LEAST_ROWS_OF_A_WORD = 5
"""Rows that a word of the vocabulary is in, at least: a name that stands in one row is not in the profile, not even as a hash."""


class DerivationScan:
    """A pass over the rows before all others: the words that texts use often, and how many numbers vectors have.

    Parameters
    ----------
    declared
        Columns of texts and of vectors.

    Notes
    -----
    A function of the rows, whatever their order and the sizes of the batches. Memory: 8 MB for each column of texts, however many words it has.
    """

    def __init__(self, declared: Mapping[str, Literal["text", "vector"]]) -> None:
        self.declared = dict(declared)
        self.n_rows = 0
        self._n_missing = Counter[str]()
        self._rows_of_word: dict[str, NDArray[np.int64]] = {
            name: np.zeros(N_WORD_HASHES, np.int64) for name, kind in self.declared.items() if kind == "text"
        }
        self._n_texts = Counter[str]()
        self._lengths: dict[str, Counter[int]] = {
            name: Counter() for name, kind in self.declared.items() if kind == "vector"
        }

    def update(self, batch: RowBatch) -> None:
        """Add rows."""
        self.n_rows += batch.n_rows
        for name in self.declared:
            values = _as_json(batch.columns.get(name, [None] * batch.n_rows))
            self._n_missing[name] += sum(map(is_missing, values))
            if name in self._lengths:
                lengths = Counter(len(value) for value in values if type(value) is list)
                self._lengths[name].update({n: count for n, count in lengths.items() if 1 <= n <= LARGEST_DIMENSION})
                continue
            texts = [value for value in values if type(value) is str]
            self._n_texts[name] += len(texts)
            for block in text_blocks(texts):
                text_of_word = np.repeat(np.arange(block.starts.size), np.diff(block.first_words))
                once = np.unique(text_of_word * N_WORD_HASHES + block.words) % N_WORD_HASHES
                np.add.at(self._rows_of_word[name], once, 1)

    def derivations(self) -> tuple[Derivation, ...]:
        """How each column is derived; without those that have no value at all, of which nothing can be learnt.

        Raises
        ------
        DataError
            A column has values, but none of its declared type.
        """
        found: list[Derivation] = []
        for name, kind in self.declared.items():
            is_there = self._n_texts[name] if kind == "text" else self._lengths[name]
            if is_there:
                found.append(self._text(name) if kind == "text" else self._vector(name))
            elif self._n_missing[name] < self.n_rows:
                wanted = "a text" if kind == "text" else f"a list of 1 to {LARGEST_DIMENSION:,} numbers"
                msg = (
                    f"column {name!r}: `columns.types` says {kind}, but none of its {self.n_rows - self._n_missing[name]} values is "
                    f"{wanted}; write the type it has, or leave the column out"
                )
                raise DataError(msg)
        return tuple(found)

    def _text(self, name: str) -> TextDerivation:
        rows = self._rows_of_word[name]
        often = np.flatnonzero(rows >= LEAST_ROWS_OF_A_WORD)
        ranked = often[np.argsort(-rows[often], kind="stable")]
        return TextDerivation(name, np.sort(ranked[:MAX_VOCABULARY]).astype(np.uint32))

    def _vector(self, name: str) -> VectorDerivation:
        lengths = self._lengths[name]
        return VectorDerivation(name, max(lengths, key=lambda n: (lengths[n], -n)))


def derive_rows(batch: RowBatch, derivations: Sequence[Derivation]) -> RowBatch:
    """Put derived columns in the place of their sources, at the end.

    A value of a wrong type is infinite in them, which no column of numbers takes for a value; a missing one is NaN.

    Raises
    ------
    DataError
        A column of the data has the name of a derived one.
    """
    if not derivations:
        return batch
    sources = {derivation.source for derivation in derivations}
    columns: dict[str, ColumnValues] = {name: v for name, v in batch.columns.items() if name not in sources}
    for derivation in derivations:
        for name in derivation.columns:
            if name in columns:
                msg = (
                    f"the data has a column {name!r}, which is the name of a column derived from {derivation.source!r} ({derivation.kind}); "
                    "rename it, or leave it out"
                )
                raise DataError(msg)
        values = _as_json(batch.columns.get(derivation.source, [None] * batch.n_rows))
        derived = derivation.derive(values, range(batch.n_rows))
        derived.numbers[:, derived.wrong] = np.inf
        columns.update(zip(derivation.columns, derived.numbers, strict=True))
    return RowBatch(columns, batch.n_rows, batch.times_ms, batch.versions)


def _as_json(values: ColumnValues) -> Sequence[object]:
    listed: Sequence[object] = values.tolist() if isinstance(values, np.ndarray) else values
    return listed
