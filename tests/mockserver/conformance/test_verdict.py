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
from mockserver.conformance.expectations import LEFT_OUT, TRIALS, hurried, impossible, plainly
from mockserver.conformance.record import Closed, Exit, Knock, Opened, Record, Said, Struck
from mockserver.conformance.verdict import Result, as_json, judge, listing, row, total
from mockserver.faults.effects import CloseDoor, Delay, Duplicate, Throttle
from mockserver.faults.plan import Fault
from mockserver.faults.scenarios import SCENARIOS
from mockserver.handler import Entrance

IN = Knock(0.0, Entrance.OPEN)


def record(*entries, status=0, at=30.0, output="", tempo=1.0):
    return Record([IN, *entries], Exit(status, at, output), tempo=tempo)


def test_every_named_scenario_is_a_trial_or_left_out_for_a_reason():
    assert {*SCENARIOS} == {*TRIALS, *LEFT_OUT} - {"calm", "history-burst"}
    assert not {*TRIALS} & {*LEFT_OUT}


# --- a server on which nothing goes wrong shows nothing ---


@pytest.mark.parametrize("name", [name for name in TRIALS if TRIALS[name].scenario.faults])
def test_a_server_that_forgets_its_fault_is_noticed(name):
    verdict = judge(TRIALS[name], record())
    assert verdict.result is Result.NOT_TRIED
    assert verdict.reasons[0].startswith("nothing went wrong: ")


def test_each_fault_of_a_scenario_must_happen():
    shut, hang_up = TRIALS["refused-reconnect"].scenario.faults
    again = [
        Said(11.0, 2, ProtoOAApplicationAuthReq(client_id="", client_secret="")),
        Said(11.0, 2, ProtoOAAccountAuthReq(ctid_trader_account_id=1, access_token="")),
        Said(11.0, 2, ProtoOASubscribeSpotsReq(ctid_trader_account_id=1, symbol_id=[1])),
    ]
    half = judge(TRIALS["refused-reconnect"], record(Struck(10.0, shut), *again))
    assert half.result is Result.NOT_TRIED
    both = (Struck(10.0, shut), Struck(10.1, hang_up))
    assert judge(TRIALS["refused-reconnect"], record(*both, *again)).result is Result.SURVIVED
    assert judge(TRIALS["refused-reconnect"], record(*both)).result is Result.FAILED


def test_hurried_faults_count_as_those_that_were_planned():
    late = SCENARIOS["late-fill"].faults[0]
    happened = record(Struck(0.1, hurried(late, 0.1)), tempo=0.1)
    assert judge(TRIALS["late-fill"], happened).result is Result.SURVIVED


def test_a_scenario_of_which_nothing_is_known_need_not_happen():
    assert judge(plainly(SCENARIOS["flaky"]), record()).result is Result.SURVIVED


def test_history_that_was_not_asked_for_was_not_tried():
    bar = ProtoOAGetTrendbarsReq(
        ctid_trader_account_id=1, symbol_id=1, period=ProtoOATrendbarPeriod.M1
    )
    asked = record(*(Said(1.0, 1, bar) for _ in range(11)))
    verdict = judge(TRIALS["history-burst"], asked)
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
    verdict = judge(TRIALS["calm"], record(status=status, output=output))
    assert (verdict.result, verdict.reasons) == (Result.FAILED, (said,))


def test_where_giving_up_is_fine_only_a_crash_is_not():
    trial = TRIALS["tls-garbage"]
    struck = Struck(0.0, trial.scenario.faults[0])
    assert judge(trial, record(struck, status=3, at=1.0)).result is Result.SURVIVED
    crashed = record(struck, status=1, output="Traceback (most recent call last):\nKeyError: 1")
    assert judge(trial, crashed).result is Result.FAILED


# --- at the borders of what is allowed ---


def test_heartbeats_are_judged_on_each_connection_and_to_its_end():
    lived = [Opened(0.0, 1), Said(10.0, 1, None), Closed(21.9, 1), Opened(60.0, 2)]
    assert list(Beats()(record(*lived))) == []
    assert list(Beats()(record(*lived, Closed(72.5, 2)))) == [
        "it was silent for 12.5 s on connection 2"
    ]
    assert list(Beats()(record(*lived, tempo=0.5))) != []


def test_ten_knocks_in_a_second_are_calm_and_eleven_are_not():
    knocks = [Knock(5.0 + number / 10, Entrance.RESET) for number in range(20)]
    assert list(Calm()(record(*knocks))) == []
    denser = [Knock(7.0 + number / 11, Entrance.RESET) for number in range(11)]
    assert list(Calm()(record(*denser))) == ["it tried to connect 11 times within a second"]


def test_a_dead_connection_is_given_up_by_leaving_as_well():
    struck = Struck(10.0, Fault(Delay(1.0)))
    assert list(Notices(45.0)(record(Opened(0.0, 1), struck, at=50.0))) == []
    assert list(Notices(45.0)(record(Opened(0.0, 1), struck, at=70.0))) != []
    knocked = record(Opened(0.0, 1), struck, Knock(40.0, Entrance.OPEN), at=70.0)
    assert list(Notices(45.0)(knocked)) == []


def test_only_times_are_hurried():
    assert hurried(Fault(CloseDoor(2.0), after=10.0), 0.5) == Fault(CloseDoor(1.0), after=5.0)
    assert hurried(Fault(Throttle(205, 0.1)), 0.5) == Fault(Throttle(205, 0.05))
    assert hurried(Fault(Duplicate(1000)), 0.5) == Fault(Duplicate(1000))


# --- wires, and what is printed ---


def test_what_a_wire_does_not_have_cannot_happen_on_it():
    assert impossible(TRIALS["tls-expired"], "tls") is None
    assert "certificates" in str(impossible(TRIALS["tls-expired"], "tcp"))
    assert impossible(TRIALS["half-frame"], "json-wss") is None


def test_a_row_has_a_line_for_each_reason():
    verdict = judge(TRIALS["calm"], record(status=None, at=2.0))
    assert row(verdict, 6) == "calm    FAILED        2.0 s  it hung: it was still running after 2 s"
    both = judge(TRIALS["calm"], record(Opened(0.0, 1), Closed(20.0, 1), status=1, at=30.0))
    assert row(both, 4).splitlines() == [
        "calm  FAILED       30.0 s  it exited with status 1",
        "    also: it was silent for 20.0 s on connection 1",
    ]
    assert total([verdict, both, judge(TRIALS["calm"], record())]) == "1 of 3 survived, 2 failed"


def test_json_has_what_a_program_wants():
    told = as_json(judge(TRIALS["calm"], record(Said(1.0, 1, None), output="hello")))
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
    text = listing(TRIALS.values())
    assert "close-after-order: the server carries an order out and closes instead" in text
    assert "the client asks what has become of its order" in text
    assert "flaky: goes wrong by chance" in text
