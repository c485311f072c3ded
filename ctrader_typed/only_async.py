"""What `with`, `await` and `for` say where `async with` and `async for` are meant.

Type checkers see none of these methods: to them all of it is an error before anything runs.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Never, TypeVar

T_co = TypeVar("T_co", covariant=True)


class OnlyAsync:
    """A base of what is used with `async`; `usage` is how."""

    __slots__ = ()
    usage: str

    if not TYPE_CHECKING:

        def __await__(self) -> Never:
            raise TypeError(f"it cannot be awaited: write {self.usage}")

        def __enter__(self) -> Never:
            raise TypeError(f"a plain `with` will not do: write {self.usage}")

        def __exit__(self, *_: object) -> None:
            """Python asks for it before it enters."""


class OnlyAsyncStream(OnlyAsync):
    """The same of what is iterated over."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __iter__(self) -> Never:
            raise TypeError(f"a plain `for` will not do: write {self.usage}")


class AsyncBlock(OnlyAsync, AbstractAsyncContextManager[T_co]):
    """What an async context manager does, with a word about its usage."""

    __slots__ = ("_manager", "usage")

    def __init__(self, manager: AbstractAsyncContextManager[T_co], usage: str) -> None:
        self._manager = manager
        self.usage = usage

    async def __aenter__(self) -> T_co:
        return await self._manager.__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._manager.__aexit__(exc_type, exc, traceback)
