"""What an account has and what that is worth, always in step.

Reads the book that `synchroniser` keeps, after applying what waits; computes with `valuation`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from types import MappingProxyType

from ..client import Client
from ..errors import CTraderError, InvalidValue, UnknownName, again
from ..market import SpotFeed
from ..only_async import AsyncBlock
from ..proto import ProtoOADynamicLeverageTier, ProtoOAOrder, ProtoOATrader
from ..symbols import Catalogue, Symbol
from ..units import decimal_of
from ..units.numbers import as_int
from . import arithmetic
from .listeners import Changes
from .position import Position
from .synchroniser import Synchroniser
from .tables import Positions
from .valuation import Profit

SymbolRef = Symbol | str | int
"""A symbol, its name, or its id."""


def id_of(thing: object, what: str) -> int | None:
    """The id of a position or an order, or the id that is given; None if it has none yet."""
    counted = as_int(thing)
    if counted is not None:
        return counted
    try:
        number: int | None = getattr(thing, f"{what}_id")
    except AttributeError:
        kind = type(thing).__name__
        raise InvalidValue(f"{what} = {thing!r} ({kind}): expected one, or its id") from None
    return number


class AccountState:
    """How an account stands. Money is a Decimal in the deposit currency."""

    def __init__(self, client: Client, account_id: int) -> None:
        self._client = client
        self._account_id = account_id
        self._synchroniser = Synchroniser(client, account_id)
        self._book, self._valuation = self._synchroniser.book, self._synchroniser.valuation
        self._leverages: dict[int, Sequence[ProtoOADynamicLeverageTier]] = {}

    # --- what it has ---

    @property
    def client(self) -> Client:
        """Whose account it is."""
        return self._client

    @property
    def account_id(self) -> int:
        """The ctidTraderAccountId."""
        return self._account_id

    @property
    def trader(self) -> ProtoOATrader:
        """The account's terms as the server shows them, with the balance of now."""
        self._synchroniser.drain()
        trader = self._book.trader
        assert trader is not None, "an account is given out when it has been reconciled"
        return trader

    @property
    def positions(self) -> Positions:
        """The open positions by their ids: a copy, which shows itself as a table."""
        self._synchroniser.drain()
        return Positions(self._book.positions, self._valuation)

    @property
    def pending(self) -> Mapping[int, ProtoOAOrder]:
        """The pending orders by their ids; a copy."""
        self._synchroniser.drain()
        return MappingProxyType(dict(self._book.orders))

    @property
    def in_step(self) -> bool:
        """Whether nothing can have been missed: false while there is no session, and after that
        until it is reconciled.
        """
        self._synchroniser.drain()
        return self._book.in_step

    @property
    def symbols(self) -> Catalogue:
        """What can be traded: `symbols["EURUSD"]`, `for symbol in symbols`; kept up to date."""
        return self._synchroniser.catalogue

    def symbol(self, name: str | int) -> Symbol:
        """A symbol by its name or id, as it is now; UnknownName, a KeyError, names those that are
        spelt alike.
        """
        return self._synchroniser.catalogue[name]

    def _named(self, symbol: SymbolRef) -> Symbol:
        return symbol if isinstance(symbol, Symbol) else self.symbol(symbol)

    @property
    def feed(self) -> SpotFeed:
        """The prices of this account: its own subscriptions and the trader's are shared there."""
        return self._synchroniser.feed

    # --- what it is worth ---

    @property
    def balance(self) -> Decimal:
        """The balance."""
        self._synchroniser.drain()
        return self._valuation.money(self._book.balance)

    @property
    def equity(self) -> Decimal | None:
        """Balance and unrealised net profit; None until the prices of all positions are there."""
        return self._optional(self._valuation.equity)

    @property
    def used_margin(self) -> Decimal:
        """What the positions bind."""
        self._synchroniser.drain()
        return self._valuation.money(self._valuation.used_margin())

    @property
    def free_margin(self) -> Decimal | None:
        """Equity and bonus less used margin; None as `equity`."""
        return self._optional(self._valuation.free_margin)

    @property
    def margin_level(self) -> Decimal | None:
        """Equity and bonus over used margin, in percent; None as `equity`, or if none is used."""
        self._synchroniser.drain()
        value = self._valuation
        equity = value.equity()
        if equity is None:
            return None
        level = arithmetic.margin_level(equity, value.bonus, value.used_margin())
        return None if level is None else decimal_of(level)

    @property
    def profit(self) -> Profit | None:
        """Unrealised profit of all positions, gross and net; None as `equity`."""
        self._synchroniser.drain()
        return self._valuation.profit(self._valuation.total())

    def profit_of(self, position: Position | int) -> Profit | None:
        """Unrealised profit of one position; None as `equity`. KeyError if it is not open."""
        self._synchroniser.drain()
        number = id_of(position, "position")
        assert number is not None, "a position has an id"
        current = self._book.positions.get(number)
        if current is None:
            raise UnknownName(f"position {number} is not open")
        return self._valuation.profit(self._valuation.unrealised(current))

    def _optional(self, amount: Callable[[], int | None]) -> Decimal | None:
        self._synchroniser.drain()
        known = amount()
        return None if known is None else self._valuation.money(known)

    @property
    def price_errors(self) -> Mapping[str, CTraderError]:
        """Why symbols with positions or orders have no prices, by their names: what the server said
        to the last attempt, which is made again by itself.

        What needs these prices is None (equity, profits); all else works, orders too. A symbol that
        `symbols` does not have stands there by its id.
        """
        found = {each: self.symbols.get(each) for each in self._synchroniser.price_errors}
        names = {each: str(each) if one is None else one.name for each, one in found.items()}
        return {names[each]: error for each, error in self._synchroniser.price_errors.items()}

    # --- waiting ---

    async def settled(self) -> None:
        """Wait until it is in step and all its positions have prices: at once if it is so.

        Raises what the server said to the last attempt, which is made again by itself, also if it
        is only some prices that it refuses (`price_errors` has them all); ConnectionLost if there
        will be no other connection. Can be cancelled.
        """
        synchroniser = self._synchroniser

        def known() -> bool:
            return synchroniser.tended() and (
                self._valuation.total() is not None or bool(synchroniser.price_errors)
            )

        await synchroniser.until(known)
        for error in synchroniser.price_errors.values():
            raise again(error)

    def changes(self) -> AbstractAsyncContextManager[Changes]:
        """What changes from here on: `async with account.changes() as changes: async for …`.

        In order, none is dropped. Ends when the program closes the client. When there will be no
        more for another reason, what waits is still given, then `receive` and the iteration raise
        it: ConnectionLost (ReconnectAbandoned is one) where the client gave up, the server's
        refusal where it does not authorise the account any more; once somebody has authorised it,
        `changes()` can be called again.
        """
        return AsyncBlock(
            self._synchroniser.changes(), "`async with account.changes() as changes:`"
        )
