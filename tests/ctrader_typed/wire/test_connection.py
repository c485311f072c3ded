"""Two connections talk, strangers talk to one, and whatever comes in is a value or an error."""

import json
import pickle
import struct
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import (
    BadPayload,
    EncodeError,
    LocalProtocolError,
    ProtoHeartbeatEvent,
    ProtoMessage,
    ProtoOAAccountAuthReq,
    ProtoOASpotEvent,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    RemoteProtocolError,
    UnknownPayload,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import Envelope, Received

SECRET = "not-for-any-log"


def framed(data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + data


def enveloped(payload_type: int, payload: bytes, client_msg_id: str | None = None) -> bytes:
    """An envelope by hand: field 1 a varint of two bytes, 2 and 3 shorter than 128 bytes."""
    data = bytes((0x08, payload_type & 127 | 128, payload_type >> 7))
    data += bytes((0x12, len(payload))) + payload
    if client_msg_id is not None:
        data += bytes((0x1A, len(client_msg_id))) + client_msg_id.encode()
    return framed(data)


spots = st.builds(
    ProtoOASpotEvent,
    ctid_trader_account_id=st.integers(0, 2**63 - 1),
    symbol_id=st.integers(-(2**63), 2**63 - 1),
    bid=st.none() | st.integers(0, 2**64 - 1),
)
messages = st.one_of(
    spots,
    st.builds(ProtoHeartbeatEvent),
    st.builds(ProtoOAVersionRes, version=st.text(max_size=20)),
    st.builds(ProtoOATraderReq, ctid_trader_account_id=st.integers(0, 99)),
)
letters = st.lists(st.tuples(messages, st.none() | st.text(max_size=12)), max_size=8)


@given(letters, st.data())
def test_what_one_end_sends_the_other_receives(
    sent: list[tuple[Any, str | None]], data: st.DataObject
) -> None:
    one, other = Connection(SCHEMA), Connection(SCHEMA)
    stream = b"".join(one.send(*letter) for letter in sent)
    cuts = sorted(data.draw(st.lists(st.integers(1, max(1, len(stream))), max_size=6)))
    got: list[Received] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        if start < end:  # an empty piece would be the end of the stream
            got += other.receive_data(stream[start:end])
    assert other.receive_data(b"") == []
    assert got == [Envelope(*letter) for letter in sent]


def test_the_frames_that_official_clients_exchange() -> None:
    connection = Connection(SCHEMA)
    assert connection.send(ProtoHeartbeatEvent()).hex() == "0000000408331200"
    (heartbeat,) = connection.receive_data(bytes.fromhex("0000000408331200"))
    assert heartbeat == Envelope(ProtoHeartbeatEvent())
    golden = bytes.fromhex("0000001c082a120501020304051a11") + b"client message ID"
    assert connection.receive_data(golden) == [
        UnknownPayload(42, bytes.fromhex("0102030405"), "client message ID")
    ]


def test_a_payload_may_be_absent() -> None:
    (event,) = Connection(SCHEMA).receive_data(framed(bytes.fromhex("0833")))
    assert event == Envelope(ProtoHeartbeatEvent())


@pytest.mark.parametrize("name", ["manual_trading.jsonl", "market_data.jsonl"])
def test_recorded_server_bytes_come_through(recordings: Path, name: str) -> None:
    connection = Connection(SCHEMA)
    for line in (recordings / name).read_text().splitlines():
        record = json.loads(line)
        payload = b64decode(record["wire_b64"])
        (outer,) = connection.receive_data(
            framed(bytes(ProtoMessage(payload_type=record["payloadType"], payload=payload)))
        )
        assert isinstance(outer, Envelope)
        assert type(outer.message).__name__ == record["message"]
        assert bytes(outer.message) == payload


def test_an_unknown_payload_type_is_a_value() -> None:
    (event,) = Connection(SCHEMA).receive_data(enveloped(2999, b"\x08\x01", "a"))
    assert event == UnknownPayload(2999, b"\x08\x01", "a")


def test_a_payload_that_cannot_be_read_is_a_value_and_the_rest_goes_on() -> None:
    connection = Connection(SCHEMA)
    bad, good = connection.receive_data(
        enveloped(2131, b"\x10", "a") + connection.send(ProtoHeartbeatEvent())
    )
    assert isinstance(bad, BadPayload)
    assert (bad.payload_type, bad.payload, bad.client_msg_id) == (2131, b"\x10", "a")
    assert "ProtoOASpotEvent" in str(bad.error)
    assert good == Envelope(ProtoHeartbeatEvent())


@pytest.mark.parametrize(
    "envelope",
    [b"\x12\x00", b"\x08", b"\x08\x33\x12\x05ab", b"\x08\x33\x1a\x01\xff", b"\x00", b"\x0f"],
    ids=["no payload type", "cut varint", "cut payload", "not UTF-8", "field 0", "wire type 7"],
)
def test_an_envelope_that_cannot_be_read_breaks_the_connection(envelope: bytes) -> None:
    connection = Connection(SCHEMA)
    with pytest.raises(
        RemoteProtocolError, match=f"a frame of {len(envelope)} bytes: ProtoMessage"
    ):
        connection.receive_data(framed(envelope))
    with pytest.raises(RemoteProtocolError):
        connection.receive_data(b"")


@pytest.mark.parametrize("broken", [framed(b"\x08"), bytes(4), b"\xff\xff\xff\xff"])
def test_what_precedes_the_break_is_delivered_first(broken: bytes) -> None:
    connection = Connection(SCHEMA)
    beat = connection.send(ProtoHeartbeatEvent())
    assert (
        connection.receive_data(beat + beat + broken + beat)
        == [Envelope(ProtoHeartbeatEvent())] * 2
    )
    assert connection.broken is not None
    with pytest.raises(RemoteProtocolError) as caught:
        connection.receive_data(beat)
    assert caught.value is connection.broken


@pytest.mark.parametrize("size", [1, 4, 6])
def test_an_end_inside_a_frame(size: int) -> None:
    connection = Connection(SCHEMA)
    connection.receive_data(bytes.fromhex("0000000408331200")[:size])
    with pytest.raises(RemoteProtocolError, match="the stream ended after"):
        connection.receive_data(b"")


def test_an_end_between_frames_and_data_after_it() -> None:
    connection = Connection(SCHEMA)
    assert connection.receive_data(b"") == []
    assert connection.receive_data(b"") == []
    with pytest.raises(LocalProtocolError, match="after the end"):
        connection.receive_data(b"x")


def test_what_cannot_be_sent() -> None:
    connection = Connection(SCHEMA)
    with pytest.raises(LocalProtocolError, match="ProtoOATrader has no payload type in release"):
        connection.send(ProtoOATrader(ctid_trader_account_id=1, balance=0, deposit_asset_id=1))
    incomplete = ProtoOATraderReq()
    with pytest.raises(EncodeError, match="ctid_trader_account_id"):
        connection.send(incomplete)
    with pytest.raises(LocalProtocolError, match="1 to 16777216 bytes"):
        connection.send(ProtoOAVersionRes(version="x" * (16 << 20)))


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_whatever_bytes_arrive_we_produce_events_or_remote_protocol_error(
    chunks: list[bytes],
) -> None:
    connection = Connection(SCHEMA)
    try:
        for chunk in [*filter(None, chunks), b""]:
            for event in connection.receive_data(chunk):
                assert isinstance(event, Envelope | UnknownPayload | BadPayload)
    except RemoteProtocolError:
        assert connection.broken is not None


@given(st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=100)), max_size=6))
def test_whatever_payloads_arrive_we_produce_events(sent: list[tuple[int, bytes]]) -> None:
    connection = Connection(SCHEMA)
    stream = b"".join(enveloped(*letter, "x") for letter in sent)
    assert len(connection.receive_data(stream)) == len(sent) if stream else not sent


def test_no_repr_shows_a_payload_or_a_secret() -> None:
    request = ProtoOAAccountAuthReq(ctid_trader_account_id=1, access_token=SECRET)
    payload = bytes(request)
    values = [
        *Connection(SCHEMA).receive_data(Connection(SCHEMA).send(request, "a")),
        *Connection(SCHEMA).receive_data(enveloped(2999, payload)),
        *Connection(SCHEMA).receive_data(enveloped(2102, payload[:-1])),
    ]
    assert [type(value) for value in values] == [Envelope, UnknownPayload, BadPayload]
    for value in values:
        assert SECRET[:8] not in repr(value)
    assert repr(values[1]) == f"UnknownPayload(payload_type=2999, <{len(payload)} bytes>)"


def test_the_values_can_be_pickled() -> None:
    value = Envelope(ProtoOAVersionReq(), "a")
    assert pickle.loads(pickle.dumps(value)) == value
