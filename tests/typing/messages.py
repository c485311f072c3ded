"""What type checkers know of messages. Checked by mypy and pyright, never run.

Each expected error stands on a line with both checkers' ignores: one that does not come is an error
itself, for both are told to report ignores that ignore nothing.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, Literal, assert_type

from ctrader_typed import CodecInfo, codec_info
from ctrader_typed.enums import Enum
from ctrader_typed.message import Message, Request
from ctrader_typed.proto import (
    ProtoMessage,
    ProtoOADepthEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATimeInForce,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATradeSide,
    ProtoOATrendbar,
)


def fields() -> None:
    spot = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bid=3)
    assert_type(spot.symbol_id, int)
    assert_type(spot.bid, int | None)
    assert_type(spot.trendbar, list[ProtoOATrendbar])
    assert_type(ProtoMessage(payload_type=1).payload, bytes | None)
    order = ProtoOANewOrderReq(
        ctid_trader_account_id=1,
        symbol_id=1,
        order_type=ProtoOAOrderType.LIMIT,
        trade_side=ProtoOATradeSide.BUY,
        volume=100,
        limit_price=1.5,
    )
    assert_type(order.order_type, ProtoOAOrderType)
    assert_type(order.limit_price, float | None)
    assert_type(order.time_in_force, ProtoOATimeInForce | None)
    assert_type(order.time_in_force_or_default, ProtoOATimeInForce)
    order.limit_price = None
    order.limit_price = 2


def construction() -> None:
    ProtoOASpotEvent(ctid_trader_account_id=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - symbol_id is required
    ProtoOASpotEvent()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - both are
    ProtoOASpotEvent(1, 2)  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue] - keywords only
    ProtoOASpotEvent(ctid_trader_account_id="1", symbol_id=2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - an int
    ProtoOASpotEvent(ctid_trader_account_id=None, symbol_id=2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - not optional
    ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bidd=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - misspelt
    ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, trendbar=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - a list, perhaps empty
    ProtoOADepthEvent(ctid_trader_account_id=1, symbol_id=2, new_quotes=[ProtoOATraderReq])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType] - of quotes
    assert_type(ProtoOASpotEvent.blank(), ProtoOASpotEvent)


def attributes(spot: ProtoOASpotEvent) -> None:
    spot.bidd = 1  # type: ignore[assignment]  # pyright: ignore[reportArgumentType] - misspelt
    assert_type(spot.bidd, Any)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportAssertTypeFailure] - misspelt
    spot.bid = "1"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue] - an int
    spot.symbol_id = None  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue] - required
    assert_type({1: spot}, dict[int, ProtoOASpotEvent])
    assert_type({spot: 1}, dict[ProtoOASpotEvent, int])  # pyright: ignore[reportUnhashable] - mutable; mypy does not ask


def reading(spot: ProtoOASpotEvent, mapping: dict[str, Any], raw: bytes) -> None:
    assert_type(ProtoOASpotEvent.FromString(raw), ProtoOASpotEvent)
    assert_type(ProtoOASpotEvent.FromString(memoryview(raw)), ProtoOASpotEvent)
    assert_type(spot.parse(raw), ProtoOASpotEvent)
    assert_type(ProtoOASpotEvent.from_dict(mapping), ProtoOASpotEvent)
    assert_type(ProtoOASpotEvent.from_dict(mapping, strict=True), ProtoOASpotEvent)
    assert_type(ProtoOASpotEvent.from_json("{}", strict=True), ProtoOASpotEvent)
    assert_type(ProtoOASpotEvent.from_json(b"{}"), ProtoOASpotEvent)
    assert_type(spot.from_dict(mapping), ProtoOASpotEvent)
    assert_type(spot.from_json("{}"), ProtoOASpotEvent)
    assert_type(spot.from_pydict(mapping), ProtoOASpotEvent)
    ProtoOASpotEvent.FromString("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - bytes


def writing(spot: ProtoOASpotEvent) -> None:
    assert_type(bytes(spot), bytes)
    assert_type(spot.SerializeToString(), bytes)
    assert_type(len(spot), int)
    assert_type(spot.to_dict(), dict[str, Any])
    assert_type(spot.to_pydict(), dict[str, Any])
    assert_type(spot.to_json(indent=2), str)


def which_codec() -> None:
    assert_type(codec_info(), CodecInfo)
    assert_type(codec_info().codec, Literal["compiled", "python"])
    assert_type(codec_info().why, str)


def copies(spot: ProtoOASpotEvent) -> None:
    assert_type(copy.copy(spot), ProtoOASpotEvent)
    assert_type(copy.deepcopy(spot), ProtoOASpotEvent)
    assert_type(dataclasses.replace(spot, bid=1), ProtoOASpotEvent)
    assert_type(dataclasses.asdict(spot), dict[str, Any])


def enums(side: ProtoOATradeSide) -> None:
    assert_type(ProtoOATradeSide(99), ProtoOATradeSide)
    assert_type(ProtoOATradeSide.try_value(99), ProtoOATradeSide)
    assert_type(ProtoOATradeSide.from_string("BUY"), ProtoOATradeSide)
    assert_type(side.is_known, bool)
    takes_any(side)
    takes_int(side)
    takes_order_type(side)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - another enum


def takes_any(value: Enum) -> None: ...
def takes_int(value: int) -> None: ...
def takes_order_type(value: ProtoOAOrderType) -> None: ...


def answers(request: Request[ProtoOATraderRes]) -> Message:
    return request


def asked() -> None:
    answers(ProtoOATraderReq(ctid_trader_account_id=1))
    answers(ProtoOATraderRes.blank())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - no request


class Mine(ProtoOASpotEvent):
    """A subclass keeps the constructor."""


def subclasses() -> None:
    assert_type(Mine(ctid_trader_account_id=1, symbol_id=2), Mine)
    assert_type(Mine.FromString(b""), Mine)
    Mine(symbol_id=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - required there too
