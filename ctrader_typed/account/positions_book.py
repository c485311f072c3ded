"""An account's books: positions, pending orders and balance, from the messages that come.

Protective orders and orders on their way
to the market are not in it: the levels of a position are the position's.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

from ..message import Message
from ..proto import (
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOAMarginChangedEvent,
    ProtoOAOrder,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOAPositionStatus,
    ProtoOAReconcileRes,
    ProtoOATrader,
    ProtoOATraderRes,
    ProtoOATraderUpdatedEvent,
    ProtoOATrailingSLChangedEvent,
)
from ..units import money_of
from .changes import (
    BalanceChanged,
    BonusChanged,
    Change,
    InStep,
    OrderChanged,
    OrderEnded,
    OrderPlaced,
    OutOfStep,
    PositionChanged,
    PositionClosed,
    PositionOpened,
)
from .position import Position

M = TypeVar("M", bound=Message)

_PENDING = (ProtoOAOrderType.LIMIT, ProtoOAOrderType.STOP, ProtoOAOrderType.STOP_LIMIT)
_OPEN = ProtoOAPositionStatus.POSITION_STATUS_OPEN
_CLOSED = ProtoOAPositionStatus.POSITION_STATUS_CLOSED

EVENTS: tuple[type[Message], ...] = (
    ProtoOAExecutionEvent,
    ProtoOATrailingSLChangedEvent,
    ProtoOATraderUpdatedEvent,
    ProtoOAMarginChangedEvent,
)
"""What a book wants to see of an account, besides the answers that reconcile it."""


class PositionsBook:
    """The books of one account.

    To reconcile: `ask()` when ProtoOATraderReq and ProtoOAReconcileReq are about to be sent, then
    `reconcile` with both answers. What `apply` was given in between counts on top of the answers,
    as far as it is not older than what they show.
    """

    def __init__(self) -> None:
        self.positions: dict[int, Position] = {}
        self.orders: dict[int, ProtoOAOrder] = {}
        self.trader: ProtoOATrader | None = None
        self.in_step = False
        """Whether it was reconciled and has missed nothing since."""
        self._since: list[Message] | None = None
        # By their names, which are the same in every release.
        self._apply: dict[str, Callable[[Any], tuple[Change, ...]]] = {
            "ProtoOAExecutionEvent": self._execution,
            "ProtoOATrailingSLChangedEvent": self._trailed,
            "ProtoOATraderUpdatedEvent": self._updated,
            "ProtoOAMarginChangedEvent": self._margin,
        }

    @property
    def balance(self) -> int:
        """The balance in 10^-moneyDigits; 0 before it is known."""
        return 0 if self.trader is None else self.trader.balance

    @property
    def money_digits(self) -> int:
        """The digits of amounts; 2 where the server does not say."""
        digits = None if self.trader is None else self.trader.money_digits
        return 2 if digits is None else digits

    # --- in step ---

    def lose(self, reason: str) -> tuple[Change, ...]:
        """Events may be missing from here on."""
        self._since = None
        if not self.in_step:
            return ()
        self.in_step = False
        return (OutOfStep(reason),)

    def ask(self) -> None:
        """The server is about to be asked for everything."""
        self._since = []

    def reconcile(self, trader: ProtoOATraderRes, state: ProtoOAReconcileRes) -> tuple[Change, ...]:
        """The answers. If events have been lost since `ask`, they do not make it be in step.

        Told is what is other than before: what events have told is not told again.
        """
        since, self._since = self._since, None
        before = self.trader, self.positions, self.orders
        self._take_trader(trader.trader, None)
        self.positions = {p.position_id: Position(p) for p in state.position if _is_open(p)}
        self.orders = {o.order_id: o for o in state.order if o.order_type in _PENDING}
        for event in since or ():
            self._apply[type(event).__name__](event)
        changes = self._differences(*before)
        if since is not None and not self.in_step:
            self.in_step = True
            changes.append(InStep())
        return tuple(changes)

    def _differences(
        self,
        trader: ProtoOATrader | None,
        positions: dict[int, Position],
        orders: dict[int, ProtoOAOrder],
    ) -> list[Change]:
        changes: list[Change] = [*_money(trader, self.trader, None)]
        gone = sorted(positions.keys() - self.positions.keys())
        changes += [PositionClosed(positions[number]) for number in gone]
        for number, position in self.positions.items():
            changes += _position(positions.get(number), position, None)
        gone = sorted(orders.keys() - self.orders.keys())
        changes += [OrderEnded(orders[number]) for number in gone]
        for number, order in self.orders.items():
            changes += _order(orders.get(number), order)
        return changes

    # --- events ---

    def apply(self, event: Message) -> tuple[Change, ...]:
        """One of EVENTS, in the order in which they came; what has changed with it."""
        if self._since is not None:
            self._since.append(event)
        return self._apply[type(event).__name__](event)

    def _execution(self, event: ProtoOAExecutionEvent) -> tuple[Change, ...]:
        changes: list[Change] = []
        if event.order is not None:
            changes += self._see_order(event.order)
        if event.position is not None:
            changes += self._see_position(event.position, event)
        changes += self._see_money(event)
        return tuple(changes)

    def _see_position(
        self, position: ProtoOAPosition, event: ProtoOAExecutionEvent
    ) -> tuple[Change, ...]:
        """OPEN is the position; CLOSED its end; CREATED a placeholder, or the end of one whose
        protective order still stands (recorded).
        """
        if _is_open(position):
            if self._is_stale(position):
                return ()
            return self._put(position, event)
        ended = position.position_status == _CLOSED or event.deal is not None
        before = self.positions.pop(position.position_id, None) if ended else None
        return () if before is None else (PositionClosed(before, event.deal),)

    def _is_stale(self, position: ProtoOAPosition) -> bool:
        known = self.positions.get(position.position_id)
        if known is None or known.message.utc_last_update_timestamp is None:
            return False
        updated = position.utc_last_update_timestamp
        return updated is not None and updated < known.message.utc_last_update_timestamp

    def _put(
        self, position: ProtoOAPosition, event: ProtoOAExecutionEvent | None
    ) -> tuple[Change, ...]:
        before, now = self.positions.get(position.position_id), Position(position)
        self.positions[position.position_id] = now
        return _position(before, now, None if event is None else event.deal)

    def _see_order(self, order: ProtoOAOrder) -> tuple[Change, ...]:
        if order.order_type not in _PENDING:
            return ()
        if order.order_status == ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED:
            return self._put_order(order)
        before = self.orders.pop(order.order_id, None)
        return () if before is None else (OrderEnded(order),)

    def _put_order(self, order: ProtoOAOrder) -> tuple[Change, ...]:
        before = self.orders.get(order.order_id)
        self.orders[order.order_id] = order
        return _order(before, order)

    def _trailed(self, event: ProtoOATrailingSLChangedEvent) -> tuple[Change, ...]:
        """Recorded: a move changes no timestamp, and no other event tells of it."""
        return self._amend(event.position_id, stop_loss=event.stop_price)

    def _margin(self, event: ProtoOAMarginChangedEvent) -> tuple[Change, ...]:
        return self._amend(event.position_id, used_margin=event.used_margin)

    def _amend(self, position_id: int, **fields: Any) -> tuple[Change, ...]:
        known = self.positions.get(position_id)
        if known is None:
            return ()
        return self._put(_replaced(known.message, **fields), None)

    # --- money ---

    def _updated(self, event: ProtoOATraderUpdatedEvent) -> tuple[Change, ...]:
        return tuple(self._take_trader(event.trader, None))

    def _take_trader(
        self, trader: ProtoOATrader, event: ProtoOAExecutionEvent | None
    ) -> list[Change]:
        """The account as the server shows it; its balance only if it is not an older one."""
        known = self.trader
        if known is not None and _is_older(trader.balance_version, known.balance_version):
            trader = _replaced(trader, balance=known.balance, balance_version=known.balance_version)
        self.trader = trader
        return _money(known, trader, event)

    def _see_money(self, event: ProtoOAExecutionEvent) -> list[Change]:
        known = self.trader
        if known is None:
            return []
        bonus, flow = event.bonus_deposit_withdraw, event.deposit_withdraw
        if bonus is not None:
            now = _replaced(known, manager_bonus=bonus.manager_bonus, ib_bonus=bonus.ib_bonus)
            return self._take_trader(now, event)
        booked = event.deal.close_position_detail if event.deal is not None else flow
        if booked is None:
            return []
        version = booked.balance_version
        if _is_older(version, known.balance_version):
            return []
        if version is None:
            version = known.balance_version
        now = _replaced(known, balance=booked.balance, balance_version=version)
        return self._take_trader(now, event)


def _replaced(message: M, **fields: Any) -> M:
    """The message with other values in these fields, as far as its release has them."""
    known = {f.name for f in type(message).message_fields}
    return message.__replace__(**{n: value for n, value in fields.items() if n in known})


def _is_older(version: int | None, known: int | None) -> bool:
    """Of two balances. One without a version is as new as when it came."""
    return version is not None and known is not None and version < known


# --- what there is to tell ---


def _position(
    before: Position | None, now: Position, deal: ProtoOADeal | None
) -> tuple[Change, ...]:
    if before is None:
        return (PositionOpened(now, deal),)
    return () if before == now else (PositionChanged(before, now, deal),)


def _order(before: ProtoOAOrder | None, now: ProtoOAOrder) -> tuple[Change, ...]:
    if before is None:
        return (OrderPlaced(now),)
    return () if before == now else (OrderChanged(before, now),)


def _money(
    before: ProtoOATrader | None, now: ProtoOATrader | None, event: ProtoOAExecutionEvent | None
) -> list[Change]:
    changes: list[Change] = []
    if before is None or now is None:
        return changes
    if before.balance != now.balance:
        amounts = _decimal(before, before.balance), _decimal(now, now.balance)
        changes.append(BalanceChanged(*amounts, event))
    if _bonus(before) != _bonus(now):
        amounts = _decimal(before, _bonus(before)), _decimal(now, _bonus(now))
        changes.append(BonusChanged(*amounts, event))
    return changes


def _decimal(trader: ProtoOATrader, amount: int) -> Decimal:
    return money_of(amount, trader.money_digits)


def _bonus(trader: ProtoOATrader) -> int:
    return trader.manager_bonus or 0


def _is_open(position: ProtoOAPosition) -> bool:
    return position.position_status == _OPEN and position.trade_data.volume > 0
