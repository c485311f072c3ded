"""A store is kept up with the server: all of it, each row once, and nothing asked for twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed import (
    Api,
    InvalidValue,
)
from ctrader_typed.market import Bars, Page, Progress, QuoteTicks, history
from ctrader_typed.market.store import store as store_module
from ctrader_typed.market.store.store import Store
from ctrader_typed.proto import SCHEMA
from ctrader_typed.units import milliseconds
from examples import store as example
from mockserver.box import HEDGED
from mockserver.broker.rules import MarketRules
from tests.ctrader_typed.market.stores import (
    DAY,
    EURUSD,
    HOUR,
    MIDNIGHT,
    MINUTE,
    NOW,
    QUIRKS,
    WEEK,
    at,
    minutes,
    utc,
)

pytestmark = pytest.mark.usefixtures("threads_take_no_time")


class Account:
    """An account as far as a store needs one."""

    def __init__(self, client: Api) -> None:
        self.client = client
        self.account_id = HEDGED


async def test_all_of_it_comes_and_then_only_what_is_new(tmp_path: Path, autojump_clock) -> None:
    store, since = Store(tmp_path), NOW - 9 * DAY
    answers: list[Progress] = []
    async with at() as (api, _):
        expected = await history.bars(api, HEDGED, EURUSD, "M1", since, NOW)
        span = EURUSD, "M1", since, NOW
        new = await store.sync((api, HEDGED), *span, progress=answers.append)
        assert new == len(expected) > 7_000
        assert len(answers) == 1 + new // (QUIRKS.bars_page - 1)
        assert store.read(EURUSD, "M1") == expected
        ((start, end),) = store.covered(EURUSD, "M1")
        assert (start, end) == (utc(since), utc(expected.time[-1] + MINUTE))
        answers.clear()
        assert await store.sync(Account(api), *span, progress=answers.append) == 0
        assert len(answers) <= 1
    async with at(now=NOW + 2 * DAY) as (api, _):
        expected = await history.bars(api, HEDGED, EURUSD, "M1", since - DAY, NOW + 2 * DAY)
        span = EURUSD, "M1", since - DAY, NOW + 2 * DAY
        await store.sync((api, HEDGED), *span, progress=answers.append)
        assert store.read(EURUSD, "M1") == expected
        assert len(answers) < 9
        assert answers[-1].done == pytest.approx(1)
        assert answers[0].done > 9 / 12


async def test_the_newest_end_is_not_taken_for_complete(tmp_path: Path, autojump_clock) -> None:
    """A bar comes to history some time after it has ended; the next call finds it."""
    store, since = Store(tmp_path), NOW - HOUR
    async with at(MarketRules(bar_delay=90_000)) as (api, _):
        assert await store.sync((api, HEDGED), EURUSD, "M1", since, NOW) == 58
    async with at() as (api, _):
        assert await store.sync((api, HEDGED), EURUSD, "M1", since, NOW) == 2
        assert store.read(EURUSD, "M1") == await history.bars(api, HEDGED, EURUSD, "M1", since, NOW)


@pytest.mark.parametrize("what", ["M1", "ticks"])
async def test_what_is_still_to_come_is_not_taken_for_complete(
    tmp_path: Path, autojump_clock, monkeypatch: pytest.MonkeyPatch, what: Any
) -> None:
    """Also where whole windows lie in the future: those of ticks are a week wide."""
    store, since, end = Store(tmp_path), NOW - 5 * HOUR, NOW + 20 * DAY
    for now in (NOW, NOW + HOUR):
        monkeypatch.setattr(store_module, "now", lambda now=now: now)
        async with at(now=now) as (api, _):
            assert await store.sync((api, HEDGED), EURUSD, what, since, end) > 0
            assert store.covered(EURUSD, what)[-1][1] <= utc(now)
            expected: Bars | QuoteTicks = (
                await history.ticks(api, HEDGED, EURUSD, since, now)
                if what == "ticks"
                else await history.bars(api, HEDGED, EURUSD, what, since, now)
            )
            assert store.read(EURUSD, what, since, now) == expected


async def test_weeks_without_ticks_are_asked_for_once(
    tmp_path: Path, autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, span = Store(tmp_path), (NOW - HOUR, NOW + 20 * WEEK)
    monkeypatch.setattr(store_module, "now", lambda: NOW + 20 * WEEK)
    answers: list[Progress] = []
    async with at() as (api, _):
        for most in (60, 6):
            await store.sync((api, HEDGED), EURUSD, "ticks", *span, progress=answers.append)
            assert len(answers) < most
            answers.clear()


async def test_a_bar_that_may_change_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's clock may be ahead of the server's: what it takes for ended may not have."""
    store, client, last = Store(tmp_path), Api.__new__(Api), MIDNIGHT + 8 * MINUTE
    monkeypatch.setattr(client, "_schema", SCHEMA, raising=False)  # it is asked for nothing else
    asked: list[int] = []

    def of_server(bars: Bars, now: int) -> None:
        async def pages(*args: Any) -> AsyncGenerator[Page[Bars], None]:
            start, end = map(milliseconds, args[-2:])
            asked.append(start)
            yield Page(bars.between(*args[-2:]), start, end)

        monkeypatch.setattr(history, "bar_pages", pages)
        monkeypatch.setattr(store_module, "now", lambda: now)

    for price, now, end in [
        (114_880, last + 2 * MINUTE - 1, last),
        (120_000, last + 2 * MINUTE, last + MINUTE),
        (130_000, last + HOUR, last + MINUTE),
    ]:
        of_server(minutes(0, 8) + minutes(8, 1, price), now)
        await store.sync((client, HEDGED), EURUSD, "M1", MIDNIGHT, MIDNIGHT + HOUR)
        ((_, complete),) = store.covered(EURUSD, "M1")
        assert complete == utc(end)
    assert store.read(EURUSD, "M1") == minutes(0, 8) + minutes(8, 1, 120_000)
    assert asked == [MIDNIGHT, last, last + MINUTE]


async def test_ticks_of_both_sides(tmp_path: Path, autojump_clock) -> None:
    store, since = Store(tmp_path), NOW - 3 * HOUR
    async with at() as (api, _):
        quotes = await history.ticks(api, HEDGED, EURUSD, since, NOW)
        assert await store.sync((api, HEDGED), EURUSD, "ticks", since, NOW) > len(quotes)
        assert store.read(EURUSD, "ticks") == quotes
        assert len(quotes) > 3_000
        assert await store.sync((api, HEDGED), EURUSD, "ticks", since, NOW) == 0
    later = NOW + 30 * MINUTE
    async with at(now=later) as (api, _):
        assert await store.sync((api, HEDGED), EURUSD, "ticks", since - HOUR, later) > 0
        assert store.read(EURUSD, "ticks") == await history.ticks(
            api, HEDGED, EURUSD, since - HOUR, later
        )


async def test_cancelled_again_and_again_it_gets_there(
    tmp_path: Path, autojump_clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time what was downloaded is stored, and not asked for again."""
    monkeypatch.setattr(store_module, "ENOUGH", 1_500)
    store, since = Store(tmp_path), NOW - 9 * DAY
    scope, answers, calls = trio.CancelScope(), 0, 0

    def cancel_at_the_fourth(_: Progress) -> None:
        nonlocal answers
        answers += 1
        if answers % 4 == 0:
            scope.cancel()

    async with at() as (api, _):
        expected = await history.bars(api, HEDGED, EURUSD, "M1", since, NOW)
        while calls == 0 or scope.cancelled_caught:
            calls += 1
            with trio.CancelScope() as scope:
                await store.sync(
                    (api, HEDGED), EURUSD, "M1", since, NOW, progress=cancel_at_the_fourth
                )
            there = store.read(EURUSD, "M1")
            assert there == expected[len(expected) - len(there) :]
        assert there == expected
    assert calls > 2
    # Each page once, and in each call one for what is new.
    assert answers <= len(expected) // (QUIRKS.bars_page - 1) + 1 + calls


async def test_what_progress_raises_ends_it_and_what_came_is_kept(
    tmp_path: Path, autojump_clock
) -> None:
    store, since = Store(tmp_path), NOW - 3 * DAY

    def tired(progress: Progress) -> None:
        raise LookupError(progress.rows)

    async with at() as (api, _):
        with pytest.raises(LookupError) as caught:
            await store.sync((api, HEDGED), EURUSD, "M1", since, NOW, progress=tired)
        assert len(store.read(EURUSD, "M1")) == caught.value.args[0] > 600


def years_of(folder: Path) -> set[str]:
    return {path.stem for path in folder.rglob("*.parquet")}


async def test_before_history_begins_there_is_nothing_to_ask_for_twice(
    tmp_path: Path, autojump_clock
) -> None:
    store = Store(tmp_path)
    async with at(since=NOW - 400 * DAY) as (api, _):
        await store.sync((api, HEDGED), EURUSD, "W1", "2010-01-01", NOW)
        ((start, _),) = store.covered(EURUSD, "W1")
        assert start == datetime(2010, 1, 1, tzinfo=UTC)
        assert years_of(tmp_path) == {"2025", "2026"}
        answers: list[Progress] = []
        span = EURUSD, "W1", "2010-01-01", NOW
        assert await store.sync((api, HEDGED), *span, progress=answers.append) == 0
        assert len(answers) <= 1


async def test_a_file_that_is_deleted_is_downloaded_again(tmp_path: Path, autojump_clock) -> None:
    store, since = Store(tmp_path), NOW - 5 * DAY
    async with at() as (api, _):
        await store.sync((api, HEDGED), EURUSD, "M1", since, NOW)
        before = store.read(EURUSD, "M1")
        (tmp_path / "bars/symbol=1/period=M1/2026-02.parquet").unlink()
        assert len(store.read(EURUSD, "M1")) < len(before)
        assert await store.sync((api, HEDGED), EURUSD, "M1", since, NOW) > 0
        assert store.read(EURUSD, "M1") == before


async def test_only_what_the_server_has_can_be_kept(tmp_path: Path, autojump_clock) -> None:
    async with at() as (api, _):
        with pytest.raises(InvalidValue, match="no M20 bars: keep M10"):
            await Store(tmp_path).sync((api, HEDGED), EURUSD, "M20", NOW - DAY, NOW)
        with pytest.raises(InvalidValue, match="is after end"):
            await Store(tmp_path).sync((api, HEDGED), EURUSD, "M1", NOW, NOW - 1)
    assert not years_of(tmp_path)


async def test_the_example_runs(capsys: pytest.CaptureFixture[str], autojump_clock) -> None:
    await example.main()
    said = capsys.readouterr().out
    assert "0 came the second time" in said
    assert "quotes, the first at 12:0" in said
