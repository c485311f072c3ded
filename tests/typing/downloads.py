"""What mypy and pyright know of history. They read the functions; nobody runs them."""

from datetime import UTC, date, datetime
from typing import Literal, assert_type

from ctrader_typed import (
    Api,
    ProtoOADeal,
    ProtoOADepositWithdraw,
    ProtoOAOrder,
    ProtoOATrendbarPeriod,
)
from ctrader_typed.market import (
    Bars,
    Page,
    Pages,
    Period,
    Progress,
    QuoteTicks,
    Ticks,
    history,
)
from ctrader_typed.symbols import Symbol


async def bars(api: Api, symbol: Symbol) -> None:
    """A symbol or its id, a period or its name, times in many ways."""
    assert_type(await history.bars(api, 1, symbol, "M1", "2026-01-01"), Bars)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert_type(await history.bars(api, 1, 2, Period.H2, start, date(2026, 2, 1)), Bars)
    await history.bars(api, 1, symbol, ProtoOATrendbarPeriod.D1, 0, 1_767_225_600_000)
    await history.bars(api, 1, symbol, "M1", 1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no floats
    await history.bars(api, 1, symbol, "M7", 0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no such period
    await history.bars(api, 1, "EURUSD", "M1", 0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # names are the catalogue's


async def ticks(api: Api, symbol: Symbol, side: Literal["bid", "ask", "both"]) -> None:
    """The side decides what comes."""
    assert_type(await history.ticks(api, 1, symbol, "2026-01-01"), QuoteTicks)
    assert_type(await history.ticks(api, 1, symbol, "2026-01-01", side="both"), QuoteTicks)
    assert_type(await history.ticks(api, 1, symbol, "2026-01-01", side="bid"), Ticks)
    assert_type(await history.ticks(api, 1, symbol, 0, side=side), Ticks | QuoteTicks)
    await history.ticks(api, 1, symbol, 0, side="mid")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # no such side


async def pages(api: Api, symbol: Symbol) -> None:
    """Each is a value of its own."""
    assert_type(history.bar_pages(api, 1, symbol, "M1", 0), Pages[Bars])
    async for page in history.bar_pages(api, 1, symbol, "M1", 0):
        assert_type(page, Page[Bars])
        assert_type(page.rows, Bars)
        assert_type(page.start, int)
    async for ticks_page in history.tick_pages(api, 1, symbol, 0, side="ask"):
        assert_type(ticks_page.rows, Ticks)
    history.tick_pages(api, 1, symbol, 0, side="both")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # one at a time


async def lists(api: Api) -> None:
    """Raw messages."""
    assert_type(await history.deals(api, 1, 0), list[ProtoOADeal])
    assert_type(await history.orders(api, 1, 0), list[ProtoOAOrder])
    assert_type(await history.cash_flow(api, 1, 0), list[ProtoOADepositWithdraw])


async def progress(api: Api) -> None:
    """Any function of one argument will do; what it returns is nobody's business."""

    def told(progress: Progress) -> float:
        assert_type(progress.rows, int)
        assert_type(progress.oldest, datetime | None)
        return assert_type(progress.done, float)

    await history.bars(api, 1, 2, "M1", 0, progress=told)
    await history.deals(api, 1, 0, progress=print)
