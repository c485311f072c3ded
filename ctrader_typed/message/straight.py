"""What the generated straight-line codecs call: raises for what is irregular, never explains."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import TypeVar

from .encode import ONE_BYTE, varint
from .scan import read_tag, skip

E = TypeVar("E", bound=IntEnum)

_MASK64 = (1 << 64) - 1


class Irregular(ValueError):
    """Not an error: the general path is to read or write this message instead."""


def members(enum: type[E]) -> dict[int, E]:
    """The members of an enum by number: a quarter of the time that a call of the enum takes."""
    return {int(member): member for member in enum}


unpack_double = Struct("<d").unpack_from
unpack_float = Struct("<f").unpack_from
unpack_fixed64 = Struct("<Q").unpack_from
unpack_sfixed64 = Struct("<q").unpack_from
unpack_fixed32 = Struct("<I").unpack_from
unpack_sfixed32 = Struct("<i").unpack_from
pack_double = Struct("<d").pack
pack_float = Struct("<f").pack
pack_fixed64 = Struct("<Q").pack
pack_sfixed64 = Struct("<q").pack
pack_fixed32 = Struct("<I").pack
pack_sfixed32 = Struct("<i").pack


def unknown_tail(data: bytes, pos: int, end: int, last_known: int) -> bytes:
    """What follows the last known field, if it is whole fields that the schema does not have."""
    begin = pos
    while pos < end:
        tag, pos = read_tag(data, pos, end)
        if tag >> 3 <= last_known or tag & 7 == 3:
            raise Irregular
        pos = skip(data, pos, end, tag, 0)
    if pos != end:
        raise Irregular
    return data[begin:end]


# --- the end of a long varint --------------------------------------------------------------------
#
# The generated code reads the first byte in line, or the first three. `value` then holds their bits
# and, above them, the mark of the last of these bytes that says that more follow.


def uint64_from_3(data: bytes, pos: int, value: int) -> tuple[int, int]:
    """The value of a varint that goes on at `pos`, and the position behind it."""
    value += (data[pos] << 21) - (1 << 21)
    if value < 1 << 28:
        return value, pos + 1
    value += (data[pos + 1] << 28) - (1 << 28)
    if value < 1 << 35:
        return value, pos + 2
    value += (data[pos + 2] << 35) - (1 << 35)
    if value < 1 << 42:  # a time in milliseconds ends here
        return value, pos + 3
    value -= 1 << 42
    pos += 3
    for shift in range(42, 70, 7):
        byte = data[pos]
        pos += 1
        if byte < 128:
            return (value | byte << shift) & _MASK64, pos
        value |= (byte & 127) << shift
    raise Irregular


_SMALL_NEGATIVE = b"\xff\xff\xff\xff\xff\xff\x01"


def int64_from_3(data: bytes, pos: int, value: int) -> tuple[int, int]:
    """The same, signed. Differences of ticks are small negative numbers, ten bytes each."""
    if data[pos] == 255 and data[pos : pos + 7] == _SMALL_NEGATIVE:
        return value - (1 << 22), pos + 7
    value, pos = uint64_from_3(data, pos, value)
    return (value - (1 << 64) if value >> 63 else value), pos


def int32_from_3(data: bytes, pos: int, value: int) -> tuple[int, int]:
    """The same for 32 bits; what is above them does not count."""
    value, pos = uint64_from_3(data, pos, value)
    value &= 0xFFFFFFFF
    return (value - (1 << 32) if value >> 31 else value), pos


def uint32_from_3(data: bytes, pos: int, value: int) -> tuple[int, int]:
    """The same for 32 bits without a sign."""
    value, pos = uint64_from_3(data, pos, value)
    return value & 0xFFFFFFFF, pos


_Continue = Callable[[bytes, int, int], tuple[int, int]]


def _from_1(from_3: _Continue) -> _Continue:
    def read(data: bytes, pos: int, value: int) -> tuple[int, int]:
        value += (data[pos] << 7) - (1 << 7)
        if value < 1 << 14:
            return value, pos + 1
        value += (data[pos + 1] << 14) - (1 << 14)
        if value < 1 << 21:
            return value, pos + 2
        return from_3(data, pos + 2, value)

    return read


def _length_from_3(data: bytes, pos: int, value: int) -> tuple[int, int]:
    value += (data[pos] << 21) - (1 << 21)
    if value < 1 << 28:
        return value, pos + 1
    raise Irregular  # a length has five bytes at most, and no message needs the fifth


length_from_1 = _from_1(_length_from_3)
uint64_from_1 = _from_1(uint64_from_3)
int64_from_1 = _from_1(int64_from_3)
uint32_from_1 = _from_1(uint32_from_3)
int32_from_1 = _from_1(int32_from_3)
sint64_from_1, sint64_from_3 = uint64_from_1, uint64_from_3
sint32_from_1, sint32_from_3 = uint32_from_1, uint32_from_3


# --- varints out ---------------------------------------------------------------------------------


def write_int64(value: int) -> bytes:
    """A varint of a signed value; ten bytes when it is negative."""
    if value < 16384:
        if value < 128:
            return ONE_BYTE[value] if value >= 0 else _negative(value)
        return bytes((value & 127 | 128, value >> 7))
    if value < 2097152:
        return bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14))
    if value < 268435456:
        return bytes(
            (value & 127 | 128, value >> 7 & 127 | 128, value >> 14 & 127 | 128, value >> 21)
        )
    if value >> 63:
        raise Irregular
    return _long(value)


def write_uint64(value: int) -> bytes:
    """A varint from 0 to 2⁶⁴ − 1. Not in terms of `write_int64`: the second call costs a third."""
    if value < 16384:
        if value < 128:
            if value < 0:
                raise Irregular
            return ONE_BYTE[value]
        return bytes((value & 127 | 128, value >> 7))
    if value < 2097152:
        return bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14))
    return _long(value)


def _negative(value: int) -> bytes:
    if value >= -2097152:  # differences of ticks: only the first three of ten bytes vary
        head = bytes((value & 127 | 128, value >> 7 & 127 | 128, value >> 14 & 127 | 128))
        return head + _SMALL_NEGATIVE
    if value < -(1 << 63):
        raise Irregular
    return _long(value & _MASK64)


def _long(value: int) -> bytes:
    """A varint of more than three bytes; six hold a time in milliseconds."""
    if 1 << 35 <= value < 1 << 42:
        return bytes(
            (
                value & 127 | 128,
                value >> 7 & 127 | 128,
                value >> 14 & 127 | 128,
                value >> 21 & 127 | 128,
                value >> 28 & 127 | 128,
                value >> 35,
            )
        )
    return varint(value)


def write_int32(value: int) -> bytes:
    """A varint of a signed value of 32 bits; ten bytes when it is negative."""
    if not -(1 << 31) <= value < 1 << 31:
        raise Irregular
    return write_int64(value)


def write_uint32(value: int) -> bytes:
    """A varint from 0 to 2³² − 1."""
    if value >> 32:
        raise Irregular
    return write_uint64(value)


def write_sint64(value: int) -> bytes:
    """A zigzag varint of 64 bits."""
    if not -(1 << 63) <= value < 1 << 63:
        raise Irregular
    return write_uint64(value << 1 ^ value >> 63)


def write_sint32(value: int) -> bytes:
    """A zigzag varint of 32 bits."""
    if not -(1 << 31) <= value < 1 << 31:
        raise Irregular
    return write_uint64(value << 1 ^ value >> 63)
