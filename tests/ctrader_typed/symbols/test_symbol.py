"""A symbol: what it states, and its units by the symbols that a server recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ctrader_typed import (
    InvalidValue,
    ProtoOAArchivedSymbol,
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOATradingMode,
)
from ctrader_typed.symbols import ArchivedSymbol, Symbol, TradingHours

CLOSED: dict[str, Any] = {
    "symbolId": 1,
    "digits": 5,
    "pipPosition": 4,
    "schedule": [{"startSecond": 0, "endSecond": 0}],
}
SATURDAY = datetime(2026, 11, 21, tzinfo=UTC)


def recorded(recordings: Path) -> dict[str, Symbol]:
    lines = (recordings / "market_data.jsonl").read_text().splitlines()
    found = {m["message"]: m["payload"] for m in map(json.loads, lines)}
    details = {
        each["symbolId"]: ProtoOASymbol().from_dict(each)
        for each in found["ProtoOASymbolByIdRes"]["symbol"]
    }
    lights = [
        ProtoOALightSymbol().from_dict(each) for each in found["ProtoOASymbolsListRes"]["symbol"]
    ]
    return {s.name: s for s in (Symbol(light, details[light.symbol_id]) for light in lights)}


@pytest.fixture
def eurusd(recordings: Path) -> Symbol:
    return recorded(recordings)["EURUSD"]


@pytest.fixture
def gold(recordings: Path) -> Symbol:
    return recorded(recordings)["XAUUSD"]


def test_what_it_states(eurusd: Symbol, gold: Symbol) -> None:
    assert (eurusd.id, eurusd.name, eurusd.digits, eurusd.pip_position) == (1, "EURUSD", 5, 4)
    assert eurusd.description == "Euro vs United States Dollar"
    assert (eurusd.tick, eurusd.pip) == (Decimal("0.00001"), Decimal("0.0001"))
    assert (gold.tick, gold.pip) == (Decimal("0.01"), Decimal(1))
    assert (eurusd.lot_size, gold.lot_size) == (10_000_000, 10_000)
    assert (eurusd.min_volume, eurusd.step_volume) == (100_000, 100_000)
    assert eurusd.max_volume == 10_000_000_000
    assert eurusd.enabled
    assert repr(eurusd) == "<Symbol EURUSD (1)>"


def test_sizes(eurusd: Symbol, gold: Symbol) -> None:
    assert eurusd.volume(lots="0.10") == eurusd.volume(units=10_000) == 1_000_000
    assert gold.volume(lots=1) == gold.volume(units=100) == 10_000
    assert (str(eurusd.lots(1_000_000)), str(eurusd.units(1_000_000))) == ("0.1", "10000")
    assert str(gold.lots(100)) == "0.01"
    assert eurusd.volume(volume=150_050, most=150_050) == 150_050
    with pytest.raises(InvalidValue, match=r"0\.123 lots of EURUSD is off the step .*0\.12 lots"):
        eurusd.volume(lots="0.123")


def test_prices(eurusd: Symbol, gold: Symbol) -> None:
    assert str(eurusd.price("1.1")) == "1.10000"
    assert eurusd.raw_price("1.08452") == 108_452
    assert gold.raw_price("2412.35") == 241_235_000
    assert str(gold.from_raw(241_235_000)) == "2412.35"
    assert str(eurusd.from_raw(-3)) == "-0.00003"
    assert str(gold.from_double(2412.3)) == "2412.30"
    with pytest.raises(InvalidValue, match=r"limit = 2412\.345 .*2 digits of XAUUSD: nearest"):
        gold.price("2412.345", "limit")
    for nothing in (0, "-1"):
        with pytest.raises(InvalidValue, match=r"XAUUSD is not positive: the least is 0\.01"):
            gold.raw_price(nothing)
    with pytest.raises(InvalidValue, match=r"is too little: the least is 0\.01"):
        gold.price("0.004")
    assert str(gold.price("0.01")) == "0.01"


def test_distances(eurusd: Symbol, gold: Symbol) -> None:
    assert eurusd.distance(pips=20) == eurusd.distance(points=200) == 200
    assert eurusd.distance(price=eurusd.price("1.0865") - eurusd.price("1.0845")) == 200
    assert gold.distance(pips="1.5") == gold.distance(price="1.5") == 150_000
    assert (str(eurusd.pips("0.00205")), str(eurusd.points("0.00205"))) == ("20.5", "205")
    with pytest.raises(InvalidValue, match=r"stop_loss of 0\.05 pips .*EURUSD: nearest 0\.1 pips"):
        eurusd.distance(pips="0.05", what="stop_loss")


def test_hours_take_and_give_times(eurusd: Symbol) -> None:
    monday = datetime(2026, 11, 22, 21, 5, tzinfo=UTC)  # 00:05 in Moscow
    assert isinstance(eurusd.hours, TradingHours)
    assert not eurusd.is_open(SATURDAY)
    assert eurusd.next_open(SATURDAY) == eurusd.next_open("2026-11-21") == monday
    assert eurusd.is_open(monday)
    assert eurusd.next_close(monday) == datetime(2026, 11, 23, 20, 55, tzinfo=UTC)
    with pytest.raises(InvalidValue, match=r"at = .* names no time zone"):
        eurusd.is_open(datetime(2026, 11, 21))  # noqa: DTZ001 - refused
    never = replace(eurusd, details=ProtoOASymbol().from_dict(CLOSED))
    assert never.next_open(SATURDAY) is None
    assert not never.is_open(SATURDAY)


def test_a_symbol_of_few_words() -> None:
    bare = Symbol(
        ProtoOALightSymbol(symbol_id=9), ProtoOASymbol(symbol_id=9, digits=1, pip_position=0)
    )
    assert (bare.name, bare.description, bare.base, bare.category) == ("9", "", None, None)
    assert bare.enabled
    assert bare.volume(units="0.01") == 1
    for call in (lambda: bare.lot_size, lambda: bare.lots(1), lambda: bare.volume(lots=1)):
        with pytest.raises(InvalidValue, match="9 has no lot size"):
            call()


def test_a_price_of_six_digits() -> None:
    """A double may have them; an integer price has five."""
    fine = Symbol(
        ProtoOALightSymbol(symbol_id=9), ProtoOASymbol(symbol_id=9, digits=6, pip_position=4)
    )
    assert str(fine.price("1.234567")) == "1.234567"
    assert str(fine.from_double(1.234567)) == "1.234567"
    assert fine.raw_price("1.23456") == 123_456
    with pytest.raises(InvalidValue, match="more than the 5 digits"):
        fine.raw_price("1.234567")


def test_what_cannot_be_traded(eurusd: Symbol) -> None:
    hidden = ProtoOALightSymbol(symbol_id=1, symbol_name="EURUSD", enabled=False)
    assert not replace(eurusd, light=hidden).enabled
    gone = replace(eurusd, archived=True)
    assert not gone.enabled
    assert repr(gone) == "<Symbol EURUSD (1), archived>"
    details = ProtoOASymbol(
        symbol_id=1,
        digits=5,
        pip_position=4,
        trading_mode=ProtoOATradingMode.DISABLED_WITHOUT_PENDINGS_EXECUTION,
    )
    assert not replace(eurusd, details=details).enabled


def test_symbols_are_keys_and_values(eurusd: Symbol, gold: Symbol, recordings: Path) -> None:
    again = recorded(recordings)["EURUSD"]
    assert again == eurusd
    assert {eurusd: 1, gold: 2}[again] == 1
    assert replace(eurusd, archived=True) != eurusd


def test_an_archived_symbol() -> None:
    message = ProtoOAArchivedSymbol(
        symbol_id=77, name="EURRUB", utc_last_update_timestamp=1_646_092_800_000
    )
    gone = ArchivedSymbol(message)
    assert (gone.id, gone.name, gone.description) == (77, "EURRUB", "")
    assert gone.changed_at == datetime(2022, 3, 1, tzinfo=UTC)
    assert repr(gone) == "<ArchivedSymbol EURRUB (77)>"
    assert {gone: 1}[ArchivedSymbol(message)] == 1
