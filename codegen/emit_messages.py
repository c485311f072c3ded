"""Schema → one module of enums and message classes for each .proto file."""

from __future__ import annotations

from .model import Enum, EnumValue, Field, File, Label, Message, Schema
from .naming import default_name
from .writer import Writer

PYTHON_TYPES = {
    "string": "str",
    "bytes": "bytes",
    "bool": "bool",
    "double": "float",
    "float": "float",
}


def python_type(field: Field) -> str:
    """The type of one value of a field; integers of every width are int."""
    return field.type_name or PYTHON_TYPES.get(field.kind, "int")


def doc_of(item: Enum | EnumValue | Field | Message) -> str:
    """What the schema says of an element, its deprecation included."""
    if not item.deprecated:
        return item.doc
    return f"{item.doc}\n\nDeprecated." if item.doc else "Deprecated."


def emit(schema: Schema, file: File) -> Writer:
    """The module of one file."""
    out = Writer(f"The messages and enums of {file.name}.")
    for enum in schema.enums:
        if enum.file == file.name:
            _emit_enum(out, enum)
    responses = {exchange.request: exchange.response for exchange in schema.exchanges}
    for message in schema.messages:
        if message.file == file.name:
            _emit_message(out, schema, message, responses.get(message.name))
    return out


def _emit_enum(out: Writer, enum: Enum) -> None:
    out.use("ctrader_typed.enums", "Enum")
    with out.block(f"class {enum.name}(Enum):"):
        out.docstring(doc_of(enum) or f"{enum.name}.")
        out.line()
        for value in enum.values:
            out.line(f"{value.name} = {value.number}")
            out.docstring(doc_of(value))
    out.line()
    out.line()


def _emit_message(out: Writer, schema: Schema, message: Message, response: str | None) -> None:
    if response is None:
        base = out.use("ctrader_typed.message", "Message")
    else:
        base = f'{out.use("ctrader_typed.message", "Request")}["{response}"]'
        if schema.message[response].file != message.file:
            # That module may import this one; and linters do not look into a quoted base.
            out.use_type(f".{schema.module_of(response)}", response, "noqa: F401 - quoted below")
    with out.block(f"class {message.name}({base}):"):
        out.docstring(doc_of(message) or f"{message.name}.")
        out.line()
        for field in message.fields:
            if field.type_name is not None and schema.file_of(field.type_name) != message.file:
                out.use(f".{schema.module_of(field.type_name)}", field.type_name)
            out.use("ctrader_typed.message", "field")
            out.line(_declaration(field))
            out.docstring(doc_of(field))
        for field in message.fields:
            if field.default is not None:
                out.use("ctrader_typed.message", "or_default")
                name = default_name(field.name)
                out.line(f'{name} = or_default("{field.name}", {field.default})')
    out.line()
    out.line()


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
