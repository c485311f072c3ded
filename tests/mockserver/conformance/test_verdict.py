"""What is said of a record: pure, and so the server can be as broken as one likes."""

from __future__ import annotations

import pytest

from ctrader_typed.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAGetTrendbarsReq,
    ProtoOASubscribeSpotsReq,
    ProtoOATrendbarPeriod,
)
from mockserver.conformance.checks import Beats, Calm, Notices
from mockserver.conformance.expectations import (
    EXPECTATIONS,
    LEFT_OUT,
    impossible,
    plainly,
    shortened_times,
)
from mockserver.conformance.record import (
    ClientMessage,
    Closed,
    ConnectionAttempt,
    Exit,
    FaultApplied,
    Opened,
    Record,
)
from mockserver.conformance.verdict import Result, as_json, judge, listing, row, total
from mockserver.faults.effects import CloseDoor, Delay, Duplicate, Throttle
from mockserver.faults.plan import Fault
from mockserver.faults.scenarios import SCENARIOS
from mockserver.handler import ConnectionGreeting

IN = ConnectionAttempt(0.0, ConnectionGreeting.OPEN)


def record(*entries, status=0, at=30.0, output="", tempo=1.0):
    return Record([IN, *entries], Exit(status, at, output), tempo=tempo)


def test_every_named_scenario_is_a_trial_or_left_out_for_a_reason():
    assert {*SCENARIOS} == {*EXPECTATIONS, *LEFT_OUT} - {"calm", "history-burst"}
    assert not {*EXPECTATIONS} & {*LEFT_OUT}


# --- a server on which nothing goes wrong shows nothing ---


@pytest.mark.parametrize(
    "name", [name for name in EXPECTATIONS if EXPECTATIONS[name].scenario.faults]
)
def test_a_server_that_forgets_its_fault_is_noticed(name):
    verdict = judge(EXPECTATIONS[name], record())
    assert verdict.result is Result.NOT_TRIED
    assert verdict.reasons[0].startswith("nothing went wrong: ")


def test_each_fault_of_a_scenario_must_happen():
    shut, hang_up = EXPECTATIONS["refused-reconnect"].scenario.faults
    again = [
        ClientMessage(11.0, 2, ProtoOAApplicationAuthReq(client_id="", client_secret="")),
        ClientMessage(11.0, 2, ProtoOAAccountAuthReq(ctid_trader_account_id=1, access_token="")),
        ClientMessage(11.0, 2, ProtoOASubscribeSpotsReq(ctid_trader_account_id=1, symbol_id=[1])),
    ]
    half = judge(EXPECTATIONS["refused-reconnect"], record(FaultApplied(10.0, shut), *again))
    assert half.result is Result.NOT_TRIED
    both = (FaultApplied(10.0, shut), FaultApplied(10.1, hang_up))
    assert judge(EXPECTATIONS["refused-reconnect"], record(*both, *again)).result is Result.SURVIVED
    assert judge(EXPECTATIONS["refused-reconnect"], record(*both)).result is Result.FAILED


def test_hurried_faults_count_as_those_that_were_planned():
    late = SCENARIOS["late-fill"].faults[0]
    happened = record(FaultApplied(0.1, shortened_times(late, 0.1)), tempo=0.1)
    assert judge(EXPECTATIONS["late-fill"], happened).result is Result.SURVIVED


def test_a_scenario_of_which_nothing_is_known_need_not_happen():
    assert judge(plainly(SCENARIOS["flaky"]), record()).result is Result.SURVIVED


def test_history_that_was_not_asked_for_was_not_tried():
    bar = ProtoOAGetTrendbarsReq(
        ctid_trader_account_id=1, symbol_id=1, period=ProtoOATrendbarPeriod.M1
    )
    asked = record(*(ClientMessage(1.0, 1, bar) for _ in range(11)))
    verdict = judge(EXPECTATIONS["history-burst"], asked)
    assert verdict.reasons == ("it asked for history 11 times, and was told to do so 12 times",)


# --- how it ended ---


@pytest.mark.parametrize(
    ("status", "output", "said"),
    [
        (None, "", "it hung: it was still running after 30 s"),
        (-9, "", "it was killed by SIGKILL"),
        (-99, "", "it was killed by signal 99"),
        (3, "no luck\n\n", "it exited with status 3: no luck"),
        (2, "panic: oh\n", "it died of an error that it did not handle: panic: oh"),
    ],
)
def test_a_bad_end_is_said_in_words(status, output, said):
    verdict = judge(EXPECTATIONS["calm"], record(status=status, output=output))
    assert (verdict.result, verdict.reasons) == (Result.FAILED, (said,))


def test_where_giving_up_is_fine_only_a_crash_is_not():
    expectation = EXPECTATIONS["tls-garbage"]
    struck = FaultApplied(0.0, expectation.scenario.faults[0])
    assert judge(expectation, record(struck, status=3, at=1.0)).result is Result.SURVIVED
    crashed = record(struck, status=1, output="Traceback (most recent call last):\nKeyError: 1")
    assert judge(expectation, crashed).result is Result.FAILED


# --- at the borders of what is allowed ---


def test_heartbeats_are_judged_on_each_connection_and_to_its_end():
    lived = [Opened(0.0, 1), ClientMessage(10.0, 1, None), Closed(21.9, 1), Opened(60.0, 2)]
    assert list(Beats()(record(*lived))) == []
    assert list(Beats()(record(*lived, Closed(72.5, 2)))) == [
        "it was silent for 12.5 s on connection 2"
    ]
    assert list(Beats()(record(*lived, tempo=0.5))) != []


def test_ten_knocks_in_a_second_are_calm_and_eleven_are_not():
    knocks = [
        ConnectionAttempt(5.0 + number / 10, ConnectionGreeting.RESET) for number in range(20)
    ]
    assert list(Calm()(record(*knocks))) == []
    denser = [
        ConnectionAttempt(7.0 + number / 11, ConnectionGreeting.RESET) for number in range(11)
    ]
    assert list(Calm()(record(*denser))) == ["it tried to connect 11 times within a second"]


def test_a_dead_connection_is_given_up_by_leaving_as_well():
    struck = FaultApplied(10.0, Fault(Delay(1.0)))
    assert list(Notices(45.0)(record(Opened(0.0, 1), struck, at=50.0))) == []
    assert list(Notices(45.0)(record(Opened(0.0, 1), struck, at=70.0))) != []
    knocked = record(
        Opened(0.0, 1), struck, ConnectionAttempt(40.0, ConnectionGreeting.OPEN), at=70.0
    )
    assert list(Notices(45.0)(knocked)) == []


def test_only_times_are_hurried():
    assert shortened_times(Fault(CloseDoor(2.0), after=10.0), 0.5) == Fault(
        CloseDoor(1.0), after=5.0
    )
    assert shortened_times(Fault(Throttle(205, 0.1)), 0.5) == Fault(Throttle(205, 0.05))
    assert shortened_times(Fault(Duplicate(1000)), 0.5) == Fault(Duplicate(1000))


# --- wires, and what is printed ---


def test_what_a_wire_does_not_have_cannot_happen_on_it():
    assert impossible(EXPECTATIONS["tls-expired"], "tls") is None
    assert "certificates" in str(impossible(EXPECTATIONS["tls-expired"], "tcp"))
    assert impossible(EXPECTATIONS["half-frame"], "json-wss") is None


def test_a_row_has_a_line_for_each_reason():
    verdict = judge(EXPECTATIONS["calm"], record(status=None, at=2.0))
    assert row(verdict, 6) == "calm    FAILED        2.0 s  it hung: it was still running after 2 s"
    both = judge(EXPECTATIONS["calm"], record(Opened(0.0, 1), Closed(20.0, 1), status=1, at=30.0))
    assert row(both, 4).splitlines() == [
        "calm  FAILED       30.0 s  it exited with status 1",
        "    also: it was silent for 20.0 s on connection 1",
    ]
    assert (
        total([verdict, both, judge(EXPECTATIONS["calm"], record())]) == "1 of 3 survived, 2 failed"
    )


def test_json_has_what_a_program_wants():
    told = as_json(judge(EXPECTATIONS["calm"], record(ClientMessage(1.0, 1, None), output="hello")))
    assert told == {
        "scenario": "calm",
        "verdict": "survived",
        "reasons": [],
        "seconds": 30.0,
        "status": 0,
        "connects": 1,
        "messages": 1,
        "output": "hello",
    }


def test_the_listing_says_what_is_expected():
    text = listing(EXPECTATIONS.values())
    assert "close-after-order: the server carries an order out and closes instead" in text
    assert "the client asks what has become of its order" in text
    assert "flaky: goes wrong by chance" in text
