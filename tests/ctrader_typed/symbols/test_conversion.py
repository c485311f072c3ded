"""Chains of symbols: the rates of the broker, there and back, and chains that are none."""

from __future__ import annotations

import doctest
import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import InvalidValue, ProtoOALightSymbol
from ctrader_typed.symbols import Chain, conversion, load_catalogue
from ctrader_typed.units import mid
from mockserver.box import HEDGED
from tests.ctrader_typed.symbols.markets import connected, light

EURUSD, USDJPY = light(1), light(2, base_asset_id=2, quote_asset_id=3)
GBPUSD = light(3, symbol_name=None, base_asset_id=4, quote_asset_id=2)
PRICES = st.fractions(min_value=Fraction(1, 100_000), max_value=10**6)


async def test_rates_are_the_brokers(autojump_clock) -> None:
    async with connected() as (api, server):
        catalogue = await load_catalogue(api, HEDGED)
        market = server.broker.market_data.market
        theirs = server.broker.market_data.conversion

        def mid_of(symbol_id: int) -> Fraction | None:
            return mid(*market.quote(symbol_id))

        for first, last in [("EUR", "USD"), ("USD", "JPY"), ("GBP", "CHF"), ("JPY", "XAU")]:
            chain = await catalogue.chain(api, first, last)
            back = await catalogue.chain(api, last, first)
            rate, other = chain.rate(mid_of), back.rate(mid_of)
            assert rate == theirs.rate(chain.first, chain.last)
            assert rate is not None
            assert other is not None
            assert rate * other == 1


@given(PRICES, PRICES, PRICES)
def test_there_and_back_is_one(eurusd: Fraction, usdjpy: Fraction, gbpusd: Fraction) -> None:
    prices = {1: eurusd, 2: usdjpy, 3: gbpusd}
    there = Chain(1, 3, (EURUSD, USDJPY)).rate(prices.get)
    back = Chain(3, 1, (USDJPY, EURUSD)).rate(prices.get)
    assert there == eurusd * usdjpy
    assert there is not None
    assert back == 1 / there
    assert Chain(1, 4, (EURUSD, GBPUSD)).rate(prices.get) == eurusd / gbpusd


def test_without_a_price_there_is_no_rate() -> None:
    chain = Chain(1, 3, (EURUSD, USDJPY))
    assert chain.symbol_ids == (1, 2)
    assert chain.rate({1: Fraction(1)}.get) is None
    assert chain.rate({1: Fraction(0), 2: Fraction(1)}.get) is None
    assert Chain(1, 1, ()).rate({}.get) == 1


def test_the_recorded_chain(recordings: Path) -> None:
    """EUR to USD is one symbol, EURUSD."""
    lines = (recordings / "market_data.jsonl").read_text().splitlines()
    found = next(
        message["payload"]["symbol"]
        for message in map(json.loads, lines)
        if message["message"] == "ProtoOASymbolsForConversionRes"
    )
    chain = Chain(5, 15, tuple(ProtoOALightSymbol().from_dict(each) for each in found))
    assert chain.symbol_ids == (1,)
    assert chain.rate({1: mid(114_814, 114_814)}.get) == Fraction("1.14814")


@pytest.mark.parametrize(
    ("first", "last", "symbols", "text"),
    [
        (1, 2, (), "ends at 1, not 2"),
        (1, 3, (EURUSD,), "from asset 1 ends at 2, not 3"),
        (1, 3, (USDJPY,), "PAIR2 has no asset 1"),
        (1, 4, (EURUSD, USDJPY, GBPUSD), "3 has no asset 3"),
        (1, 2, (light(9, base_asset_id=1, quote_asset_id=None),), "ends at None"),
        (1, 2, (light(9, quote_asset_id=None), EURUSD), "PAIR1 has no asset None"),
        (1, 2, (light(9, quote_asset_id=None), light(8, base_asset_id=None)), "PAIR8 has no"),
    ],
)
def test_what_is_no_chain(
    first: int, last: int, symbols: tuple[ProtoOALightSymbol, ...], text: str
) -> None:
    with pytest.raises(InvalidValue, match=text):
        Chain(first, last, symbols)


def test_shown() -> None:
    assert repr(Chain(1, 4, (EURUSD, GBPUSD))) == "<Chain 1 to 4: PAIR1, 3>"
    assert repr(Chain(1, 1, ())) == "<Chain 1 to 1: the same asset>"


def test_the_example_holds() -> None:
    found = doctest.testmod(conversion)
    assert found.attempted
    assert not found.failed
