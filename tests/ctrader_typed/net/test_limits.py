"""Rate limits on a link, in virtual time: who waits, for how long, and who never does."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio
import trio.testing

from ctrader_typed import (
    Message,
    ProtoHeartbeatEvent,
    ProtoOACancelOrderReq,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOANewOrderReq,
    ProtoOARefreshTokenReq,
    ProtoOATraderReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    RateLimited,
)
from ctrader_typed.protocol.rate_limits import NO_LIMITS, RateLimits

ASK, ANSWER = ProtoOAVersionReq(), ProtoOAVersionRes(version="91")
CANCEL = ProtoOACancelOrderReq(ctid_trader_account_id=1, order_id=7)
BARS = ProtoOAGetTrendbarsReq(
    ctid_trader_account_id=1, symbol_id=1, period=1, from_timestamp=0, to_timestamp=1
)
NO_BARS = ProtoOAGetTrendbarsRes(ctid_trader_account_id=1, period=1, symbol_id=1)
ACCEPTED = ProtoOAExecutionEvent(
    ctid_trader_account_id=1, execution_type=ProtoOAExecutionType.ORDER_ACCEPTED
)
TOO_MANY = ProtoOAErrorRes(error_code="REQUEST_FREQUENCY_EXCEEDED")


def locked(seconds: int) -> Message:
    return ProtoOAErrorRes(error_code="BLOCKED_PAYLOAD_TYPE", retry_after=seconds)


class Counter:
    """A peer that answers everything and notes when each kind of request came."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer
        self.came: dict[type[Message], list[float]] = {}

    async def run(self) -> None:
        while (event := await self.peer.next()) is not None:
            self.came.setdefault(type(event.message), []).append(trio.current_time())
            reply = NO_BARS if isinstance(event.message, ProtoOAGetTrendbarsReq) else ANSWER
            if not isinstance(event.message, ProtoHeartbeatEvent):
                await self.peer.send(reply, to=event.client_msg_id)


@pytest.mark.parametrize("retry_after", [0, 1, 3, 17])
async def test_a_blocked_read_is_sent_again_after_the_block(retry_after, play, autojump_clock):
    async with play() as (api, peer), trio.open_nursery() as nursery:
        start = trio.current_time()

        async def refuse_once() -> None:
            await peer.answer(ProtoOAVersionReq, locked(retry_after))
            await peer.answer(ProtoOAVersionReq, ANSWER)

        nursery.start_soon(refuse_once)
        assert await api.version() == ANSWER
        assert trio.current_time() - start == pytest.approx(retry_after, abs=0.001)


async def test_without_a_hint_a_read_waits_longer_each_time(play, autojump_clock):
    async with play() as (api, peer), trio.open_nursery() as nursery:
        start, came = trio.current_time(), []

        async def refuse() -> None:
            for reply in (TOO_MANY, TOO_MANY, TOO_MANY, ANSWER):
                ident = await peer.expect(ProtoOAVersionReq)
                came.append(trio.current_time() - start)
                await peer.send(reply, to=ident)

        nursery.start_soon(refuse)
        assert await api.version() == ANSWER
        assert came == pytest.approx([0, 1, 3, 7])


@pytest.mark.parametrize(
    ("write", "refusal"),
    [
        (CANCEL, locked(2)),
        (CANCEL, TOO_MANY),
        (ProtoOARefreshTokenReq(refresh_token="x"), locked(2)),
        (ProtoOARefreshTokenReq(refresh_token="x"), TOO_MANY),
    ],
)
async def test_a_write_is_never_sent_again(write, refusal, play, autojump_clock):
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.answer, type(write), refusal)
        with pytest.raises(RateLimited) as caught:
            await api.request(write)
        assert caught.value.request is write
        with trio.move_on_after(8):  # before the first heartbeat
            event = await peer.next()
            pytest.fail(f"expected nothing, got {event}")


async def test_a_blocked_order_is_refused_at_once_until_the_block_is_over(play, autojump_clock):
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.answer, ProtoOACancelOrderReq, locked(4))
        with pytest.raises(RateLimited):
            await api.request(CANCEL)
        with pytest.raises(RateLimited) as caught:
            await api.request(CANCEL)
        assert caught.value.retry_after == 4
        await trio.sleep(4)
        nursery.start_soon(peer.answer, ProtoOACancelOrderReq, ACCEPTED)
        assert await api.request(CANCEL) == ACCEPTED


async def test_cancelled_while_it_waits_for_the_block_nothing_is_sent(play, autojump_clock):
    async with play() as (api, peer), trio.open_nursery() as nursery:
        nursery.start_soon(peer.answer, ProtoOAVersionReq, locked(3))
        with trio.move_on_after(2) as scope:
            await api.version()
        assert scope.cancelled_caught
        assert api.limits().ordinary.queued == 0
        assert api.limits().blocked == {"ProtoOAVersionReq": pytest.approx(scope.deadline + 1)}
        with trio.move_on_after(5):
            pytest.fail(f"expected nothing, got {await peer.next()}")


async def test_a_burst_of_history_then_an_order(play, autojump_clock):
    async with play() as (api, peer), trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(api.request, BARS)
        await trio.testing.wait_all_tasks_blocked()
        assert api.limits().historical.queued == 35
        assert api.limits().historical.left == 0
        start = trio.current_time()
        order = ProtoOANewOrderReq(
            ctid_trader_account_id=1, symbol_id=1, order_type=1, trade_side=1, volume=100
        )
        nursery.start_soon(api.request, order)
        for _ in range(5):
            await peer.expect(ProtoOAGetTrendbarsReq)
        await peer.expect(ProtoOANewOrderReq)
        assert trio.current_time() == start
        nursery.cancel_scope.cancel()


async def test_the_link_asks_for_a_sign_of_life_though_its_lane_is_blocked(play, autojump_clock):
    async with play() as (api, peer), trio.open_nursery() as nursery:
        start = trio.current_time()
        nursery.start_soon(
            peer.answer,
            ProtoOATraderReq,
            ProtoOAErrorRes(error_code="REQUEST_FREQUENCY_EXCEEDED", retry_after=100),
        )
        nursery.start_soon(api.request, ProtoOATraderReq(ctid_trader_account_id=1))
        await trio.sleep(1)
        await peer.answer(ProtoOAVersionReq, ANSWER)
        assert trio.current_time() - start == pytest.approx(20)
        await trio.sleep(15)
        assert api.limits().ordinary.queued == 1
        nursery.cancel_scope.cancel()


async def test_what_may_be_sent_is_the_callers_to_say(play, autojump_clock):
    for limits, seconds in ((NO_LIMITS, 0.0), (RateLimits(ordinary=20, margin=0.0), 4.0)):
        async with play(limits=limits) as (api, peer), trio.open_nursery() as nursery:
            nursery.start_soon(Counter(peer).run)
            start = trio.current_time()
            async with trio.open_nursery() as requests:
                for _ in range(84):
                    requests.start_soon(api.version)
            assert trio.current_time() - start == pytest.approx(seconds, abs=0.2)
            nursery.cancel_scope.cancel()


async def test_two_saturated_minutes_on_a_link(play, autojump_clock, capsys):
    """Both lanes have always more to send; what counts is when it comes to the server."""
    async with play() as (api, peer), trio.open_nursery() as nursery:
        server = Counter(peer)
        nursery.start_soon(server.run)

        async def ask(request: Any) -> None:
            while True:
                await api.request(request)

        start = trio.current_time()
        for _ in range(60):
            nursery.start_soon(ask, ASK)
        for _ in range(10):
            nursery.start_soon(ask, BARS)
        await trio.sleep_until(start + 120)
        nursery.cancel_scope.cancel()
    lines = []
    for kind, limit in ((ProtoOAVersionReq, 50), (ProtoOAGetTrendbarsReq, 5)):
        times = server.came[kind]
        violations = sum(b - a < 1 for a, b in zip(times, times[limit:], strict=False))
        share = len(times) / (limit * 120)
        assert violations == 0
        assert share >= 0.95
        lines.append(f"{kind.__name__}: {violations} violations, {share:.1%} of the lane used")
    beats = server.came[ProtoHeartbeatEvent]
    assert max(b - a for a, b in itertools.pairwise(beats)) < 10
    with capsys.disabled():
        print("\n" + "\n".join(lines))  # noqa: T201 - figures that were promised


async def test_repeated_refusals_are_logged_once_and_counted(play, caplog, autojump_clock) -> None:
    refusals = 25
    async with play() as (api, peer):

        async def refuse() -> None:
            left = refusals
            while left:
                event = await peer.next()
                if isinstance(event.message, ProtoOAGetTrendbarsReq):
                    left -= 1
                    await peer.send(TOO_MANY, to=event.client_msg_id)
                elif not isinstance(event.message, ProtoHeartbeatEvent):
                    await peer.send(ANSWER, to=event.client_msg_id)
            await Counter(peer).run()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            assert await api.request(BARS) == NO_BARS
            nursery.cancel_scope.cancel()
        assert api.statistics().refused == refusals
    said = [r.getMessage() for r in caplog.records if "ProtoOAGetTrendbarsReq" in r.getMessage()]
    assert [text.partition(":")[0] for text in said] == [
        "ProtoOAGetTrendbarsReq was refused",
        "ProtoOAGetTrendbarsReq was refused 10 times on this connection",
    ]
    assert said[0].endswith("; it is asked again after the block, as often as it takes")
