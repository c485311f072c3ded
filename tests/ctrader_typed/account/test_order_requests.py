"""Orders in a trader's words: what is sent, what is refused here, and what the mock makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from ctrader_typed import (
    Account,
    InvalidOrder,
    InvalidValue,
    LocalProtocolError,
    NotFilled,
    Order,
    OrderStatus,
    ProtoOALightSymbol,
    ProtoOANewOrderReq,
    ProtoOAOrderTriggerMethod,
    ProtoOASymbol,
    ProtoOATradeSide,
    UnknownName,
)
from ctrader_typed.symbols import Symbol
from mockserver.box import HEDGED, NETTED
from tests.support.accounts import agrees, at_work, same_as_server, still_box

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL

EURUSD = Symbol(
    ProtoOALightSymbol(symbol_id=1, symbol_name="EURUSD"),
    ProtoOASymbol(
        symbol_id=1,
        digits=5,
        pip_position=4,
        lot_size=10_000_000,
        min_volume=100_000,
        step_volume=100_000,
        max_volume=10_000_000_000,
    ),
)
BTC = Symbol(
    ProtoOALightSymbol(symbol_id=2, symbol_name="BTCUSD"),
    ProtoOASymbol(symbol_id=2, digits=2, pip_position=1, lot_size=100, min_volume=1, step_volume=1),
)


def test_sizes_in_three_ways() -> None:
    assert EURUSD.volume(lots="0.10") == 1_000_000
    assert EURUSD.volume(units=1000) == 100_000
    assert EURUSD.volume(volume=300_000) == 300_000


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ({"lots": "0.123"}, "nearest 0.12 lots .* or 0.13 lots"),
        ({"lots": "0.001"}, "the least is 0.01 lots"),
        ({"lots": 1001}, "the most is 1000 lots"),
        ({"lots": 0.1}, "lots = 0.1 .float.: expected a Decimal"),
        ({"lots": True}, "bool"),
        ({"lots": "much"}, "is no number"),
        ({"lots": "NaN"}, "is not finite"),
        ({}, "got 0"),
        ({"lots": 1, "units": 1}, "got 2"),
    ],
)
def test_sizes_that_do_not_fit(size: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidValue, match=text):
        EURUSD.volume(**size)


@given(st.integers(1, 100_000))
def test_every_step_is_allowed_and_nothing_between(steps: int) -> None:
    volume = steps * 100_000
    assert EURUSD.volume(lots=Decimal(volume) / 10_000_000) == volume
    with pytest.raises(InvalidValue):
        EURUSD.volume(volume=volume + 1)


def test_distances_on_their_grid() -> None:
    assert EURUSD.distance(pips=20) == 200
    assert BTC.distance(price="90.01") == 9_001_000  # recorded
    with pytest.raises(InvalidValue, match=r"nearest .* pips"):
        EURUSD.distance(pips="1.25")
    with pytest.raises(InvalidValue, match=r"nearest 85287.* or 85287"):
        BTC.price("85287.205")


async def test_the_example_of_the_readme(autojump_clock) -> None:
    async with at_work() as (_, account, server):
        eurusd = account.symbol("EURUSD")
        order = await account.buy(eurusd, lots="0.10", stop_loss_pips=20, take_profit_pips=40)
        fill = await order.filled()
        agrees(account, server)  # equity and free margin, too: the prices are there before the fill
        (position,) = account.positions.values()
        assert fill.volume == position.volume == 1_000_000
        await trio.sleep(1)
        (position,) = account.positions.values()
        assert position.stop_loss == position.price - Decimal("0.0020")
        assert position.take_profit == position.price + Decimal("0.0040")
        agrees(account, server)


async def test_the_prices_of_what_an_order_may_become_are_there_when_it_does(
    autojump_clock,
) -> None:
    """At the market or waiting, also where profit is converted twice."""
    async with at_work(box=still_box()) as (_, account, server):
        await (await account.buy("EURJPY", lots="0.1")).filled()
        agrees(account, server)
        order = await account.limit("EURGBP", BUY, "0.85", lots="0.1")
        server.broker.set_price("EURGBP", "0.8499", "0.85")
        await order.filled()
        agrees(account, server)


async def test_one_leg_is_amended_and_the_other_stays(autojump_clock) -> None:
    async with at_work() as (_, account, _):
        order = await account.buy("EURUSD", lots="0.10", stop_loss_pips=20, take_profit_pips=40)
        await order.filled()
        await trio.sleep(1)
        (position,) = account.positions.values()
        assert position.stop_loss is not None
        lower = position.stop_loss - Decimal("0.0010")
        await account.amend(
            position, stop_loss=lower, trigger=ProtoOAOrderTriggerMethod.OPPOSITE, trailing=True
        )
        changed = account.positions[position.position_id]
        assert (changed.stop_loss, changed.take_profit) == (lower, position.take_profit)
        await account.amend(position, take_profit=None)
        last = account.positions[position.position_id]
        assert last.take_profit is None
        assert last.trailing
        assert last.message.stop_loss_trigger_method == ProtoOAOrderTriggerMethod.OPPOSITE
        await account.amend(position, stop_loss=None)
        assert account.positions[position.position_id].stop_loss is None


async def test_close_in_part_reverse_and_close_all(autojump_clock) -> None:
    async with at_work() as (_, account, server):
        first = await account.buy("EURUSD", lots="0.10")
        await first.filled()
        (position,) = account.positions.values()
        await (await account.close(position, lots="0.04")).filled()
        assert account.positions[position.position_id].volume == 600_000
        with pytest.raises(InvalidValue, match="too much"):
            await account.close(position, lots="0.07")
        await (await account.reverse(position)).filled()
        (other,) = account.positions.values()
        assert (other.side, other.volume) == (SELL, 600_000)
        await (await account.sell("GBPUSD", units=5000)).filled()
        for order in await account.close_all():
            await order.filled()
        assert not account.positions
        agrees(account, server)


async def test_pending_orders_of_each_kind(autojump_clock) -> None:
    async with at_work() as (_, account, _):
        until = datetime.now(UTC) + timedelta(days=3650)
        placed = [
            await account.limit("EURUSD", BUY, "0.5", lots="0.01", stop_loss="0.4", expires=until),
            await account.stop("EURUSD", BUY, "2.5", lots="0.01", take_profit_pips=30),
            await account.stop_limit("EURUSD", SELL, "0.5", 10, lots="0.01"),
        ]
        assert {order.order_id for order in placed} == set(account.pending)
        limit = placed[0].order_id
        assert limit is not None
        await account.amend_order(limit, price="0.6", lots="0.02")
        changed = account.pending[limit]
        assert (changed.limit_price, changed.trade_data.volume) == (0.6, 200_000)
        assert changed.stop_loss == 0.4
        for order in placed:
            assert order.order_id is not None
            await account.cancel(order.order_id)
        assert not account.pending
        ranged = await account.market_range("EURUSD", BUY, "1.2", 100_000, lots="0.01")
        assert await ranged.resolved() in set(OrderStatus)


async def test_levels_in_money(autojump_clock) -> None:
    async with at_work(NETTED) as (_, account, _):
        order = await account.sell("EURUSD", lots="0.10", stop_loss_money=50)
        await order.filled()
        await trio.sleep(1)
        (position,) = account.positions.values()
        assert position.stop_loss == position.price + Decimal("0.0050")


MONEY_DIGITS = Decimal("0.01")


@pytest.mark.parametrize("account_id", [HEDGED, NETTED])
@pytest.mark.parametrize("opening", [Account.buy, Account.sell])
@pytest.mark.parametrize(
    ("name", "lots"),
    [("EURUSD", "0.1"), ("EURGBP", "0.1"), ("EURJPY", "0.1"), ("XAUUSD", "0.1"), ("GER40.cash", 1)],
)
@pytest.mark.parametrize("money", [50, "37.77"])
async def test_what_is_lost_there_is_no_more_and_what_is_won_no_less(
    account_id: int, opening: Any, name: str, lots: Any, money: Any, autojump_clock
) -> None:
    """As the broker books it when the levels are hit, costs apart; and a tick more would be."""
    for leg in ("stop_loss", "take_profit"):
        async with at_work(account_id, box=still_box()) as (_, account, server):
            order = await opening(account, name, lots=lots, **{f"{leg}_money": money})
            await order.filled()
            await trio.sleep(1)
            (position,) = account.positions.values()
            symbol = account.symbol(name)
            rate = await account.quote_rate(symbol)
            level = getattr(position, leg)
            assert level is not None
            booked = abs(level - position.price) * position.units * rate
            tick = symbol.tick * position.units * rate
            if leg == "stop_loss":
                assert Decimal(money) - tick < booked <= Decimal(money)
            else:
                assert Decimal(money) <= booked < Decimal(money) + tick
            on_stop = (leg == "stop_loss") == (position.side == BUY)
            server.broker.set_price(name, level, level)  # nobody else's rate moves with it
            await trio.sleep(1)
            (deal,) = [
                deal
                for deal in server.broker.account(account_id).deals.values()
                if deal.closing is not None
            ]
            assert (level < position.price) == on_stop
            gross = Decimal(abs(deal.closing.gross_profit)) / 100
            assert abs(gross - booked) <= MONEY_DIGITS


async def test_a_level_that_the_money_meets_exactly_is_that_level(autojump_clock) -> None:
    """1/149.01 has no end as a decimal, and must not cost a tick."""
    async with at_work(box=still_box()) as (_, account, _server):
        order = await account.buy(
            "USDJPY", lots="0.10", stop_loss_money=1000, take_profit_money=1000
        )
        request: Any = order.request
        assert request.relative_stop_loss == request.relative_take_profit == 1_490_100


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"guaranteed": True, "stop_loss_pips": 5}, "no guaranteed stop loss"),
        ({"stop_loss_money": -5}, "less than one tick"),
        ({"stop_loss": "1.1"}, "refused at the market: give stop_loss_pips"),
        ({"stop_loss_pips": 5, "stop_loss_money": 5}, "in 2 ways"),
        ({"trailing": True}, "trailing needs a stop loss"),
        ({"label": "x" * 101}, "100 are allowed"),
        ({"stop_loss_pips": 5.0}, "expected a Decimal"),
        ({"stop_loss_pips": -5}, "not positive"),
        ({"take_profit_money": "0.001"}, "less than one tick"),
        ({"lots": "0.015"}, "nearest"),
    ],
)
async def test_refused_before_anything_is_sent(
    terms: dict[str, Any], text: str, autojump_clock
) -> None:
    async with at_work() as (api, account, _):
        with pytest.raises(InvalidValue, match=text):
            await account.buy("EURUSD", **({"lots": "0.1"} | terms))
        assert list(api.orders) == []
        trigger: dict[str, Any] = {"trigger": ProtoOAOrderTriggerMethod.OPPOSITE}
        with pytest.raises(TypeError, match="unexpected keyword argument 'trigger'"):
            await account.buy("EURUSD", lots="0.1", **trigger)
        with pytest.raises(InvalidValue, match="must lie below"):
            await account.limit("EURUSD", BUY, "1.1", lots="0.1", stop_loss="1.2")
        naive = datetime(2030, 1, 1)  # noqa: DTZ001 - what is refused
        with pytest.raises(InvalidValue, match="names no time zone"):
            await account.limit("EURUSD", BUY, "1.1", lots="0.1", expires=naive)
        with pytest.raises(InvalidValue, match="is not open"):
            await account.close(1)
        with pytest.raises(KeyError, match="EURUSD"):
            account.symbol("EURUSDD")


async def test_an_id_that_is_taken_or_empty_is_not_sent(autojump_clock) -> None:
    async with at_work() as (api, account, server):
        first = await account.limit("EURUSD", BUY, "0.5", lots="0.1", client_order_id="mine")
        for taken in ("mine", ""):
            with pytest.raises(LocalProtocolError):
                await account.limit("EURUSD", BUY, "0.5", lots="0.1", client_order_id=taken)
        assert list(api.orders) == [first]
        await account.cancel(first)
        again = await account.limit("EURUSD", BUY, "0.5", lots="0.1", client_order_id="mine")
        assert api.orders.find("mine") is again
        assert len(server.broker.account(account.account_id).orders) == 2


async def test_what_a_program_leaves_open_is_none(autojump_clock) -> None:
    async with at_work() as (_, account, _server):
        none: dict[str, Any] = {"stop_loss_pips": None, "take_profit_money": None, "label": None}
        order = await account.buy("EURUSD", lots="0.1", trailing=False, **none)
        await order.filled()
        assert not order.protection_due


@pytest.mark.parametrize("points", [-1, 1.5, True, "5", None, 2**31])
async def test_slippage_is_a_number_of_points(points: Any, autojump_clock) -> None:
    async with at_work() as (api, account, _):
        for placing in (account.stop_limit, account.market_range):
            with pytest.raises(InvalidOrder, match="slippage_points of 0 or more"):
                await placing("EURUSD", BUY, "1.2", points, lots="0.1")
        assert list(api.orders) == []


async def test_texts_as_long_as_they_may_be(autojump_clock) -> None:
    async with at_work() as (_, account, _server):
        texts = {"label": "l" * 100, "comment": "c" * 512}
        name: Any = {"client_order_id": "i" * 50}
        order = await account.buy("EURUSD", lots="0.1", **name, **texts)
        await order.filled()
        (position,) = account.positions.values()
        assert (position.label, position.comment) == (texts["label"], texts["comment"])
        assert order.client_order_id == "i" * 50
        for field, text in {**texts, **name}.items():
            longer: Any = {field: text + "x"}
            with pytest.raises(InvalidOrder, match=f"{len(text)} are allowed"):
                await account.buy("EURUSD", lots="0.1", **longer)


async def test_a_text_that_is_none_is_refused_by_its_name(autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, server):
        untyped: Any = account
        for name in ("label", "comment", "client_order_id"):
            with pytest.raises(InvalidValue, match=rf"{name} = 7 \(int\): expected a text"):
                await untyped.buy("EURUSD", lots="0.1", **{name: 7})
        server.never(ProtoOANewOrderReq)


async def test_a_symbol_its_name_and_its_id_are_the_same(autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, _server):
        eurusd = account.symbol("EURUSD")
        rates, margins = set(), set()
        for named in (eurusd, eurusd.name, eurusd.id):
            order = await account.buy(named, lots="0.10")
            await order.filled()
            assert account.positions[order.position_id or 0].symbol_id == eurusd.id
            (outcome,) = await account.close_all(named)
            await outcome.filled()
            rates.add(await account.quote_rate(named))
            margins.add(await account.expected_margin(named, lots=1))
        assert len(rates) == len(margins) == 1
        for wrong in ("EURSUD", 99):
            with pytest.raises(UnknownName, match="there is no symbol"):
                await account.buy(wrong, lots="0.10")


async def test_a_market_range_fills_within_its_points_or_not_at_all(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        within = await account.market_range(
            "EURUSD", BUY, "1.0844", 20, lots="0.1", stop_loss_pips=20
        )
        assert (await within.filled()).average_price == 1.0846
        beyond = await account.market_range("EURUSD", BUY, "1.0844", 10, lots="0.1")
        with pytest.raises(NotFilled):
            await beyond.filled()
        assert beyond.status is OrderStatus.CANCELLED
        await same_as_server(api, account)


async def test_an_order_that_expires_is_told_so(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        soon = server.broker.now_ms + 5_000
        order = await account.limit("EURUSD", BUY, "1.0", lots="0.1", expires=soon)
        with pytest.raises(NotFilled, match="EXPIRED"):
            await order.filled()
        assert not account.pending
        await same_as_server(api, account)


async def test_more_orders_than_the_server_takes_in_a_second(autojump_clock) -> None:
    """All are placed, once each, in their turn; who gives up while his waits has placed none."""
    async with at_work(box=still_box(), account_id=HEDGED) as (api, account, server):
        await trio.sleep(2)  # what `at_work` has asked is forgotten
        start = trio.current_time()
        placed: list[Order] = []

        async def place(number: int) -> None:
            with trio.move_on_after(0.5 if number % 10 == 9 else 60):
                name = f"n{number}"
                placed.append(
                    await account.limit("EURUSD", BUY, "1.0", lots="0.01", client_order_id=name)
                )

        async with trio.open_nursery() as nursery:
            for number in range(150):
                nursery.start_soon(place, number)
        assert trio.current_time() - start > 1.5
        theirs = [o.client_order_id for o in server.broker.account(HEDGED).orders.values()]
        assert sorted(theirs) == sorted(str(order.client_order_id) for order in placed)
        assert 135 <= len(placed) < 150
        assert all(order.status is OrderStatus.ACCEPTED for order in placed)
        await same_as_server(api, account)
