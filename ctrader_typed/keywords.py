"""A misspelt keyword is a TypeError that names the nearest one: in Python 3.11 it names none.

The parameters themselves are explicit; this adds a sentence to the error, and costs a call in which
nothing is wrong about 0.1 µs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from types import FunctionType
from typing import Any, TypeVar, cast

T = TypeVar("T")

_TAKES_ANY, _COROUTINE = 0x08, 0x80  # inspect.CO_VARKEYWORDS and inspect.CO_COROUTINE

_STOP = ("stop_loss_pips", "stop_loss", "relative_stop_loss")
_TARGET = ("take_profit_pips", "take_profit", "relative_take_profit")
_EXPIRY = ("expires", "expiration_timestamp")
_SIZE = ("lots", "volume")
_SLIPPAGE = ("slippage_points", "slippage_in_points")
_ACCOUNT = ("account_id", "account", "ctid_trader_account_id")

ALIASES = {
    "sl": _STOP,
    "slpips": _STOP,
    "tp": _TARGET,
    "tppips": _TARGET,
    "trailingstop": ("trailing", "trailing_stop_loss"),
    "guaranteedstop": ("guaranteed", "guaranteed_stop_loss"),
    "expiry": _EXPIRY,
    "expiration": _EXPIRY,
    "goodtill": _EXPIRY,
    "gtd": _EXPIRY,
    "qty": _SIZE,
    "quantity": _SIZE,
    "size": _SIZE,
    "amount": _SIZE,
    "slippage": _SLIPPAGE,
    "deviation": _SLIPPAGE,
    "direction": ("side", "trade_side"),
    "ticker": ("symbol", "symbol_id"),
    "instrument": ("symbol", "symbol_id"),
    "account": _ACCOUNT,
    "accountid": _ACCOUNT,
    "token": ("access_token", "tokens"),
    "secret": ("client_secret",),
    "since": ("start", "from_timestamp"),
    "until": ("end", "to_timestamp"),
    "timeframe": ("period", "periods"),
    "interval": ("period", "periods"),
}
"""What other libraries call a parameter, without case and underscores: its names here."""


def unexpected(called: str, keyword: str, names: Iterable[str]) -> TypeError:
    """The error for a keyword that a callable does not have; `names` are those that it has."""
    message = f"{called}() got an unexpected keyword argument {keyword!r}"
    names = list(names)
    found = nearest(keyword, names)
    if found is not None:
        return TypeError(f"{message}. Did you mean {found!r}?")
    return TypeError(f"{message}: it takes {', '.join(names) or 'none'}")


def nearest(keyword: str, names: Iterable[str]) -> str | None:
    """The name that is meant; None if none is like it.

    >>> nearest("stopLossPip", ["stop_loss", "stop_loss_pips"])
    'stop_loss_pips'
    """
    plain = {_plain(name): name for name in names}
    asked = _plain(keyword)
    if asked in plain:
        return plain[asked]
    for alias in ALIASES.get(asked, ()):
        if alias in plain.values():
            return alias
    swapped = (each for each in plain if sorted(each) == sorted(asked))
    found = next(swapped, None) or next(iter(get_close_matches(asked, plain, n=1)), None)
    return None if found is None else plain[found]


def suggest(thing: T) -> T:
    """The function, or the class with its public methods and constructor, and what it inherits of
    the same package, whose TypeErrors for unknown keywords name the nearest one.

    Nothing else about them changes. A TypeError of their own is never touched: no call with an
    unknown keyword reaches it.
    """
    if isinstance(thing, FunctionType):
        return _suggesting(thing)  # type: ignore[return-value]  # the same to its callers
    if isinstance(thing, type):
        own = {thing.__module__.partition(".")[0], __name__.partition(".")[0]}
        for cls in thing.__mro__:
            if cls.__module__.partition(".")[0] in own:
                _suggest_in(cls)
    return thing


def hot(*names: str) -> Callable[[type[T]], type[T]]:
    """A class decorator: `suggest` leaves these methods alone, which the client itself calls for
    each quote or message. An unknown keyword is Python's own TypeError there.
    """

    def marked(cls: type[T]) -> type[T]:
        for name in names:
            vars(vars(cls)[name])["_suggests"] = True
        return cls

    return marked


def suggest_all(namespace: dict[str, Any]) -> None:
    """`suggest` for what a module lists in `__all__`, or else for its public functions."""
    own = [
        name
        for name, value in namespace.items()
        if isinstance(value, FunctionType) and value.__module__ == namespace["__name__"]
    ]
    for name in namespace.get("__all__", [name for name in own if not name.startswith("_")]):
        if name in namespace:
            namespace[name] = suggest(namespace[name])


def _suggest_in(cls: type) -> None:
    if vars(cls).get("_suggests"):
        return  # it does so by itself
    for name, value in list(vars(cls).items()):
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(value, FunctionType):
            made: Any = _suggesting(value)
        elif isinstance(value, classmethod | staticmethod):
            method = cast("Any", value)
            made = type(method)(_suggesting(method.__func__))
        else:
            continue
        setattr(cls, name, made)


def _suggesting(function: Callable[..., Any]) -> Callable[..., Any]:
    names = _keywords_of(function)
    if not names or getattr(function, "_suggests", False):
        return function

    def misspelt(arguments: tuple[Any, ...], given: Iterable[str]) -> TypeError | None:
        """What is wrong with a call that raised TypeError; None if its keywords are right."""
        unknown = next((keyword for keyword in given if keyword not in names), None)
        if unknown is None:
            return None
        made = function.__name__ == "__init__"
        return unexpected(
            type(arguments[0]).__name__ if made else function.__name__, unknown, names
        )

    @wraps(function)
    def call(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except TypeError:
            error = misspelt(arguments, keywords)
            if error is None:
                raise
            raise error from None

    @wraps(function)
    async def coroutine(*arguments: Any, **keywords: Any) -> Any:
        return await call(*arguments, **keywords)

    is_coroutine = function.__code__.co_flags & _COROUTINE
    made: Callable[..., Any] = coroutine if is_coroutine else call
    vars(made)["_suggests"] = True
    return made


def _keywords_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names that it can be called with; none if it takes any."""
    named: Any = function
    while hasattr(named, "__wrapped__"):
        named = named.__wrapped__
    code = getattr(named, "__code__", None)
    if code is None or code.co_flags & _TAKES_ANY:
        return ()
    names = code.co_varnames[code.co_posonlyargcount : code.co_argcount + code.co_kwonlyargcount]
    return tuple(name for name in names if name not in ("self", "cls"))


def _plain(name: str) -> str:
    """As clientOrderId, client_order_id and CLIENT_ORDER_ID are alike."""
    return name.replace("_", "").lower()
