"""Open enums: what the schema does not name is kept, printed, compared and pickled all the same."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from ctrader_typed import proto
from ctrader_typed.enums import Enum
from ctrader_typed.proto import ProtoOAOrderType, ProtoOASpotEvent, ProtoOATradeSide
from tests.support import oracle

ENUMS = [
    value for value in vars(proto).values() if isinstance(value, type) and issubclass(value, Enum)
]


def test_the_members_are_googles() -> None:
    expected = {enum.name: enum for file in oracle.files()[:-1] for enum in file.enum_type}
    assert {enum.__name__ for enum in ENUMS} == expected.keys()
    for enum in ENUMS:
        theirs = {value.name: value.number for value in expected[enum.__name__].value}
        assert {name: member.value for name, member in enum.__members__.items()} == theirs


@pytest.mark.parametrize("number", [99, 0, -1, 2**31 - 1, -(2**31)])
def test_an_unknown_number_is_a_member_like_any_other(number: int) -> None:
    member = ProtoOAOrderType(number)
    assert type(member) is ProtoOAOrderType
    assert isinstance(member, int)
    assert member == number == ProtoOAOrderType(number)
    assert hash(member) == hash(number)
    assert member.value == number
    assert member.name == f"UNKNOWN_{number}"
    assert not member.is_known
    assert ProtoOAOrderType.LIMIT.is_known
    assert member not in list(ProtoOAOrderType)
    assert copy.copy(member) is member
    assert copy.deepcopy(member) is member


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 10**100, "2", 2.5, None])
def test_what_is_no_32_bit_integer_is_no_member(number: object) -> None:
    with pytest.raises(ValueError, match="ProtoOAOrderType"):
        ProtoOAOrderType(number)


def test_printing() -> None:
    known, unknown = ProtoOATradeSide.BUY, ProtoOATradeSide(7)
    assert (str(known), str(unknown)) == ("BUY", "UNKNOWN_7")
    assert f"{known}" == f"{known:s}" == "BUY"
    assert f"{unknown:>10}|{known:<5}|" == " UNKNOWN_7|BUY  |"
    assert f"{known:d} {known:02x} {unknown:03d}" == "1 01 007"
    assert "%d %s" % (known, known) == "1 BUY"  # noqa: UP031 - the old way is what is tested
    assert repr(known) == "<ProtoOATradeSide.BUY: 1>"
    assert repr(unknown) == "<ProtoOATradeSide.UNKNOWN_7: 7>"
    assert json.dumps([known, unknown]) == "[1, 7]"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(protocol: int) -> None:
    for member in (ProtoOATradeSide.BUY, ProtoOATradeSide(7)):
        again = pickle.loads(pickle.dumps(member, protocol))
        assert again == member
        assert type(again) is ProtoOATradeSide
        assert again.name == member.name
    assert pickle.loads(pickle.dumps(ProtoOATradeSide.BUY, protocol)) is ProtoOATradeSide.BUY


def test_a_server_that_invents_numbers_does_not_fill_the_memory() -> None:
    before = len(ProtoOATradeSide._value2member_map_), len(ProtoOATradeSide.__members__)
    for number in range(1_000, 11_000):
        ProtoOATradeSide(number)
    assert (len(ProtoOATradeSide._value2member_map_), len(ProtoOATradeSide.__members__)) == before


def test_an_unknown_number_survives_the_wire_in_its_field() -> None:
    """google.protobuf moves it to the unknown fields and reads the field as absent."""
    data = bytes.fromhex("08c53e10011802")  # payloadType 8005
    ours, theirs = (
        ProtoOASpotEvent.FromString(data),
        oracle.google_class(ProtoOASpotEvent).FromString(data),
    )
    assert ours.payload_type == 8005
    assert ours.payload_type is not None
    assert ours.payload_type.name == "UNKNOWN_8005"
    assert not theirs.HasField("payloadType")
    assert bytes(ours) == data
    assert theirs.SerializeToString() == data[3:] + data[:3]


def test_members_are_for_type_checkers_and_matching() -> None:
    match ProtoOATradeSide(2):
        case ProtoOATradeSide.SELL:
            pass
        case _:
            pytest.fail("no match")
