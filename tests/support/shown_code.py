"""What a page may name: public classes and functions, their attributes and parameters, commands.

`unknown(span)` takes what a page shows in backticks, and says what of it does not exist.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import datetime
import decimal
import enum
import inspect
import keyword
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

import polars
import pyarrow
import pytest
import trio

import codegen
import ctrader_typed
import mockserver
from ctrader_typed import account, market, proto, symbols, tokens, units
from mockserver.broker import refusals
from mockserver.faults import effects
from mockserver.handler import Handler
from mockserver.proxy.proxy import ProxyRules
from mockserver.replay import cassette, replay, upstream
from mockserver.server.server import MockServer

PACKAGES: list[ModuleType] = [
    ctrader_typed,
    mockserver,
    account,
    market,
    market.history,
    symbols,
    tokens,
    units,
]
MODULES: dict[str, Any] = {
    module.__name__: module
    for module in (asyncio, codegen, ctrader_typed, mockserver, polars, pyarrow, pytest, ssl, trio)
}
CLASSES_OF_OTHERS: dict[str, Any] = {
    "Decimal": decimal.Decimal,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "Handler": Handler,
    "ProxyRules": ProxyRules,
    "Refusal": refusals.Refusal,
    "Replay": replay.Replay,
    "Schema": type(ctrader_typed.SCHEMA),
    "Upstream": upstream.Upstream,
    "mock_session": cassette.mock_session,
}
OBJECTS: dict[str, Any] = {
    "account": ctrader_typed.Account,
    "api": ctrader_typed.Api,
    "bars": market.Bars,
    "client": ctrader_typed.Client,
    "error": ctrader_typed.OutcomeUnknown,
    "order": ctrader_typed.Order,
    "position": ctrader_typed.Position,
    "quotes": market.MarketStream,
    "replay": replay.Replay,
    "SCHEMA": type(ctrader_typed.SCHEMA),
    "server": MockServer,
    "symbol": ctrader_typed.Symbol,
    "symbols": ctrader_typed.Catalogue,
}
"""What the variables of the pages' programs are."""


@cache
def names() -> dict[str, Any]:
    """Names that can be called or read: public ones, builtins, and modules."""
    found: dict[str, Any] = {**vars(builtins), **MODULES, **CLASSES_OF_OTHERS}
    found |= {each: vars(effects)[each] for each in vars(effects) if each[0].isupper()}
    for package in PACKAGES:
        found |= {name: getattr(package, name) for name in dir(package) if name[0] != "_"}
    return found


@cache
def callables() -> list[Any]:
    """All public functions and classes, and the public methods of these."""
    public = [each for each in names().values() if callable(each) and not _foreign(each)]
    return [*public, *(method for each in public for method in _methods(each))]


@cache
def attributes() -> frozenset[str]:
    """Attributes of public classes, and of what they have."""
    classes = [*(each for each in names().values() if inspect.isclass(each)), *OBJECTS.values()]
    return frozenset(name for each in classes for name in members(each))


@cache
def parameters() -> frozenset[str]:
    """Parameters of all that is public."""
    return frozenset(name for each in callables() for name in _parameters(each))


@cache
def in_the_schema() -> frozenset[str]:
    """Fields of messages as Python and as JSON have them, and members of enums."""
    found: set[str] = set()
    for each in vars(proto).values():
        if inspect.isclass(each) and issubclass(each, enum.Enum):
            found |= set(each.__members__)
        elif inspect.isclass(each) and issubclass(each, ctrader_typed.Message):
            for field in each.message_fields:
                found |= {field.name, field.key}
    return frozenset(found)


def members(of: Any) -> frozenset[str]:
    """The names of a class's attributes, those of its instances included."""
    declared = [inspect.get_annotations(base) for base in getattr(of, "__mro__", ())]
    return frozenset(dir(of)).union(*declared)


def unknown(code: str) -> Iterator[str]:
    """What does not exist, or takes no such argument, in a piece of code; SyntaxError."""
    for node in ast.walk(_parsed(code)):
        if isinstance(node, ast.Call):
            yield from _unknown_call(node)
        elif isinstance(node, ast.Attribute):
            yield from _unknown_attribute(node)


def _parsed(code: str) -> ast.AST:
    code = code.replace("(…, ", "(").replace(", …)", ")").replace("…", "...")
    if code.endswith(":"):
        code += " ..."
    if code.startswith(("def ", "async def ", "async for ")):
        code += ": ..."
    if code.startswith("@"):
        code += "\n    def decorated(): ..."
    return ast.parse(f"async def run():\n    {code}")


def _target(node: ast.expr) -> Any:
    """What an expression names, as far as that is known; None if it is not."""
    if isinstance(node, ast.Name):
        return OBJECTS.get(node.id, names().get(node.id))
    if isinstance(node, ast.Attribute):
        owner = _target(node.value)
        if inspect.ismodule(owner) or inspect.isclass(owner):
            found = getattr(owner, node.attr, None)
            if callable(found) or inspect.ismodule(found):
                return found
        return OBJECTS.get(node.attr)
    return None


def _unknown_attribute(node: ast.Attribute) -> Iterator[str]:
    owner = _target(node.value)
    if owner is None:
        yield f"{ast.unparse(node.value)} is nothing that is known"
    elif node.attr not in members(owner) and not hasattr(owner, node.attr):
        yield f"{ast.unparse(node)} does not exist"


def _unknown_call(node: ast.Call) -> Iterator[str]:
    target = _target(node.func)
    given = {each.arg: None for each in node.keywords if each.arg is not None}
    if target is not None:
        candidates = [target]
    elif isinstance(node.func, ast.Name):
        candidates = [each for each in callables() if each.__name__ == node.func.id]
    else:
        return  # the attribute is reported, or is another's
    if not any(_takes(each, node.args, given) for each in candidates):
        yield f"{ast.unparse(node)} is no call of anything public"


def _takes(target: Any, args: list[ast.expr], given: dict[str, None]) -> bool:
    """Whether it has these parameters; a sentence may leave out some that are required."""
    try:
        signature = inspect.signature(target)
    except ValueError:  # some functions in C tell nothing of theirs
        return True
    for bound in (args, [None, *args]):  # as a method, its object comes first
        with suppress(TypeError):
            signature.bind_partial(*bound, **given)
            return True
    return False


def _methods(of: Any) -> Iterable[Any]:
    if not inspect.isclass(of) or issubclass(of, ctrader_typed.Message):
        return ()
    found = (inspect.getattr_static(of, name) for name in dir(of) if name[0] != "_")
    return [each for each in found if inspect.isfunction(each)]


def _parameters(of: Any) -> Iterable[str]:
    try:
        return inspect.signature(of).parameters
    except ValueError:  # as of some classes that are written in C
        return ()


def _foreign(of: Any) -> bool:
    return getattr(of, "__module__", "").partition(".")[0] not in {"ctrader_typed", "mockserver"}


def is_word(name: str) -> bool:
    """Whether a single name is one of ours, the schema's, or Python's."""
    return (
        keyword.iskeyword(name)
        or name in names()
        or name in OBJECTS
        or name in attributes()
        or name in parameters()
        or name in in_the_schema()
    )
