"""Our client, doing the errand. A program of its own, and a coroutine for tests."""

from __future__ import annotations

import math
import os
import ssl
import sys
from collections.abc import Mapping
from contextlib import suppress

import trio

from ctrader_typed import (
    Api,
    CTraderError,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATradeSide,
    ProtoOATrendbarPeriod,
    ServerError,
    connect,
)
from ctrader_typed.errors import CertificateRefused
from mockserver.server.endpoints import ENDPOINTS

GAVE_UP = 3


class Errand:
    """What is done stays done, over any number of connections."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self.told = told
        self.tempo = float(told["tempo"])
        self.began = trio.current_time()
        self.ordered = self.known = self.refreshed = False

    async def run(self) -> int:
        """The exit status."""
        while True:
            try:
                await self.connected()
            except CertificateRefused:
                return GAVE_UP
            except (CTraderError, trio.TooSlowError):
                if self.refreshed:
                    return GAVE_UP  # the grant may be lost: nothing here can heal that
            else:
                return 0
            await trio.sleep(2 * self.tempo)

    async def connected(self) -> None:
        """One connection, from beginning to end."""
        told = self.told
        with trio.fail_after(10 * self.tempo) as connecting:
            async with connect(
                told["host"],
                int(told["port"]),
                wire=ENDPOINTS[told["wire"]].wire,
                tls=ENDPOINTS[told["wire"]].tls,
                ssl_context=ssl.create_default_context(cafile=told["ca"]) if told["ca"] else None,
                heartbeat_interval=8 * self.tempo,
                silence_limit=30 * self.tempo,
            ) as api:
                connecting.deadline = math.inf
                await self.live(api)

    async def live(self, api: Api) -> None:
        """The errand on one connection."""
        account = int(self.told["account_id"])
        symbol = int(self.told["symbol_id"])
        patience = 10 * self.tempo
        with trio.fail_after(2 * patience):
            await api.auth(
                client_id=self.told["client_id"],
                client_secret=self.told["client_secret"],
                access_token=self.told["access_token"],
                account_id=account,
            )
            await self.trader(api)
        with trio.fail_after(patience):
            await api.subscribe_spots(ctid_trader_account_id=account, symbol_id=[symbol])
        async with trio.open_nursery() as nursery:
            for _ in range(int(self.told["history"])):
                nursery.start_soon(self.history, api, account, symbol)
            if not self.ordered:
                self.ordered = True
                await self.order(api, account, symbol)
        if not self.known:
            with trio.fail_after(patience):
                await api.reconcile(ctid_trader_account_id=account)
            self.known = True
        for _ in range(2):
            await self.trader(api)
        async with api.events(ProtoOASpotEvent) as spots:
            with trio.move_on_at(self.began + float(self.told["stay"])):
                async for _ in spots:
                    pass
        await self.trader(api)
        self.refreshed = True
        with trio.fail_after(patience):
            await api.refresh_token(refresh_token=self.told["refresh_token"])

    async def trader(self, api: Api) -> None:
        with trio.fail_after(max(3.0, 10 * self.tempo)):  # a blocked read waits for its seconds
            await api.trader(ctid_trader_account_id=int(self.told["account_id"]))

    async def history(self, api: Api, account: int, symbol: int) -> None:
        with suppress(CTraderError):
            await api.get_trendbars(
                ctid_trader_account_id=account,
                symbol_id=symbol,
                period=ProtoOATrendbarPeriod.M1,
                to_timestamp=2_000_000_000_000,
                count=1,
            )

    async def order(self, api: Api, account: int, symbol: int) -> None:
        """Placed once; what is not known of it then is asked."""
        request = ProtoOANewOrderReq(
            ctid_trader_account_id=account,
            symbol_id=symbol,
            order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY,
            volume=100_000,
        )
        with trio.move_on_after(max(1.0, 10 * self.tempo)):
            try:
                placed = await api.place(request)
                await placed.filled()
                self.known = True
            except ServerError:
                self.known = True
            except CTraderError:
                pass  # the link is gone: what comes next on it says so


def told_by_the_environment() -> dict[str, str]:
    """What this process is told."""
    prefix = "CTRADER_"
    ours = ((name, value) for name, value in os.environ.items() if name.startswith(prefix))
    return {name.removeprefix(prefix).lower(): value for name, value in ours}


async def main() -> int:
    """Do the errand as a program."""
    return await Errand(told_by_the_environment()).run()


if __name__ == "__main__":
    sys.exit(trio.run(main))
