"""The standard catalogue is what a real server sent, and a catalogue of parts that do not fit is
refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed.proto import (
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListRes,
)
from mockserver.broker.market.conversion import Conversion
from mockserver.broker.market.instruments import Instruments
from mockserver.broker.market.prices import TickList
from mockserver.broker.market.quotes import Market
from mockserver.recordings.session_file import Session

ACCOUNT = 1_000_001


def recorded(session: Session, name: str) -> bytes:
    (wire,) = [r.wire for r in session.records if r.name == name]
    assert wire is not None
    return wire


def test_symbols_are_the_recorded_ones_byte_for_byte(
    catalogue: Instruments, recorded_market: Session
) -> None:
    ours = ProtoOASymbolByIdRes(
        ctid_trader_account_id=ACCOUNT, symbol=[catalogue.symbol(i) for i in (41, 275, 279, 1)]
    )
    assert bytes(ours) == recorded(recorded_market, "ProtoOASymbolByIdRes")


def test_light_symbols_are_the_recorded_ones_byte_for_byte(
    catalogue: Instruments, recorded_market: Session
) -> None:
    ours = ProtoOASymbolsListRes(
        ctid_trader_account_id=ACCOUNT, symbol=[catalogue.light(i) for i in (41, 275, 279, 1)]
    )
    assert bytes(ours) == recorded(recorded_market, "ProtoOASymbolsListRes")


def test_the_recorded_conversion_from_euro_to_dollar(
    catalogue: Instruments, recorded_market: Session
) -> None:
    conversion = Conversion(Market(catalogue, TickList([]), 0))
    ours = ProtoOASymbolsForConversionRes(
        ctid_trader_account_id=ACCOUNT, symbol=conversion.chain(5, 15)
    )
    assert bytes(ours) == recorded(recorded_market, "ProtoOASymbolsForConversionRes")


def test_there_is_a_dozen_symbols_of_all_kinds(catalogue: Instruments) -> None:
    assert len(catalogue.symbols) == 12
    assert {s.digits for s in catalogue.symbols} == {2, 3, 5}
    classes = {c.id: c.asset_class_id for c in catalogue.categories}
    assert {classes[light.symbol_category_id or 0] for light in catalogue.light_symbols} == {
        1,
        2,
        3,
        4,
    }
    assert {a.id for a in catalogue.asset_classes} == set(classes.values())


@pytest.mark.parametrize("symbol", Instruments.standard().symbols, ids=lambda s: str(s.symbol_id))
def test_each_specification_is_complete_and_fits(
    catalogue: Instruments, symbol: ProtoOASymbol
) -> None:
    assert symbol.min_volume is not None
    assert symbol.step_volume is not None
    assert symbol.max_volume is not None
    assert symbol.lot_size is not None
    assert symbol.min_volume % symbol.step_volume == 0
    assert symbol.max_volume % symbol.step_volume == 0
    assert symbol.min_volume < symbol.max_volume
    assert symbol.precise_trading_commission_rate is not None
    assert symbol.leverage_id is not None
    tiers = catalogue.dynamic_leverage(symbol.leverage_id).tiers
    assert [t.volume for t in tiers] == sorted(t.volume for t in tiers)
    assert [t.leverage for t in tiers] == sorted((t.leverage for t in tiers), reverse=True)
    assert all(i.start_second < i.end_second <= 604_800 for i in symbol.schedule)
    light = catalogue.light(symbol.symbol_id)
    assert catalogue.by_name(light.symbol_name or "") is symbol
    assert catalogue.asset(light.base_asset_id or 0).name


def test_lookups_by_name_and_id(catalogue: Instruments) -> None:
    assert catalogue.id_of("EURUSD") == catalogue.id_of(1) == 1
    assert catalogue.tick_size(1) == 1
    assert catalogue.tick_size(4) == 100
    assert catalogue.tick_size(41) == 1000
    assert catalogue.has(1)
    assert not catalogue.has(77)
    assert catalogue.was(77)
    assert catalogue.archived_symbol(77).name == "EURRUB"


@pytest.mark.parametrize(
    ("lookup", "key"),
    [
        ("symbol", 2_000),
        ("light", 2_000),
        ("asset", 2_000),
        ("dynamic_leverage", 2_000),
        ("by_name", "XYZ"),
        ("id_of", 2_000),
        ("archived_symbol", 1),
        ("tick_size", 2_000),
    ],
)
def test_an_unknown_key_is_a_key_error(catalogue: Instruments, lookup: str, key: Any) -> None:
    with pytest.raises(KeyError, match=str(key)):
        getattr(catalogue, lookup)(key)


def parts(**changed: Any) -> dict[str, Any]:
    standard = Instruments.standard()
    fields: dict[str, Any] = {
        "assets": standard.assets,
        "symbols": standard.symbols,
        "light_symbols": standard.light_symbols,
        "archived": standard.archived,
    }
    return fields | changed


def test_a_symbol_in_only_one_list_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[41\] are only in one of symbols and light_symbols"):
        Instruments(**parts(light_symbols=Instruments.standard().light_symbols[1:]))


def test_a_symbol_with_an_unknown_asset_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs assets that are not there: \{15\}"):
        Instruments(**parts(assets=[a for a in Instruments.standard().assets if a.asset_id != 15]))


@pytest.mark.parametrize("twice", ["symbols", "light_symbols", "archived"])
def test_a_symbol_twice_is_refused(twice: str) -> None:
    again = parts()[twice] * 2
    with pytest.raises(ValueError, match="twice"):
        Instruments(**parts(**{twice: again}))


def test_a_small_catalogue_of_ones_own() -> None:
    own = Instruments(
        assets=Instruments.standard().assets,
        symbols=[ProtoOASymbol(symbol_id=8, digits=1, pip_position=0)],
        light_symbols=[
            ProtoOALightSymbol(symbol_id=8, symbol_name="X", base_asset_id=5, quote_asset_id=15)
        ],
    )
    assert own.tick_size(8) == 10_000
    assert own.is_open(8, 0)  # no schedule: always


def test_a_changed_symbol_takes_the_place_of_the_old_one(catalogue: Instruments) -> None:
    changed = ProtoOASymbol(symbol_id=1, digits=3, pip_position=2)
    places = [s.symbol_id for s in catalogue.symbols]
    catalogue.replace(changed)
    assert catalogue.symbol(1) is changed
    assert [s.symbol_id for s in catalogue.symbols] == places
    assert catalogue.tick_size(1) == 100
    with pytest.raises(KeyError):
        catalogue.replace(ProtoOASymbol(symbol_id=2_000, digits=3, pip_position=2))
