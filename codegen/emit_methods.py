"""Schema → methods.py: one typed coroutine for each request."""

from __future__ import annotations

from collections.abc import Iterator

from .emit_messages import doc_of, python_type
from .model import Exchange, Field, Label, Schema
from .prose import wrap
from .read import PAYLOAD_TYPE
from .writer import Writer


def emit(schema: Schema) -> Writer:
    """The methods module."""
    out = Writer("One method for each request, typed from its fields to its answer.")
    out.use("abc", "ABC")
    out.use("abc", "abstractmethod")
    out.use("typing", "TypeVar")
    out.use("ctrader_typed.message", "Message")
    out.use("ctrader_typed.message", "Request")
    out.line('R = TypeVar("R", bound=Message)')
    out.line()
    out.line()
    with out.block("class Methods(ABC):"):
        out.docstring(
            "What a client can ask, by name.\n\n"
            "Each method sends its request and returns the first answer; what it raises and what "
            "cancelling it does are those of `request`."
        )
        out.line()
        out.line("@abstractmethod")
        with out.block("async def request(self, request: Request[R]) -> R:"):
            out.docstring("Send a request and return the message that answers it.")
        for exchange in schema.exchanges:
            out.line()
            _emit_method(out, schema, exchange)
    return out


def _emit_method(out: Writer, schema: Schema, exchange: Exchange) -> None:
    request = schema.message[exchange.request]
    payload_type = [
        f for f in request.fields if f.key == PAYLOAD_TYPE and f.label is Label.REQUIRED
    ]
    fields = [f for f in request.fields if f.key != PAYLOAD_TYPE]
    # What has to be given comes first; else the order is the schema's.
    fields.sort(key=lambda f: f.label is not Label.REQUIRED)
    used = (*payload_type, *fields)
    for name in (exchange.request, exchange.response, *(f.type_name for f in used)):
        if name is not None:
            out.use(f".{schema.module_of(name)}", name)
    if any(f.label is Label.REPEATED for f in fields):
        out.use("collections.abc", "Iterable")
        out.use("ctrader_typed.message", "listed")
    signature = ", ".join(["self", "*", *map(_parameter, fields)] if fields else ["self"])
    with out.block(f"async def {exchange.method}({signature}) -> {exchange.response}:"):
        out.docstring(doc_of(request) or f"{request.name}.", _arguments_doc(fields, out.room))
        # Nobody is asked for what is known; where it is optional, the envelope's number will do.
        known = [f"{f.name}={f.default}" for f in payload_type]
        arguments = ", ".join([*known, *map(_argument, fields)])
        out.line(f"return await self.request({exchange.request}({arguments}))")


def _parameter(f: Field) -> str:
    if f.label is Label.REQUIRED:
        return f"{f.name}: {python_type(f)}"
    if f.label is Label.OPTIONAL:
        return f"{f.name}: {python_type(f)} | None = None"
    return f"{f.name}: Iterable[{python_type(f)}] = ()"


def _argument(f: Field) -> str:
    value = f'listed({f.name}, "{f.name}")' if f.label is Label.REPEATED else f.name
    return f"{f.name}={value}"


def _arguments_doc(fields: list[Field], room: int) -> Iterator[str]:
    """The comments of the fields, as editors know how to show them."""
    documented = [f for f in fields if doc_of(f)]
    if documented:
        yield from ("", "Args:")
    for f in documented:
        yield from (f"    {line}" for line in wrap(f"{f.name}: {doc_of(f)}", room - 4, hang=4))
