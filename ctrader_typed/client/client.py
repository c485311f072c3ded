"""What a program holds in its hands: a client of any release; `connect()` gives one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any, TypeVar, overload

from ..errors import raise_first
from ..keywords import suggest
from ..message import Message, Request
from ..message.columns import Columns
from ..net.event_streams import BUFFER, EventHub, EventStream
from ..net.supervisor import Supervisor
from ..orders.order import Order
from ..orders.order_manager import OrderManager
from ..protocol.errors import ServerError
from ..protocol.event_filters import filtering, numbers
from ..protocol.message_roles import MessageRoles
from ..protocol.rate_limits import Limits
from ..protocol.releases import class_heard, translate
from ..protocol.reply_outcome import ALREADY_AUTHORISED
from ..protocol.statistics import Statistics
from ..protocol.stream_buffers import Overflow
from ..schema import Schema
from ..tokens import TokenKeeper, TokenStore
from ..tokens.store import check_store
from ..tokens.value import check_secret
from ..trio_run import TrioRun
from ..units import checks
from .background_tasks import BackgroundTasks, Task, keep_authorised

R = TypeVar("R", bound=Message)
A = TypeVar("A")
B = TypeVar("B")
D = TypeVar("D")
E = TypeVar("E")

log = logging.getLogger(__name__)


class Client:
    """A connection to the API, for any release of the schema. Made by `connect()`.

    Requests and types of events may be given in the messages of this package, whatever the release:
    they stand for that release's own of the same name. What it lacks is refused by name with
    LocalProtocolError: a message, or a field that was given a value.

    When the connection is lost, another one follows, with the same session: what was authorised and
    subscribed is so again. Any number of tasks may use it at the same time.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        suggest(cls)  # generated methods, too

    def __init__(
        self,
        schema: Schema,
        supervisor: Supervisor,
        subscriptions: EventHub,
        orders: OrderManager,
        background: BackgroundTasks,
    ) -> None:
        self._schema = schema
        self._supervisor = supervisor
        self._subscriptions = subscriptions
        self._orders = orders
        self._background = background

    @property
    def schema(self) -> Schema:
        """The release that is spoken."""
        return self._schema

    @property
    def trio_run(self) -> TrioRun:
        """Where it lives: from elsewhere, whatever waits or sends raises OutsideTrio."""
        return self._subscriptions.run

    async def request(self, request: Request[R]) -> R:
        """Send a request and return the first message that answers it.

        A trading request is answered by its first ProtoOAExecutionEvent; what follows (the fill
        after the acceptance) comes to the streams of that type, and so does the first one.

        Raises ServerError when the server refuses (RateLimited, AuthError and OrderError are the
        kinds of it), with the request and the reply; UnexpectedReply when something else comes
        back; DecodeError when the answer cannot be read; EncodeError when the request cannot be
        written; ConnectionLost at once when there is no connection, or when it ends meanwhile: its
        `maybe_delivered` says whether the server may have seen the request. ReconnectAbandoned, a
        kind of it, when there will be no other connection.

        Requests wait for their places within the server's limits, orders before reads. A read that
        the server refuses all the same is sent again after the block, as often as it takes; a
        trading request, and whatever else changes something, then raises RateLimited. Nothing else
        is ever sent twice.

        Cancelled before the request was written, not one byte of it leaves. Cancelled after that,
        it may still be carried out: its answer is discarded, but an order's execution events are
        still events. There is no timeout: `with trio.fail_after(5): await api.request(...)`.
        """
        return await self._supervisor.request(translate(request, self._schema))

    async def columns(self, request: Request[R]) -> Columns[R]:
        """`request()` for an answer that is a list of rows, bars or ticks: they come as columns.

        `columns["low"]` is an `array('q')`, by the name of a row's field; `columns.reply` is the
        rest of the answer. No object is made for a row: 14,000 bars take 0.3 ms compiled, 1.3 with
        numpy, and 22 in plain Python. The numbers are those of the wire: prices are differences in
        1/100000 where the schema says so.

        Raises what `request` does; LocalProtocolError if the answer has no such rows.
        """
        return await self._supervisor.columns(translate(request, self._schema))

    async def place(self, request: Request[Any]) -> Order:
        """Send a trading request and follow what becomes of it, over reconnects too.

        Takes ProtoOANewOrderReq, ProtoOAClosePositionReq, ProtoOAAmendOrderReq,
        ProtoOAAmendPositionSLTPReq and ProtoOACancelOrderReq. Returns once the server has answered:
        `await order.filled()` is the next step. A new order without a client_order_id gets one.

        Raises OrderError or another ServerError when the server refuses, NotSent when not one byte
        of it left, OutcomeUnknown as soon as the link is lost after that: then nobody knows, and
        `await error.order.resolved()` finds out. EncodeError or LocalProtocolError when it cannot
        be sent at all. Nothing is ever sent twice.

        Cancelled before the request was written, not one byte of it leaves. Cancelled after that,
        the order goes its way, and `orders` has it.
        """
        return await self._orders.place(translate(request, self._schema))

    @property
    def orders(self) -> OrderManager:
        """The orders that were placed, and those that the journal took over: iterate, or `find`."""
        return self._orders

    def limits(self) -> Limits:
        """How many requests wait in each lane, what is blocked, and how many may still leave.

        Times are those of `trio.current_time()`.
        """
        return self._supervisor.limits()

    def statistics(self) -> Statistics:
        """Counts over all connections, the latest latencies, and how each open stream stands."""
        return self._supervisor.statistics()

    def accompany(self, task: Task) -> None:
        """Run an async function beside the client, until it ends or the client is closed.

        What it raises is logged and goes no further: it takes neither the client nor another such
        task down. When the client gives up, its requests and streams tell the task so. A client
        that is closed already runs it no more.
        """
        checks.function(task, "task", "an async function without arguments")
        self._background.start(task)

    async def connected(self) -> None:
        """Wait until there is a connection with the session restored: at once if there is one.

        Raises ConnectionLost (ReconnectAbandoned is one) if there will be none. The connection can
        be lost again at any time: what is sent next may fail all the same. Can be cancelled.
        """
        await self._supervisor.connected()

    @overload
    async def auth(
        self,
        *,
        client_id: str,
        client_secret: str,
        access_token: str,
        account_id: int | Iterable[int],
    ) -> None: ...
    @overload
    async def auth(
        self,
        *,
        client_id: str,
        client_secret: str,
        tokens: TokenStore | TokenKeeper,
        account_id: int | Iterable[int],
    ) -> None: ...
    async def auth(
        self,
        *,
        client_id: str,
        client_secret: str,
        access_token: str | None = None,
        tokens: TokenStore | TokenKeeper | None = None,
        account_id: int | Iterable[int],
    ) -> None:
        """Authorise the application, then one account or several, in this order.

        `account_id` is the ctidTraderAccountId, not the login. What is authorised already counts as
        success. An account that is refused keeps no other one from being authorised: then AuthError
        or another ServerError is raised, the first of them, and its notes have the others. Raises
        what `request` raises, too; what is authorised by then stays so, also when cancelled.

        With `tokens`, a store (or a TokenKeeper, for other settings than its own), the access token
        comes from there, and is kept fresh for as long as the client lives: refreshed a day before
        its end, by one of all processes that share the store; accounts whose sessions a refresh
        ends are authorised again, and a reconnect uses the token that is in the store by then.
        Raises what `TokenKeeper.current` does, too. When the tokens cannot be kept any longer
        (RefreshLost, or the server refuses them) the client ends: requests and streams raise
        ReconnectAbandoned, which says why and what to do, with the error as its cause.
        """
        if (access_token is None) == (tokens is None):
            raise TypeError("auth() needs either an access_token or tokens")
        check_secret("client_id", client_id)
        check_secret("client_secret", client_secret)
        if access_token is not None:
            check_secret("access_token", access_token)
        if tokens is not None and not isinstance(tokens, TokenKeeper):
            check_store(tokens, "tokens")
        roles = MessageRoles(self._schema)
        accounts = checks.ids(account_id, "account_id")
        await self._authorise(
            roles.application_auth(client_id=client_id, client_secret=client_secret)
        )
        log.info("application authorised")
        if tokens is not None:
            keeper = tokens if isinstance(tokens, TokenKeeper) else TokenKeeper(tokens, self)
            watch = await keeper.authorise(accounts)
            self._supervisor.authorise_with(accounts, keeper.access_token)
            self._background.start(partial(keep_authorised, watch, self._supervisor))
            return
        refused: list[ServerError] = []
        for account in accounts:
            try:
                await self._authorise(
                    roles.account_auth(ctid_trader_account_id=account, access_token=access_token)
                )
                log.info("account %d authorised", account)
            except ServerError as error:
                refused.append(error)
        raise_first(refused)

    async def _authorise(self, request: Request[Any]) -> None:
        try:
            await self.request(request)
        except ServerError as error:
            if error.code not in ALREADY_AUTHORISED:
                raise

    @overload
    def events(
        self,
        a: type[A],
        /,
        *,
        buffer: int = ...,
        overflow: Overflow = ...,
        account: int | Iterable[int] | None = ...,
        symbol: int | Iterable[int] | None = ...,
    ) -> EventStream[A]: ...
    @overload
    def events(
        self,
        a: type[A],
        b: type[B],
        /,
        *,
        buffer: int = ...,
        overflow: Overflow = ...,
        account: int | Iterable[int] | None = ...,
        symbol: int | Iterable[int] | None = ...,
    ) -> EventStream[A | B]: ...
    @overload
    def events(
        self,
        a: type[A],
        b: type[B],
        d: type[D],
        /,
        *,
        buffer: int = ...,
        overflow: Overflow = ...,
        account: int | Iterable[int] | None = ...,
        symbol: int | Iterable[int] | None = ...,
    ) -> EventStream[A | B | D]: ...
    @overload
    def events(
        self,
        a: type[A],
        b: type[B],
        d: type[D],
        e: type[E],
        /,
        *,
        buffer: int = ...,
        overflow: Overflow = ...,
        account: int | Iterable[int] | None = ...,
        symbol: int | Iterable[int] | None = ...,
    ) -> EventStream[A | B | D | E]: ...
    @overload
    def events(
        self,
        *types: type[A],
        buffer: int = ...,
        overflow: Overflow = ...,
        account: int | Iterable[int] | None = ...,
        symbol: int | Iterable[int] | None = ...,
    ) -> EventStream[A]: ...
    def events(
        self,
        *types: type[Any],
        buffer: int = BUFFER,
        overflow: Overflow = "raise",
        account: int | Iterable[int] | None = None,
        symbol: int | Iterable[int] | None = None,
    ) -> EventStream[Any]:
        """A stream of the events of these types: `async with api.events(T) as stream: async for …`.

        What comes in after the stream is opened is not missed, so open it before sending the
        request that starts the events. `Message` stands for every message; UnknownPayload and
        BadPayload are what could not be read, NotRestored what a reconnect could not bring back.
        After a reconnect every stream gives a Gap before the first fresh event.

        `buffer` is how many events may wait, and `overflow` what happens to more: "raise",
        "drop_oldest", `conflate("symbol_id")` or `conflate_spots`; EventStream says how each works.
        `account` and `symbol` are ids, one or several: events of others are left out, and their
        arrival wakes nobody; an event that names no account or no symbol is never left out.
        """
        if not types:
            raise TypeError("events() needs at least one type")
        accounts = None if account is None else numbers(account, "account")
        symbols = None if symbol is None else numbers(symbol, "symbol")
        passes = None if account is None and symbol is None else filtering(accounts, symbols)
        heard = tuple(class_heard(each, self._schema) for each in types)
        return EventStream(self._subscriptions, heard, buffer, overflow, passes, accounts)
