from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream_gov.contracts import (
    NO_WATERMARK,
    AlertAction,
    AlertCommandRecord,
    IncidentKind,
    IncidentRecord,
    PaneRecord,
    ReplayRecord,
    ResetRecord,
    UnreadableRecordError,
    WatermarkRecord,
    decode_record,
    encode_record,
)
from stream_gov.contracts.summary_record import RECORD_FORMAT

PANE = PaneRecord(
    model="electricity",
    version="1",
    segment="region=NSW",
    profile="electricity-1996@1",
    pane_start_ms=862_876_800_000,
    pane_ms=86_400_000,
    topic="inference-events",
    partition=3,
    from_offset=1_000,
    to_offset=1_250,
    n_events=249,
    n_rejected=1,
    summary=b"\x01\x00summary",
)
WATERMARK = WatermarkRecord(
    topic="inference-events",
    partition=3,
    n_partitions=12,
    from_offset=1_000,
    to_offset=1_250,
    watermark_ms=862_963_190_000,
    idle=False,
)
END = ReplayRecord(
    model="electricity",
    topic="inference-events",
    partition=3,
    from_offset=1_250,
    to_offset=1_251,
    watermark_ms=863_481_600_000,
    replay="0f3c",
    ended=True,
    from_ms=862_876_800_000,
    until_ms=863_481_599_999,
)

COMMAND = AlertCommandRecord(
    model="electricity",
    alert_id="3f9c" * 8,
    command_id="0a1b" * 8,
    action=AlertAction.SNOOZE,
    by="anna",
    note="new price list",
    at_ms=863_000_000_000,
    until_ms=863_007_200_000,
)

INCIDENT = IncidentRecord(
    kind=IncidentKind.DATA_LOSS,
    subject="inference-events/3",
    n=250,
    detail="the broker deleted 250 events before they were read",
    incident_id="inference-events/3/1000-1250",
    at_ms=863_000_000_000,
    scope="electricity",
)
RESET = ResetRecord(topic="inference-events", partition=3, reset_id="8f3aQ2vXRl6mTz0pYk1w4A")

# Bytes as the first release wrote them: every later release must read them, and write the same while the format is 1.
GOLDEN = {
    "pane": (
        PANE,
        "019ea470616e65ab656c656374726963697479a131aa726567696f6e3d4e5357b2656c6563747269636974792d313939364031cf000000c8e7771400ce05265c00b0696e666572656e63652d6576656e747303cd03e8cd04e2ccf901c409010073756d6d617279",
    ),
    "watermark": (
        WATERMARK,
        "0198a977617465726d61726bb0696e666572656e63652d6576656e7473030ccd03e8cd04e2cf000000c8ec9d48f0c2",
    ),
    "no watermark": (
        WatermarkRecord(
            topic="t", partition=0, n_partitions=1, from_offset=0, to_offset=0, watermark_ms=NO_WATERMARK, idle=True
        ),
        "0198a977617465726d61726ba17400010000d3c000000000000000c3",
    ),
    "command": (
        COMMAND,
        "0199ad616c6572745f636f6d6d616e64ab656c656374726963697479d9203366396333663963336639633366396333663963336639633366396333663963d9203061316230613162306131623061316230613162306131623061316230613162a6736e6f6f7a65a4616e6e61ae6e6577207072696365206c697374cf000000c8eecef600cf000000c8ef3cd300",
    ),
    "incident": (
        INCIDENT,
        "0198a8696e636964656e74a9646174615f6c6f7373b2696e666572656e63652d6576656e74732f33ccfad9337468652062726f6b65722064656c6574656420323530206576656e7473206265666f7265207468657920776572652072656164bc696e666572656e63652d6576656e74732f332f313030302d31323530cf000000c8eecef600ab656c656374726963697479",
    ),
    "reset": (
        RESET,
        "0194a57265736574b0696e666572656e63652d6576656e747303b63866336151327658526c366d547a3070596b31773441",
    ),
    "end of replay": (
        END,
        "019ba67265706c6179ab656c656374726963697479b0696e666572656e63652d6576656e747303cd04e2cd04e3cf000000c90b839800a430663363c3cf000000c8e7771400cf000000c90b8397ff",
    ),
}


# A field was added behind the others since: releases before it pass over it.
EXTENDED = {
    "watermark": "0199a977617465726d61726bb0696e666572656e63652d6576656e7473030ccd03e8cd04e2cf000000c8ec9d48f0c200",
    "no watermark": "0199a977617465726d61726ba17400010000d3c000000000000000c300",
}


@pytest.mark.parametrize("kind", GOLDEN)
def test_record_is_written_in_the_same_bytes_as_ever(kind):
    record, golden = GOLDEN[kind]
    assert encode_record(record).hex() == EXTENDED.get(kind, golden)


class OldWatermark(msgspec.Struct, frozen=True, array_like=True, tag="watermark"):
    """As the first release reads it."""

    topic: str
    partition: int
    n_partitions: int
    from_offset: int
    to_offset: int
    watermark_ms: int
    idle: bool


def test_the_first_release_reads_a_watermark_of_this_one():
    packed = encode_record(msgspec.structs.replace(WATERMARK, now_ms=1_767_225_600_000))
    old = msgspec.msgpack.decode(packed[1:], type=OldWatermark)
    assert [getattr(old, f) for f in old.__struct_fields__] == [
        getattr(WATERMARK, f) for f in OldWatermark.__struct_fields__
    ]


@pytest.mark.parametrize("kind", GOLDEN)
def test_record_written_by_the_first_release_is_read(kind):
    record, golden = GOLDEN[kind]
    assert decode_record(bytes.fromhex(golden)) == record


offsets = st.integers(0, 2**62)
times = st.integers(NO_WATERMARK, 2**62)
names = st.text(max_size=30)
records = st.one_of(
    st.builds(
        IncidentRecord,
        kind=st.sampled_from(IncidentKind),
        subject=names,
        n=offsets,
        detail=names,
        incident_id=names,
        at_ms=times,
        scope=names,
    ),
    st.builds(ResetRecord, topic=names, partition=st.integers(0, 10_000), reset_id=names),
    st.builds(
        PaneRecord,
        model=names,
        version=names,
        segment=names,
        profile=names,
        pane_start_ms=times,
        pane_ms=st.integers(1, 2**40),
        topic=names,
        partition=st.integers(0, 10_000),
        from_offset=offsets,
        to_offset=offsets,
        n_events=offsets,
        n_rejected=offsets,
        summary=st.binary(max_size=200),
    ),
    st.builds(
        WatermarkRecord,
        topic=names,
        partition=st.integers(0, 10_000),
        n_partitions=st.integers(1, 10_000),
        from_offset=offsets,
        to_offset=offsets,
        watermark_ms=times,
        idle=st.booleans(),
    ),
    st.builds(
        ReplayRecord,
        model=names,
        topic=names,
        partition=st.integers(0, 10_000),
        from_offset=offsets,
        to_offset=offsets,
        watermark_ms=times,
        replay=names,
        ended=st.booleans(),
        from_ms=times,
        until_ms=times,
    ),
    st.builds(
        AlertCommandRecord,
        model=names,
        alert_id=names,
        command_id=names,
        action=st.sampled_from(AlertAction),
        by=names,
        note=names,
        at_ms=times,
        until_ms=times,
    ),
)


@given(record=records)
def test_record_reads_back_as_it_was_written(record):
    assert decode_record(encode_record(record)) == record
    assert encode_record(decode_record(encode_record(record))) == encode_record(record)


@given(record=records, data=st.data())
def test_cut_off_record_is_refused(record, data):
    written = encode_record(record)
    with pytest.raises(UnreadableRecordError):
        decode_record(written[: data.draw(st.integers(0, len(written) - 1))])


@given(data=st.binary(max_size=60))
@example(data=b"\x91\xa1\x80")  # a kind that is no UTF-8
def test_damaged_bytes_raise_nothing_but_the_error_for_them(data):
    with contextlib.suppress(UnreadableRecordError):
        decode_record(bytes([RECORD_FORMAT]) + data)


def test_empty_record_asks_who_wrote_it():
    with pytest.raises(UnreadableRecordError, match="written by something other than stream-gov"):
        decode_record(b"")


def test_record_of_a_later_format_says_what_to_upgrade():
    later = bytes([RECORD_FORMAT + 1]) + encode_record(PANE)[1:]
    with pytest.raises(UnreadableRecordError, match=r"format 2, this release reads format 1; upgrade `detect`"):
        decode_record(later)


@pytest.mark.parametrize(
    "unknown", [["gap", "inference-events", 3], ["alert_command", "m", "a", "c", "escalate", "", "", 1]]
)
def test_record_of_an_unknown_kind_is_refused_and_says_what_to_upgrade(unknown):
    with pytest.raises(
        UnreadableRecordError, match=r"damaged .* kind that a later release writes \(then upgrade `detect`\)"
    ):
        decode_record(bytes([RECORD_FORMAT]) + msgspec.msgpack.encode(unknown))


def test_a_detector_of_the_first_release_refuses_a_command_by_the_error_it_skips_and_counts_records_for():
    """It read just these three kinds, and translates every error of the decoder."""
    of_first_release = msgspec.msgpack.Decoder(PaneRecord | WatermarkRecord | ReplayRecord)
    with pytest.raises(msgspec.MsgspecError, match="alert_command"):
        of_first_release.decode(encode_record(COMMAND)[1:])
