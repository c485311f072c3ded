"""What a client has built up at the server, learnt by watching, and what would build it up again.

Pure: knows neither who asks nor when. It watches answers and events in the order in which they
came; whoever restores a session asks `missing`, sends that, and asks again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..error_codes import Retry
from ..message import Message
from ..schema import Schema
from .errors import ServerError
from .request_tracker import AnsweredRequest, Event


class SessionPartKind(IntEnum):
    """What a session consists of, in the order in which the server needs it."""

    APPLICATION = 0
    ACCOUNT = 1
    SPOTS = 2
    TRENDBARS = 3
    DEPTH = 4


@dataclass(frozen=True, slots=True)
class SessionPart:
    """One thing that a session has: what can be had, lost and asked for by itself."""

    kind: SessionPartKind
    account: int = 0
    symbol: int = 0
    period: int = 0

    def __str__(self) -> str:
        if self.kind is SessionPartKind.APPLICATION:
            return "the application"
        if self.kind is SessionPartKind.ACCOUNT:
            return f"account {self.account}"
        return f"{self.kind.name.lower()} of symbol {self.symbol}, account {self.account}"


APPLICATION = SessionPart(SessionPartKind.APPLICATION)

_BEGINS: Mapping[str, SessionPartKind] = {
    "ProtoOAApplicationAuthReq": SessionPartKind.APPLICATION,
    "ProtoOAAccountAuthReq": SessionPartKind.ACCOUNT,
    "ProtoOASubscribeSpotsReq": SessionPartKind.SPOTS,
    "ProtoOASubscribeLiveTrendbarReq": SessionPartKind.TRENDBARS,
    "ProtoOASubscribeDepthQuotesReq": SessionPartKind.DEPTH,
}
_ENDS: Mapping[str, SessionPartKind] = {
    "ProtoOAAccountLogoutReq": SessionPartKind.ACCOUNT,
    "ProtoOAUnsubscribeSpotsReq": SessionPartKind.SPOTS,
    "ProtoOAUnsubscribeLiveTrendbarReq": SessionPartKind.TRENDBARS,
    "ProtoOAUnsubscribeDepthQuotesReq": SessionPartKind.DEPTH,
}
_REFRESH = "ProtoOARefreshTokenReq"


class Session:
    """What the client wants to have at the server, and what of it this connection has.

    A release that lacks one of the messages has a session without that part.
    """

    def __init__(self, schema: Schema) -> None:
        def known(names: Mapping[str, SessionPartKind]) -> dict[type[Any], SessionPartKind]:
            present = schema.by_name
            return {present[name]: kind for name, kind in names.items() if name in present}

        self._begins = known(_BEGINS)
        self._ends = known(_ENDS)
        self._refresh = schema.by_name.get(_REFRESH)
        losses: Mapping[str, Callable[[Any], Collection[int] | None]] = {
            "ProtoOAClientDisconnectEvent": lambda _: None,
            "ProtoOAAccountDisconnectEvent": lambda event: (event.ctid_trader_account_id,),
            "ProtoOAAccountsTokenInvalidatedEvent": lambda event: event.ctid_trader_account_ids,
        }
        self._losses: dict[type[Any], Callable[[Any], Collection[int] | None]] = {
            schema.by_name[name]: loss for name, loss in losses.items() if name in schema.by_name
        }
        self._wanted: dict[SessionPart, Any] = {}
        self._in_force: set[SessionPart] = set()
        self._apart: set[SessionPart] = set()
        self._refused: set[SessionPart] = set()
        self.taken: dict[int, str] = {}
        """Accounts whose sessions have ended while the connection stands, and that have no other
        one yet: each with the name of the event, or of the request of this client, that did it."""
        self.logged_out: list[SessionPart] = []
        """Subscriptions that went with an account which this client has logged out. They do not
        come back; whoever tells of them empties the list."""

    # --- what there is ---

    @property
    def wanted(self) -> frozenset[SessionPart]:
        """What a reconnect restores."""
        return frozenset(self._wanted)

    @property
    def in_force(self) -> frozenset[SessionPart]:
        """What this connection has of it."""
        return frozenset(self._in_force)

    @property
    def endings(self) -> tuple[type[Any], ...]:
        """The events that end a session while the connection stands."""
        return tuple(self._losses)

    def authorised(self) -> frozenset[int]:
        """The accounts that this connection has a session of."""
        return frozenset(
            part.account for part in self._in_force if part.kind is SessionPartKind.ACCOUNT
        )

    def is_hopeless(self) -> bool:
        """Whether there are accounts, and the server has refused all of them."""
        accounts = [part for part in self._wanted if part.kind is SessionPartKind.ACCOUNT]
        return bool(accounts) and self._refused.issuperset(accounts)

    def parts(self, request: Message) -> tuple[SessionPart, ...]:
        """What a request begins or ends; nothing for one that does neither."""
        kind = self._begins.get(type(request), self._ends.get(type(request)))
        return () if kind is None else _parts(kind, request)

    # --- watching ---

    def observe(self, answered: Sequence[AnsweredRequest], events: Sequence[Event]) -> bool:
        """Learn from a batch. Returns whether something may be missing that was not before."""
        changed, seen = False, 0
        for answer in answered:
            changed |= self._happened(events[seen : answer.events_before])
            seen = answer.events_before
            changed |= self._answered(answer.request, answer.outcome)
        return self._happened(events[seen:] if seen else events) or changed

    def _happened(self, events: Iterable[Event]) -> bool:
        losses, changed = self._losses, False
        for event in events:
            loss = losses.get(type(event))
            if loss is not None:
                changed |= self._lose(loss(event), type(event).__name__)
        return changed

    def _answered(self, request: Message, outcome: Message | Exception) -> bool:
        kind = type(request)
        ok = not isinstance(outcome, Exception)
        if kind is self._refresh:
            return ok and self._refreshed(outcome)
        begun = self._begins.get(kind)
        ended = self._ends.get(kind)
        if begun is None and ended is None:
            return False
        parts = self.parts(request)
        if not ok and not (len(parts) == 1 and _needless(outcome)):
            return False
        if begun is not None:
            return self._begun(begun, parts, request)
        if ended is SessionPartKind.ACCOUNT:
            account = parts[0].account
            self.taken[account] = kind.__name__
            self.logged_out += [
                each for each in self._wanted if each.kind > ended and each.account == account
            ]
        self._drop(parts)
        return False

    def _begun(self, kind: SessionPartKind, parts: tuple[SessionPart, ...], request: Any) -> bool:
        self._wanted.update(dict.fromkeys(parts, request))
        self._in_force.update(parts)
        self._apart.difference_update(parts)
        self._refused.difference_update(parts)
        if kind is SessionPartKind.ACCOUNT:
            self.taken.pop(parts[0].account, None)
        return kind <= SessionPartKind.ACCOUNT

    def _refreshed(self, reply: Any) -> bool:
        """The old token died with it. Whose it was is certain only if there is but one."""
        accounts = [part for part in self._wanted if part.kind is SessionPartKind.ACCOUNT]
        if len({self._wanted[part].access_token for part in accounts}) != 1:
            return False
        self.use_token({part.account for part in accounts}, reply.access_token)
        return True

    def use_token(self, accounts: Collection[int], access_token: str) -> None:
        """Those of these accounts that are wanted are asked for with this token from now on."""
        for part in [each for each in self._wanted if each.kind is SessionPartKind.ACCOUNT]:
            if part.account in accounts:
                self._wanted[part] = self._wanted[part].__replace__(access_token=access_token)
                self._refused.discard(part)

    # --- losing ---

    def link_lost(self) -> None:
        """Nothing survives a connection; what was refused on it may be taken on the next."""
        self._in_force.clear()
        self._refused.clear()
        self.taken.clear()

    def _lose(self, accounts: Collection[int] | None, event: str) -> bool:
        """Accounts have lost their sessions; None: all have, and the application too."""
        lost = {part for part in self._in_force if accounts is None or _of_any(part, accounts)}
        self._in_force -= lost
        self.taken.update(
            {part.account: event for part in lost if part.kind is SessionPartKind.ACCOUNT}
        )
        return bool(lost)

    def _drop(self, parts: Iterable[SessionPart]) -> None:
        """They are wanted no more, nor what cannot be without them."""
        for part in parts:
            for each in [other for other in self._wanted if _needs(other, part)]:
                del self._wanted[each]
            self._in_force = {each for each in self._in_force if not _needs(each, part)}
            self._apart = {each for each in self._apart if not _needs(each, part)}
            self._refused = {each for each in self._refused if not _needs(each, part)}

    # --- restoring ---

    def incomplete(self) -> frozenset[int]:
        """The accounts of which something can be asked for; 0 stands for the application."""
        return frozenset(part.account for part in self._wanted if self._can_be_asked(part))

    def missing(
        self, besides: Collection[SessionPart] = (), account: int | None = None
    ) -> list[Any]:
        """The requests that come next: all that can be sent before any of them is answered.

        Nothing for the parts of `besides`, nor for an account that was refused until somebody
        authorises it again; with `account` only what `incomplete` means by it. Empty if there is
        nothing to do.
        """
        for kind in SessionPartKind:
            parts = [
                part
                for part in self._wanted
                if part.kind is kind
                and account in {None, part.account}
                and part not in besides
                and self._can_be_asked(part)
            ]
            if (
                parts and kind is SessionPartKind.TRENDBARS
            ):  # bars and depth need spots, not each other
                return self._requests(parts) + self.missing({*besides, *parts}, account)
            if parts:
                return self._requests(parts)
        return []

    def _can_be_asked(self, part: SessionPart) -> bool:
        if part in self._in_force or part in self._refused:
            return False
        there = self._in_force
        if part.kind is SessionPartKind.APPLICATION:
            return True
        if part.kind is SessionPartKind.ACCOUNT:
            return APPLICATION in there or APPLICATION not in self._wanted
        if SessionPart(SessionPartKind.ACCOUNT, part.account) not in there:
            return False
        spots = SessionPart(SessionPartKind.SPOTS, part.account, part.symbol)
        return part.kind is SessionPartKind.SPOTS or spots in there or spots not in self._wanted

    def _requests(self, parts: list[SessionPart]) -> list[Any]:
        """Requests for these parts of one kind: together what goes together."""
        kind = parts[0].kind
        if kind not in {SessionPartKind.SPOTS, SessionPartKind.DEPTH}:
            return [self._wanted[part] for part in parts]
        batches: defaultdict[Any, list[SessionPart]] = defaultdict(list)
        for part in parts:
            # What else a request says, in whatever release, is said again.
            rest = bytes(self._wanted[part].__replace__(symbol_id=[]))
            alone = part.symbol if part in self._apart else None
            batches[rest, alone].append(part)
        return [
            self._wanted[batch[0]].__replace__(symbol_id=[part.symbol for part in batch])
            for batch in batches.values()
        ]

    def give_up_taken(self) -> list[tuple[SessionPart, str]]:
        """What has ended while the connection stands is not to come back: each account, once, and
        by what.
        """
        parts = {part: self.taken.get(part.account) for part in self._wanted.keys() - self._refused}
        gone = {
            part: f"{event} of account {part.account}"
            for part, event in parts.items()
            if part.kind is SessionPartKind.ACCOUNT and event is not None
        }
        self._refused |= gone.keys()
        return list(gone.items())

    def give_up(self, request: Message) -> list[SessionPart]:
        """The server refuses this request of `missing`: what is given up because of it.

        A refusal of several symbols may be about one of them: nothing is given up then, and each is
        asked for by itself. An account keeps its subscriptions for when somebody authorises it.
        """
        parts = self.parts(request)
        if len(parts) != 1:
            self._apart.update(parts)
            return []
        part = parts[0]
        if part.kind <= SessionPartKind.ACCOUNT:
            self._refused.add(part)
            return [part]
        gone = [each for each in self._wanted if _needs(each, part)]
        self._drop(parts)
        return gone


def _parts(kind: SessionPartKind, request: Any) -> tuple[SessionPart, ...]:
    if kind is SessionPartKind.APPLICATION:
        return (APPLICATION,)
    account: int = request.ctid_trader_account_id
    if kind is SessionPartKind.ACCOUNT:
        return (SessionPart(kind, account),)
    if kind is SessionPartKind.TRENDBARS:
        return (SessionPart(kind, account, request.symbol_id, int(request.period)),)
    return tuple(SessionPart(kind, account, symbol) for symbol in dict.fromkeys(request.symbol_id))


def _of_any(part: SessionPart, accounts: Collection[int]) -> bool:
    return part.kind is not SessionPartKind.APPLICATION and part.account in accounts


def _needs(part: SessionPart, other: SessionPart) -> bool:
    """Whether `part` is `other`, or cannot be without it."""
    if part == other:
        return True
    if other.kind is SessionPartKind.ACCOUNT:
        return part.kind > SessionPartKind.ACCOUNT and part.account == other.account
    if other.kind is SessionPartKind.SPOTS:
        return part.kind > SessionPartKind.SPOTS and (part.account, part.symbol) == (
            other.account,
            other.symbol,
        )
    return other.kind is SessionPartKind.APPLICATION


def _needless(outcome: object) -> bool:
    """Refused because it is so already: as good as done."""
    return isinstance(outcome, ServerError) and outcome.advice.retry is Retry.NEEDLESS
