"""What mypy and pyright know of an account. They read the functions; nobody runs them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import assert_type

from ctrader_typed import (
    KEEP,
    Account,
    Api,
    Catalogue,
    Change,
    Closing,
    ExpectedMargin,
    Fill,
    Gap,
    Order,
    Position,
    PositionClosed,
    Positions,
    Profit,
    ProtoOADeal,
    ProtoOADepositWithdraw,
    ProtoOAOrder,
    ProtoOATrader,
    ProtoOATradeSide,
    Symbol,
    connect,
)
from ctrader_typed.market import (
    BarEvent,
    Bars,
    MarketStream,
    OrderBook,
    Quote,
    QuoteTicks,
    SpotFeed,
    Store,
    Ticks,
)


async def what_it_has(api: Api) -> None:
    """Money is decimal, and None where it cannot be known."""
    account = await api.account(1)
    assert_type(account, Account)
    assert_type(account.positions, Positions)
    assert_type(account.positions[1], Position)
    position = account.positions[1]
    assert_type((position.swap, position.commission), tuple[Decimal, Decimal])
    assert_type(position.used_margin, Decimal)
    assert_type(account.pending, Mapping[int, ProtoOAOrder])
    assert_type(account.trader, ProtoOATrader)
    assert_type(account.balance, Decimal)
    assert_type(account.equity, Decimal | None)
    assert_type(account.free_margin, Decimal | None)
    assert_type(account.used_margin, Decimal)
    assert_type(account.margin_level, Decimal | None)
    assert_type(account.profit, Profit | None)
    assert_type(account.in_step, bool)
    assert_type(account.symbol("EURUSD"), Symbol)
    assert_type(account.symbols, Catalogue)


async def estimates(account: Account) -> None:
    """Asked of the server, or reckoned here."""
    assert_type(await account.expected_margin("EURUSD", lots="0.1"), ExpectedMargin)
    assert_type(await account.margin_for("EURUSD", units=1000), ExpectedMargin)
    assert_type(await account.commission_for("EURUSD", ProtoOATradeSide.BUY, lots=1), Decimal)
    assert_type(await account.quote_rate(account.symbol(1)), Decimal)
    assert_type(await account.rate("EUR", 15), Decimal)


async def spelling(account: Account, position: Position, order: Order) -> None:
    """A keyword that is none is an error before anything runs, and so is a side that is none."""
    await account.buy("EURUSD", lots="0.1", stop_loss_pip=20)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    await account.limit("EURUSD", "buy", "1", lots=1, expiry="2026-01-01")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    await account.limit("EURUSD", "long", "1", lots=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no side
    await account.amend(position, stop_los_pips=10)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    await account.amend_order(order, prize="1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    await account.close(position, lot=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    await account.close(position, lots=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a part, or all?
    connect("demo", silence_limits=1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # misspelt
    assert_type(await account.limit("EURUSD", "BUY", "1", lots=1, stop_loss="0.9"), Order)
    assert_type(await account.commission_for("EURUSD", "sell", lots=1), Decimal)


async def prices(account: Account) -> None:
    """A symbol, its name or its id, and several of them."""
    eurusd = account.symbol("EURUSD")
    assert_type(account.quotes(eurusd), MarketStream[Quote])
    assert_type(account.quotes(["EURUSD", 2], gaps=True), MarketStream[Quote | Gap])
    assert_type(account.live_bars("EURUSD", "M1", every=True), MarketStream[BarEvent])
    assert_type(account.book(eurusd), MarketStream[OrderBook])
    assert_type(account.feed, SpotFeed)


async def the_past(account: Account) -> None:
    """In columns, and in lists."""
    bars = await account.bars("EURUSD", "M1", start="2026-01-01", end="2026-02-01")
    assert_type(bars, Bars)
    assert_type(await account.ticks("EURUSD", "2026-01-01"), QuoteTicks)
    assert_type(await account.ticks("EURUSD", "2026-01-01", side="bid"), Ticks)
    assert_type(await account.deals("2026-01-01"), list[ProtoOADeal])
    assert_type(await account.orders_history("2026-01-01"), list[ProtoOAOrder])
    assert_type(await account.cash_flow("2026-01-01"), list[ProtoOADepositWithdraw])
    assert_type(
        await Store("history").sync(account, account.symbol(1), "M1", since="2026-01-01"), int
    )


async def orders(account: Account) -> None:
    """Each is the handle of `client.place`."""
    order = await account.buy("EURUSD", lots="0.1", stop_loss_pips=20, trailing=True)
    assert_type(order, Order)
    assert_type(await order.filled(), Fill)
    assert_type(await account.limit("EURUSD", ProtoOATradeSide.BUY, "1.1", units=1000), Order)
    assert_type(await account.amend(1, stop_loss=KEEP, take_profit=None), Order)
    assert_type(await account.amend(1, stop_loss_pips=30, take_profit_money="50"), Order)
    assert_type(await account.amend_order(order, price="1.1", stop_loss=None, lots=1), Order)
    assert_type(await account.cancel(order), Order)
    assert_type(await account.close(1, lots="0.1"), Order)
    assert_type(await account.reverse(1), Order)
    assert_type(await account.close_all(), list[Closing])
    await account.buy("EURUSD", lots=0.1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no floats
    await account.amend_order(1, label="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # it stays
    await account.buy("EURUSD", lot="0.1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt


async def changes(account: Account) -> None:
    """A union, to be told apart by type."""
    async with account.changes() as stream:
        async for change in stream:
            assert_type(change, Change)
            if isinstance(change, PositionClosed):
                assert_type(change.deal, ProtoOADeal | None)
