"""What a replay can do besides playing line by line: any order, templates, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
import trio

from ctrader_typed import ProtoOASpotEvent, connect_over
from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAAmendOrderReq,
    ProtoOACancelOrderReq,
    ProtoOANewOrderReq,
    ProtoOASymbolByIdReq,
    ProtoOAVersionReq,
)
from mockserver.composition import mock_server
from mockserver.errors import SessionDiverged, SessionError
from mockserver.handler import Action, Close, Envelope, Send, UnknownPayload
from mockserver.recordings.session_file import Order, Session, read_session
from mockserver.recordings.templates import FIRST_FRESH
from mockserver.replay.replay import STEP, NotStepwise, Replay, ReplayHandler
from mockserver.replay.report import report


def step(
    side: str, name: str, client_msg_id: str | None = None, t: float = 0, **payload: Any
) -> str:
    entry = {"direction": side, "message": name, "t": t, "payload": payload}
    return json.dumps(entry if client_msg_id is None else {**entry, "clientMsgId": client_msg_id})


def session(*lines: str) -> Session:
    return read_session(lines, SCHEMA, "s.jsonl")


def ask(symbol: int, client_msg_id: str, t: float = 0) -> str:
    """A request that can be told from others of its kind."""
    return step(
        *("client", "ProtoOASymbolByIdReq", client_msg_id, t),
        ctidTraderAccountId=1,
        symbolId=[symbol],
    )


def answer(client_msg_id: str, t: float = 0, account: int = 1) -> str:
    return step("server", "ProtoOASymbolByIdRes", client_msg_id, t, ctidTraderAccountId=account)


def spot(bid: int, t: float = 0) -> str:
    return step("server", "ProtoOASpotEvent", None, t, ctidTraderAccountId=1, symbolId=1, bid=bid)


def says(message: Message, client_msg_id: str | None = None) -> Envelope:
    return Envelope(message, client_msg_id)


def asks(symbol: int, client_msg_id: str | None = None) -> Envelope:
    return says(ProtoOASymbolByIdReq(ctid_trader_account_id=1, symbol_id=[symbol]), client_msg_id)


def messages(actions: Iterable[Action]) -> list[Any]:
    return [action.message for action in actions if isinstance(action, Send)]


def ids(actions: Iterable[Action]) -> list[Any]:
    """What is sent: the bid of a quote, the id of anything else."""
    return [
        action.message.bid if isinstance(action.message, ProtoOASpotEvent) else action.client_msg_id
        for action in actions
        if isinstance(action, Send)
    ]


# --- any order -----------------------------------------------------------------------------------

THREE = (
    spot(0),
    ask(1, "1"),
    answer("1"),
    ask(2, "2"),
    ask(3, "3"),
    answer("3"),
    spot(23),
    answer("2"),
)


def any_order(*lines: str, pace: float = 0) -> ReplayHandler:
    return ReplayHandler(session(*lines), order=Order.ANY, pace=pace)


def test_requests_are_answered_in_whatever_order_they_come():
    script = any_order(*THREE)
    assert ids(script.opened(0)) == [0]
    assert ids(script.received(asks(3, "c"), 0)) == ["c", 23]  # what came unasked comes along
    assert ids(script.received(asks(1, "a"), 0)) == ["a"]
    assert not script.outcome.good
    assert ids(script.received(asks(2, "b"), 0)) == ["b"]
    assert script.outcome.good
    assert list(script.wake(2)) == [Close("the session is over")]


def test_each_is_answered_once_and_the_first_that_fits_comes_first():
    script = any_order(ask(1, "1"), answer("1", account=10), ask(1, "2"), answer("2", account=20))
    assert messages(script.received(asks(1), 0))[0].ctid_trader_account_id == 10
    assert messages(script.received(asks(1), 0))[0].ctid_trader_account_id == 20
    assert script.outcome.good
    list(script.received(asks(1), 0))
    assert (
        report(script.outcome)
        == """\
s.jsonl: the client diverged from the session, 4 of 4 steps played.

Nothing more was expected, and ProtoOASymbolByIdReq came.

Other steps of the session with ProtoOASymbolByIdReq:
  line 1, played before: is exactly what came
  line 3, played before: is exactly what came

What to do:
  The client sent line 1 twice: let it send it once, or write it
  into the session a second time."""
    )


def test_pauses_count_from_the_request_that_was_answered():
    script = any_order(
        spot(0, 1), ask(1, "1", 5), answer("1", 6), ask(2, "2", 7), answer("2", 7.5), pace=2
    )
    assert ids(script.opened(10)) == [0]
    list(script.received(asks(2, "b"), 15))
    list(script.received(asks(1, "a"), 15))
    assert script.wake_at() == 16
    assert ids(script.wake(16)) == ["b"]
    assert ids(script.wake(17)) == ["a"]


def test_the_report_shows_the_nearest_of_what_is_to_come():
    orders = [
        step(
            *("client", "ProtoOANewOrderReq"),
            ctidTraderAccountId=1,
            symbolId=n,
            orderType=1,
            tradeSide=1,
            volume=volume,
        )
        for n, volume in ((1, 100), (2, 200))
    ]
    script = any_order(ask(1, "1"), *orders)
    came = ProtoOANewOrderReq.from_dict(
        {"ctidTraderAccountId": 1, "symbolId": 2, "orderType": 1, "tradeSide": 1, "volume": 500}
    )
    error, _ = script.received(says(came, "x"), 0)
    assert isinstance(error, Send)
    assert "has no answer to this" in repr(error.message)
    assert (
        report(script.outcome)
        == """\
s.jsonl: the client diverged from the session, 0 of 3 steps played.

ProtoOANewOrderReq came, and fits no step that is still to come.
The nearest, line 3, differs in 1 field:

  field   expected  came
  volume  200       500

Other steps of the session with ProtoOANewOrderReq:
  line 2, still to come: differs in symbolId, volume

What to do:
  If the client is right, correct line 3: for a field that is
  different every time write "<any>" as its value, or name it in "ignore".
  What is new can be added to the session: play it with --record-mode new_episodes
  and an --upstream that answers it.

Not played:
  line 1, client: ProtoOASymbolByIdReq
  line 2, client: ProtoOANewOrderReq
  line 3, client: ProtoOANewOrderReq"""
    )


def test_the_report_says_what_is_to_come_where_nothing_is_near():
    script = any_order(ask(1, "1"), ask(2, "2"))
    list(script.received(UnknownPayload(4242, b""), 0))
    assert "came, and only this is still to come: ProtoOASymbolByIdReq." in report(script.outcome)
    script = any_order(ask(1, "1"))
    list(script.received(says(ProtoOAVersionReq()), 0))
    text = report(script.outcome)
    assert "ProtoOAVersionReq came, and only this is still to come: ProtoOASymbolByIdReq." in text
    assert "--record-mode new_episodes" in text


def test_the_header_says_in_which_order_and_a_replay_may_say_otherwise():
    lines = ('{"session": 1, "order": "any"}', ask(1, "1"), ask(2, "2"))
    assert read_session(lines, SCHEMA).order is Order.ANY
    for order, good in ((None, True), ("any", True), (Order.STRICT, False), ("strict", False)):
        replay = Replay(read_session(lines, SCHEMA), order=order)
        script = replay(Caller())
        list(script.received(asks(2), 0))
        assert (script.outcome.divergence is None) is good
    with pytest.raises(ValueError, match="'loose' is not a valid Order"):
        Replay(read_session(lines, SCHEMA), order="loose")
    with pytest.raises(SessionError, match="'order': expected 'strict' or 'any', got 'loose'"):
        session('{"session": 1, "order": "loose"}', ask(1, "1"))


# --- templates -----------------------------------------------------------------------------------

EVENT = {"ctidTraderAccountId": 1, "executionType": 2}
TRADE = {"symbolId": 1, "volume": 100, "tradeSide": 1, "openTimestamp": "<now-2s>"}
ORDER = {"orderId": "<fresh:order>", "tradeData": TRADE, "orderType": 2, "orderStatus": 1}


def accepted(name: str, client_msg_id: str) -> str:
    order = {**ORDER, "orderId": f"<fresh:{name}>", "clientOrderId": f"<fresh:{name}>"}
    return step("server", "ProtoOAExecutionEvent", client_msg_id, **EVENT, order=order)


def new_order(client_msg_id: str) -> str:
    fields = {"ctidTraderAccountId": 1, "symbolId": 1, "orderType": 2, "tradeSide": 1}
    return step("client", "ProtoOANewOrderReq", client_msg_id, **fields, volume=100)


def cancel(name: str, client_msg_id: str) -> str:
    fields = {"ctidTraderAccountId": 1, "orderId": f"<fresh:{name}>"}
    return step("client", "ProtoOACancelOrderReq", client_msg_id, **fields)


def buy() -> Envelope:
    return says(
        ProtoOANewOrderReq.from_dict(
            {"ctidTraderAccountId": 1, "symbolId": 1, "orderType": 2, "tradeSide": 1, "volume": 100}
        )
    )


class Caller:
    wire = "memory"
    number = 1

    def push(self, actions: Iterable[Action]) -> None: ...


def test_fresh_numbers_are_new_for_each_name_and_connection_and_the_client_must_know_them():
    replay = Replay(session(new_order("1"), accepted("a", "1"), new_order("2"), accepted("b", "2")))
    seen = []
    for _ in range(2):
        script = replay(Caller())
        for _ in range(2):
            (event,) = messages(script.received(buy(), 0))
            assert event.order.client_order_id == str(event.order.order_id)
            seen.append(event.order.order_id)
    assert seen == list(range(FIRST_FRESH, FIRST_FRESH + 4))


@pytest.mark.parametrize("order", Order)
def test_the_client_must_send_the_fresh_number_that_it_was_sent(order):
    steps = session(new_order("1"), accepted("a", "1"), cancel("a", "2"))
    for wrong in (0, 1):
        script = ReplayHandler(steps, order=order)
        (event,) = messages(script.received(buy(), 0))
        request = ProtoOACancelOrderReq(
            ctid_trader_account_id=1, order_id=event.order.order_id + wrong
        )
        list(script.received(says(request), 0))
        assert script.outcome.good is not bool(wrong)
        if wrong:
            assert f"orderId  {FIRST_FRESH}  {FIRST_FRESH + 1}" in " ".join(
                report(script.outcome).split(" ")
            ).replace("   ", "  ")


def test_times_are_told_from_the_time_of_sending():
    bar = {"volume": 1, "low": 5, "utcTimestampInMinutes": "<now-1h>"}
    event = {"ctidTraderAccountId": 1, "symbolId": 1, "timestamp": "<now>", "trendbar": [bar]}
    replay = Replay(
        session(ask(1, "1"), step("server", "ProtoOASpotEvent", None, 2, **event)),
        pace=1,
        epoch=1e9,
    )
    script = replay(Caller())
    list(script.received(asks(1), 100))
    (spot,) = messages(script.wake(102))
    assert spot.timestamp == 1_000_000_102_000
    assert spot.trendbar[0].utc_timestamp_in_minutes == (1_000_000_102 - 3600) // 60


@pytest.mark.parametrize(
    ("text", "offset"),
    [("<now+5>", None), ("<now-250ms>", -250), ("<now+30s>", 30_000), ("<now+2d>", 172_800_000)],
)
def test_times_have_units(text, offset):
    event = {"ctidTraderAccountId": 1, "symbolId": 1, "timestamp": text}
    line = step("server", "ProtoOASpotEvent", **event)
    if offset is None:
        with pytest.raises(SessionError, match="timestamp"):
            session(line)
    else:
        (spot,) = messages(Replay(session(line), epoch=0)(Caller()).opened(0))
        assert spot.timestamp == offset


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (cancel("a", "1"), "line 1: <fresh:a>: no message of the server before it has made it"),
        (
            step("client", "ProtoOACancelOrderReq", ctidTraderAccountId=1, orderId="<now>"),
            'line 1: only what the server sends can tell the time; write "<any>"',
        ),
        (
            step("server", "ProtoOAVersionRes", version="<request:nothing>"),
            "<request:nothing>: no request before it",
        ),
    ],
)
def test_a_template_that_can_have_no_value_is_refused_when_the_session_is_read(line, complaint):
    with pytest.raises(SessionError, match=complaint):
        session(line)


def test_an_unknown_amend_keeps_its_own_value():
    """A fresh number deep inside, and beside it fields that are none."""
    amend = {"ctidTraderAccountId": 1, "orderId": "<fresh:a>", "volume": 300}
    steps = session(
        new_order("1"), accepted("a", "1"), step("client", "ProtoOAAmendOrderReq", **amend)
    )
    script = ReplayHandler(steps)
    list(script.received(buy(), 0))
    request = ProtoOAAmendOrderReq(ctid_trader_account_id=1, order_id=FIRST_FRESH, volume=300)
    list(script.received(says(request), 0))
    assert script.outcome.good


# --- step by step --------------------------------------------------------------------------------


async def test_the_test_releases_each_message_of_the_server(autojump_clock):
    steps = session(ask(1, "1"), answer("1"), spot(1), spot(2), spot(3))
    replay = Replay(steps, pace=STEP)
    async with mock_server(replay, port=None) as server:
        async with (
            connect_over(server.memory_client()) as api,
            api.events(ProtoOASpotEvent) as spots,
            trio.open_nursery() as nursery,
        ):
            answered = trio.Event()

            async def request() -> None:
                await api.symbol_by_id(ctid_trader_account_id=1, symbol_id=[1])
                answered.set()

            nursery.start_soon(request)
            await trio.sleep(5)
            assert not answered.is_set()
            replay.release()
            await answered.wait()
            with trio.move_on_after(5):
                await anext(spots)
                raise AssertionError("nobody released it")
            replay.release(2)
            assert [(await anext(spots)).bid for _ in range(2)] == [1, 2]
        await server.wait_ended()
    with pytest.raises(SessionDiverged, match=r"ProtoOASpotEvent \(line 5\) was not released bef"):
        replay.check()
    with pytest.raises(NotStepwise, match="the pace is not STEP"):
        Replay(steps).release()


async def test_what_is_released_before_anybody_calls_is_for_who_calls_next(autojump_clock):
    replay = Replay(session(ask(1, "1"), answer("1"), spot(1)), pace=STEP)
    replay.release()
    async with (
        mock_server(replay, port=None) as server,
        connect_over(server.memory_client()) as api,
        api.events(ProtoOASpotEvent) as spots,
    ):
        await api.symbol_by_id(ctid_trader_account_id=1, symbol_id=[1])
        with trio.move_on_after(5):
            await anext(spots)
            raise AssertionError("nobody released it")
