"""What mypy and pyright know of units and symbols. They read the functions; nobody runs them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import assert_type

import trio

from ctrader_typed import (
    Api,
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOASymbolCategory,
    units,
)
from ctrader_typed.symbols import (
    ArchivedSymbol,
    Catalogue,
    Chain,
    Symbol,
    TradingHours,
    keep_catalogue,
    load_catalogue,
)


async def catalogues(api: Api, nursery: trio.Nursery) -> None:
    """Looked up by name or id."""
    catalogue = await load_catalogue(api, 1)
    assert_type(catalogue, Catalogue)
    assert_type(catalogue["EURUSD"], Symbol)
    assert_type(catalogue[1], Symbol)
    assert_type(catalogue.get("EURUSD"), Symbol | None)
    assert_type(list(catalogue), list[Symbol])
    assert_type(catalogue.symbols, Mapping[int, Symbol])
    assert_type(catalogue.archived, Mapping[int, ArchivedSymbol])
    assert_type(catalogue.asset("EUR"), ProtoOAAsset)
    assert_type(catalogue.assets, Mapping[int, ProtoOAAsset])
    assert_type(catalogue.asset_classes, Mapping[int, ProtoOAAssetClass])
    assert_type(catalogue.categories, Mapping[int, ProtoOASymbolCategory])
    assert_type(catalogue.fresh, bool)
    catalogue.changed([1])
    await catalogue.refresh(api)
    nursery.start_soon(keep_catalogue, api, 1)
    catalogue[None]  # type: ignore[index]  # pyright: ignore[reportArgumentType]  # neither name nor id
    catalogue["EURUSD"].volume(lots=0.1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a float


async def chains(api: Api, catalogue: Catalogue) -> None:
    """Exact rates, or None."""
    chain = await catalogue.chain(api, "EUR", 15)
    assert_type(chain, Chain)
    assert_type(catalogue.known_chain(1, 2), Chain | None)
    assert_type(chain.symbol_ids, tuple[int, ...])
    assert_type(chain.symbols, tuple[ProtoOALightSymbol, ...])
    assert_type(chain.rate(lambda symbol_id: units.mid(symbol_id, None)), Fraction | None)


def symbols(symbol: Symbol, at: datetime) -> None:
    """Decimals in hand, integers on the wire."""
    assert_type(symbol.id, int)
    assert_type(symbol.name, str)
    assert_type(symbol.digits, int)
    assert_type(symbol.pip, Decimal)
    assert_type(symbol.tick, Decimal)
    assert_type(symbol.lot_size, int)
    assert_type(symbol.max_volume, int | None)
    assert_type(symbol.base, ProtoOAAsset | None)
    assert_type(symbol.category, ProtoOASymbolCategory | None)
    assert_type(symbol.asset_class, ProtoOAAssetClass | None)
    assert_type(symbol.light, ProtoOALightSymbol)
    assert_type(symbol.details, ProtoOASymbol)
    assert_type(symbol.archived, bool)
    assert_type(symbol.enabled, bool)
    assert_type(symbol.volume(lots="0.1"), int)
    assert_type(symbol.lots(1), Decimal)
    assert_type(symbol.units(1), Decimal)
    assert_type(symbol.price("1.1"), Decimal)
    assert_type(symbol.raw_price("1.1"), int)
    assert_type(symbol.from_raw(1), Decimal)
    assert_type(symbol.from_double(1.1), Decimal)
    assert_type(symbol.pips("0.1"), Decimal)
    assert_type(symbol.points("0.1"), Decimal)
    assert_type(symbol.distance(pips=20), int)
    assert_type(symbol.hours, TradingHours)
    assert_type(symbol.is_open(at), bool)
    assert_type(symbol.next_open("2026-01-01"), datetime | None)
    assert_type(symbol.next_close(0), datetime | None)


def exact_units(at: datetime) -> None:
    """There and back."""
    assert_type(units.price(108_450), Decimal)
    assert_type(units.raw_price("1.0845"), int)
    assert_type(units.from_double(1.1, 5), Decimal)
    assert_type(units.to_double("1.1"), float)
    assert_type(units.relative(pips=1, digits=5, pip_position=4), int)
    assert_type(units.units(1), Decimal)
    assert_type(units.lots(1, 2), Decimal)
    assert_type(units.money_of(1, 2), Decimal)
    assert_type(units.amount_of("1.10"), int)
    assert_type(units.rounded(Fraction(1)), int)
    assert_type(units.mid(1, 2), Fraction | None)
    assert_type(units.utc(0), datetime)
    assert_type(units.milliseconds(at), int)
    units.number(0.1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a float
