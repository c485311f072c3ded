"""A connection's session brought back, and kept while the connection lasts.

What is missing is decided in `wire.session`; here it is asked for.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import trio

from ..errors import ConnectionLost, CTraderError, LocalProtocolError, ReconnectAbandoned
from ..message import Message, Request
from ..protocol.backoff import BackoffState, Reconnect, may_pass
from ..protocol.request_tracker import AnsweredRequest, Event
from ..protocol.session import Session, SessionPart, SessionPartKind
from ..protocol.stream_events import GivenUp, NotRestored
from .event_streams import EventHub

log = logging.getLogger(__name__)

Ask = Callable[[Request[Any]], Awaitable[Message]]

Current = Callable[[], Awaitable[str]]
"""The access token of the moment."""


class SessionRestorer:
    """Keeps one client's session, over all its connections.

    Each answer must come within `patience` seconds, or the connection is given up: a server that
    sends events and answers nothing would hold us up for ever.
    """

    def __init__(
        self,
        session: Session,
        subscriptions: EventHub,
        reconnect: Reconnect,
        patience: float,
        chance: Callable[[], float],
        tell_orders: Callable[[int, str], None],
    ) -> None:
        self._session = session
        self._subscriptions = subscriptions
        self._reconnect = reconnect
        self._patience = patience
        self._chance = chance
        self._tell_orders = tell_orders
        self._news = trio.lowlevel.ParkingLot()
        self._refusal: CTraderError | None = None
        self._notices: list[NotRestored | GivenUp] = []
        self._tokens: list[tuple[frozenset[int], Current]] = []

    def authorise_with(self, accounts: Collection[int], current: Current) -> None:
        """A reconnect authorises these accounts with the token that `current` gives by then."""
        self._tokens.append((frozenset(accounts), current))

    def account_refused(self, account: int, error: CTraderError) -> None:
        """Nobody can authorise this account any more: who waits for something of it is told."""
        log.warning("account %d is given up: %s", account, error)
        self._tell([GivenUp(SessionPart(SessionPartKind.ACCOUNT, account), error)])

    def observe(self, answered: Sequence[AnsweredRequest], events: Sequence[Event]) -> None:
        """Answers and events came in, in this order. Never waits."""
        before = dict(self._session.taken)
        if self._session.observe(answered, events):
            self._news.unpark_all()
        if before or self._session.taken:
            self._tell_of_sessions(before, self._session.taken)
        if self._session.logged_out:
            self._tell_of_logouts()
        if self._subscriptions.refused:
            self._tell_of_acceptances()

    def _tell_of_sessions(self, before: Mapping[int, str], now: Mapping[int, str]) -> None:
        for account in now.keys() - before.keys():
            self._subscriptions.session_lost(account, f"{now[account]} of account {account}")
        for account in before.keys() - now.keys():
            self._subscriptions.session_regained(account)
            if account not in self._session.incomplete():
                self._subscriptions.sessions_restored()

    def _tell_of_acceptances(self) -> None:
        """Somebody has authorised what was given up."""
        subscriptions = self._subscriptions
        for account in subscriptions.refused.keys() & self._session.authorised():
            subscriptions.account_accepted(account)
            if account not in self._session.incomplete():
                subscriptions.sessions_restored()

    def _tell_of_logouts(self) -> None:
        parts, self._session.logged_out = self._session.logged_out, []
        self._subscriptions.publish(
            [
                GivenUp(
                    part, LocalProtocolError(f"this client has logged account {part.account} out")
                )
                for part in parts
            ]
        )

    def link_lost(self) -> None:
        """The connection is gone, and with it all that it had."""
        self._session.link_lost()

    async def run(self, ask: Ask, restored: Callable[[], None]) -> None:
        """Restore everything, say so, and heal what breaks, until cancelled.

        Raises ReconnectAbandoned if the application is refused for good, or all accounts are, and
        no stream wants NotRestored: who listens to that may mend it. Where other accounts go on,
        streams about the refused ones end. ConnectionLost if the server does not answer.
        """
        self._refusal, self._notices = None, []
        await self._take_tokens()
        await self._pass(ask)
        self._raise_if_hopeless()
        restored()
        self._publish()
        await self._keep(ask)

    async def run_unhealed(self) -> None:
        """Nothing is restored: ReconnectAbandoned when the server has ended all sessions while the
        connection stands, until cancelled. Streams about one that is gone end, others go on.

        Nothing is said while a stream wants NotRestored or those ends: its reader may authorise.
        """
        while True:
            menders: tuple[type[Any], ...] = (NotRestored, *self._session.endings)
            if not any(self._subscriptions.wanted(kind) for kind in menders):
                for part, reason in self._session.give_up_taken():
                    self._refusal = ConnectionLost(f"{reason}, and nothing is restored")
                    self._notices.append(GivenUp(part, self._refusal))
                self._raise_if_hopeless()
                self._publish()
            await self._news.park()

    def _raise_if_hopeless(self) -> None:
        if self._session.is_hopeless() and not self._subscriptions.wanted(NotRestored):
            raise ReconnectAbandoned(str(self._refusal)) from self._refusal

    async def _take_tokens(self) -> None:
        """Others may have refreshed them meanwhile. Without an answer the last ones have to do."""
        for accounts, current in self._tokens:
            with trio.move_on_after(self._patience):
                try:
                    self._session.use_token(accounts, await current())
                except CTraderError as error:
                    log.warning("the access token of the last connection is used: %s", error)

    async def _keep(self, ask: Ask) -> None:
        """Heal each account by itself: one that is refused again and again delays no other."""
        backoff_state = defaultdict[int, BackoffState](lambda: BackoffState(self._reconnect))
        healing: set[int] = set()

        async def heal(account: int) -> None:
            await self._heal(ask, account, backoff_state[account])
            healing.remove(account)

        async with trio.open_nursery() as nursery:
            while True:
                for account in self._session.incomplete() - healing:
                    healing.add(account)
                    nursery.start_soon(heal, account)
                await self._news.park()

    async def _heal(self, ask: Ask, account: int, backoff_state: BackoffState) -> None:
        """Until nothing is missing of an account: what is taken away or refused again and again is
        not asked for without a breath.
        """
        while self._session.missing(account=account):
            backoff_state.lost(trio.current_time())
            if backoff_state.failures > 0:
                await trio.sleep(self._reconnect.pause(backoff_state.failures - 1, self._chance()))
            await self._pass(ask, account)
            backoff_state.stands(trio.current_time())
            self._raise_if_hopeless()
            self._subscriptions.sessions_restored()
            self._publish()

    async def _pass(self, ask: Ask, account: int | None = None) -> None:
        """Ask once for all that is missing (of one account, if given), in the server's order."""
        tried: set[SessionPart] = set()
        while stage := self._session.missing(tried, account):
            async with trio.open_nursery() as nursery:
                for request in stage:
                    nursery.start_soon(self._ask, ask, request, tried)

    async def _ask(self, ask: Ask, request: Request[Any], tried: set[SessionPart]) -> None:
        parts = self._session.parts(request)
        try:
            with trio.fail_after(self._patience):
                await ask(request)
        except trio.TooSlowError:
            name = type(request).__name__
            raise ConnectionLost(f"{name} was not answered within {self._patience:g} s") from None
        except CTraderError as error:
            if self._session.in_force.issuperset(parts) or isinstance(error, ConnectionLost):
                tried.update(parts)
            elif may_pass(error):
                log.warning("not restored for now: %s", error)
                tried.update(parts)
                if parts[0].kind is SessionPartKind.APPLICATION:
                    raise ConnectionLost(str(error)) from error
            else:
                self._give_up(request, error)
        else:
            tried.update(parts)

    def _give_up(self, request: Request[Any], error: CTraderError) -> None:
        given_up = self._session.give_up(request)
        if any(part.kind is SessionPartKind.APPLICATION for part in given_up):
            raise ReconnectAbandoned(str(error)) from error
        if not given_up:
            return
        for part in given_up:
            log.warning("%s is given up: %s", part, error)
            self._notices.append(GivenUp(part, error, self._may_be_mended(part)))
        self._refusal = error
        self._notices.append(NotRestored(request, error))

    def _may_be_mended(self, part: SessionPart) -> bool:
        return part.kind is SessionPartKind.ACCOUNT and self._subscriptions.wanted(NotRestored)

    def _publish(self) -> None:
        """Only now: who mends something needs a connection that takes requests."""
        notices, self._notices = self._notices, []
        self._tell(notices)

    def _tell(self, notices: Sequence[NotRestored | GivenUp]) -> None:
        self._subscriptions.publish(notices)
        for notice in notices:
            if isinstance(notice, GivenUp) and notice.part.kind is SessionPartKind.ACCOUNT:
                self._subscriptions.account_refused(
                    notice.part.account, notice.error, for_good=not notice.may_be_mended
                )
                if not notice.may_be_mended:
                    self._tell_orders(notice.part.account, str(notice.error))
