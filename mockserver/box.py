"""A cTrader server in a box: a simulated broker with some accounts, and who may trade on them.

Puts the parts together and gives them names that are easy to remember; decides nothing.
"""

from __future__ import annotations

from dataclasses import replace

from ctrader_typed.keywords import suggest
from ctrader_typed.proto import ProtoOAAccountType, ProtoOAClientPermissionScope

from .broker.broker import Broker
from .broker.market.instruments import Instruments
from .broker.market.prices import PriceSource, TickList
from .broker.market.random_prices import RandomPrices
from .broker.start_time import Start, start_ms
from .broker.trading.account import Terms
from .proxy.credentials import Credentials
from .proxy.proxy import Proxy
from .proxy.rules import ProxyRules

CLIENT_ID = "mock-client"
CLIENT_SECRET = "mock-secret"
ACCESS_TOKEN = "mock-access-token"
"""Lets the application see all accounts and trade on them."""
REFRESH_TOKEN = "mock-refresh-token"
VIEW_TOKEN = "mock-view-token"
"""Lets the application see all accounts, and no more."""

HEDGED, NETTED, SPREAD_BETTING, LIVE = 1_000_001, 1_000_002, 1_000_003, 2_000_001
"""The accounts: three demo accounts of the three kinds, and a hedged one that is live."""


@suggest
class Box(Proxy):
    """Give it to `mock_server`. Accounts hold 10,000 USD each (GBP where stakes are bet).

    `tick_seconds` is as for RandomPrices: None for lively markets, 15 for a tick about four times a
    minute, up to 900. The fewer there are, the faster a week passes. `start` is what the broker's
    clock shows at first: an aware datetime, its ISO 8601 text, ms since 1970, or "now"; Monday
    2026-03-02, 09:00 UTC without it.

    A broker of your own comes without accounts and credentials: open and grant what you need.
    """

    def __init__(
        self,
        broker: Broker | None = None,
        credentials: Credentials | None = None,
        *,
        seed: int = 0,
        tick_seconds: float | None = None,
        start: Start | None = None,
        proxy_rules: ProxyRules | None = None,
    ) -> None:
        if broker is not None and start is not None:
            raise TypeError("Box() takes start only for a broker of its own: Broker(start_ms=…)")
        self.broker = standard_broker(seed, tick_seconds, start) if broker is None else broker
        if credentials is None:
            credentials = standard_credentials(self.broker)
        super().__init__(self.broker, credentials, proxy_rules)


@suggest
def standard_broker(
    seed: int = 0,
    tick_seconds: float | None = None,
    start: Start | None = None,
    *,
    prices: TickList | None = None,
) -> Broker:
    """The broker with the four accounts. The same seed gives the same prices at the same time.

    With `prices` these are the market: it starts with the first of them unless told otherwise, and
    `start="now"` moves them, so that the first comes now.
    """
    catalogue = Instruments.standard()
    source: PriceSource = RandomPrices(catalogue, seed, tick_seconds=tick_seconds)
    if prices is not None:
        first, _ = prices.span()
        moment = start_ms(first if start is None else start, catalogue)
        source = prices.shifted(moment - first) if start == "now" else prices
        start = moment
    broker = Broker(catalogue=catalogue, prices=source, start_ms=start_ms(start, catalogue))
    kinds = ProtoOAAccountType
    gbp = next(asset.asset_id for asset in broker.catalogue.assets if asset.name == "GBP")
    accounts = {
        HEDGED: Terms(trader_login=3_000_001),
        NETTED: Terms(account_type=kinds.NETTED, trader_login=3_000_002),
        SPREAD_BETTING: Terms(
            account_type=kinds.SPREAD_BETTING, deposit_asset_id=gbp, trader_login=3_000_003
        ),
        LIVE: Terms(is_live=True, trader_login=4_000_001),
    }
    for account_id, terms in accounts.items():
        name = "Mock Broker Live" if terms.is_live else "Mock Broker Demo"
        named = replace(terms, broker_name=name, broker_title_short=name.rpartition(" ")[2])
        broker.open_account(account_id, named, deposit=10_000)
    return broker


@suggest
def standard_credentials(broker: Broker) -> Credentials:
    """One application, with two grants for all accounts of the broker."""
    credentials = Credentials()
    credentials.add_application(CLIENT_ID, CLIENT_SECRET)
    credentials.add_grant(
        CLIENT_ID, broker.accounts, access_token=ACCESS_TOKEN, refresh_token=REFRESH_TOKEN
    )
    credentials.add_grant(
        CLIENT_ID,
        broker.accounts,
        access_token=VIEW_TOKEN,
        scope=ProtoOAClientPermissionScope.SCOPE_VIEW,
    )
    return credentials
