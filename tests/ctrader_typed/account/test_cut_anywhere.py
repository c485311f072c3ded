"""The link is cut at each message of each kind of order: what the handle says then is so.

The books of the simulated broker are the truth, for the handle and for the account beside it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from ctrader_typed import (
    PROTOBUF_TCP,
    Account,
    Api,
    ConnectionLost,
    Order,
    OrderError,
    OrderStatus,
    OutcomeUnknown,
    ProtoOAExecutionEvent,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderStatus,
    ProtoOAPosition,
    ProtoOAPositionStatus,
    ProtoOATimeInForce,
    Reconnect,
    connect_over,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import Envelope
from mockserver.box import HEDGED, NETTED
from mockserver.broker.rules import Liquidity
from mockserver.composition import mock_server
from tests.support.accounts import BUY, KEYS, SELL, order, still_box

EURUSD, STEP = 1, 100_000
LIVING = ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED
TOLD = {
    ProtoOAOrderStatus.ORDER_STATUS_FILLED: OrderStatus.FILLED,
    ProtoOAOrderStatus.ORDER_STATUS_CANCELLED: OrderStatus.CANCELLED,
    ProtoOAOrderStatus.ORDER_STATUS_EXPIRED: OrderStatus.EXPIRED,
    ProtoOAOrderStatus.ORDER_STATUS_REJECTED: OrderStatus.REJECTED,
}


class Scissors(trio.abc.Stream):
    """A stream that passes so many messages about orders once it is `armed`, and then breaks.

    With -1 not even the request arrives.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._data = bytearray()
        self._connection = Connection(SCHEMA)
        self.armed: int | None = None
        self.snapped = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.armed == -1:
            await self.snap()
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        while (frame := self._frame()) is None:
            data = await self._stream.receive_some()
            if not data:
                return b""
            self._data += data
        if self.armed is not None and self._concerns_orders(frame):
            if self.armed <= 0:
                await self.snap()
                return b""
            self.armed -= 1
        return frame

    def _frame(self) -> bytes | None:
        size = 4 + int.from_bytes(self._data[:4], "big")
        if len(self._data) < max(size, 4):
            return None
        frame, self._data = bytes(self._data[:size]), self._data[size:]
        return frame

    def _concerns_orders(self, frame: bytes) -> bool:
        (received,) = self._connection.receive_data(frame)
        kinds = (ProtoOAExecutionEvent, ProtoOAOrderErrorEvent)
        return isinstance(received, Envelope) and isinstance(received.message, kinds)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def snap(self) -> None:
        self.snapped = True
        await trio.aclose_forcefully(self._stream)


class Stage:
    """An account beside the broker, over links that a test can cut and keep away."""

    def __init__(self, server: Any, account_id: int) -> None:
        self.server = server
        self.broker = server.broker
        self.books = server.broker.account(account_id)
        self.links: list[Scissors] = []
        self.away = trio.Event()
        self.away.set()
        self.api: Api
        self.account: Account

    async def dial(self) -> Scissors:
        await self.away.wait()
        self.links.append(Scissors(self.server.memory_client("tcp")))
        return self.links[-1]

    def position(self) -> Any:
        """The one that there is."""
        (position,) = self.account.positions.values()
        return position

    def price(self, bid: str) -> None:
        self.broker.set_price(EURUSD, bid)


@asynccontextmanager
async def stage(account_id: int) -> AsyncGenerator[Stage, None]:
    async with mock_server(still_box(), port=None) as server:
        made = Stage(server, account_id)
        again = Reconnect(first=0.1, ceiling=0.1)
        async with connect_over(made.dial, wire=PROTOBUF_TCP, reconnect=again) as made.api:
            await made.api.auth(**KEYS, account_id=account_id)
            made.account = await made.api.account(account_id)
            yield made


# --- what is there before, what is asked for, what happens while the link is down ---

Act = Callable[[Stage], Awaitable[Any]]


async def nothing(_: Stage) -> None:
    await trio.lowlevel.checkpoint()


async def held(stage: Stage) -> None:
    await (await stage.account.buy("EURUSD", units=3_000)).filled()
    await trio.sleep(1)


async def protected(stage: Stage) -> None:
    await (await stage.account.buy("EURUSD", units=3_000, stop_loss_pips=20)).filled()
    await trio.sleep(1)


async def waiting(stage: Stage) -> None:
    await stage.account.limit("EURUSD", BUY, "1.0800", units=3_000)


async def in_parts(stage: Stage) -> None:
    await held(stage)
    stage.broker.set_liquidity(EURUSD, Liquidity(per_deal=STEP))


async def ioc(stage: Stage) -> Order:
    """The market has less of it than is wanted."""
    stage.broker.set_liquidity(EURUSD, Liquidity(available=2 * STEP, per_deal=STEP))
    tif = ProtoOATimeInForce.IMMEDIATE_OR_CANCEL
    request = order(stage.account, EURUSD, BUY, 3 * STEP, time_in_force=tif)
    return await stage.api.place(request)


def buy(**terms: Any) -> Act:
    return lambda s: s.account.buy("EURUSD", units=3_000, **terms)


def sell(units: int, **terms: Any) -> Act:
    return lambda s: s.account.sell("EURUSD", units=units, **terms)


def pending(s: Stage) -> int:
    (number,) = s.account.pending
    return number


ASKED: dict[str, tuple[Act, Act]] = {
    "market": (nothing, buy()),
    "market with a stop": (nothing, buy(stop_loss_pips=20)),
    "market in parts": (in_parts, buy(stop_loss_pips=20)),
    "market, a part of it": (nothing, ioc),
    "raise": (protected, buy(stop_loss_pips=30)),
    "sell less": (protected, sell(1_000)),
    "sell as much": (protected, sell(3_000)),
    "sell more": (protected, sell(5_000, stop_loss_pips=20)),
    "limit": (nothing, lambda s: s.account.limit("EURUSD", BUY, "1.0800", units=3_000)),
    "limit with a stop": (
        nothing,
        lambda s: s.account.limit("EURUSD", BUY, "1.0800", units=3_000, stop_loss_pips=20),
    ),
    "limit beside a position": (
        protected,
        lambda s: s.account.limit("EURUSD", BUY, "1.0835", units=3_000),
    ),
    "stop": (nothing, lambda s: s.account.stop("EURUSD", SELL, "1.0820", units=3_000)),
    "close": (held, lambda s: s.account.close(s.position())),
    "close, protected": (protected, lambda s: s.account.close(s.position())),
    "close a part": (protected, lambda s: s.account.close(s.position(), units=1_000)),
    "close in parts": (in_parts, lambda s: s.account.close(s.position())),
    "protect": (held, lambda s: s.account.amend(s.position(), stop_loss_pips=20)),
    "move the levels": (protected, lambda s: s.account.amend(s.position(), take_profit_pips=90)),
    "amend": (waiting, lambda s: s.account.amend_order(pending(s), price="1.0805")),
    "cancel": (waiting, lambda s: s.account.cancel(pending(s))),
}


async def dips(stage: Stage) -> None:
    """Limits and stops fill, and protective stops after them."""
    for bid in ("1.0810", "1.0790", "1.0700", "1.0845"):
        stage.price(bid)
        await trio.sleep(0.3)


async def fills(stage: Stage) -> None:
    """Limits fill, and what they open stays open."""
    stage.price("1.0799")
    await trio.sleep(0.3)


async def fills_a_part(stage: Stage) -> None:
    for number in list(stage.books.working):
        if stage.broker.order(number).pending:
            stage.broker.fill(number, volume=STEP)
    await trio.sleep(0.3)


async def terminal_closes(stage: Stage) -> None:
    """Somebody closes a part of every position from elsewhere."""
    async with connect_over(lambda: _dialled(stage), wire=PROTOBUF_TCP) as api:
        await api.auth(**KEYS, account_id=stage.account.account_id)
        account = await api.account(stage.account.account_id)
        for position in list(account.positions.values()):
            units = 2_000 if position.message.trade_data.volume > 2 * STEP else 1_000
            await (await account.close(position, units=units)).filled()
        await trio.sleep(0.3)


async def _dialled(stage: Stage) -> Any:
    await trio.lowlevel.checkpoint()
    return stage.server.memory_client("tcp")


MEANWHILE: dict[str, Act] = {"nothing": nothing, "dips": dips, "terminal": terminal_closes}
WAITING: dict[str, Act] = {**MEANWHILE, "fills": fills, "fills a part": fills_a_part}


# --- the cut ---


async def asked(
    stage: Stage, ask: Act, cut: int, meanwhile: Act
) -> tuple[Order | None, bool, bool]:
    """The handle, None if nothing was sent; whether it was over, and whether the link was cut."""
    link, handle = stage.links[-1], None
    before = set(stage.api.orders)
    stage.away = trio.Event()
    link.armed = cut
    try:
        handle = await ask(stage)
    except OutcomeUnknown as error:
        handle = error.order
    except (ConnectionLost, OrderError):
        (handle,) = {*stage.api.orders} - before or {None}
    await trio.sleep(1)
    stage.price("1.0844")  # so that a cut in what the market sends happens by now, too
    await trio.sleep(1)
    link.armed = None
    await meanwhile(stage)
    over = handle is not None and handle.tracked.settled
    stage.away.set()
    return handle, over, link.snapped


async def resolved(stage: Stage, handle: Order | None) -> None:
    await stage.api.connected()
    if handle is not None:
        try:
            await handle.resolved()
        except OutcomeUnknown:
            assert handle.status is OrderStatus.UNKNOWN
    await stage.account.settled()


# --- what has to be so ---


def agrees(stage: Stage, handle: Order, *, over: bool) -> None:
    """The handle says what the broker's books and the account say.

    One that was `over` shows its position as it was then.
    """
    tracked, books = handle.tracked, stage.books
    if tracked.follows_order:
        made = None if handle.order_id is None else books.orders[handle.order_id]
        if made is None:
            assert handle.status is OrderStatus.UNKNOWN
            return
        deals = [deal for deal in books.deals.values() if deal.order_id == made.order_id]
        assert {deal.deal_id for deal in handle.deals} == {deal.deal_id for deal in deals}
        assert handle.filled_volume == made.executed_volume
        assert handle.volume == made.volume
        assert handle.order is not None
        assert handle.order.order_status == made.status
        living = OrderStatus.PARTIALLY_FILLED if made.executed_volume else OrderStatus.ACCEPTED
        assert handle.status is (living if made.status == LIVING else TOLD[made.status])
        if made.executed_volume == 0 and not made.closing:
            assert not handle.position_closed
            return
    if handle.position_id is None or over:
        return
    there = stage.account.positions.get(handle.position_id)
    assert (there is None) == (handle.position_id not in books.positions)
    assert handle.position_closed == (there is None), "what is open is open"
    if there is not None:
        assert shape(handle.position) == shape(there.message)
    elif handle.position is not None:
        assert handle.position.trade_data.volume == 0
        closed = ProtoOAPositionStatus.POSITION_STATUS_CLOSED
        assert handle.position.position_status == closed


def shape(position: ProtoOAPosition | None) -> tuple[Any, ...]:
    """All but what the server may still touch when nothing of the order is to come."""
    assert position is not None
    data = position.trade_data
    levels = (position.stop_loss, position.take_profit)
    return (data.volume, data.trade_side, position.position_status, position.price, *levels)


async def ends(handle: Order, *, living: bool) -> None:
    """Its events end when it is over, and tell each deal once."""
    told: list[int] = []
    with trio.move_on_after(60) as patience:
        try:
            async for event in handle.events:
                told += [deal.deal_id for deal in event.deals]
        except OutcomeUnknown:
            assert handle.status is OrderStatus.UNKNOWN
    assert patience.cancelled_caught == living
    assert sorted(told) == sorted(deal.deal_id for deal in handle.deals)


def lives(handle: Order) -> bool:
    return handle.status in {OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}


async def once(account_id: int, what: str, cut: int, meanwhile: str) -> bool:
    """Whether it was cut."""
    before, ask = ASKED[what]
    async with stage(account_id) as made:
        await before(made)
        handle, over, was_cut = await asked(made, ask, cut, WAITING[meanwhile])
        await resolved(made, handle)
        if handle is not None:
            agrees(made, handle, over=over)
            await ends(handle, living=lives(handle))
            if lives(handle):
                await fills(made)
                await trio.sleep(1)
                agrees(made, handle, over=False)
                await ends(handle, living=False)
        return was_cut


def cases() -> list[tuple[str, str]]:
    """Each kind of order, and what can happen to it."""
    pending = ("limit", "stop", "amend", "cancel")
    return [
        (what, meanwhile)
        for what in ASKED
        for meanwhile in (WAITING if what.startswith(pending) else MEANWHILE)
    ]


@pytest.mark.parametrize(("what", "meanwhile"), cases())
@pytest.mark.parametrize("account_id", [HEDGED, NETTED], ids=["hedged", "netted"])
async def test_the_handle_says_what_the_account_says(
    account_id: int, what: str, meanwhile: str, autojump_clock: Any
) -> None:
    cut = -1
    while await once(account_id, what, cut, meanwhile):
        cut += 1
    assert cut > 0, "there was something to cut"
