"""What each fault does, without a loop; and when it does it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAErrorRes,
    ProtoOASpotEvent,
    ProtoOATraderReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader_typed.wire.connection import Connection
from mockserver.faults.effects import (
    Announce,
    Answer,
    CloseDoor,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Hang,
    HangUp,
    Inflate,
    Meet,
    Push,
    Refuse,
    Reorder,
    Reset,
    Strip,
    Throttle,
    Truncate,
)
from mockserver.faults.injector import FaultyFactory
from mockserver.faults.plan import Fault, Plan
from mockserver.handler import (
    Action,
    ClientConnection,
    Close,
    ConnectionGreeting,
    Envelope,
    Event,
    Send,
    SendPayload,
    SendRaw,
    StopListening,
    ThrottleSend,
    UnknownPayload,
)
from mockserver.handler import Reset as BreakOff
from mockserver.recordings.session_file import Direction

CLIENT = Direction.CLIENT
ANSWER = ProtoOAVersionRes(version="91")
BEAT = ProtoHeartbeatEvent()


def spot(bid: int) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(ctid_trader_account_id=7, symbol_id=1, bid=bid, ask=bid + 1)


class Echo:
    """Answers each version request; remembers what it heard and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, float]] = []
        self.alarm: float | None = None
        self.says: list[Action] = []
        self.is_closed = False

    def opened(self, now: float) -> Iterable[Action]:
        return []

    def received(self, event: Event, now: float) -> Iterable[Action]:
        message = event.message if isinstance(event, Envelope) else event
        self.heard.append((message, now))
        if isinstance(message, ProtoOAVersionReq):
            return [Send(ANSWER, event.client_msg_id)]
        return []

    def wake_at(self) -> float | None:
        return self.alarm

    def wake(self, now: float) -> Iterable[Action]:
        self.alarm = None
        return self.says

    def closed(self, now: float) -> None:
        self.is_closed = True


class Rig:
    """A faulty echo, and whoever talks to it."""

    def __init__(self, *faults: Fault, seed: int = 0, number: int = 1) -> None:
        self.plan = Plan(faults, seed)
        self.echo = Echo()
        self.pushed: list[Action] = []
        self.callers: list[ClientConnection] = []
        self.faulty = FaultyFactory(self.make, self.plan, SCHEMA)
        self.way = self.faulty(ClientConnection(number, "memory", self.pushed.extend))
        assert list(self.way.opened(0.0)) == []

    def make(self, client: ClientConnection) -> Echo:
        self.callers.append(client)
        return self.echo

    def says(self, message: Any, now: float = 0.0, client_msg_id: str | None = "q") -> list[Any]:
        event = Envelope(message, client_msg_id) if isinstance(message, Message) else message
        return list(self.way.received(event, now))

    def pushes(self, *messages: Message, now: float = 0.0) -> list[Action]:
        """What becomes of these when the behaviour sends them out of turn."""
        self.faulty.wake(now)
        self.pushed.clear()
        for message in messages:
            self.callers[0].push([Send(message)])
        return list(self.pushed)

    def wakes(self, now: float) -> list[Action]:
        assert self.way.wake_at() == pytest.approx(now)
        return list(self.way.wake(now))


def raw(*messages: Message) -> bytes:
    return b"".join(Connection(SCHEMA).send(message) for message in messages)


# --- effects on what the server sends ----------------------------------------------------------


def test_without_faults_everything_passes_both_ways():
    rig = Rig()
    assert rig.says(ProtoOAVersionReq()) == [Send(ANSWER, "q")]
    assert rig.pushes(spot(1), spot(2)) == [Send(spot(1)), Send(spot(2))]
    assert rig.plan.happened == []
    rig.way.closed(1.0)
    assert rig.echo.is_closed


def test_a_late_message_is_overtaken():
    rig = Rig(Fault(Delay(2.0), message="ProtoOAVersionRes"))
    assert rig.says(ProtoOAVersionReq(), 1.0) == []
    assert rig.pushes(spot(1), now=1.5) == [Send(spot(1))]
    assert rig.wakes(3.0) == [Send(ANSWER, "q")]
    assert rig.way.wake_at() is None
    assert rig.says(ProtoOAVersionReq(), 4.0) == [Send(ANSWER, "q")]  # once is once


def test_when_all_are_late_they_keep_their_order():
    rig = Rig(Fault(Delay(0.2), times=None))
    assert rig.pushes(spot(1), spot(2), now=1.0) == []
    assert rig.pushes(spot(3), now=1.1) == []
    assert rig.wakes(1.2) == [Send(spot(1)), Send(spot(2))]
    assert rig.wakes(1.3) == [Send(spot(3))]


def test_a_lost_message_does_not_come():
    rig = Rig(Fault(Drop(), message="ProtoOASpotEvent", nth=2, times=2))
    assert rig.pushes(*map(spot, range(5))) == [Send(spot(0)), Send(spot(3)), Send(spot(4))]


def test_a_duplicate_comes_again():
    assert Rig(Fault(Duplicate(2))).pushes(spot(1), spot(2)) == [Send(spot(1))] * 3 + [
        Send(spot(2))
    ]


def test_a_reordered_message_comes_after_the_next_or_after_a_while():
    rig = Rig(Fault(Reorder(5.0), nth=1), Fault(Reorder(5.0), nth=3))
    assert rig.pushes(spot(1), spot(2), spot(3)) == [Send(spot(2)), Send(spot(1))]
    assert rig.way.wake_at() == 5.0
    assert rig.wakes(5.0) == [Send(spot(3))]
    assert rig.way.wake_at() is None
    assert rig.pushes(spot(4), now=6.0) == [Send(spot(4))]


def test_fields_can_be_taken_out():
    rig = Rig(Fault(Strip(("bid", "trendbar"))))
    (action,) = rig.pushes(spot(5))
    assert isinstance(action, Send)
    assert action.message == ProtoOASpotEvent(ctid_trader_account_id=7, symbol_id=1, ask=6)
    cls = SCHEMA.by_name["ProtoOASymbolsListRes"]
    symbols = cls.from_dict(
        {"ctidTraderAccountId": 1, "symbol": [{"symbolId": n, "symbolName": "x"} for n in (1, 2)]}
    )
    (action,) = Rig(Fault(Strip(("symbol.symbolName", "no.such")))).pushes(symbols)
    assert isinstance(action, Send)
    assert action.message.to_dict()["symbol"] == [{"symbolId": 1}, {"symbolId": 2}]


@pytest.mark.parametrize(("at", "index"), [(0, 4), (1, 5), (-1, -1), (-2, -2)])
def test_one_byte_can_be_wrong(at, index):
    (action,) = Rig(Fault(Corrupt(at))).pushes(spot(1))
    assert isinstance(action, SendRaw)
    good = raw(spot(1))
    assert len(action.data) == len(good)
    assert [n for n, (a, b) in enumerate(zip(action.data, good, strict=True)) if a != b] == [
        index % len(good)
    ]


@pytest.mark.parametrize("size", [100, 127, 128, 129, 200, 16_383, 16_384, 16_500, 1024 * 1024])
def test_a_frame_can_have_any_size_and_still_be_read(size):
    (action,) = Rig(Fault(Inflate(size))).pushes(spot(1))
    assert isinstance(action, SendRaw)
    assert int.from_bytes(action.data[:4], "big") == size == len(action.data) - 4
    assert Connection(SCHEMA).receive_data(action.data) == [Envelope(spot(1))]


def test_a_frame_cannot_be_made_smaller():
    (action,) = Rig(Fault(Inflate(3))).pushes(spot(1))
    assert action == SendRaw(raw(spot(1)))


def test_a_frame_can_end_in_the_middle_and_the_connection_with_it():
    whole = raw(spot(1))
    for size, sent in ((None, len(whole) // 2), (3, 3), (10_000, len(whole) - 1)):
        piece, end = Rig(Fault(Truncate(size))).pushes(spot(1))
        assert piece == SendRaw(whole[:sent])
        assert isinstance(end, Close)


@pytest.mark.parametrize(
    ("length", "header"),
    [(0, b"\0\0\0\0"), (-1, b"\xff\xff\xff\xff"), (17 << 20, b"\x01\x10\0\0")],
)
def test_a_header_can_announce_anything(length, header):
    assert Rig(Fault(Announce(length))).pushes(spot(1)) == [SendRaw(header)]


# --- effects on what the client sends ------------------------------------------------------------


def test_a_lost_request_is_never_heard():
    rig = Rig(Fault(Drop(), CLIENT, message="ProtoOAVersionReq"))
    assert rig.says(ProtoOAVersionReq()) == []
    assert rig.echo.heard == []
    assert rig.says(ProtoOAVersionReq()) == [Send(ANSWER, "q")]


def test_a_late_request_is_answered_late():
    rig = Rig(Fault(Delay(3.0), CLIENT))
    assert rig.says(ProtoOAVersionReq(), 1.0) == []
    assert rig.wakes(4.0) == [Send(ANSWER, "q")]
    assert rig.echo.heard == [(ProtoOAVersionReq(), 4.0)]


def test_requests_can_come_twice_stripped_or_in_another_order():
    rig = Rig(Fault(Duplicate(), CLIENT))
    assert rig.says(ProtoOAVersionReq()) == [Send(ANSWER, "q")] * 2
    rig = Rig(Fault(Strip(("bid",)), CLIENT))
    rig.says(spot(1))
    assert rig.echo.heard[0][0].bid is None
    rig = Rig(Fault(Reorder(1.0), CLIENT))
    rig.says(spot(1))
    rig.says(spot(2))
    assert [message.bid for message, _ in rig.echo.heard] == [2, 1]


def test_a_request_can_be_refused_without_being_heard():
    refuse = Refuse("SERVER_IS_UNDER_MAINTENANCE", "soon", retry_after=3, maintenance_end=99)
    rig = Rig(Fault(refuse, message="ProtoOATraderReq"))
    assert rig.says(ProtoOATraderReq(ctid_trader_account_id=1)) == [
        Send(
            ProtoOAErrorRes(
                error_code="SERVER_IS_UNDER_MAINTENANCE",
                description="soon",
                retry_after=3,
                maintenance_end_timestamp=99,
            ),
            "q",
        )
    ]
    assert rig.echo.heard == []
    rig = Rig(Fault(Refuse("X", proxy=True)))
    assert rig.says(ProtoOAVersionReq()) == [Send(ProtoErrorRes(error_code="X"), "q")]


def test_a_request_can_be_answered_with_anything_and_quoted():
    payload = {"ctidTraderAccountId": "<request:ctidTraderAccountId>", "errorCode": "E"}
    rig = Rig(Fault(Answer("ProtoOAOrderErrorEvent", payload)))
    (action,) = rig.says(ProtoOATraderReq(ctid_trader_account_id=5))
    assert isinstance(action, Send)
    assert action.message.to_dict() == {"ctidTraderAccountId": 5, "errorCode": "E"}
    assert action.client_msg_id == "q"


def test_something_can_come_before_a_message():
    disconnect = Push(
        "ProtoOAAccountDisconnectEvent", {"ctidTraderAccountId": "<request:ctidTraderAccountId>"}
    )
    first, second = Rig(Fault(disconnect)).pushes(spot(1))
    assert isinstance(first, Send)
    assert (first.message.to_dict(), first.client_msg_id) == ({"ctidTraderAccountId": 7}, None)
    assert second == Send(spot(1))
    rig = Rig(Fault(Push(4242, with_id=True), message="ProtoOAVersionRes"))
    assert rig.says(ProtoOAVersionReq()) == [SendPayload(4242, b"", "q"), Send(ANSWER, "q")]
    rig = Rig(Fault(Push(4242), CLIENT))
    assert rig.says(ProtoOAVersionReq()) == [SendPayload(4242, b"", None), Send(ANSWER, "q")]


# --- effects on the connection -------------------------------------------------------------------


def test_the_server_hangs_up_before_or_after_a_message():
    close = Close("a fault of the plan")
    assert Rig(Fault(HangUp())).pushes(spot(1)) == [close]
    assert Rig(Fault(HangUp(heard=True))).pushes(spot(1)) == [Send(spot(1)), close]
    rig = Rig(Fault(HangUp(), CLIENT))
    assert rig.says(ProtoOAVersionReq()) == [close]
    assert rig.echo.heard == []
    rig = Rig(Fault(HangUp(heard=True), CLIENT))
    assert rig.says(ProtoOAVersionReq()) == [Send(ANSWER, "q"), close]


def test_a_slow_end_is_a_silence_first():
    rig = Rig(Fault(HangUp(10.0), message="ProtoOAVersionRes"))
    assert rig.says(ProtoOAVersionReq(), 1.0) == []
    assert rig.pushes(spot(1), now=2.0) == []
    assert rig.says(ProtoOAVersionReq(), 3.0) == []
    assert rig.wakes(11.0) == [Close("a fault of the plan")]


def test_a_reset_before_or_after_a_message():
    reset = BreakOff("a fault of the plan")
    assert Rig(Fault(Reset())).pushes(spot(1)) == [reset]
    rig = Rig(Fault(Reset(heard=True), CLIENT))
    assert rig.says(ProtoOAVersionReq()) == [Send(ANSWER, "q"), reset]


def test_a_server_that_hangs_says_and_hears_nothing_for_good():
    rig = Rig(Fault(Hang(), message="ProtoOASpotEvent"))
    rig.echo.alarm = 5.0
    rig.echo.says = [Close("would have been")]
    assert rig.pushes(spot(1), spot(2)) == []
    assert rig.says(ProtoOAVersionReq(), 1.0) == []
    assert rig.echo.heard == []
    assert rig.way.wake_at() is None  # nor does the behaviour spin on what it cannot say


def test_a_server_that_hangs_for_a_while_makes_up_for_it_in_order():
    rig = Rig(Fault(Hang(10.0), message="ProtoOASpotEvent"))
    rig.echo.alarm = 5.0
    rig.echo.says = [Send(spot(3))]
    assert rig.pushes(spot(1), spot(2), now=1.0) == []
    assert rig.says(ProtoOAVersionReq(), 2.0) == []
    assert rig.wakes(11.0) == [Send(spot(1)), Send(spot(2)), Send(ANSWER, "q"), Send(spot(3))]
    assert rig.echo.heard == [(ProtoOAVersionReq(), 11.0)]


def test_slices_and_doors_are_the_engines_to_do():
    rig = Rig(Fault(Throttle(1, 0.5)), Fault(CloseDoor(2.0), nth=1))
    assert rig.pushes(spot(1), spot(2)) == [
        ThrottleSend(1, 0.5),
        Send(spot(1)),
        StopListening(2.0),
        Send(spot(2)),
    ]


# --- when ----------------------------------------------------------------------------------------


def test_a_message_is_named_by_name_or_number_and_told_by_its_fields():
    for name in ("ProtoOASpotEvent", 2131):
        rig = Rig(Fault(Drop(), message=name, fields={"bid": 3}, times=None))
        assert rig.pushes(spot(1), spot(3), spot(3), ANSWER) == [Send(spot(1)), Send(ANSWER)]
    assert Rig(Fault(Drop(), CLIENT, message=4242)).says(UnknownPayload(4242, b"", "q")) == []
    assert Rig(Fault(Drop(), message="ProtoOASpot")).pushes(spot(1)) == [Send(spot(1))]
    rig = Rig(Fault(Drop(), fields={"bid": 3}))
    rig.callers[0].push([SendPayload(4242, b"")])
    assert rig.pushed == [SendPayload(4242, b"")]


def test_heartbeats_are_hit_only_when_they_are_named():
    assert Rig(Fault(Drop())).pushes(BEAT, spot(1)) == [Send(BEAT)]
    assert Rig(Fault(Drop(), message="ProtoHeartbeatEvent")).pushes(BEAT, spot(1)) == [
        Send(spot(1))
    ]


def test_a_fault_can_wait_and_keep_to_one_connection():
    rig = Rig(Fault(Drop(), after=10.0))
    assert rig.pushes(spot(1), now=9.9) == [Send(spot(1))]
    assert rig.pushes(spot(1), now=10.0) == []
    assert Rig(Fault(Drop(), connection=2)).pushes(spot(1)) == [Send(spot(1))]
    assert Rig(Fault(Drop(), connection=2), number=2).pushes(spot(1)) == []


def test_of_several_faults_the_first_that_fits_happens():
    rig = Rig(Fault(Drop()), Fault(Duplicate()))
    assert rig.pushes(spot(1), spot(2), spot(3)) == [Send(spot(2)), Send(spot(2)), Send(spot(3))]
    assert [type(fault.effect) for fault in rig.plan.happened] == [Drop, Duplicate]


def test_chance_is_the_seeds():
    def survivors(seed: int) -> list[Action]:
        rig = Rig(Fault(Drop(), chance=0.5, times=None), seed=seed)
        return rig.pushes(*map(spot, range(200)))

    assert survivors(1) == survivors(1)
    assert survivors(1) != survivors(2)
    assert 60 < len(survivors(1)) < 140
    assert len(Rig(Fault(Drop(), chance=0.0)).pushes(spot(1))) == 1


def test_a_plan_can_be_changed_while_it_runs():
    rig = Rig()
    assert rig.pushes(spot(1)) == [Send(spot(1))]
    rig.plan.add(Fault(Drop(), times=None))
    assert rig.pushes(spot(1)) == []
    rig.plan.clear()
    assert rig.pushes(spot(1)) == [Send(spot(1))]


def test_whoever_knocks_is_met_as_planned():
    plan = Plan(
        [
            Fault(Meet(ConnectionGreeting.RESET), connection=2),
            Fault(Meet(ConnectionGreeting.GARBAGE), nth=3, times=2),
        ]
    )
    met = [plan.knocked(attempt) for attempt in range(1, 7)]
    names = ["open", "reset", "open", "garbage", "garbage", "open"]
    assert [entrance.value for entrance in met] == names
    assert Rig(Fault(Meet(ConnectionGreeting.RESET))).pushes(spot(1)) == [Send(spot(1))]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"effect": Corrupt(), "direction": CLIENT}, "Corrupt can only happen to what the server"),
        ({"effect": Refuse("X"), "direction": Direction.SERVER}, "only happen to what the client"),
        ({"effect": Drop(), "nth": 0}, "nth and times count from 1"),
        ({"effect": Drop(), "times": 0}, "nth and times count from 1"),
        ({"effect": Drop(), "chance": 1.5}, "a chance is between 0 and 1, not 1.5"),
    ],
)
def test_what_cannot_happen_is_refused(values, text):
    with pytest.raises(ValueError, match=text):
        Fault(**values)


def test_a_world_goes_on_behind_faults():
    class Market(Echo):
        broker = "a broker"
        told: Any = None

        def __call__(self, client: ClientConnection) -> Echo:
            return self

        def started(self, nudge: Any) -> None:
            self.told = nudge

    market = Market()
    faulty = FaultyFactory(market, Plan(), SCHEMA)
    assert faulty.broker == "a broker"
    faulty.started(print)
    assert market.told is print
    market.alarm = 3.0
    assert faulty.wake_at() == 3.0
    faulty.wake(3.0)
    assert market.alarm is None
    nothing = FaultyFactory(lambda client: Echo(), Plan(), SCHEMA)
    nothing.started(print)
    assert nothing.wake_at() is None
    nothing.wake(1.0)
