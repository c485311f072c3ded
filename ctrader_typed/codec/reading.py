"""The general path from bytes to messages. Refuses with DecodeError, never with anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import DecodeError
from .fields import FIXED, FIXED32, FIXED64, GROUP_END, GROUP_START, LENGTH, VARINT, Field

if TYPE_CHECKING:
    from ..message import Message

M = TypeVar("M", bound="Message")

MAX_DEPTH = 100
"""Messages and groups may nest this deep below the outermost one, as google.protobuf has it."""

_MASK64 = (1 << 64) - 1
_MAX_FIELD_NUMBER = (1 << 29) - 1


def decode_span(cls: type[M], data: bytes, pos: int, end: int, depth: int = 0) -> M:
    """The general path for `data[pos:end]`; DecodeError for anything but a whole message."""
    message = cls.blank()
    try:
        merge(message, data, pos, end, depth)
        require(message)
    except DecodeError as error:
        raise DecodeError(f"{cls.__name__}: {error}") from None
    return message


def merge(message: Message, data: bytes, pos: int, end: int, depth: int = 0) -> None:
    """Read `data[pos:end]` into `message` as protobuf merges: scalars replaced, lists extended."""
    if depth > MAX_DEPTH:
        raise DecodeError(f"nested more than {MAX_DEPTH} deep")
    readers = _readers(type(message))
    unknown: list[bytes] = []
    while pos < end:
        start = pos
        tag, pos = read_tag(data, pos, end)
        reader = readers.get(tag)
        if reader is None:
            pos = skip(data, pos, end, tag, depth)
            unknown.append(data[start:pos])
        else:
            pos = reader(message, data, pos, end, depth)
    if unknown:
        message._unknown_fields += b"".join(unknown)


def require(message: Message) -> None:
    """DecodeError unless every required field of `message` (not of those inside it) is set."""
    for field in type(message).required_fields:
        if getattr(message, field.name) is None:
            raise DecodeError(f"required field {field.key} ({field.number}) is missing")


def read_varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """An unsigned 64-bit varint at `pos` and the position after it."""
    result = shift = 0
    while pos < end:
        byte = data[pos]
        pos += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & _MASK64, pos
        shift += 7
        if shift == 70:
            raise DecodeError(f"varint of more than 10 bytes before byte {pos}")
    raise DecodeError(f"cut short inside a varint at byte {pos}")


def read_tag(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """A tag (field number and wire type) at `pos` and the position after it."""
    start = pos
    tag, pos = read_varint(data, pos, end)
    if tag < 8:
        raise DecodeError(f"field number 0 at byte {start}")
    if pos - start > 5 or tag >> 3 > _MAX_FIELD_NUMBER:
        raise DecodeError(f"tag of more than 32 bits at byte {start}")
    return tag, pos


def read_span(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Where a length-delimited value at `pos` begins and ends."""
    length, pos = read_varint(data, pos, end)
    if length > end - pos:
        raise DecodeError(f"{length} bytes announced at byte {pos}, {end - pos} are left")
    return pos, pos + length


def skip(data: bytes, pos: int, end: int, tag: int, depth: int) -> int:
    """The position after the value of an unknown field whose tag was just read."""
    wire_type = tag & 7
    if wire_type == VARINT:
        return read_varint(data, pos, end)[1]
    if wire_type == LENGTH:
        return read_span(data, pos, end)[1]
    if wire_type == GROUP_START:
        return _skip_group(data, pos, end, tag, depth + 1)
    if wire_type == FIXED64 or wire_type == FIXED32:
        after = pos + (8 if wire_type == FIXED64 else 4)
        if after > end:
            raise DecodeError(f"cut short inside field {tag >> 3} at byte {pos}")
        return after
    what = "end of a group that never began" if wire_type == GROUP_END else f"wire type {wire_type}"
    raise DecodeError(f"{what} in field {tag >> 3} at byte {pos}")


def _skip_group(data: bytes, pos: int, end: int, opened: int, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise DecodeError(f"nested more than {MAX_DEPTH} deep")
    while pos < end:
        tag, pos = read_tag(data, pos, end)
        if tag & 7 == GROUP_END:
            if tag >> 3 != opened >> 3:
                raise DecodeError(f"group {opened >> 3} ends as group {tag >> 3} at byte {pos}")
            return pos
        pos = skip(data, pos, end, tag, depth)
    raise DecodeError(f"cut short inside group {opened >> 3}")


def _signed(bits: int) -> Callable[[int], int]:
    mask, sign = (1 << bits) - 1, 1 << (bits - 1)
    return lambda raw: ((raw & mask) ^ sign) - sign


def _zigzag(bits: int) -> Callable[[int], int]:
    mask = (1 << bits) - 1
    return lambda raw: ((raw & mask) >> 1) ^ -(raw & 1)


_FROM_VARINT: dict[str, Callable[[int], Any]] = {
    "int32": _signed(32),
    "int64": _signed(64),
    "uint32": lambda raw: raw & 0xFFFFFFFF,
    "uint64": lambda raw: raw,
    "sint32": _zigzag(32),
    "sint64": _zigzag(64),
    "bool": lambda raw: raw != 0,
}

Read = Callable[[bytes, int, int], tuple[Any, int]]
Reader = Callable[["Message", bytes, int, int, int], int]


def _scalar_read(cls: type[Message], field: Field) -> Read:
    """The function that reads one value of a scalar or enum field."""
    if field.kind in FIXED:
        unpack, size = FIXED[field.kind].unpack_from, FIXED[field.kind].size

        def read_fixed(data: bytes, pos: int, end: int) -> tuple[Any, int]:
            if pos + size > end:
                raise DecodeError(f"cut short inside {field.key} at byte {pos}")
            return unpack(data, pos)[0], pos + size

        return read_fixed
    if field.kind == "string":

        def read_string(data: bytes, pos: int, end: int) -> tuple[Any, int]:
            begin, after = read_span(data, pos, end)
            try:
                return str(data[begin:after], "utf-8"), after
            except UnicodeDecodeError as error:
                raise DecodeError(f"{field.key} is not UTF-8: {error.reason}") from None

        return read_string
    if field.kind == "bytes":

        def read_bytes(data: bytes, pos: int, end: int) -> tuple[Any, int]:
            begin, after = read_span(data, pos, end)
            return data[begin:after], after

        return read_bytes
    if field.kind == "enum":
        to_int, member = _FROM_VARINT["int32"], cls.class_of(field)

        def read_enum(data: bytes, pos: int, end: int) -> tuple[Any, int]:
            raw, pos = read_varint(data, pos, end)
            return member(to_int(raw)), pos

        return read_enum
    convert = _FROM_VARINT[field.kind]

    def read(data: bytes, pos: int, end: int) -> tuple[Any, int]:
        raw, pos = read_varint(data, pos, end)
        return convert(raw), pos

    return read


def _readers(cls: type[Message]) -> dict[int, Reader]:
    """Tag → the function that reads that field; made when the class first meets the general path."""
    readers: dict[int, Reader] | None = cls.__dict__.get("_general_readers")
    if readers is None:
        readers = {}
        for field in cls.message_fields:
            if field.kind == "message":
                readers[field.number << 3 | LENGTH] = _message_reader(cls, field)
                continue
            read = _scalar_read(cls, field)
            if field.repeated:
                readers[field.number << 3 | field.wire_type] = _list_reader(field, read)
                if field.wire_type != LENGTH:
                    readers[field.number << 3 | LENGTH] = _packed_reader(field, read)
            else:
                readers[field.number << 3 | field.wire_type] = _scalar_reader(field, read)
        cls._general_readers = readers
    return readers


def _scalar_reader(field: Field, read: Read) -> Reader:
    name = field.name

    def reader(message: Message, data: bytes, pos: int, end: int, depth: int) -> int:
        value, pos = read(data, pos, end)
        setattr(message, name, value)
        return pos

    return reader


def _list_reader(field: Field, read: Read) -> Reader:
    name = field.name

    def reader(message: Message, data: bytes, pos: int, end: int, depth: int) -> int:
        value, pos = read(data, pos, end)
        getattr(message, name).append(value)
        return pos

    return reader


def _packed_reader(field: Field, read: Read) -> Reader:
    name = field.name

    def reader(message: Message, data: bytes, pos: int, end: int, depth: int) -> int:
        pos, after = read_span(data, pos, end)
        values = getattr(message, name)
        while pos < after:
            value, pos = read(data, pos, after)
            values.append(value)
        return pos

    return reader


def _message_reader(cls: type[Message], field: Field) -> Reader:
    name, part_class, repeated = field.name, cls.class_of(field), field.repeated

    def reader(message: Message, data: bytes, pos: int, end: int, depth: int) -> int:
        pos, after = read_span(data, pos, end)
        part = None if repeated else getattr(message, name)
        try:
            if part is None:
                part = decode_span(part_class, data, pos, after, depth + 1)
            else:  # the field came before: the two are one message in pieces
                merge(part, data, pos, after, depth + 1)
        except DecodeError as error:
            raise DecodeError(f"{field.key}: {error}") from None
        if repeated:
            getattr(message, name).append(part)
        else:
            setattr(message, name, part)
        return after

    return reader
