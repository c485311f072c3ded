"""Tokens kept fresh, and the accounts of a client authorised with them.

Time of day and the way to refresh are given to it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any, NoReturn, Protocol

import trio

from ..error_codes import Category, Happened
from ..errors import (
    ConnectionLost,
    EncodeError,
    LocalProtocolError,
    RefreshLost,
    TokenRefused,
    TokenStoreError,
    raise_first,
)
from ..message import Request
from ..protocol.errors import AuthError, ServerError
from ..protocol.message_roles import MessageRoles
from ..protocol.reply_outcome import ALREADY_AUTHORISED
from ..protocol.stream_events import NotRestored
from ..schema import Schema
from ..units import checks
from .store import Held, Kept, TokenStore, check_store
from .value import Tokens, stamp

REFRESH_AHEAD = 86_400.0
"""Seconds before the end of an access token at which it is refreshed: a day of its 30."""

PATIENCE = 15.0
"""Seconds after which the reply to a refresh counts as lost."""

RETRY_INTERVAL = 60.0
"""Seconds between two attempts at what the server cannot do at present."""

CHECK_INTERVAL = 3600.0
"""Seconds after which the store is looked at in any case: clocks are set, machines sleep."""

_TOKEN_CODES = frozenset(("CH_ACCESS_TOKEN_INVALID", "OA_AUTH_TOKEN_EXPIRED"))
_FOR_NOW = frozenset((Category.RATE_LIMIT, Category.UNAVAILABLE))

Refresh = Callable[[Tokens], Awaitable[Tokens]]
"""Turns a pair of tokens into the next one, at the server."""

GiveUp = Callable[[int, ServerError], None]
"""Told of an account that the server refuses for good, and why."""

log = logging.getLogger(__name__)


class TokenClient(Protocol):
    """What is needed of a client."""

    @property
    def schema(self) -> Schema:
        """The release that it speaks."""
        ...

    async def request(self, request: Request[Any], /) -> Any:
        """Send a request and return its answer."""
        ...

    def events(self, *types: type[Any]) -> Any:
        """A stream of events."""
        ...


class TokenKeeper:
    """The tokens of one user, for one client.

    `refresh` asks the server for new tokens; by default it does so through the client, which needs
    nothing but the application's authorisation. `ahead` is how many seconds before the end that
    happens. `now` tells the time in seconds since 1970.
    """

    def __init__(
        self,
        store: TokenStore,
        api: TokenClient,
        *,
        refresh: Refresh | None = None,
        ahead: float = REFRESH_AHEAD,
        now: Callable[[], float] = time.time,
    ) -> None:
        check_store(store, "store")
        checks.moment(ahead, "ahead")
        checks.function(now, "now", "a function that tells the seconds since 1970")
        if refresh is not None:
            checks.function(refresh, "refresh", "an async function that takes Tokens")
        self._store = store
        self._api = api if refresh is not None else checks.client(api, "api")
        self._ask = self._refresh_through_the_client if refresh is None else refresh
        self._ahead = ahead
        self._now = now

    # --- tokens ---

    async def current(self) -> Tokens:
        """Tokens that are good for a while: those in the store, refreshed before if it is time.

        However many tasks and processes ask at once, one of them refreshes. If the server cannot do
        it at present, the old ones are given as long as they last.

        Raises RefreshLost, TokenStoreError (also if the store is empty), AuthError if the server
        does not take the refresh token, another ServerError or ConnectionLost if it cannot refresh
        an access token that has expired. Cancelled, it may still wait up to 15 seconds for a reply
        that must not be lost.
        """
        async with self._store.hold() as held:
            tokens = await self._load(held)
            if self._now() < tokens.due_at(self._ahead):
                return tokens
            try:
                return await self._refresh(held, tokens)
            except (ServerError, ConnectionLost) as error:
                if isinstance(error, AuthError) or self._now() >= tokens.expires_at:
                    raise
                until = stamp(tokens.expires_at)
                log.warning(
                    "cannot refresh the access token, which lasts until %s: %s", until, error
                )
                return tokens

    async def renewed(self, refused: Tokens) -> Tokens:
        """Other tokens than these, which the server refused; raises what `current` raises."""
        checks.instance(refused, "refused", Tokens, "Tokens")
        async with self._store.hold() as held:
            tokens = await self._load(held)
            if tokens.access_token != refused.access_token:
                return tokens
            return await self._refresh(held, tokens)

    async def access_token(self) -> str:
        """The one in the store as it is, due or not: for who cannot wait for a refresh.

        Raises RefreshLost, or TokenStoreError (also if the store is empty). Can be cancelled.
        """
        async with self._store.hold() as held:
            return (await self._load(held)).access_token

    async def _load(self, held: Held) -> Tokens:
        kept = await held.load()
        if kept is None:
            raise TokenStoreError(
                "there are no tokens in the store: let the user authorise the application, and "
                "save what comes of it"
            )
        if kept.refresh_sent_at is not None:
            raise RefreshLost(stamp(kept.refresh_sent_at))
        return kept.tokens

    async def _refresh(self, held: Held, tokens: Tokens) -> Tokens:
        """Use the refresh token up. Whatever happens, the store knows how far it came."""
        sent_at = self._now()
        await held.save(Kept(tokens, refresh_sent_at=sent_at))
        lost: Exception | None = None
        # Shielded: a reply that nobody waits for any more would cost the user an authorisation.
        with trio.CancelScope(shield=True):
            try:
                with trio.fail_after(PATIENCE):
                    fresh = await self._ask(tokens)
            except Exception as error:
                if _cannot_have_happened(error):
                    await held.save(Kept(tokens))
                    raise
                lost = error
            else:
                await held.save(Kept(fresh))
                log.info("access token refreshed; it lasts until %s", stamp(fresh.expires_at))
                return fresh
        raise RefreshLost(stamp(sent_at)) from lost

    async def _refresh_through_the_client(self, tokens: Tokens) -> Tokens:
        request = self._called("ProtoOARefreshTokenReq")(refresh_token=tokens.refresh_token)
        reply = await self._api.request(request)
        return Tokens.granted(
            access_token=reply.access_token,
            refresh_token=reply.refresh_token,
            expires_in=reply.expires_in,
            now=self._now(),
            scope=tokens.scope,
        )

    def _called(self, name: str) -> type[Any]:
        schema = self._api.schema
        cls = schema.by_name.get(name)
        if cls is None:
            raise LocalProtocolError(f"release {schema.release} has no {name}: no token is kept")
        return cls

    # --- accounts ---

    async def run(
        self,
        accounts: Iterable[int],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> NoReturn:
        """Authorise these accounts and keep them so: refresh in time, heal what a refresh breaks.

        `api.auth(tokens=...)` does that beside the client. Otherwise run it in a nursery of your
        own, `await nursery.start(keeper.run, accounts)`, once the application is authorised; it has
        started when the accounts are. A refresh, by whichever process, ends their sessions on every
        connection: the server says so, and they are authorised again with the new token. An account
        that you log out stays so.

        Ends by being cancelled, or with what `current` raises; with AuthError or another
        ServerError for an account that is refused; with ConnectionLost when the client's streams
        end. What the server cannot do at present is tried again every minute.
        """
        watch = await self.authorise(accounts)
        task_status.started()
        await watch.run()

    async def authorise(self, accounts: Iterable[int]) -> SessionWatch:
        """The first half of `run`: they are authorised when it returns. The other half follows.

        Raises what `run` does. Cancelled, nothing stays but the accounts that are authorised.
        """
        numbers = frozenset(checks.ids(accounts, "accounts"))
        invalidated = self._called("ProtoOAAccountsTokenInvalidatedEvent")
        disconnected = self._called("ProtoOAAccountDisconnectEvent")
        sessions = _Sessions(self, self._api, numbers)
        async with AsyncExitStack() as stack:
            stream = self._api.events(invalidated, disconnected, NotRestored)
            events = await stack.enter_async_context(stream)
            wake_at = await sessions.restore()
            return SessionWatch(
                sessions, invalidated, disconnected, events, stack.pop_all(), wake_at
            )

    def next_look(self, tokens: Tokens) -> float:
        """Seconds until these tokens want looking at."""
        return min(max(tokens.due_at(self._ahead) - self._now(), RETRY_INTERVAL), CHECK_INTERVAL)


class SessionWatch:
    """Accounts that are authorised, and a stream of what happens to them: `run` keeps them so."""

    def __init__(
        self,
        sessions: _Sessions,
        invalidated: type[Any],
        disconnected: type[Any],
        events: AsyncIterator[Any],
        stream: AsyncExitStack,
        wake_at: float,
    ) -> None:
        self._sessions = sessions
        self._invalidated = invalidated
        self._disconnected = disconnected
        self._events = events
        self._stream = stream
        self._wake_at = wake_at

    async def run(self, give_up: GiveUp | None = None) -> NoReturn:
        """The second half of `TokenKeeper.run`. With `give_up` an account that is refused for good
        is left to it while there are others.
        """
        async with self._stream:
            while True:
                with trio.move_on_at(self._wake_at):
                    self._observe(await anext(self._events))
                try:
                    self._wake_at = await self._sessions.restore(give_up)
                except (ServerError, ConnectionLost) as error:
                    if isinstance(error, ServerError) and not _for_now(error):
                        raise
                    log.warning("accounts are not authorised for now: %s", error)
                    self._wake_at = trio.current_time() + RETRY_INTERVAL

    def _observe(self, event: Any) -> None:
        if isinstance(event, self._invalidated):
            self._sessions.invalidated(event.ctid_trader_account_ids)
        elif isinstance(event, self._disconnected):
            self._sessions.disconnected(event.ctid_trader_account_id)
        elif isinstance(event, NotRestored):
            self._sessions.not_restored(event.request)


class _Sessions:
    """Which accounts want to be authorised, and the token with which they were last."""

    def __init__(self, keeper: TokenKeeper, api: TokenClient, accounts: frozenset[int]) -> None:
        self._keeper = keeper
        self._api = api
        self._account_auth = MessageRoles(api.schema).account_auth
        self._accounts = accounts
        self._missing = set(accounts)
        self._tokens: Tokens | None = None
        self._unrest_ends = 0.0

    def invalidated(self, accounts: Iterable[int]) -> None:
        """The token of their sessions is none any more."""
        self._missing |= self._accounts.intersection(accounts)
        self._unrest_ends = trio.current_time() + RETRY_INTERVAL

    def disconnected(self, account: int) -> None:
        """Its session is over. By itself that is not about tokens, and may be a logout; but the
        server also does it, before or after, to sessions whose token was refreshed.
        """
        if trio.current_time() < self._unrest_ends:
            self._missing |= self._accounts & {account}

    def not_restored(self, request: Any) -> None:
        """After a reconnect it was refused: its token was replaced meanwhile, most likely."""
        if isinstance(request, self._account_auth):
            self._missing |= self._accounts & {request.ctid_trader_account_id}

    async def restore(self, give_up: GiveUp | None = None) -> float:
        """Authorise what is missing, all if the token is another; returns when to come back.

        A refused account keeps no other one waiting: its refusal is raised when all were tried.
        """
        tokens = self._use(await self._keeper.current())
        refused: dict[int, ServerError] = {}
        while missing := self._missing - refused.keys():
            account = min(missing)
            try:
                tokens = await self._authorise_or_renew(account, tokens)
            except ServerError as error:
                if error.code in _TOKEN_CODES:
                    raise
                refused[account] = error
            else:
                self._missing.discard(account)
        for_good = {each for each, error in refused.items() if not _for_now(error)}
        if give_up is not None and for_good < self._accounts:
            self._accounts -= for_good
            self._missing -= for_good
            for account in for_good:
                give_up(account, refused.pop(account))
        first = [refused[each] for each in refused if each in for_good]
        raise_first(first or list(refused.values()))
        return trio.current_time() + self._keeper.next_look(tokens)

    async def _authorise_or_renew(self, account: int, tokens: Tokens) -> Tokens:
        """With these tokens, or with newer ones; returns those that were accepted."""
        try:
            await self._authorise(account, tokens)
        except AuthError as error:
            if error.code not in _TOKEN_CODES:
                raise
            tokens = self._use(await self._keeper.renewed(tokens))
            await self._authorise(account, tokens)
        return tokens

    def _use(self, tokens: Tokens) -> Tokens:
        if self._tokens is None or tokens.access_token != self._tokens.access_token:
            self._missing |= self._accounts
            self._unrest_ends = trio.current_time() + RETRY_INTERVAL
        self._tokens = tokens
        return tokens

    async def _authorise(self, account: int, tokens: Tokens) -> None:
        request = self._account_auth(
            ctid_trader_account_id=account, access_token=tokens.access_token
        )
        try:
            await self._api.request(request)
        except ServerError as error:
            if error.code not in ALREADY_AUTHORISED:
                raise
        log.info("account %d authorised", account)


def _for_now(error: ServerError) -> bool:
    return error.advice.category in _FOR_NOW


def _cannot_have_happened(error: Exception) -> bool:
    if isinstance(error, ServerError | TokenRefused):
        return error.advice.happened is Happened.NO
    if isinstance(error, ConnectionLost):
        return not error.maybe_delivered
    return isinstance(error, EncodeError | LocalProtocolError)


async def save_tokens(store: TokenStore, tokens: Tokens) -> None:
    """Keep new tokens, after the user has authorised: whatever was there, lost or not, is over."""
    check_store(store, "store")
    checks.instance(tokens, "tokens", Tokens, "Tokens")
    async with store.hold() as held:
        await held.save(Kept(tokens))
