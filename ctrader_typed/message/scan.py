"""Tags, varints, lengths, and the way past a field that nobody knows.

Positions are into the whole of `data`; `end` is where the message ends that is being read, which
nothing may reach beyond. Raises DecodeError where the bytes are no protobuf.
"""

from __future__ import annotations

from ..errors import DecodeError
from .fields import FIXED32, FIXED64, GROUP_END, GROUP_START, LENGTH, MAX_DEPTH, VARINT

_MASK64 = (1 << 64) - 1


def read_varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """An unsigned 64-bit varint at `pos` and the position behind it."""
    result = shift = 0
    start = pos
    while pos < end:
        byte = data[pos]
        pos += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & _MASK64, pos
        shift += 7
        if shift == 70:
            raise DecodeError(f": a varint of more than 10 bytes at byte {start}")
    raise DecodeError(f": cut short inside the varint at byte {start}")


def read_tag(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """A tag (field number and wire type) at `pos` and the position behind it."""
    start = pos
    tag, pos = read_varint(data, pos, end)
    if tag < 8:
        raise DecodeError(f": field number 0 at byte {start}")
    return _short_tag(tag, start, pos)


def _read_tag_in_group(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """The same inside a group that nobody knows, where google lets field number 0 pass."""
    tag, after = read_varint(data, pos, end)
    return _short_tag(tag, pos, after)


def _short_tag(tag: int, start: int, pos: int) -> tuple[int, int]:
    if pos - start > 5 or tag >> 32:
        raise DecodeError(f": a tag of more than 32 bits at byte {start}")
    return tag, pos


def read_span(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Where a length-delimited value at `pos` begins and ends. Lengths have 31 bits."""
    start = pos
    if pos < end and (length := data[pos]) < 128:
        pos += 1
    else:
        length, pos = read_varint(data, pos, end)
    if length > end - pos or pos - start > 5:
        raise DecodeError(
            f": a length of {length} in {pos - start} bytes at byte {start}, with {end - pos} left"
        )
    return pos, pos + length


def skip(data: bytes, pos: int, end: int, tag: int, depth: int) -> int:
    """The position behind the value of a field whose tag was just read."""
    wire_type = tag & 7
    if wire_type == VARINT:
        return read_varint(data, pos, end)[1]
    if wire_type == LENGTH:
        return read_span(data, pos, end)[1]
    if wire_type == GROUP_START:
        return _skip_group(data, pos, end, tag, depth + 1)
    if wire_type in (FIXED64, FIXED32):
        after = pos + (8 if wire_type == FIXED64 else 4)
        if after > end:
            raise DecodeError(f": cut short inside field {tag >> 3} at byte {pos}")
        return after
    what = "the end of a group that never began" if wire_type == GROUP_END else "no such wire type"
    raise DecodeError(f": {what} ({wire_type}) in field {tag >> 3} before byte {pos}")


def _skip_group(data: bytes, pos: int, end: int, opened: int, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise DecodeError(f": nested more than {MAX_DEPTH} deep")
    while pos < end:
        tag, pos = _read_tag_in_group(data, pos, end)
        if tag & 7 == GROUP_END:
            if tag >> 3 != opened >> 3:
                raise DecodeError(f": group {opened >> 3} ends as {tag >> 3} before byte {pos}")
            return pos
        pos = skip(data, pos, end, tag, depth)
    raise DecodeError(f": cut short inside group {opened >> 3}")
