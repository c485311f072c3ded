"""Integers of numpy are integers wherever ids, volumes, counts and times are taken."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed import ProtoOASpotEvent, ProtoOASubscribeSpotsReq, units
from ctrader_typed.errors import InvalidValue
from ctrader_typed.market import SpotFeed, Store
from ctrader_typed.protocol.event_filters import filtering
from ctrader_typed.units.numbers import as_int
from mockserver.box import HEDGED
from tests.support.accounts import BUY, KEYS, at_work, still_box

np = pytest.importorskip("numpy")
KINDS = [np.int64, np.int32, np.uint64]


@pytest.mark.parametrize("of", KINDS)
async def test_a_program_that_has_its_numbers_from_numpy(of: Any, autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, known, _):
        await api.auth(**KEYS, account_id=of(HEDGED))
        await api.auth(**KEYS, account_id=[of(HEDGED)])
        account = await api.account(of(HEDGED))
        assert type(account.account_id) is int
        symbol = account.symbol(of(1))
        assert of(1) in account.symbols
        order = await account.buy(of(1), volume=of(1_000_000), stop_loss_pips=of(20))
        assert (await order.filled()).volume == 1_000_000
        (number,) = account.positions
        assert account.profit_of(of(number)) == account.profit_of(number)
        await account.amend(of(number), take_profit_pips=of(30))
        pending = await account.stop_limit(of(1), BUY, of(2), of(10), units=of(10_000))
        await account.amend_order(of(pending.order_id), price=of(3), slippage_points=of(5))
        await account.cancel(of(pending.order_id))
        assert (await account.margin_for(of(1), lots=of(1))).buy > 0
        async with account.quotes(of(1)) as quotes:
            assert (await anext(quotes)).symbol_id == symbol.id
        async with account.quotes(np.array([1], of)) as quotes:
            assert (await anext(quotes)).symbol_id == symbol.id
        bars = await account.bars(
            of(1), "M1", *map(np.int64, (1_772_000_000_000, 1_772_000_060_000))
        )
        assert bars.symbol_id == 1
        await (await account.close(of(number), volume=of(1_000_000))).filled()
        assert not known.positions


@pytest.mark.parametrize("of", KINDS)
def test_units(of: Any) -> None:
    assert units.number(of(5)) == 5
    assert units.units(of(10_000_000)) == 100_000
    assert units.lots(of(100_000), lot_size=10_000_000) == units.lots(100_000, 10_000_000)
    assert units.price(of(108_450)) == units.price(108_450)
    sizes = units.Sizes(10_000_000, 100_000, 10**10, 100_000)
    assert sizes.volume(volume=of(100_000)) == 100_000
    assert units.relative(pips=of(20), digits=5, pip_position=4) == 200
    assert type(units.relative(pips=of(20), digits=5, pip_position=4)) is int


def test_times() -> None:
    assert units.milliseconds(np.int64(1_767_225_600_000)) == 1_767_225_600_000
    assert units.utc(np.int64(1_767_225_600_000)).year == 2026


@pytest.mark.parametrize("of", KINDS)
def test_messages(of: Any) -> None:
    request = ProtoOASubscribeSpotsReq(ctid_trader_account_id=of(1), symbol_id=[of(1), of(2)])
    plain = ProtoOASubscribeSpotsReq(ctid_trader_account_id=1, symbol_id=[1, 2])
    assert request == plain
    assert bytes(request) == bytes(plain)
    assert request.to_json() == plain.to_json()


def test_filters() -> None:
    passes = filtering(np.int64(1), [np.int64(1), np.int32(2)])
    assert passes(ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=2))
    assert not passes(ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=3))


@pytest.mark.parametrize("value", [True, 1.0, "1", None, np.float64(1), np.True_, np.array([1, 2])])
def test_what_is_no_integer_is_none(value: Any) -> None:
    assert as_int(value) is None


async def test_what_is_no_id_is_refused_by_name(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        with pytest.raises(InvalidValue, match="account_id = 'HEDGED'"):
            await api.auth(**KEYS, account_id="HEDGED")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]  # that is the test
        with pytest.raises(InvalidValue, match=r"account = 1\.5 \(float\): expected an int"):
            api.events(ProtoOASpotEvent, account=1.5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]  # that is the test
        with pytest.raises(InvalidValue, match=r"position = '5' \(str\): expected one, or its id"):
            await account.close("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # that is the test
        with pytest.raises(InvalidValue, match=r"symbol = 1\.5 \(float\): expected a symbol"):
            SpotFeed.of(api, HEDGED).quote(1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # that is the test


def test_a_store_takes_ids_of_numpy(tmp_path: Any) -> None:
    pytest.importorskip("pyarrow")
    assert Store(tmp_path).covered(np.int64(1), "M1") == []
    assert len(Store(tmp_path).read(np.int64(1), "M1")) == 0
