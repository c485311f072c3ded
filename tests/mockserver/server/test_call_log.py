"""Asking a server what clients have sent; the rules that it watches by itself; the journal."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from ctrader_typed import DecodeError, connect_over
from ctrader_typed.proto import (
    SCHEMA,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountLogoutReq,
    ProtoOAApplicationAuthReq,
    ProtoOAAssetListReq,
    ProtoOACancelOrderReq,
    ProtoOAGetTrendbarsReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATraderReq,
    ProtoOATradeSide,
    ProtoOATrendbarPeriod,
    ProtoOAVersionReq,
)
from ctrader_typed.wire.envelope import BadPayload, Envelope, UnknownPayload
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server
from mockserver.errors import InvariantBroken
from mockserver.handler import Close, Send, SendPayload, SendRaw
from mockserver.server.call_log import CallLog
from mockserver.server.client_rules import ClientRules, Rule

APP = ProtoOAApplicationAuthReq(client_id="a", client_secret="canary-secret")
AUTH = ProtoOAAccountAuthReq(ctid_trader_account_id=1, access_token="canary-token")
LOGOUT = ProtoOAAccountLogoutReq(ctid_trader_account_id=1)
ASSETS = ProtoOAAssetListReq(ctid_trader_account_id=1)


def order(**more: Any) -> ProtoOANewOrderReq:
    return ProtoOANewOrderReq(
        **{
            "ctid_trader_account_id": 1,
            "symbol_id": 1,
            "order_type": ProtoOAOrderType.MARKET,
            "trade_side": ProtoOATradeSide.BUY,
            "volume": 100,
            **more,
        }
    )


@pytest.fixture
def call_log() -> CallLog:
    call_log = CallLog(SCHEMA)
    call_log.opened(1, 0.0)
    return call_log


def hears(call_log: CallLog, *messages: Any) -> None:
    for message in messages:
        call_log.came(1, Envelope(message, "id"), 0.0)


# --- asking --------------------------------------------------------------------------------------


def test_messages_are_found_by_class_and_fields(call_log):
    one, two = order(symbol_id=1), order(symbol_id=2, label="x")
    hears(call_log, one, ASSETS, two)
    assert call_log.received(ProtoOANewOrderReq) == [one, two]
    assert call_log.received(ProtoOANewOrderReq, symbol_id=2, label="x") == [two]
    assert call_log.received(ProtoOANewOrderReq, symbol_id=1, label="x") == []
    assert call_log.received(ProtoOACancelOrderReq) == []
    with pytest.raises(TypeError, match=r"'symbol'\. Did you mean 'symbol_id'"):
        call_log.received(ProtoOANewOrderReq, symbol=1)


def test_what_was_heard_says_when_and_on_which_connection(call_log):
    call_log.opened(2, 1.0)
    call_log.came(2, Envelope(ASSETS, "x"), 1.5)
    (heard,) = call_log.heard
    assert (heard.connection, heard.at, heard.client_msg_id) == (2, 1.5, "x")


def test_an_assertion_that_fails_shows_what_came_instead(call_log):
    hears(call_log, order(), order(volume=5))
    assert call_log.assert_received(ProtoOANewOrderReq, volume=5) == order(volume=5)
    assert call_log.assert_received(ProtoOANewOrderReq, times=2) == order()
    with pytest.raises(AssertionError) as failed:
        call_log.assert_received(ProtoOANewOrderReq, volume=6)
    assert str(failed.value).startswith(
        "ProtoOANewOrderReq(volume=6): expected at least once, came 0 times. "
        "Of this class came:\n  ProtoOANewOrderReq("
    )
    with pytest.raises(AssertionError, match="expected 1 times, came 2 times"):
        call_log.assert_received(ProtoOANewOrderReq, times=1)
    with pytest.raises(AssertionError, match="What came: ProtoOANewOrderReq, ProtoOANewOrderReq"):
        call_log.assert_received(ProtoOACancelOrderReq)


def test_never_means_never(call_log):
    hears(call_log, order())
    call_log.never(ProtoOANewOrderReq, volume=1)
    call_log.never(ProtoOACancelOrderReq)
    with pytest.raises(AssertionError, match="expected never, came 1 times: ProtoOANewOrderReq"):
        call_log.never(ProtoOANewOrderReq, volume=100)


def test_the_order_of_calls_can_be_asserted(call_log):
    hears(call_log, APP, AUTH, ASSETS, order())
    call_log.assert_order(ProtoOAApplicationAuthReq, ProtoOAAccountAuthReq, ProtoOANewOrderReq)
    with pytest.raises(AssertionError, match=r"no ProtoOAAssetListReq came after ProtoOANewOrder"):
        call_log.assert_order(ProtoOANewOrderReq, ProtoOAAssetListReq)
    with pytest.raises(AssertionError, match=r"no ProtoOAAssetListReq came after ProtoOAAssetList"):
        call_log.assert_order(ProtoOAAssetListReq, ProtoOAAssetListReq)


def test_no_text_shows_a_secret(call_log):
    hears(call_log, APP, AUTH)
    with pytest.raises(AssertionError) as failed:
        call_log.assert_received(ProtoOAAccountAuthReq, access_token="canary-other")
    assert "access_token=***" in str(failed.value)
    assert "canary" not in str(failed.value)


async def test_one_can_wait_for_a_message(autojump_clock):
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client()) as api,
        trio.open_nursery() as nursery,
    ):

        async def ask() -> None:
            for _ in range(3):
                await trio.sleep(1)
                await api.version()

        nursery.start_soon(ask)
        began = trio.current_time()
        assert await server.wait_for(ProtoOAVersionReq) == ProtoOAVersionReq()
        assert trio.current_time() - began == pytest.approx(1.0)
        await server.wait_for(ProtoOAVersionReq, times=3)
        assert trio.current_time() - began == pytest.approx(3.0)
        await server.wait_for(ProtoOAVersionReq, times=2)  # it has been so already
        with trio.move_on_after(10) as scope:
            await server.wait_for(ProtoOATraderReq)
        assert scope.cancelled_caught


# --- the rules that are always watched ------------------------------------------------------------


class Watch:
    def __init__(self) -> None:
        self.invariants = ClientRules()
        self.invariants.opened(1, 0.0)

    def hears(self, *messages: Any, connection: int = 1, now: float = 0.0) -> list[Rule]:
        before = len(self.invariants.violations)
        for message in messages:
            self.invariants.heard(connection, message, now)
        return [each.rule for each in self.invariants.violations[before:]]


def test_a_good_client_breaks_no_rule():
    watch = Watch()
    assert watch.hears(ProtoOAVersionReq(), APP, AUTH, ASSETS, order(client_order_id="1")) == []
    for now in range(10, 100, 10):
        assert watch.hears(ProtoHeartbeatEvent(), now=float(now)) == []
    assert watch.hears(LOGOUT, AUTH, ASSETS, now=95.0) == []
    watch.invariants.closed(1, 100.0)
    assert watch.invariants.violations == []


def test_a_gap_between_two_messages_is_seen_at_the_next_or_at_the_end():
    watch = Watch()
    assert watch.hears(ProtoHeartbeatEvent(), now=10.4) == []
    assert watch.hears(ProtoHeartbeatEvent(), now=21.4) == [Rule.HEARTBEAT]
    assert watch.hears(None, now=31.0) == []  # what cannot be read is a sign of life too
    watch.invariants.closed(1, 50.0)
    assert [each.rule for each in watch.invariants.violations] == [Rule.HEARTBEAT] * 2
    assert str(watch.invariants.violations[1]) == (
        "50.000 s, connection 1: nothing for 19.0 seconds (a message at least every 10 seconds)"
    )


def test_too_many_requests_are_seen_even_if_the_server_lets_them_pass():
    watch = Watch()
    watch.hears(APP, AUTH)
    assert watch.hears(*[ASSETS] * 50) == []
    assert watch.hears(ASSETS, now=0.5) == [Rule.RATE]
    assert watch.hears(ASSETS, AUTH, now=1.0) == []
    bars = ProtoOAGetTrendbarsReq(
        ctid_trader_account_id=1, symbol_id=1, period=ProtoOATrendbarPeriod.M1
    )
    assert watch.hears(*[bars] * 6, now=5.0) == [Rule.RATE]
    assert watch.hears(*[ProtoHeartbeatEvent()] * 100, now=5.0) == []


def test_logins_come_first():
    watch = Watch()
    assert watch.hears(AUTH) == [Rule.AUTH_FIRST]
    assert watch.hears(APP, ASSETS) == [Rule.AUTH_FIRST]
    watch.invariants.opened(2, 0.0)
    assert watch.hears(APP, AUTH, ASSETS, connection=2) == []
    assert watch.hears(ASSETS) == [Rule.AUTH_FIRST]  # another connection's login is no good


def test_an_order_id_is_used_once_on_all_connections():
    watch = Watch()
    watch.hears(APP, AUTH)
    watch.invariants.opened(2, 0.0)
    watch.hears(APP, AUTH, connection=2)
    assert watch.hears(order(client_order_id="1"), order(), order()) == []
    assert watch.hears(order(client_order_id="1"), connection=2) == [Rule.ORDER_ID]


def test_nothing_comes_after_a_logout():
    watch = Watch()
    assert watch.hears(APP, AUTH, LOGOUT, ASSETS) == [Rule.LOGGED_OUT]
    assert watch.hears(AUTH, ASSETS) == []


async def test_the_server_watches_and_says_so_when_asked(talker, autojump_clock):
    async with mock_server(Box(), port=None) as server:
        await talker(server.memory_client()).ask(ASSETS)
        assert [each.rule for each in server.violations] == [Rule.AUTH_FIRST]
        with pytest.raises(InvariantBroken, match="ProtoOAAssetListReq before the application"):
            server.check()


async def test_our_client_breaks_no_rule(autojump_clock):
    async with mock_server(Box(), port=None) as server:
        async with connect_over(server.memory_client()) as api:
            await api.auth(
                client_id=CLIENT_ID,
                client_secret=CLIENT_SECRET,
                access_token=ACCESS_TOKEN,
                account_id=HEDGED,
            )
            for _ in range(60):
                await api.trader(ctid_trader_account_id=HEDGED)
            await trio.sleep(60)
        await server.wait_ended()
        server.check()


# --- the journal ----------------------------------------------------------------------------------


def journal_of(*deeds: Any) -> list[dict[str, Any]]:
    connections: list[str] = []
    call_log = CallLog(SCHEMA, connections.append)
    assert call_log.writes
    call_log.opened(1, 0.0)
    for deed in deeds:
        if isinstance(deed, (Send, SendPayload, SendRaw, Close)):
            call_log.sends(1, deed, 2.0)
        else:
            call_log.came(1, deed, 1.0)
    call_log.closed(1, 3.0, "done")
    assert all(line.endswith("\n") for line in connections)
    return [json.loads(line) for line in connections]


def test_the_journal_has_everything_but_secrets():
    bad = BadPayload(2102, b"canary-bytes", "4", DecodeError("it breaks off"))
    written = journal_of(
        Envelope(APP, "1"),
        Envelope(order(label="l"), "2"),
        UnknownPayload(4242, b"\1\2", "3"),
        bad,
        Send(ProtoOAVersionReq(), "1"),
        SendPayload(4242, b"\3", None),
        SendRaw(b"canary"),
        Close("enough"),
    )
    assert "canary" not in json.dumps(written)
    opened, *rest, closed = written
    assert opened == {"t": 0.0, "connection": 1, "what": "opened"}
    assert closed == {"t": 3.0, "connection": 1, "what": "closed", "reason": "done"}
    assert rest[0] == {
        "connection": 1,
        "direction": "client",
        "message": "ProtoOAApplicationAuthReq",
        "clientMsgId": "1",
        "t": 1.0,
        "payload": {"clientId": "<redacted>", "clientSecret": "<redacted>"},
    }
    assert rest[1]["payload"]["label"] == "l"
    assert (rest[2]["payloadType"], rest[2]["wire_b64"]) == (4242, "AQI=")
    assert rest[3]["message"] == "ProtoOAAccountAuthReq"
    assert (rest[4]["direction"], rest[4]["clientMsgId"]) == ("server", "1")
    assert (rest[5]["payloadType"], rest[5]["wire_b64"]) == (4242, "Aw==")
    assert "<6 bytes>" in rest[6]["what"]
    assert "enough" in rest[7]["what"]


async def test_a_server_keeps_its_journal(talker, autojump_clock):
    connections: list[str] = []
    async with mock_server(Box(), port=None, journal=connections.append) as server:
        client = talker(server.memory_client())
        await client.ask(ProtoOAVersionReq())
        await client.stream.aclose()
        await server.wait_ended()
    kinds = [
        json.loads(line).get("direction", json.loads(line).get("what")) for line in connections
    ]
    assert kinds == ["opened", "client", "server", "closed"]
