"""Whether a trading request may be carried out: rights, hours, volumes, prices, money.

Every check raises what the server answers: Refusal for a request that makes no sense (ErrorRes),
TradingRefusal for one that cannot be done now (OrderErrorEvent). Changes nothing. Texts in
double quotes in the recordings and in what clients' authors published are used word by word;
the others are our own.
"""

from __future__ import annotations

from decimal import Decimal

from ctrader_typed.proto import (
    ProtoOAAccessRights,
    ProtoOASymbol,
    ProtoOATradeSide,
    ProtoOATradingMode,
)

from ..market.conversion import NoConversion
from ..money import double, in_scale, lots, plain
from ..refusals import Refusal, unknown_symbol
from . import margin
from .account import Account
from .events import TradingRefusal
from .orders import BUY, SELL, Order
from .positions import Position
from .state import TradingState

_MODE, _RIGHTS = ProtoOATradingMode, ProtoOAAccessRights

_LONGEST = {"clientOrderId": 50, "label": 100, "comment": 512}


def symbol(state: TradingState, symbol_id: int) -> ProtoOASymbol:
    """The symbol that a request names."""
    if not state.venue.catalogue.has(symbol_id):
        raise unknown_symbol(symbol_id)
    return state.symbol(symbol_id)


def texts(**given: str | None) -> None:
    """The lengths of clientOrderId, label and comment."""
    for name, text in given.items():
        longest = _LONGEST[name]
        if text is not None and len(text) > longest:
            reason = f"{name} is longer than {longest} characters: {len(text)}"
            raise Refusal("INVALID_REQUEST", reason)


def rights(account: Account, *, opens: bool) -> None:
    """What the owner of the account may do."""
    allowed = account.terms.access_rights
    if allowed == _RIGHTS.FULL_ACCESS or (allowed == _RIGHTS.CLOSE_ONLY and not opens):
        return
    raise TradingRefusal("TRADING_NOT_ALLOWED", "Trading is not allowed for this account")


def trading_mode(spec: ProtoOASymbol, *, opens: bool) -> None:
    """Whether the symbol can be traded."""
    mode = spec.trading_mode_or_default
    if mode == _MODE.ENABLED or (mode == _MODE.CLOSE_ONLY_MODE and not opens):
        return
    raise TradingRefusal("TRADING_DISABLED", f"Trading is disabled for symbol {spec.symbol_id}")


def market_open(state: TradingState, symbol_id: int) -> None:
    """Whether a symbol trades at this hour and has a price."""
    if state.venue.on_holiday(symbol_id):
        raise TradingRefusal("SYMBOL_HAS_HOLIDAY", "The symbol has a holiday")
    if state.venue.closed(symbol_id):
        raise TradingRefusal("MARKET_CLOSED", "Market is closed")
    quote(state, symbol_id, BUY)
    quote(state, symbol_id, SELL)


def quote(state: TradingState, symbol_id: int, side: ProtoOATradeSide) -> int:
    """The price that a side trades at."""
    now = state.venue.quote(symbol_id, side)
    if now is None:
        raise TradingRefusal("NO_QUOTES", "There are no quotes for the symbol")
    return now


def volume(account: Account, spec: ProtoOASymbol, ordered: int, most: int | None = None) -> None:
    """A volume between the symbol's limits and on its step; the text counts lots."""
    code = "TRADING_BAD_STAKE" if account.spread_betting else "TRADING_BAD_VOLUME"
    size = spec.lot_size or 100
    shown = f"Order volume = {lots(ordered, size)}"
    least = spec.min_volume or 1
    most = spec.max_volume if most is None else most
    if ordered < least:
        reason = f"{shown} is smaller than minimum allowed volume = {lots(least, size)}."
        raise TradingRefusal(code, reason)
    if most is not None and ordered > most:
        reason = f"{shown} is bigger than maximum allowed volume = {lots(most, size)}."
        raise TradingRefusal(code, reason)
    step = spec.step_volume or 1
    if ordered % step:
        shown = f"Order volume = {Decimal(ordered) / size}"
        reason = f"{shown} is not a multiple of the volume step = {lots(step, size)}."
        raise TradingRefusal(code, reason)


def closing_volume(account: Account, spec: ProtoOASymbol, position: Position, closed: int) -> None:
    """A volume that can be closed now: all of the position, or a part that the symbol allows."""
    if closed != position.volume:
        volume(account, spec, closed, most=position.volume)
    if closed > position.volume - account.closing_in_flight(position.position_id):
        reason = "Position has an order in execution"
        raise TradingRefusal("PENDING_EXECUTION", reason, position_id=position.position_id)


def price(spec: ProtoOASymbol, given: float, what: str = "price") -> int:
    """A price of a request in 1/100000: above zero, with no more digits than the symbol has."""
    scaled = in_scale(given)
    if scaled <= 0:
        raise TradingRefusal("TRADING_BAD_PRICES", f"Order {what} = {plain(given)} is not positive")
    if scaled % 10 ** max(0, 5 - spec.digits):
        shown = f"Order {what} = {plain(given)} has more digits than symbol allows."
        raise Refusal("INVALID_REQUEST", f"{shown} Allowed {spec.digits} digits")
    return int(scaled)


def expiration(state: TradingState, given: int) -> None:
    """An expiry that lies ahead."""
    if given <= state.now:
        reason = f"Expiration timestamp {given} is not in the future"
        raise TradingRefusal("TRADING_BAD_EXPIRATION_DATE", reason)


def room(state: TradingState, account: Account) -> None:
    """The number of positions and pending orders."""
    pending = sum(order.pending for order in account.working.values())
    if len(account.positions) + pending >= state.rules.max_positions:
        reason = f"The account has {state.rules.max_positions} positions and orders already"
        raise TradingRefusal("TOO_MANY_POSITIONS", reason)


def exposure(account: Account, spec: ProtoOASymbol, side: ProtoOATradeSide, opened: int) -> None:
    """Short selling, and the symbol's limit for one side."""
    if side == SELL and opened and spec.enable_short_selling is False:
        raise TradingRefusal("SHORT_SELLING_NOT_ALLOWED", "The symbol cannot be sold short")
    there = sum(p.volume for p in account.on_symbol(spec.symbol_id) if p.side == side)
    if spec.max_exposure is not None and there + opened > spec.max_exposure:
        raise TradingRefusal("MAX_EXPOSURE_REACHED", "The exposure limit of the symbol is reached")


def money(
    state: TradingState, account: Account, symbol_id: int, side: ProtoOATradeSide, opened: int
) -> None:
    """Enough free margin for a volume that would be opened at once."""
    try:
        enough = not opened or margin.affordable(state, account, symbol_id, side, opened)
    except NoConversion as error:
        raise TradingRefusal("NO_QUOTES", str(error)) from None
    if not enough:
        raise TradingRefusal("NOT_ENOUGH_MONEY", "Not enough free margin")


def stop_price(state: TradingState, order: Order) -> None:
    """A stop order's price on the far side of the quote that sets it off."""
    if order.stop_price is None:
        return
    watched = "ASK" if order.side == BUY else "BID"
    now = quote(state, order.symbol_id, order.side)
    if (order.stop_price - now) * (1 if order.side == BUY else -1) < 0:
        how = ">=" if order.side == BUY else "<="
        reason = (
            f"Stop price for {order.side} order should be {how} current {watched} price. "
            f"current {watched}: {double(now)}, stop price: {double(order.stop_price)}"
        )
        raise bad_stops(reason)


def position(account: Account, position_id: int) -> Position:
    """An open position by its id; the answer to any other id carries two zeros (recorded)."""
    found = account.positions.get(position_id)
    if found is not None:
        return found
    if any(o.position_id == position_id for o in account.working.values() if not o.closing):
        raise TradingRefusal("POSITION_NOT_OPEN", f"Position {position_id} is not open")
    raise position_not_found(position_id)


def position_not_found(position_id: int) -> TradingRefusal:
    """The answer to an unknown positionId."""
    reason = f"Position not found with id {position_id}"
    return TradingRefusal("POSITION_NOT_FOUND", reason, order_id=0, position_id=0)


def working_order(account: Account, order_id: int) -> Order:
    """An order that has not ended, by its id; the answer to any other id names it (recorded)."""
    order = account.working.get(order_id)
    if order is None:
        reason = f"Order not found with id {order_id}"
        raise TradingRefusal("ORDER_NOT_FOUND", reason, order_id=order_id)
    return order


def bad_stops(reason: str) -> TradingRefusal:
    """A level on the wrong side of the market."""
    return TradingRefusal("TRADING_BAD_STOPS", reason, order_id=0, position_id=0)
