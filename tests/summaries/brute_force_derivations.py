"""Derives columns from a text or a vector slowly and obviously: one character and one number at a time, in whole numbers and fractions."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from stream_gov.summaries import TextDerivation, VectorDerivation

MASK = 2**64 - 1


def kind_of(char: str) -> str:
    code, category = ord(char), unicodedata.ucd_3_2_0.category(char)
    if code >= 0x30000:
        return "ideograph" if code < 0x40000 else "other"
    if category == "Cn":
        symbols = 0x2000 <= code < 0x2C00 or 0x2E00 <= code < 0x2E80 or 0x1F000 <= code < 0x1FB00
        category = "So" if symbols else "Lo"
    if category[0] in "LM":
        blocks = ((0x3040, 0x309F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FFFF))
        return "ideograph" if any(low <= code <= high for low, high in blocks) else "letter"
    if category == "Nd":
        return "digit"
    return "punctuation" if category[0] in "PS" else "other"


def words_of(text: str) -> list[str]:
    words: list[str] = []
    before = "other"
    for char in text:
        kind = kind_of(char)
        if kind == "ideograph" or (kind == "letter" and before != "letter"):
            words.append(char)
        elif kind == "letter":
            words[-1] += char
        before = kind
    return words


def hash_of(word: str) -> int:
    total, power = 0, 1
    for char in word[:64]:
        lower = char.lower()
        is_known = len(lower) == 1 and ord(char) < 0x30000 and unicodedata.ucd_3_2_0.category(char) != "Cn"
        total += ord(lower if is_known else char) * power
        power = power * 0x9E3779B97F4A7C15 & MASK
    z = total & MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return (z ^ z >> 31) >> 44


def of_text(derivation: TextDerivation, value: Any) -> list[float] | str:
    """Values of the derived columns; `missing` or `wrong` where there are none, NaN for one that is undefined."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    if not isinstance(value, str):
        return "wrong"
    kinds = [kind_of(char) for char in value]
    words, known = words_of(value), set(derivation.vocabulary.tolist())
    n, nan = len(value), math.nan
    shares = [
        sum(kind in wanted for kind in kinds) / n if n else nan
        for wanted in (("letter", "ideograph"), ("digit",), ("punctuation",))
    ]
    new = sum(hash_of(word) not in known for word in words)
    return [float(n), float(len(words)), *shares, new / len(words) if words else nan]


def signs_of(derivation: VectorDerivation) -> list[list[int]]:
    """By projection."""
    row = -(-derivation.dimension // 8)
    data = hashlib.shake_256(b"stream-gov %d" % derivation.seed).digest(row * derivation.k)
    return [
        [-1 if data[j * row + i // 8] >> i % 8 & 1 else 1 for i in range(derivation.dimension)]
        for j in range(derivation.k)
    ]


def rounded(value: Fraction) -> int:
    return round(value)  # half to even, as floats are rounded


def of_vector(derivation: VectorDerivation, value: Any) -> list[float] | str:
    """Length and projections; `missing` or `wrong` where there are none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    if not isinstance(value, list) or len(value) != derivation.dimension:
        return "wrong"
    if any(isinstance(x, bool) or not isinstance(x, int | float) for x in value):
        return "wrong"
    try:
        numbers = [float(x) for x in value]
    except OverflowError:
        return "wrong"
    if not all(map(math.isfinite, numbers)):
        return "wrong"
    exponent = max(math.frexp(max(map(abs, numbers)))[1], -900)
    bits = 52 - math.ceil(math.log2(derivation.dimension))
    try:
        steps = [rounded(Fraction(x) * Fraction(2) ** (bits - exponent)) for x in numbers]
        sums = [sum(s * q for s, q in zip(signs, steps, strict=True)) for signs in signs_of(derivation)]
        projected = [math.ldexp(float(total), exponent - bits) / math.sqrt(derivation.k) for total in sums]
        coarse = [rounded(Fraction(x) * Fraction(2) ** (bits // 2 - exponent)) for x in numbers]
        with localcontext() as context:
            context.prec = 60
            root = float(Decimal(sum(q * q for q in coarse)).sqrt())
        fraction, power = math.frexp(root)
        norm = math.ldexp(float(round(fraction * 2**20)), power - 20 + exponent - bits // 2)
    except OverflowError:
        return "wrong"
    return [norm, *projected]
