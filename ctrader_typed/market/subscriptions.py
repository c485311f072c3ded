"""Subscriptions that several share: who counts them, and asks the server when it has to be asked.

What a reconnect brings back is the client's business, not done here again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any

import trio

from ..client import Client
from ..error_codes import Retry
from ..errors import ConnectionLost, CTraderError, UnknownName, again
from ..message import Request
from ..proto import (
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOATrendbarPeriod,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeSpotsReq,
)
from ..protocol.errors import ServerError
from ..protocol.session import SessionPart, SessionPartKind

PATIENCE = 10.0
"""Seconds for an answer to an unsubscription, before whoever comes next subscribes again; and until
one that was refused for now is asked for again, then twice as many each time."""

log = logging.getLogger(__name__)


class _State(Enum):
    ABSENT = auto()
    UNSURE = auto()
    """It was asked for, or given up, and nobody has seen the answer."""
    HELD = auto()
    BORROWED = auto()
    """There was a subscription before: somebody else's, who keeps it."""


_THERE = frozenset((_State.HELD, _State.BORROWED))
_OURS = frozenset((_State.HELD, _State.UNSURE))


@dataclass(eq=False, slots=True)
class _RequestTurn:
    """A request that is under way; `over` when its outcome is known."""

    over: trio.Event = field(default_factory=trio.Event)
    error: CTraderError | None = None


@dataclass(slots=True)
class _Subscription:
    """One subscription, and how many want it."""

    holders: int = 0
    state: _State = _State.ABSENT
    turn: _RequestTurn | None = None


class Subscriptions:
    """The subscriptions that somebody wants, and those that the server has granted.

    The server is taken to answer what concerns one subscription in the order in which it was asked:
    one that is abandoned before its answer is unsubscribed from without waiting for that.

    `begins` is called right before one is asked for, `ended` when it is gone.
    """

    def __init__(
        self,
        client: Client,
        begins: Callable[[SessionPart], None],
        ended: Callable[[SessionPart], None],
    ) -> None:
        self._client = client
        self._begins = begins
        self._ended = ended
        self._subscriptions: dict[SessionPart, _Subscription] = {}
        timestamps = client.schema.has(ProtoOASubscribeSpotsReq, "subscribe_to_spot_timestamp")
        self._timestamps = True if timestamps else None

    async def acquire(self, parts: Iterable[SessionPart]) -> None:
        """Hold all of these. Raises what `request` does; then, or cancelled, none of them is held
        that was not before.
        """
        wanted = list(dict.fromkeys(parts))
        refused = await self.acquire_each(wanted)
        if refused:
            self.release([part for part in wanted if part not in refused])
            raise next(refused[part] for part in wanted if part in refused)

    async def acquire_each(self, parts: Iterable[SessionPart]) -> dict[SessionPart, CTraderError]:
        """Hold those of them that the server grants; returns why the others are not held.

        Spots are asked for before the others, which need them. What somebody else is asking for is
        waited for, and its refusal counts here too. Raises ConnectionLost; then, or cancelled, none
        of them is held that was not before.
        """
        wanted = list(dict.fromkeys(parts))
        for part in wanted:
            self._subscriptions.setdefault(part, _Subscription()).holders += 1
        try:
            await trio.lowlevel.checkpoint()
            refused = await self._ensure(
                [part for part in wanted if part.kind is SessionPartKind.SPOTS]
            )
            without = {part.symbol: error for part, error in refused.items()}
            rest = [part for part in wanted if part.kind is not SessionPartKind.SPOTS]
            refused |= {part: without[part.symbol] for part in rest if part.symbol in without}
            refused |= await self._ensure([part for part in rest if part not in refused])
        except BaseException:
            self.release(wanted)
            raise
        self.release(refused)
        return refused

    def release(self, parts: Iterable[SessionPart]) -> None:
        """Let go of them. What nobody holds any more ends by itself, beside the client: nothing is
        waited for.
        """
        idle: list[SessionPart] = []
        parts = dict.fromkeys(parts)
        for part in parts:
            if part not in self._subscriptions:
                raise UnknownName(f"symbol {part.symbol} is not held: expected what was acquired")
        for part in parts:
            holding = self._subscriptions[part]
            holding.holders -= 1
            if holding.holders == 0 and holding.state in _OURS:
                idle.append(part)
            elif holding.holders == 0:
                self._gone(part)
                self._forget(part)
        if idle:
            self._client.accompany(partial(self._end, idle))

    def lose(self, part: SessionPart) -> None:
        """The server has refused to bring it back: whoever wants it next asks for it."""
        holding = self._subscriptions.get(part)
        if holding is not None and holding.turn is None:
            self._gone(part)
            self._forget(part)

    # --- beginning ---

    async def _ensure(self, parts: Sequence[SessionPart]) -> dict[SessionPart, CTraderError]:
        refused: dict[SessionPart, CTraderError] = {}
        while missing := [
            part
            for part in parts
            if part not in refused and self._subscriptions[part].state not in _THERE
        ]:
            free = [part for part in missing if self._subscriptions[part].turn is None]
            if free:
                refused |= await self._begin(free)
                continue
            turn = self._subscriptions[missing[0]].turn
            assert turn is not None, "it is not free"
            await turn.over.wait()
            if turn.error is not None:
                refused[missing[0]] = again(turn.error)
        for error in refused.values():
            if isinstance(error, ConnectionLost):
                raise error
        return refused

    async def _begin(self, parts: Sequence[SessionPart]) -> dict[SessionPart, CTraderError]:
        turns = self._take_turns(parts)
        before = {part: self._subscriptions[part].state for part in parts}

        async def begin(together: Sequence[SessionPart]) -> None:
            for part in together:
                self._subscriptions[part].state = _State.UNSURE
                self._begins(part)
            for part, error in (await self._send(together, _SUBSCRIBE)).items():
                state, turns[part].error = await self._outcome(part, before[part], error)
                self._subscriptions[part].state = state
                if state is _State.ABSENT:
                    self._gone(part)

        try:
            async with trio.open_nursery() as nursery:
                for together in _groups(parts):
                    nursery.start_soon(begin, together)
        finally:
            self._end_turns(turns)
        return {part: turn.error for part, turn in turns.items() if turn.error is not None}

    async def _outcome(
        self, part: SessionPart, before: _State, error: CTraderError | None
    ) -> tuple[_State, CTraderError | None]:
        """What a subscription is after the answer, and what to tell those who wait for it."""
        if error is None:
            return _State.HELD, None
        if isinstance(error, ServerError) and error.advice.retry is Retry.NEEDLESS:
            there = _State.BORROWED if before is _State.ABSENT else _State.HELD
            if part.kind is not SessionPartKind.DEPTH:
                return there, None
            # Only the first event after a subscription has the whole book.
            await self._send([part], _UNSUBSCRIBE)
            self._begins(part)
            error = (await self._send([part], _SUBSCRIBE))[part]
            if error is None:
                return there, None
        known = isinstance(error, (ServerError, ConnectionLost))
        return before if known else _State.UNSURE, error

    # --- ending ---

    async def _end(self, parts: Sequence[SessionPart]) -> None:
        """Unsubscribe from those that nobody wants by now. Spots at last: the others need them."""
        longer = 1
        try:
            for kind in (SessionPartKind.DEPTH, SessionPartKind.TRENDBARS, SessionPartKind.SPOTS):
                some = [part for part in parts if part.kind is kind]
                while idle := [part for part in some if self._is_idle(part)]:
                    pause = await self._unsubscribe(idle)
                    if pause is None:
                        break
                    await trio.sleep(pause * longer)
                    longer *= 2
                    await self._client.connected()
        except ConnectionLost as error:
            log.debug("nothing to unsubscribe from: %s", error)

    def _is_idle(self, part: SessionPart) -> bool:
        holding = self._subscriptions.get(part)
        return (
            holding is not None
            and holding.holders == 0
            and holding.turn is None
            and holding.state in _OURS
        )

    async def _unsubscribe(self, parts: Sequence[SessionPart]) -> float | None:
        """Ask once. Returns the seconds after which to ask again for what is left, if anything is;
        None if nothing was answered: then whoever leaves next asks again.
        """
        turns, pause = self._take_turns(parts), 0.0
        for part in parts:
            self._subscriptions[part].state = _State.UNSURE

        async def end(together: Sequence[SessionPart]) -> None:
            nonlocal pause
            for part, error in (await self._send(together, _UNSUBSCRIBE)).items():
                stays = _stays(error)
                if stays and isinstance(error, ServerError):
                    pause = PATIENCE
                self._subscriptions[part].state = _State.HELD if stays else _State.ABSENT
                log.debug("%s: unsubscribed (%s)", part, error or "as asked")

        try:
            with trio.move_on_after(PATIENCE) as patience:
                async with trio.open_nursery() as nursery:
                    for together in _groups(parts):
                        nursery.start_soon(end, together)
        finally:
            for part in parts:
                if self._subscriptions[part].state is not _State.HELD:
                    self._ended(part)
            self._end_turns(turns)
            for part in parts:
                self._forget(part)
        return None if patience.cancelled_caught else pause

    # --- asking ---

    async def _send(
        self, parts: Sequence[SessionPart], requests: _Requests
    ) -> dict[SessionPart, CTraderError | None]:
        """Ask for parts of one kind, and say what became of each. A refusal of several may be about
        one of them: then each is asked for by itself.
        """
        try:
            request = requests[parts[0].kind](parts)
            if isinstance(request, ProtoOASubscribeSpotsReq):
                request.subscribe_to_spot_timestamp = self._timestamps
            await self._client.request(request)
        except CTraderError as error:
            if len(parts) == 1 or not isinstance(error, ServerError):
                return dict.fromkeys(parts, error)
        else:
            return dict.fromkeys(parts)
        outcomes: dict[SessionPart, CTraderError | None] = {}

        async def alone(part: SessionPart) -> None:
            outcomes.update(await self._send([part], requests))

        async with trio.open_nursery() as nursery:
            for part in parts:
                nursery.start_soon(alone, part)
        return outcomes

    def _take_turns(self, parts: Sequence[SessionPart]) -> dict[SessionPart, _RequestTurn]:
        turns = {part: _RequestTurn() for part in parts}
        for part, turn in turns.items():
            self._subscriptions[part].turn = turn
        return turns

    def _end_turns(self, turns: dict[SessionPart, _RequestTurn]) -> None:
        for part, turn in turns.items():
            self._subscriptions[part].turn = None
            turn.over.set()

    def _gone(self, part: SessionPart) -> None:
        self._subscriptions[part].state = _State.ABSENT
        self._ended(part)

    def _forget(self, part: SessionPart) -> None:
        """There is nothing to remember of what nobody wants and the server does not have."""
        holding = self._subscriptions[part]
        if holding.holders == 0 and holding.turn is None and holding.state is _State.ABSENT:
            del self._subscriptions[part]


def _stays(error: CTraderError | None) -> bool:
    """Whether there is still a subscription after this answer to an unsubscription: the next
    connection has it again, and what is refused for now may be asked for later.
    """
    if isinstance(error, ServerError):
        return error.advice.retry not in {Retry.NEVER, Retry.NEEDLESS}
    return isinstance(error, ConnectionLost)


def _groups(parts: Sequence[SessionPart]) -> list[list[SessionPart]]:
    """What one request can ask for: any number of symbols, but one series of bars."""
    together: dict[tuple[SessionPartKind, SessionPart | None], list[SessionPart]] = {}
    for part in parts:
        alone = part if part.kind is SessionPartKind.TRENDBARS else None
        together.setdefault((part.kind, alone), []).append(part)
    return list(together.values())


_Requests = dict[SessionPartKind, Callable[[Sequence[SessionPart]], Request[Any]]]


def _by_symbols(kind: Callable[..., Request[Any]], parts: Sequence[SessionPart]) -> Request[Any]:
    symbols = [part.symbol for part in parts]
    return kind(ctid_trader_account_id=parts[0].account, symbol_id=symbols)


def _by_series(kind: Callable[..., Request[Any]], parts: Sequence[SessionPart]) -> Request[Any]:
    (part,) = parts
    return kind(
        ctid_trader_account_id=part.account,
        symbol_id=part.symbol,
        period=ProtoOATrendbarPeriod(part.period),
    )


_SUBSCRIBE: _Requests = {
    SessionPartKind.SPOTS: partial(_by_symbols, ProtoOASubscribeSpotsReq),
    SessionPartKind.TRENDBARS: partial(_by_series, ProtoOASubscribeLiveTrendbarReq),
    SessionPartKind.DEPTH: partial(_by_symbols, ProtoOASubscribeDepthQuotesReq),
}
_UNSUBSCRIBE: _Requests = {
    SessionPartKind.SPOTS: partial(_by_symbols, ProtoOAUnsubscribeSpotsReq),
    SessionPartKind.TRENDBARS: partial(_by_series, ProtoOAUnsubscribeLiveTrendbarReq),
    SessionPartKind.DEPTH: partial(_by_symbols, ProtoOAUnsubscribeDepthQuotesReq),
}
