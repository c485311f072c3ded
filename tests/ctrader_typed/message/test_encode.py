"""What cannot be written is refused and named, on both paths alike; what can is google's bytes."""

from __future__ import annotations

import array
import decimal
import enum
import fractions
import sys
import typing

import pytest

from ctrader_typed.errors import EncodeError
from ctrader_typed.message import Message, codec
from ctrader_typed.message.encode import signed_varint, varint
from ctrader_typed.message.field_values import LIMITS
from ctrader_typed.proto import (
    SCHEMA,
    ProtoMessage,
    ProtoOADealListRes,
    ProtoOADepthEvent,
    ProtoOADepthQuote,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATradeSide,
    ProtoOATrendbar,
    ProtoOAVersionRes,
)
from tests.ctrader_typed.message.test_decode import whole
from tests.support import oracle
from tests.support.everything import Everything, Nested

each_path = pytest.mark.parametrize("path", oracle.PATHS)


class Indexed:
    """What numpy's integers are to Python: an integer that is no int."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


def order(**changes: typing.Any) -> ProtoOANewOrderReq:
    values: dict[str, typing.Any] = {
        "ctid_trader_account_id": 1,
        "symbol_id": 1,
        "order_type": ProtoOAOrderType.MARKET,
        "trade_side": ProtoOATradeSide.BUY,
        "volume": 100,
    }
    return ProtoOANewOrderReq(**(values | changes))


def depth(**changes: typing.Any) -> ProtoOADepthEvent:
    return ProtoOADepthEvent(**{"ctid_trader_account_id": 1, "symbol_id": 1, **changes})


REFUSED: dict[str, tuple[Message, str]] = {
    "int64 too high": (
        order(volume=1 << 63),
        r"OrderReq\.volume: 9223372036854775808 does not fit in int64 \(-\d{19} to \d{18}7\)",
    ),
    "int64 too low": (
        order(volume=-(1 << 63) - 1),
        "volume: -9223372036854775809 does not fit in int64",
    ),
    "int64 huge": (
        order(volume=10**5000),
        "volume: an integer of 16610 bits does not fit in int64",
    ),
    "int32 too high": (
        order(slippage_in_points=1 << 31),
        "slippage_in_points: 2147483648 does not fit in int32",
    ),
    "enum too low": (
        order(order_type=-(1 << 31) - 1),
        "order_type: -2147483649 does not fit in enum",
    ),
    "uint64 negative": (
        depth(symbol_id=-1),
        r"ProtoOADepthEvent.symbol_id: -1 does not fit in uint64 \(0 to 18446744073709551615\)",
    ),
    "uint64 too high": (depth(symbol_id=1 << 64), "symbol_id: 18446744073709551616 does not fit"),
    "uint32 negative": (
        ProtoMessage(payload_type=-1),
        "ProtoMessage.payload_type: -1 does not fit in uint32",
    ),
    "uint32 too high": (
        ProtoMessage(payload_type=1 << 32),
        "payload_type: 4294967296 does not fit",
    ),
    "int as text": (order(volume="100"), "volume: expected an integer, got str"),
    "int as float": (order(volume=100.0), "volume: expected an integer, got float"),
    "int as Decimal": (
        order(volume=decimal.Decimal(100)),
        "volume: expected an integer, got Decimal",
    ),
    "int as list": (order(volume=[100]), "volume: expected an integer, got list"),
    "enum as name": (order(order_type="MARKET"), "order_type: expected an integer, got str"),
    "double as text": (order(limit_price="1.5"), "limit_price: expected a number, got str"),
    "double as list": (order(limit_price=[1.5]), "limit_price: expected a number, got list"),
    "double as complex": (order(limit_price=1j), "limit_price: expected a number, got complex"),
    "double too high": (
        order(limit_price=10**400),
        "limit_price: the number does not fit in a double",
    ),
    "string as bytes": (order(comment=b"x"), "comment: expected a str, got bytes"),
    "string as number": (order(comment=5), "comment: expected a str, got int"),
    "string with a surrogate": (order(comment="\ud800"), "comment: not a valid Unicode text"),
    "bool as number": (
        order(guaranteed_stop_loss=1),
        "guaranteed_stop_loss: expected a bool, got int",
    ),
    "bool as text": (
        order(guaranteed_stop_loss="yes"),
        "guaranteed_stop_loss: expected a bool, got str",
    ),
    "bytes as text": (
        ProtoMessage(payload_type=1, payload="x"),
        "payload: expected bytes, got str",
    ),  # type: ignore[arg-type]  # the point
    "bytes as number": (
        ProtoMessage(payload_type=1, payload=5),
        "payload: expected bytes, got int",
    ),  # type: ignore[arg-type]  # the point
    "bytes as numbers": (
        ProtoMessage(payload_type=1, payload=array.array("H", [1, 2])),
        "payload: expected bytes, got array",
    ),  # type: ignore[arg-type]  # the point
    "a message of another class": (
        depth(new_quotes=[ProtoOATrendbar(volume=1)]),
        r"new_quotes\[0\]: expected ProtoOADepthQuote, got ProtoOATrendbar",
    ),
    "a dict for a message": (
        depth(new_quotes=[{"id": 1}]),
        r"new_quotes\[0\]: expected ProtoOADepthQuote, got dict",
    ),
    "a message without what it needs": (
        depth(new_quotes=[ProtoOADepthQuote(id=1, size=1), ProtoOADepthQuote()]),
        r"ProtoOADepthEvent.new_quotes\[1\].id is required and not set",
    ),
    "None in a list": (
        depth(new_quotes=[None]),
        r"new_quotes\[0\]: expected ProtoOADepthQuote, got NoneType",
    ),
    "None in a list of numbers": (
        depth(deleted_quotes=[1, None]),
        r"deleted_quotes\[1\]: expected an integer, got NoneType",
    ),
    "one message for a list": (
        depth(new_quotes=ProtoOADepthQuote(id=1, size=1)),
        "new_quotes: expected a list, got ProtoOADepthQuote",
    ),
    "one number for a list": (depth(deleted_quotes=5), "deleted_quotes: expected a list, got int"),
    "text for a list": (depth(deleted_quotes="12"), "deleted_quotes: expected a list, got str"),
    "bytes for a list": (depth(deleted_quotes=b"12"), "deleted_quotes: expected a list, got bytes"),
    "a set for a list": (depth(deleted_quotes={1, 2}), "deleted_quotes: expected a list, got set"),
    "a dict for a list": (depth(new_quotes={}), "new_quotes: expected a list, got dict"),
    "a list's number": (
        depth(deleted_quotes=[1, 2, -3]),
        r"deleted_quotes\[2\]: -3 does not fit in uint64",
    ),
    "required": (
        ProtoOASpotEvent(),
        "ProtoOASpotEvent.ctid_trader_account_id is required and not set",
    ),
}


@each_path
@pytest.mark.parametrize(("message", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(message: Message, said: str, path: str) -> None:
    with oracle.path(path), pytest.raises(EncodeError, match=said):
        codec.encode(message)
    if "required" not in said:  # what is shown may be incomplete
        with pytest.raises(EncodeError, match=said):
            message.to_dict()


class Imposter(enum.IntEnum):
    """An integer as good as any."""

    TWO = 2


ACCEPTED: dict[str, tuple[Message, Message]] = {
    "a bool is an integer": (order(volume=True), order(volume=1)),
    "so is what has __index__": (order(volume=Indexed(300)), order(volume=300)),
    "an enum may be a plain number": (
        order(order_type=2),
        order(order_type=ProtoOAOrderType.LIMIT),
    ),
    "or of another enum": (
        order(order_type=Imposter.TWO),
        order(order_type=ProtoOAOrderType.LIMIT),
    ),
    "an integer is a double": (order(limit_price=2), order(limit_price=2.0)),
    "so are decimals": (order(limit_price=decimal.Decimal("1.5")), order(limit_price=1.5)),
    "and fractions": (order(limit_price=fractions.Fraction(3, 2)), order(limit_price=1.5)),
    "a tuple is a list": (depth(deleted_quotes=(1, 2)), depth(deleted_quotes=[1, 2])),
    "bytearray": (
        ProtoMessage(payload_type=1, payload=bytearray(b"ab")),
        ProtoMessage(payload_type=1, payload=b"ab"),
    ),  # type: ignore[arg-type]  # at run time
    "memoryview": (
        ProtoMessage(payload_type=1, payload=memoryview(b"ab")),
        ProtoMessage(payload_type=1, payload=b"ab"),
    ),  # type: ignore[arg-type]  # at run time
    "memoryview of numbers": (
        ProtoMessage(payload_type=1, payload=memoryview(array.array("H", [1, 2]))),
        ProtoMessage(payload_type=1, payload=b"\1\0\2\0"),
    ),  # type: ignore[arg-type]  # at run time
}


@each_path
@pytest.mark.parametrize(("given", "meant"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_python_takes_for_the_same_is_written_the_same(
    given: Message, meant: Message, path: str
) -> None:
    with oracle.path(path):
        assert codec.encode(given) == codec.encode(meant)
    assert given.to_dict() == meant.to_dict()
    assert given.to_json() == meant.to_json()


@pytest.mark.parametrize("kind", LIMITS)
def test_both_ends_of_every_range(kind: str) -> None:
    low, above = LIMITS[kind]
    for label in ("optional", "repeated"):
        name = f"{label}_{kind}"
        for value in (low, above - 1):
            message = whole()
            setattr(message, name, [value] if label == "repeated" else value)
            theirs = oracle.fill(oracle.plain_class(Everything)(), message)
            assert bytes(message) == theirs.SerializeToString(deterministic=True)
            assert getattr(Everything.FromString(bytes(message)), name) == getattr(message, name)
        for value in (low - 1, above):
            message = whole()
            setattr(message, name, [value] if label == "repeated" else value)
            with pytest.raises(EncodeError, match=rf"Everything\.{name}.*does not fit in {kind}"):
                bytes(message)


def test_a_subclass_inside_a_message_is_written_as_its_parent() -> None:
    class Bar(ProtoOATrendbar):
        """A bar of somebody's own."""

    message = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, trendbar=[Bar(volume=5)])
    plain = ProtoOASpotEvent(
        ctid_trader_account_id=1, symbol_id=1, trendbar=[ProtoOATrendbar(volume=5)]
    )
    assert bytes(message) == bytes(plain)


def test_a_message_inside_itself_is_refused() -> None:
    message = Nested(required_number=1)
    message.child = message
    for write in (bytes, Message.to_dict):
        with pytest.raises(EncodeError, match="nested more than 100 deep"):
            write(message)


def test_a_hundred_levels_are_written_and_a_full_stack_is_an_encode_error() -> None:
    message = Nested(required_number=1)
    for _ in range(100):
        message = Nested(required_number=1, child=message)
    assert oracle.agree(Nested, bytes(message)) == "accepted"
    with pytest.raises(EncodeError, match="nested more than 100 deep"):
        bytes(Nested(required_number=1, child=message))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(frames()) + 150)
    try:
        with pytest.raises(EncodeError, match="the caller's stack is full"):
            bytes(message)
        with pytest.raises(EncodeError, match="the caller's stack is full"):
            message.to_dict()
    finally:
        sys.setrecursionlimit(limit)


def frames() -> list[object]:
    found, frame = [], sys._getframe()
    while frame is not None:
        found.append(frame)
        frame = typing.cast("typing.Any", frame.f_back)
    return found


def test_fields_are_written_by_number_and_unknown_ones_last() -> None:
    mixed = b"\xf8\x7f\x01" + b"\x20\x05" + b"\x18\x02" + b"\xf0\x7f\x02" + b"\x10\x01"
    assert (
        bytes(ProtoOASpotEvent.FromString(mixed))
        == b"\x10\x01\x18\x02\x20\x05\xf8\x7f\x01\xf0\x7f\x02"
    )


def test_an_empty_packed_list_is_not_written() -> None:
    assert bytes(depth(deleted_quotes=[])) == b"\x10\x01\x18\x01"


def test_false_of_a_required_field_is_written() -> None:
    assert (
        bytes(ProtoOADealListRes(ctid_trader_account_id=0, has_more=False)) == b"\x10\x00\x20\x00"
    )
    assert bytes(ProtoOAVersionRes(version="")) == b"\x12\x00"


@pytest.mark.parametrize("value", [0, 1, 127, 128, 16383, 16384, 2**21, 2**35, 2**63, 2**64 - 1])
def test_varint(value: int) -> None:
    theirs = oracle.plain_class(ProtoOADepthEvent)(ctidTraderAccountId=0, symbolId=value)
    assert b"\x10\x00\x18" + varint(value) == theirs.SerializeToString()
    for wrong in (-1, 1 << 64):
        with pytest.raises(OverflowError):
            varint(wrong)


@pytest.mark.parametrize("value", [0, 127, 128, 2**63 - 1, -1, -128, -(2**63)])
def test_signed_varint(value: int) -> None:
    theirs = oracle.plain_class(ProtoOASpotEvent)(ctidTraderAccountId=value, symbolId=0)
    assert b"\x10" + signed_varint(value) + b"\x18\x00" == theirs.SerializeToString()
    for wrong in (1 << 63, -(1 << 63) - 1):
        with pytest.raises(OverflowError):
            signed_varint(wrong)


def test_every_message_knows_the_classes_of_its_fields() -> None:
    for cls in SCHEMA.messages:
        for f in cls.message_fields:
            if f.of:
                assert cls.class_of(f).__name__ == f.of
