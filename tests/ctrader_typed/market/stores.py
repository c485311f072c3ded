"""What the tests of stores share: rows, pages, and a broker in memory that has history."""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from hypothesis import HealthCheck, settings

from ctrader_typed import Api, connect_over
from ctrader_typed.market import Bars, Page, Period, QuoteTicks, Ticks
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box, standard_credentials
from mockserver.broker.broker import Broker
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.random_prices import SINCE, RandomPrices
from mockserver.broker.rules import MarketRules
from mockserver.composition import mock_server

KEYS = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
ROOT = Path(__file__).parents[3]
EURUSD = 1
NOW = 1_772_442_000_000  # 2026-03-02 09:00, a Monday
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
WEEK = 7 * DAY
MIDNIGHT = NOW - 9 * HOUR
QUIRKS = MarketRules(bars_page=700, ticks_page=400, short_pages=True, split_milliseconds=True)
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def minutes(first: int, count: int, price: int = 114_880) -> Bars:
    """M1 bars, from the so-manyth minute of 2026-03-02 on."""
    rows = [
        (MIDNIGHT + n * MINUTE, price + n, price + n + 9, price - 9, price + n % 7, n % 50 + 1)
        for n in range(first, first + count)
    ]
    columns = map(array, "qqqqqq", zip(*rows, strict=True)) if rows else ()
    return Bars(EURUSD, Period.M1, 5, *columns)


def ticks(side: Literal["bid", "ask"], rows: Iterable[tuple[int, int]]) -> Ticks:
    columns = tuple(zip(*rows, strict=True)) or ((), ())
    return Ticks(EURUSD, 5, side, *(array("q", each) for each in columns))


def page(rows: Bars | Ticks, start: int, end: int) -> Page[Bars | Ticks]:
    return Page(rows, start, end)


def rows_of(table: Bars | Ticks | QuoteTicks) -> Iterable[tuple[int, ...]]:
    return zip(*(column.values for column in table.columns), strict=True)


@asynccontextmanager
async def at(
    market_rules: MarketRules = QUIRKS, now: int = NOW, since: int = SINCE
) -> AsyncGenerator[tuple[Api, Broker], None]:
    """A client of a broker, in memory, whose history begins some time."""
    prices = RandomPrices(Instruments.standard(), 7, since_ms=since)
    broker = Broker(market_rules=market_rules, start_ms=now, prices=prices)
    broker.open_account(HEDGED, deposit=10_000)
    async with (
        mock_server(Box(broker, standard_credentials(broker)), port=None) as server,
        connect_over(server.memory_client("tcp")) as api,
    ):
        await api.auth(**KEYS, account_id=HEDGED)
        yield api, broker
