"""Events with texts and vectors: what the fast way takes, and what bad values cost."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import msgspec
import numpy as np
import pytest

from stream_gov.contracts import PaneRecord
from stream_gov.decoding import CountingPlan, Intake, model_decoder
from stream_gov.decoding.event_types import EventTypes
from stream_gov.summaries import (
    CategoricalLayout,
    Derivation,
    NumericLayout,
    PaneLayout,
    PaneSummary,
    TextDerivation,
    VectorDerivation,
)

CELLS = NumericLayout(np.array([0.0]), np.array([0, 1]), 0.0, 1.0)
TEXT, VECTOR = TextDerivation("comment", np.empty(0, np.uint32)), VectorDerivation("emb", 3)


def layout(profile: str, *derivations: Derivation, **own: Any) -> PaneLayout:
    derived = {name: CELLS for derivation in derivations for name in derivation.columns}
    return PaneLayout(profile, {**own, **derived}, derivations=derivations)


def message(i: int = 0, **features: Any) -> bytes:
    event = {"event_id": f"e{i}", "model": "m", "version": "1", "timestamp": 1_700_000_000_000, "features": features}
    return json.dumps(event).encode()


def count(plan: CountingPlan, messages: list[bytes]) -> list[PaneSummary]:
    intake = Intake({"m": plan}.get, out_of_orderness_ms=0, max_future_skew_ms=0)
    assert intake.add("t", 0, range(len(messages)), messages, [0] * len(messages), now_ms=None) == []
    layouts = {one.id: one for one in plan.layouts}
    records = intake.cut("t", 0, n_partitions=1, from_offset=0, to_offset=len(messages))
    return [PaneSummary.from_bytes(r.summary, layouts[r.profile]) for r in records if isinstance(r, PaneRecord)]


@pytest.mark.parametrize("literals", ["1", None])
def test_the_fast_way_takes_any_text_and_lists_of_the_right_length(literals):
    old = layout("r@1", comment=CategoricalLayout(("a", "b")))
    for layouts in ((layout("r@2", TEXT, VECTOR),), (layout("r@2", TEXT, VECTOR), old)):
        decode = EventTypes(CountingPlan("m", layouts, 60_000)).strict_decoder(version=literals, has_metadata=False)
        decode(message(comment="any text at all", emb=[1, 2.5, -3]))
        decode(message(comment=None, emb=None))
        decode(message())
        for wrong in ({"emb": [1.0, 2.0]}, {"emb": [1.0] * 4}, {"emb": [1.0, None, 2.0]}, {"emb": 1.0}, {"comment": 1}):
            with pytest.raises(msgspec.ValidationError):
                decode(message(**wrong))


def test_good_events_are_decoded_the_fast_way_only():
    plan = CountingPlan("m", (layout("r@1", TEXT, VECTOR),), 60_000)
    messages = [message(i, comment=f"text {i}", emb=[float(i), 0.5, 1]) for i in range(2_000)]
    with mock.patch.object(
        model_decoder.ModelDecoder, "_decode_leniently", autospec=True, side_effect=model_decoder.ModelDecoder._decode_leniently
    ) as leniently:  # fmt: skip
        (pane,) = count(plan, messages)
    assert (
        sum(len(call.args[2]) for call in leniently.call_args_list) <= 512
    )  # the first block, to see what they are like
    assert pane.columns["comment.words"].n_valid == pane.columns["emb.7"].n_valid == 2_000
    assert pane.new_columns == {}


def test_vectors_of_two_lengths_are_counted_by_each_profile_in_its_own():
    longer = VectorDerivation("emb", 4)
    plan = CountingPlan("m", (layout("r@2", longer), layout("r@1", VECTOR)), 60_000)
    new, old = count(plan, [message(i, emb=[1.0] * (3 + i % 2)) for i in range(1_000)])
    assert (new.layout.id, old.layout.id) == ("r@2", "r@1")
    for pane in (new, old):
        assert (pane.columns["emb.norm"].n_valid, pane.columns["emb.norm"].n_type_errors) == (500, 500)
        assert pane.covariances["emb"].n == 500


def test_a_huge_text_and_a_huge_vector_are_counted_like_any_other():
    plan = CountingPlan("m", (layout("r@1", TEXT, VECTOR),), 60_000)
    (pane,) = count(
        plan, [message(0, comment="word " * 150_000, emb=[0.1] * 30_000), message(1, comment="", emb=[0] * 3)]
    )
    assert pane.columns["comment.length"].maximum == 750_000
    assert pane.columns["comment.words"].maximum == 150_000
    assert pane.columns["comment.letters"].n_missing == 1
    assert pane.columns["emb.0"].n_type_errors == 1
    assert pane.columns["emb.norm"].minimum == 0
