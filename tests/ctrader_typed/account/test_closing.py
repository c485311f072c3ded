"""Closing all or a part, turning round, moving levels: what comes of it when some is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import trio

from ctrader_typed import (
    Account,
    Closing,
    InvalidOrder,
    InvalidValue,
    NotFilled,
    NotSent,
    OrderError,
    OutcomeUnknown,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    Reconnect,
    ServerError,
)
from mockserver.box import HEDGED, NETTED
from mockserver.broker.rules import Liquidity
from mockserver.broker.trading.state import RefusalCarrier
from tests.support.accounts import BUY, SELL, agrees, at_work, cut, same_as_server, still_box

NAMES = ("EURUSD", "GBPUSD", "USDJPY")


async def three(account: Account) -> None:
    for name in NAMES:
        await (await account.buy(name, lots="0.10")).filled()
    await account.settled()


@pytest.mark.parametrize("manner", list(RefusalCarrier))
@pytest.mark.parametrize("which", range(3))
async def test_one_is_refused_and_the_others_are_closed(
    which: int, manner: RefusalCarrier, autojump_clock
) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        await three(account)
        place, placed = account.close, 0

        async def close(position: Any, **size: Any) -> Any:
            nonlocal placed
            if placed == which:
                kind = ProtoOAClosePositionReq
                server.broker.reject_next("TRADING_DISABLED", request=kind, manner=manner)
            placed += 1
            return await place(position, **size)

        account.close = close  # type: ignore[method-assign]  # to know which one is under way
        outcomes = await account.close_all()
        assert [account.symbol(o.position.symbol_id).name for o in outcomes] == list(NAMES)
        for number, outcome in enumerate(outcomes):
            if number == which:
                with pytest.raises(ServerError, match="TRADING_DISABLED"):
                    await outcome.filled()
            else:
                assert (await outcome.filled()).volume == 1_000_000
        (left,) = account.positions.values()
        assert left == outcomes[which].position
        await same_as_server(api, account)
        agrees(account, server)


async def test_those_of_a_symbol_alone(autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, _server):
        await three(account)
        (outcome,) = await account.close_all("GBPUSD")
        await outcome.filled()
        assert len(account.positions) == 2
        assert await account.close_all("EURGBP") == []


async def test_a_lost_link_is_told_for_each(autojump_clock) -> None:
    """What was on its way is not known, the others were not sent; and all is found out later."""
    slow = Reconnect(first=5, ceiling=5)
    async with at_work(box=still_box(), reconnect=slow) as (api, account, server):
        await three(account)
        outcomes: list[Closing] = []

        async def close_all() -> None:
            outcomes.extend(await account.close_all())

        received = server.broker.received

        def unanswered(connection: int, request: Any, *rest: Any) -> Any:
            if isinstance(request, ProtoOAClosePositionReq):
                list(received(connection, request, *rest))
                return []
            return received(connection, request, *rest)

        server.broker.received = unanswered
        async with trio.open_nursery() as nursery:
            nursery.start_soon(close_all)
            await trio.sleep(0.01)
            await cut(server)
        kinds = [type(outcome.error) for outcome in outcomes]
        assert kinds[0] is OutcomeUnknown
        assert kinds[1:] == [NotSent, NotSent]
        with pytest.raises(NotSent):
            await outcomes[1].filled()
        server.broker.received = received
        await trio.sleep(1)  # what the server has taken is filled, whatever became of the link
        await api.connected()
        await account.settled()
        assert len(account.positions) == 2
        await same_as_server(api, account)


async def test_what_the_stop_loss_closes_meanwhile_is_no_outcome(autojump_clock) -> None:
    async with at_work(box=still_box()) as (_, account, _server):
        await three(account)
        place = account.close

        async def close(position: Any, **size: Any) -> Any:
            for each in list(account.positions.values()):
                if each.position_id != position.position_id:
                    closing = await place(each)
                    await closing.filled()
            return await place(position, **size)

        account.close = close  # type: ignore[method-assign]  # somebody else is quicker
        (outcome,) = await account.close_all()
        await outcome.filled()
        assert not account.positions


async def test_a_part_that_is_refused_leaves_the_position_as_it_is(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        (position,) = account.positions.values()
        server.broker.reject_next("TRADING_DISABLED", request=ProtoOAClosePositionReq)
        with pytest.raises(OrderError, match="TRADING_DISABLED"):
            await account.close(position, lots="0.04")
        assert account.positions == {position.position_id: position}
        await same_as_server(api, account)


async def test_turning_round_and_the_close_is_refused(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        (position,) = account.positions.values()
        server.broker.reject_next("TRADING_DISABLED", request=ProtoOAClosePositionReq)
        with pytest.raises(OrderError):
            await account.reverse(position)
        assert account.positions == {position.position_id: position}
        await same_as_server(api, account)


async def test_turning_round_and_only_a_part_could_be_closed(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        (position,) = account.positions.values()
        server.broker.set_liquidity("EURUSD", Liquidity(available=300_000))
        with pytest.raises(NotFilled):
            await account.reverse(position)
        (left,) = account.positions.values()
        assert (left.side, left.volume) == (BUY, 700_000)
        await same_as_server(api, account)


async def test_turning_round_and_the_other_side_is_refused(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        await (await account.sell("EURUSD", lots="0.10")).filled()
        (position,) = account.positions.values()
        server.broker.reject_next("NOT_ENOUGH_MONEY", request=ProtoOANewOrderReq)
        with pytest.raises(OrderError, match="NOT_ENOUGH_MONEY"):
            await account.reverse(position)
        assert not account.positions
        await same_as_server(api, account)


async def test_a_position_that_no_order_can_open_is_not_closed_to_be_turned_round(
    autojump_clock,
) -> None:
    """Raised beyond what one order may have: the second half would be refused after the first."""
    async with at_work(NETTED, box=still_box()) as (api, account, server):
        details = server.broker.catalogue.symbol(1)
        server.broker.change_symbol(details.__replace__(max_volume=1_000_000))
        await trio.sleep(1)
        for _ in range(2):
            await (await account.buy("EURUSD", lots="0.10")).filled()
        (position,) = account.positions.values()
        with pytest.raises(InvalidValue, match=r"the most is 0.1 lots"):
            await account.reverse(position)
        assert account.positions == {position.position_id: position}
        await (await account.close(position)).filled()
        assert not account.positions
        await same_as_server(api, account)


@pytest.mark.parametrize("number", [HEDGED, NETTED])
async def test_turned_round_there_is_one_position(number: int, autojump_clock) -> None:
    async with at_work(number, box=still_box()) as (api, account, server):
        await (await account.sell("EURUSD", lots="0.10", stop_loss_pips=20)).filled()
        (position,) = account.positions
        await (await account.reverse(position)).filled()
        (other,) = account.positions.values()
        assert (other.side, other.volume, other.stop_loss) == (BUY, 1_000_000, None)
        await trio.sleep(1)
        await same_as_server(api, account)
        agrees(account, server)


async def test_what_a_lost_link_hid_is_told_by_the_order_of_the_outcome(autojump_clock) -> None:
    """Also to who asks the outcome once more: nothing was lost, and nothing is done twice."""
    async with at_work(box=still_box(), reconnect=Reconnect(first=0.1)) as (api, account, server):
        await three(account)
        outcomes: list[Closing] = []
        async with trio.open_nursery() as nursery:

            async def close_all() -> None:
                outcomes.extend(await account.close_all("EURUSD"))

            received = server.broker.received

            def unanswered(connection: int, request: Any, *rest: Any) -> Any:
                answers = list(received(connection, request, *rest))
                return [] if isinstance(request, ProtoOAClosePositionReq) else answers

            server.broker.received = unanswered
            nursery.start_soon(close_all)
            await trio.sleep(0.01)
            await cut(server)
        (outcome,) = outcomes
        assert isinstance(outcome.error, OutcomeUnknown)
        assert outcome.order is outcome.error.order
        with pytest.raises(OutcomeUnknown):
            await outcome.filled()
        await outcome.order.resolved()
        assert (await outcome.filled()).volume == 1_000_000
        await same_as_server(api, account)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ({"lots": "0.001"}, "the least is 0.01 lots"),
        ({"units": 9_500}, "nearest 0.09 lots"),
        ({"lots": "0.11"}, "the most is 0.1 lots"),
        ({"lots": 0}, "too little"),
        ({"lots": None}, "got 0"),
    ],
)
async def test_parts_that_cannot_be(size: Any, text: str, autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, _):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        (position,) = account.positions.values()
        with pytest.raises(InvalidValue, match=text):
            await account.close(position, **size)
        assert list(api.orders) == []
        assert account.positions == {position.position_id: position}


async def test_what_is_left_below_the_least_volume_can_be_closed(autojump_clock) -> None:
    async with at_work(box=still_box()) as (api, account, server):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        (position,) = account.positions.values()
        details = server.broker.catalogue.symbol(1)
        server.broker.change_symbol(details.__replace__(min_volume=500_000, step_volume=200_000))
        await trio.sleep(1)
        await (await account.close(position, lots="0.06")).filled()
        assert account.positions[position.position_id].volume == 400_000
        await (await account.close(position, lots="0.04")).filled()
        assert not account.positions
        await same_as_server(api, account)


@pytest.mark.parametrize(
    ("side", "levels", "text"),
    [
        (BUY, {"take_profit": "1.0844"}, "TP of a BUY .* >= the current BID: BID is 1.08450, TP 1"),
        (BUY, {"stop_loss": "1.0846"}, "SL of a BUY .* <= the current BID"),
        (SELL, {"take_profit": "1.0847"}, "TP of a SELL .* <= the current ASK: ASK is 1.08460"),
        (SELL, {"stop_loss": "1.0845"}, "SL of a SELL .* >= the current ASK"),
    ],
)
async def test_levels_on_the_wrong_side_are_not_sent(
    side: Any, levels: dict[str, str], text: str, autojump_clock
) -> None:
    """What the server would refuse with TRADING_BAD_STOPS."""
    async with at_work(box=still_box()) as (api, account, _server):
        opening = account.buy if side == BUY else account.sell
        order = await opening("EURUSD", lots="0.1", stop_loss_pips=20, take_profit_pips=20)
        await order.filled()
        await trio.sleep(1)
        before, (position,) = len(list(api.orders)), account.positions.values()
        with pytest.raises(InvalidOrder, match=text):
            await account.amend(position, **levels)
        assert len(list(api.orders)) == before
        assert account.positions == {position.position_id: position}


async def test_a_level_at_the_price_itself_is_sent(autojump_clock) -> None:
    """And where no price is known it is the server's to say."""
    async with at_work(box=still_box()) as (_, account, _server):
        await (await account.buy("EURUSD", lots="0.1", stop_loss_pips=20)).filled()
        await trio.sleep(1)
        (number,) = account.positions
        await account.amend(number, take_profit="1.0845")  # the recorded server fills it at once
        await trio.sleep(1)
        assert not account.positions
        await (await account.buy("GBPUSD", lots="0.1", stop_loss_pips=20)).filled()
        await trio.sleep(1)
        (position,) = account.positions.values()
        account.feed._quotes.clear()
        with pytest.raises(OrderError, match="TRADING_BAD_STOPS"):
            await account.amend(position, stop_loss=position.price + Decimal("0.01"))
        assert account.positions[position.position_id].stop_loss == position.stop_loss
