"""The replay of a session, without a loop: what is sent when, what fits, what is reported."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from ctrader_typed.errors import DecodeError
from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAErrorRes,
    ProtoOANewOrderReq,
    ProtoOAVersionReq,
)
from mockserver.errors import SessionDiverged
from mockserver.handler import (
    Action,
    BadPayload,
    Close,
    Envelope,
    Send,
    SendPayload,
    UnknownPayload,
)
from mockserver.recordings.session_file import Session, read_session
from mockserver.replay.replay import Replay, ReplayHandler
from mockserver.replay.report import report


def client(name: str, client_msg_id: str | None = None, t: float = 0.0, **more: Any) -> str:
    return line("client", name, client_msg_id, t, more)


def server(name: str, client_msg_id: str | None = None, t: float = 0.0, **more: Any) -> str:
    return line("server", name, client_msg_id, t, more)


def line(side: str, name: str, client_msg_id: str | None, t: float, more: dict[str, Any]) -> str:
    entry = {"direction": side, "message": name, "t": t, **more}
    return json.dumps(entry if client_msg_id is None else {**entry, "clientMsgId": client_msg_id})


def session(*lines: str) -> Session:
    return read_session(lines, SCHEMA, "s.jsonl")


def spot(bid: int) -> dict[str, Any]:
    return {"ctidTraderAccountId": 1, "symbolId": 1, "bid": bid}


def says(message: Message, client_msg_id: str | None = None) -> Envelope:
    return Envelope(message, client_msg_id)


def sent(actions: Iterable[Action]) -> list[Any]:
    """What is sent, as (name, id) or (name, id, bid)."""
    return [
        (type(action.message).__name__, action.client_msg_id)
        if not hasattr(action.message, "bid")
        else ("spot", action.client_msg_id, action.message.bid)
        for action in actions
        if isinstance(action, Send)
    ]


VERSION = (
    client("ProtoOAVersionReq", "1"),
    server("ProtoOAVersionRes", "1", payload={"version": "91"}),
)
ORDER = {"ctidTraderAccountId": 1, "symbolId": 1, "orderType": 1, "tradeSide": 1, "volume": 100}


def order(**changes: Any) -> ProtoOANewOrderReq:
    return ProtoOANewOrderReq.from_dict({**ORDER, **changes})


# --- what fits -----------------------------------------------------------------------------------


def test_replies_take_the_id_of_the_request_that_came():
    script = ReplayHandler(session(*VERSION))
    assert list(script.opened(0)) == []
    assert sent(script.received(says(ProtoOAVersionReq(), "mine"), 0)) == [
        ("ProtoOAVersionRes", "mine")
    ]
    assert script.outcome.good


def test_a_request_without_an_id_gets_its_reply_without_one():
    script = ReplayHandler(session(*VERSION))
    assert sent(script.received(says(ProtoOAVersionReq()), 0)) == [("ProtoOAVersionRes", None)]


def test_an_id_that_no_request_had_is_sent_as_it_was_recorded():
    script = ReplayHandler(
        session(server("ProtoOAVersionRes", "foreign", payload={"version": "91"}))
    )
    assert sent(script.opened(0)) == [("ProtoOAVersionRes", "foreign")]


def test_when_an_id_is_used_again_the_latest_request_counts():
    script = ReplayHandler(session(*VERSION, *VERSION))
    sent(script.received(says(ProtoOAVersionReq(), "a"), 0))
    assert sent(script.received(says(ProtoOAVersionReq(), "b"), 0)) == [("ProtoOAVersionRes", "b")]


def test_several_replies_can_answer_one_request_and_requests_can_overlap():
    script = ReplayHandler(
        session(
            client("ProtoOAVersionReq", "1"),
            client("ProtoOAVersionReq", "2"),
            server("ProtoOAVersionRes", "2", payload={"version": "91"}),
            server("ProtoOAVersionRes", "1", payload={"version": "91"}),
            server("ProtoOAVersionRes", "1", payload={"version": "91"}),
        )
    )
    assert sent(script.received(says(ProtoOAVersionReq(), "a"), 0)) == []
    replies = sent(script.received(says(ProtoOAVersionReq(), "b"), 0))
    assert [client_msg_id for _, client_msg_id in replies] == ["b", "a", "a"]


def test_a_reply_can_take_fields_of_its_request():
    auth = {"ctidTraderAccountId": "<any>", "accessToken": "<redacted>"}
    script = ReplayHandler(
        session(
            client("ProtoOAAccountAuthReq", "1", payload=auth),
            server(
                "ProtoOAAccountAuthRes",
                "1",
                payload={"ctidTraderAccountId": "<request:ctidTraderAccountId>"},
            ),
        )
    )
    request = ProtoOAAccountAuthReq(ctid_trader_account_id=77, access_token="t")
    (action,) = script.received(says(request, "a"), 0)
    assert isinstance(action, Send)
    assert action.message.to_dict() == {"ctidTraderAccountId": 77}


def test_recorded_bytes_are_sent_as_they_are():
    script = ReplayHandler(
        session(
            client("ProtoOAVersionReq", "1"),
            server("ProtoOAVersionRes", "1", wire_b64="/w=="),
            line("server", "ProtoOAVersionRes", None, 0, {"wire_b64": "EgE5"}),
            json.dumps({"direction": "server", "payloadType": 4242, "wire_b64": "AQ=="}),
        )
    )
    assert list(script.received(says(ProtoOAVersionReq(), "a"), 0)) == [
        SendPayload(2105, b"\xff", "a"),
        SendPayload(2105, b"\x12\x019", None),
        SendPayload(4242, b"\x01", None),
    ]


def test_an_unknown_message_of_the_client_is_matched_by_number_and_bytes():
    steps = [{"direction": "client", "payloadType": 4242, "wire_b64": "AQ=="}]
    for payload_type, payload, good in (
        (4242, b"\1", True),
        (4242, b"\2", False),
        (1, b"\1", False),
    ):
        script = ReplayHandler(session(*map(json.dumps, steps)))
        list(script.received(UnknownPayload(payload_type, payload), 0))
        assert script.outcome.good is good


def test_heartbeats_are_no_steps():
    script = ReplayHandler(
        session(
            client("ProtoHeartbeatEvent"),
            *VERSION,
            client("ProtoHeartbeatEvent"),
            server("ProtoHeartbeatEvent", t=30),
        ),
        pace=1,
    )
    for now in range(3):
        assert list(script.received(says(ProtoHeartbeatEvent()), now)) == []
    assert sent(script.received(says(ProtoOAVersionReq(), "a"), 3)) == [("ProtoOAVersionRes", "a")]
    list(script.received(says(ProtoHeartbeatEvent()), 4))
    assert script.outcome.good  # although the server's own heartbeat is still to come


# --- time ----------------------------------------------------------------------------------------


def pushes(pace: float) -> ReplayHandler:
    return ReplayHandler(
        session(
            client("ProtoOAVersionReq", "1", t=5),
            server("ProtoOAVersionRes", "1", t=5.5, payload={"version": "91"}),
            server("ProtoOASpotEvent", t=6.5, payload=spot(1)),
            server("ProtoOASpotEvent", t=8.5, payload=spot(2)),
        ),
        pace=pace,
    )


def test_at_full_speed_nothing_is_waited_for():
    script = pushes(0)
    assert len(sent(script.received(says(ProtoOAVersionReq()), 100))) == 3


@pytest.mark.parametrize("pace", [1, 0.1])
def test_pushes_come_when_they_were_recorded_scaled(pace):
    script = pushes(pace)
    assert list(script.opened(99)) == []
    assert list(script.received(says(ProtoOAVersionReq()), 100)) == []
    for after, what in ((0.5, "ProtoOAVersionRes"), (1.5, "spot"), (3.5, "spot")):
        at = script.wake_at()
        assert at == pytest.approx(100 + after * pace)
        assert [each[0] for each in sent(script.wake(at))] == [what]


def test_a_server_with_nothing_to_say_sends_heartbeats_which_are_no_steps():
    script = pushes(100)
    list(script.opened(7))
    for at in (17, 27):  # while it waits for the client
        assert script.wake_at() == at
        assert list(script.wake(at)) == [Send(ProtoHeartbeatEvent())]
    list(script.received(says(ProtoOAVersionReq()), 30))  # the reply is due at 80
    for at in (37, 47, 57, 67, 77):
        assert script.wake_at() == at
        assert list(script.wake(at)) == [Send(ProtoHeartbeatEvent())]
    assert script.wake_at() == 80
    assert sent(script.wake(80)) == [("ProtoOAVersionRes", None)]
    assert script.wake_at() == 90
    assert script.outcome.played == 2


def test_a_late_wake_does_not_delay_what_follows():
    script = pushes(1)
    list(script.received(says(ProtoOAVersionReq()), 100))
    assert len(sent(script.wake(102))) == 2
    assert script.wake_at() == pytest.approx(103.5)


def test_a_client_may_be_faster_than_the_recorded_one_but_order_is_kept():
    script = ReplayHandler(
        session(
            *VERSION,
            server("ProtoOASpotEvent", t=1, payload=spot(1)),
            client("ProtoOAVersionReq", "2", t=2),
            server("ProtoOAVersionRes", "2", t=2.5, payload={"version": "91"}),
        ),
        pace=1,
    )
    assert sent(script.received(says(ProtoOAVersionReq(), "a"), 10)) == [("ProtoOAVersionRes", "a")]
    assert sent(script.received(says(ProtoOAVersionReq(), "b"), 10.1)) == []
    assert sent(script.wake(11)) == [("spot", None, 1)]
    assert script.wake_at() == pytest.approx(11.5)
    assert sent(script.wake(11.5)) == [("ProtoOAVersionRes", "b")]


def test_the_server_hangs_up_when_all_is_played_and_the_client_stays():
    script = ReplayHandler(session(*VERSION))
    list(script.received(says(ProtoOAVersionReq()), 10))
    assert script.wake_at() == pytest.approx(12)
    assert list(script.wake(12)) == [Close("the session is over")]


def test_a_long_session_is_sent_in_parts_so_that_the_engine_can_wait():
    script = ReplayHandler(
        session(*(server("ProtoOASpotEvent", payload=spot(n)) for n in range(2500)))
    )
    parts = [sent(script.opened(0))]
    while not script.outcome.good:
        at = script.wake_at()
        assert at == 0
        parts.append(sent(script.wake(at)))
    assert [len(part) for part in parts] == [1000, 1000, 500]
    assert [bid for part in parts for _, _, bid in part] == list(range(2500))


# --- what does not fit ----------------------------------------------------------------------------


def diverge(script: ReplayHandler, event: Any) -> str:
    """Let it diverge here; returns the report. The client is told, and hung up on."""
    actions = list(script.received(event, 0))
    error, close = actions
    assert isinstance(error, Send)
    assert isinstance(error.message, ProtoOAErrorRes)
    assert error.client_msg_id == event.client_msg_id
    assert close == Close("the client diverged from the session")
    assert not script.outcome.good
    assert script.wake_at() is None
    assert list(script.received(event, 0)) == []  # it says so once
    script.closed(1)
    return report(script.outcome)


TRADE = (
    client("ProtoOAVersionReq", "1"),
    server("ProtoOAVersionRes", "1", payload={"version": "91"}),
    client("ProtoOANewOrderReq", "2", payload={**ORDER, "label": "<redacted>"}),
    server("ProtoOASpotEvent", payload=spot(1)),
    client("ProtoOANewOrderReq", "3", payload={**ORDER, "tradeSide": 2}),
)


def test_the_report_shows_field_by_field_what_was_expected_and_what_came():
    script = ReplayHandler(session(*TRADE))
    list(script.received(says(ProtoOAVersionReq()), 0))
    came = order(volume=200, tradeSide=2, comment="hello", relativeStopLoss=500)
    assert (
        diverge(script, says(came, "x"))
        == """\
s.jsonl: the client diverged from the session, 2 of 5 steps played.

ProtoOANewOrderReq (line 3) was expected, and one came that differs in 5 fields:

  field             expected    came
  tradeSide         BUY (1)     SELL (2)
  volume            100         200
  comment           absent      "hello"
  label             <redacted>  absent
  relativeStopLoss  absent      500

Other steps of the session with ProtoOANewOrderReq:
  line 5, still to come: differs in volume, comment, relativeStopLoss

What to do:
  If the client is right, correct line 3 or record the session again.
  A field that is different every time: write "<any>" as its value, or name it in
  "ignore", on that line or in the header.

Not played:
  line 3, client: ProtoOANewOrderReq
  line 4, server: ProtoOASpotEvent
  line 5, client: ProtoOANewOrderReq"""
    )


def test_the_report_says_when_the_client_left_something_out():
    script = ReplayHandler(session(*TRADE))
    list(script.received(says(ProtoOAVersionReq()), 0))
    text = diverge(script, says(order(tradeSide=2)))
    assert (
        """\
Other steps of the session with ProtoOANewOrderReq:
  line 5, still to come: is exactly what came

What to do:
  The client went on to line 5 and left out line 3:
  let it send that first, or take it out of the session.
"""
        in text
    )


def test_the_report_says_when_the_client_repeats_itself():
    script = ReplayHandler(session(*TRADE))
    list(script.received(says(ProtoOAVersionReq()), 0))
    text = diverge(script, says(ProtoOAVersionReq()))
    assert (
        """\
ProtoOANewOrderReq (line 3) was expected, and ProtoOAVersionReq came.

Other steps of the session with ProtoOAVersionReq:
  line 1, played before: is exactly what came

What to do:
  The client sent line 1 twice: let it send it once, or write it
  into the session a second time.
"""
        in text
    )


def test_the_report_says_when_another_message_came():
    script = ReplayHandler(session(*TRADE))
    auth = ProtoOAApplicationAuthReq(client_id="my-id", client_secret="my-secret")
    text = diverge(script, says(auth, "1"))
    assert text.startswith("""\
s.jsonl: the client diverged from the session, 0 of 5 steps played.

ProtoOAVersionReq (line 1) was expected, and ProtoOAApplicationAuthReq came.

What to do:
  Let the client send line 1 first, or record the session again
  with what it now does.
""")
    assert "my-" not in text


def test_a_message_after_the_end_is_a_divergence():
    script = ReplayHandler(session(*VERSION))
    list(script.received(says(ProtoOAVersionReq()), 0))
    assert script.outcome.good
    assert (
        diverge(script, says(order()))
        == """\
s.jsonl: the client diverged from the session, 2 of 2 steps played.

Nothing more was expected, and ProtoOANewOrderReq came.

What to do:
  Let the client stop here, or record the session again with what it now does."""
    )


def test_what_cannot_be_read_or_is_not_known_is_named():
    script = ReplayHandler(session(*VERSION))
    bad = BadPayload(2106, b"secret", "x", DecodeError("ProtoOANewOrderReq: broken off"))
    text = diverge(script, bad)
    assert "came that cannot" not in text
    assert (
        "ProtoOAVersionReq (line 1) was expected, and ProtoOANewOrderReq that cannot be read "
        "(ProtoOANewOrderReq: broken off) came." in text
    )
    script = ReplayHandler(session(*VERSION))
    assert "and payload type 4242, which release 91 does not have, came." in diverge(
        script, UnknownPayload(4242, b"secret", "x")
    )


def test_the_client_is_told_what_was_expected():
    script = ReplayHandler(session(*VERSION))
    error, _ = script.received(says(order(), "x"), 0)
    assert isinstance(error, Send)
    assert error.message == ProtoOAErrorRes(
        error_code="INVALID_REQUEST",
        description="The session s.jsonl expected ProtoOAVersionReq here",
    )


def test_the_report_says_what_was_left_unplayed():
    script = ReplayHandler(session(*TRADE, *VERSION * 4))
    list(script.received(says(ProtoOAVersionReq()), 0))
    script.closed(1)
    assert not script.outcome.good
    assert (
        report(script.outcome, "the client left")
        == """\
s.jsonl: the session broke off (the client left), 2 of 13 steps played.

ProtoOANewOrderReq (line 3) was expected, and nothing came.

Not played:
  line 3, client: ProtoOANewOrderReq
  line 4, server: ProtoOASpotEvent
  line 5, client: ProtoOANewOrderReq
  line 6, client: ProtoOAVersionReq
  line 7, server: ProtoOAVersionRes
  line 8, client: ProtoOAVersionReq
  line 9, server: ProtoOAVersionRes
  line 10, client: ProtoOAVersionReq
  and 3 more"""
    )


def test_the_report_says_when_the_server_was_not_done():
    script = pushes(1)
    list(script.received(says(ProtoOAVersionReq()), 0))
    list(script.wake(0.5))
    script.closed(1)
    assert (
        report(script.outcome)
        == """\
s.jsonl: the session broke off, 2 of 4 steps played.

ProtoOASpotEvent (line 3) was not due yet when the connection ended. If the client
need not wait for it, play the session faster or end it earlier.

Not played:
  line 3, server: ProtoOASpotEvent
  line 4, server: ProtoOASpotEvent"""
    )


def test_a_session_that_was_played_out_is_one_line():
    script = ReplayHandler(session(*VERSION))
    list(script.received(says(ProtoOAVersionReq()), 0))
    assert report(script.outcome) == "s.jsonl: 2 of 2 steps played."


# --- all connections together ---------------------------------------------------------------------


class Caller:
    wire = "memory"

    def __init__(self, number: int) -> None:
        self.number = number

    def nudge(self) -> None: ...


def test_a_replay_is_good_when_everybody_played_it_out():
    replay = Replay(session(*VERSION))
    with pytest.raises(SessionDiverged, match=r"s\.jsonl: nobody played the session"):
        replay.check()
    replay(Caller(1))  # calls, and says nothing
    with pytest.raises(SessionDiverged, match="nobody"):
        replay.check()
    for number in (2, 3):
        list(replay(Caller(number)).received(says(ProtoOAVersionReq()), 0))
    replay.check()
    assert [outcome.client for outcome in replay.outcomes] == [2, 3]
    script = replay(Caller(4))
    list(script.received(says(order()), 0))
    with pytest.raises(SessionDiverged, match=r"ProtoOAVersionReq \(line 1\) was expected"):
        replay.check()
    outcome = replay.outcome(4)
    assert outcome is not None
    assert not outcome.good


def test_who_only_has_to_listen_has_begun_when_it_called():
    replay = Replay(session(server("ProtoOASpotEvent", payload=spot(1))))
    replay(Caller(1))
    (outcome,) = replay.outcomes
    assert not outcome.good


def test_a_replay_forgets_what_was_long_ago():
    replay = Replay(session(*VERSION))
    for number in range(1, 1502):
        replay(Caller(number))
    assert replay.outcome(1) is None
    assert replay.outcome(1501) is not None
