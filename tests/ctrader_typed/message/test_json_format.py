"""cTrader's JSON: what is written, what is read as the same, and what is refused where."""

from __future__ import annotations

import collections
import json
import math
import types
import typing

import pytest

from ctrader_typed.errors import DecodeError, EncodeError
from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoErrorRes,
    ProtoMessage,
    ProtoOADealListRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOASymbol,
    ProtoOATradeSide,
    ProtoOATrendbar,
)
from tests.ctrader_typed.message.test_decode import whole
from tests.support.everything import Mood, Nested

ORDER: dict[str, typing.Any] = {
    "ctidTraderAccountId": 42425848,
    "symbolId": 1,
    "orderType": 2,
    "tradeSide": 1,
    "volume": 100000,
    "limitPrice": 1.18676,
    "comment": "",
    "guaranteedStopLoss": False,
}


def order() -> ProtoOANewOrderReq:
    return ProtoOANewOrderReq(
        ctid_trader_account_id=42425848,
        symbol_id=1,
        order_type=ProtoOAOrderType.LIMIT,
        trade_side=ProtoOATradeSide.BUY,
        volume=100000,
        limit_price=1.18676,
        guaranteed_stop_loss=False,
        comment="",
    )


class TestWriting:
    def test_the_dialect(self) -> None:
        assert order().to_dict() == ORDER
        assert [type(value) for value in order().to_dict().values()] == [
            *(int, int, int, int, int, float, str, bool)
        ]
        assert json.loads(order().to_json()) == ORDER

    def test_absent_is_no_key_and_zero_is_a_key(self) -> None:
        spot = ProtoOASpotEvent(ctid_trader_account_id=0, symbol_id=0, bid=0)
        assert spot.to_dict() == {"ctidTraderAccountId": 0, "symbolId": 0, "bid": 0}

    def test_the_largest_integers_are_numbers(self) -> None:
        message = ProtoErrorRes(error_code="X", maintenance_end_timestamp=2**64 - 1)
        assert (
            message.to_json()
            == '{"errorCode": "X", "maintenanceEndTimestamp": 18446744073709551615}'
        )
        assert ProtoErrorRes.from_json(message.to_json()) == message

    @pytest.mark.parametrize(
        ("value", "shown"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
    )
    def test_what_is_no_json_number_is_a_string(self, value: float, shown: str) -> None:
        message = order()
        message.limit_price = value
        assert json.loads(message.to_json(), parse_constant=pytest.fail)["limitPrice"] == shown
        assert ProtoOANewOrderReq.from_json(message.to_json(), strict=True) == message

    def test_bytes_are_base64(self) -> None:
        message = ProtoMessage(payload_type=51, payload=b"\x00\xff\xfe")
        assert message.to_dict() == {"payloadType": 51, "payload": "AP/+"}
        assert ProtoMessage.from_dict(message.to_dict(), strict=True) == message
        assert ProtoMessage.from_dict({"payloadType": 51, "payload": b"\x00\xff\xfe"}) == message

    def test_unknown_enum_numbers_go_both_ways(self) -> None:
        message = order()
        message.order_type = ProtoOAOrderType(99)
        assert message.to_dict()["orderType"] == 99
        assert ProtoOANewOrderReq.from_dict(message.to_dict(), strict=True) == message

    def test_an_incomplete_message_can_be_shown(self) -> None:
        assert ProtoOANewOrderReq().to_dict() == {}


class TestReading:
    @pytest.mark.parametrize("strict", [True, False])
    def test_the_dialect(self, strict: bool) -> None:
        read = ProtoOANewOrderReq.from_dict(ORDER, strict=strict)
        assert read == order()
        assert type(read.order_type) is ProtoOAOrderType
        assert ProtoOANewOrderReq.from_json(json.dumps(ORDER), strict=strict) == order()
        for mapping in (types.MappingProxyType(ORDER), collections.OrderedDict(ORDER)):
            assert ProtoOANewOrderReq.from_dict(mapping, strict=strict) == order()

    # What a client may write instead, and what `strict` says of it.
    ALSO: typing.ClassVar[dict[str, tuple[dict[str, typing.Any], str]]] = {
        "a numeric string": ({"volume": "100000"}, r"\.volume: expected an integer, got a string"),
        "an integral float": ({"volume": 100000.0}, r"\.volume: expected an integer, got a number"),
        "the name of an enum value": (
            {"orderType": "LIMIT"},
            r"\.orderType: expected an integer, got a string",
        ),
        "the number of one as a string": (
            {"orderType": "2"},
            r"\.orderType: expected an integer, got a string",
        ),
        "a double as a string": (
            {"limitPrice": "1.18676"},
            r"\.limitPrice: expected a number, got a string",
        ),
        "with an exponent": (
            {"limitPrice": "118676e-5"},
            r"\.limitPrice: expected a number, got a string",
        ),
        "a bool as a string": (
            {"guaranteedStopLoss": "false"},
            r"\.guaranteedStopLoss: expected true or false, got a string",
        ),
        "null for absent": ({"stopLoss": None}, r"\.stopLoss: expected a number, got null"),
        "null for an absent list": ({"nothing": None}, "no field 'nothing'"),
        "an unknown key": ({"colour": "red"}, "ProtoOANewOrderReq: no field 'colour'"),
        "a key that is no string": ({5: "red"}, "ProtoOANewOrderReq: no field 5"),
        "an attribute's name": ({"symbol_id": 1}, "no field 'symbol_id'"),
    }

    @pytest.mark.parametrize(("change", "said"), ALSO.values(), ids=ALSO)
    def test_what_else_is_read_and_what_strict_says(
        self, change: dict[str, typing.Any], said: str
    ) -> None:
        # Unknown keys are kept beside the fields (test_unknown_keys.py); the fields are the same.
        assert bytes(ProtoOANewOrderReq.from_dict(ORDER | change)) == bytes(order())
        with pytest.raises(DecodeError, match=said):
            ProtoOANewOrderReq.from_dict(ORDER | change, strict=True)

    REFUSED: typing.ClassVar[dict[str, tuple[dict[str, typing.Any], str]]] = {
        "int: text": ({"volume": "lots"}, "volume: expected an integer, got a string"),
        "int: empty text": ({"volume": ""}, "volume: expected an integer, got a string"),
        "int: underscores": ({"volume": "1_000"}, "volume: expected an integer, got a string"),
        "int: blanks": ({"volume": " 1"}, "volume: expected an integer, got a string"),
        "int: other digits": ({"volume": "\u0661"}, "volume: expected an integer, got a string"),
        "int: hexadecimal": ({"volume": "0x10"}, "volume: expected an integer, got a string"),
        "int: a point": ({"volume": "1.0"}, "volume: expected an integer, got a string"),
        "int: a fraction": ({"volume": 1.5}, "volume: expected an integer, got a number"),
        "int: infinite": ({"volume": math.inf}, "volume: expected an integer, got a number"),
        "int: bool": ({"volume": True}, "volume: expected an integer, got a bool"),
        "int: list": ({"volume": [1]}, "volume: expected an integer, got a list"),
        "int: object": ({"volume": {}}, "volume: expected an integer, got an object"),
        "int: too high": ({"volume": 2**63}, "volume: 9223372036854775808 does not fit in int64"),
        "int: too high as text": (
            {"volume": str(2**63)},
            "volume: 9223372036854775808 does not fit in int64",
        ),
        "int: too high as float": (
            {"volume": 1e300},
            "volume: an integer of 997 bits does not fit",
        ),
        "int: huge": (
            {"volume": 10**5000},
            "volume: an integer of 16610 bits does not fit in int64",
        ),
        "int: huge as text": ({"volume": "9" * 5000}, "volume: expected an integer, got a string"),
        "int: of 32 bits": (
            {"slippageInPoints": 2**31},
            "slippageInPoints: 2147483648 does not fit in int32",
        ),
        "enum: no such name": (
            {"orderType": "LMIT"},
            "orderType: ProtoOAOrderType has no value of that name",
        ),
        "enum: bool": ({"orderType": True}, "orderType: expected an integer, got a bool"),
        "enum: too high": ({"orderType": 2**31}, "orderType: 2147483648 does not fit in enum"),
        "double: text": ({"limitPrice": "dear"}, "limitPrice: expected a number, got a string"),
        "double: inf": ({"limitPrice": "inf"}, "limitPrice: expected a number, got a string"),
        "double: too high as text": (
            {"limitPrice": "1e999"},
            "limitPrice: the number does not fit in a double",
        ),
        "double: too high an int": (
            {"limitPrice": 10**400},
            "limitPrice: the number does not fit in a double",
        ),
        "double: bool": ({"limitPrice": True}, "limitPrice: expected a number, got a bool"),
        "bool: number": (
            {"guaranteedStopLoss": 1},
            "guaranteedStopLoss: expected true or false, got an integer",
        ),
        "bool: text": (
            {"guaranteedStopLoss": "yes"},
            "guaranteedStopLoss: expected true or false, got a string",
        ),
        "string: number": ({"comment": 5}, "comment: expected a string, got an integer"),
        "string: surrogate": ({"comment": "\ud800"}, "comment: not a valid Unicode text"),
    }

    @pytest.mark.parametrize("strict", [True, False])
    @pytest.mark.parametrize(("change", "said"), REFUSED.values(), ids=REFUSED)
    def test_refused(self, change: dict[str, typing.Any], said: str, strict: bool) -> None:
        kind = r"ProtoOANewOrderReq\."
        if strict and "name" in said:
            said = "orderType: expected an integer, got a string"
        if strict and "as text" in said:
            said = "expected"
        with pytest.raises(DecodeError, match=kind if strict else kind + said):
            ProtoOANewOrderReq.from_dict(ORDER | change, strict=strict)

    def test_the_path_leads_to_what_is_wrong(self) -> None:
        trade = {"symbolId": 1, "volume": "x", "tradeSide": 1}
        event = {
            "ctidTraderAccountId": 1,
            "executionType": 3,
            "order": {"orderId": 1, "tradeData": trade, "orderType": 1, "orderStatus": 1},
        }
        with pytest.raises(
            DecodeError, match=r"^ProtoOAExecutionEvent\.order\.tradeData\.volume: expected"
        ):
            ProtoOAExecutionEvent.from_dict(event)
        deals = {"ctidTraderAccountId": 1, "hasMore": False, "deal": [{}]}
        with pytest.raises(
            DecodeError,
            match=r"^ProtoOADealListRes\.deal\[0\]: missing required fields: dealId, orderId,",
        ):
            ProtoOADealListRes.from_dict(deals)
        for wrong, said in (
            ({"deal": {}}, "deal: expected a list, got an object"),
            ({"deal": [1]}, r"deal\[0\]: expected an object, got an integer"),
        ):
            with pytest.raises(DecodeError, match=said):
                ProtoOADealListRes.from_dict(deals | wrong)

    def test_required_fields_that_are_missing_are_named_by_their_keys(self) -> None:
        with pytest.raises(
            DecodeError,
            match=r"ProtoOASpotEvent: missing required fields: ctidTraderAccountId, symbolId$",
        ):
            ProtoOASpotEvent.from_dict({"bid": 1})
        with pytest.raises(DecodeError, match=r"missing required fields: symbolId$"):
            ProtoOASpotEvent.from_dict({"ctidTraderAccountId": 1, "symbolId": None})

    def test_an_instance_is_updated_as_a_whole_or_not_at_all(self) -> None:
        spot = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bid=3)
        with pytest.raises(DecodeError, match=r"ProtoOASpotEvent\.ask"):
            spot.from_dict({"bid": 9, "ask": "dear"})
        assert spot.bid == 3
        spot.from_dict({"bid": 9, "symbolId": None})
        assert (spot.bid, spot.symbol_id) == (9, 2)
        with pytest.raises(DecodeError, match="colour"):
            spot.from_dict({"colour": 1}, strict=True)
        assert spot.from_json('{"ask": 5}').ask == 5

    def test_messages_inside_may_be_messages(self) -> None:
        bar = ProtoOATrendbar(volume=1)
        spot = ProtoOASpotEvent.from_dict(
            {"ctidTraderAccountId": 1, "symbolId": 2, "trendbar": (bar,)}
        )
        assert spot.trendbar[0] is bar

    def test_the_key_that_no_rule_derives(self) -> None:
        symbol = {"symbolId": 1, "digits": 5, "pipPosition": 4, "skipSWAPPeriods": 3}
        assert ProtoOASymbol.from_dict(symbol, strict=True).skip_swap_periods == 3
        with pytest.raises(DecodeError, match="skipSwapPeriods"):
            ProtoOASymbol.from_dict({**symbol, "skipSwapPeriods": 3}, strict=True)

    @pytest.mark.parametrize("wrong", [None, 5, "text", [], [1]])
    def test_only_a_mapping_is_a_message(self, wrong: typing.Any) -> None:
        for read in (ProtoOASpotEvent.from_dict, ProtoOASpotEvent().from_dict):
            with pytest.raises(DecodeError, match="ProtoOASpotEvent: expected an object, got"):
                read(wrong)


class TestText:
    REFUSED: typing.ClassVar[dict[str, tuple[str | bytes, str]]] = {
        "nothing": ("", "not JSON: Expecting value"),
        "half": ('{"symbolId": 1', "not JSON"),
        "two": ("{}{}", "not JSON: Extra data"),
        "no object": ("[]", "expected an object, got a list"),
        "null": ("null", "expected an object, got null"),
        "NaN": ('{"symbolId": NaN}', "not JSON: NaN is no JSON number"),
        "infinity": ('{"symbolId": -Infinity}', "not JSON: -Infinity is no JSON number"),
        "too large": ('{"symbolId": 1e999}', "not JSON: a number that does not fit in a double"),
        "too many digits": ('{"symbolId": %s}' % ("9" * 5000), "not JSON"),
        "too deep": ("[" * 100_000, "not JSON"),
        "too deep and whole": ('{"a":' * 50_000 + "1" + "}" * 50_000, "not JSON"),
        "not UTF-8": (b'{"symbolId": "\xff"}', "not JSON"),
        "cut UTF-8": (b'{"symbolId": "\xe2\x82', "not JSON"),
        "a byte order mark": ('\ufeff{"symbolId": 1}', "not JSON"),
        "a control character": ('{"symbolId": "\n"}', "not JSON"),
    }

    @pytest.mark.parametrize("strict", [True, False])
    @pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED)
    def test_refused(self, text: str | bytes, said: str, strict: bool) -> None:
        for read in (ProtoOASpotEvent.from_json, ProtoOASpotEvent().from_json):
            with pytest.raises(DecodeError, match=f"^ProtoOASpotEvent: {said}"):
                read(text, strict=strict)

    def test_a_key_that_comes_twice(self) -> None:
        text = '{"ctidTraderAccountId": 1, "symbolId": 1, "symbolId": 2}'
        assert ProtoOASpotEvent.from_json(text).symbol_id == 2
        with pytest.raises(DecodeError, match="not JSON: key 'symbolId' comes twice"):
            ProtoOASpotEvent.from_json(text, strict=True)

    def test_bytes_in_utf8_and_escapes(self) -> None:
        for text in ('{"errorCode": "€𝄞"}', '{"errorCode": "\\u20ac\\ud834\\udd1e"}'):
            for given in (text, text.encode()):
                assert ProtoErrorRes.from_json(given).error_code == "€𝄞"
        assert ProtoErrorRes(error_code="€").to_json() == '{"errorCode": "\\u20ac"}'


class TestDepth:
    def test_a_hundred_levels_and_no_more(self) -> None:
        def nested(levels: int) -> dict[str, typing.Any]:
            value: dict[str, typing.Any] = {"requiredNumber": 1}
            for _ in range(levels):
                value = {"requiredNumber": 1, "child": value}
            return value

        message = Nested.from_dict(nested(100), strict=True)
        assert message.to_dict() == nested(100)
        for levels in (101, 300):
            with pytest.raises(DecodeError, match="nested more than 100 deep"):
                Nested.from_dict(nested(levels))
        with pytest.raises(EncodeError, match="nested more than 100 deep"):
            Nested(required_number=1, child=message).to_dict()

    def test_what_nobody_reads_may_be_as_deep_as_python_can(self) -> None:
        deep: list[typing.Any] = []
        for _ in range(10_000):
            deep = [deep]
        assert Nested.from_dict({"requiredNumber": 1, "other": deep}).required_number == 1


class TestEveryKind:
    def test_all_kinds_in_all_labels_go_round(self) -> None:
        message = whole()
        for f in type(message).message_fields:
            one: typing.Any = {
                "enum": Mood.GLOOMY,
                "string": "x",
                "bytes": b"\xff",
                "bool": True,
            }.get(f.kind, 1)
            one = Nested(required_number=-1) if f.kind == "message" else one
            setattr(message, f.name, [one, one] if f.repeated else one)
        for strict in (True, False):
            again = type(message).from_json(message.to_json(), strict=strict)
            assert again == message
            assert bytes(again) == bytes(message)

    def test_a_float_is_rounded_to_what_it_can_hold(self) -> None:
        message = type(whole()).from_dict({**whole().to_dict(), "optionalFloat": 0.1})
        assert message.optional_float == 0.10000000149011612
        with pytest.raises(DecodeError, match="optionalFloat: the number does not fit in a float"):
            type(whole()).from_dict({**whole().to_dict(), "optionalFloat": 1e39})


def test_signatures_say_what_is_optional() -> None:
    for read in (ProtoOASpotEvent.from_dict, ProtoOASpotEvent.from_json):
        assert read.__doc__
    with pytest.raises(TypeError):
        ProtoOASpotEvent.from_dict({}, True)  # type: ignore[misc]  # strict has a name
    assert issubclass(DecodeError, ValueError)
    assert isinstance(Message.from_dict, types.MethodType)
    assert ProtoOAExecutionType(3).name == "ORDER_FILLED"
