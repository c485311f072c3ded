"""Schema → methods.py: one typed coroutine for each request."""

from __future__ import annotations

from .emit_messages import python_type
from .model import Exchange, Field, Label, Schema
from .writer import Writer


def emit(schema: Schema) -> Writer:
    """The methods module."""
    out = Writer("One method for each request, typed from its fields to its answer.")
    out.use("abc", "ABC")
    out.use("abc", "abstractmethod")
    out.use("collections.abc", "Iterable")
    out.use("typing", "TypeVar")
    out.use("ctrader_typed.message", "Message")
    out.use("ctrader_typed.message", "Request")
    out.line('R = TypeVar("R", bound=Message)')
    out.line()
    out.line()
    with out.block("class Methods(ABC):"):
        out.docstring(
            "What a client can ask, by name.\n\nEach method sends its request and returns the first answer; what it "
            "raises and what cancelling it does are those of `request`."
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
    modules = {file.name: file.module for file in schema.files}

    def use(name: str) -> str:
        home = schema.message.get(name) or schema.enum[name]
        return out.use(f".{modules[home.file]}", name)

    fields = [f for f in request.fields if f.key != "payloadType"]
    for f in fields:
        if f.type_name is not None:
            use(f.type_name)
    required = [f for f in fields if f.label is Label.REQUIRED]
    rest = [f for f in fields if f.label is not Label.REQUIRED]
    parameters = [_parameter(f) for f in (*required, *rest)]
    signature = ", ".join(["self", "*", *parameters] if parameters else ["self"])
    with out.block(f"async def {exchange.method}({signature}) -> {use(exchange.response)}:"):
        out.docstring(_doc(request.doc, fields))
        arguments = ", ".join(_argument(f) for f in fields)
        out.line(f"return await self.request({use(exchange.request)}({arguments}))")


def _parameter(f: Field) -> str:
    if f.label is Label.REQUIRED:
        return f"{f.name}: {python_type(f)}"
    if f.label is Label.OPTIONAL:
        return f"{f.name}: {python_type(f)} | None = None"
    return f"{f.name}: Iterable[{python_type(f)}] = ()"


def _argument(f: Field) -> str:
    return f"{f.name}=list({f.name})" if f.label is Label.REPEATED else f"{f.name}={f.name}"


def _doc(doc: str, fields: list[Field]) -> str:
    return doc
