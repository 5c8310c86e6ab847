"""Numbers that stand for a text: its length, what it is made of, and how many of its words are new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries.character_classes import DIGIT, IDEOGRAPH, LETTER, PUNCTUATION
from stream_gov.summaries.derived_values import DerivedValues, is_missing
from stream_gov.summaries.words import N_WORD_HASHES, text_blocks

__all__ = ["TextDerivation"]

_FEATURES = ("length", "words", "letters", "digits", "punctuation", "out_of_vocabulary")


@dataclass(frozen=True, eq=False)
class TextDerivation:
    """Derives numeric columns from a column of texts.

    Parameters
    ----------
    source
        The column of texts. Its columns are `<source>.length` (characters), `.words` (their number), `.letters`, `.digits` and `.punctuation`
        (shares of the characters, in `[0, 1]`; missing for an empty text), and `.out_of_vocabulary` (share of the words that are not in the
        vocabulary; missing for a text without words).
    vocabulary
        Hashes of the words that the reference uses often, rising, shape `(v,)`.

    Notes
    -----
    Error: a word that is not in the vocabulary is taken for one of it with chance `v / 2**20`; all else is exact.
    """

    source: str
    vocabulary: NDArray[np.uint32]

    kind: Literal["text"] = field(default="text", init=False)

    def __post_init__(self) -> None:
        known = self.vocabulary
        if known.ndim != 1 or np.any(known >= N_WORD_HASHES) or np.any(known[1:] <= known[:-1]):
            msg = f"the vocabulary of {self.source!r} must be rising hashes below {N_WORD_HASHES}, got {known!r}"
            raise ValueError(msg)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TextDerivation)
            and self.source == other.source
            and np.array_equal(self.vocabulary, other.vocabulary)
        )

    def __hash__(self) -> int:
        return hash((self.source, self.vocabulary.tobytes()))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the derived columns."""
        return tuple(f"{self.source}.{feature}" for feature in _FEATURES)

    @property
    def joint(self) -> tuple[str, ...]:
        """Derived columns whose joint covariance is kept: none."""
        return ()

    @cached_property
    def _known(self) -> NDArray[np.uint8]:
        """One bit for each hash: 128 kB."""
        known = np.zeros(N_WORD_HASHES, np.bool_)
        known[self.vocabulary] = True
        return np.packbits(known, bitorder="little")

    def derive(self, values: Sequence[Any], doubtful: Sequence[int]) -> DerivedValues:
        """Derive the columns of some rows.

        Parameters
        ----------
        values
            JSON values of the source.
        doubtful
            Positions of values that may be anything; the others are texts or None.
        """
        wrong: list[int] = []
        if doubtful:
            values = list(values)
            for i in doubtful:
                if type(values[i]) is not str:
                    if not is_missing(values[i]):
                        wrong.append(i)
                    values[i] = None
        derived = np.full((len(_FEATURES), len(values)), np.nan)
        rows = [i for i, value in enumerate(values) if value is not None]
        if len(rows) == len(values):
            self._fill(derived, values)
        elif rows:
            filled = np.full((len(_FEATURES), len(rows)), np.nan)
            self._fill(filled, [values[i] for i in rows])
            derived[:, rows] = filled
        return DerivedValues(derived, wrong)

    def _fill(self, derived: NDArray[np.float64], texts: Sequence[str]) -> None:
        """Write the features of texts, shape `(6, len(texts))`; what is undefined is left alone."""
        for block in text_blocks(texts):
            m = block.starts.size
            lengths = np.diff(block.starts, append=block.classes.size) - 1
            part = derived[:, block.first : block.first + m]
            words = np.diff(block.first_words)
            part[0], part[1] = lengths, words
            letters = block.count_of(LETTER) + block.count_of(IDEOGRAPH)
            counts = letters, block.count_of(DIGIT), block.count_of(PUNCTUATION)
            for share, count in zip(part[2:5], counts, strict=True):
                np.divide(count, lengths, out=share, where=lengths > 0)
            is_new = (self._known[block.words >> 3] >> (block.words & 7) & 1) == 0
            np.divide(block.count_words(is_new), words, out=part[5], where=words > 0)

    def to_state(self) -> list[Any]:
        """Plain data, for a file."""
        return [self.kind, self.source, self.vocabulary.astype("<u4").tobytes()]

    @classmethod
    def from_state(cls, state: list[Any]) -> TextDerivation:
        """Read what :meth:`to_state` gave."""
        _, source, vocabulary = state
        return cls(source, np.frombuffer(vocabulary, "<u4").astype(np.uint32))
