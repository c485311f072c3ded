"""Seconds where milliseconds are meant: refused by whatever takes a time, before a byte leaves."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader_typed import InvalidValue, connect_over
from ctrader_typed.market import Store, history
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server

SPAN = 1769990400, 1769994000  # 2 February 2026, 00:00 to 01:00, in seconds


async def test_each_call_that_takes_a_time_refuses_seconds(
    tmp_path: Any, autojump_clock: Any
) -> None:
    async with mock_server(Box()) as server, connect_over(server.memory_client()) as api:
        await api.auth(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            access_token=ACCESS_TOKEN,
            account_id=HEDGED,
        )
        account = await api.account(HEDGED)
        eurusd, store = account.symbol("EURUSD"), Store(tmp_path)
        bars = await account.bars(eurusd, "H1", "2026-02-02", "2026-02-03")
        answered = api.statistics().answered
        for call in (
            lambda: account.bars("EURUSD", "M1", *SPAN),
            lambda: account.bars("EURUSD", "M1", "2026-01-01", SPAN[1]),
            lambda: account.ticks("EURUSD", *SPAN),
            lambda: account.deals(*SPAN),
            lambda: account.orders_history(*SPAN),
            lambda: account.cash_flow(*SPAN),
            lambda: account.limit("EURUSD", "BUY", "1.0", lots="0.01", expires=SPAN[0]),
            lambda: store.sync(account, eurusd, "M1", *SPAN),
        ):
            with pytest.raises(InvalidValue, match=r"in milliseconds, .* seconds, 17699"):
                await call()  # type: ignore[operator]  # one of several kinds
        for at_once in (
            lambda: history.bar_pages(api, HEDGED, eurusd, "M1", *SPAN),
            lambda: history.tick_pages(api, HEDGED, eurusd, *SPAN, side="bid"),
            lambda: store.read(eurusd, "M1", *SPAN),
            lambda: bars.between(*SPAN),
            lambda: eurusd.is_open(SPAN[0]),
        ):
            with pytest.raises(InvalidValue, match="in milliseconds, which are expected"):
                at_once()
        assert api.statistics().answered == answered


async def test_a_span_from_1970_on_is_read_whole(tmp_path: Any, autojump_clock: Any) -> None:
    async with mock_server(Box()) as server, connect_over(server.memory_client()) as api:
        await api.auth(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            access_token=ACCESS_TOKEN,
            account_id=HEDGED,
        )
        account = await api.account(HEDGED)
        for start in (0, "1970-01-02"):
            bars = await account.bars("EURUSD", "MN1", start, "2026-02-01")
            assert (
                bars.time == (await account.bars("EURUSD", "MN1", "2000-01-01", "2026-02-01")).time
            )
