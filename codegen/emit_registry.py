"""Schema → registry.py: payload type ↔ class, request → response; and the package's __init__."""

from __future__ import annotations

from .hot import hot_messages
from .model import Schema
from .writer import Writer, natural_order


def emit(schema: Schema, digest: str, *, compiled: bool) -> Writer:
    """The registry module."""
    out = Writer("Which payload type is which message, and which message answers which request.")
    for message in schema.messages:
        out.use(f".{schema.module_of(message.name)}", message.name)
    out.use("ctrader_typed.schema", "Schema")
    with out.block("SCHEMA = Schema("):
        out.line(f"release={schema.release!r},")
        out.line(f'digest="{digest}",')
        out.line(f"envelope={schema.envelope},")
        out.line('codecs=f"{__package__}.codecs",')
        if compiled:
            out.line('compiled=f"{__package__}.compiled",')
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


def emit_api() -> Writer:
    """`api.py`, for packages beside the committed one, whose client is written by hand."""
    out = Writer("The client of this package: it talks as ctrader_typed does, in this schema.")
    out.use("ctrader_typed.api", "TradingClient")
    out.use(".methods", "Methods")
    with out.block("class Api(TradingClient, Methods):"):
        out.docstring(
            "A client with one method for each request of this package's schema, and with accounts."
        )
    return out


def emit_package(schema: Schema, *, api: bool) -> Writer:
    """`__init__.py`: every name of the schema, and the registry beside it."""
    out = Writer(f"Messages of the cTrader Open API, release {schema.release}.")
    names = ["SCHEMA", "Methods"]
    out.use(".registry", "SCHEMA")
    out.use(".methods", "Methods")
    names += (
        out.use(f".{schema.module_of(name)}", name) for name in (*schema.enum, *schema.message)
    )
    if api:
        names.append(out.use_type(".api", "Api"))
    with out.block("__all__ = ["):
        out.lines(f'"{name}",' for name in sorted(names, key=natural_order))
    out.line("]")
    if api:
        _emit_lazy_api(out)
    return out


def _emit_lazy_api(out: Writer) -> None:
    """Messages alone must not cost the import of a client and its loop."""
    out.line()
    out.line()
    with out.block("def __getattr__(name: str) -> object:"):
        with out.block('if name == "Api":'):
            out.line("from .api import Api  # noqa: PLC0415 - imports a client and its loop")
            out.line()
            out.line("return Api")
        out.line('raise AttributeError(f"module {__name__!r} has no attribute {name!r}")')
