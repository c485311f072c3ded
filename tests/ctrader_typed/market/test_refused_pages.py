"""Pages of history that the server refuses, for a moment or for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed import (
    ProtoOAErrorRes,
    ProtoOAGetTickDataReq,
    ProtoOAGetTrendbarsReq,
    ProtoOAQuoteType,
    ServerError,
)
from ctrader_typed.market import history
from ctrader_typed.market.store.store import Store
from mockserver.box import HEDGED
from tests.ctrader_typed.market.stores import DAY, EURUSD, HOUR, NOW, at

pytestmark = pytest.mark.usefixtures("threads_take_no_time")


class Refusing:
    """Some requests of a client for columns are refused; `at` has the times of these."""

    def __init__(self, api: Any, refuses: Any, code: str) -> None:
        self._ask = api.columns
        self._refuses, self._code = refuses, code
        self.at: list[float] = []
        api.columns = self.columns

    async def columns(self, request: Any) -> Any:
        if self._refuses(request):
            self.at.append(trio.current_time())
            reply = ProtoOAErrorRes(error_code=self._code)
            raise ServerError(self._code, None, request, reply)
        return await self._ask(request)


async def test_a_page_that_is_refused_for_a_moment_is_asked_for_again(autojump_clock: Any) -> None:
    async with at() as (api, _):
        span = EURUSD, "M1", NOW - 9 * DAY, NOW
        expected = await history.bars(api, HEDGED, *span)
        asked = iter(range(100))
        refusing = Refusing(api, lambda _: next(asked) in {1, 2, 4}, "UNKNOWN_ERROR")
        assert await history.bars(api, HEDGED, *span) == expected
        assert len(refusing.at) == 3


@pytest.mark.parametrize(
    ("code", "times"), [("UNKNOWN_ERROR", 5), ("SYMBOL_NOT_FOUND", 1), ("NEW", 1)]
)
async def test_what_is_refused_again_and_again_or_for_good_is_raised(
    code: str, times: int, autojump_clock: Any
) -> None:
    async with at() as (api, _):
        refusing = Refusing(api, lambda _: True, code)
        with pytest.raises(ServerError, match=code):
            await history.bars(api, HEDGED, EURUSD, "M1", NOW - DAY, NOW)
        assert len(refusing.at) == times


async def test_refused_ticks_of_one_side_leave_those_of_the_other(
    tmp_path: Path, autojump_clock: Any
) -> None:
    def bids(request: Any) -> bool:
        return isinstance(request, ProtoOAGetTickDataReq) and request.type == ProtoOAQuoteType.BID

    store, span = Store(tmp_path), (EURUSD, "ticks", NOW - HOUR, NOW)
    async with at() as (api, _):
        ask = await history.ticks(api, HEDGED, EURUSD, NOW - HOUR, NOW, side="ask")
        Refusing(api, bids, "INVALID_REQUEST")
        with pytest.raises(ServerError, match="INVALID_REQUEST"):
            await store.sync((api, HEDGED), *span)
        assert len(ask) > 0
        assert store.read(EURUSD, "ask") == ask
        assert store.covered(EURUSD, "bid") == []


async def test_a_stretch_that_is_refused_leaves_the_others(
    tmp_path: Path, autojump_clock: Any
) -> None:
    store = Store(tmp_path)
    async with at() as (api, _):
        await store.sync((api, HEDGED), EURUSD, "M1", NOW - 3 * DAY, NOW - 2 * DAY)

        def newest(request: Any) -> bool:
            return isinstance(request, ProtoOAGetTrendbarsReq) and request.to_timestamp > NOW - DAY

        Refusing(api, newest, "INVALID_REQUEST")
        with pytest.raises(ServerError, match="INVALID_REQUEST"):
            await store.sync((api, HEDGED), EURUSD, "M1", NOW - 5 * DAY, NOW)
        ((start, _end),) = store.covered(EURUSD, "M1")
        assert round(start.timestamp() * 1000) == NOW - 5 * DAY
