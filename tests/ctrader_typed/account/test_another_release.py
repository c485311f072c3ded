"""An account of a package that was generated from another release: all of it is that package's."""

from __future__ import annotations

from typing import Any

import trio

from ctrader_typed import (
    ProtoOADealListReq,
    ProtoOAExecutionEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOATradeSide,
    Reconnect,
)
from tests.support.accounts import at_work, cut
from tests.support.releases import another_release
from tests.support.trading import BUY


async def test_what_an_account_gives_is_of_the_package(autojump_clock) -> None:
    package: Any = another_release()
    async with at_work(schema=package) as (api, account, _):
        async with api.events(ProtoOAExecutionEvent) as events:
            opening = await account.buy("EURUSD", lots="0.10", stop_loss_pips=20)
            fill = await opening.filled()
            event = await anext(events)
        await account.limit("EURUSD", BUY, "0.90", lots="0.10")
        await account.settled()
        (position,), (pending,) = account.positions.values(), account.pending.values()
        eurusd = account.symbol("EURUSD")
        deals = await account.deals("2026-01-01")
        given = [
            event,
            opening.tracked.request,
            account.trader,
            position.message,
            pending,
            eurusd.light,
            eurusd.details,
            *deals,
            *fill.deals,
            *account.symbols.assets.values(),
            *account.symbols.asset_classes.values(),
            *account.symbols.categories.values(),
        ]
        assert {type(each).__module__.partition(".")[0] for each in given} == {package.__name__}
        assert all(type(each) is getattr(package, type(each).__name__) for each in given)
        assert type(position.side) is package.ProtoOATradeSide
        assert position.side == ProtoOATradeSide.BUY


async def test_added_fields_are_there_and_lacking_ones_are_absent(autojump_clock) -> None:
    async with at_work(schema=another_release()) as (_, account, _):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        (position,) = account.positions.values()
        message: Any = position.message
        assert message.note is None
        assert message.money_digits is None
        assert "money_digits" not in repr(message)
        assert position.used_margin > 0
        trader: Any = account.trader
        assert trader.notes == []


async def test_a_question_in_our_messages_has_the_answer_of_the_package(autojump_clock) -> None:
    package: Any = another_release()
    async with at_work(schema=package) as (api, account, _):
        await (await account.buy("EURUSD", lots="0.10")).filled()
        fields: dict[str, Any] = {"ctid_trader_account_id": account.account_id}
        ours = await api.request(ProtoOADealListReq(**fields, max_rows=1))
        theirs = await api.request(package.ProtoOADealListReq(**fields, max_rows=1))
        assert type(ours) is type(theirs) is package.ProtoOADealListRes
        assert ours == theirs


async def test_a_field_that_we_do_not_know_is_asked_for_again(autojump_clock) -> None:
    package: Any = another_release()
    again = Reconnect(first=0.1, ceiling=0.2)
    async with at_work(schema=package, reconnect=again) as (api, account, server):
        fields: dict[str, Any] = {"ctid_trader_account_id": account.account_id, "symbol_id": [2]}
        await api.request(package.ProtoOASubscribeSpotsReq(**fields, pace=7))
        await cut(server)
        await trio.sleep(1)
        await account.settled()
        asked = [bytes(each) for each in server.received(ProtoOASubscribeSpotsReq)]
        assert asked == [bytes(package.ProtoOASubscribeSpotsReq(**fields, pace=7))] * 2
