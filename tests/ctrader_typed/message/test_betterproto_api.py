"""The API that users of betterproto know, row by row; betterproto itself cannot get in the way."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import pickle
import subprocess
import sys
import textwrap
import typing
from pathlib import Path

import betterproto
import pytest
from rich.pretty import pretty_repr

from ctrader_typed.errors import DecodeError, EncodeError
from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoMessage,
    ProtoOADeal,
    ProtoOADealStatus,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOASymbol,
    ProtoOATradeSide,
    ProtoOATrendbar,
    ProtoOATrendbarPeriod,
)

ROOT = Path(__file__).parents[3]


def event(**more: typing.Any) -> ProtoOAExecutionEvent:
    return ProtoOAExecutionEvent(
        ctid_trader_account_id=1, execution_type=ProtoOAExecutionType.ORDER_FILLED, **more
    )


def deal(**more: typing.Any) -> ProtoOADeal:
    return ProtoOADeal(
        deal_id=1,
        order_id=2,
        position_id=3,
        volume=100,
        filled_volume=100,
        symbol_id=1,
        create_timestamp=1_700_000_000_000,
        execution_timestamp=1_700_000_000_001,
        trade_side=ProtoOATradeSide.BUY,
        deal_status=ProtoOADealStatus.FILLED,
        **more,
    )


def bar(**more: typing.Any) -> ProtoOATrendbar:
    return ProtoOATrendbar(volume=5, period=ProtoOATrendbarPeriod.M1, **more)


class TestOfTheTable:
    def test_base_class(self) -> None:
        for cls in SCHEMA.messages:
            assert issubclass(cls, betterproto.Message)

    def test_eq(self) -> None:
        assert event(deal=deal()) == event(deal=deal())
        assert event(deal=deal()) != event(deal=deal(commission=0))

    def test_repr_shows_what_is_set_in_order_and_can_be_read(self) -> None:
        message = ProtoOASpotEvent(symbol_id=2, bid=0, ctid_trader_account_id=1, trendbar=[bar()])
        text = (
            "ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bid=0, "
            "trendbar=[ProtoOATrendbar(volume=5, period=<ProtoOATrendbarPeriod.M1: 1>)])"
        )
        assert repr(message) == str(message) == text
        with_more = ProtoOASpotEvent.FromString(bytes(message) + b"\xf8\x7f\x01")
        assert repr(with_more) == text[:-1] + ", <3 bytes of unknown fields>)"

    def test_rich_repr(self) -> None:
        text = pretty_repr(event(deal=deal(), is_server_event=True), max_width=200)
        assert "ProtoOAExecutionEvent(" in text
        assert "deal=ProtoOADeal(" in text
        assert "is_server_event=True" in text
        assert "order=" not in text

    def test_copy_and_deepcopy(self) -> None:
        message = event(deal=deal())
        assert copy.copy(message).deal is message.deal
        assert copy.deepcopy(message) == message
        assert copy.deepcopy(message).deal is not message.deal

    def test_is_set(self) -> None:
        message = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bid=0)
        assert message.is_set("bid")
        assert not message.is_set("ask")
        assert not message.is_set("trendbar")
        with pytest.raises(AttributeError):
            message.is_set("nonsense")

    def test_which_one_of_finds_nothing_in_a_schema_without_oneofs(self) -> None:
        assert betterproto.which_one_of(event(), "anything") == ("", None)

    def test_serialized_on_wire(self) -> None:
        assert betterproto.serialized_on_wire(event())
        assert betterproto.serialized_on_wire(ProtoOADeal())

    def test_dataclasses(self) -> None:
        assert dataclasses.replace(event(), deal=deal()).deal == deal()
        assert dataclasses.asdict(event(deal=deal()))["deal"]["deal_id"] == 1
        assert len(dataclasses.fields(ProtoOAExecutionEvent)) == len(
            ProtoOAExecutionEvent.message_fields
        )

    def test_serialize_to_string_and_bytes_and_len(self) -> None:
        message = event(deal=deal())
        assert message.SerializeToString() == bytes(message)
        assert len(message) == len(bytes(message))

    def test_pickle(self) -> None:
        message = event(deal=dataclasses.replace(deal(), trade_side=ProtoOATradeSide(77)))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(message, protocol))
            assert again == message
            assert type(again.deal.trade_side) is ProtoOATradeSide
        with pytest.raises(EncodeError, match="required"):
            pickle.dumps(ProtoOADeal())

    def test_to_dict_to_json_to_pydict(self) -> None:
        message = event(deal=deal(execution_price=1.5, margin_rate=float("inf")))
        shown = message.to_dict()
        assert shown["executionType"] == 3
        assert type(shown["executionType"]) is int
        assert shown["deal"]["executionTimestamp"] == 1_700_000_000_001
        assert shown["deal"]["marginRate"] == "Infinity"
        assert json.loads(message.to_json(indent=2)) == shown
        python = message.to_pydict()
        assert python["executionType"] is ProtoOAExecutionType.ORDER_FILLED
        assert python["deal"]["marginRate"] == float("inf")

    def test_casing_and_default_values(self) -> None:
        message = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2)
        snake = {"ctid_trader_account_id": 1, "symbol_id": 2}
        assert message.to_dict(betterproto.Casing.SNAKE) == snake  # type: ignore[arg-type]  # betterproto's own
        assert message.to_dict(casing=betterproto.Casing.CAMEL) == message.to_dict()  # type: ignore[arg-type]  # as above
        everything = message.to_dict(include_default_values=True)
        assert everything.keys() == {f.key for f in ProtoOASpotEvent.message_fields}
        assert everything["bid"] is None
        assert everything["trendbar"] == []
        assert ProtoOASpotEvent.from_dict(everything) == message

    def test_the_odd_key_keeps_its_spelling_both_ways(self) -> None:
        for shown in ({"symbolId": 1, "digits": 5, "pipPosition": 4, "skipSWAPPeriods": 2},):
            symbol = ProtoOASymbol.from_dict(shown)
            assert symbol.to_dict() == shown
            assert symbol.to_pydict() == shown
            assert ProtoOASymbol().from_pydict(symbol.to_pydict()) == symbol
            assert json.loads(symbol.to_json()) == shown

    def test_from_dict_on_class_and_instance(self) -> None:
        message = event(deal=deal())
        assert ProtoOAExecutionEvent.from_dict(message.to_dict()) == message
        assert ProtoOAExecutionEvent().from_dict(message.to_dict()) == message
        kept = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bid=3)
        assert kept.from_dict({"ask": 4}) is kept
        assert (kept.bid, kept.ask) == (3, 4)
        assert (
            type(ProtoOAExecutionEvent.from_dict(message.to_dict()).execution_type)
            is ProtoOAExecutionType
        )

    def test_from_json_on_class_and_instance(self) -> None:
        message = event(deal=deal())
        assert ProtoOAExecutionEvent.from_json(message.to_json()) == message
        assert ProtoOAExecutionEvent.from_json(message.to_json().encode()) == message
        assert ProtoOAExecutionEvent().from_json(message.to_json()) == message

    def test_from_pydict_with_an_optional_message_inside(self) -> None:
        message = event(deal=deal())
        assert ProtoOAExecutionEvent().from_pydict(message.to_pydict()) == message
        spot = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, trendbar=[bar()])
        assert ProtoOASpotEvent().from_pydict(spot.to_pydict()) == spot
        assert ProtoOASpotEvent().from_pydict({**spot.to_pydict(), "trendbar": [bar()]}) == spot
        raw = ProtoMessage(payload_type=1, payload=b"\xff\x00")
        assert ProtoMessage().from_pydict(raw.to_pydict()) == raw

    def test_parse(self) -> None:
        message = event(deal=deal())
        empty = ProtoOAExecutionEvent()
        assert empty.parse(bytes(message)) is empty
        assert empty == message

    def test_parse_merges_and_leaves_everything_alone_if_it_fails(self) -> None:
        message = ProtoOASpotEvent.FromString(
            bytes(ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2, bid=3, trendbar=[bar()]))
            + b"\xf8\x7f\x01"
        )
        before = copy.deepcopy(message)
        with pytest.raises(DecodeError, match=r"ProtoOASpotEvent\.ask"):
            message.parse(b"\x20\x09\x32\x02\x18\x01\x28\xff")
        assert message == before
        message.parse(b"\x20\x09\x32\x02\x18\x01\xf8\x7f\x02")
        assert (message.symbol_id, message.bid, len(message.trendbar)) == (2, 9, 2)
        assert bytes(message).endswith(b"\xf8\x7f\x01\xf8\x7f\x02")

    @pytest.mark.parametrize("convert", [bytes, bytearray, memoryview])
    def test_from_string_and_parse_take_whatever_holds_bytes(self, convert: typing.Any) -> None:
        message = event(deal=deal())
        assert ProtoOAExecutionEvent.FromString(convert(bytes(message))) == message
        assert ProtoOAExecutionEvent().parse(convert(bytes(message))) == message
        inner = ProtoMessage.FromString(convert(bytes(ProtoMessage(payload_type=1, payload=b"ab"))))
        assert type(inner.payload) is bytes

    @pytest.mark.parametrize("wrong", ["text", 5, None, [1, 2]])
    def test_nothing_else_is_taken_for_bytes(self, wrong: typing.Any) -> None:
        for read in (ProtoMessage.FromString, ProtoMessage().parse):
            with pytest.raises(TypeError, match="bytes-like"):
                read(wrong)

    def test_dump_and_load(self) -> None:
        message = event(deal=deal())
        stream = io.BytesIO()
        message.dump(stream)
        assert stream.getvalue() == bytes(message)
        stream.seek(0)
        assert ProtoOAExecutionEvent().load(stream) == message
        stream.seek(0)
        assert ProtoOAExecutionEvent().load(stream, len(message)) == message

    @pytest.mark.parametrize("delimit", [True, betterproto.SIZE_DELIMITED])
    def test_dump_and_load_one_after_another(self, delimit: typing.Any) -> None:
        messages = [event(), event(deal=deal()), event(error_code="x" * 300)]
        stream = io.BytesIO()
        for message in messages:
            message.dump(stream, delimit=delimit)
        stream.seek(0)
        read = [ProtoOAExecutionEvent().load(stream, betterproto.SIZE_DELIMITED) for _ in messages]
        assert read == messages
        with pytest.raises(DecodeError, match="ProtoOAExecutionEvent: no length in the stream"):
            ProtoOAExecutionEvent().load(stream, betterproto.SIZE_DELIMITED)

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"\x05\x08\x01", "5 bytes expected in the stream, 3 of them are missing"),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                "a message of 18446744073709551615 bytes",
            ),
            (b"\x80" * 11, "no length in the stream"),
            (b"\x80", "no length in the stream"),
            (b"\xff\xff\xff\xff\x07\x00", "2147483647 bytes expected in the stream"),
        ],
    )
    def test_a_stream_that_lies_is_refused_without_believing_it(
        self, data: bytes, said: str
    ) -> None:
        with pytest.raises(DecodeError, match=said):
            ProtoOAExecutionEvent().load(io.BytesIO(data), betterproto.SIZE_DELIMITED)

    def test_bool_and_hash(self) -> None:
        assert bool(ProtoOADeal()) is True
        assert ProtoOADeal.__hash__ is None


class TestEnums:
    def test_betterprotos_constructors(self) -> None:
        assert ProtoOAOrderType.try_value(2) is ProtoOAOrderType.LIMIT
        assert ProtoOAOrderType.try_value(99) == 99
        assert ProtoOAOrderType.from_string("LIMIT") is ProtoOAOrderType.LIMIT
        with pytest.raises(
            ValueError, match="ProtoOAOrderType has no 'limit'; it has MARKET, LIMIT"
        ):
            ProtoOAOrderType.from_string("limit")


def test_betterprotos_metadata_is_true_for_every_message() -> None:
    for cls in SCHEMA.messages:
        meta = typing.cast("typing.Any", cls)._betterproto
        assert meta.sorted_field_names == tuple(f.name for f in cls.message_fields)
        for f in cls.message_fields:
            described = meta.meta_by_field_name[f.name]
            assert (described.number, described.proto_type) == (f.number, f.kind)
            assert described.optional == f.optional
            assert meta.field_name_by_number[f.number] == f.name
            assert typing.cast("typing.Any", cls)._cls_for is not None
            if f.of:
                assert meta.cls_by_field[f.name].__name__ == f.of


def test_a_package_that_patches_betterproto_changes_nothing(tmp_path: Path) -> None:
    """betterproto replaces its parse and __bytes__ where betterproto_rust_codec is installed."""
    (tmp_path / "betterproto_rust_codec.py").write_text(
        textwrap.dedent("""
            def deserialize(message, data):
                raise AssertionError("not ours")

            def serialize(message):
                raise AssertionError("not ours")
        """)
    )
    code = textwrap.dedent(f"""
        import sys
        sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]
        import io, pickle, betterproto
        from ctrader_typed.proto import ProtoOAVersionRes
        assert betterproto.Message.__bytes__.__name__.endswith("patch")
        message = ProtoOAVersionRes(version="91")
        again = ProtoOAVersionRes().parse(bytes(message))
        assert again == message == pickle.loads(pickle.dumps(message))
        stream = io.BytesIO()
        message.dump(stream)
        stream.seek(0)
        assert ProtoOAVersionRes().load(stream) == message
        assert len(message) == len(bytes(message))
    """)
    subprocess.run([sys.executable, "-c", code], check=True)


def test_none_of_betterprotos_slow_hooks_is_left() -> None:
    assert Message.__getattribute__ is object.__getattribute__
    assert Message.__setattr__ is object.__setattr__
