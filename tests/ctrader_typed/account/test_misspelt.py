"""Money: a misspelt keyword of an order is an error, and nothing is sent."""

from __future__ import annotations

import re
from inspect import isawaitable
from typing import Any

import pytest

from ctrader_typed import Api, ProtoOANewOrderReq, ProtoOAOrderType, ProtoOATradeSide
from ctrader_typed.account import Account
from ctrader_typed.errors import InvalidOrder, InvalidValue
from tests.support.accounts import BUY, at_work, still_box

TRADING = ("ProtoOANewOrderReq", "ProtoOAAmend", "ProtoOAClose", "ProtoOACancel")


def sent(server: Any) -> list[Any]:
    return [
        each.message for each in server.heard if type(each.message).__name__.startswith(TRADING)
    ]


@pytest.mark.parametrize(
    ("keyword", "meant"),
    [
        ("stop_loss_pip", "stop_loss_pips"),
        ("sl", "stop_loss_pips"),
        ("stoploss_pips", "stop_loss_pips"),
        ("tp", "take_profit_pips"),
        ("trailing_stop", "trailing"),
        ("clientOrderId", "client_order_id"),
    ],
)
@pytest.mark.parametrize("name", ["buy", "sell", "limit", "stop", "market_range", "stop_limit"])
async def test_a_new_order_with_a_misspelt_keyword_is_not_sent(
    name: str, keyword: str, meant: str, autojump_clock
) -> None:
    priced = {"limit": ("buy", "1"), "stop": ("buy", "2"), "market_range": ("buy", "1", 5)}
    priced["stop_limit"] = ("buy", "2", 5)
    async with at_work(box=still_box()) as (api, account, server):
        said = f"{name}() got an unexpected keyword argument '{keyword}'. Did you mean '{meant}'?"
        with pytest.raises(TypeError, match=f"^{re.escape(said)}$"):
            await getattr(account, name)(
                "EURUSD", *priced.get(name, ()), lots="0.10", **{keyword: 20}
            )
        assert sent(server) == []
        assert list(api.orders) == []
        assert not account.positions


async def asked(account: Account, name: str, *arguments: Any, **given: Any) -> None:
    result = getattr(account, name)(*arguments, **given)
    if isawaitable(result):
        await result


async def changes(api: Api, account: Account) -> dict[str, Any]:
    """What is there, by the names of the arguments."""
    position = await (await account.buy("EURUSD", lots="0.10")).filled()
    order = await account.limit("EURUSD", BUY, "1.0", lots="0.10")
    return {"position": position.deals[0].position_id, "order": order}


@pytest.mark.parametrize(
    ("name", "what", "given", "meant"),
    [
        ("amend", "position", {"stop_los_pips": 10, "take_profit_pips": 50}, "stop_loss_pips"),
        ("amend", "position", {"sl": "1.0"}, "stop_loss_pips"),
        ("amend_order", "order", {"prize": "1.01"}, "price"),
        ("amend_order", "order", {"expiry": "2030-01-01"}, "expires"),
        ("close", "position", {"lot": "0.05"}, "lots"),
        ("cancel", "order", {"reson": "x"}, None),
        ("reverse", "position", {"volume_": 1}, None),
        ("profit_of", "position", {"positoin": 1}, "position"),
        ("close_all", None, {"symbl": "EURUSD"}, "symbol"),
        ("limit", None, {"expiry": "2030-01-01"}, "expires"),
    ],
)
async def test_a_change_with_a_misspelt_keyword_is_not_sent(
    name: str, what: str | None, given: dict[str, Any], meant: str | None, autojump_clock
) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        there = await changes(api, account)
        before = len(sent(server))
        with pytest.raises(TypeError, match=f"Did you mean '{meant}'" if meant else "it takes"):
            await asked(account, name, *([there[what]] if what else []), **given)
        assert len(sent(server)) == before


async def test_the_api_and_its_messages_name_the_nearest_field(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        fields: dict[str, Any] = {
            "ctid_trader_account_id": account.account_id,
            "symbol_id": 1,
            "order_type": ProtoOAOrderType.MARKET,
            "trade_side": ProtoOATradeSide.BUY,
            "volume": 100_000,
        }
        with pytest.raises(TypeError, match=r"^new_order\(\) .* mean 'relative_stop_loss'\?$"):
            await api.new_order(**fields, relativeStopLoss=200)
        with pytest.raises(TypeError, match=r"^ProtoOANewOrderReq\(\) .* mean 'stop_loss'\?$"):
            ProtoOANewOrderReq(**fields, sl=1.0)
        with pytest.raises(TypeError, match=r"^ProtoOANewOrderReq\(\) .* mean 'volume'\?$"):
            ProtoOANewOrderReq(**fields).__replace__(volum=1)
        assert sent(server) == []


async def test_a_distance_of_none_takes_no_level_away(autojump_clock) -> None:
    """What a program reckons, and finds to be None, must not leave a position naked."""
    async with at_work(box=still_box()) as (_, account, _):
        order = await account.limit("EURUSD", BUY, "1.0", lots="0.10", stop_loss="0.9")
        await account.amend_order(order, price="1.01", stop_loss_pips=None)
        (now,) = account.pending.values()
        assert now.stop_loss == 0.9
        await account.amend_order(order, stop_loss=None)
        (now,) = account.pending.values()
        assert now.stop_loss is None


@pytest.mark.parametrize("side", [BUY, "BUY", "buy", "Buy"])
async def test_a_side_is_its_member_or_its_name(side: Any, autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, _):
        await account.limit("EURUSD", side, "1.0", lots="0.10")
        (order,) = account.pending.values()
        assert order.trade_data.trade_side == BUY
        assert await account.commission_for("EURUSD", side, lots=1) < 0


@pytest.mark.parametrize("side", ["long", "", 1, None, True])
async def test_what_is_no_side_is_refused_and_not_sent(side: Any, autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, server):
        with pytest.raises(InvalidValue, match="expected BUY or SELL"):
            await account.limit("EURUSD", side, "1.0", lots="0.10")
        with pytest.raises(InvalidValue, match="expected BUY or SELL"):
            await account.commission_for("EURUSD", side, lots=1)
        assert sent(server) == []


async def test_a_price_at_the_market_is_still_explained(autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, server):
        with pytest.raises(InvalidOrder, match="give stop_loss_pips"):
            await account.buy("EURUSD", lots="0.10", stop_loss="1.0")
        assert sent(server) == []
