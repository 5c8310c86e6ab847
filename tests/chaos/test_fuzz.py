"""Whatever comes, nothing falls over: each valid message is counted, each other one refused with its reason."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from stream_gov.contracts import (
    Alert,
    ConfigurationError,
    DataError,
    Monitor,
    PaneRecord,
    Result,
    UnreadableRecordError,
    decode_record,
    encode_record,
)
from stream_gov.reference import ReferenceProfile
from stream_gov.runtime.cut_ledger import SourcePartition
from stream_gov.sinks.record_decoder import RecordDecoder
from tests.chaos.conftest import amount
from tests.chaos.mutation import messages, mutated
from tests.contracts.messages import a_result, an_alert
from tests.decoding.event_strategies import NOW, PLANS
from tests.decoding.reference_counting import count_events
from tests.runtime.ingest_simulation import TOPIC, Clock, FakeKafka, FakeMessage, make_core

SKEW_MS = 3_600_000
CHUNK = 10_000


def valid_events() -> list[bytes]:
    rng = random.Random(3)
    found = []
    for i in range(300):
        features = {
            "x": rng.choice((rng.gauss(0, 1), None, "3", 10**20)),
            "y": rng.random(),
            "region": rng.choice(("NSW", "VIC", "über", "a\nb")),
            "code": rng.choice((1, 2, 0.5, 3000)),
            "flag": rng.choice((True, False, None)),
            "new": [1, {"a": 2}],
        }
        event = {
            "event_id": f"e{i}",
            "model": rng.choice(("m", "m", "open", "scored")),
            "version": rng.choice(("1", "2")),
            "timestamp": rng.choice((NOW - rng.randrange(7_200_000), "2023-11-14T21:13:20.5Z")),
            "features": features,
            "prediction": rng.choice((0.5, "good", None)),
            "scores": rng.choice((0.25, {"good": 0.5, "bad": 0.5})),
            "metadata": {"host": "a", "deep": [[[]]]},
        }
        event = {k: event[k] for k in rng.sample(list(event), len(event))}
        found.append(json.dumps(event, ensure_ascii=rng.random() < 0.5).encode())
    return found


def fuzz_ingest(n: int, seed: int) -> Counter[str]:
    """Send messages through ingest, and hold every one against a slow and obvious count; return how many of each kind there were."""
    kafka = FakeKafka()
    source = SourcePartition(TOPIC, 0)
    kafka.log[source] = []
    core, _ = make_core(kafka, clock=Clock(NOW), plans=PLANS.get)
    core.assign(source, None, low=0, high=0)
    seen: Counter[str] = Counter()
    chunk: list[bytes] = []
    first = 0
    for i, message in enumerate(messages(valid_events(), n=n, seed=seed), start=1):
        chunk.append(message)
        if len(chunk) < CHUNK and i < n:
            continue
        core.take(source, [FakeMessage(first + j, value, timestamp_ms=NOW) for j, value in enumerate(chunk)])
        core.cut()
        core.cut()
        expected = count_events(list(chunk), [NOW] * len(chunk), PLANS, now_ms=NOW, max_future_skew_ms=SKEW_MS)

        refused = {first + offset: reason for offset, reason, _, _ in expected.rejections}
        letters = [dict(letter.headers) for letter in kafka.dead_letters]
        found = {int(h["offset"]): h["reason"].decode() for h in letters}
        assert len(letters) == len(found)
        differ = {
            offset: (found.get(offset), refused.get(offset), chunk[offset - first][:300])
            for offset in found.keys() ^ refused.keys() | {o for o in found.keys() & refused.keys() if found[o] != refused[o]}
        }  # fmt: skip
        assert not differ, f"(ours, expected, message): {list(differ.values())[:3]}"

        counted: Counter[tuple[str, int]] = Counter()
        for records in kafka.summaries:
            for record in records:
                if isinstance(record, PaneRecord) and not record.segment:
                    counted[record.model, record.pane_start_ms] += record.n_events
            records.clear()
        wanted: Counter[tuple[str, int]] = Counter()
        for (model, _version, segment, start_ms, _), pane in expected.panes.items():
            if not segment:
                wanted[model, start_ms] += pane.n_events
        assert +counted == +wanted
        assert sum(counted.values()) + len(found) == len(chunk)
        seen.update(found.values())
        seen["counted"] += sum(counted.values())
        kafka.dead_letters.clear()
        first, chunk = first + len(chunk), []
    return seen


def test_fuzzed_events_are_counted_or_refused_with_their_reason() -> None:
    seen = fuzz_ingest(20_000, seed=1)
    assert seen["counted"] > 5_000
    assert {"malformed_json", "invalid_utf8", "too_deep", "missing_field", "wrong_type", "unknown_model"} <= seen.keys()


@pytest.mark.chaos
def test_a_million_fuzzed_events_are_counted_or_refused_with_their_reason() -> None:
    n = amount("EVENTS", 1_000_000)
    seen = fuzz_ingest(n, seed=amount("SEED", 1))
    print(f"{n} messages: {dict(seen.most_common())}")
    assert sum(seen.values()) == n


MONITOR = b"""
monitor: m
model: m
reference: base
window: {size: 1h}
checks:
  - {statistic: psi, threshold: 0.2, columns: [x]}
"""


def _monitor(data: bytes) -> object:
    return Monitor.from_yaml(data.decode("utf-8", "replace"), source="fuzz")


def _profile_bytes() -> bytes:
    from tests.chaos.traffic import Traffic

    return Traffic(10).profiles[0].to_bytes()


def _pane_record() -> bytes:
    kafka = FakeKafka()
    source = SourcePartition(TOPIC, 0)
    kafka.log[source] = []
    core, _ = make_core(kafka, clock=Clock(NOW), plans=PLANS.get)
    core.assign(source, None, low=0, high=0)
    core.take(source, [FakeMessage(i, value, timestamp_ms=NOW) for i, value in enumerate(valid_events())])
    core.cut()
    return encode_record(next(r for r in kafka.summaries[0] if isinstance(r, PaneRecord)))


DECODERS: dict[str, tuple[Callable[[bytes], object], Callable[[], bytes], type[Exception]]] = {
    "summary record": (decode_record, _pane_record, UnreadableRecordError),
    "result": (RecordDecoder(Result).decode, lambda: msgspec.json.encode(a_result()), DataError),
    "alert": (RecordDecoder(Alert).decode, lambda: msgspec.json.encode(an_alert()), DataError),
    "monitor": (_monitor, lambda: MONITOR, ConfigurationError),
    "reference profile": (ReferenceProfile.from_bytes, _profile_bytes, DataError),
}


def fuzz_decoder(name: str, n: int) -> Counter[str]:
    """Decode mutated bytes: what is no error of the stated kind falls through; return how many were read and how many not."""
    decode, sample, error = DECODERS[name]
    valid, rng = sample(), random.Random(5)
    decode(valid)
    read: Counter[str] = Counter()
    for i in range(n):
        data = rng.randbytes(rng.randrange(200)) if i % 10 == 0 else mutated(rng, valid, times=rng.choice((1, 1, 2, 8)))
        try:
            decode(data)
        except error as err:
            read["refused" if str(err) else "refused without a word"] += 1
        else:
            read["read"] += 1
    return read


@pytest.mark.parametrize("name", DECODERS)
def test_what_cannot_be_decoded_is_one_error_that_says_why(name: str) -> None:
    read = fuzz_decoder(name, 400)
    assert read["refused"] > 100
    assert "refused without a word" not in read


@pytest.mark.chaos
@pytest.mark.parametrize("name", DECODERS)
def test_much_that_cannot_be_decoded(name: str) -> None:
    print(f"{name}: {dict(fuzz_decoder(name, amount('EVENTS', 1_000_000) // 50))}")
