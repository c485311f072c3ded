"""The market side of the broker: what it offers, quotes and history, request by request.

A table from requests to answers. The gate has checked that the account is authorised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, ClassVar

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOAArchivedSymbol,
    ProtoOAAssetClassListReq,
    ProtoOAAssetClassListRes,
    ProtoOAAssetListReq,
    ProtoOAAssetListRes,
    ProtoOAGetDynamicLeverageByIDReq,
    ProtoOAGetDynamicLeverageByIDRes,
    ProtoOAGetTickDataReq,
    ProtoOAGetTrendbarsReq,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeDepthQuotesRes,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeLiveTrendbarRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOASymbol,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolCategoryListReq,
    ProtoOASymbolCategoryListRes,
    ProtoOASymbolChangedEvent,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeDepthQuotesRes,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeLiveTrendbarRes,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)

from ..interface import Outgoing
from ..refusals import Refusal, unknown_symbol
from ..rules import MarketRules
from .conversion import Conversion, NoConversion
from .history import History
from .prices import Tick, to_price
from .quotes import Market
from .subscriptions import Subscriptions

Answer = tuple[Message, Iterable[Outgoing]]
"""The response, and the events that follow it."""


class MarketRequests:
    """Answers every request that is not about money, and tells subscribers of prices.

    Before each request `on_ticks` must have had every tick that the market's `advance` returned.
    Errors come as ProtoOAErrorRes with the codes and texts seen on live servers; where none was
    seen, the code is the schema's nearest and the text our own.
    """

    def __init__(self, market: Market, market_rules: MarketRules | None = None) -> None:
        self.market = market
        self.market_rules = MarketRules() if market_rules is None else market_rules
        self.conversion = Conversion(market)
        self.history = History(market, self.market_rules)
        self.spots = Subscriptions(market, self.history, self.market_rules)

    def received(
        self, connection: int, request: Message, client_msg_id: str | None
    ) -> list[Outgoing] | None:
        """The answer and the events that follow it; None if the request is none of the market's."""
        answer = self.answers.get(type(request))
        if answer is None:
            return None
        try:
            response, events = answer(self, connection, request)
        except Refusal as refusal:
            response, events = refusal.message(_account(request)), ()
        return [Outgoing(response, connection, client_msg_id), *events]

    def on_ticks(self, ticks: Iterable[Tick]) -> list[Outgoing]:
        """What subscribers hear of these ticks: all that there were since the last call."""
        return list(self.spots.on_ticks(ticks))

    def disconnected(self, connection: int) -> None:
        """A connection has gone, and its subscriptions with it."""
        self.spots.forget(connection)

    def logged_out(self, connection: int, account: int) -> None:
        """An account's session on a connection has ended, and its subscriptions with it."""
        self.spots.forget(connection, account)

    def set_price(
        self,
        symbol: str | int,
        bid: float | str | Decimal,
        ask: float | str | Decimal | None = None,
    ) -> tuple[Tick, list[Outgoing]]:
        """Set the price of a symbol, by name or id, now: the tick, and what subscribers hear of it.

        Prices as people write them, such as 1.0845; see Market.set_price for the rest.
        """
        symbol_id = self.market.catalogue.id_of(symbol)
        tick = self.market.set_price(
            symbol_id, to_price(bid), None if ask is None else to_price(ask)
        )
        return tick, self.on_ticks([tick])

    def change_symbol(self, symbol: ProtoOASymbol, accounts: Iterable[int]) -> list[Outgoing]:
        """Put another specification in the place of a symbol's and tell these accounts."""
        self.market.catalogue.replace(symbol)
        return [
            Outgoing(
                ProtoOASymbolChangedEvent(
                    ctid_trader_account_id=account, symbol_id=[symbol.symbol_id]
                ),
                account_id=account,
            )
            for account in accounts
        ]

    # --- what there is

    def _version(self, _connection: int, _request: ProtoOAVersionReq) -> Answer:
        return ProtoOAVersionRes(version=self.market_rules.version), ()

    def _assets(self, _connection: int, request: ProtoOAAssetListReq) -> Answer:
        assets = list(self.market.catalogue.assets)
        return ProtoOAAssetListRes(
            ctid_trader_account_id=request.ctid_trader_account_id, asset=assets
        ), ()

    def _asset_classes(self, _connection: int, request: ProtoOAAssetClassListReq) -> Answer:
        classes = list(self.market.catalogue.asset_classes)
        return ProtoOAAssetClassListRes(
            ctid_trader_account_id=request.ctid_trader_account_id, asset_class=classes
        ), ()

    def _categories(self, _connection: int, request: ProtoOASymbolCategoryListReq) -> Answer:
        categories = list(self.market.catalogue.categories)
        return ProtoOASymbolCategoryListRes(
            ctid_trader_account_id=request.ctid_trader_account_id, symbol_category=categories
        ), ()

    def _symbols(self, _connection: int, request: ProtoOASymbolsListReq) -> Answer:
        catalogue = self.market.catalogue
        archived = catalogue.archived if request.include_archived_symbols_or_default else ()
        return ProtoOASymbolsListRes(
            ctid_trader_account_id=request.ctid_trader_account_id,
            symbol=list(catalogue.light_symbols),
            archived_symbol=list(archived),
        ), ()

    def _symbols_by_id(self, _connection: int, request: ProtoOASymbolByIdReq) -> Answer:
        catalogue = self.market.catalogue
        symbols: list[ProtoOASymbol] = []
        archived: list[ProtoOAArchivedSymbol] = []
        for symbol_id in request.symbol_id:
            if catalogue.has(symbol_id):
                symbols.append(catalogue.symbol(symbol_id))
            elif catalogue.was(symbol_id):
                archived.append(catalogue.archived_symbol(symbol_id))
            else:
                raise unknown_symbol(symbol_id)
        return ProtoOASymbolByIdRes(
            ctid_trader_account_id=request.ctid_trader_account_id,
            symbol=symbols,
            archived_symbol=archived,
        ), ()

    def _conversion(self, _connection: int, request: ProtoOASymbolsForConversionReq) -> Answer:
        try:
            chain = self.conversion.chain(request.first_asset_id, request.last_asset_id)
        except KeyError as error:
            raise Refusal("ENTITY_NOT_FOUND", f"Asset not found: {error.args[0]}") from None
        except NoConversion as error:
            raise Refusal("ENTITY_NOT_FOUND", str(error)) from None
        return ProtoOASymbolsForConversionRes(
            ctid_trader_account_id=request.ctid_trader_account_id, symbol=list(chain)
        ), ()

    def _leverage(self, _connection: int, request: ProtoOAGetDynamicLeverageByIDReq) -> Answer:
        try:
            leverage = self.market.catalogue.dynamic_leverage(request.leverage_id)
        except KeyError:
            raise Refusal(
                "ENTITY_NOT_FOUND", f"Dynamic leverage not found: {request.leverage_id}"
            ) from None
        return ProtoOAGetDynamicLeverageByIDRes(
            ctid_trader_account_id=request.ctid_trader_account_id, leverage=leverage
        ), ()

    # --- what was

    def _trendbars(self, _connection: int, request: ProtoOAGetTrendbarsReq) -> Answer:
        return self.history.trendbars(request), ()

    def _ticks(self, _connection: int, request: ProtoOAGetTickDataReq) -> Answer:
        return self.history.ticks(request), ()

    # --- what comes

    def _subscribe(self, connection: int, request: ProtoOASubscribeSpotsReq) -> Answer:
        account = request.ctid_trader_account_id
        events = self.spots.subscribe(
            (connection, account),
            request.symbol_id,
            with_timestamp=request.subscribe_to_spot_timestamp is True,
        )
        return ProtoOASubscribeSpotsRes(ctid_trader_account_id=account), events

    def _unsubscribe(self, connection: int, request: ProtoOAUnsubscribeSpotsReq) -> Answer:
        account = request.ctid_trader_account_id
        self.spots.unsubscribe((connection, account), request.symbol_id)
        return ProtoOAUnsubscribeSpotsRes(ctid_trader_account_id=account), ()

    def _subscribe_bars(self, connection: int, request: ProtoOASubscribeLiveTrendbarReq) -> Answer:
        account = request.ctid_trader_account_id
        session = connection, account
        events = self.spots.subscribe_bars(session, request.symbol_id, request.period)
        return ProtoOASubscribeLiveTrendbarRes(ctid_trader_account_id=account), events

    def _unsubscribe_bars(
        self, connection: int, request: ProtoOAUnsubscribeLiveTrendbarReq
    ) -> Answer:
        account = request.ctid_trader_account_id
        self.spots.unsubscribe_bars((connection, account), request.symbol_id, request.period)
        return ProtoOAUnsubscribeLiveTrendbarRes(ctid_trader_account_id=account), ()

    def _subscribe_depth(self, connection: int, request: ProtoOASubscribeDepthQuotesReq) -> Answer:
        account = request.ctid_trader_account_id
        events = self.spots.subscribe_depth((connection, account), request.symbol_id)
        return ProtoOASubscribeDepthQuotesRes(ctid_trader_account_id=account), events

    def _unsubscribe_depth(
        self, connection: int, request: ProtoOAUnsubscribeDepthQuotesReq
    ) -> Answer:
        account = request.ctid_trader_account_id
        self.spots.unsubscribe_depth((connection, account), request.symbol_id)
        return ProtoOAUnsubscribeDepthQuotesRes(ctid_trader_account_id=account), ()

    answers: ClassVar[dict[type[Message], Callable[[MarketRequests, int, Any], Answer]]] = {
        ProtoOAVersionReq: _version,
        ProtoOAAssetListReq: _assets,
        ProtoOAAssetClassListReq: _asset_classes,
        ProtoOASymbolCategoryListReq: _categories,
        ProtoOASymbolsListReq: _symbols,
        ProtoOASymbolByIdReq: _symbols_by_id,
        ProtoOASymbolsForConversionReq: _conversion,
        ProtoOAGetDynamicLeverageByIDReq: _leverage,
        ProtoOAGetTrendbarsReq: _trendbars,
        ProtoOAGetTickDataReq: _ticks,
        ProtoOASubscribeSpotsReq: _subscribe,
        ProtoOAUnsubscribeSpotsReq: _unsubscribe,
        ProtoOASubscribeLiveTrendbarReq: _subscribe_bars,
        ProtoOAUnsubscribeLiveTrendbarReq: _unsubscribe_bars,
        ProtoOASubscribeDepthQuotesReq: _subscribe_depth,
        ProtoOAUnsubscribeDepthQuotesReq: _unsubscribe_depth,
    }
    """Every request that the market side answers."""


def _account(request: Message) -> int | None:
    account: int | None = getattr(request, "ctid_trader_account_id", None)
    return account
