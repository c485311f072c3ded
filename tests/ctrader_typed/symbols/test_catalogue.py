"""A catalogue: loaded once, looked up by name and id, and loaded again where it has changed."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ctrader_typed import CTraderError, InvalidValue, ServerError, UnexpectedReply, UnknownName
from ctrader_typed.proto import ProtoOAArchivedSymbol, ProtoOAErrorRes, ProtoOASymbolsListReq
from ctrader_typed.symbols import Catalogue, load_catalogue
from mockserver.box import HEDGED
from tests.ctrader_typed.symbols.markets import Shop, connected, details, light

REFUSED = ServerError(
    "INVALID_REQUEST",
    None,
    ProtoOASymbolsListReq(ctid_trader_account_id=1),
    ProtoOAErrorRes(error_code="INVALID_REQUEST"),
)


async def loaded(shop: Any) -> Catalogue:
    return await load_catalogue(shop, 1)


async def test_the_brokers_symbols(autojump_clock) -> None:
    async with connected() as (api, server):
        catalogue = await load_catalogue(api, HEDGED)
        theirs = server.broker.catalogue
        assert catalogue.account_id == HEDGED
        assert [s.light for s in catalogue] == list(theirs.light_symbols)
        assert {s.id: s.details for s in catalogue} == {s.symbol_id: s for s in theirs.symbols}
        assert list(catalogue.assets.values()) == list(theirs.assets)
        assert list(catalogue.categories.values()) == list(theirs.categories)
        assert list(catalogue.asset_classes.values()) == list(theirs.asset_classes)
        assert [each.message for each in catalogue.archived.values()] == list(theirs.archived)
        gold = catalogue["XAUUSD"]
        assert gold is catalogue[41] is catalogue.symbols[41] is catalogue.get("XAUUSD")
        assert (gold.base, gold.quote) == (catalogue.asset("XAU"), catalogue.asset(15))
        assert gold.category is not None
        assert gold.asset_class is not None
        assert (gold.category.name, gold.asset_class.name) == ("Metals CFD", "Metals")
        assert repr(catalogue) == f"<Catalogue of {HEDGED}: 12 symbols>"


async def test_a_symbol_that_the_broker_changes(autojump_clock) -> None:
    async with connected() as (api, server):
        catalogue = await load_catalogue(api, HEDGED)
        before = catalogue["EURUSD"]
        assert before.volume(lots="0.01") == 100_000
        server.broker.change_symbol(before.details.__replace__(min_volume=200_000))
        catalogue.changed([before.id])
        assert not catalogue.fresh
        assert repr(catalogue).endswith("12 symbols, to be refreshed>")
        await catalogue.refresh(api)
        assert catalogue.fresh
        with pytest.raises(ValueError, match=r"the least is 0\.02 lots"):
            catalogue["EURUSD"].volume(lots="0.01")
        assert before.volume(lots="0.01") == 100_000  # a value stays what it was


async def test_details_come_a_hundred_at_a_time() -> None:
    shop = Shop(250)
    catalogue = await loaded(shop)
    assert len(catalogue) == 250
    asked: list[Any] = shop.asked
    assert [len(each.symbol_id) for each in asked[4:]] == [100, 100, 50]
    assert shop.kinds() == [
        "SymbolsList",
        "AssetList",
        "AssetClassList",
        "SymbolCategoryList",
        *["SymbolById"] * 3,
    ]


async def test_what_is_fresh_is_not_asked_for() -> None:
    shop: Any = Shop()
    catalogue = await loaded(shop)
    shop.kinds()
    await catalogue.refresh(shop)
    assert shop.kinds() == []
    catalogue.changed([])
    assert catalogue.fresh


async def test_only_what_has_changed_is_asked_for() -> None:
    shop: Any = Shop()
    catalogue = await loaded(shop)
    shop.kinds()
    shop.details[2] = details(2, digits=3)
    shop.details[3] = details(3, digits=3)
    catalogue.changed([2])
    await catalogue.refresh(shop)
    assert [each.symbol_id for each in shop.asked[1:]] == [[2]]
    assert shop.kinds() == ["SymbolsList", "SymbolById"]
    assert [symbol.digits for symbol in catalogue] == [5, 3, 5]
    catalogue.changed()  # an event may have been missed
    await catalogue.refresh(shop)
    assert len(shop.kinds()) == 5
    assert [symbol.digits for symbol in catalogue] == [5, 3, 3]


async def test_a_new_name_a_new_symbol_a_new_asset() -> None:
    shop: Any = Shop()
    catalogue = await loaded(shop)
    shop.kinds()
    shop.lights[0] = light(1, symbol_name="RENAMED")
    catalogue.changed([1])
    await catalogue.refresh(shop)
    assert catalogue["RENAMED"].id == 1
    assert "PAIR1" not in catalogue
    assert shop.kinds() == ["SymbolsList", "SymbolById"]
    shop.lights.append(light(4, base_asset_id=4))
    shop.details[4] = details(4)
    catalogue.changed([4])
    with pytest.raises(UnknownName):
        catalogue.asset(4)
    shop.assets.append(type(shop.assets[0])(asset_id=4, name="XAU"))
    await catalogue.refresh(shop)
    assert catalogue[4].base == catalogue.asset("XAU")
    assert "AssetList" in shop.kinds()


async def test_a_symbol_that_is_archived_stays_and_says_so() -> None:
    shop: Any = Shop()
    catalogue = await loaded(shop)
    held = catalogue[2]
    shop.archive(2)
    catalogue.changed([2])
    shop.kinds()
    await catalogue.refresh(shop)
    assert shop.kinds() == ["SymbolsList"]
    gone = catalogue["PAIR2"]
    assert gone.archived
    assert not gone.enabled
    assert not held.archived
    assert gone.details == held.details
    assert catalogue.archived[2].name == "PAIR2"
    # Whoever loads now knows no more than that.
    later = await loaded(shop)
    assert 2 not in later
    assert "PAIR2" not in later
    for key in (2, "PAIR2"):
        with pytest.raises(UnknownName, match=r"PAIR2 \(2\) is archived"):
            later[key]
    # And back again, with other details.
    shop.lights.append(light(2))
    shop.details[2] = details(2, digits=2)
    shop.archived.clear()
    catalogue.changed([1])
    await catalogue.refresh(shop)
    assert not catalogue[2].archived
    assert catalogue[2].digits == 2


async def test_what_is_listed_but_not_described_is_left_out() -> None:
    shop: Any = Shop()
    del shop.details[3]
    catalogue = await loaded(shop)
    assert [symbol.id for symbol in catalogue] == [1, 2]
    with pytest.raises(UnknownName):
        catalogue[3]


async def test_a_symbol_without_assets_and_category() -> None:
    shop: Any = Shop(0)
    shop.lights = [light(1, base_asset_id=None, quote_asset_id=9, symbol_category_id=None)]
    shop.details = {1: details(1)}
    (symbol,) = await loaded(shop)
    assert (symbol.base, symbol.quote) == (None, None)
    assert (symbol.category, symbol.asset_class) == (None, None)


async def test_two_of_one_name() -> None:
    shop: Any = Shop()
    shop.lights = [light(n, symbol_name="TWIN", enabled=n != 1) for n in (1, 2, 3)]
    catalogue = await loaded(shop)
    assert catalogue["TWIN"].id == 2  # the first of those that can be traded


async def test_a_refresh_that_fails_leaves_all_as_it_was() -> None:
    shop: Any = Shop()
    catalogue = Catalogue(1)
    shop.fails = REFUSED
    with pytest.raises(ServerError):
        await catalogue.refresh(shop)
    assert not catalogue.fresh
    shop.fails = None
    await catalogue.refresh(shop)
    assert len(catalogue) == 3
    shop.fails = REFUSED
    shop.details[1] = details(1, digits=2)
    catalogue.changed([1])
    with pytest.raises(ServerError):
        await catalogue.refresh(shop)
    assert catalogue[1].digits == 5
    assert not catalogue.fresh
    shop.fails = None
    await catalogue.refresh(shop)
    assert catalogue[1].digits == 2


@pytest.mark.parametrize("after", range(1, 6))
async def test_a_refresh_that_is_cancelled_leaves_all_as_it_was(after: int) -> None:
    shop: Any = Shop()
    catalogue = Catalogue(1)
    ask = shop.request
    with trio.CancelScope() as scope:

        async def request(request: Any) -> Any:
            if len(shop.asked) == after - 1:
                scope.cancel()
            return await ask(request)

        shop.request = request
        await catalogue.refresh(shop)
    assert scope.cancelled_caught
    assert not catalogue.fresh
    assert len(catalogue) == 0
    shop.request = ask
    await catalogue.refresh(shop)
    assert len(catalogue) == 3


async def test_a_change_that_comes_in_between_is_not_forgotten() -> None:
    shop: Any = Shop()
    catalogue = await loaded(shop)
    catalogue.changed([1])
    ask = shop.request

    async def request(request: Any) -> Any:
        answer = await ask(request)
        catalogue.changed([2])
        return answer

    shop.request = request
    await catalogue.refresh(shop)
    assert not catalogue.fresh
    shop.request = ask
    shop.kinds()
    await catalogue.refresh(shop)
    assert shop.asked[-1].symbol_id == [2]


async def test_two_that_refresh_ask_once() -> None:
    shop: Any = Shop()
    catalogue = Catalogue(1)

    async def refresh() -> None:
        await catalogue.refresh(shop)
        assert len(catalogue) == 3

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(refresh)
    assert len(shop.kinds()) == 5


async def test_names_that_are_spelt_alike() -> None:
    shop: Any = Shop(0)
    names = ("EURUSD", "GBPUSD", "US100.cash", "XAUUSD")
    shop.lights = [light(number, symbol_name=name) for number, name in enumerate(names, start=1)]
    shop.details = {number: details(number) for number in range(1, 5)}
    catalogue = await loaded(shop)
    for name, near in [
        ("EUR USD", "EURUSD"),
        ("EURUSF", "EURUSD"),
        ("us100", "US100.cash"),
    ]:
        assert name not in catalogue
        assert catalogue.get(name) is None
        with pytest.raises(UnknownName, match=rf"no symbol '{name}'; spelt alike: {near}") as error:
            catalogue[name]
        assert isinstance(error.value, KeyError)
        assert isinstance(error.value, ValueError)
        assert isinstance(error.value, CTraderError)
    with pytest.raises(UnknownName, match="spelt alike: none"):
        catalogue["zzz"]
    with pytest.raises(UnknownName, match="no symbol with the id 9"):
        catalogue[9]
    with pytest.raises(UnknownName, match="no asset 'EURO'; spelt alike: EUR"):
        catalogue.asset("EURO")
    with pytest.raises(UnknownName, match="no asset with the id 9"):
        catalogue.asset(9)
    assert None not in catalogue
    assert 1 in catalogue
    untyped: Any = catalogue
    for wrong in (True, 1.0, None, b"EURUSD"):
        with pytest.raises(InvalidValue, match="expected a name, such as 'EURUSD', or an id"):
            untyped[wrong]
        with pytest.raises(InvalidValue, match="expected a name, such as 'EUR', or an id"):
            untyped.asset(wrong)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("eurusd", 1),
        ("EUR/USD", 1),
        ("eur.usd", 1),
        ("us100CASH", 2),
        ("XAU/USD", 4),
        ("XAUUSD", 3),
        ("xauusd", None),  # which of the two?
        ("xau.usd", None),
        ("eurusd.x", None),
        ("btcusd", None),  # archived
        ("solusd", None),  # listed without details beside SOL/USD
        ("", None),
    ],
)
async def test_names_without_case_slash_and_dot_where_one_symbol_is_spelt_so(
    name: str, number: int | None
) -> None:
    shop: Any = Shop(0)
    names = ("EURUSD", "US100.cash", "XAUUSD", "XAU/USD", "SOLUSD", "SOL/USD")
    shop.lights = [light(number, symbol_name=name) for number, name in enumerate(names, start=1)]
    shop.details = {number: details(number) for number in (1, 2, 3, 4, 6)}
    shop.archived = [
        ProtoOAArchivedSymbol(symbol_id=9, name="BTC/USD", utc_last_update_timestamp=0)
    ]
    catalogue = await loaded(shop)
    found = catalogue.get(name)
    assert (name in catalogue) == (number is not None)
    if number is None:
        assert found is None
        with pytest.raises(UnknownName):
            catalogue[name]
    else:
        assert found is catalogue[name] is catalogue[number]


async def test_an_ambiguous_name_is_refused_with_all_that_are_spelt_so() -> None:
    shop: Any = Shop(0)
    shop.lights = [light(1, symbol_name="XAUUSD"), light(2, symbol_name="XAU/USD")]
    shop.details = {1: details(1), 2: details(2)}
    catalogue = await loaded(shop)
    with pytest.raises(UnknownName, match=r"no symbol 'xauusd'; spelt alike: XAU.?USD, XAU.?USD"):
        catalogue["xauusd"]


async def test_assets_are_found_without_case() -> None:
    catalogue = await loaded(Shop(0))
    assert catalogue.asset("eur") is catalogue.asset("EUR")
    assert catalogue.find_asset("eurx") is None


# --- chains ---


async def test_the_brokers_chains(autojump_clock) -> None:
    async with connected() as (api, server):
        catalogue = await load_catalogue(api, HEDGED)
        theirs = server.broker.market_data.conversion
        names = [asset.name for asset in catalogue.assets.values()]
        for first in ("EUR", "USD", "XAU", "JPY"):
            for last in names:
                chain = await catalogue.chain(api, first, last)
                ends = catalogue.asset(first).asset_id, catalogue.asset(last).asset_id
                assert list(chain.symbols) == theirs.chain(*ends)
                assert catalogue.known_chain(*ends) == chain
        with pytest.raises(ServerError):
            await catalogue.chain(api, 5, 999)
        with pytest.raises(UnknownName):
            await catalogue.chain(api, "EUR", "EURO")


async def test_a_chain_is_asked_for_once() -> None:
    shop: Any = Shop()
    catalogue = await loaded(shop)
    shop.kinds()
    shop.chain = [light(1)]
    assert catalogue.known_chain(1, 2) is None
    chain = await catalogue.chain(shop, "EUR", "USD")
    assert await catalogue.chain(shop, 1, 2) is chain is catalogue.known_chain(1, 2)
    assert (await catalogue.chain(shop, "EUR", 1)).symbols == ()
    assert shop.kinds() == ["SymbolsForConversion"]
    # It is found anew when one of its symbols is gone.
    catalogue.changed([2])
    await catalogue.refresh(shop)
    assert catalogue.known_chain(1, 2) is chain
    shop.archive(1)
    catalogue.changed([1])
    await catalogue.refresh(shop)
    assert catalogue.known_chain(1, 2) is None


async def test_a_chain_that_leads_elsewhere() -> None:
    shop: Any = Shop()
    catalogue = await loaded(shop)
    shop.chain = [light(1)]
    with pytest.raises(UnexpectedReply, match="a chain of symbols from asset 1 to 3"):
        await catalogue.chain(shop, "EUR", "JPY")
    assert catalogue.known_chain(1, 3) is None
