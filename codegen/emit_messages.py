"""Schema → one module of enums and message classes for each .proto file."""

from __future__ import annotations

from .model import Enum, Field, File, Label, Message, Schema
from .writer import Writer

PYTHON_TYPES = {"string": "str", "bytes": "bytes", "bool": "bool", "double": "float", "float": "float"}


def python_type(field: Field) -> str:
    """The type of one value of a field; integers of every width are int."""
    return field.type_name or PYTHON_TYPES.get(field.kind, "int")


def emit(schema: Schema, file: File) -> Writer:
    """The module of one file."""
    out = Writer(f"The messages and enums of {file.name}.")
    for enum in schema.enums:
        if enum.file == file.name:
            _emit_enum(out, enum)
    responses = {exchange.request: exchange.response for exchange in schema.exchanges}
    for message in schema.messages:
        if message.file == file.name:
            _emit_message(out, schema, file, message, responses.get(message.name))
    return out


def _emit_enum(out: Writer, enum: Enum) -> None:
    out.use("ctrader_typed.enums", "Enum")
    with out.block(f"class {enum.name}(Enum):"):
        out.docstring(enum.doc)
        out.line()
        for value in enum.values:
            out.line(f"{value.name} = {value.number}")
            out.docstring(value.doc)
    out.line()
    out.line()


def _emit_message(
    out: Writer, schema: Schema, file: File, message: Message, response: str | None
) -> None:
    base = "Message" if response is None else f'Request["{response}"]'
    out.use("ctrader_typed.message", "Message" if response is None else "Request")
    with out.block(f"class {message.name}({base}):"):
        out.docstring(message.doc or f"{message.name}.")
        out.line()
        for field in message.fields:
            if field.type_name is not None:
                _use(out, schema, file, field.type_name)
            out.use("ctrader_typed.message", "field")
            out.line(_declaration(field))
            out.docstring(_field_doc(field))
        for field in message.fields:
            if field.default is not None:
                out.use("ctrader_typed.message", "or_default")
                out.line(f'{field.name}_or_default = or_default("{field.name}", {field.default})')
    out.line()
    out.line()


def _use(out: Writer, schema: Schema, file: File, name: str) -> None:
    """Import a message or enum unless it stands in this very file."""
    home = (schema.message.get(name) or schema.enum[name]).file
    if home != file.name:
        module = next(f.module for f in schema.files if f.name == home)
        out.use(f".{module}", name)


def _declaration(field: Field) -> str:
    arguments = [str(field.number), f'"{field.kind}"']
    if field.type_name is not None:
        arguments.append(f'of="{field.type_name}"')
    arguments.append(f'key="{field.key}"')
    hint = python_type(field)
    if field.label is Label.OPTIONAL:
        hint += " | None"
        arguments.append("default=None")
    elif field.label is Label.REPEATED:
        hint = f"list[{hint}]"
        arguments.append("default_factory=list")
    if field.packed:
        arguments.append("packed=True")
    if field.secret:
        arguments.append("secret=True")
    return f"{field.name}: {hint} = field({', '.join(arguments)})"


def _field_doc(field: Field) -> str:
    doc = field.doc
    if field.deprecated:
        doc = f"{doc}\n\nDeprecated." if doc else "Deprecated."
    return doc
