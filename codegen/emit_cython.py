"""Schema → compiled.pyx: the same straight-line functions as `emit_codecs`, typed, for Cython.

What a function does with one field stands in `ctrader_typed/message/straight_*.pxi`; here is only
which field comes after which. That is compact enough for every message, hot or not.
"""

from __future__ import annotations

from collections.abc import Iterator

from .emit_codecs import tag_of
from .model import Field, Label, Message, Schema
from .writer import Writer

INCLUDED = ("straight_shapes", "straight_reading", "straight_writing")


def emit(schema: Schema, digest: str) -> Writer:
    """The source of the compiled module; it has the digest to tell whether it is stale."""
    out = Writer("Straight-line codecs of all messages, typed, for Cython.")
    out.lines(f"from . import {file.module}" for file in schema.files)
    out.line()
    out.lines(f'include "../message/{name}.pxi"' for name in INCLUDED)
    if schema.envelope:
        _emit_envelope(out, schema.message[schema.envelope])
    out.line()
    out.line(f'DIGEST = "{digest}"')
    out.line()
    enums = sorted({f.type_name or "" for m in schema.messages for f in m.fields if _is_enum(f)})
    out.lines(f"cdef Members {name}_members" for name in enums)
    for message in schema.messages:
        out.line(f"cdef Shape {message.name}_shape")
        out.line(f"cdef Py_ssize_t[{len(message.fields) + 1}] {message.name}_slots")
    for message in schema.messages:
        _emit_function(out, message, "read(Input *source", list(_reads(message)))
        _emit_function(out, message, "write(Output *out", list(_writes(message)))
    out.line()
    out.line()
    for name in enums:
        out.lines(
            ("add_members(", f"    {schema.module_of(name)}.{name},", f"    &{name}_members,", ")")
        )
    for message in schema.messages:
        _emit_add(out, message.name, schema.module_of(message.name), len(message.fields))
    return out


def _emit_envelope(out: Writer, envelope: Message) -> None:
    """What reads an envelope and its payload in one pass has to know its tags."""
    tags = {field.key: tag_of(field) for field in envelope.fields}
    out.line()
    with out.block("cdef enum:"):
        out.line(f"PAYLOAD_TYPE = {tags['payloadType']}")
        out.line(f"PAYLOAD = {tags['payload']}")
        out.line(f"CLIENT_MSG_ID = {tags['clientMsgId']}")
    out.line()
    out.line('include "../message/straight_envelopes.pxi"')


def _emit_function(out: Writer, message: Message, opening: str, steps: list[str]) -> None:
    out.line()
    out.line()
    with out.block(f"cdef bint {message.name}_{opening}, char *m) noexcept:"):
        out.line(f"cdef Py_ssize_t *at = {message.name}_slots")
        with out.block("return ("):
            out.line(steps[0])
            for step in steps[1:]:
                out.lines(_wrapped(f"and {step}", out.room))
        out.line(")")


def _emit_add(out: Writer, name: str, module: str, fields: int) -> None:
    with out.block("add("):
        out.line(f"{module}.{name}, {fields},")
        out.line(f"&{name}_shape, {name}_slots,")
        out.line(f"{name}_read, {name}_write,")
    out.line(")")


def _wrapped(step: str, room: int) -> Iterator[str]:
    """A call on one line, or its last argument on the next."""
    if len(step) <= room:
        yield step
        return
    head, _, last = step.rpartition(", ")
    yield f"{head},"
    yield f"    {last}"


def _reads(message: Message) -> Iterator[str]:
    for at, field in enumerate(message.fields):
        where = f"source, {tag_of(field)}, m + at[{at}]"
        yield f"{_label(field)}({where}, read_{field.kind}, {_of(field)})"
    last = max((field.number for field in message.fields), default=0)
    yield f"unknown_tail(source, {last}, m + at[{len(message.fields)}])"


def _writes(message: Message) -> Iterator[str]:
    yield "no_strays(m)"
    for at, field in enumerate(message.fields):
        kind = "int32" if _is_enum(field) else field.kind
        of = "NULL" if _is_enum(field) else _of(field)
        where = f"out, {tag_of(field)}, m + at[{at}]"
        yield f"write_{_label(field)}({where}, write_{kind}, {of})"
    yield f"write_unknown(out, m + at[{len(message.fields)}])"


def _label(field: Field) -> str:
    return "packed" if field.label is Label.REPEATED and field.packed else field.label


def _of(field: Field) -> str:
    """What the values of a field are made of, for the function that reads or writes one."""
    if field.type_name is None:
        return "NULL"
    return f"&{field.type_name}_{'members' if _is_enum(field) else 'shape'}"


def _is_enum(field: Field) -> bool:
    return field.kind == "enum"
