"""Letters, digits and punctuation: a class for every character, the same on each version of Python."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIGIT", "IDEOGRAPH", "LETTER", "OTHER", "PUNCTUATION", "character_classes", "lower_case"]

OTHER, DIGIT, PUNCTUATION, LETTER, IDEOGRAPH = range(5)
"""Classes. Punctuation has symbols in it; letters have the marks that stand on them; an ideograph is a letter that is a word of its own."""

_N_CODE_POINTS = 0x110000
_FIRST_UNKNOWN = 0x30000
# `unicodedata` grows with Python, and a worker must count what the builder counted. Python ships one frozen version, 3.2.0 of 2002, which
# has the scripts that most people write. What came later counts by where it stands: symbols in the blocks of symbols, letters elsewhere.
_FROZEN = unicodedata.ucd_3_2_0
_CLASS_OF_CATEGORY = {"L": LETTER, "M": LETTER, "Nd": DIGIT, "P": PUNCTUATION, "S": PUNCTUATION}
_LATER_SYMBOLS = ((0x2000, 0x2C00), (0x2E00, 0x2E80), (0x1F000, 0x1FB00))
# Scripts without spaces between words, of which a character is about a word.
_IDEOGRAPHS = ((0x3040, 0x30A0), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, _FIRST_UNKNOWN))
_LATER_IDEOGRAPHS = slice(_FIRST_UNKNOWN, 0x40000)


@cache
def character_classes() -> NDArray[np.uint8]:
    """Class of each code point, shape `(0x110000,)`.

    Examples
    --------
    >>> [int(character_classes()[ord(c)]) for c in " 7,+aé漢"]
    [0, 1, 2, 2, 3, 3, 4]
    """
    classes = np.zeros(_N_CODE_POINTS, np.uint8)
    categories = [_FROZEN.category(chr(code)) for code in range(_FIRST_UNKNOWN)]
    classes[:_FIRST_UNKNOWN] = [_class_of(code, category) for code, category in enumerate(categories)]
    for start, end in _IDEOGRAPHS:
        block = classes[start:end]
        block[block == LETTER] = IDEOGRAPH
    classes[_LATER_IDEOGRAPHS] = IDEOGRAPH
    classes.flags.writeable = False
    return classes


def _class_of(code: int, category: str) -> int:
    if category == "Cn":
        return PUNCTUATION if any(start <= code < end for start, end in _LATER_SYMBOLS) else LETTER
    return _CLASS_OF_CATEGORY.get(category, _CLASS_OF_CATEGORY.get(category[0], OTHER))


@cache
def lower_case() -> NDArray[np.uint32]:
    """Code point of the small letter of each, shape `(0x110000,)`; itself where there is none, or more than one.

    Examples
    --------
    >>> "".join(chr(lower_case()[ord(c)]) for c in "Ärger")
    'ärger'
    """
    small = np.arange(_N_CODE_POINTS, dtype=np.uint32)
    for code in range(_FIRST_UNKNOWN):
        lower = chr(code).lower()
        if len(lower) == 1 and ord(lower) != code and _FROZEN.category(chr(code)) != "Cn":
            small[code] = ord(lower)
    small.flags.writeable = False
    return small
