"""The life of a request: every state and happening, every reply, and all of it in any order."""

import re
from itertools import product
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ctrader_typed import (
    BadPayload,
    ConnectionLost,
    DecodeError,
    EncodeError,
    LocalProtocolError,
    Message,
    OrderError,
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOACancelOrderReq,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    ProtoOASymbolsListRes,
    ProtoOATraderReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    RateLimited,
    ServerError,
    UnexpectedReply,
    UnknownPayload,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.protocol.request_tracker import (
    REQUEST_TRANSITIONS,
    RequestState,
    RequestTracker,
    RequestTransition,
    Ticket,
)
from ctrader_typed.wire.connection import Connection
from ctrader_typed.wire.envelope import Envelope

ASK = ProtoOAVersionReq()
ANSWER = ProtoOAVersionRes(version="91")
TRADE = ProtoOACancelOrderReq(ctid_trader_account_id=1, order_id=7)
REFUSAL = ProtoOAErrorRes(error_code="INVALID_REQUEST", description="no")
SPOT = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1, bid=1)
UNDECODABLE = DecodeError("cut short")
NOW = 0.0


def execution(kind: ProtoOAExecutionType = ProtoOAExecutionType.ORDER_ACCEPTED) -> Message:
    return ProtoOAExecutionEvent(ctid_trader_account_id=1, execution_type=kind)


FILLED = execution(ProtoOAExecutionType.ORDER_FILLED)
ORDER_ERROR = ProtoOAOrderErrorEvent(ctid_trader_account_id=1, error_code="ORDER_NOT_FOUND")


def new_exchange() -> RequestTracker:
    return RequestTracker(SCHEMA, Connection(SCHEMA).send, "p.")


def in_state(tracker: RequestTracker, state: RequestState, request: Any = ASK) -> Ticket:
    """A ticket brought to a state by what legally leads there."""
    ticket = tracker.submit(request, NOW)
    if state is not RequestState.QUEUED:
        tracker.pop(NOW)
    if state is RequestState.ABANDONED:
        tracker.cancel(ticket)
    if state is RequestState.DONE:
        tracker.receive(
            [Envelope(execution() if request is TRADE else ANSWER, ticket.client_msg_id)], NOW
        )
    assert ticket.state is state
    return ticket


# --- the table ---

# Written out a second time, by hand: who changes the table has to mean it.
EXPECTED = {
    "QUEUED WRITE": "SENT",
    "QUEUED REPLY": None,
    "QUEUED CANCEL": "DONE",
    "QUEUED LINK_LOST": "DONE",
    "SENT WRITE": None,
    "SENT REPLY": "DONE",
    "SENT CANCEL": "ABANDONED",
    "SENT LINK_LOST": "DONE",
    "ABANDONED WRITE": None,
    "ABANDONED REPLY": "DONE",
    "ABANDONED CANCEL": None,
    "ABANDONED LINK_LOST": "DONE",
    "DONE WRITE": None,
    "DONE REPLY": None,
    "DONE CANCEL": None,
    "DONE LINK_LOST": None,
}


@pytest.mark.parametrize(("state", "transition"), list(product(RequestState, RequestTransition)))
def test_every_state_and_happening(state: RequestState, transition: RequestTransition) -> None:
    ticket = in_state(new_exchange(), state)
    after = EXPECTED[f"{state.name} {transition.name}"]
    if after is None:
        with pytest.raises(LocalProtocolError, match=f"{transition.name} cannot .* {state.name}"):
            ticket.step(transition)
        assert ticket.state is state
    else:
        assert ticket.step(transition) is state
        assert ticket.state is RequestState[after]


def test_the_table_has_no_other_entries() -> None:
    assert len(REQUEST_TRANSITIONS) == 8
    assert set(REQUEST_TRANSITIONS) <= set(product(RequestState, RequestTransition))


# --- out ---


def test_requests_leave_in_order_and_with_ids_of_their_own() -> None:
    tracker, peer = new_exchange(), Connection(SCHEMA)
    tickets = [tracker.submit(ASK, NOW) for _ in range(300)]
    frames = [tracker.pop(NOW) for _ in tickets]
    assert tracker.pop(NOW) is None
    ids = [event.client_msg_id for event in peer.receive_data(b"".join(filter(None, frames)))]
    assert ids == [ticket.client_msg_id for ticket in tickets]
    assert len(set(ids)) == 300
    assert all(re.fullmatch(r"p\.[0-9a-f]{1,3}", str(ident)) for ident in ids)


def test_a_request_is_encoded_as_it_was_when_it_was_submitted() -> None:
    tracker = new_exchange()
    request = ProtoOATraderReq(ctid_trader_account_id=1)
    tracker.submit(request, NOW)
    request.ctid_trader_account_id = 2
    frame = tracker.pop(NOW)
    assert frame is not None
    (event,) = Connection(SCHEMA).receive_data(frame)
    assert isinstance(event, Envelope)
    assert event.message == ProtoOATraderReq(ctid_trader_account_id=1)


def test_what_is_no_request_is_refused_and_not_queued() -> None:
    tracker = new_exchange()
    with pytest.raises(LocalProtocolError, match="ProtoOASpotEvent is no request of release 91"):
        tracker.submit(SPOT, NOW)
    incomplete = ProtoOATraderReq()
    with pytest.raises(EncodeError, match="ctid_trader_account_id"):
        tracker.submit(incomplete, NOW)
    assert tracker.pop(NOW) is None


def test_cancelled_while_queued_not_one_byte_leaves() -> None:
    tracker = new_exchange()
    first, second, third = (tracker.submit(ASK, NOW) for _ in range(3))
    tracker.cancel(second)
    tracker.cancel(first)
    assert second.state is RequestState.DONE
    frame = tracker.pop(NOW)
    assert frame is not None
    assert third.client_msg_id.encode() in frame
    assert tracker.pop(NOW) is None


# --- in: who gets to see what ---

ID = "<the id of the request>"


def outcome(request: Any, state: RequestState, *replies: Any) -> tuple[Any, list[Any]]:
    """What the asker gets (None for nothing) and what subscribers see."""
    tracker = new_exchange()
    ticket = in_state(tracker, state, request)
    received = [
        UnknownPayload(2999, b"", ticket.client_msg_id)
        if reply is UnknownPayload
        else BadPayload(2105, b"\x10", ticket.client_msg_id, UNDECODABLE)
        if reply is BadPayload
        else Envelope(reply, ticket.client_msg_id)
        for reply in replies
    ]
    batch = tracker.receive(received, NOW)
    assert batch.settled == ([ticket] if state is RequestState.SENT else [])
    try:
        got = None if state is not RequestState.SENT else ticket.result()
    except Exception as error:  # noqa: BLE001 - looked at by the test
        got = error
    shown = [
        type(event) if isinstance(event, UnknownPayload | BadPayload) else event
        for event in batch.events
    ]
    return got, shown


def test_an_answer_is_seen_only_by_who_asked() -> None:
    assert outcome(ASK, RequestState.SENT, ANSWER) == (ANSWER, [])


def test_a_refusal_is_raised_to_who_asked_and_seen_by_nobody_else() -> None:
    for refusal in (REFUSAL, ProtoErrorRes(error_code="INVALID_REQUEST", description="no")):
        error, events = outcome(ASK, RequestState.SENT, refusal)
        assert type(error) is ServerError
        assert (error.code, error.description, error.request) == ("INVALID_REQUEST", "no", ASK)
        assert error.reply is refusal
        assert events == []


def test_the_late_answer_to_an_abandoned_request_is_swallowed() -> None:
    for reply in (ANSWER, REFUSAL, ProtoErrorRes(error_code="TIMEOUT_ERROR")):
        assert outcome(ASK, RequestState.ABANDONED, reply) == (None, [])


def test_the_first_execution_event_answers_and_is_an_event_like_those_that_follow() -> None:
    accepted = execution()
    assert outcome(TRADE, RequestState.SENT, accepted, FILLED) == (accepted, [accepted, FILLED])


@pytest.mark.parametrize("tracked", [execution(), FILLED, ORDER_ERROR, REFUSAL])
def test_the_fate_of_an_abandoned_order_is_still_an_event(tracked: Message) -> None:
    assert outcome(TRADE, RequestState.ABANDONED, tracked) == (None, [tracked])


def test_an_order_error_is_raised_and_is_an_event() -> None:
    error, events = outcome(TRADE, RequestState.SENT, ORDER_ERROR)
    assert isinstance(error, OrderError)
    assert (error.code, error.order_id, error.position_id) == ("ORDER_NOT_FOUND", 7, None)
    assert events == [ORDER_ERROR]


@pytest.mark.parametrize(
    "reply", [SPOT, ProtoHeartbeatEvent(), ProtoOASymbolsListRes(ctid_trader_account_id=1)]
)
def test_a_reply_of_another_type_is_a_clear_error_and_an_event(reply: Message) -> None:
    error, events = outcome(ASK, RequestState.SENT, reply)
    assert isinstance(error, UnexpectedReply)
    assert "ProtoOAVersionReq: expected ProtoOAVersionRes, got Proto" in str(error)
    assert events == [reply]


def test_a_reply_of_unknown_type() -> None:
    error, events = outcome(ASK, RequestState.SENT, UnknownPayload)
    assert isinstance(error, UnexpectedReply)
    assert "got UnknownPayload(payload_type=2999, <0 bytes>)" in str(error)
    assert events == [UnknownPayload]


def test_a_reply_that_cannot_be_read() -> None:
    error, events = outcome(ASK, RequestState.SENT, BadPayload)
    assert error is UNDECODABLE
    assert events == [BadPayload]


def test_what_no_request_caused_is_an_event() -> None:
    tracker = new_exchange()
    in_state(tracker, RequestState.SENT)
    unknown = UnknownPayload(2999, b"", None)
    bad = BadPayload(2131, b"", "foreign", UNDECODABLE)
    batch = tracker.receive(
        [Envelope(SPOT), Envelope(REFUSAL), unknown, Envelope(execution(), "foreign"), bad], NOW
    )
    assert batch.events == [SPOT, REFUSAL, unknown, execution(), bad]
    assert batch.unreadable == [unknown, bad]
    assert batch.settled == []


def test_the_id_of_a_request_that_was_not_sent_matches_nothing() -> None:
    tracker = new_exchange()
    ticket = tracker.submit(ASK, NOW)
    assert tracker.receive([Envelope(ANSWER, ticket.client_msg_id)], NOW).events == [ANSWER]
    assert ticket.state is RequestState.QUEUED


def test_an_answer_given_twice() -> None:
    tracker = new_exchange()
    ticket = in_state(tracker, RequestState.DONE)
    batch = tracker.receive([Envelope(ANSWER, ticket.client_msg_id)], NOW)
    assert (batch.settled, batch.events) == ([], [ANSWER])
    assert ticket.result() is ANSWER


def test_answers_may_come_in_any_order() -> None:
    tracker = new_exchange()
    tickets = [in_state(tracker, RequestState.SENT) for _ in range(5)]
    answers = [ProtoOAVersionRes(version=str(n)) for n in range(5)]
    tracker.receive([Envelope(answers[n], tickets[n].client_msg_id) for n in (3, 0, 4, 2, 1)], NOW)
    assert [ticket.result() for ticket in tickets] == answers


# --- one too many ---

LOCKED = ProtoOAErrorRes(error_code="BLOCKED_PAYLOAD_TYPE", retry_after=5)
TOO_MANY = ProtoOAErrorRes(error_code="REQUEST_FREQUENCY_EXCEEDED")


def refuse(tracker: RequestTracker, request: Any, refusal: Message, now: float) -> Ticket:
    ticket = tracker.submit(request, now)
    assert tracker.pop(now) is not None
    tracker.receive([Envelope(refusal, ticket.client_msg_id)], now)
    assert isinstance(ticket.settled_as, RateLimited)
    return ticket


def test_a_blocked_kind_waits_and_others_do_not() -> None:
    tracker = new_exchange()
    refuse(tracker, ASK, LOCKED, now=10.0)
    assert tracker.limits(10.0).blocked == {"ProtoOAVersionReq": 15.0}
    tracker.submit(ASK, 10.0)
    tracker.submit(ProtoOATraderReq(ctid_trader_account_id=1), 10.0)
    frame = tracker.pop(10.0)
    assert frame is not None
    assert tracker.pop(10.0) is None
    assert tracker.next_at(10.0) == 15.0
    assert tracker.pop(15.0) is not None
    assert tracker.next_at(15.0) is None


def test_a_lane_that_was_too_fast_waits_until_it_passes_again() -> None:
    tracker = new_exchange()
    refuse(tracker, ASK, TOO_MANY, now=10.0)
    assert tracker.limits(10.0).ordinary.blocked_until == 11.0
    refuse(tracker, ASK, TOO_MANY, now=11.0)
    assert tracker.limits(11.0).ordinary.blocked_until == 13.0
    ticket = tracker.submit(ASK, 11.0)
    assert tracker.pop(13.0) is not None
    tracker.receive([Envelope(ANSWER, ticket.client_msg_id)], 13.0)
    refuse(tracker, ASK, TOO_MANY, now=13.0)
    assert tracker.limits(13.0).ordinary.blocked_until == 14.0


def test_the_refusal_of_an_abandoned_request_counts_as_well() -> None:
    tracker = new_exchange()
    ticket = in_state(tracker, RequestState.ABANDONED)
    tracker.receive([Envelope(TOO_MANY, ticket.client_msg_id)], NOW)
    assert tracker.limits(NOW).ordinary.blocked_until == 1.0
    assert ticket.settled_as is None


def test_a_blocked_trading_request_is_refused_at_once_instead_of_leaving_late() -> None:
    tracker = new_exchange()
    waiting = tracker.submit(TRADE, 10.0)
    assert tracker.pop(10.0) is not None
    refuse(tracker, TRADE, LOCKED, now=10.0)
    assert waiting.state is RequestState.SENT
    with pytest.raises(RateLimited) as caught:
        tracker.submit(TRADE, 12.5)
    error = caught.value
    assert (error.retry_after, error.code, error.request) == (3, "BLOCKED_PAYLOAD_TYPE", TRADE)
    assert error.reply is LOCKED
    assert tracker.next_at(12.5) is None
    assert tracker.submit(TRADE, 15.0).state is RequestState.QUEUED


def test_only_what_changes_nothing_is_repeated() -> None:
    tracker = new_exchange()
    for request in SCHEMA.responses:
        trading = SCHEMA.responses[request] is ProtoOAExecutionEvent
        assert tracker.repeats(request.blank()) is (
            not trading
            and request.__name__
            not in {
                "ProtoOAAccountLogoutReq",
                "ProtoOAMarginCallUpdateReq",
                "ProtoOARefreshTokenReq",
            }
        )


# --- the end ---


def test_a_lost_link_tells_everybody_what_may_have_been_delivered() -> None:
    tracker = new_exchange()
    sent, abandoned = (
        in_state(tracker, RequestState.SENT),
        in_state(tracker, RequestState.ABANDONED),
    )
    done, queued = in_state(tracker, RequestState.DONE), tracker.submit(TRADE, NOW)
    settled = tracker.lose("the cable was cut")
    assert settled == [sent, queued]
    assert abandoned.state is RequestState.DONE
    assert done.result() is ANSWER
    for ticket, maybe_delivered in ((sent, True), (queued, False)):
        with pytest.raises(ConnectionLost, match="the cable was cut") as caught:
            ticket.result()
        assert caught.value.maybe_delivered is maybe_delivered
    assert tracker.pop(NOW) is None
    with pytest.raises(ConnectionLost, match="the cable was cut") as caught:
        tracker.submit(ASK, NOW)
    assert caught.value.maybe_delivered is False


# --- all of it, in any order ---


class Conversation(RuleBasedStateMachine):
    """Requests, cancellations and replies in any order, beside a model that only counts."""

    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.tracker = new_exchange()
        self.peer = Connection(SCHEMA)
        self.on_the_wire: list[str] = []
        self.cancelled_early: set[str] = set()
        self.results: dict[str, int] = {}
        self.fates_sent = 0
        self.fates_seen = 0
        self.lost = False

    @rule(target=tickets, trading=st.booleans())
    def submit(self, trading: bool) -> Any:
        try:
            return self.tracker.submit(TRADE if trading else ASK, NOW)
        except ConnectionLost:
            assert self.lost
            return None

    @rule()
    def write(self) -> None:
        frame = self.tracker.pop(NOW)
        if frame is not None:
            (event,) = self.peer.receive_data(frame)
            assert event.client_msg_id is not None
            self.on_the_wire.append(event.client_msg_id)

    @rule(ticket=consumes(tickets))
    def cancel(self, ticket: Ticket | None) -> None:
        if ticket is None or ticket.state not in {RequestState.QUEUED, RequestState.SENT}:
            return
        if ticket.state is RequestState.QUEUED:
            self.cancelled_early.add(ticket.client_msg_id)
        self.tracker.cancel(ticket)
        self.results[ticket.client_msg_id] = self.results.get(ticket.client_msg_id, 0) + 1

    @rule(
        data=st.data(),
        reply=st.sampled_from([ANSWER, REFUSAL, execution(), FILLED, ORDER_ERROR, SPOT]),
    )
    def answer(self, data: st.DataObject, reply: Message) -> None:
        if self.lost:
            return
        ids = [None, "foreign", *self.on_the_wire]
        batch = self.tracker.receive([Envelope(reply, data.draw(st.sampled_from(ids)))], NOW)
        if isinstance(reply, ProtoOAExecutionEvent | ProtoOAOrderErrorEvent):
            self.fates_sent += 1
            self.fates_seen += batch.events == [reply]
        for ticket in batch.settled:
            self.results[ticket.client_msg_id] = self.results.get(ticket.client_msg_id, 0) + 1

    @rule()
    def lose(self) -> None:
        if self.lost:
            return
        self.lost = True
        for ticket in self.tracker.lose("gone"):
            self.results[ticket.client_msg_id] = self.results.get(ticket.client_msg_id, 0) + 1
            assert isinstance(ticket.settled_as, ConnectionLost)
            assert ticket.settled_as.maybe_delivered is (ticket.client_msg_id in self.on_the_wire)

    @invariant()
    def nobody_is_told_twice(self) -> None:
        assert all(count == 1 for count in self.results.values())

    @invariant()
    def nothing_cancelled_early_was_written_and_no_id_twice(self) -> None:
        assert self.cancelled_early.isdisjoint(self.on_the_wire)
        assert len(set(self.on_the_wire)) == len(self.on_the_wire)

    @invariant()
    def no_fate_of_an_order_is_lost(self) -> None:
        assert self.fates_seen == self.fates_sent


TestConversation = Conversation.TestCase
