"""Scenarios by name and out of files; each of the named ones happens to our client."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import trio

from ctrader_typed import (
    CTraderError,
    ProtoOAOrderType,
    ProtoOATradeSide,
    connect,
    connect_over,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, REFRESH_TOKEN, Box
from mockserver.composition import mock_server
from mockserver.errors import ScenarioError
from mockserver.faults.effects import Delay, Meet, Push, Strip
from mockserver.faults.plan import Fault
from mockserver.faults.scenario_files import EFFECTS, read_scenario, scenario
from mockserver.faults.scenarios import SCENARIOS
from mockserver.handler import ConnectionGreeting
from mockserver.recordings.session_file import Direction

KEYS = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "access_token": ACCESS_TOKEN,
    "account_id": HEDGED,
}


async def live_a_little(api: Any) -> None:
    """What programs do: log in, look, trade, wait, refresh. A refusal does not stop it."""
    account = {"ctid_trader_account_id": HEDGED}
    for _ in range(4):
        with suppress(CTraderError):
            await api.auth(**KEYS)
            break
    await api.subscribe_spots(**account, symbol_id=[1])
    for _ in range(3):
        with suppress(CTraderError), trio.move_on_after(5):
            await api.trader(**account)
    with suppress(CTraderError), trio.move_on_after(5):
        await api.new_order(
            **account,
            symbol_id=1,
            order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY,
            volume=100_000,
        )
    await trio.sleep(40)
    with suppress(CTraderError), trio.move_on_after(5):
        await api.refresh_token(refresh_token=REFRESH_TOKEN)


async def drained(stream: trio.abc.ReceiveStream) -> None:
    async for _ in stream:
        pass


IN_MEMORY = [
    name
    for name, each in SCENARIOS.items()
    if not any(isinstance(fault.effect, Meet) for fault in each.faults)
]


@pytest.mark.parametrize("name", IN_MEMORY)
async def test_every_named_scenario_happens_to_a_client_and_ends(name, autojump_clock):
    plan = SCENARIOS[name].plan()
    with trio.fail_after(600):
        async with mock_server(Box(), port=None, faults=plan) as server:
            for _ in range(2):
                with suppress(CTraderError):
                    async with connect_over(server.memory_client()) as api:
                        await live_a_little(api)
            if name == "no-heartbeats":  # a busy connection has none
                await drained(server.memory_client())
    assert plan.happened


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in IN_MEMORY])
async def test_every_named_scenario_of_tls_refuses_once_and_then_lets_in(name, autojump_clock):
    plan = SCENARIOS[name].plan()
    async with mock_server(Box(), faults=plan) as server:
        host, port = server.address
        context = server.client_ssl_context()

        async def enter() -> None:
            with trio.fail_after(20):
                async with connect(host, port, ssl_context=context) as api:
                    await api.version()

        with pytest.raises((CTraderError, trio.TooSlowError)):
            await enter()
        await enter()
    assert len(plan.happened) == 1


def test_there_are_plenty_and_each_says_in_a_line_what_it_is():
    assert len(SCENARIOS) >= 40
    for name, each in SCENARIOS.items():
        assert each.name == name
        assert 15 < len(each.note) < 80
        assert each.faults


def test_a_scenario_is_found_by_its_name_or_its_file(tmp_path):
    assert scenario("late-fill") is SCENARIOS["late-fill"]
    path = tmp_path / "mine.json"
    fault = {"effect": "delay", "seconds": 2, "message": "ProtoOASpotEvent", "chance": 0.5}
    path.write_text(json.dumps({"note": "mine", "seed": 5, "faults": [fault]}))
    mine = scenario(str(path))
    assert (mine.name, mine.note, mine.seed) == ("mine", "mine", 5)
    assert mine.faults == (Fault(Delay(2), message="ProtoOASpotEvent", chance=0.5),)


def test_every_effect_can_be_written_in_a_file():
    faults = [
        {"effect": "strip", "fields": ["bid", "ask"], "direction": "client", "connection": 2},
        {"effect": "meet", "entrance": "wrong_host"},
        {"effect": "push", "message": 4242, "with_id": True, "payload": {}, "times": None},
        {"effect": "hang"},
        {"effect": "hang", "seconds": None},
    ]
    read = read_scenario({"faults": faults}, "x").faults
    assert read[0] == Fault(Strip(("bid", "ask")), Direction.CLIENT, connection=2)
    assert read[1] == Fault(Meet(ConnectionGreeting.WRONG_HOST))
    assert read[2] == Fault(Push(4242, {}, with_id=True), times=None)
    assert read[3] == read[4]
    assert "hang_up" in EFFECTS
    assert len(EFFECTS) == 18


BAD = {
    "no object": ([], "expected an object with a list of faults"),
    "no faults": ({"note": "x"}, "expected an object with a list of faults"),
    "an unknown key": ({"faults": [], "speed": 1}, "unknown 'speed'"),
    "no note": ({"faults": [], "note": 1}, "expected a text as note"),
    "no effect": ({"faults": [{}]}, "fault 1: no effect None; there are delay, drop, "),
    "another effect": ({"faults": [{"effect": "explode"}]}, "fault 1: no effect 'explode'"),
    "a fault that is none": ({"faults": [1]}, "fault 1: expected an object"),
    "a missing value": ({"faults": [{"effect": "delay"}]}, "fault 1: .*seconds"),
    "an unknown value": (
        {"faults": [{"effect": "drop"}, {"effect": "drop", "second": 1}]},
        "fault 2: unknown 'second'",
    ),
    "a wrong kind": (
        {"faults": [{"effect": "delay", "seconds": "2"}]},
        "fault 1: seconds: expected float, got '2'",
    ),
    "a yes for a number": (
        {"faults": [{"effect": "delay", "seconds": True}]},
        "fault 1: seconds: expected float, got True",
    ),
    "fields that are none": (
        {"faults": [{"effect": "drop", "message": "X", "connection": "1"}]},
        "fault 1: connection: expected int",
    ),
    "a payload that is none": (
        {"faults": [{"effect": "push", "message": "X", "payload": 1}]},
        "fault 1: payload: expected an object",
    ),
    "another direction": (
        {"faults": [{"effect": "drop", "direction": "both"}]},
        "fault 1: 'both' is not a valid Direction",
    ),
    "what cannot happen": (
        {"faults": [{"effect": "drop", "nth": 0}]},
        "fault 1: nth and times count from 1",
    ),
}


@pytest.mark.parametrize(("value", "text"), BAD.values(), ids=BAD)
def test_a_bad_scenario_is_named_by_its_fault(value, text, tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(value))
    with pytest.raises(ScenarioError, match=text):
        scenario(str(path))


def test_what_is_neither_name_nor_json_is_named(tmp_path):
    with pytest.raises(ScenarioError, match="neither a scenario nor a file called nothing"):
        scenario("nothing")
    path = tmp_path / "text.json"
    path.write_text("{")
    with pytest.raises(ScenarioError, match=r"text\.json: Expecting"):
        scenario(str(path))
