"""An account reckoned from a pure broker's messages alone, to be compared with what it says."""

from __future__ import annotations

from typing import Any, cast

import trio

from ctrader_typed import (
    Client,
    Message,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOASpotEvent,
    ProtoOATraderReq,
    ProtoOATraderRes,
)
from ctrader_typed.account.positions_book import EVENTS, PositionsBook
from ctrader_typed.account.valuation import Valuation
from ctrader_typed.market import Quote
from ctrader_typed.market.quote import merge
from ctrader_typed.proto import SCHEMA
from ctrader_typed.symbols import Symbol, load_catalogue
from ctrader_typed.trio_run import TrioRun
from mockserver.broker.trading.account import Terms
from tests.mockserver.broker.trading.harness import QUOTES, Session


class _Client:
    """What a catalogue needs of a client."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.trio_run = TrioRun()
        self.schema = SCHEMA

    async def request(self, request: Message) -> Message:
        return self._session.ask(request)


class Reckoned:
    """A broker in a market that stands still, and our book of one of its accounts."""

    def __init__(self, terms: Terms | None = None, **broker: Any) -> None:
        self.session = Session(terms, **broker)
        self.book, self.quotes = PositionsBook(), dict[int, Quote]()
        self.book.ask()
        self.book.reconcile(self._trader(), self._standing())
        for symbol_id, (bid, ask) in QUOTES.items():
            self._quote(symbol_id, bid, ask)
        account = self.session.account_id

        async def load() -> None:
            client = cast("Client", _Client(self.session))
            self.catalogue = await load_catalogue(client, account)
            self.valuation = Valuation(self.book, self.catalogue, self.quotes.get)
            for symbol in self.catalogue:
                for first, last in self.valuation.ways(symbol):
                    await self.catalogue.chain(client, first, last)

        trio.run(load)

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

    def symbol(self, symbol_id: int) -> Symbol:
        return self.catalogue[symbol_id]

    def tiers(self, symbol_id: int) -> Any:
        leverage_id = self.symbol(symbol_id).details.leverage_id
        if leverage_id is None:
            return ()
        return self.session.broker.catalogue.dynamic_leverage(leverage_id).tiers

    def do(self, request: Message, ms: int = 1000) -> list[Message]:
        """Send it, wait, and take in what comes of it."""
        return self.see(self.session.do(request, ms))

    def price(self, symbol_id: int, bid: int, ask: int) -> None:
        self.see(self.session.price(symbol_id, bid, ask))
        self._quote(symbol_id, bid, ask)

    def see(self, outgoing: Any) -> list[Message]:
        messages = [each.message for each in outgoing]
        for message in messages:
            if isinstance(message, EVENTS):
                self.book.apply(message)
        return messages

    def _quote(self, symbol_id: int, bid: int, ask: int) -> None:
        event = ProtoOASpotEvent(
            ctid_trader_account_id=self.session.account_id, symbol_id=symbol_id, bid=bid, ask=ask
        )
        self.quotes[symbol_id] = merge(self.quotes.get(symbol_id, Quote(symbol_id)), event)

    def same_books(self) -> None:
        """The book is that of a fresh question."""
        fresh = PositionsBook()
        fresh.ask()
        fresh.reconcile(self._trader(), self._standing())
        assert self.book.positions == fresh.positions
        assert self.book.orders == fresh.orders
        assert self.book.trader == fresh.trader
