"""Names of the schema that would meet in Python, or hide what the generated code needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from . import naming
from .errors import Place, Problem
from .model import Declared, Enum, Exchange, Message
from .taken import MODULES_TAKEN

RENAME = "Rename it in the .proto file: bytes carry no names."
RESPELL = "Give one of them another spelling with ODD_WORDS in codegen/naming.py."


def collisions(declared: Declared) -> Iterator[Problem]:
    """Every name of a file, class, field or enum value that cannot be used as it is."""
    yield from _modules(declared)
    yield from _classes(declared)
    for message in declared.messages:
        yield from _fields(message)
    for enum in declared.enums:
        yield from _members(enum)


def _modules(declared: Declared) -> Iterator[Problem]:
    homes: dict[str, str] = {}
    for file in declared.files:
        place = Place(file.name)
        remedy = "Rename the file, and the imports of it."
        if file.module in MODULES_TAKEN:
            what = f"its module {file.module}.py would replace a part of the generated package"
            yield Problem(place, what, remedy)
        elif file.module in homes:
            what = f"its module {file.module}.py is also that of {homes[file.module]}"
            yield Problem(place, what, remedy)
        homes.setdefault(file.module, file.name)


def _classes(declared: Declared) -> Iterator[Problem]:
    homes: dict[str, Place] = {}
    codecs: dict[str, str] = {}
    items: tuple[Enum | Message, ...] = (*declared.enums, *declared.messages)
    for item in items:
        place = Place(item.file, item.line)
        other = codecs.setdefault(naming.function_name(item.name), item.name)
        if item.name in homes:
            what = f"{item.name}: a class of that name comes from {homes[item.name]} already"
            yield Problem(place, what, RENAME)
        elif not item.name[0].isupper():
            what = f"{item.name}: without a capital it could hide a variable of the generated code"
            yield Problem(place, what, RENAME)
        elif naming.class_is_taken(item.name):
            what = f"{item.name}: the generated code needs that name for something else"
            yield Problem(place, what, RENAME)
        elif other != item.name:
            yield Problem(place, f"{item.name}: only its spelling tells it from {other}", RENAME)
        homes.setdefault(item.name, place)


def _fields(message: Message) -> Iterator[Problem]:
    # Attributes and the fields that bring them; a default brings a second one.
    attributes: dict[str, str] = {}
    for f in message.fields:
        place = Place(message.file, f.line)
        what = f"{message.name}.{f.key}"
        if f.name.startswith("_"):
            yield Problem(place, f"{what}: a leading underscore makes it private", RESPELL)
        for name in (f.name, naming.default_name(f.name))[: 1 if f.default is None else 2]:
            if name in attributes:
                also = f"{what}: in Python it is called {name}, as {attributes[name]} is"
                yield Problem(place, also, RESPELL)
            attributes.setdefault(name, f.key)


def _members(enum: Enum) -> Iterator[Problem]:
    names: dict[str, str] = {}
    for value in enum.values:
        place = Place(enum.file, value.line)
        what = f"{enum.name}.{value.key}"
        if value.name.startswith("_"):
            yield Problem(place, f"{what}: a leading underscore makes it private", RENAME)
        elif value.name in names:
            also = f"{what}: in Python it is called {value.name}, as {names[value.name]} is"
            yield Problem(place, also, RENAME)
        names.setdefault(value.name, value.key)


def method_collisions(declared: Declared, exchanges: Iterable[Exchange]) -> Iterator[Problem]:
    """Requests whose methods would have the same name."""
    requests: dict[str, str] = {}
    for exchange in exchanges:
        if exchange.method in requests:
            message = declared.message[exchange.request]
            yield Problem(
                Place(message.file, message.line),
                f"{message.name}: its method would be {exchange.method}(), as that of "
                f"{requests[exchange.method]} is",
                RESPELL,
            )
        requests.setdefault(exchange.method, exchange.request)
