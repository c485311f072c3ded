"""Subclasses of generated messages: whatever is done to them, the parent stays what it was."""

from __future__ import annotations

import dataclasses
import inspect
import typing

import betterproto
import pytest

from ctrader_typed.message import Message, MessageType, Request, field
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAApplicationAuthReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATraderReq,
    ProtoOATraderRes,
)
from tests.ctrader_typed.message.test_message import spot


class Plain(ProtoOASpotEvent):
    """A subclass that adds nothing."""


class Longer(ProtoOATraderReq):
    """A subclass with fields of its own."""

    note: str | None = field(100, "string", key="note", default=None)
    order_type: ProtoOAOrderType = field(50, "enum", of="ProtoOAOrderType", key="orderType")


class Stamped(ProtoOASpotEvent):
    """A subclass with an attribute that is no field, and a constructor of its own."""

    __slots__ = ("received_at",)

    def __init__(self, received_at: float, **values: typing.Any) -> None:
        super().__init__(**values)
        self.received_at = received_at


@dataclasses.dataclass
class Noted(ProtoOASpotEvent):
    """A subclass that `@dataclass` was applied to."""

    note: str = "none"


def test_one_that_adds_nothing_has_the_fields_and_is_its_own_class() -> None:
    message = Plain(ctid_trader_account_id=1, symbol_id=2, bid=3)
    assert bytes(message) == bytes(spot(bid=3))
    assert message != spot(bid=3)
    again = Plain.FromString(bytes(message))
    assert type(again) is Plain
    assert again == message
    assert type(Plain.from_dict(message.to_dict())) is Plain
    assert [f.name for f in dataclasses.fields(Plain)] == [f.name for f in Plain.message_fields]


@pytest.mark.parametrize("parent_first", [True, False])
def test_one_with_more_fields(parent_first: bool) -> None:
    parent: typing.Any = MessageType(
        "Parent", (Message,), {"__module__": __name__, "a": field(2, "int32")}
    )
    child: typing.Any = MessageType(
        "Child", (parent,), {"__module__": __name__, "b": field(1, "int32", default=None)}
    )
    for cls in (parent, child) if parent_first else (child, parent):
        cls(a=1)
    assert bytes(child(a=1, b=2)) == b"\x08\x02\x10\x01"
    assert child.FromString(b"\x08\x02\x10\x01") == child(a=1, b=2)
    with pytest.raises(TypeError, match="b"):
        parent(a=1, b=2)


def test_one_with_an_enum_of_another_module() -> None:
    message = Longer(ctid_trader_account_id=1, order_type=ProtoOAOrderType.STOP, note="x")
    again = Longer.FromString(bytes(message))
    assert again == message
    assert again.order_type is ProtoOAOrderType.STOP
    assert dataclasses.replace(message, note="y").note == "y"
    with pytest.raises(TypeError, match="order_type"):
        Longer(ctid_trader_account_id=1)  # type: ignore[call-arg]  # the point
    # The parent does not know of it, and keeps it as an unknown field.
    parent = ProtoOATraderReq.FromString(bytes(message))
    assert Longer.FromString(bytes(parent)) == message


def test_one_with_a_constructor_and_an_attribute_of_its_own() -> None:
    message = Stamped(1.5, ctid_trader_account_id=1, symbol_id=2)
    assert message.received_at == 1.5
    assert bytes(message) == bytes(spot())
    assert ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2) == spot()
    assert "received_at" in inspect.signature(Stamped).parameters
    assert Stamped.FromString(bytes(message)).symbol_id == 2


def test_one_that_dataclass_was_applied_to() -> None:
    message = Noted(ctid_trader_account_id=1, symbol_id=2, note="mine")
    assert bytes(message) == bytes(spot())
    assert message.note == "mine"
    assert dataclasses.replace(message, note="yours").note == "yours"


def test_the_path_of_the_parent_is_not_inherited() -> None:
    SCHEMA.prepare()
    assert ProtoOASpotEvent.straight_decode is not None
    assert Plain.straight_decode is None
    assert Plain.straight_encode is None


def test_betterprotos_metadata_is_not_inherited() -> None:
    assert "note" not in ProtoOATraderReq()._betterproto.meta_by_field_name
    assert "note" in Longer.blank()._betterproto.meta_by_field_name
    assert issubclass(Longer, betterproto.Message)


def test_requests_know_their_answer() -> None:
    assert issubclass(ProtoOATraderReq, Request)
    assert SCHEMA.responses[ProtoOATraderReq] is ProtoOATraderRes
    assert not issubclass(ProtoOATraderRes, Request)
    assert ProtoOAApplicationAuthReq.__orig_bases__[0].__origin__ is Request  # type: ignore[attr-defined]  # typing's
