"""An account reckoned from a pure broker's messages alone, to be compared with what it says."""

from __future__ import annotations

from typing import Any

from ctrader_typed import (
    Message,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOASpotEvent,
    ProtoOASymbol,
    ProtoOATraderReq,
    ProtoOATraderRes,
)
from ctrader_typed.account.book import EVENTS, Book
from ctrader_typed.account.prices import Prices
from ctrader_typed.account.valuation import Valuation
from mockserver.broker.account import Terms
from tests.broker.trading.harness import QUOTES, Session


class Reckoned:
    """A broker in a market that stands still, and our book of one of its accounts."""

    def __init__(self, terms: Terms | None = None, **broker: Any) -> None:
        self.session = Session(terms, **broker)
        self.book, self.prices = Book(), Prices()
        catalogue = self.session.broker.catalogue
        lights = {light.symbol_id: light for light in catalogue.light_symbols}
        assets = {asset.name: asset.asset_id for asset in catalogue.assets}
        self.valuation = Valuation(self.book, self.prices, lights, assets)
        self.book.ask()
        self.book.reconcile(self._trader(), self._standing())
        for symbol_id, (bid, ask) in QUOTES.items():
            self._quote(symbol_id, bid, ask)
        conversion = self.session.broker.market_data.conversion
        for symbol in catalogue.symbols:
            for first, last in self.valuation.ways(symbol):
                self.prices.learn(first, last, conversion.chain(first, last))

    def _trader(self) -> ProtoOATraderRes:
        request = ProtoOATraderReq(ctid_trader_account_id=self.session.account_id)
        answer = self.session.ask(request)
        assert isinstance(answer, ProtoOATraderRes)
        return answer

    def _standing(self) -> ProtoOAReconcileRes:
        request = ProtoOAReconcileReq(ctid_trader_account_id=self.session.account_id)
        answer = self.session.ask(request)
        assert isinstance(answer, ProtoOAReconcileRes)
        return answer

    def symbol(self, symbol_id: int) -> ProtoOASymbol:
        return self.session.broker.catalogue.symbol(symbol_id)

    def tiers(self, symbol_id: int) -> Any:
        leverage_id = self.symbol(symbol_id).leverage_id
        if leverage_id is None:
            return ()
        return self.session.broker.catalogue.dynamic_leverage(leverage_id).tiers

    def do(self, request: Message, ms: int = 1000) -> list[Message]:
        """Send it, wait, and take in what comes of it."""
        return self._see(self.session.do(request, ms))

    def price(self, symbol_id: int, bid: int, ask: int) -> None:
        self._see(self.session.price(symbol_id, bid, ask))
        self._quote(symbol_id, bid, ask)

    def _see(self, outgoing: Any) -> list[Message]:
        messages = [each.message for each in outgoing]
        for message in messages:
            if isinstance(message, EVENTS):
                self.book.apply(message)
        return messages

    def _quote(self, symbol_id: int, bid: int, ask: int) -> None:
        event = ProtoOASpotEvent(
            ctid_trader_account_id=self.session.account_id, symbol_id=symbol_id, bid=bid, ask=ask
        )
        self.prices.apply(event)

    def same_books(self) -> None:
        """The book is that of a fresh question."""
        fresh = Book()
        fresh.ask()
        fresh.reconcile(self._trader(), self._standing())
        assert self.book.positions == fresh.positions
        assert self.book.orders == fresh.orders
        assert self.book.trader == fresh.trader
