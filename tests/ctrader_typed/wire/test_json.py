"""Envelopes in JSON: what is written, what is read, and what breaks the connection."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import (
    BadPayload,
    EncodeError,
    LocalProtocolError,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATradeSide,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    RemoteProtocolError,
    UnknownPayload,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import JSON_WEBSOCKET, Connection
from ctrader_typed.wire.envelope import Envelope

SECRET = "canary-98123746"


def connection() -> Connection:
    return Connection(SCHEMA, JSON_WEBSOCKET)


def read(text: str | bytes) -> object:
    (event,) = connection().receive_data(text.encode() if isinstance(text, str) else text)
    return event


def test_the_documented_example_is_written() -> None:
    request = ProtoOAApplicationAuthReq(client_id="id", client_secret="secret")
    assert connection().send(request, "cm_id_2") == (
        b'{"clientMsgId":"cm_id_2","payloadType":2100,'
        b'"payload":{"clientId":"id","clientSecret":"secret"}}'
    )


def test_integers_and_enums_are_numbers_and_what_is_absent_is_left_out() -> None:
    order = ProtoOANewOrderReq(
        ctid_trader_account_id=(1 << 62) + 1,
        symbol_id=1,
        order_type=ProtoOAOrderType.LIMIT,
        trade_side=ProtoOATradeSide.SELL,
        volume=0,
        limit_price=1.25,
    )
    assert json.loads(connection().send(order)) == {
        "payloadType": 2106,
        "payload": {
            "ctidTraderAccountId": 4611686018427387905,
            "symbolId": 1,
            "orderType": 2,
            "tradeSide": 2,
            "volume": 0,
            "limitPrice": 1.25,
        },
    }
    assert read(connection().send(order)) == Envelope(order)


@pytest.mark.parametrize(
    "text",
    [
        '{"payloadType":51}',
        '{"payloadType":51,"payload":{}}',
        '{"payloadType":51,"payload":null,"clientMsgId":null}',
        '{"payloadType":"51","something":["else"]}',
        ' {\n"payload" : {} , "payloadType" : 51 } ',
    ],
)
def test_a_heartbeat_in_all_its_spellings(text: str) -> None:
    assert read(text) == Envelope(ProtoHeartbeatEvent())


def test_what_clients_write_loosely_is_read() -> None:
    request = '{"payloadType":"2121","payload":{"ctidTraderAccountId":"7"},"clientMsgId":"ä"}'
    assert read(request) == Envelope(ProtoOATraderReq(ctid_trader_account_id=7), "ä")


def test_an_unknown_payload_type_is_a_value() -> None:
    assert read('{"payloadType":2999,"payload":{"a":[1, 2]},"clientMsgId":"x"}') == UnknownPayload(
        2999, b'{"a":[1,2]}', "x"
    )
    assert read('{"payloadType":-1}') == UnknownPayload(-1, b"{}")


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ("{}", "missing required fields: ctidTraderAccountId"),
        ("[1]", "expected an object, got a list"),
        ('{"ctidTraderAccountId":"seven"}', "expected an integer, got a string"),
        ('{"ctidTraderAccountId":1e999}', "expected an integer, got a number"),
        ('{"ctidTraderAccountId":9223372036854775808}', "does not fit"),
    ],
)
def test_a_payload_that_cannot_be_read_is_a_value_and_the_rest_goes_on(
    payload: str, said: str
) -> None:
    wire = connection()
    (bad,) = wire.receive_data(f'{{"payloadType":2121,"payload":{payload}}}'.encode())
    assert isinstance(bad, BadPayload)
    assert bad.payload_type == 2121
    assert said in str(bad.error)
    assert wire.receive_data(b'{"payloadType":51}') == [Envelope(ProtoHeartbeatEvent())]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{", "1:2"),
        ("hello", "1:6"),
        ("hello, world", "1:6"),
        ('{"a":}', "1:7"),
        ('{"a":nul}', "1:9"),
        ('{"a":nullx}', "1:11"),
        ('{"a" 1}', "1:7"),
        ("{a:1}", "1:3"),
        ('{\n "payloadType": 51,\n}', "3:2"),
        ('{"a":[1,]}', "1:10"),
        ('{"payloadType":51} {}', "1:21"),
        ('{"a":"NaN",\n"b":NaN}', "2:8"),
        ('{"a":-Infinity}', "1:15"),
        ('{"a":"\n"}', "1:8"),
        ('{"a":"x', "1:8"),
        ('{"a":"\\x"}', "1:9"),
        ('{"a":"\\u12g4"}', "1:12"),
        ('{\r\n"a":1,\r"b":x', "3:6"),
        ('{"a":' + "9" * 5000 + "}", "1:5006"),
    ],
)
def test_malformed_json_breaks_the_connection_and_says_what_is_behind_the_wrong_token(
    text: str, where: str
) -> None:
    wire = connection()
    with pytest.raises(RemoteProtocolError) as caught:
        wire.receive_data(text.encode())
    assert str(caught.value) == f"Malformed JSON message at {where}"
    assert wire.broken is caught.value
    with pytest.raises(RemoteProtocolError):
        wire.receive_data(b'{"payloadType":51}')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[]", "expected an object"),
        (b"{}", "expected an integer as payloadType"),
        (b'{"payloadType":true}', "expected an integer as payloadType"),
        (b'{"payloadType":51.5}', "expected an integer as payloadType"),
        (b'{"payloadType":"PROTO_OA_VERSION_REQ"}', "expected an integer as payloadType"),
        (b'{"payloadType":51,"clientMsgId":1}', "expected a string as clientMsgId"),
        (b'{"payloadType":51}\xff', "Malformed JSON message: invalid start byte in UTF-8"),
        (b"[" * 200_000, "Malformed JSON message: nested too deep"),
        (b'{"payloadType":' + b"9" * 5000 + b"}", "Malformed JSON message at 1:5016"),
    ],
)
def test_what_is_no_envelope_breaks_the_connection(text: bytes, said: str) -> None:
    with pytest.raises(RemoteProtocolError, match=said):
        connection().receive_data(text)


def test_what_cannot_be_sent() -> None:
    with pytest.raises(LocalProtocolError, match="ProtoOATrader has no payload type in release"):
        connection().send(ProtoOATrader(ctid_trader_account_id=1, balance=0, deposit_asset_id=1))
    with pytest.raises(EncodeError, match=r"ProtoOATraderReq\.ctid_trader_account_id is required"):
        connection().send(ProtoOATraderReq())
    with pytest.raises(EncodeError, match=r"ProtoOASpotEvent\.bid"):
        connection().send(ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, bid="x"))  # type: ignore[arg-type]
    with pytest.raises(LocalProtocolError, match="1 to 16777216 bytes"):
        connection().send(ProtoOAVersionRes(version="x" * (16 << 20)))


def test_messages_of_15_and_17_mebibytes() -> None:
    text = b'{"payloadType":2105,"payload":{"version":"' + b"x" * (15 << 20) + b'"}}'
    event = read(text)
    assert isinstance(event, Envelope)
    assert len(event.message.version) == 15 << 20  # type: ignore[attr-defined]
    with pytest.raises(RemoteProtocolError, match="expected a message of 1 to 16777216 bytes"):
        connection().receive_data(b" " * (17 << 20))


def test_the_end_comes_between_messages() -> None:
    wire = connection()
    assert wire.receive_data(b"") == []
    with pytest.raises(LocalProtocolError, match="after the end"):
        wire.receive_data(b"{}")


@given(st.binary(min_size=1, max_size=60) | st.text(min_size=1, max_size=60).map(str.encode))
def test_whatever_bytes_arrive_we_produce_an_event_or_remote_protocol_error(data: bytes) -> None:
    wire = connection()
    try:
        (event,) = wire.receive_data(data)
    except RemoteProtocolError:
        assert wire.broken is not None
    else:
        assert isinstance(event, Envelope | UnknownPayload | BadPayload)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=9), inside),
    max_leaves=6,
)


@given(st.integers(0, 3000) | st.sampled_from(sorted(SCHEMA.by_payload_type)), VALUES)
def test_whatever_payload_arrives_we_produce_an_event(payload_type: int, payload: object) -> None:
    text = json.dumps({"payloadType": payload_type, "payload": payload})
    if "NaN" not in text and "Infinity" not in text:
        assert isinstance(read(text), Envelope | UnknownPayload | BadPayload)


def test_no_text_of_an_error_shows_a_payload() -> None:
    request = connection().send(
        ProtoOAAccountAuthReq(ctid_trader_account_id=1, access_token=SECRET)
    )
    assert SECRET not in repr(read(request))
    assert SECRET not in repr(read(request.replace(b"2102", b"2999")))
    assert SECRET not in repr(read(request.replace(b"2102", b"2106")))
    with pytest.raises(RemoteProtocolError) as caught:
        read(request[:-1])
    assert SECRET not in repr(caught.value)
    assert isinstance(read(connection().send(ProtoOAVersionReq())), Envelope)
