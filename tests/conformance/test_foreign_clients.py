"""Clients that others wrote, unchanged, trade on our server over TLS: what they make of it.

Each is driven by a program of its own, which prints every message that its client gave it. That is
held against the server's journal, and against what our own client sees.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import trio

from ctrader_typed import connect
from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOADealListRes,
    ProtoOAExecutionType,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsRes,
    ProtoOAPositionStatus,
    ProtoOAQuoteType,
    ProtoOAReconcileRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolsListRes,
    ProtoOATrendbarPeriod,
)
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.broker.broker import START
from mockserver.composition import mock_server
from mockserver.server.server import MockServer

pytestmark = pytest.mark.conformance

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SECONDS = 60  # for a session that takes ten
EURUSD = 1
BID, ASK = 1.5, 1.50012  # set by hand, far from where the price was

BY_NAME = {cls.__name__: cls for cls in SCHEMA.messages}


def official_sdk(_: Path) -> tuple[list[str], dict[str, str]]:
    """The SDK from Spotware, for Twisted. It does not verify certificates."""
    python = ROOT / ".venv-official/bin/python"
    if not python.exists():
        pytest.skip("the official SDK is not installed: `make conformance` does it")
    return [str(python), str(HERE / "official_sdk.py")], {}


def ctrader_layer(ca: Path) -> tuple[list[str], dict[str, str]]:
    """A client for Node, with a schema that is some years old."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("this machine has no Node")
    modules = ROOT / ".venv-layer/node_modules"
    if not modules.exists():
        pytest.skip("cTrader Layer is not installed: `make conformance` does it, where npm is")
    environment = {"NODE_PATH": str(modules), "NODE_EXTRA_CA_CERTS": str(ca)}
    return [node, str(HERE / "ctrader_layer/driver.js")], environment


CLIENTS: dict[str, Callable[[Path], tuple[list[str], dict[str, str]]]] = {
    "official SDK": official_sdk,
    "cTrader Layer": ctrader_layer,
}


@dataclass(frozen=True)
class Said:
    """A message as the journal has it, or as a client saw it; its fields in cTrader's JSON."""

    name: str
    client_msg_id: str | None
    fields: Mapping[str, Any]

    @classmethod
    def read(cls, line: Mapping[str, Any]) -> Said:
        """From a line of JSON. Clients show numbers as text and enums by name: both are undone."""
        name, fields = line["message"], line.get("payload", {})
        plain = BY_NAME[name].from_dict(fields).to_dict()
        return cls(name, line.get("clientMsgId"), plain)


@dataclass(frozen=True)
class Session:
    """One client's session: what it saw, what was sent, and what our client then saw."""

    seen: list[Said]
    sent: list[Said]
    ours: dict[type[Message], Any]
    violations: list[str]

    def messages(self, cls: type[Any]) -> list[Any]:
        """What the client saw of a class."""
        return [cls.from_dict(each.fields) for each in self.seen if each.name == cls.__name__]


@pytest.fixture(scope="module", params=CLIENTS)
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    ca = tmp_path_factory.mktemp("ca") / "ca.pem"
    command, environment = CLIENTS[request.param](ca)
    return trio.run(play, command, environment, ca)


async def play(command: list[str], environment: dict[str, str], ca: Path) -> Session:
    """Let the client trade, and ask the same with ours."""
    journal: list[str] = []
    with trio.fail_after(SECONDS):
        async with mock_server(Box(), journal=journal.append) as server:
            await trio.Path(ca).write_bytes(server.ca)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(move_the_price, server)
                done = await trio.run_process(
                    [*command, json.dumps(told(server))],
                    env=os.environ | environment,
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                )
                nursery.cancel_scope.cancel()
            assert done.returncode == 0, done.stderr.decode()
            lines = [json.loads(line) for line in journal]
            violations = [str(each) for each in server.violations]
            ours = await ask_the_same(server)
    return Session(
        seen=[Said.read(json.loads(line)) for line in done.stdout.splitlines()],
        sent=[Said.read(line) for line in lines if line.get("direction") == "server"],
        ours=ours,
        violations=violations,
    )


def told(server: MockServer) -> dict[str, Any]:
    host, port = server.address
    return {
        "host": host,
        "port": port,
        "clientId": CLIENT_ID,
        "clientSecret": CLIENT_SECRET,
        "accessToken": ACCESS_TOKEN,
        "account": HEDGED,
        "symbol": "EURUSD",
        "until": START,
    }


async def move_the_price(server: MockServer) -> None:
    await server.wait_for(ProtoOASubscribeSpotsReq)
    server.broker.set_price("EURUSD", BID, ASK)


async def ask_the_same(server: MockServer) -> dict[type[Message], Any]:
    """The answers that our client gets."""
    account = {"ctid_trader_account_id": HEDGED}
    window = {**account, "symbol_id": EURUSD, "to_timestamp": START}
    keys = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "access_token": ACCESS_TOKEN}
    async with connect(*server.address, ssl_context=server.client_ssl_context()) as api:
        await api.auth(**keys, account_id=HEDGED)
        answers = [
            await api.symbols_list(**account),
            await api.symbol_by_id(**account, symbol_id=[EURUSD]),
            await api.get_trendbars(
                **window, period=ProtoOATrendbarPeriod.M1, from_timestamp=START - 3_600_000
            ),
            await api.get_tick_data(
                **window, type=ProtoOAQuoteType.BID, from_timestamp=START - 60_000
            ),
            await api.deal_list(
                **account, from_timestamp=START, to_timestamp=START + 1000 * SECONDS
            ),
        ]
    return {type(answer): answer for answer in answers}


# --- everything ----------------------------------------------------------------------------------


def differences(theirs: Any, sent: Any, at: str = "") -> list[str]:
    """Where they say different things. A key that one of them lacks is no difference: old schemas
    do not know all fields, and some clients show defaults for what is absent.
    """
    if isinstance(theirs, Mapping) and isinstance(sent, Mapping):
        common = theirs.keys() & sent.keys()
        return [
            found
            for key in sorted(common)
            for found in differences(theirs[key], sent[key], f"{at}.{key}")
        ]
    if isinstance(theirs, list) and isinstance(sent, list) and len(theirs) == len(sent):
        pairs = enumerate(zip(theirs, sent, strict=True))
        return [found for i, (a, b) in pairs for found in differences(a, b, f"{at}[{i}]")]
    return [] if theirs == sent else [f"{at}: saw {theirs!r}, sent {sent!r}"]


def test_it_saw_what_was_sent(session: Session) -> None:
    """Message by message; those of one name in their order. Its ids are its own."""
    names = Counter(each.name for each in session.seen)
    for name, count in names.items():
        seen = [each for each in session.seen if each.name == name]
        sent = [each for each in session.sent if each.name == name]
        # Prices go on while it says goodbye.
        assert len(sent) >= count if name == "ProtoOASpotEvent" else len(sent) == count
        for theirs, ours in zip(seen, sent, strict=False):
            assert theirs.client_msg_id == ours.client_msg_id
            assert differences(theirs.fields, ours.fields, name) == []
    assert names.keys() == {each.name for each in session.sent}


def test_it_broke_no_rule(session: Session) -> None:
    assert session.violations == []


# --- step by step --------------------------------------------------------------------------------


def test_it_found_its_symbol_among_all(session: Session) -> None:
    (seen,) = session.messages(ProtoOASymbolsListRes)
    ours = session.ours[ProtoOASymbolsListRes]
    assert [(s.symbol_id, s.symbol_name) for s in seen.symbol] == [
        (s.symbol_id, s.symbol_name) for s in ours.symbol
    ]
    assert "EURUSD" in {s.symbol_name for s in seen.symbol}


def test_it_read_the_specification(session: Session) -> None:
    (seen,) = session.messages(ProtoOASymbolByIdRes)
    (theirs,), (ours,) = seen.symbol, session.ours[ProtoOASymbolByIdRes].symbol
    assert (theirs.digits, theirs.pip_position, theirs.min_volume) == (5, 4, 100_000)
    for name in ("symbol_id", "lot_size", "max_volume", "step_volume", "schedule", "swap_long"):
        assert getattr(theirs, name) == getattr(ours, name) is not None


def test_its_bars_are_ours(session: Session) -> None:
    (seen,) = session.messages(ProtoOAGetTrendbarsRes)
    ours = session.ours[ProtoOAGetTrendbarsRes]

    def values(bars: list[Any]) -> list[tuple[int, ...]]:
        return [
            (b.utc_timestamp_in_minutes, b.low, b.delta_open, b.delta_high, b.delta_close, b.volume)
            for b in bars
        ]

    assert values(seen.trendbar) == values(ours.trendbar)
    assert len(seen.trendbar) == 60
    assert seen.period is ProtoOATrendbarPeriod.M1
    assert seen.timestamp == START


def test_its_ticks_are_ours(session: Session) -> None:
    (seen,) = session.messages(ProtoOAGetTickDataRes)
    ours = session.ours[ProtoOAGetTickDataRes]
    assert seen.tick_data == ours.tick_data
    times = list(accumulate(tick.timestamp for tick in seen.tick_data))
    assert START >= times[0] > times[-1] >= START - 60_000
    assert times == sorted(times, reverse=True)
    prices = list(accumulate(tick.tick for tick in seen.tick_data))
    bar = session.messages(ProtoOAGetTrendbarsRes)[0].trendbar[-1]  # of the same minute
    assert (min(prices), max(prices)) == (bar.low, bar.low + bar.delta_high)
    assert (prices[-1], prices[0]) == (bar.low + bar.delta_open, bar.low + bar.delta_close)
    assert seen.has_more is ours.has_more is False


def test_it_saw_prices_move(session: Session) -> None:
    spots = [each.fields for each in session.seen if each.name == "ProtoOASpotEvent"]
    bids = [spot["bid"] for spot in spots if "bid" in spot]
    assert {spot["symbolId"] for spot in spots} == {EURUSD}
    assert 100_000 < bids[0] < 120_000  # where the seeded path was, until …
    assert round(BID * 100_000) in bids


def test_its_order_was_accepted_and_filled_and_protected(session: Session) -> None:
    accepted, filled, protected, *_ = executions(session)
    kinds = ProtoOAExecutionType
    assert accepted.execution_type is kinds.ORDER_ACCEPTED
    assert accepted.position.position_status is ProtoOAPositionStatus.POSITION_STATUS_CREATED
    assert filled.execution_type is kinds.ORDER_FILLED
    assert filled.deal.filled_volume == filled.position.trade_data.volume == 200_000
    assert filled.position.trade_data.label == "conformance"
    assert protected.execution_type is kinds.ORDER_ACCEPTED
    assert protected.is_server_event is True
    entry = filled.deal.execution_price
    assert entry == pytest.approx(ASK, abs=0.01)
    assert protected.position.stop_loss == pytest.approx(entry - 0.005)
    assert protected.position.take_profit == pytest.approx(entry + 0.009)
    ids = {e.order.order_id for e in (accepted, filled)}
    assert len(ids) == 1
    assert protected.order.order_id not in ids


def test_its_position_stands_and_is_closed_whole(session: Session) -> None:
    *_, closing, closed, cancelled = executions(session)
    before, after = session.messages(ProtoOAReconcileRes)
    (position,) = before.position
    kinds = ProtoOAExecutionType
    assert closing.execution_type is kinds.ORDER_ACCEPTED
    assert closed.execution_type is kinds.ORDER_FILLED
    assert closed.deal.close_position_detail.entry_price == position.price
    assert cancelled.execution_type is kinds.ORDER_CANCELLED
    assert cancelled.position.position_id == position.position_id
    assert cancelled.position.position_status is ProtoOAPositionStatus.POSITION_STATUS_CLOSED
    assert after.position == []


def test_its_deals_are_those_of_the_server(session: Session) -> None:
    deals = [event.deal for event in executions(session) if event.deal is not None]
    ours = session.ours[ProtoOADealListRes].deal

    def values(deal: Any) -> tuple[Any, ...]:
        return deal.deal_id, deal.execution_price, deal.filled_volume, deal.trade_side

    assert [values(deal) for deal in deals] == [values(deal) for deal in reversed(ours)]
    assert len(deals) == 2


def test_refusals_reach_it(session: Session) -> None:
    by_name = {each.name: each.fields for each in session.seen}
    assert by_name["ProtoOAOrderErrorEvent"]["errorCode"] == "POSITION_NOT_FOUND"
    assert by_name["ProtoOAErrorRes"]["errorCode"] == "INVALID_REQUEST"
    assert by_name["ProtoOAErrorRes"]["description"] == "No subscription for symbol 2."


def executions(session: Session) -> list[Any]:
    return session.messages(BY_NAME["ProtoOAExecutionEvent"])
