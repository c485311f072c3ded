"""All trading requests that are not settled, and which message belongs to which of them.

Pure. Takes the messages of the connection as they come in and the answers of whoever asks; knows no
task and no clock. What another session or the terminal does with the account moves nothing here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from ..error_codes import UNHEARD_OF, Happened
from ..errors import CTraderError, DuplicateOrder, LocalProtocolError, OrderError, ServerError
from ..message import Message, Request
from ..proto import ProtoOAExecutionEvent, ProtoOAOrder
from ..protocol.message_roles import TradingRoles
from ..protocol.reply_outcome import ALREADY_AUTHORISED
from ..protocol.request_tracker import Answered, Verdicts
from ..schema import Schema
from ..wire.envelope import Envelope, Received
from .order_fields import is_protective
from .order_ids import Kind, Minter, kinds, with_client_order_id
from .order_states import OrderStatus
from .tracked_order import Fate

KEPT = 10_000
"""Ended requests that are still matched to what may follow, and foreign closes that are known."""

LATE = 1_000
"""Milliseconds by which an order's time may precede an event that came before its request."""


class Book:
    """The requests of one client, over all its connections."""

    def __init__(self, schema: Schema, minter: Minter) -> None:
        self.roles = TradingRoles(schema)
        self.changed: dict[Fate, None] = {}
        """What has moved since somebody took it out of here, in order."""
        self.server_time: dict[int, int] = {}
        """The latest time of the server's clock that was seen of an account, in ms."""
        self.sessions = 0
        """How many sessions of accounts have begun, on all connections."""
        self._kinds = kinds(self.roles)
        self._minter = minter
        self._fates: dict[str, Fate] = {}
        self._ended: OrderedDict[str, Fate] = OrderedDict()
        self._by_message: dict[str, Fate] = {}
        self._by_order: dict[tuple[int, int], Fate] = {}
        self._by_client_order: dict[tuple[int, str], Fate] = {}
        self._by_position: dict[tuple[int, int], dict[Fate, None]] = {}
        self._names: dict[Fate, list[str]] = {}
        self._places: dict[Fate, list[tuple[int, int]]] = {}
        self._taken: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._authorised: set[int] = set()
        self._verdicts = Verdicts(self.roles.session)
        session = self.roles.session
        self._readers: Mapping[type[Message], Callable[[Any, str | None], None]] = {
            session.execution: self._execution,
            session.order_error: self._error,
            schema.responses[session.account_auth]: self._session_began,
            self.roles.account_disconnect: self._session_ended,
            self.roles.token_invalidated: self._sessions_ended,
            self.roles.client_disconnect: self._all_sessions_ended,
            **dict.fromkeys(session.refusals, self._error),
        }

    # --- requests ---

    def open(self, request: Request[Any], placed_at: int) -> Fate:
        """A new request, of which nothing is written yet; its `request` is what is to be sent.

        `placed_at` is our clock, in ms. Raises LocalProtocolError if it is no trading request, or
        if its client_order_id is invalid, or if the release lacks what following an order takes;
        DuplicateOrder if its client_order_id is that of an order that is still followed.
        """
        if self.roles.missing is not None:
            raise LocalProtocolError(self.roles.missing)
        kind = self._kinds.get(type(request))
        if kind is None:
            raise LocalProtocolError(f"{type(request).__name__} is no trading request")
        key = self._minter.mint()
        if kind is Kind.OPEN:
            request = with_client_order_id(request, key)
        account: int = getattr(request, "ctid_trader_account_id")  # noqa: B009 - all five have it
        fate = Fate(key, kind, request, placed_at, self.server_time.get(account))
        self._add(fate)
        return fate

    def sent(self, fate: Fate, client_msg_id: str) -> None:
        """The request was queued under this id; what carries it answers the request."""
        self._by_message[client_msg_id] = fate
        self._names.setdefault(fate, []).append(client_msg_id)

    def discard(self, fate: Fate, reason: str) -> None:
        """It was taken back before a byte of it was written."""
        fate.discard(reason)
        self._touch(fate)

    def adopt(
        self,
        key: str,
        request: Request[Any],
        placed_at: int,
        mark: int | None,
        order_id: int | None,
        position_id: int | None,
    ) -> Fate:
        """A request of an earlier process, of which nobody knows what has become."""
        fate = Fate(key, self._kinds[type(request)], request, placed_at, mark)
        fate.reopen(order_id, position_id)
        self._add(fate)
        self._touch(fate)
        return fate

    def forget(self, fate: Fate) -> None:
        """Follow it no longer, whatever becomes of it."""
        self._fates.pop(fate.key, None)
        self._ended.pop(fate.key, None)
        self._forget(fate)

    def link_lost(self, reason: str, unwritten: Container[Fate]) -> None:
        """The connection has ended: what was not answered, and what was not over, is in doubt."""
        for fate in self._all():
            (fate.discard if fate in unwritten else fate.lose)(reason)
            self._touch(fate)
        self._by_message.clear()
        self._names.clear()
        self._authorised.clear()

    def authorised(self, account: int) -> None:
        """An account has a session on the connection: its events come, and it can be asked for."""
        self._authorised.add(account)
        self.sessions += 1

    def is_authorised(self, account: int) -> bool:
        """Whether it has a session on the connection."""
        return account in self._authorised

    def session_lost(self, account: int) -> None:
        """It has none any more, though the connection stands: events may have been missed.

        What was not answered yet will be; but what follows the answer may be missed.
        """
        self._authorised.discard(account)
        for fate in self.followed(account):
            if fate.status is OrderStatus.WRITING:
                fate.miss()
            else:
                fate.lose("the account's session was lost")
                self._touch(fate)

    def _add(self, fate: Fate) -> None:
        if fate.kind is Kind.OPEN and fate.client_order_id is not None:
            name = (fate.account_id, fate.client_order_id)
            other = self._by_client_order.get(name)
            if other is not None:
                status, place = other.status.name, (other.order_id, other.position_id)
                raise DuplicateOrder(fate.client_order_id, status, *place)
            self._by_client_order[name] = fate
        self._fates[fate.key] = fate

    # --- what comes in ---

    def receive(self, received: Iterable[Received], answered: Sequence[Answered] = ()) -> None:
        """Let what came in move what it concerns; `changed` then has what moved.

        Of the requests that it has `answered` the verdict is taken over.
        """
        readers = self._readers
        self._verdicts.take(answered)
        for answer in answered:
            self._answered(answer.request, answer.verdict)
        for value in received:
            client_msg_id = value.client_msg_id
            read = readers.get(type(value.message)) if isinstance(value, Envelope) else None
            if read is not None and isinstance(value, Envelope):
                read(value.message, client_msg_id)
            elif client_msg_id is not None and client_msg_id in self._by_message:
                self._unreadable(value, client_msg_id)

    def _answered(self, request: Message, verdict: Message | CTraderError) -> None:
        """An account that is refused because it is authorised already has a session, too."""
        authorises = type(request) is self.roles.session.account_auth
        if authorises and isinstance(verdict, ServerError) and verdict.code in ALREADY_AUTHORISED:
            account: int = getattr(request, "ctid_trader_account_id")  # noqa: B009 - its field
            self.authorised(account)

    def _execution(self, event: ProtoOAExecutionEvent, client_msg_id: str | None) -> None:
        account, order = event.ctid_trader_account_id, event.order
        owner: Fate | None = None
        asked = None if client_msg_id is None else self._by_message.get(client_msg_id)
        if asked is not None and asked.follows_order and _may_be_its(asked, order):
            owner = asked
        elif order is not None:
            owner = self.owner(account, order)
        if asked is not None and asked is not owner and not asked.follows_order:
            self._own(asked, event, reply=True)
        if owner is not None:
            self._own(owner, event, reply=owner is asked)
        elif order is not None:
            self._foreign(account, order)
        self._beside(account, event, owner)
        self._observe(account, event)

    def _own(self, fate: Fate, event: ProtoOAExecutionEvent, *, reply: bool) -> None:
        error = self._judged(fate, Envelope(event))
        fate.own(event, error, reply=reply)
        self._touch(fate)

    def _beside(self, account: int, event: ProtoOAExecutionEvent, owner: Fate | None) -> None:
        if event.position is None:
            return
        for fate in tuple(self._by_position.get((account, event.position.position_id), ())):
            if fate is not owner:
                fate.beside(event)
                self._touch(fate)

    def _error(self, message: Any, client_msg_id: str | None) -> None:
        fate = None if client_msg_id is None else self._by_message.get(client_msg_id)
        if fate is not None:
            error = self._judged(fate, Envelope(message))
            assert isinstance(error, ServerError), "that is what a refusal amounts to"
            fate.refuse(error, doubtful=self._doubtful(message, error))
            self._touch(fate)
            return
        # Nobody asked, or somebody else: it may concern our order without saying how.
        about: int | None = getattr(message, "order_id", None)
        account: int | None = getattr(message, "ctid_trader_account_id", None)
        fate = None if about is None or account is None else self._by_order.get((account, about))
        if fate is not None:
            fate.doubt()
            self._touch(fate)

    def _session_began(self, message: Any, client_msg_id: str | None) -> None:
        self.authorised(message.ctid_trader_account_id)

    def _session_ended(self, message: Any, client_msg_id: str | None) -> None:
        self.session_lost(message.ctid_trader_account_id)

    def _sessions_ended(self, message: Any, client_msg_id: str | None) -> None:
        for account in message.ctid_trader_account_ids:
            self.session_lost(account)

    def _all_sessions_ended(self, message: Any, client_msg_id: str | None) -> None:
        for account in tuple(self._authorised):
            self.session_lost(account)

    def _unreadable(self, value: Received, client_msg_id: str) -> None:
        fate = self._by_message[client_msg_id]
        error = self._judged(fate, value)
        assert error is not None, "what is neither an event nor a refusal amounts to an error"
        fate.refuse(error, doubtful=True)
        self._touch(fate)

    def _judged(self, fate: Fate, reply: Received) -> CTraderError | None:
        verdict = self._verdicts.on(fate.request, reply)
        if not isinstance(verdict, CTraderError):
            return None
        if isinstance(verdict, OrderError):  # the request may not have had them, but we have
            verdict.order_id = fate.order_id if verdict.order_id is None else verdict.order_id
            if verdict.position_id is None:
                verdict.position_id = fate.position_id
        return verdict

    def _doubtful(self, message: Message, error: ServerError) -> bool:
        """Whether an error leaves open that the request was carried out (a timeout, for example).

        A code that nobody knows is believed from the trading server itself, not from the proxy.
        """
        if error.advice is UNHEARD_OF:
            return type(message) is not self.roles.session.order_error
        return error.advice.happened is Happened.UNKNOWN

    # --- whose order is it ---

    def owner(self, account: int, order: ProtoOAOrder) -> Fate | None:
        """The request that made this order; None if it is not one of ours, or not known to be.

        By the order's id, or, as long as we have none, by its clientOrderId: servers give that of
        an order to others as well, so symbol, side, type and time have to agree.
        """
        fate = self._by_order.get((account, order.order_id))
        if fate is not None or order.client_order_id is None:
            return fate
        fate = self._by_client_order.get((account, order.client_order_id))
        if fate is None or fate.order_id is not None or fate.status is OrderStatus.WRITING:
            return None
        asked: Any = fate.request
        same = (
            order.order_type == asked.order_type
            and order.trade_data.symbol_id == asked.symbol_id
            and order.trade_data.trade_side == asked.trade_side
            and not self.too_early(fate, order)
        )
        return fate if same else None

    def too_early(self, fate: Fate, order: ProtoOAOrder) -> bool:
        """Whether an order is older than the request, by the server's own clock."""
        opened = order.trade_data.open_timestamp
        return fate.mark is not None and opened is not None and opened < fate.mark - LATE

    def taken(self, account: int, order: ProtoOAOrder) -> bool:
        """Whether a closing order is known to be another request's or another session's."""
        return (account, order.order_id) in self._taken

    def _foreign(self, account: int, order: ProtoOAOrder) -> None:
        """Remember a close that is not ours: with none of ours in doubt there, that is certain."""
        if order.closing_order is not True or is_protective(order) or order.position_id is None:
            return
        there = self._by_position.get((account, order.position_id), {})
        if not any(f.kind is Kind.CLOSE and f.status is OrderStatus.UNKNOWN for f in there):
            self._take(account, order.order_id)

    def _take(self, account: int, order_id: int) -> None:
        self._taken[account, order_id] = None
        if len(self._taken) > KEPT:
            self._taken.popitem(last=False)

    def _observe(self, account: int, event: ProtoOAExecutionEvent) -> None:
        order, deal = event.order, event.deal
        times = (
            None if order is None else order.utc_last_update_timestamp,
            None if deal is None else deal.execution_timestamp,
        )
        self.note_time(account, (time for time in times if time is not None))

    def note_time(self, account: int, times: Iterable[int]) -> None:
        """The server's clock has shown these times, in ms."""
        for time in times:
            self.server_time[account] = max(self.server_time.get(account, 0), time)

    # --- what is asked, and found out ---

    def accounts(self) -> list[int]:
        """The authorised accounts to ask about."""
        wanting = dict.fromkeys(fate.account_id for fate in self._all() if fate.to_ask)
        return [account for account in wanting if account in self._authorised]

    def in_doubt(self, account: int) -> list[Fate]:
        """The requests whose outcome is to be asked, the oldest first."""
        return [fate for fate in self.followed(account) if fate.in_doubt]

    def followed(self, account: int) -> list[Fate]:
        """All requests of an account of which something is still to come."""
        return [fate for fate in self._all() if fate.account_id == account]

    def _all(self) -> list[Fate]:
        return [*self._fates.values(), *self._ended.values()]

    def found(self, fate: Fate) -> None:
        """Asking has changed what is known of it."""
        self._touch(fate)

    def _touch(self, fate: Fate) -> None:
        """Note that it may have moved, and under which ids it is now to be found."""
        self.changed[fate] = None
        if fate.follows_order and fate.order_id is not None:
            self._by_order[fate.account_id, fate.order_id] = fate
            if fate.kind is Kind.CLOSE:
                self._take(fate.account_id, fate.order_id)
        if fate.follows_order and fate.position_id is not None:
            place = (fate.account_id, fate.position_id)
            there = self._by_position.setdefault(place, {})
            if fate not in there:
                there[fate] = None
                self._places.setdefault(fate, []).append(place)
        if not fate.ended:
            return
        self._fates.pop(fate.key, None)
        if fate.settled:
            self._ended.pop(fate.key, None)
            self._forget(fate)
        else:
            self._ended[fate.key] = fate
            if len(self._ended) > KEPT:
                self._forget(self._ended.popitem(last=False)[1])

    def _forget(self, fate: Fate) -> None:
        account = fate.account_id
        if fate.client_order_id is not None:
            self._by_client_order.pop((account, fate.client_order_id), None)
        if fate.order_id is not None and self._by_order.get((account, fate.order_id)) is fate:
            del self._by_order[account, fate.order_id]
        for place in self._places.pop(fate, ()):
            there = self._by_position[place]
            del there[fate]
            if not there:
                del self._by_position[place]
        for client_msg_id in self._names.pop(fate, ()):
            self._by_message.pop(client_msg_id, None)


def _may_be_its(asked: Fate, order: ProtoOAOrder | None) -> bool:
    """Whether an event under a request's id shows the order that the request made.

    The protective order may be announced under that id too.
    """
    if order is None:
        return True
    return not is_protective(order) and asked.order_id in (None, order.order_id)
