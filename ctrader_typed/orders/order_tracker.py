"""All trading requests that are not settled, and which message belongs to which of them.

Takes the messages of the connection as they come in and the replies to recovery requests. What
another session or the terminal does with the account moves nothing here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from ..error_codes import UNHEARD_OF, Happened
from ..errors import CTraderError, LocalProtocolError
from ..message import Message, Request
from ..proto import ProtoOAExecutionEvent, ProtoOAOrder
from ..protocol.errors import OrderError, ServerError
from ..protocol.message_roles import TradingMessageRoles
from ..protocol.reply_outcome import ALREADY_AUTHORISED
from ..protocol.request_tracker import AnsweredRequest, Verdicts
from ..schema import Schema
from ..wire.envelope import Envelope, Received
from .errors import DuplicateOrder
from .execution_meaning import may_be_its
from .order_fields import is_protective
from .order_ids import ClientOrderIds, TradingKind, trading_kinds, with_client_order_id
from .order_states import OrderStatus
from .tracked_order import TrackedOrder

KEPT = 10_000
"""Ended requests that are still matched to what may follow, and foreign closes that are known."""

LATE = 1_000
"""Milliseconds by which an order's time may precede an event that came before its request."""


class OrderTracker:
    """The requests of one client, over all its connections."""

    def __init__(self, schema: Schema, client_order_ids: ClientOrderIds) -> None:
        self.roles = TradingMessageRoles(schema)
        self.changed: dict[TrackedOrder, None] = {}
        """What has moved since somebody took it out of here, in order."""
        self.server_time: dict[int, int] = {}
        """The latest time of the server's clock that was seen of an account, in ms."""
        self.sessions = 0
        """How many sessions of accounts have begun, on all connections."""
        self._kinds = trading_kinds(self.roles)
        self._client_order_ids = client_order_ids
        self._tracked_orders: dict[str, TrackedOrder] = {}
        self._ended: OrderedDict[str, TrackedOrder] = OrderedDict()
        self._by_message: dict[str, TrackedOrder] = {}
        self._by_order: dict[tuple[int, int], TrackedOrder] = {}
        self._by_client_order: dict[tuple[int, str], TrackedOrder] = {}
        self._by_position: dict[tuple[int, int], dict[TrackedOrder, None]] = {}
        self._names: dict[TrackedOrder, list[str]] = {}
        self._places: dict[TrackedOrder, list[tuple[int, int]]] = {}
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

    def open(self, request: Request[Any], placed_at: int) -> TrackedOrder:
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
        key = self._client_order_ids.mint()
        if kind is TradingKind.OPEN:
            request = with_client_order_id(request, key)
        account: int = getattr(request, "ctid_trader_account_id")  # noqa: B009 - all five have it
        tracked = TrackedOrder(key, kind, request, placed_at, self.server_time.get(account))
        self._add(tracked)
        return tracked

    def sent(self, tracked: TrackedOrder, client_msg_id: str) -> None:
        """The request was queued under this id; what carries it answers the request."""
        self._by_message[client_msg_id] = tracked
        self._names.setdefault(tracked, []).append(client_msg_id)

    def discard(self, tracked: TrackedOrder, reason: str) -> None:
        """It was taken back before a byte of it was written."""
        tracked.discard(reason)
        self._touch(tracked)

    def adopt(
        self,
        key: str,
        request: Request[Any],
        placed_at: int,
        mark: int | None,
        order_id: int | None,
        position_id: int | None,
    ) -> TrackedOrder:
        """A request of an earlier process, of which nobody knows what has become."""
        tracked = TrackedOrder(key, self._kinds[type(request)], request, placed_at, mark)
        tracked.reopen(order_id, position_id)
        self._add(tracked)
        self._touch(tracked)
        return tracked

    def forget(self, tracked: TrackedOrder) -> None:
        """Follow it no longer, whatever becomes of it."""
        self._tracked_orders.pop(tracked.key, None)
        self._ended.pop(tracked.key, None)
        self._forget(tracked)

    def link_lost(self, reason: str, unwritten: Container[TrackedOrder]) -> None:
        """The connection has ended: what was not answered, and what was not over, is in doubt."""
        for tracked in self._all():
            (tracked.discard if tracked in unwritten else tracked.lose)(reason)
            self._touch(tracked)
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
        for tracked in self.followed(account):
            if tracked.status is OrderStatus.WRITING:
                tracked.miss()
            else:
                tracked.lose("the account's session was lost")
                self._touch(tracked)

    def _add(self, tracked: TrackedOrder) -> None:
        if tracked.kind is TradingKind.OPEN and tracked.client_order_id is not None:
            name = (tracked.account_id, tracked.client_order_id)
            other = self._by_client_order.get(name)
            if other is not None:
                status, place = other.status.name, (other.order_id, other.position_id)
                raise DuplicateOrder(tracked.client_order_id, status, *place)
            self._by_client_order[name] = tracked
        self._tracked_orders[tracked.key] = tracked

    # --- what comes in ---

    def receive(
        self, received: Iterable[Received], answered: Sequence[AnsweredRequest] = ()
    ) -> None:
        """Let what came in move what it concerns; `changed` then has what moved.

        Of the requests that it has `answered` the verdict is taken over.
        """
        readers = self._readers
        self._verdicts.take(answered)
        for answer in answered:
            self._answered(answer.request, answer.outcome)
        for value in received:
            client_msg_id = value.client_msg_id
            read = readers.get(type(value.message)) if isinstance(value, Envelope) else None
            if read is not None and isinstance(value, Envelope):
                read(value.message, client_msg_id)
            elif client_msg_id is not None and client_msg_id in self._by_message:
                self._unreadable(value, client_msg_id)

    def _answered(self, request: Message, outcome: Message | CTraderError) -> None:
        """An account that is refused because it is authorised already has a session, too."""
        authorises = type(request) is self.roles.session.account_auth
        if authorises and isinstance(outcome, ServerError) and outcome.code in ALREADY_AUTHORISED:
            account: int = getattr(request, "ctid_trader_account_id")  # noqa: B009 - its field
            self.authorised(account)

    def _execution(self, event: ProtoOAExecutionEvent, client_msg_id: str | None) -> None:
        account, order = event.ctid_trader_account_id, event.order
        owner: TrackedOrder | None = None
        asked = None if client_msg_id is None else self._by_message.get(client_msg_id)
        if asked is not None and asked.follows_order and may_be_its(order, asked.order_id):
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

    def _own(self, tracked: TrackedOrder, event: ProtoOAExecutionEvent, *, reply: bool) -> None:
        error = self._judged(tracked, Envelope(event))
        tracked.own(event, error, reply=reply)
        self._touch(tracked)

    def _beside(
        self, account: int, event: ProtoOAExecutionEvent, owner: TrackedOrder | None
    ) -> None:
        if event.position is None:
            return
        for tracked in tuple(self._by_position.get((account, event.position.position_id), ())):
            if tracked is not owner:
                tracked.beside(event)
                self._touch(tracked)

    def _error(self, message: Any, client_msg_id: str | None) -> None:
        tracked = None if client_msg_id is None else self._by_message.get(client_msg_id)
        if tracked is not None:
            error = self._judged(tracked, Envelope(message))
            assert isinstance(error, ServerError), "that is what a refusal amounts to"
            tracked.refuse(error, doubtful=self._doubtful(message, error))
            self._touch(tracked)
            return
        # Nobody asked, or somebody else: it may concern our order without saying how.
        about: int | None = getattr(message, "order_id", None)
        account: int | None = getattr(message, "ctid_trader_account_id", None)
        tracked = None if about is None or account is None else self._by_order.get((account, about))
        if tracked is not None:
            tracked.doubt()
            self._touch(tracked)

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
        tracked = self._by_message[client_msg_id]
        error = self._judged(tracked, value)
        assert error is not None, "what is neither an event nor a refusal amounts to an error"
        tracked.refuse(error, doubtful=True)
        self._touch(tracked)

    def _judged(self, tracked: TrackedOrder, reply: Received) -> CTraderError | None:
        outcome = self._verdicts.on(tracked.request, reply)
        if not isinstance(outcome, CTraderError):
            return None
        if isinstance(outcome, OrderError):  # the request may not have had them, but we have
            outcome.order_id = tracked.order_id if outcome.order_id is None else outcome.order_id
            if outcome.position_id is None:
                outcome.position_id = tracked.position_id
        return outcome

    def _doubtful(self, message: Message, error: ServerError) -> bool:
        """Whether an error leaves open that the request was carried out (a timeout, for example).

        A code that nobody knows is believed from the trading server itself, not from the proxy.
        """
        if error.advice is UNHEARD_OF:
            return type(message) is not self.roles.session.order_error
        return error.advice.happened is Happened.UNKNOWN

    # --- whose order is it ---

    def owner(self, account: int, order: ProtoOAOrder) -> TrackedOrder | None:
        """The request that made this order; None if it is not one of ours, or not known to be.

        By the order's id, or, as long as we have none, by its clientOrderId: servers give that of
        an order to others as well, so symbol, side, type and time have to agree.
        """
        tracked = self._by_order.get((account, order.order_id))
        if tracked is not None or order.client_order_id is None:
            return tracked
        tracked = self._by_client_order.get((account, order.client_order_id))
        if tracked is None or tracked.order_id is not None or tracked.status is OrderStatus.WRITING:
            return None
        asked: Any = tracked.request
        same = (
            order.order_type == asked.order_type
            and order.trade_data.symbol_id == asked.symbol_id
            and order.trade_data.trade_side == asked.trade_side
            and not self.too_early(tracked, order)
        )
        return tracked if same else None

    def too_early(self, tracked: TrackedOrder, order: ProtoOAOrder) -> bool:
        """Whether an order is older than the request, by the server's own clock."""
        opened = order.trade_data.open_timestamp
        return tracked.mark is not None and opened is not None and opened < tracked.mark - LATE

    def taken(self, account: int, order: ProtoOAOrder) -> bool:
        """Whether a closing order is known to be another request's or another session's."""
        return (account, order.order_id) in self._taken

    def _foreign(self, account: int, order: ProtoOAOrder) -> None:
        """Remember a close that is not ours: with none of ours in doubt there, that is certain."""
        if order.closing_order is not True or is_protective(order) or order.position_id is None:
            return
        there = self._by_position.get((account, order.position_id), {})
        if not any(f.kind is TradingKind.CLOSE and f.status is OrderStatus.UNKNOWN for f in there):
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
        wanting = dict.fromkeys(tracked.account_id for tracked in self._all() if tracked.to_ask)
        return [account for account in wanting if account in self._authorised]

    def in_doubt(self, account: int) -> list[TrackedOrder]:
        """The requests whose outcome is to be asked, the oldest first."""
        return [tracked for tracked in self.followed(account) if tracked.in_doubt]

    def followed(self, account: int) -> list[TrackedOrder]:
        """All requests of an account of which something is still to come."""
        return [tracked for tracked in self._all() if tracked.account_id == account]

    def _all(self) -> list[TrackedOrder]:
        return [*self._tracked_orders.values(), *self._ended.values()]

    def found(self, tracked: TrackedOrder) -> None:
        """Asking has changed what is known of it."""
        self._touch(tracked)

    def _touch(self, tracked: TrackedOrder) -> None:
        """Note that it may have moved, and under which ids it is now to be found."""
        self.changed[tracked] = None
        if tracked.follows_order and tracked.order_id is not None:
            self._by_order[tracked.account_id, tracked.order_id] = tracked
            if tracked.kind is TradingKind.CLOSE:
                self._take(tracked.account_id, tracked.order_id)
        if tracked.follows_order and tracked.position_id is not None:
            place = (tracked.account_id, tracked.position_id)
            there = self._by_position.setdefault(place, {})
            if tracked not in there:
                there[tracked] = None
                self._places.setdefault(tracked, []).append(place)
        if not tracked.ended:
            return
        self._tracked_orders.pop(tracked.key, None)
        if tracked.settled:
            self._ended.pop(tracked.key, None)
            self._forget(tracked)
        else:
            self._ended[tracked.key] = tracked
            if len(self._ended) > KEPT:
                self._forget(self._ended.popitem(last=False)[1])

    def _forget(self, tracked: TrackedOrder) -> None:
        account = tracked.account_id
        if tracked.client_order_id is not None:
            self._by_client_order.pop((account, tracked.client_order_id), None)
        number = tracked.order_id
        if number is not None and self._by_order.get((account, number)) is tracked:
            del self._by_order[account, number]
        for place in self._places.pop(tracked, ()):
            there = self._by_position[place]
            del there[tracked]
            if not there:
                del self._by_position[place]
        for client_msg_id in self._names.pop(tracked, ()):
            self._by_message.pop(client_msg_id, None)
