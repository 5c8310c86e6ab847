"""Words of texts, as hashes: counted and compared without being kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries.character_classes import IDEOGRAPH, LETTER, character_classes, lower_case

__all__ = ["N_WORD_HASHES", "TextBlock", "text_blocks"]

_HASH_BITS = 20
N_WORD_HASHES = 2**_HASH_BITS
"""Values of the hash of a word. Few enough that each stands for thousands of possible words, many enough to tell 4,096 words from all others
but one in 256."""

_BLOCK_CHARACTERS = 65_536
"""Characters looked at together: their arrays stay in a processor's cache."""
_LONGEST = 64
"""Letters of a word that are hashed."""


def _powers() -> NDArray[np.uint64]:
    base, powers = 0x9E3779B97F4A7C15, [1]
    for _ in range(_LONGEST - 1):
        powers.append(powers[-1] * base % 2**64)
    return np.array([*powers, 0], np.uint64)


_POWERS = _powers()


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Some texts, taken apart.

    Words are runs of letters, small and capital ones alike; each ideograph is a word of its own.
    """

    first: int
    """Position of the first text among those given."""
    starts: NDArray[np.intp]
    """Where each text begins in `classes`, shape `(m,)`."""
    classes: NDArray[np.uint8]
    """Class of each character; one that is in no class follows each text."""
    first_words: NDArray[np.intp]
    """Number of the first word of each text among the words of the block, and that of all words at the end, shape `(m + 1,)`."""
    words: NDArray[np.uint32]
    """Hash of each word, `0 .. N_WORD_HASHES - 1`."""

    def count_of(self, character_class: int) -> NDArray[np.int64]:
        """Characters of a class in each text, shape `(m,)`."""
        return np.add.reduceat(self.classes == character_class, self.starts, dtype=np.int64)

    def count_words(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many words of each text are chosen, given one truth for each word; shape `(m,)`."""
        total = np.concatenate([[0], np.cumsum(chosen)])
        counts: NDArray[np.int64] = np.diff(total[self.first_words])
        return counts


def text_blocks(texts: Sequence[str]) -> Iterator[TextBlock]:
    """Take texts apart, some at a time; what comes of a text does not depend on its company.

    Notes
    -----
    The hash of a word of letters `c_0, c_1, ...` is that of SplitMix64 of `sum(c_i * b**i) mod 2**64`, `b` an odd constant, its 20 highest
    bits. Letters from the 65th on count for nothing.

    References
    ----------
    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
    """
    start, size = 0, 0
    for end, text in enumerate(texts):
        size += len(text) + 1
        if size > _BLOCK_CHARACTERS and end > start:
            yield _block(texts[start:end], start)
            start, size = end, len(text) + 1
    if start < len(texts):
        yield _block(texts[start:], start)


def _block(texts: Sequence[str], first: int) -> TextBlock:
    codes = np.frombuffer("\n".join([*texts, ""]).encode("utf-32-le", "surrogatepass"), np.uint32)
    starts = np.zeros(len(texts), np.intp)
    np.cumsum([len(text) + 1 for text in texts[:-1]], out=starts[1:])
    classes = character_classes()[codes]
    is_letter = classes >= LETTER
    begins = is_letter.copy()
    begins[1:] &= ~is_letter[:-1]
    if is_letter.any() and classes.max() == IDEOGRAPH:
        alone = classes == IDEOGRAPH
        begins |= alone
        begins[1:] |= alone[:-1] & is_letter[1:]
    letters = np.flatnonzero(is_letter)
    begins_of_words = np.flatnonzero(begins[letters])
    words = _hashes(lower_case()[codes[letters]], begins_of_words)
    first_words = np.append(letters[begins_of_words].searchsorted(starts), words.size)
    return TextBlock(first, starts, classes, first_words, words)


def _hashes(letters: NDArray[np.uint32], begins: NDArray[np.intp]) -> NDArray[np.uint32]:
    """Hash of each word, given the letters of all of them in a row and where each begins."""
    if not begins.size:
        return np.empty(0, np.uint32)
    lengths = np.diff(begins, append=letters.size)
    places = np.arange(letters.size) - np.repeat(begins, lengths)
    z = np.add.reduceat(letters * _POWERS[np.minimum(places, _LONGEST)], begins)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    hashes: NDArray[np.uint32] = (z >> np.uint64(64 - _HASH_BITS)).astype(np.uint32)
    return hashes
