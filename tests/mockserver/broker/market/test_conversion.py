"""Chains between assets: shortest, always the same, exact."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed.proto import ProtoOAAsset
from mockserver.broker.market.conversion import Conversion, NoConversion
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.prices import Tick, TickList
from mockserver.broker.market.quotes import Market
from mockserver.broker.market.random_prices import RandomPrices

CATALOGUE = Instruments.standard()
EUR, GBP, JPY, AUD, CHF, USD = 5, 6, 7, 8, 9, 15
ASSETS = st.sampled_from([asset.asset_id for asset in CATALOGUE.assets])
MARKET = Market(CATALOGUE, RandomPrices(CATALOGUE, 7), 1_789_757_115_211)
CONVERSION = Conversion(MARKET)


@pytest.mark.parametrize(
    ("first", "last", "names"),
    [
        (EUR, USD, ["EURUSD"]),
        (USD, EUR, ["EURUSD"]),
        (EUR, EUR, []),
        (EUR, JPY, ["EURJPY"]),
        (GBP, JPY, ["GBPUSD", "USDJPY"]),  # as short over the euro, but GBPUSD has the lower id
        (CHF, AUD, ["USDCHF", "AUDUSD"]),
        (1257, USD, ["GER40.cash", "EURUSD"]),
    ],
)
def test_chains(first: int, last: int, names: list[str]) -> None:
    assert [light.symbol_name for light in CONVERSION.chain(first, last)] == names


@given(ASSETS, ASSETS)
def test_there_and_back_is_one(first: int, last: int) -> None:
    assert CONVERSION.rate(first, last) * CONVERSION.rate(last, first) == 1


@given(ASSETS, ASSETS)
def test_a_chain_leads_from_the_first_asset_to_the_last(first: int, last: int) -> None:
    at = first
    for light in CONVERSION.chain(first, last):
        assert at in {light.base_asset_id, light.quote_asset_id}
        at = light.quote_asset_id if at == light.base_asset_id else light.base_asset_id
        assert at is not None
    assert at == last


def test_a_rate_is_exact_and_at_the_mid() -> None:
    market = Market(
        CATALOGUE,
        TickList([Tick(1, 0, 114_811, 114_814), Tick(4, 0, 15_000_000, None)]),
        1,
    )
    conversion = Conversion(market)
    assert conversion.rate(EUR, USD) == Fraction(229_625, 200_000)
    assert conversion.rate(USD, EUR) == Fraction(200_000, 229_625)
    assert conversion.rate(JPY, USD) == Fraction(1, 150)  # one side is better than none
    assert conversion.rate(USD, USD) == 1
    with pytest.raises(NoConversion, match="GBPUSD has no price yet"):
        conversion.rate(GBP, USD)


def test_a_rate_follows_the_market() -> None:
    market = Market(CATALOGUE, TickList([Tick(1, 0, 100_000, 100_000)]), 1)
    conversion = Conversion(market)
    assert conversion.rate(EUR, USD) == 1
    market.set_price(1, 200_000)
    assert conversion.rate(EUR, USD) == 2


def test_no_chain() -> None:
    island = ProtoOAAsset(asset_id=99, name="ISL")
    catalogue = Instruments(
        assets=[*CATALOGUE.assets, island],
        symbols=CATALOGUE.symbols,
        light_symbols=CATALOGUE.light_symbols,
    )
    conversion = Conversion(Market(catalogue, TickList([]), 0))
    with pytest.raises(NoConversion, match="no chain of symbols leads from EUR to ISL"):
        conversion.chain(EUR, 99)
    assert conversion.chain(99, 99) == []
    with pytest.raises(KeyError):
        conversion.chain(EUR, 1_000)
