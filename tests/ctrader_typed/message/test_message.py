"""What a message is: fields, presence, construction, subclasses, dataclasses. Not its bytes."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import sys
import threading
import typing

import pytest

from ctrader_typed.errors import DecodeError, EncodeError
from ctrader_typed.message import Message, MessageType, field
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOADealListRes,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATimeInForce,
    ProtoOATraderReq,
    ProtoOATradeSide,
    ProtoOATrendbar,
    ProtoOAVersionReq,
)
from tests.support import oracle
from tests.support.everything import Everything, Nested

UNKNOWN = b"\xf8\x7f\x01"


def spot(**changes: typing.Any) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(**{"ctid_trader_account_id": 1, "symbol_id": 2, **changes})


class TestPresence:
    def test_what_is_left_out_is_none_and_lists_are_empty(self) -> None:
        message = spot()
        assert message.bid is None
        assert message.trendbar == []
        assert spot().trendbar is not message.trendbar

    def test_zero_false_and_empty_are_values_and_are_written(self) -> None:
        order = ProtoOANewOrderReq(
            ctid_trader_account_id=0,
            symbol_id=0,
            order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY,
            volume=0,
            stop_loss=0.0,
            comment="",
            guaranteed_stop_loss=False,
        )
        again = ProtoOANewOrderReq.FromString(bytes(order))
        assert again == order
        assert (again.stop_loss, again.comment, again.guaranteed_stop_loss) == (0.0, "", False)
        assert again.is_set("stop_loss")
        assert not again.is_set("take_profit")
        assert ProtoOADealListRes.FromString(b"\x10\x01\x20\x00").has_more is False

    @pytest.mark.parametrize("cls", SCHEMA.messages, ids=lambda cls: cls.__name__)
    def test_declared_defaults_are_googles_and_stand_beside_the_field(
        self, cls: type[Message]
    ) -> None:
        message, google = cls.blank(), oracle.google_class(cls)()
        declared = {f.name for f in google.DESCRIPTOR.fields if f.has_default_value}
        assert declared == {
            f.key for f in cls.message_fields if hasattr(cls, f"{f.name}_or_default")
        }
        for f in cls.message_fields:
            if f.key in declared:
                assert getattr(message, f.name) is None
                assert getattr(message, f"{f.name}_or_default") == getattr(google, f.key)

    def test_a_value_comes_before_the_default_even_if_it_is_zero(self) -> None:
        order = spot_order(time_in_force=ProtoOATimeInForce(0))
        assert order.time_in_force_or_default == 0
        assert spot_order().time_in_force_or_default is ProtoOATimeInForce.GOOD_TILL_CANCEL
        assert spot_order().time_in_force is None


def spot_order(**more: typing.Any) -> ProtoOANewOrderReq:
    return ProtoOANewOrderReq(
        ctid_trader_account_id=1,
        symbol_id=1,
        order_type=ProtoOAOrderType.LIMIT,
        trade_side=ProtoOATradeSide.SELL,
        volume=100,
        **more,
    )


class TestConstruction:
    def test_a_required_field_left_out_is_named(self) -> None:
        with pytest.raises(TypeError, match=r"ProtoOASpotEvent\(\) misses .*: symbol_id$"):
            ProtoOASpotEvent(ctid_trader_account_id=1)  # type: ignore[call-arg]  # the point
        with pytest.raises(TypeError, match="ctid_trader_account_id, symbol_id"):
            ProtoOASpotEvent(bid=1)  # type: ignore[call-arg]  # the point
        with pytest.raises(TypeError, match="ctid_trader_account_id"):
            ProtoOASpotEvent(ctid_trader_account_id=None, symbol_id=1)  # type: ignore[arg-type]  # the point

    def test_arguments_have_names_and_the_names_are_checked(self) -> None:
        with pytest.raises(TypeError, match="positional"):
            ProtoOASpotEvent(1, 2)  # type: ignore[misc]  # the point
        with pytest.raises(TypeError, match="symbolid"):
            spot(symbolid=1)

    @pytest.mark.parametrize("cls", oracle.MESSAGES, ids=lambda cls: cls.__name__)
    def test_no_arguments_make_an_empty_message_to_parse_into(self, cls: type[Message]) -> None:
        empty = cls()
        assert empty == cls.blank()
        assert not any(empty.is_set(f.name) for f in cls.message_fields)
        if cls.required_fields:
            with pytest.raises(EncodeError, match=f"{cls.required_fields[0].name} is required"):
                bytes(empty)
            with pytest.raises(DecodeError, match="required"):
                cls().parse(b"")
        else:
            assert bytes(empty) == b""
            assert cls().parse(b"") == empty

    @pytest.mark.parametrize("cls", oracle.MESSAGES, ids=lambda cls: cls.__name__)
    def test_the_signature_is_that_of_the_fields(self, cls: type[Message]) -> None:
        parameters = inspect.signature(cls).parameters
        assert list(parameters) == [f.name for f in cls.message_fields]
        for f in cls.message_fields:
            parameter = parameters[f.name]
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
            assert (parameter.default is inspect.Parameter.empty) == f.required

    def test_two_threads_may_make_the_first_instance(self) -> None:
        for _ in range(20):
            cls: typing.Any = MessageType(
                "Fresh", (ProtoOATraderReq,), {"__module__": __name__, "extra": field(9, "int32")}
            )
            barrier, made = threading.Barrier(4), []

            def make(
                cls: typing.Any = cls,
                barrier: threading.Barrier = barrier,
                made: list[Message] = made,
            ) -> None:
                barrier.wait()
                made.append(cls(ctid_trader_account_id=1, extra=2))

            threads = [threading.Thread(target=make) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [bytes(message) for message in made] == [b"\x10\x01\x48\x02"] * 4

    def test_two_fields_of_one_number_or_name_are_refused(self) -> None:
        for name, number in (("other", 2), ("ctid_trader_account_id", 99)):
            namespace = {"__module__": __name__, name: field(number, "int32")}
            with pytest.raises(TypeError, match="two fields of the same"):
                MessageType("Doubled", (ProtoOATraderReq,), namespace)


class TestAttributes:
    def test_a_misspelt_attribute_is_refused_before_anything_is_sent(self) -> None:
        message = spot()
        message.bidd = 1  # type: ignore[attr-defined]  # the point
        for refuse in (
            bytes,
            len,
            Message.SerializeToString,
            pickle.dumps,
            Message.to_dict,
            Message.to_json,
        ):
            with pytest.raises(EncodeError, match="ProtoOASpotEvent has no field bidd"):
                refuse(message)
        for twin in (copy.copy(message), copy.deepcopy(message)):
            with pytest.raises(EncodeError, match="has no field bidd"):
                bytes(twin)

    def test_also_one_deep_inside(self) -> None:
        message = spot(trendbar=[ProtoOATrendbar(volume=1)])
        message.trendbar[0].hihg = 1  # type: ignore[attr-defined]  # the point
        with pytest.raises(EncodeError, match=r"ProtoOASpotEvent.trendbar\[0\] has no field hihg"):
            bytes(message)

    def test_no_default_is_left_on_the_class(self) -> None:
        for cls in oracle.MESSAGES:
            for f in cls.message_fields:
                assert inspect.ismemberdescriptor(inspect.getattr_static(cls, f.name))

    def test_a_deleted_attribute_is_an_absent_one(self) -> None:
        message = spot(bid=5)
        del message.bid
        assert bytes(message) == bytes(spot())
        del message.symbol_id
        with pytest.raises(EncodeError, match="symbol_id is required and not set"):
            bytes(message)

    def test_messages_are_true_mutable_and_not_hashable(self) -> None:
        assert spot()
        assert ProtoOAVersionReq()
        with pytest.raises(TypeError, match="unhashable"):
            hash(spot())
        message = spot()
        message.bid = 3
        assert message == spot(bid=3)


class TestEquality:
    def test_class_fields_and_unknown_bytes_count(self) -> None:
        assert spot(bid=1) == spot(bid=1)
        assert spot(bid=1) != spot(bid=2)
        assert spot(bid=0) != spot()
        assert spot() != "spot"
        assert ProtoOASpotEvent.FromString(bytes(spot()) + UNKNOWN) != spot()

    def test_nan_equals_nan_also_inside_lists_and_messages(self) -> None:
        nan, other = float("nan"), float("nan")
        assert spot_order(stop_loss=nan) == spot_order(stop_loss=other)
        assert spot_order(stop_loss=nan) != spot_order(stop_loss=1.0)
        first, second = (everything(repeated_double=[1.0, value]) for value in (nan, other))
        assert first == second


def everything(**more: typing.Any) -> typing.Any:
    values: dict[str, typing.Any] = {}
    for f in Everything.required_fields:
        zero = {"string": "", "bytes": b"", "bool": False, "double": 0.0, "float": 0.0}
        values[f.name] = zero.get(f.kind, 0)
    values["required_message"] = Nested(required_number=1)
    return Everything(**(values | more))


class TestCopies:
    @pytest.mark.parametrize(
        "twin_of",
        [
            copy.copy,
            copy.deepcopy,
            lambda m: pickle.loads(pickle.dumps(m)),
            lambda m: pickle.loads(pickle.dumps(m, protocol=0)),
            dataclasses.replace,
            lambda m: m.__replace__(),
            lambda m: type(m).FromString(bytes(m)),
        ],
        ids=["copy", "deepcopy", "pickle", "pickle 0", "replace", "__replace__", "bytes"],
    )
    def test_unknown_fields_go_along(self, twin_of: typing.Any) -> None:
        message = ProtoOASpotEvent.FromString(bytes(spot(bid=7)) + UNKNOWN)
        message.trendbar.append(ProtoOATrendbar.FromString(b"\x18\x05" + UNKNOWN))
        twin = twin_of(message)
        assert twin == message
        assert twin is not message
        assert bytes(twin) == bytes(message)
        assert bytes(twin).count(UNKNOWN) == 2

    def test_replace_changes_what_it_is_told_and_checks_the_names(self) -> None:
        message = ProtoOASpotEvent.FromString(bytes(spot(bid=7)) + UNKNOWN)
        ways = [dataclasses.replace, Message.__replace__]
        if sys.version_info >= (3, 13):
            ways.append(copy.replace)
        for replace in ways:
            changed = replace(message, bid=8)
            assert (changed.bid, message.bid) == (8, 7)
            assert bytes(changed).endswith(UNKNOWN)
            with pytest.raises(TypeError, match="biid"):
                replace(message, biid=8)

    def test_a_copy_shares_its_parts_and_a_deep_copy_does_not(self) -> None:
        message = spot(trendbar=[ProtoOATrendbar(volume=1)])
        assert copy.copy(message).trendbar is message.trendbar
        deep = copy.deepcopy(message)
        deep.trendbar[0].volume = 2
        assert message.trendbar[0].volume == 1


class TestDataclasses:
    def test_messages_are_dataclasses(self) -> None:
        assert dataclasses.is_dataclass(ProtoOASpotEvent)
        assert dataclasses.is_dataclass(spot())

    @pytest.mark.parametrize("cls", oracle.MESSAGES, ids=lambda cls: cls.__name__)
    def test_fields(self, cls: typing.Any) -> None:
        described = dataclasses.fields(cls)
        assert [f.name for f in described] == [f.name for f in cls.message_fields]
        assert dataclasses.fields(cls.blank()) == described
        for ours, theirs in zip(cls.message_fields, described, strict=True):
            no_default = theirs.default is theirs.default_factory is dataclasses.MISSING
            assert no_default == ours.required
            assert theirs.kw_only
            assert theirs.metadata["betterproto"].number == ours.number

    def test_asdict_and_astuple_go_down(self) -> None:
        message = spot(bid=3, trendbar=[ProtoOATrendbar(volume=1)])
        shown = dataclasses.asdict(message)
        assert shown["bid"] == 3
        assert shown["ask"] is None
        assert shown["trendbar"][0]["volume"] == 1
        assert list(shown) == [f.name for f in ProtoOASpotEvent.message_fields]
        assert dataclasses.astuple(message)[3] == 3

    def test_patterns_match_by_keyword_only(self) -> None:
        match spot(bid=3):
            case ProtoOASpotEvent(symbol_id=2, bid=bid):
                assert bid == 3
            case _:
                pytest.fail("no match")
        assert ProtoOASpotEvent.__match_args__ == ()

    def test_type_hints_are_resolvable(self) -> None:
        for cls in SCHEMA.messages:
            hints = typing.get_type_hints(cls)
            assert hints.keys() >= {f.name for f in cls.message_fields}
        assert typing.get_type_hints(ProtoOASpotEvent)["trendbar"] == list[ProtoOATrendbar]
