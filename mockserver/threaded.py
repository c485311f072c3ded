"""A mock server in a thread of its own, for programs without a trio loop.

What is asked of it is done in its loop, one thing at a time.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import trio

from ctrader_typed.keywords import suggest
from ctrader_typed.message import Message

from .composition import mock_server
from .handler import HandlerFactory
from .replay.cassette import passing_on
from .server.client_rules import Violation
from .server.server import MockServer

if TYPE_CHECKING:
    from ctrader_typed.schema import Schema

    from .broker.broker import Broker
    from .faults.plan import Plan
    from .server.certificates import Certificates
    from .server.connection import ConnectionLimits

M = TypeVar("M", bound=Message)
T = TypeVar("T")


@suggest
class ThreadedServer:
    """`with ThreadedServer(Box()) as server:`; the arguments are those of `mock_server`.

    A `Cassette` in place of the box plays a session, and records what its mode says.

    It is there when the block begins, and gone when it ends; an exception from a behaviour comes
    out there. Any thread may use it.
    """

    def __init__(
        self,
        handlers: HandlerFactory,
        *,
        schema: Schema | None = None,
        host: str = "127.0.0.1",
        port: int | None = 0,
        tls: bool = True,
        wires: Iterable[str] | None = None,
        limits: ConnectionLimits | None = None,
        certificates: Certificates | None = None,
        listening: socket.socket | Mapping[str, socket.socket] | None = None,
        faults: Plan | None = None,
        journal: Callable[[str], object] | None = None,
    ) -> None:
        self._handlers = handlers
        self._serving = mock_server(
            handlers,
            schema=schema,
            host=host,
            port=port,
            tls=tls,
            wires=wires,
            limits=limits,
            certificates=certificates,
            listening=listening,
            faults=faults,
            journal=journal,
        )
        self._started: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="mock server", daemon=True)

    def __enter__(self) -> ThreadedServer:
        self._thread.start()
        failure = self._started.get()
        if failure is not None:
            self._thread.join()
            raise failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(trio.RunFinishedError):  # it may have ended by an exception, just now even
            self._token.run_sync_soon(self._stopping.set)
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the other thread
            self._failure = error
            self._started.put(error)

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._stopping = trio.Event()
        async with (
            passing_on(self._handlers),
            self._serving as server,
        ):
            self._server = server
            self._started.put(None)
            await self._stopping.wait()

    # --- where it is ------------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self._server.address

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        """Host and port of each door, by the name of its wire."""
        return self._server.addresses

    @property
    def ca(self) -> bytes:
        """The CA certificate that a client must trust, PEM text; RuntimeError without TLS."""
        return self._server.ca

    def client_ssl_context(self) -> ssl.SSLContext:
        """A context that trusts this server's CA alone; RuntimeError without TLS."""
        return self._server.client_ssl_context()

    # --- asking and moving it ---------------------------------------------------------------------

    def run(self, function: Callable[[MockServer], T]) -> T:
        """Call the function in the server's loop, with the server; returns what it returns.

        After the block it is called at once.
        """
        try:
            return trio.from_thread.run_sync(function, self._server, trio_token=self._token)
        except trio.RunFinishedError:
            self._thread.join()
            return function(self._server)

    @property
    def broker(self) -> Broker:
        """The simulated broker: each call of its methods is made in the server's loop."""
        return cast("Broker", _Remote(self, lambda server: server.broker))

    @property
    def violations(self) -> list[Violation]:
        """What clients did that none should do."""
        return self.run(lambda server: list(server.violations))

    def check(self) -> None:
        """Raise InvariantBroken, with a list, if there was a violation."""
        self.run(lambda server: server.check())

    def received(self, cls: type[M], **fields: Any) -> list[M]:
        """As MockServer.received."""
        return self.run(lambda server: server.received(cls, **fields))

    def assert_received(self, cls: type[M], *, times: int | None = None, **fields: Any) -> M:
        """As MockServer.assert_received."""
        return self.run(lambda server: server.assert_received(cls, times=times, **fields))

    def never(self, cls: type[Message], **fields: Any) -> None:
        """As MockServer.never."""
        self.run(lambda server: server.never(cls, **fields))

    def assert_order(self, *classes: type[Message]) -> None:
        """As MockServer.assert_order."""
        self.run(lambda server: server.assert_order(*classes))

    def wait_for(self, cls: type[M], *, seconds: float = 5.0, times: int = 1, **fields: Any) -> M:
        """As MockServer.wait_for, but not longer than so many seconds: then AssertionError."""

        async def wait() -> M | None:
            with trio.move_on_after(seconds):
                return await self._server.wait_for(cls, times=times, **fields)
            return None

        found = trio.from_thread.run(wait, trio_token=self._token)
        if found is None:
            return self.assert_received(cls, times=times, **fields)
        return found


class _Remote:
    """An object that lives in the server's loop: attributes are read and methods called there."""

    def __init__(self, server: ThreadedServer, find: Callable[[MockServer], Any]) -> None:
        self._server = server
        self._find = find

    def __getattr__(self, name: str) -> Any:
        value = self._server.run(lambda server: getattr(self._find(server), name))
        if not callable(value):
            return value

        def call(*arguments: Any, **keywords: Any) -> Any:
            return self._server.run(lambda _: value(*arguments, **keywords))

        return call
