"""What public callables of a client at work are called with, and on which objects."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import trio.testing

import ctrader_typed
from ctrader_typed import market, proto, symbols, tokens
from ctrader_typed.account import Account
from ctrader_typed.market.store.store import Store
from ctrader_typed.proto import ProtoOASpotEvent, ProtoOATraderReq
from ctrader_typed.units import Sizes
from tests.mockserver.broker.trading.harness import EURUSD

CONSTRUCTED = {
    ctrader_typed.RateLimits,
    ctrader_typed.Reconnect,
    tokens.FileTokenStore,
    tokens.SecretTokenStore,
    tokens.TokenKeeper,
    tokens.Tokens,
    market.Store,
    market.SpotFeed,
}
"""Classes whose objects programs make; those of all others come from the client."""

NOT_FOR_PROGRAMS = (
    "orders.journal",
    "orders.order.Order",
    "orders.order_manager.OrderManager",
    "backoff.Reconnect.",
    "listeners.Changes.",
    "message.base",
    "net.event_streams",
    "SpotFeed.join",
    "SpotFeed.leave",
    "Catalogue.chain",
    "Catalogue.changed",
    "Catalogue.known_chain",
    "Chain.rate",
    ".from_wire",
    ".marked",
    "Held.save",
    "TradingHours.of",
    "next_look",
    "due_at",
    "Closing.",
    "TokenStore.hold",
)
"""What the client calls with what it has made itself."""


@dataclass
class Session:
    """A client at work, and what belongs to it."""

    api: Any
    account: Account
    folder: Path
    pair: tokens.Tokens = field(default=tokens.Tokens("access", "refresh", 0.0, 1e10))

    async def owners(self) -> dict[str, Any]:
        """On what methods are called, by the names of their classes."""
        eurusd = self.account.symbol("EURUSD")
        store = tokens.FileTokenStore(self.folder / "tokens.json")
        bids, asks = market.Ticks(1, 5, "bid"), market.Ticks(1, 5, "ask")
        things = [
            self.account, self.account.feed, eurusd, eurusd.hours, store,
            await symbols.load_catalogue(self.api, self.account.account_id),
            tokens.TokenKeeper(store, self.api), Store(self.folder / "market"),
            market.Bars(1, market.Period.M1, 5), bids, market.QuoteTicks.of(bids, asks),
            market.OrderBook(1), Sizes(10_000_000, 100_000, 10**9, 100_000),
        ]  # fmt: skip
        named = {type(thing).__name__: thing for thing in things}
        return named | dict.fromkeys(("Api", "Client", "TradingClient"), self.api)

    async def trade(self) -> None:
        """Have a position and a pending order."""
        account = self.account
        if not account.positions:
            await (await account.buy("EURUSD", lots="0.01")).filled()
        if not account.pending:
            await account.limit("EURUSD", "buy", "0.5", lots="0.01")

    def good(self) -> dict[str, Any]:
        """By the names of parameters."""
        number = self.account.account_id
        return {
            "account_id": number, "accounts": [number], "client": self.api, "api": self.api,
            "feed": self.account.feed, "symbol": EURUSD, "symbols": [EURUSD], "period": "M1",
            "start": "2026-03-01", "end": "2026-03-02", "since": "2026-03-01", "side": "buy",
            "lots": "0.01", "price": "1.0", "slippage_points": 10,
            "position": next(iter(self.account.positions)),
            "order": next(iter(self.account.pending)),
            "first": "EUR", "last": "USD", "key": "EURUSD", "name": "EURUSD", "what": "M1",
            "account": self.account, "store": tokens.FileTokenStore(self.folder / "tokens.json"),
            "tokens": self.pair, "refused": self.pair, "path": self.folder / "x", "bid": 1,
            "folder": self.folder, "access_token": "access", "refresh_token": "refresh",
            "issued_at": 0.0, "expires_at": 1e10, "expires_in": 1e6, "now": 1e9, "at": 1, "ask": 3,
            "client_id": "id", "client_secret": "secret", "redirect_uri": "https://example.com/",
            "scope": "trading", "redirected_to": "https://example.com/?code=1", "code": "1",
            "reply": '{"accessToken": "a", "refreshToken": "b", "expiresIn": 5}', "value": "1.5",
            "request": ProtoOATraderReq(ctid_trader_account_id=number), "task": trio.sleep_forever,
            "digits": 5, "pip_position": 4, "volume": 100_000, "lot_size": 10_000_000, "ms": 1,
            "amount": 1, "distance": "0.001", "raw": 100_000, "pips": "5", "whole": 6, "part": 2,
            "of": 3, "limit": 100, "is_bid": True, "stream": trio.testing.memory_stream_pair()[0],
            "endpoint": "demo", "wire": "protobuf", "bars": market.Bars(1, market.Period.M1, 5),
            "parts": [], "bids": market.Ticks(1, 5, "bid"), "asks": market.Ticks(1, 5, "ask"),
            "page": market.Page(market.Bars(1, market.Period.M1, 5), 0, 1),
        }  # fmt: skip

    def special(self, owner: str, name: str) -> dict[str, Any]:
        """Where a parameter of that name is something else; `also` are given besides."""
        trades = ("buy", "sell", "limit", "stop", "stop_limit", "market_range")
        sized = (*trades, "margin_for", "expected_margin", "commission_for")
        if name in sized:
            return {"also": ("lots",)}
        if owner == "SpotFeed":
            return {"bars": ["M1"]}
        return {
            "ticks": {"side": "both"}, "tick_pages": {"side": "bid"},
            "spans": {"start": 1, "end": 2},
            "SecretTokenStore": {"first": tokens.tokens_in_environment()},
            "TokenKeeper": {"now": lambda: 0.0}, "half_away": {"value": Fraction(1, 2)},
            "rounded": {"value": Fraction(1, 2)}, "decimal_of": {"value": Fraction(1, 2)},
            "from_double": {"value": 1.5}, "time_zone": {"name": "Europe/Berlin"},
            "auth": {"also": ("access_token",)}, "events": {"types": (ProtoOASpotEvent,)},
        }.get(name, {})  # fmt: skip


def for_programs(found: dict[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Those of the public callables that programs call themselves, with arguments."""
    own = {where: each for where, each in found.items() if _is_for_programs(where, each)}
    return {where: each for each, where in {each: where for where, each in own.items()}.items()}


def _is_for_programs(where: str, each: Callable[..., Any]) -> bool:
    if not where.startswith("ctrader_typed.") or ".proto." in where:
        return False
    if isinstance(each, type):
        return each in CONSTRUCTED
    generated = hasattr(proto.Methods, each.__name__)
    parameters = [name for name in inspect.signature(each).parameters if name != "self"]
    return bool(parameters) and not generated and not any(p in where for p in NOT_FOR_PROGRAMS)
