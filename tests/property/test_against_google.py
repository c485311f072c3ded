"""The same messages and the same bytes, ours and google.protobuf's, for every message there is.

`tests/fuzz` asks the same of far more bytes, with less thought behind each.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrader_typed.message import Message, codec
from tests.property.strategies import messages, unknown_fields, varint
from tests.support import oracle
from tests.support.oracle import agree

# 150 classes and ways share what the profile says for one test, and none gets fewer than ten.
SHARE = settings(max_examples=max(10, settings.default.max_examples // 10))

ways = pytest.mark.parametrize("way", oracle.WAYS, ids=oracle.named)

Way = tuple[type[Message], str]


@ways
@SHARE
@given(data=st.data())
def test_bytes_and_values_are_googles(way: Way, data: st.DataObject) -> None:
    cls, path = way
    ours = data.draw(messages(cls))
    theirs = oracle.fill(oracle.plain_class(cls)(), ours)
    expected = theirs.SerializeToString(deterministic=True)
    with oracle.path(path):
        assert codec.encode(ours) == expected
        decoded = codec.decode(cls, expected)
    assert decoded == ours
    assert oracle.ours_from(oracle.plain_class(cls).FromString(expected), cls) == ours
    for field in cls.message_fields:  # True is not 1 here, and an enum member is no int
        assert type(getattr(decoded, field.name)) is type(getattr(ours, field.name))


@ways
@SHARE
@given(data=st.data())
def test_unknown_fields_come_back_and_every_cut_is_judged_as_google_does(
    way: Way, data: st.DataObject
) -> None:
    cls, path = way
    known, unknown = bytes(data.draw(messages(cls))), data.draw(unknown_fields())
    whole = unknown + known if data.draw(st.booleans(), label="unknown first") else known + unknown
    with oracle.path(path):
        assert codec.encode(codec.decode(cls, whole)) == known + unknown
        assert agree(cls, whole) == "accepted"
        cuts = st.lists(st.integers(0, len(whole)), max_size=40)
        for cut in range(len(whole)) if len(whole) <= 40 else data.draw(cuts):
            agree(cls, whole[:cut])


@ways
@SHARE
@given(data=st.data())
def test_whatever_is_done_to_the_bytes_google_judges_alike(way: Way, data: st.DataObject) -> None:
    """Fields in any order, twice, of another wire type, in several messages; bytes flipped."""
    cls, path = way
    first, second = (bytes(data.draw(messages(cls))) for _ in range(2))
    numbers = [field.number for field in cls.message_fields]
    fields = [*split(first), *split(second), *map(strange, numbers, data.draw(wire_types))]
    with oracle.path(path):
        agree(cls, first + second)
        agree(cls, b"".join(data.draw(st.permutations(fields))))
        agree(cls, b"".join(data.draw(st.lists(st.sampled_from([b"", *fields]), max_size=9))))
        flipped = bytearray(first)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(flipped)))
            flipped[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        agree(cls, bytes(flipped))


wire_types = st.lists(st.integers(0, 5), max_size=4)
BODIES = (b"\x96\x01", b"12345678", b"\x02\x08\x01", b"\x08\x01", b"", b"1234")


def strange(number: int, wire_type: int) -> bytes:
    """A field whose wire type may not be its own; a group that begins also ends."""
    end = varint(number << 3 | 4) if wire_type == 3 else b""
    return varint(number << 3 | wire_type) + BODIES[wire_type] + end


def split(data: bytes) -> list[bytes]:
    """The fields of a message without groups, tags included."""
    parts: list[bytes] = []
    pos = 0
    while pos < len(data):
        start = pos
        tag, pos = read_varint(data, pos)
        if tag & 7 == 0:
            _, pos = read_varint(data, pos)
        elif tag & 7 == 2:
            length, pos = read_varint(data, pos)
            pos += length
        else:
            pos += 8 if tag & 7 == 1 else 4
        parts.append(data[start:pos])
    return parts


def read_varint(data: bytes, pos: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[pos]
        value |= (byte & 127) << shift
        pos, shift = pos + 1, shift + 7
        if byte < 128:
            return value, pos
