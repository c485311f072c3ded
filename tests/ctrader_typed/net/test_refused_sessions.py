"""A session that the server refuses to renew for good: everybody who waits is told, and why.

The same on a connection that stands and on one that was replaced.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from ctrader_typed import (
    NO_RECONNECT,
    AuthError,
    ConnectionLost,
    Gap,
    NotRestored,
    OrderStatus,
    OutcomeUnknown,
    ProtoOAAccountAuthReq,
    ProtoOASpotEvent,
    ProtoOAVersionReq,
    Reconnect,
    ReconnectAbandoned,
    connect_over,
)
from ctrader_typed.market import SpotFeed, quotes
from mockserver.box import ACCESS_TOKEN, HEDGED, NETTED
from mockserver.composition import mock_server
from mockserver.faults.effects import Drop, Refuse
from mockserver.faults.plan import Fault, Plan
from mockserver.recordings.session_file import Direction
from tests.support.accounts import BUY, KEYS, still_box

FAST = Reconnect(first=0.1, ceiling=0.2)
EURUSD = 1


class Place:
    """A client with two accounts, and the server that is about to refuse them."""

    def __init__(self, api: Any, server: Any, box: Any, links: list[Any], faults: Plan) -> None:
        self.api, self.server, self.box = api, server, box
        self.links, self.faults = links, faults

    async def revoke(self, *, cut: bool) -> None:
        """The user has taken the token back; the connection stands, or is lost just then."""
        if cut:
            self.box.credentials.revoke(self.box.credentials.grant(ACCESS_TOKEN))
            await trio.aclose_forcefully(self.links[-1])
        else:
            self.box.revoke(ACCESS_TOKEN)

    async def disable(self, account: int, *, cut: bool) -> None:
        """One account is authorised no more."""
        fields = {"ctidTraderAccountId": account}
        refusal = Refuse("RET_ACCOUNT_DISABLED")
        self.faults.add(Fault(refusal, message="ProtoOAAccountAuthReq", fields=fields, times=None))
        if cut:
            await trio.aclose_forcefully(self.links[-1])
        else:
            self.box.drop_account(account)

    def enable(self) -> None:
        self.faults._armed.clear()


@asynccontextmanager
async def placed(*accounts: int, reconnect: Reconnect = FAST) -> AsyncGenerator[Place, None]:
    box, faults, links = still_box(), Plan(), list[Any]()
    async with mock_server(box, port=None, faults=faults) as server:

        async def dial() -> trio.abc.Stream:
            links.append(server.memory_client("tcp"))
            return links[-1]

        async with connect_over(dial, reconnect=reconnect) as api:
            await api.auth(**KEYS, account_id=accounts)
            yield Place(api, server, box, links, faults)


async def outcome(doing: Callable[[], Awaitable[Any]], found: list[BaseException]) -> None:
    with pytest.raises(ConnectionLost) as caught:
        await for_ever(doing)
    found.append(caught.value)


async def for_ever(doing: Callable[[], Awaitable[Any]]) -> None:
    while True:
        await doing()


@pytest.mark.parametrize("cut", [False, True], ids=["standing", "reconnect"])
async def test_a_revoked_token_ends_all_streams_requests_and_tasks_with_the_reason(
    cut: bool, autojump_clock: Any
) -> None:
    async with placed(HEDGED) as place:
        api, found = place.api, list[BaseException]()
        account = await api.account(HEDGED)
        place.faults.add(Fault(Drop(), Direction.CLIENT, message="ProtoOAVersionReq"))

        async def beside() -> None:
            async with api.events(ProtoOASpotEvent) as stream:
                await outcome(stream.__anext__, found)

        async with (
            api.events(ProtoOASpotEvent) as raw,
            api.events(ProtoOASpotEvent, account=HEDGED) as mine,
            account.changes() as changes,
            account.quotes("EURUSD") as prices,
        ):
            waiting: list[Callable[[], Awaitable[Any]]] = [
                raw.__anext__,
                mine.__anext__,
                changes.receive,
                prices.__anext__,
            ]
            if not cut:  # there, it ends with the first connection
                waiting.append(lambda: api.request(ProtoOAVersionReq()))
            api.accompany(beside)
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    for each in waiting:
                        nursery.start_soon(outcome, each, found)
                    await trio.testing.wait_all_tasks_blocked()
                    await place.revoke(cut=cut)
        assert len(found) == len(waiting) + 1
        for error in found:
            assert "CH_ACCESS_TOKEN_INVALID" in str(error)
        abandoned = [error for error in found if isinstance(error, ReconnectAbandoned)]
        assert len(abandoned) >= len(found) - 1  # the request was on the connection that ended
        for error in abandoned:
            assert isinstance(error.__cause__, AuthError)
        with pytest.raises(ReconnectAbandoned, match="CH_ACCESS_TOKEN_INVALID"):
            await api.connected()
        with pytest.raises(ReconnectAbandoned, match="CH_ACCESS_TOKEN_INVALID"):
            await account.settled()
        with pytest.raises(ReconnectAbandoned, match="CH_ACCESS_TOKEN_INVALID"):
            async with account.changes() as changes:
                await changes.receive()


async def test_without_reconnect_an_ended_session_ends_the_client(autojump_clock: Any) -> None:
    async with placed(HEDGED, reconnect=NO_RECONNECT) as place:
        account = await place.api.account(HEDGED)
        async with account.changes() as changes, place.api.events(ProtoOASpotEvent) as raw:
            await place.revoke(cut=False)
            found: list[BaseException] = []
            with trio.fail_after(60):
                await outcome(raw.__anext__, found)
                await outcome(changes.receive, found)
        for error in found:
            assert "nothing is restored" in str(error)


@pytest.mark.parametrize("cut", [False, True], ids=["standing", "reconnect"])
async def test_one_refused_account_ends_its_streams_and_leaves_those_of_the_other(
    cut: bool, autojump_clock: Any
) -> None:
    async with placed(HEDGED, NETTED) as place:
        api = place.api
        mine, other = await api.account(HEDGED), await api.account(NETTED)
        feed = SpotFeed.of(api, HEDGED)
        async with (
            api.events(ProtoOASpotEvent, account=HEDGED) as raw,
            api.events(ProtoOASpotEvent, account=[HEDGED, NETTED]) as both,
            mine.changes() as changes,
            other.changes() as other_changes,
            mine.quotes("EURUSD") as prices,
            other.quotes("EURUSD") as other_prices,
        ):
            await place.disable(HEDGED, cut=cut)
            for doing in (raw.__anext__, changes.receive, prices.__anext__):
                with trio.fail_after(60), pytest.raises(AuthError, match="RET_ACCOUNT_DISABLED"):
                    await for_ever(doing)
            with pytest.raises(AuthError, match="RET_ACCOUNT_DISABLED"):
                await mine.settled()
            with pytest.raises(AuthError, match="RET_ACCOUNT_DISABLED"):
                await anext(quotes(feed, 2))
            await other.settled()
            await (await other.buy("EURUSD", lots="0.01")).filled()
            assert await other_changes.receive() is not None
            place.server.broker.set_price(EURUSD, "1.09")
            with trio.fail_after(60):
                while not isinstance(await anext(both), ProtoOASpotEvent):
                    pass
                assert (await anext(other_prices)).is_known


@pytest.mark.parametrize("cut", [False, True], ids=["standing", "reconnect"])
async def test_orders_of_a_refused_account_keep_nobody_waiting(
    cut: bool, autojump_clock: Any
) -> None:
    async with placed(HEDGED, NETTED) as place:
        account = await place.api.account(HEDGED)
        order = await account.limit("EURUSD", BUY, "1.0", lots="0.01")
        await place.disable(HEDGED, cut=cut)
        with trio.fail_after(60):
            with pytest.raises(OutcomeUnknown):
                await order.filled()
            with pytest.raises(OutcomeUnknown):
                await order.resolved()
            with pytest.raises(OutcomeUnknown):
                await for_ever(aiter(order.events).__anext__)
        place.enable()
        await place.api.auth(**KEYS, account_id=HEDGED)
        with trio.fail_after(60):
            assert await order.resolved() is OrderStatus.ACCEPTED


@pytest.mark.parametrize("cut", [False, True], ids=["standing", "reconnect"])
async def test_a_refused_account_that_is_authorised_again_goes_on_after_a_gap(
    cut: bool, autojump_clock: Any
) -> None:
    async with placed(HEDGED, NETTED) as place:
        api = place.api
        account = await api.account(HEDGED)
        await (await account.buy("EURUSD", lots="0.01")).filled()
        async with api.events(ProtoOASpotEvent, account=HEDGED) as raw:
            await place.disable(HEDGED, cut=cut)
            with pytest.raises(AuthError), trio.fail_after(60):
                await for_ever(raw.__anext__)
            place.enable()
            await api.request(
                ProtoOAAccountAuthReq(ctid_trader_account_id=HEDGED, access_token=ACCESS_TOKEN)
            )
            with trio.fail_after(60):
                assert isinstance(await anext(raw), Gap)
                assert isinstance(await anext(raw), ProtoOASpotEvent)
                await trio.sleep(31)
                await account.settled()
                async with account.changes() as changes:
                    place.server.broker.deposit(HEDGED, 5)
                    await changes.receive()


async def test_who_listens_for_refusals_keeps_streams_waiting_on_a_standing_connection(
    autojump_clock: Any,
) -> None:
    async with placed(HEDGED) as place, place.api.events(NotRestored) as refusals:
        account = await place.api.account(HEDGED)
        async with account.changes() as changes, account.quotes("EURUSD") as prices:
            await anext(prices)
            await place.revoke(cut=False)
            while not isinstance(await anext(refusals), NotRestored):
                pass
            with trio.move_on_after(5) as patience:
                await for_ever(changes.receive)
            assert patience.cancelled_caught
            with trio.move_on_after(5) as patience:
                await for_ever(prices.__anext__)
            assert patience.cancelled_caught
