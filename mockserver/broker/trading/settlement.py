"""What a fill does to the books: the deal, the position, the balance. Sends no event of the fill.

Opening changes no balance; closing adds gross profit, swap, both commissions and the conversion fee
(recorded). On netted accounts one deal may close a position and open what is left over on the other
side: its closedVolume is then less than its filledVolume.
"""

from __future__ import annotations

from fractions import Fraction

from ..money import amount, share, value_of
from . import cash_flow, fees, margin, rollover
from .account import Account
from .deals import Closing, Deal
from .orders import Order, Touched, sign
from .positions import Opening, Position
from .state import TradingState


def find_position(state: TradingState, account: Account, order: Order) -> bool:
    """Make sure that an opening order names the position that its fill will go to.

    On a netted account that is the symbol's position, whichever order opened it, or a new one. An
    order that should raise a position which has gone meanwhile cannot: False.
    """
    if account.netted:
        for position in account.on_symbol(order.symbol_id):
            order.position_id = position.position_id
            return True
        if order.position_id in account.closed_positions:
            order.position_id = state.books.numbers.next_position()
        return True
    return order.position_id not in account.closed_positions


def closed_volume(account: Account, order: Order, volume: int) -> int:
    """How much of a fill closes volume of the order's position."""
    position = account.positions.get(order.position_id)
    if position is None or position.side == order.side:
        return 0
    return min(volume, position.volume)


def opened_volume(account: Account, order: Order, volume: int) -> int:
    """How much of a fill opens volume."""
    return volume - closed_volume(account, order, volume)


def book(state: TradingState, account: Account, order: Order, volume: int, price: int) -> Deal:
    """Write a fill into the books and return its deal."""
    side, symbol_id = order.side, order.symbol_id
    closed = closed_volume(account, order, volume)
    fee = fees.commission(state, account, symbol_id, side, volume, price)
    closing_fee = share(fee, closed, volume)
    margin_rate = margin.base_to_deposit(state, account, symbol_id, side)
    number = state.books.numbers.next_deal()
    closing: Closing | None = None
    offsets: tuple[tuple[int, int], ...] = ()
    if closed:
        closing, offsets = _close(state, account, order, closed, price, closing_fee)
    if volume > closed:
        terms = margin.margin_terms(state, account, symbol_id, side, volume - closed)
        opening = Opening(
            number, volume - closed, price, margin_rate, terms.leverage, fee - closing_fee
        )
        _open(state, account, order, opening)
    _update(state, account, order)
    deal = Deal(
        deal_id=number,
        order_id=order.order_id,
        position_id=order.position_id,
        symbol_id=symbol_id,
        side=side,
        sent=order.remaining,
        filled=volume,
        price=price,
        created_at=order.sent_at,
        executed_at=state.now,
        margin_rate=margin_rate,
        base_to_usd=margin.base_to_usd(state, symbol_id, side),
        commission=fee,
        money_digits=account.terms.money_digits,
        closing=closing,
        offsets=offsets,
    )
    account.deals[number] = deal
    order.executed_volume += volume
    order.executed_value += volume * price
    order.updated_at = state.now
    return deal


def _open(state: TradingState, account: Account, order: Order, opening: Opening) -> None:
    """Open a position, raise it, or, all of it being closed, turn it to the other side."""
    position = account.positions.get(order.position_id)
    if position is None:
        position = account.positions[order.position_id] = Position(
            position_id=order.position_id,
            symbol_id=order.symbol_id,
            side=order.side,
            money_digits=account.terms.money_digits,
            opened_at=state.now,
            updated_at=state.now,
            comment=order.comment,
            label=order.label,
            measurement_units=order.measurement_units,
        )
        rollover.schedule(state, account, position)
    elif position.side != order.side:
        position.side = order.side
        position.opened_at = state.now
        position.awaited = None
    if not order.levels.empty and order.executed_volume == 0:
        position.awaited = order.levels.protection(order.side, opening.price)
    if order.trailing is not None:
        position.trailing_shown = True
    position.openings.append(opening)
    position.filled_at = state.now


def _close(
    state: TradingState, account: Account, order: Order, volume: int, price: int, fee: int
) -> tuple[Closing, tuple[tuple[int, int], ...]]:
    """Close volume of a position, the oldest openings first, and book what that realises."""
    position = account.positions[order.position_id]
    rate = margin.quote_to_deposit(state, account, order.symbol_id)
    swap = share(position.swap, volume, position.volume)
    order.closed_levels = position.protection
    taken = position.take(volume)
    position.swap -= swap
    entry = Fraction(sum(o.volume * o.price for o in taken), volume)
    way = sign(position.side) * (price - entry)
    gross = amount(value_of(volume, way) * rate, account.terms.money_digits)
    commission = fee + sum(o.commission for o in taken)
    conversion = fees.conversion_fee(state, account, order.symbol_id, gross)
    account.book(gross + swap + commission + conversion)
    closing = Closing(
        entry_price=entry,
        gross_profit=gross,
        swap=swap,
        commission=commission,
        conversion_fee=conversion,
        quote_to_deposit=rate,
        closed_volume=volume,
        balance=account.balance,
        balance_version=account.balance_version,
    )
    return closing, tuple((o.deal_id, o.volume) for o in taken)


def _update(state: TradingState, account: Account, order: Order) -> None:
    """Bring a position up to date with its openings; without any it is closed.

    If its protective order is another one than this, it is seen as closed only when that one has
    been cancelled.
    """
    position = account.positions[order.position_id]
    position.updated_at = state.now
    margin.bind(state, account, position)
    if position.openings:
        return
    position.closed_at = state.now
    position.awaited = None
    kept = position.protective_order
    position.closing_seen = kept is None or kept == order.order_id
    if position.closing_seen:
        position.protective_order = None
        position.trail = None
    del account.positions[position.position_id]
    account.closed_positions[position.position_id] = position


def settle(state: TradingState, account: Account, order: Order, deal: Deal) -> None:
    """What a fill costs beyond its deal: a guaranteed stop's charge; a negative balance is lifted.

    When the charge is taken is not published; here it is when the stop was executed.
    """
    if order.protective and order.touched is Touched.STOP and order.guaranteed:
        charge = fees.guaranteed_stop_charge(state, account, order.symbol_id, deal.filled)
        if charge:
            cash_flow.guaranteed_stop_charge(state, account, charge)
    negative = account.balance < 0 and not account.positions
    if negative and account.terms.negative_balance_protection:
        cash_flow.lift_to_zero(state, account)
