"""Schema → registry.py: payload type ↔ class, request → response; and the package's __init__."""

from __future__ import annotations

from .hot import hot_messages
from .model import Schema
from .writer import Writer


def emit(schema: Schema, digest: str) -> Writer:
    """The registry module."""
    out = Writer("Which payload type is which message, and which message answers which request.")
    modules = {file.name: file.module for file in schema.files}
    for message in schema.messages:
        out.use(f".{modules[message.file]}", message.name)
    out.use("ctrader_typed.schema", "Schema")
    with out.block("SCHEMA = Schema("):
        out.line(f'release="{schema.release}",')
        out.line(f'digest="{digest}",')
        out.line(f"envelope={schema.envelope},")
        out.line('codecs=f"{__package__}.codecs",')
        out.line(f"hot=({', '.join(m.name for m in hot_messages(schema))},),")
        with out.block("messages=("):
            out.lines(f"{message.name}," for message in schema.messages)
        out.line("),")
        with out.block("by_payload_type={"):
            for message in sorted(schema.messages, key=lambda m: m.payload_type or 0):
                if message.payload_type is not None:
                    out.line(f"{message.payload_type}: {message.name},")
        out.line("},")
        with out.block("responses={"):
            out.lines(f"{e.request}: {e.response}," for e in schema.exchanges)
        out.line("},")
    out.line(")")
    return out


def emit_package(schema: Schema, extra: dict[str, tuple[str, ...]]) -> Writer:
    """`__init__.py`: every name of the schema, and the registry beside it."""
    out = Writer(f"Messages of the cTrader Open API, release {schema.release}.")
    modules = {file.name: file.module for file in schema.files}
    names: list[str] = []
    for item in (*schema.enums, *schema.messages):
        names.append(out.use(f".{modules[item.file]}", item.name))
    for module, exported in extra.items():
        names += (out.use(f".{module}", name) for name in exported)
    with out.block("__all__ = ["):
        out.lines(f'"{name}",' for name in sorted(names))
    out.line("]")
    return out
