"""Each of a trader's orders, cancelled and cut off after every step that anything takes meanwhile.

Whatever happens, nothing is done twice, and who asked is told what was done, or can find it out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from ctrader_typed import (
    Account,
    Api,
    NotSent,
    Order,
    OrderStatus,
    OutcomeUnknown,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    Reconnect,
)
from tests.support.accounts import BUY, at_work, cut, same_as_server, still_box

SOON = Reconnect(first=0.1, ceiling=0.1)
NOTHING = {OrderStatus.NOT_SENT, OrderStatus.REJECTED, OrderStatus.UNKNOWN}
"""What is said of a request that has changed nothing; asked five times in vain, it is unknown."""

Doing = Callable[[Account, int, int], Awaitable[Any]]
DOINGS: dict[str, tuple[Doing, int]] = {  # and how many orders it makes at most
    "buy": (lambda a, p, o: a.buy("EURUSD", lots="0.01", stop_loss_pips=20), 1),
    "in money": (lambda a, p, o: a.sell("EURJPY", lots="0.01", stop_loss_money=20), 1),
    "limit": (lambda a, p, o: a.limit("EURUSD", BUY, "1.0", lots="0.01"), 1),
    "close": (lambda a, p, o: a.close(p), 1),
    "part": (lambda a, p, o: a.close(p, lots="0.04"), 1),
    "amend": (lambda a, p, o: a.amend(p, take_profit="1.09"), 0),
    "amend_order": (lambda a, p, o: a.amend_order(o, price="1.01"), 0),
    "cancel": (lambda a, p, o: a.cancel(o), 0),
    "reverse": (lambda a, p, o: a.reverse(p), 2),
    "close_all": (lambda a, p, o: a.close_all(), 2),
}


class After(trio.abc.Instrument):
    """Does something after so many steps of whatever task."""

    def __init__(self, steps: int, act: Callable[[], None]) -> None:
        self.left = steps
        self._act = act

    def after_task_step(self, task: Any) -> None:
        self.left -= 1
        if self.left == 0:
            self._act()


async def interrupted(
    doing: Callable[[], Awaitable[Any]], steps: int, server: Any, *, cuts: bool
) -> tuple[Any, bool]:
    """What it returned or raised, and whether it was over before it was interrupted."""
    scope, now, told = trio.CancelScope(), trio.Event(), None

    async def cutter() -> None:
        await now.wait()
        await cut(server)

    after = After(steps, now.set if cuts else scope.cancel)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cutter)
        trio.lowlevel.add_instrument(after)
        try:
            with scope:
                told = await doing()
        except (NotSent, OutcomeUnknown) as error:
            told = error
        finally:
            trio.lowlevel.remove_instrument(after)
        nursery.cancel_scope.cancel()
    return told, after.left > 0


def made(account: Account, server: Any) -> dict[int, Any]:
    """The orders that were asked for, as the server has them."""
    orders = server.broker.account(account.account_id).orders
    return {number: order for number, order in orders.items() if not order.protective}


def handles(api: Api) -> set[Order]:
    return {*api.orders, *api.orders._settled.values()}  # whatever was placed


async def once(what: str, steps: int, *, cuts: bool) -> bool:
    doing, most = DOINGS[what]
    async with at_work(box=still_box(), reconnect=SOON) as (api, account, server):
        await (await account.buy("EURUSD", lots="0.10", stop_loss_pips=20)).filled()
        await (await account.buy("GBPUSD", lots="0.10")).filled()
        waiting = (await account.limit("EURUSD", BUY, "1.0", lots="0.10")).order_id
        assert waiting is not None
        await trio.sleep(1)
        position = next(iter(account.positions))
        before, earlier = made(account, server), handles(api)
        told, over = await interrupted(
            lambda: doing(account, position, waiting), steps, server, cuts=cuts
        )
        if told is None and not cuts:
            assert not over
        await trio.sleep(30)
        await api.connected()
        await account.settled()
        await same_as_server(api, account)
        new = {n: o for n, o in made(account, server).items() if n not in before}
        mine = handles(api) - earlier
        judge(told, mine, new, most)
        in_force = {
            "amend": position in account.positions
            and account.positions[position].take_profit is not None,
            "amend_order": waiting in account.pending
            and account.pending[waiting].limit_price == 1.01,
            "cancel": waiting not in account.pending,
        }
        for doing_so, done in in_force.items():
            wanted = any(order.status not in NOTHING for order in mine)
            assert done == (doing_so == what and wanted), doing_so
        if position in account.positions and what == "reverse":
            assert not any(isinstance(o.request, ProtoOANewOrderReq) for o in mine)
        return over


def judge(told: Any, mine: set[Order], new: dict[int, Any], most: int) -> None:
    """The server has done what the handles say, and once; and so was told."""
    makes = [
        o for o in mine if isinstance(o.request, (ProtoOANewOrderReq, ProtoOAClosePositionReq))
    ]
    assert len(new) <= most
    assert all(order.status is not OrderStatus.WRITING for order in mine)
    assert {o.order_id for o in makes if o.status not in NOTHING} == set(new)
    assert len({order.client_order_id for order in new.values()}) == len(new)
    if isinstance(told, Order):
        assert told in mine
        assert told.status not in NOTHING
    if isinstance(told, OutcomeUnknown):
        assert told.order in mine
    if isinstance(told, NotSent):
        assert len(new) < max(most, 1)


@pytest.mark.parametrize("cuts", [False, True], ids=["cancelled", "cut"])
@pytest.mark.parametrize("what", DOINGS)
async def test_after_every_step(what: str, cuts: bool, autojump_clock) -> None:
    steps = 1
    while not await once(what, steps, cuts=cuts):
        steps += 1
    assert steps > 3, "it is done in steps"
