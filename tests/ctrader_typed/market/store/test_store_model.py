"""A store against all that time and chance do: what it calls complete is complete, for good.

The server has a second's delay, may give a bar in the making and short pages; this machine's clock
is wrong by up to half a minute; calls name any span, also what is to come, and fail on the way.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from ctrader_typed import (
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsRes,
    ProtoOATickData,
    ProtoOATrendbar,
)
from ctrader_typed.market import Store, download, history
from ctrader_typed.market.store import store as store_module
from ctrader_typed.message.columns import transposed
from ctrader_typed.proto import SCHEMA
from ctrader_typed.units import milliseconds
from tests.ctrader_typed.market.stores import DAY, EURUSD, HOUR, MIDNIGHT, MINUTE

Row = tuple[int, int]


class Lost(Exception):
    """A download that fails on the way."""


@dataclass
class Server:
    """Has rows of these times, each with a price, as soon as its clock has come to them."""

    chance: Random
    rows: list[Row]
    length: int
    """Of a bar; 0 of ticks."""
    now: int

    def __post_init__(self) -> None:
        self.schema = SCHEMA
        self.page = self.chance.choice([7, 20, 500])
        self.delay = self.chance.randrange(1_000)
        self.shows_the_bar_in_the_making = self.chance.random() < 0.5

    def there(self) -> list[Row]:
        there = [row for row in self.rows if row[0] + self.length + self.delay <= self.now]
        if self.shows_the_bar_in_the_making:
            there += [(time, 1) for time, _ in self.rows if time <= self.now < time + self.length]
        return there

    async def columns(self, request: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if self.chance.random() < 0.03:
            raise Lost
        self.now += self.chance.randrange(300)
        answer = self.bars(request) if self.length else self.ticks(request)
        return transposed(type(answer), type(answer).FromString(bytes(answer)))

    def bars(self, request: Any) -> ProtoOAGetTrendbarsRes:
        """So many back, whatever the window's start, or one less."""
        there = self.there()
        last = bisect_right(there, (request.to_timestamp, 1 << 60))
        first = max(0, last - self.page)
        has_more = first > 0
        first += has_more and self.chance.random() < 0.5
        found = [
            ProtoOATrendbar(volume=1, low=price, utc_timestamp_in_minutes=time // MINUTE)
            for time, price in there[first:last]
        ]
        return ProtoOAGetTrendbarsRes(
            ctid_trader_account_id=1, period=request.period, trendbar=found, has_more=has_more
        )

    def ticks(self, request: Any) -> ProtoOAGetTickDataRes:
        there = self.there()
        low = bisect_left(there, (request.from_timestamp, 0))
        high = bisect_right(there, (request.to_timestamp, 1 << 60))
        first = max(low, high - self.page)
        newest_first = [(0, 0), *there[first:high][::-1]]
        found = [
            ProtoOATickData(timestamp=b[0] - a[0], tick=b[1] - a[1])
            for a, b in pairwise(newest_first)
        ]
        return ProtoOAGetTickDataRes(
            ctid_trader_account_id=1, tick_data=found, has_more=first > low
        )


def priced(times: Iterable[int]) -> list[Row]:
    return [(time, 100_000 + at) for at, time in enumerate(times)]


@pytest.mark.usefixtures("threads_take_no_time")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("what", ["M1", "H1", "ticks"])
async def test_what_is_called_complete_is(
    what: Any, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = Random(seed)
    length = {"M1": MINUTE, "H1": HOUR, "ticks": 0}[what]
    span = 400 * length or 40 * DAY
    if length:
        some = range(MIDNIGHT, MIDNIGHT + span, length)
        times = sorted(chance.sample(some, 280))
    else:  # some share a ms
        once = [MIDNIGHT + chance.randrange(span) for _ in range(280)]
        times = sorted(once + chance.sample(once, 60))
    server = Server(chance, priced(times), length, MIDNIGHT + span // 4)
    wrong_by = chance.randrange(-30_000, 30_000)
    for module in (download, history, store_module):
        monkeypatch.setattr(module, "now", lambda: server.now + wrong_by)
    monkeypatch.setattr(store_module, "ENOUGH", chance.choice([1, 50, 1_000]))
    store, account = Store(tmp_path), (server, 1)
    for _ in range(6):
        since = chance.randrange(MIDNIGHT - DAY, server.now - MINUTE)
        until = chance.choice([None, since + chance.randrange(span), MIDNIGHT + 2 * span])
        with suppress(Lost):
            await store.sync(account, EURUSD, what, since, until)
        for part in [what] if length else ["bid", "ask"]:
            for start, end in store.covered(EURUSD, part):
                first, last = milliseconds(start), milliseconds(end)
                assert last <= server.now + 30_000
                time, *_, price = store.read(EURUSD, part, first, last).arrays[:5]
                wanted = [row for row in server.rows if first <= row[0] < last]
                assert list(zip(time, price, strict=True)) == wanted
        server.now += chance.randrange(span // 3)
