"""What arguments must be: InvalidValue says which one, what was expected, and what came.

For what type checkers see too, but untyped callers get wrong.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

from ..errors import InvalidValue
from .numbers import as_int, integer

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])
P = TypeVar("P", bound="str | os.PathLike[str]")


def refuse(value: object, what: str, expected: str) -> NoReturn:
    """The error that all raise."""
    raise InvalidValue(f"{what} = {value!r} ({type(value).__name__}): expected {expected}")


def instance(value: T, what: str, kinds: type | tuple[type, ...], expected: str) -> T:
    """An object of one of these types."""
    if not isinstance(value, kinds):
        refuse(value, what, expected)
    return value


def function(value: F, what: str, expected: str) -> F:
    """What can be called."""
    if not callable(value):
        refuse(value, what, expected)
    return value


def able(value: T, what: str, method: str, expected: str) -> T:
    """An object, no class, that has a method of this name."""
    if isinstance(value, type) or not callable(getattr(value, method, None)):
        refuse(value, what, expected)
    return value


def client(value: T, what: str = "client") -> T:
    """What sends requests, in the messages of its release."""
    if isinstance(value, type) or not hasattr(value, "schema"):
        refuse(value, what, "a client, as `async with connect(...) as api:` gives")
    return value


def several(value: Iterable[T], what: str, expected: str) -> tuple[T, ...]:
    """Several in a list or the like, and no text that is taken for one."""
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        refuse(value, what, expected)
    return tuple(value)


def path(value: P, what: str) -> P:
    """Where a file or a folder is."""
    return instance(value, what, (str, os.PathLike), "a path, as a text or a Path")


def text(value: object, what: str, such_as: str) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value:
        refuse(value, what, f"a text, such as {such_as!r}")
    return value


def flag(value: object, what: str) -> bool:
    """True or False, and nothing that is taken for one of them."""
    if not isinstance(value, bool):
        refuse(value, what, "True or False")
    return value


def choice(value: T, what: str, choices: Sequence[T]) -> T:
    """One of these."""
    if value not in choices:
        refuse(value, what, f"one of {', '.join(map(repr, choices))}")
    return value


def whole(value: Any, what: str, least: int, most: int | None = None) -> int:
    """A whole number within bounds."""
    number = integer(value, what)
    if number < least or (most is not None and number > most):
        upper = "more" if most is None else most
        joined = f"{least} or {upper}" if most is None else f"{least} to {upper}"
        refuse(value, what, f"a whole number, {joined}")
    return number


def seconds(value: object, what: str, *, zero: bool = False) -> float:
    """A duration in seconds: positive, and perhaps infinite."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or math.isnan(value)
        or value < 0
        or (value == 0 and not zero)
    ):
        least = "0 or more" if zero else "more than 0"
        refuse(value, what, f"seconds as a number, {least}")
    return value


def moment(value: object, what: str) -> float:
    """A time on any clock, or how far two are apart, in seconds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        refuse(value, what, "seconds as a number")
    return value


def identifier(value: object, what: str, such_as: str) -> int:
    """The id of what may be given by its name as well: an int, not True and not 1.0."""
    number = as_int(value)
    if number is None:
        refuse(value, what, f"a name, such as {such_as!r}, or an id")
    return number


def ids(value: int | Iterable[int], what: str) -> tuple[int, ...]:
    """One id, or several."""
    several: Any = value if isinstance(value, Iterable) else (value,)
    if isinstance(several, (str, bytes)):
        refuse(value, what, "an id, or several in a list")
    return tuple(whole(each, what, 0) for each in several)
