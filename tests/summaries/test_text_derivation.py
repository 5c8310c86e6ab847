from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream_gov.summaries import N_WORD_HASHES, TextDerivation, text_blocks
from stream_gov.summaries import words as words_module
from stream_gov.summaries.character_classes import character_classes, lower_case
from tests.summaries.brute_force_derivations import hash_of, kind_of, of_text, words_of

ENGLISH = "The quick brown fox doesn't jump over 13 lazy dogs; it costs $5.99 (or 5,99 €)!"


def derivation(text: str = "") -> TextDerivation:
    """Knows the words of a text."""
    return TextDerivation("comment", np.array(sorted({hash_of(word) for word in words_of(text)}), np.uint32))


def columns_of(values: list[object], of: TextDerivation | None = None) -> dict[str, list[float]]:
    of = of or derivation(ENGLISH)
    derived = of.derive(values, range(len(values)))
    return {name.removeprefix("comment."): row.tolist() for name, row in zip(of.columns, derived.numbers, strict=True)}


def test_a_sentence_is_taken_apart_as_by_hand():
    found = columns_of([ENGLISH])
    n = len(ENGLISH)
    words = ["The", "quick", "brown", "fox", "doesn", "t", "jump", "over", "lazy", "dogs", "it", "costs", "or"]
    assert found["length"] == [n]
    assert found["words"] == [len(words)]
    assert found["letters"] == [sum(map(len, words)) / n]
    assert found["digits"] == [len("1359959 9".replace(" ", "")) / n]
    assert found["punctuation"] == [len("';$.(,€)!") / n]
    assert found["out_of_vocabulary"] == [0.0]


def test_small_and_capital_letters_make_the_same_word_and_other_words_are_new():
    found = columns_of(["QUICK Fox", "quick fux", "straße ÄRGER", "schnell", "7"], derivation("quick fox ärger"))
    assert found["out_of_vocabulary"][:4] == [0, 0.5, 0.5, 1]
    assert math.isnan(found["out_of_vocabulary"][4])


def test_each_ideograph_is_a_word_and_combining_marks_are_letters():
    assert columns_of(["東京へ行く"])["words"] == [5]
    assert columns_of(["e\u0301te\u0301"])["words"] == [1]
    assert columns_of(["हिन्दी में"])["words"] == [2]


def test_an_empty_text_has_a_length_and_no_shares():
    found = columns_of(["", None, 7, "a"])
    assert found["length"][0] == found["words"][0] == 0
    assert all(math.isnan(found[name][0]) for name in ("letters", "digits", "punctuation", "out_of_vocabulary"))
    assert np.isnan([row[1:3] for row in found.values()]).all()
    assert found["letters"][3] == 1


@pytest.mark.parametrize("value", [7, 4.5, True, ["a"], {"a": "b"}, math.inf])
def test_what_is_no_text_is_a_type_error_and_null_is_missing(value):
    derived = derivation().derive(["a", value, None, math.nan], range(4))
    assert derived.wrong == [1]
    assert np.isnan(derived.numbers[:, 1:]).all()


texts = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x24F), max_size=60),
    st.text(st.sampled_from("aB é漢かﬁ字9٣.,'\n\t \u0301\U0001f600\U00030000\U000e0041"), max_size=30),
    st.sampled_from(["", ENGLISH, "x" * 200, "\ud800", "İstanbul", "ﬀ"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(texts, st.none(), st.integers()), max_size=8), st.integers(1, 40))
@example([ENGLISH, None, "a b", "", ""], 3)
def test_agrees_with_one_character_at_a_time_whatever_the_blocks(values, block):
    of = derivation(ENGLISH + " " + " ".join(v for v in values[::2] if isinstance(v, str)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words_module, "_BLOCK_CHARACTERS", block)
        derived = of.derive(values, range(len(values)))
    for i, value in enumerate(values):
        expected = of_text(of, value)
        assert (i in derived.wrong) == (expected == "wrong")
        row = derived.numbers[:, i].tolist()
        assert repr(row) == repr([math.nan] * 6 if isinstance(expected, str) else expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(texts, st.none()), min_size=1, max_size=20), st.data())
def test_what_comes_of_a_text_does_not_depend_on_its_company(values, data):
    of = derivation(ENGLISH)
    whole = of.derive(values, ()).numbers
    split = data.draw(st.integers(0, len(values)))
    parts = [of.derive(part, ()).numbers for part in (values[:split], values[split:])]
    assert whole.tobytes() == np.concatenate(parts, axis=1).tobytes()


def test_a_huge_text_is_counted_in_full():
    huge = "word 12, " * 100_000
    found = columns_of([huge, "a"], derivation("word"))
    assert found["length"] == [900_000, 1]
    assert found["words"] == [100_000, 1]
    assert found["digits"][0] == pytest.approx(2 / 9)
    assert found["out_of_vocabulary"] == [0, 1]


def test_classes_and_small_letters_are_the_same_on_every_python():
    """The frozen categories and the small letters they are made of were found alike on Python 3.10 to 3.13 (Unicode 13 to 15.1)."""
    assert hashlib.blake2b(character_classes().tobytes(), digest_size=8).hexdigest() == CLASSES
    assert hashlib.blake2b(lower_case().astype("<u4").tobytes(), digest_size=8).hexdigest() == SMALL


CLASSES = "0c3c1be560807086"
SMALL = "9aaf1a1e94e0e5bf"


def test_every_character_has_the_class_of_the_slow_way():
    names = ["other", "digit", "punctuation", "letter", "ideograph"]
    for code in [*range(0x400), *range(0x400, 0x110000, 97)]:
        assert names[character_classes()[code]] == kind_of(chr(code)), hex(code)


def test_hashes_scatter_words_evenly():
    """50,000 words into 2**20 hashes: the number of different ones is within 5 standard deviations of that of balls thrown at random."""
    made = [
        f"{a}{b}{c}"
        for a in "abcdefghijklmnopqrstuvwxy"
        for b in ("er", "ing", "s", "ly")
        for c in map(_letters, range(500))
    ]
    hashes = np.concatenate([block.words for block in text_blocks([" ".join(made)])])
    n, m = len(made), N_WORD_HASHES
    assert hashes.size == n == 50_000
    expected = m * (1 - (1 - 1 / m) ** n)
    spread = math.sqrt(m * math.exp(-n / m) * (1 - (1 + n / m) * math.exp(-n / m)))
    assert abs(np.unique(hashes).size - expected) < 5 * spread


def _letters(number: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


def test_the_vocabulary_is_checked_and_read_back():
    of = derivation(ENGLISH)
    back = TextDerivation.from_state(of.to_state())
    assert back == of
    assert hash(back) == hash(of)
    assert back != derivation("other words")
    assert back != "text"
    for bad in ([2, 1], [1, 1], [N_WORD_HASHES]):
        with pytest.raises(ValueError, match="rising hashes below 1048576"):
            TextDerivation("c", np.array(bad, np.uint32))


def test_no_word_of_the_reference_stands_in_its_state():
    state = repr(derivation("confidential Miller").to_state()).lower()
    assert "confidential" not in state
    assert "miller" not in state
