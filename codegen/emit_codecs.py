"""Schema → codecs.py: straight-line functions that decode and encode the messages of `hot`.

A decoder reads the fields in the order in which every protobuf library writes them, unknown fields
last. On anything else it raises (or runs off the end, which raises too) and the general path
decides: it is the one that explains errors. An encoder does the same with values that do not fit.
"""

from __future__ import annotations

from .hot import hot_messages
from .model import Field, Label, Message, Schema
from .naming import function_name
from .writer import Writer

STRAIGHT = "ctrader_typed.message.straight"
VARINT_KINDS = ("int32", "int64", "uint32", "uint64", "sint32", "sint64", "bool", "enum")
WIRE_TYPES = {"double": 1, "fixed64": 1, "sfixed64": 1, "float": 5, "fixed32": 5, "sfixed32": 5}
PACK = {
    "double": "<d",
    "fixed64": "<Q",
    "sfixed64": "<q",
    "float": "<f",
    "fixed32": "<I",
    "sfixed32": "<i",
}

# Bytes of a varint that are read in line; what is longer goes on in a function. Short messages come
# by the thousand (prices, bars, ticks), long ones one at a time: in line everywhere, this module
# would take twice as long to import.
SHORT_MESSAGE = 8
INLINE_IN_SHORT = 3
INLINE_IN_LONG = 1


def emit(schema: Schema) -> Writer:
    """The codecs module."""
    out = Writer("Straight-line codecs of the messages that carry the traffic.")
    modules = {file.name: file.module for file in schema.files}
    hot = hot_messages(schema)
    for message in hot:
        for name in _classes(message):
            home = schema.message.get(name) or schema.enum[name]
            out.use(f".{modules[home.file]}", name)
    out.line(
        "# Unknown fields are the messages' own affair, and codecs are the messages' other half."
    )
    out.line("# pyright: reportPrivateUsage=false")
    out.line()
    out.line("new = object.__new__")
    for name in sorted({f.type_name or "" for m in hot for f in m.fields if f.kind == "enum"}):
        out.line(f"{_members(name)} = {out.use(STRAIGHT, 'members')}({name})")
    for message in hot:
        _Decoder(out, message).emit()
        _Encoder(out, message).emit()
    out.line()
    out.line()
    with out.block("CODECS = {"):
        for message in hot:
            name = function_name(message.name)
            out.line(f"{message.name}: (decode_{name}, encode_{name}),")
    out.line("}")
    return out


def _classes(message: Message) -> set[str]:
    return {message.name} | {f.type_name for f in message.fields if f.type_name is not None}


def _members(enum: str) -> str:
    """The constant that maps the numbers of an enum to its members."""
    return f"_{enum}"


def tag_of(field: Field) -> int:
    """The number that leads a field on the wire, as this schema writes it."""
    wire_type = WIRE_TYPES.get(field.kind, 0 if field.kind in VARINT_KINDS else 2)
    return field.number << 3 | (2 if field.packed else wire_type)


def _tag_bytes(tag: int) -> list[int]:
    result: list[int] = []
    while tag > 127:
        result.append(tag & 127 | 128)
        tag >>= 7
    return [*result, tag]


def _declare(out: Writer, message: Message) -> None:
    """Names that hold one kind of value after the other, which costs nothing but has to be said."""
    out.line(f"value: {out.use('typing', 'Any')}")
    if any(field.label is Label.REPEATED for field in message.fields):
        out.line("rows: list[Any]")


class _Decoder:
    """Prints the decoder of one message."""

    def __init__(self, out: Writer, message: Message) -> None:
        self.out = out
        self.message = message
        short = len(message.fields) <= SHORT_MESSAGE
        self.inline = INLINE_IN_SHORT if short else INLINE_IN_LONG

    def emit(self) -> None:
        out, message = self.out, self.message
        out.line()
        out.line()
        name = function_name(message.name)
        with out.block(f"def decode_{name}(data: bytes, pos: int, end: int) -> {message.name}:"):
            _declare(out, message)
            out.line(f"message = new({message.name})")
            out.line("tag = data[pos] if pos < end else 0")
            for field in message.fields:
                self._field(field)
            tail = out.use(STRAIGHT, "unknown_tail")
            known = max(field.number for field in message.fields)
            out.line(
                f'message._unknown_fields = b"" if pos == end else {tail}(data, pos, end, {known})'
            )
            out.line("return message")

    def _field(self, field: Field) -> None:
        if field.label is Label.REPEATED:
            self._list(field)
            return
        out = self.out
        with out.block(f"if {self._is_next(field)}:"):
            self._value(field)
            out.line(f"message.{field.name} = {self._converted(field)}")
            out.line("tag = data[pos] if pos < end else 0")
        with out.block("else:"):
            if field.label is Label.REQUIRED:
                out.line(f"raise {out.use(STRAIGHT, 'Irregular')}")
            else:
                out.line(f"message.{field.name} = None")

    def _list(self, field: Field) -> None:
        out = self.out
        out.line(f"message.{field.name} = rows = []")
        if field.packed:
            with out.block(f"if {self._is_next(field)}:"):
                self._varint(len(_tag_bytes(tag_of(field))), "length")
                out.line("stop = pos + value")
                with out.block("while pos < stop:"):
                    self._value(field, after_tag=False)
                    out.line(f"rows.append({self._converted(field)})")
                out.line("if pos != stop:")
                out.line(f"    raise {out.use(STRAIGHT, 'Irregular')}")
                out.line("tag = data[pos] if pos < end else 0")
            return
        with out.block(f"while {self._is_next(field)}:"):
            self._value(field)
            out.line(f"rows.append({self._converted(field)})")
            out.line("tag = data[pos] if pos < end else 0")

    def _is_next(self, field: Field) -> str:
        first, *rest = _tag_bytes(tag_of(field))
        more = "".join(f" and data[pos + {at}] == {byte}" for at, byte in enumerate(rest, 1))
        return f"tag == {first}{more}"

    def _value(self, field: Field, after_tag: bool = True) -> None:
        """Read into `value` and move `pos` behind it."""
        out = self.out
        offset = len(_tag_bytes(tag_of(field))) if after_tag else 0
        if field.kind in VARINT_KINDS:
            self._varint(offset, field.kind)
        elif field.kind in PACK:
            size = 8 if WIRE_TYPES[field.kind] == 1 else 4
            unpack = out.use(STRAIGHT, f"unpack_{field.kind}")
            out.line(f"value = {unpack}(data, pos + {offset})[0]")
            out.line(f"pos += {offset + size}")
        else:
            self._varint(offset, "length")
            out.line("stop = pos + value")
            if field.kind == "message":
                inner = function_name(field.type_name or "")
                out.line(f"value = decode_{inner}(data, pos, stop)")
            elif field.kind == "string":
                out.line("value = data[pos:stop].decode()")
            else:
                out.line("value = data[pos:stop]")
            out.line("pos = stop")

    def _varint(self, offset: int, kind: str) -> None:
        """A varint, its first bytes in line: each adds itself and takes off the mark before it."""
        out = self.out
        at = f"pos + {offset}" if offset else "pos"
        out.line(f"value = data[{at}]")
        out.line(f"pos += {offset + 1}")
        if kind == "bool":
            out.line("if value > 1:")
            out.line(f"    raise {out.use(STRAIGHT, 'Irregular')}")
            return
        self._next_byte(1, kind)

    def _next_byte(self, count: int, kind: str) -> None:
        out = self.out
        with out.block(f"if value > {(1 << 7 * count) - 1}:"):
            if count == self.inline or (count == 1 and kind in ("enum", "length")):
                if kind == "enum":
                    out.line(f"raise {out.use(STRAIGHT, 'Irregular')}")
                else:
                    rest = out.use(STRAIGHT, f"{kind}_from_{count}")
                    out.line(f"value, pos = {rest}(data, pos, value)")
                return
            out.line(f"value += (data[pos] << {7 * count}) - {1 << 7 * count}")
            out.line("pos += 1")
            self._next_byte(count + 1, kind)

    def _converted(self, field: Field) -> str:
        if field.kind == "enum":
            return f"{_members(field.type_name or '')}[value]"
        if field.kind == "bool":
            return "value == 1"
        if field.kind in ("sint32", "sint64"):
            return "value >> 1 ^ -(value & 1)"
        return "value"


class _Encoder:
    """Prints the encoder of one message."""

    def __init__(self, out: Writer, message: Message) -> None:
        self.out = out
        self.message = message
        self.inline = len(message.fields) <= SHORT_MESSAGE

    def emit(self) -> None:
        out, message = self.out, self.message
        out.line()
        out.line()
        name = function_name(message.name)
        with out.block(f"def encode_{name}(message: {message.name}) -> bytes:"):
            out.line(f"value: {out.use('typing', 'Any')}")
            if any(field.label is Label.REPEATED for field in message.fields):
                out.line("values: Any")
            out.line("if message.__dict__:")
            out.line(f"    raise {out.use(STRAIGHT, 'Irregular')}")
            out.line('out = b""')
            for field in message.fields:
                self._field(field)
            out.line("return out + message._unknown_fields")

    def _field(self, field: Field) -> None:
        out = self.out
        if field.label is Label.REQUIRED:
            out.line(f"value = message.{field.name}")
            self._write(field)
        elif field.label is Label.OPTIONAL:
            out.line(f"value = message.{field.name}")
            with out.block("if value is not None:"):
                self._write(field)
        else:
            out.line(f"values = message.{field.name}")
            self._only("values", "list")
            # An empty list is the rule, and asking for it costs less than a loop over it.
            with out.block("if values:"):
                if field.packed:
                    out.line(f'part = b"".join([{self._item(field)} for value in values])')
                    out.line(f"out += {self._tag(field)} + {self._varint('len(part)')} + part")
                else:
                    with out.block("for value in values:"):
                        self._write(field)

    def _only(self, variable: str, cls: str) -> None:
        """What else can be looped over or added to bytes is for the general path to judge."""
        self.out.line(f"if {variable}.__class__ is not {cls}:")
        self.out.line(f"    raise {self.out.use(STRAIGHT, 'Irregular')}")

    def _write(self, field: Field) -> None:
        out = self.out
        if field.kind == "message":
            inner = function_name(field.type_name or "")
            self._only("value", field.type_name or "")
            out.line(f"part = encode_{inner}(value)")
            out.line(f"out += {self._tag(field)} + {self._varint('len(part)')} + part")
        elif field.kind == "string":
            out.line("part = value.encode()")
            out.line(f"out += {self._tag(field)} + {self._varint('len(part)')} + part")
        elif field.kind == "bytes":
            self._only("value", "bytes")
            out.line(f"out += {self._tag(field)} + {self._varint('len(value)')} + value")
        elif field.kind == "bool":
            tag = _tag_bytes(tag_of(field))
            true, false = bytes([*tag, 1]), bytes([*tag, 0])
            out.line("if value is True:")
            out.line(f"    out += {true!r}")
            out.line("elif value is False:")
            out.line(f"    out += {false!r}")
            out.line("else:")
            out.line(f"    raise {out.use(STRAIGHT, 'Irregular')}")
        else:
            self._number(field)

    def _number(self, field: Field) -> None:
        """A tag and a number; in short messages the usual widths in one go, without a call."""
        out, tag = self.out, _tag_bytes(tag_of(field))
        call = f"out += {self._tag(field)} + {self._item(field)}"
        if not self.inline or len(tag) > 1 or field.kind not in ("int64", "uint64", "uint32"):
            out.line(call)
            return
        out.line("if value > 2097151:")
        with out.block("    if value < 268435456:"):
            out.line("    " + self._in_one_go(tag[0], 4))
        out.line("    else:")
        out.line(f"        {call}")
        for count, opening in ((3, "elif value > 16383:"), (2, "elif value > 127:")):
            out.line(opening)
            out.line("    " + self._in_one_go(tag[0], count))
        if field.kind == "int64":
            out.line("elif value < 0:")
            out.line(f"    {call}")
        out.line("else:")
        out.line(f"    out += bytes(({tag[0]}, value))")

    @staticmethod
    def _in_one_go(tag: int, count: int) -> str:
        more = "".join(f"value >> {7 * at} & 127 | 128, " for at in range(1, count - 1))
        return f"out += bytes(({tag}, value & 127 | 128, {more}value >> {7 * (count - 1)}))"

    def _item(self, field: Field) -> str:
        if field.kind in PACK:
            return f"{self.out.use(STRAIGHT, f'pack_{field.kind}')}(value)"
        kind = "int32" if field.kind == "enum" else field.kind
        return f"{self.out.use(STRAIGHT, f'write_{kind}')}(value)"

    def _varint(self, expression: str) -> str:
        return f"{self.out.use(STRAIGHT, 'write_uint64')}({expression})"

    def _tag(self, field: Field) -> str:
        return repr(bytes(_tag_bytes(tag_of(field))))
