"""Required fields that a server leaves out as they are zero: refused, or, if one asks, zero."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import betterproto
import pytest

from ctrader_typed import (
    JSON_WEBSOCKET,
    PROTOBUF_TCP,
    PROTOBUF_WEBSOCKET,
    DecodeError,
    InvalidValue,
    ProtoOADepthEvent,
    ProtoOAGetTrendbarsRes,
    ProtoOASymbolByIdRes,
    ProtoOATraderRes,
    connect,
    connect_over,
)
from ctrader_typed.message import Message, codec
from ctrader_typed.message.decode import decode_span
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAChangeBalanceType,
    ProtoOADepositWithdraw,
    ProtoOAExecutionEvent,
    ProtoOARefreshTokenRes,
    ProtoOATradeData,
)
from ctrader_typed.wire.columnar import ColumnsEnvelope
from ctrader_typed.wire.connection import Connection, Wire
from ctrader_typed.wire.envelope import BadPayload, Envelope


# As betterproto writes them, the oracle: proto3, so every zero is left out.
@dataclass
class Trader(betterproto.Message):
    ctid_trader_account_id: int = betterproto.int64_field(1)
    balance: int = betterproto.int64_field(2)
    deposit_asset_id: int = betterproto.int64_field(8)


@dataclass
class TraderRes(betterproto.Message):
    ctid_trader_account_id: int = betterproto.int64_field(2)
    trader: Trader = betterproto.message_field(3)  # noqa: RUF009 - betterproto's way


@dataclass
class Symbol(betterproto.Message):
    symbol_id: int = betterproto.int64_field(1)
    digits: int = betterproto.int32_field(2)
    pip_position: int = betterproto.int32_field(3)


@dataclass
class SymbolByIdRes(betterproto.Message):
    ctid_trader_account_id: int = betterproto.int64_field(2)
    symbol: list[Symbol] = betterproto.message_field(3)  # noqa: RUF009 - as above


@dataclass
class Trendbar(betterproto.Message):
    volume: int = betterproto.int64_field(3)
    low: int = betterproto.int64_field(5)
    utc_timestamp_in_minutes: int = betterproto.uint32_field(9)


@dataclass
class TrendbarsRes(betterproto.Message):
    ctid_trader_account_id: int = betterproto.int64_field(2)
    period: int = betterproto.int32_field(3)
    timestamp: int = betterproto.int64_field(4)
    trendbar: list[Trendbar] = betterproto.message_field(5)  # noqa: RUF009 - as above


TRADER = bytes(TraderRes(1, Trader(1, 0, 15)))  # an account without a balance
SYMBOLS = bytes(SymbolByIdRes(1, [Symbol(41, 2, 0), Symbol(1, 5, 4)]))  # gold: pipPosition 0
BARS = bytes(TrendbarsRes(1, 1, 0, [Trendbar(0, 5, 7), Trendbar(3, 6, 8)]))

Decode = Callable[..., Message]


def plain(cls: type[Message], data: bytes, *, lenient: bool = False) -> Message:
    return decode_span(cls, data, 0, len(data), lenient=lenient)


def read(wire: Wire, payload: bytes | dict[str, Any], number: int, **how: bool) -> Any:
    connection = Connection(SCHEMA, wire, **how)
    if isinstance(payload, dict):
        data = json.dumps({"payloadType": number, "payload": payload}).encode()
    else:
        envelope: Any = SCHEMA.envelope
        data = wire.frame(bytes(envelope(payload_type=number, payload=payload)))
    (received,) = connection.receive_data(data)
    return received


@pytest.mark.parametrize("decode", [codec.decode, plain])
def test_strict_is_the_rule_and_names_what_is_missing(decode: Decode) -> None:
    for cls, data, missing in (
        (ProtoOATraderRes, TRADER, "balance"),
        (ProtoOASymbolByIdRes, SYMBOLS, "pip_position"),
    ):
        with pytest.raises(DecodeError, match=f"required field {missing} .* is missing"):
            decode(cls, data)


@pytest.mark.parametrize("decode", [codec.decode, plain])
def test_lenient_takes_them_for_zero_in_inner_messages_too(decode: Decode) -> None:
    trader: Any = decode(ProtoOATraderRes, TRADER, lenient=True)
    assert (trader.trader.balance, trader.trader.deposit_asset_id) == (0, 15)
    symbols: Any = decode(ProtoOASymbolByIdRes, SYMBOLS, lenient=True)
    assert [each.pip_position for each in symbols.symbol] == [0, 4]
    assert codec.decode(ProtoOASymbolByIdRes, bytes(symbols)) == symbols


@pytest.mark.parametrize("wire", [PROTOBUF_TCP, PROTOBUF_WEBSOCKET])
def test_on_every_wire_of_protobuf(wire: Wire) -> None:
    assert isinstance(read(wire, TRADER, 2122), BadPayload)
    received = read(wire, TRADER, 2122, lenient=True)
    assert isinstance(received, Envelope)
    assert received.message == ProtoOATraderRes.FromString(bytes(received.message))


def test_in_json() -> None:
    payload = {"ctidTraderAccountId": 1, "symbol": [{"symbolId": 41, "digits": 2}]}
    bad = read(JSON_WEBSOCKET, payload, 2117)
    assert "missing required fields: pipPosition" in str(bad.error)
    received = read(JSON_WEBSOCKET, payload, 2117, lenient=True)
    assert received.message.symbol[0].pip_position == 0
    null: dict[str, Any] = {"ctidTraderAccountId": None, "symbol": []}
    assert read(JSON_WEBSOCKET, null, 2117, lenient=True).message.ctid_trader_account_id == 0


@pytest.mark.parametrize("wire", [PROTOBUF_TCP, JSON_WEBSOCKET])
def test_in_columns(wire: Wire) -> None:
    bars = codec.decode(ProtoOAGetTrendbarsRes, BARS, lenient=True)
    envelope: Any = SCHEMA.envelope
    if wire is JSON_WEBSOCKET:
        rows = [{"low": 5, "utcTimestampInMinutes": 7}, {"volume": 3, "low": 6}]
        payload = {"ctidTraderAccountId": 1, "period": 1, "trendbar": rows}
        whole = {"payloadType": 2138, "clientMsgId": "a", "payload": payload}
        data = json.dumps(whole).encode()
    else:
        data = wire.frame(bytes(envelope(payload_type=2138, payload=BARS, client_msg_id="a")))
    for lenient in (True, False):
        connection = Connection(SCHEMA, wire, lenient=lenient)
        connection.in_columns("a")
        (received,) = connection.receive_data(data)
        if not lenient:
            assert isinstance(received, BadPayload)
            continue
        assert isinstance(received, ColumnsEnvelope)
        assert received.columns is not None
        assert list(received.columns["volume"]) == [bar.volume for bar in bars.trendbar] == [0, 3]
        assert list(received.columns["low"]) == [5, 6]


@pytest.mark.parametrize("how", ["protobuf", "json"])
def test_what_has_no_zero_is_required_all_the_same(how: str) -> None:
    """The side of a trade is 1 or 2: who takes a missing one for BUY trades the wrong way."""
    sideless = {"symbolId": 1, "volume": 2}
    if how == "json":
        bad = read(JSON_WEBSOCKET, {"ctidTraderAccountId": 1, "executionType": 2,
            "position": {"positionId": 1, "tradeData": sideless, "positionStatus": 1}},
            2126, lenient=True)  # fmt: skip
        assert "missing required fields: tradeSide" in str(bad.error)
        return
    data = bytes([8, 1, 16, 2])
    with pytest.raises(DecodeError, match="required field trade_side"):
        codec.decode(ProtoOATradeData, data, lenient=True)
    with pytest.raises(DecodeError, match="required field trader "):
        codec.decode(ProtoOATraderRes, bytes([16, 1]), lenient=True)
    with pytest.raises(DecodeError, match="required field execution_type"):
        codec.decode(ProtoOAExecutionEvent, bytes([16, 1]), lenient=True)


def test_zero_of_every_kind_that_has_one() -> None:
    cash = codec.decode(ProtoOADepositWithdraw, b"", lenient=True)
    assert cash.operation_type is ProtoOAChangeBalanceType(0)
    assert cash.delta == 0
    token = codec.decode(ProtoOARefreshTokenRes, b"", lenient=True)
    assert (token.access_token, token.expires_in) == ("", 0)
    event = codec.decode(ProtoOADepthEvent, b"", lenient=True)
    assert (event.ctid_trader_account_id, event.symbol_id, event.new_quotes) == (0, 0, [])


@pytest.mark.parametrize("wrong", ["zero", "", None, True])
def test_another_setting_is_refused_at_once_with_the_choices(wrong: Any) -> None:
    with pytest.raises(InvalidValue, match=r"missing_required = .*: expected one of 'error', 'def"):
        connect("localhost", missing_required=wrong)
    with pytest.raises(InvalidValue, match="missing_required = "):
        connect_over(lambda: None, missing_required=wrong)  # type: ignore[arg-type,return-value]
