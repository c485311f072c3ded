"""`api.account()`: cancelled at any of its requests nothing stays behind; asked for again it is at
once as good as the first.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio

from ctrader_typed import (
    Api,
    Message,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolsForConversionReq,
    ProtoOAUnsubscribeSpotsReq,
)
from mockserver.box import HEDGED, NETTED
from tests.support.accounts import BUY, KEYS, agrees, at_work, order, still_box

EURUSD, GBPUSD, USDJPY, EURGBP = 1, 2, 4, 9
TRADED = (EURUSD, USDJPY, EURGBP)


class Attempt:
    """Is cancelled as its last request is sent, for which it has not waited yet."""

    def __init__(self, api: Api, last: int) -> None:
        self._request: Any = api.request
        self._left = last
        self.scope = trio.CancelScope()
        self.message: type[Message] = Message

    async def request(self, message: Message) -> Any:
        self._left -= 1
        if self._left == 0:
            self.message = type(message)
            self.scope.cancel()
        return await self._request(message)


async def only_theirs(api: Api) -> None:
    """The server has no subscription of this account's: it refuses none of these."""
    for symbol in TRADED:
        which: Any = {"ctid_trader_account_id": NETTED, "symbol_id": [symbol]}
        await api.request(ProtoOASubscribeSpotsReq(**which))
        await api.request(ProtoOAUnsubscribeSpotsReq(**which))


async def test_cancelled_at_any_request_nothing_stays_behind(
    autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(box=still_box()) as (api, hedged, _server):
        await api.auth(**KEYS, account_id=NETTED)
        for symbol in TRADED:
            netted: Any = order(hedged, symbol, BUY, 100_000)
            netted = netted.__replace__(ctid_trader_account_id=NETTED)
            await (await api.place(netted)).filled()
        cancelled_at: list[type[Message]] = []
        for last in range(1, 100):
            with monkeypatch.context() as patched:
                attempt = Attempt(api, last)
                patched.setattr(api, "request", attempt.request)
                with attempt.scope:
                    await api.account(NETTED)
                    break
            cancelled_at.append(attempt.message)
            await trio.sleep(30)
            await only_theirs(api)
        assert cancelled_at.count(ProtoOASubscribeSpotsReq) > len(TRADED)
        assert ProtoOASymbolsForConversionReq in cancelled_at


async def test_two_accounts_of_a_client_keep_apart_and_two_of_one_agree(autojump_clock) -> None:
    """The second finds the prices there, though the market stands still."""
    async with at_work(box=still_box()) as (api, first, server):
        await (await first.buy("EURUSD", lots="0.10")).filled()
        await first.settled()
        with trio.fail_after(10):
            second = await api.account(HEDGED)
            await second.settled()
            await api.auth(**KEYS, account_id=NETTED)
            other = await api.account(NETTED)
            await (await other.sell("EURUSD", lots="0.20")).filled()
            await other.settled()
        for account in (first, second, other):
            agrees(account, server)
        assert first.positions == second.positions
        assert first.equity == second.equity
        assert first.positions.keys().isdisjoint(other.positions)
