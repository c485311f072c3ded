"""A process that is killed while it trades, and the next one, which finds out from the journal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from ctrader_typed import OrderStatus, connect
from ctrader_typed.orders import order_manager, tracked_order
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box, standard_credentials
from mockserver.broker.broker import Broker
from mockserver.broker.market.prices import TickList
from mockserver.composition import mock_server

ROOT = Path(__file__).parents[3]
EURUSD = 1
KEYS = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "access_token": ACCESS_TOKEN,
    "account_id": HEDGED,
}

PROGRAM = """
import os, signal, sys
import trio
from ctrader_typed import ProtoOANewOrderReq, ProtoOAOrderType, ProtoOATradeSide, connect
from ctrader_typed.net.transport import StreamTransport
from tests.ctrader_typed.orders.test_killed import HEDGED, EURUSD, KEYS

port, journal, moment = int(sys.argv[1]), sys.argv[2], sys.argv[3]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

send = StreamTransport.send

async def deadly(self, data):
    if b"the-order" not in data:
        return await send(self, data)
    if moment == "within the frame":
        await send(self, data[: len(data) // 2])
    elif moment != "before the write":
        await send(self, data)
    if moment != "after the answer":
        die()

StreamTransport.send = deadly

async def main():
    async with connect("127.0.0.1", port, tls=False, journal=journal) as api:
        await api.auth(**KEYS)
        await api.place(ProtoOANewOrderReq(
            ctid_trader_account_id=HEDGED, symbol_id=EURUSD, order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY, volume=100_000, client_order_id="the-order",
        ))
        die()

trio.run(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 there")
@pytest.mark.parametrize(
    ("moment", "arrived"),
    [
        ("before the write", False),
        ("within the frame", False),
        ("after the write", True),
        ("after the answer", True),
    ],
)
async def test_killed(
    moment: str, arrived: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_manager, "PAUSES", (0.01,))
    monkeypatch.setattr(
        tracked_order, "LAST_ARRIVAL", 0.5
    )  # real time: the kernel is this machine's own
    broker = Broker(prices=TickList.still([(EURUSD, 108_450, 108_460)]))
    broker.open_account(HEDGED, deposit=10_000)
    journal = tmp_path / "orders.jsonl"
    async with mock_server(Box(broker, standard_credentials(broker)), tls=False) as server:
        port = server.address[1]
        died = await trio.run_process(
            [sys.executable, "-c", PROGRAM, str(port), str(journal), moment],
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.STDOUT,
            capture_stdout=True,
        )
        assert died.returncode == -signal.SIGKILL, died.stdout.decode()
        async with connect("127.0.0.1", port, tls=False, journal=journal) as api:
            (order,) = api.orders
            assert (order.client_order_id, order.status) == ("the-order", OrderStatus.UNKNOWN)
            await api.auth(**KEYS)
            if arrived:
                await order.resolved()
                assert (await order.filled()).average_price == 1.0846
            else:
                assert await order.resolved() is OrderStatus.NOT_SENT
        made = [o for o in broker.account(HEDGED).orders.values() if not o.protective]
        assert len(made) == arrived
