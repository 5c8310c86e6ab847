from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from stream_gov.contracts import UnreadableProfileError
from stream_gov.reference import PROFILE_FORMAT, ReferenceProfile, split_profile_id
from stream_gov.summaries import NumericSummary, PaneLayout, TextDerivation, VectorDerivation
from tests.summaries.brute_force_derivations import hash_of, of_text, of_vector

GOLDEN = Path(__file__).parents[1] / "golden" / "profiles"


def pack(content: dict, *, version: int = 1) -> bytes:
    """Write a profile as docs/formats/reference-profile.md says, with nothing of the package."""
    body = msgspec.msgpack.encode(content)
    return b"SGRP" + bytes([version]) + hashlib.blake2b(body, digest_size=16).digest() + body


def golden(name: str = "format-1-all-kinds") -> bytes:
    return (GOLDEN / f"{name}.sgref").read_bytes()


def golden_content(name: str = "format-1-all-kinds") -> dict:
    return msgspec.msgpack.decode(golden(name)[21:])


def test_the_golden_profile_of_format_1_is_read():
    profile = ReferenceProfile.from_bytes(golden())

    assert (profile.id, profile.model, profile.version, profile.n_rows) == ("golden@3", "houses", "7", 1_000)
    assert (profile.source, profile.created_ms) == ("golden rows", 1_700_100_000_000)
    assert (profile.first_ms, profile.last_ms) == (1_700_000_000_000, 1_700_059_940_000)
    assert profile.data_hash == "0f842c531aafe3df02545ba965a2d0a3"
    assert profile.ignored == {"ticket": "nearly unique: 1000 distinct values in 1000"}
    assert len(profile.warnings) == 3
    assert profile.column_types["rooms"] == "numeric"


def test_the_golden_profile_has_the_counts_it_was_written_with():
    columns = ReferenceProfile.from_bytes(golden()).segments[""].columns

    assert columns["skewed"].cell_counts().tolist() == [98] * 10
    assert columns["skewed"].n_missing == 20
    assert columns["stock"].cell_counts().tolist() == [100] * 6 + [400]
    assert columns["stock"].layout.atoms.tolist() == [0.0]
    assert columns["rooms"].cell_counts().tolist() == [250, 250, 250, 250, 0]
    assert columns["rooms"].layout.atoms.tolist() == [1, 2, 3, 4]
    assert columns["region"].layout.categories == ("NSW", "VIC")
    assert columns["region"].cell_counts().tolist() == [600, 200, 0]
    assert columns["region"].n_missing == 200
    assert columns["member"].cell_counts().tolist() == [750, 250]
    assert columns["mixed"].n_type_errors == 10
    assert columns["prediction"].cell_counts().tolist() == [666, 334, 0]
    np.testing.assert_allclose(
        [columns["score"].mean(), columns["score"].variance()], [0.4995, 0.0834166751], rtol=1e-6
    )


def test_the_golden_profile_has_its_segments_covariance_and_sketches():
    profile = ReferenceProfile.from_bytes(golden())

    assert profile.segment_columns == (("region",), ("region", "member"))
    assert {name: pane.n_events for name, pane in profile.segments.items()} == {
        "": 1_000,
        "region=NSW": 600,
        "region=VIC": 200,
        "region=(missing)": 200,
        "region=NSW,member=false": 450,
        "region=(other),member=(other)": 550,
    }
    covariance = profile.segments[""].covariance
    assert list(covariance.columns) == ["skewed", "stock", "rooms", "mixed", "score"]
    assert (
        covariance.n == 980 - 0
    )  # rows without a number in `mixed` are those without one in `skewed`, every other time
    assert profile.sketches["skewed"].n_numbers == 980
    assert abs(profile.sketches["score"].quantile(0.5) - 0.5) < 0.02
    assert "ticket" not in profile.sketches


def test_the_least_golden_profile_is_read():
    profile = ReferenceProfile.from_bytes(golden("format-1-least"))

    assert (profile.id, profile.n_rows, profile.first_ms, profile.version) == ("least@1", 2, None, "")
    assert profile.segments[""].columns["x"].cell_counts().tolist() == [1]
    assert profile.segments[""].columns["x"].n_missing == 1


def test_the_golden_profile_with_derived_columns_is_read():
    """The numbers are those of the rows that tests/golden/profiles/README.md describes, derived one by one."""
    profile = ReferenceProfile.from_bytes(golden("format-1-derived"))
    text, vector = profile.layout.derivations
    assert isinstance(text, TextDerivation)
    assert vector == VectorDerivation("emb", 4, 8, 0)
    assert text.vocabulary.tolist() == sorted(map(hash_of, ("order", "late", "broken")))
    rows = range(2_000)
    comments = [
        None if i % 40 == 0 else "order" + " late" * (i % 2 == 0) + " broken!" * (i % 3 == 0) + f" {i}" * (i % 5 == 0)
        for i in rows
    ]
    vectors = [
        None if i % 50 == 0 else [i % 7 / 8, i % 11 / 8, i % 13 / 8, 389 * i % 2_000 / 8_000][: 3 if i == 1 else 4]
        for i in rows
    ]
    columns = profile.segments[""].columns
    for derivation, by_row in (
        (text, [of_text(text, c) for c in comments]),
        (vector, [of_vector(vector, v) for v in vectors]),
    ):
        for j, name in enumerate(derivation.columns):
            again = NumericSummary(columns[name].layout)
            valid = [row[j] for row in by_row if not isinstance(row, str)]
            again.update_values(np.array(valid), n_missing=by_row.count("missing"), n_type_errors=by_row.count("wrong"))
            assert again.to_state() == columns[name].to_state()
    assert profile.segments[""].covariances["emb"].n == 1_959
    assert profile.vector_long_run["emb"].n_blocks == 40
    assert profile.column_types["emb"] == "vector"
    assert ReferenceProfile.from_bytes(profile.to_bytes()).to_bytes() == golden("format-1-derived")


def test_the_golden_profile_with_long_run_covariances_is_read():
    profile = ReferenceProfile.from_bytes(golden("format-1-long-run"))

    long_runs = {name: known.long_run for name, known in profile.long_run.items()}
    assert {name: (known.lag, known.n_blocks, known.block_rows) for name, known in long_runs.items()} == {
        "x": (5, 40, 50),
        "wave": (5, 40, 50),
        "color": (2, 40, 50),
        "flag": (5, 40, 50),
    }
    color = long_runs["color"]
    assert [lag for lag, _ in profile.long_run["color"].spans] == [0, 1, 2]
    np.testing.assert_allclose(color.shares, [0.65, 0.35, 0.0])
    # by hand: blocks of 50 rows of one color, two after another; lag 2 of Bartlett's kernel weighs 1, 2/3, 1/3
    blue = np.repeat([1, 0, 0] * 7, 2)[:40] - 0.35
    by_hand = 50 * (blue @ blue + 2 * (2 / 3 * blue[1:] @ blue[:-1] + 1 / 3 * blue[2:] @ blue[:-2])) / 40
    assert by_hand <= color.covariance[1, 1] < 1.25 * by_hand  # times the correction of the kernel's bias
    assert long_runs["x"].missing.ratio > 50
    assert long_runs["flag"].missing.ratio == 1
    assert profile.extensions == {}


def test_profiles_without_long_run_covariances_are_read_and_written_without():
    for name in ("format-1-all-kinds", "format-1-least"):
        assert ReferenceProfile.from_bytes(golden(name)).long_run == {}
        assert "long_run" not in golden_content(name)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.sgref")), ids=lambda p: p.stem)
def test_a_golden_profile_is_written_again_as_it_was(path):
    data = path.read_bytes()

    assert ReferenceProfile.from_bytes(data).to_bytes() == data


def test_the_golden_files_are_there():
    assert len(list(GOLDEN.glob(f"format-{PROFILE_FORMAT}-*.sgref"))) >= 2


def test_the_layout_of_the_bytes_is_the_documented_one():
    assert pack(golden_content()) == golden()


def test_keys_of_a_later_release_are_kept():
    data = pack({**golden_content("format-1-least"), "long_run_covariance": {"x": [1.5]}})
    profile = ReferenceProfile.from_bytes(data)

    assert profile.extensions == {"long_run_covariance": {"x": [1.5]}}
    again = ReferenceProfile.from_bytes(profile.to_bytes())
    assert again.extensions == profile.extensions


def test_a_later_format_asks_for_an_upgrade():
    data = pack({"all": "new"}, version=2)
    with pytest.raises(
        UnreadableProfileError, match=r"r\.sgref: the profile has format 2, .* format 1; upgrade stream-gov"
    ):
        ReferenceProfile.from_bytes(data, source="r.sgref")


def test_another_file_is_no_profile():
    with pytest.raises(UnreadableProfileError, match=r"this is no reference profile: it starts with b'PK"):
        ReferenceProfile.from_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(UnreadableProfileError, match="this is no reference profile"):
        ReferenceProfile.from_bytes(b"")


@pytest.mark.parametrize("size", [4, 20, 21, 100, -1])
def test_a_profile_that_is_cut_off_is_refused(size):
    with pytest.raises(UnreadableProfileError, match=r"cut off after|damaged.*build the reference again"):
        ReferenceProfile.from_bytes(golden()[:size])


def test_any_flipped_bit_is_noticed():
    data = golden("format-1-least")
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        with pytest.raises(UnreadableProfileError):
            ReferenceProfile.from_bytes(bytes(damaged))


@pytest.mark.parametrize(
    "change",
    [
        {"layout": []},
        {"layout": ["least@2", [], False]},
        {"segments": []},
        {"segments": [["", b"nonsense"]]},
        {"name": None},
        {"revision": 0},
        {"sketches": [["x", [1]]]},
        {"long_run": [["x", {}]]},
        {"long_run": [["y", golden_content("format-1-long-run")["long_run"][0][1]]]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_content_that_makes_no_sense_is_refused_with_a_remedy(change):
    with pytest.raises(UnreadableProfileError, match=r"r\.sgref: .*build the reference again"):
        ReferenceProfile.from_bytes(pack({**golden_content("format-1-least"), **change}), source="r.sgref")


def test_a_missing_key_is_refused():
    content = golden_content("format-1-least")
    del content["segments"]
    with pytest.raises(UnreadableProfileError, match=r"damaged.*segments"):
        ReferenceProfile.from_bytes(pack(content))


def test_a_column_of_an_unknown_kind_asks_for_an_upgrade():
    content = golden_content("format-1-least")
    content["layout"] = ["least@1", [["x", ["vector", 3]]], False]
    with pytest.raises(UnreadableProfileError, match=r"column of kind 'vector'.*upgrade stream-gov"):
        ReferenceProfile.from_bytes(pack(content))


def test_a_derivation_of_an_unknown_kind_asks_for_an_upgrade_and_one_without_its_columns_is_refused():
    content = golden_content("format-1-least")
    content["layout"] = [*content["layout"], [["sound", "x", 3]]]
    with pytest.raises(UnreadableProfileError, match=r"derives columns from one of kind 'sound'.*upgrade stream-gov"):
        ReferenceProfile.from_bytes(pack(content))
    content["layout"][-1] = [["vector", "x", 3, 8, 0]]
    with pytest.raises(UnreadableProfileError, match=r"damaged.*'x.norm', derived from 'x', must be a numeric column"):
        ReferenceProfile.from_bytes(pack(content))


@pytest.mark.parametrize(("text", "parts"), [("a", ("a", None)), ("a.b-c_1@12", ("a.b-c_1", 12))])
def test_a_reference_is_a_name_and_maybe_a_revision(text, parts):
    assert split_profile_id(text) == parts


@pytest.mark.parametrize("text", ["", "@1", "a@", "a@0", "a@x", "a b", ".a", "a@1@2", "a/b", "a" * 101])
def test_what_is_no_reference_is_refused(text):
    with pytest.raises(ValueError, match="is no reference; write `name` or `name@revision`"):
        split_profile_id(text)


def test_name_layout_and_segments_must_fit_together():
    profile = ReferenceProfile.from_bytes(golden("format-1-least"))
    given = {field: getattr(profile, field) for field in ReferenceProfile.__dataclass_fields__}

    with pytest.raises(ValueError, match=r"got 'no name' and 1"):
        ReferenceProfile(**{**given, "name": "no name"})
    with pytest.raises(ValueError, match=r"the layout of profile 'least@1' has the id 'other@1'"):
        ReferenceProfile(**{**given, "layout": PaneLayout("other@1", {})})
    with pytest.raises(ValueError, match='lacks the segment ""'):
        ReferenceProfile(**{**given, "segments": {}})
