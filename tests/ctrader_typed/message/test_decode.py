"""The wire format, fact by fact: what is refused, in which words, and that google agrees."""

from __future__ import annotations

import random
import sys
import time
import typing

import pytest

from ctrader_typed.errors import DecodeError
from ctrader_typed.message import Message, codec
from ctrader_typed.message.decode import decode_span
from ctrader_typed.message.encode import encode_general
from ctrader_typed.message.fields import FIXED
from ctrader_typed.message.straight import Irregular
from ctrader_typed.proto import (
    ProtoMessage,
    ProtoOADealListRes,
    ProtoOADepthEvent,
    ProtoOAExecutionEvent,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOAVersionRes,
)
from tests.fuzz.inputs import sample
from tests.property.strategies import varint
from tests.support import oracle
from tests.support.everything import Everything, Nested

SPOT = b"\x10\x01\x18\x02"  # the two required fields of a spot event


def group(number: int, inside: bytes = b"") -> bytes:
    return varint(number << 3 | 3) + inside + varint(number << 3 | 4)


def block(number: int, inside: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(inside)) + inside


REFUSED = {
    "cut in a tag": (b"\x80", "cut short inside the varint"),
    "cut in a varint": (b"\x20\xff", r"ProtoOASpotEvent.bid: cut short inside the varint"),
    "cut in an unknown varint": (b"\xf8\x7f\x80", "cut short inside the varint at byte 6"),
    "cut in an unknown string": (
        b"\xfa\x7f\x05abc",
        "a length of 5 in 1 bytes at byte 6, with 3 left",
    ),
    "cut in an unknown fixed64": (b"\xf9\x7f1234567", "cut short inside field 2047"),
    "cut in an unknown fixed32": (b"\xfd\x7f123", "cut short inside field 2047"),
    "a varint of eleven bytes": (b"\x20" + b"\x80" * 10 + b"\x01", "varint of more than 10 bytes"),
    "an unknown one": (b"\xf8\x7f" + b"\x80" * 10 + b"\x01", "varint of more than 10 bytes"),
    "field number 0": (b"\x00\x01", "field number 0 at byte 4"),
    "field number 0 in six bytes": (b"\x80\x80\x80\x80\x80\x00\x01", "field number 0"),
    "a tag of six bytes": (b"\xa0\x80\x80\x80\x80\x00\x01", "a tag of more than 32 bits"),
    "a tag of 33 bits": (b"\xf8\xff\xff\xff\x1f\x01", "a tag of more than 32 bits"),
    "a length of six bytes": (b"\xfa\x7f\x81\x80\x80\x80\x80\x00a", "a length of 1 in 6 bytes"),
    "a length of 32 bits": (b"\xfa\x7f\xff\xff\xff\xff\x0fa", "a length of 4294967295"),
    "wire type 6": (b"\xfe\x7f\x01", r"no such wire type \(6\) in field 2047"),
    "wire type 7": (b"\xff\x7f\x01", r"no such wire type \(7\) in field 2047"),
    "a group that never began": (b"\xfc\x7f", "the end of a group that never began"),
    "a known field that ends a group": (b"\x24", "the end of a group that never began"),
    "a group without an end": (b"\xfb\x7f\x08\x01", "cut short inside group 2047"),
    "a group that ends as another": (b"\xfb\x7f\xf4\x7f", "group 2047 ends as 2046"),
    "a broken field in a group": (b"\xfb\x7f\x00\xfc\x7f", "cut short inside group 2047"),
    "a tag of six bytes in a group": (
        b"\xfb\x7f\x88\x80\x80\x80\x80\x00\x01\xfc\x7f",
        "a tag of more",
    ),
    "a message that ends too late": (b"\x32\x05\x18\x01", r"trendbar: a length of 5"),
    "a part of a message cut": (
        b"\x32\x03\x18\x80\x80",
        r"ProtoOASpotEvent.trendbar\[0\].volume: cut",
    ),
    "a message without what it needs": (b"\x32\x00", r"trendbar\[0\]: required field volume \(3\)"),
}


@pytest.mark.parametrize("path", oracle.PATHS)
@pytest.mark.parametrize(("data", "said"), REFUSED.values(), ids=REFUSED)
def test_refused(data: bytes, said: str, path: str) -> None:
    with oracle.path(path), pytest.raises(DecodeError, match=said):
        codec.decode(ProtoOASpotEvent, SPOT + data)
    assert oracle.verdict(ProtoOASpotEvent, SPOT + data)[0] != "accepted"


ACCEPTED = {
    "surplus bits of the tenth byte": (b"\x20" + b"\xff" * 9 + b"\x7f", 2**64 - 1),
    "ten bytes of zero": (b"\x20" + b"\x80" * 9 + b"\x00", 0),
    "a longer tag than needed": (b"\xa0\x80\x80\x80\x00\x05", 5),
    "the last one counts": (b"\x20\x05\x20\x06", 6),
    "another wire type is another field": (b"\x20\x05\x25abcd", 5),
    "field number 0 in a group": (b"\x20\x05\xfb\x7f\x00\x01\xfc\x7f", 5),
    "a group of field number 0 in a group": (b"\x20\x05\xfb\x7f\x03\x04\xfc\x7f", 5),
}


@pytest.mark.parametrize("path", oracle.PATHS)
@pytest.mark.parametrize(("data", "bid"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(data: bytes, bid: int, path: str) -> None:
    with oracle.path(path):
        assert codec.decode(ProtoOASpotEvent, SPOT + data).bid == bid
        assert oracle.agree(ProtoOASpotEvent, SPOT + data) == "accepted"


@pytest.mark.parametrize("path", oracle.PATHS)
@pytest.mark.parametrize("size", range(1, 12))
def test_a_length_has_five_bytes_at_most(size: int, path: str) -> None:
    length = b"\x02" if size == 1 else b"\x82" + b"\x80" * (size - 2) + b"\x00"
    cases: list[tuple[type[Message], bytes]] = [
        (ProtoMessage, b"\x08\x01\x12" + length + b"ab"),
        (ProtoMessage, b"\x08\x01\x1a" + length + b"ab"),
        (ProtoOADepthEvent, b"\x10\x01\x18\x02\x2a" + length + b"\x07\x08"),
        (ProtoOASpotEvent, SPOT + b"\x32" + length + b"\x18\x05"),
        (ProtoOASpotEvent, SPOT + b"\xfa\x7f" + length + b"ab"),
    ]
    with oracle.path(path):
        for cls, data in cases:
            assert oracle.agree(cls, data) == ("accepted" if size <= 5 else "refused")


def test_a_missing_required_field_is_refused_by_its_name() -> None:
    """google.protobuf reads such bytes and says so in IsInitialized(): here it is an error."""
    for data, name in ((b"", "ctid_trader_account_id"), (b"\x10\x01", "symbol_id")):
        assert not oracle.google_class(ProtoOASpotEvent).FromString(data).IsInitialized()
        with pytest.raises(DecodeError, match=f"ProtoOASpotEvent: required field {name}"):
            ProtoOASpotEvent.FromString(data)


def test_text_that_is_not_utf8_is_refused() -> None:
    """google.protobuf reads such bytes of a proto2 string, and gives bytes instead of a str."""
    data = b"\x12\x03a\xffb"
    theirs = oracle.google_class(ProtoOAVersionRes).FromString(data)
    assert theirs.version == b"a\xffb"  # where others have a str
    with pytest.raises(DecodeError, match=r"version: not UTF-8 at byte 3: invalid start byte"):
        ProtoOAVersionRes.FromString(data)
    for wrong in (
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xf5\x80\x80\x80",
    ):  # a surrogate, overlong, too high
        with pytest.raises(DecodeError, match="not UTF-8"):
            ProtoOAVersionRes.FromString(block(2, wrong))


# --- packed or not --------------------------------------------------------------------------------


def test_repeated_numbers_are_read_packed_and_unpacked_and_mixed() -> None:
    unpacked, packed = b"\x18\x01\x18\x02", b"\x1a\x02\x03\x04"
    message = ProtoOASubscribeSpotsReq.FromString(b"\x10\x01" + unpacked + packed + b"\x18\x05")
    assert message.symbol_id == [1, 2, 3, 4, 5]
    # Written as the schema's option says: this field is not packed, deletedQuotes is.
    assert bytes(message) == b"\x10\x01" + b"".join(b"\x18" + bytes([n]) for n in range(1, 6))
    depth = ProtoOADepthEvent.FromString(SPOT + b"\x28\x07\x2a\x01\x08")
    assert depth.deleted_quotes == [7, 8]
    assert bytes(depth) == SPOT + b"\x2a\x02\x07\x08"


@pytest.mark.parametrize(
    "f", [f for f in Everything.message_fields if f.repeated and f.wire_type != 2], ids=repr
)
def test_every_kind_packed_and_unpacked(f: typing.Any) -> None:
    one = b"\x01" if f.wire_type == 0 else b"\x01".ljust(FIXED[f.kind].size, b"\0")
    known = bytes(whole())
    unpacked = varint(f.number << 3 | f.wire_type) + one
    for data in (
        unpacked * 3,
        block(f.number, one * 3),
        unpacked + block(f.number, one * 2),
        block(f.number, b""),
    ):
        assert oracle.agree(Everything, known + data) == "accepted"
    assert oracle.agree(Everything, known + block(f.number, one * 3)[:-1]) == "refused"
    if f.wire_type != 0:
        with pytest.raises(DecodeError, match=f"{f.name}: .* bytes expected at byte"):
            codec.decode(Everything, known + block(f.number, one + b"\0"))


def whole() -> typing.Any:
    values: dict[str, typing.Any] = {"required_message": Nested(required_number=1)}
    zero = {"string": "", "bytes": b"", "bool": False, "double": 0.0, "float": 0.0}
    for f in Everything.required_fields:
        values.setdefault(f.name, zero.get(f.kind, 0))
    return Everything(**values)


def test_integers_of_32_bits_are_cut_to_them() -> None:
    for kind, expected in (
        ("int32", -2),
        ("uint32", 2**32 - 2),
        ("enum", -2),
        ("sint32", 2**31 - 1),
    ):
        (f,) = (f for f in Everything.message_fields if f.name == f"optional_{kind}")
        data = bytes(whole()) + varint(f.number << 3) + varint((1 << 64) - 2)
        assert oracle.agree(Everything, data) == "accepted"
        assert getattr(codec.decode(Everything, data), f.name) == expected


# --- messages in pieces ---------------------------------------------------------------------------


def test_a_message_that_comes_in_pieces_is_put_together() -> None:
    """Only the whole must have what is required; lists grow, the rest is replaced: as in google."""
    pieces = [
        b"\x20\x07" + b"\xf8\x7f\x01",
        b"\x08\x05",
        b"\x08\x06\x12\x02\x08\x01",
        b"\x1a\x02\x08\x02",
    ]
    data = b"\x08\x01" + b"".join(block(2, piece) for piece in pieces)
    assert oracle.agree(Nested, data) == "accepted"
    child = codec.decode(Nested, data).child
    assert child is not None
    assert (child.required_number, len(child.children)) == (6, 1)
    assert child._unknown_fields == b"\x20\x07\xf8\x7f\x01"
    assert (
        oracle.agree(Nested, b"\x08\x01" + block(2, pieces[0]) + block(2, pieces[0]))
        == "incomplete"
    )
    # A piece that is broken is not mended by the next one.
    assert oracle.agree(Nested, b"\x08\x01\x12\x01\x08\x12\x01\x05") == "refused"


# --- depth ----------------------------------------------------------------------------------------


def nested(levels: int) -> bytes:
    data = b"\x08\x01"
    for _ in range(levels):
        data = b"\x08\x01" + block(2, data)
    return data


def nested_lists(levels: int) -> bytes:
    data = b"\x08\x01"
    for _ in range(levels):
        data = b"\x08\x01" + block(3, data)
    return data


def nested_groups(levels: int) -> bytes:
    data = b""
    for _ in range(levels):
        data = group(9, data)
    return b"\x08\x01" + data


@pytest.mark.parametrize("make", [nested, nested_lists, nested_groups])
def test_a_hundred_levels_and_no_more(make: typing.Callable[[int], bytes]) -> None:
    assert oracle.agree(Nested, make(100)) == "accepted"
    assert oracle.agree(Nested, make(101)) == "refused"
    for levels in (101, 1_000, 20_000):
        with pytest.raises(DecodeError, match="nested more than 100 deep"):
            codec.decode(Nested, make(levels))


def test_levels_of_messages_and_groups_add_up() -> None:
    def mixed(groups: int) -> bytes:
        data = nested_groups(groups)
        for _ in range(60):
            data = b"\x08\x01" + block(2, data)
        return data

    assert oracle.agree(Nested, mixed(40)) == "accepted"
    assert oracle.agree(Nested, mixed(41)) == "refused"


def test_a_full_stack_of_the_caller_is_a_decode_error_too() -> None:
    def at_depth(frames: int) -> None:
        if frames:
            at_depth(frames - 1)
        else:
            codec.decode(Nested, nested(100))

    codec.decode(Nested, nested(100))
    with pytest.raises(DecodeError, match="the caller's stack is full"):
        at_depth(sys.getrecursionlimit() - 150 - len(frames_now()))


def frames_now() -> list[object]:
    frames, frame = [], sys._getframe()
    while frame is not None:
        frames.append(frame)
        frame = typing.cast("typing.Any", frame.f_back)
    return frames


# --- size -----------------------------------------------------------------------------------------

MIB = 1 << 20

BIG: dict[str, tuple[type[Message], bytes]] = {
    "one unknown field": (ProtoOASpotEvent, SPOT + block(2047, bytes(16 * MIB))),
    "packed numbers": (ProtoOADepthEvent, SPOT + block(5, bytes(4 * MIB))),
    "packed numbers in pieces": (ProtoOADepthEvent, SPOT + block(5, b"\x01") * (2 * MIB // 3)),
    "unknown fields": (ProtoOASpotEvent, SPOT + b"\xf8\x7f\x01" * (4 * MIB // 3)),
    "unknown between known": (ProtoOASpotEvent, SPOT + b"\x20\x01\xf8\x7f\x01" * (3 * MIB // 5)),
    "groups": (ProtoOASpotEvent, SPOT + group(2047, b"\x08\x01") * (3 * MIB // 6)),
    "one number again and again": (ProtoOASpotEvent, SPOT + b"\x20\x01" * (2 * MIB // 2)),
    "messages in a list": (Nested, b"\x08\x01" + block(3, b"\x08\x01") * (MIB // 4)),
    "pieces of a message": (Nested, b"\x08\x01" + block(2, b"\x08\x01\x28\x01") * (2 * MIB // 6)),
    "pieces of pieces": (
        Nested,
        b"\x08\x01" + block(2, b"\x08\x01" + block(2, b"\x08\x01\x28\x01")) * (2 * MIB // 10),
    ),
    "pieces in a list": (
        Nested,
        b"\x08\x01" + block(3, b"\x08\x01" + block(2, b"\x08\x01\x28\x01") * 100_000) * 3,
    ),
}


@pytest.mark.parametrize(("cls", "data"), BIG.values(), ids=BIG)
def test_large_input_is_read_in_linear_time(cls: type[Message], data: bytes) -> None:
    """What takes the square of the size takes minutes here; each takes a second or two."""
    begin = time.process_time()
    message = codec.decode(cls, data)
    assert time.process_time() - begin < 30
    assert len(codec.encode(message)) > 0


# --- where the two paths meet ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "way", [way for way in oracle.WAYS if way[1] != "general"], ids=oracle.named
)
def test_the_straight_line_codecs_really_read_and_write_what_is_regular(
    way: tuple[type[Message], str],
) -> None:
    """Called directly: if they gave up on ordinary messages, the general path would hide it."""
    cls, path = way
    straight_decode, straight_encode = oracle.codecs()[path][cls]
    chance, taken = random.Random(cls.__name__), 0
    for _ in range(60):
        message = sample(cls, chance)
        data = encode_general(message, 0)
        assert straight_encode(message) == data
        try:
            read = straight_decode(data, 0, len(data))
        except (Irregular, KeyError):  # an enum number that the schema does not have
            continue
        taken += 1
        assert read == message == decode_span(cls, data, 0, len(data))
    assert taken >= 10


def test_a_span_inside_other_bytes() -> None:
    data = b"\xff" + SPOT + b"\xff"
    assert decode_span(ProtoOASpotEvent, data, 1, 5).symbol_id == 2
    with pytest.raises(DecodeError):
        decode_span(ProtoOASpotEvent, data, 1, 6)


def test_the_path_in_an_error_goes_through_lists_and_messages() -> None:
    event = b"\x10\x01\x18\x03" + block(5, block(2, b"\x08\x01\x10"))
    with pytest.raises(
        DecodeError, match=r"^ProtoOAExecutionEvent\.order\.trade_data\.volume: cut short"
    ):
        ProtoOAExecutionEvent.FromString(event)
    with pytest.raises(DecodeError, match=r"^ProtoOADealListRes\.deal\[1\]\.order_id: cut short"):
        ProtoOADealListRes.FromString(
            b"\x10\x01" + block(3, a_deal()) + block(3, b"\x08\x01\x10") + b"\x20\x01"
        )
    with pytest.raises(DecodeError, match=r"^ProtoMessage\.client_msg_id: not UTF-8"):
        ProtoMessage.FromString(b"\x08\x01\x1a\x01\xff")


def a_deal() -> bytes:
    numbers = {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1, 8: 1, 11: 1, 12: 2}
    return b"".join(varint(number << 3) + varint(value) for number, value in numbers.items())
