"""Random messages, good and bad, built from fragments of raw JSON so that nothing is tidied up on the way."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from stream_gov.contracts import ColumnSelection
from stream_gov.decoding import CountingPlan
from stream_gov.summaries import (
    BooleanLayout,
    CategoricalLayout,
    ColumnLayout,
    Derivation,
    NumericLayout,
    PaneLayout,
    TextDerivation,
    VectorDerivation,
)
from tests.summaries.brute_force_derivations import hash_of

HOUR = 3_600_000
NOW = 1_700_000_000_000

X = NumericLayout(np.array([-1.0, 0.0, np.nextafter(0.0, 1.0), 2.5]), np.array([0, 1, 2, 3, 3]), 0.5, 1.5)
Y = NumericLayout(np.empty(0), np.array([0]), 0.0, 1e-3)
REGION = CategoricalLayout(("NSW", "VIC", "(missing)"))
CODE = CategoricalLayout(("1", "2", "0.5", "3000"), dtype="number")

NEW = PaneLayout(
    "a@2",
    {
        "x": X,
        "region": REGION,
        "code": CODE,
        "flag": BooleanLayout(),
        "y": Y,
        "prediction": NumericLayout(np.array([0.5]), np.array([0, 1]), 0.5, 0.25),
    },
    covariance=True,
)
OLD = PaneLayout("a@1", {"y": CategoricalLayout(("1",), dtype="number"), "x": Y, "code": Y, "gone": REGION})
SCORED = PaneLayout("s@1", {"score.good": X, "score.bad": Y, "prediction": CategoricalLayout(("good", "bad")), "x": X})
SCORE = PaneLayout("t@1", {"score": X, "prediction": BooleanLayout()})
BOTH_SCORES = PaneLayout("u@1", {"score": X, "score.good": Y})
STRANGE = PaneLayout("w@1", {'a "quoted" name': X, "line\nbreak": REGION, "ümlaut": X})


def derived(profile: str, own: dict[str, ColumnLayout], *derivations: Derivation, covariance: bool) -> PaneLayout:
    columns = {**own, **{name: X for derivation in derivations for name in derivation.columns}}
    return PaneLayout(profile, columns, covariance, derivations)


KNOWN_WORDS = TextDerivation("region", np.array(sorted(map(hash_of, ("NSW", "vic"))), np.uint32))
DERIVED = derived("d@2", {"x": X}, KNOWN_WORDS, VectorDerivation("emb", 2, 3, 1), covariance=True)
DERIVED_ALIKE = derived("d@1", {"region": REGION}, VectorDerivation("emb", 2, 3, 1), covariance=False)
DERIVED_OTHERWISE = derived(
    "e@1", {}, TextDerivation("region", np.empty(0, np.uint32)), VectorDerivation("emb", 3, 2), covariance=False
)
DERIVED_PREDICTION = derived("f@1", {}, TextDerivation("prediction", np.empty(0, np.uint32)), covariance=False)

PLANS = {
    plan.model: plan
    for plan in (
        CountingPlan(
            "m",
            (NEW,),
            HOUR,
            (("region",), ("region", "flag"), ("code",)),
            frozenset({"region=NSW", "region=(missing)", "region=VIC,flag=true", "code=1"}),
            columns=ColumnSelection(exclude=("nuisance",)),
        ),
        CountingPlan("two", (NEW, OLD), HOUR, (("elsewhere",),), frozenset({"elsewhere=1", "elsewhere=true"})),
        CountingPlan("scored", (SCORED,), 1_000, (("prediction",),), None, max_segments=2),
        CountingPlan("score", (SCORE,), HOUR),
        CountingPlan("both", (BOTH_SCORES,), HOUR),
        CountingPlan("derived", (DERIVED,), HOUR, (("x",),), frozenset({"x=1"})),
        CountingPlan("derived-twice", (DERIVED, DERIVED_ALIKE), HOUR),
        CountingPlan("derived-otherwise", (DERIVED, DERIVED_OTHERWISE), HOUR),
        CountingPlan("derived-prediction", (DERIVED_PREDICTION,), HOUR),
        CountingPlan("strange", (STRANGE,), HOUR),
        CountingPlan("open", (), HOUR, (("region",),), None, max_segments=2, columns=ColumnSelection(exclude=("y",))),
    )
}

TEXTS = ['"NSW"', '"VIC"', '"TAS"', '""', '"good"', '"1"', '"true"', '"(missing)"', '"\\u00fcber"', '"über"']
NUMBERS = [
    "0", "1", "2", "-0", "-0.0", "0.5", "2.5", "1.0", "3000", "1e3", "-7.25", "0.1", "1e308", "-1e308", "1E-320",
    "9007199254740993", "123456789012345678901234567890",
]  # fmt: skip
ODD_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "9" * 5_000]
OTHERS = ["true", "false", "null"]
VECTORS = [
    "[1, 2]", "[0.5,-1.25]", "[0,0]", "[1e308, 1e308]", "[1, 2, 3]", "[1, null]", "[true, 1]", '["1", "2"]', "[NaN, 1]", "[1, 1e999]",
    "[[1], 2]", "[9007199254740993, 1]", "[%s, 1]" % ("9" * 400),
]  # fmt: skip
NESTED = ["[]", "[1, 2]", "{}", '{"a": [{}]}', "[" * 99 + "]" * 99, '"\\ud800"']

any_value = st.one_of(*map(st.sampled_from, (NUMBERS, NUMBERS, TEXTS, OTHERS, OTHERS, ODD_NUMBERS, NESTED, VECTORS)))
NAMES = ["emb", "emb.0", "region.length", "x", "y", "region", "code", "flag", "gone", "elsewhere", "nuisance", "new", "newer", "prediction", "score",
         "score.good", "ümlaut", 'a \\"quoted\\" name', "line\\nbreak"]  # fmt: skip
TYPICAL = {
    "x": st.sampled_from(NUMBERS),
    "y": st.sampled_from(NUMBERS),
    "region": st.sampled_from(TEXTS),
    "code": st.sampled_from(NUMBERS),
    "flag": st.sampled_from(OTHERS),
    "score.good": st.sampled_from(NUMBERS),
    "emb": st.sampled_from([*VECTORS[:3], *VECTORS[:3], *VECTORS]),
}


def members(pairs: list[tuple[str, str]], space: str) -> str:
    return "{" + f",{space}".join(f'"{name}":{space}{value}' for name, value in pairs) + "}"


tidy_features = st.fixed_dictionaries({}, optional=TYPICAL).map(lambda d: members(list(d.items()), ""))
wild_features = st.lists(st.tuples(st.sampled_from(NAMES), any_value), max_size=6).map(lambda p: members(p, " "))
no_features = st.sampled_from(["null", "[]", "3", '"x"', '{"x":}', "{"])

good_times = st.one_of(
    st.integers(NOW - 3 * HOUR, NOW).map(str),
    st.sampled_from(
        ['"2023-11-14T22:13:20Z"', '"2023-11-15T09:13:20.123456+11:00"', '"2023-11-14t21:13:20.5z"',
         '"2023-11-14 20:00:00.000-00:30"', "1700000000000.75", "1.7e12"]
    ),
)  # fmt: skip
bad_times = st.sampled_from(
    ["1700000000", "1700000000.5", "0", "-5", "86400000", "200000000000", '"1970-01-01T00:00:00Z"', "1800000000000",
     "1700000000000000", "1e30", "9" * 400, '"9999-12-31T23:59:59-23:59"', '"2023-11-14T22:13:20"', '"2023-02-30T00:00:00Z"',
     '"soon"', '""', "null", "true", "[]", "NaN", "1e999", '"2023-11-14T25:00:00Z"', '"2023-11-14"']
)  # fmt: skip


def field(name: str, *values: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.one_of(*values).map(lambda value: [(name, value)])


usual = [st.integers(0, 40).map(lambda i: f'"e{i}"')]
good_event = st.tuples(
    field("event_id", *usual),
    field("model", st.sampled_from([f'"{model}"' for model in PLANS])),
    field("version", st.sampled_from(['"1"', '"1"', '"2"'])),
    field("timestamp", good_times),
    field("features", tidy_features),
    st.one_of(st.just([]), field("prediction", st.sampled_from([*NUMBERS, '"good"', "true", "null"]))),
    st.one_of(st.just([]), field("scores", st.sampled_from(['{"good":0.25,"bad":1}', "0.5", "null", '{"good":null}']))),
)
wild_event = st.tuples(
    st.one_of(field("event_id", *usual), field("event_id", st.sampled_from(["7", "null", '"\\ud800"'])), st.just([])),
    st.one_of(
        field("model", st.sampled_from([f'"{model}"' for model in PLANS])),
        field("model", st.sampled_from(['"unknown"', '"nobody"', "7", "null", '""', '"\\u006d"'])),
        st.just([]),
    ),
    st.one_of(field("version", st.sampled_from(['"1"', '"é"', "2", "null"])), st.just([])),
    st.one_of(field("timestamp", good_times), field("timestamp", bad_times), st.just([])),
    st.one_of(
        field("features", tidy_features), field("features", wild_features), field("features", no_features), st.just([])
    ),
    st.one_of(st.just([]), field("prediction", any_value)),
    st.one_of(st.just([]), field("scores", any_value, wild_features)),
    st.one_of(st.just([]), field("metadata", any_value, wild_features)),
    st.one_of(st.just([]), field("surplus", any_value)),
    st.one_of(st.just([]), field("version", st.sampled_from(['"2"', "null"])), field("features", wild_features)),
)


def message_of(fields: tuple[list[tuple[str, str]], ...], space: str, tail: str, swap: int) -> bytes:
    pairs = [pair for group in fields for pair in group]
    pairs = pairs[swap % (len(pairs) + 1) :] + pairs[: swap % (len(pairs) + 1)]
    return (members(pairs, space) + tail).encode("utf-8", "surrogatepass")


def messages_of(event: st.SearchStrategy[tuple[list[tuple[str, str]], ...]], *tails: str) -> st.SearchStrategy[bytes]:
    return st.builds(message_of, event, st.sampled_from(["", " ", "\n "]), st.sampled_from(tails), st.integers(0, 9))


GARBAGE = [
    None, b"", b" ", b"\n", b"{", b"}", b"[]", b"null", b"3", b'"text"', b"{}{}", b"{}\n{}", b"NaN", b"\xff", b"\x00",
    b'{"model":"m"', b"not json", b'{"model":"m","metadata":"\xff"}', b"[" * 10_000, b'{"a":' * 200, b"[" * 101 + b"]" * 101,
    "{}".encode("utf-16"), b"\xef\xbb\xbf{}",
]  # fmt: skip

good_message = messages_of(good_event, "", "", "", "\n")
wild_message = messages_of(wild_event, "", "", "\n", "\r\n", "}", "{}", "\n{}", " x")
any_message = st.one_of(good_message, good_message, good_message, wild_message, wild_message, st.sampled_from(GARBAGE))
