"""What a catalogue is loaded from: the mock's broker in memory, or answers made up by a test."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import trio

from ctrader_typed import (
    Api,
    Message,
    ProtoOAArchivedSymbol,
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOAAssetClassListReq,
    ProtoOAAssetClassListRes,
    ProtoOAAssetListReq,
    ProtoOAAssetListRes,
    ProtoOAInterval,
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolCategory,
    ProtoOASymbolCategoryListReq,
    ProtoOASymbolCategoryListRes,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    connect_over,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.trio_run import TrioRun
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server
from tests.support import releases


@asynccontextmanager
async def connected(**settings: Any) -> AsyncGenerator[tuple[Api, Any]]:
    """An authorised client, and the server; `server.links` are there to be cut, and `server.way`
    is an event without which there are no new ones.
    """
    async with mock_server(Box(), port=None) as started:
        server: Any = started
        server.links, server.way = [], trio.Event()
        server.way.set()

        async def dial() -> trio.abc.Stream:
            await server.way.wait()
            server.links.append(server.memory_client())
            return server.links[-1]

        async with connect_over(dial, **({"schema": releases.PACKAGE} | settings)) as api:
            await api.auth(
                client_id=CLIENT_ID,
                client_secret=CLIENT_SECRET,
                access_token=ACCESS_TOKEN,
                account_id=HEDGED,
            )
            yield api, server


class Shop:
    """Answers the requests of a catalogue; a test changes what it sells. Stands in for a client."""

    def __init__(self, symbols: int = 3) -> None:
        self.trio_run = TrioRun()
        self.schema = SCHEMA
        self.assets = [
            ProtoOAAsset(asset_id=number, name=name)
            for number, name in enumerate(("EUR", "USD", "JPY"), start=1)
        ]
        self.classes = [ProtoOAAssetClass(id=1, name="Forex"), ProtoOAAssetClass(name="no id")]
        self.categories = [ProtoOASymbolCategory(id=1, asset_class_id=1, name="Majors")]
        self.lights = [light(number) for number in range(1, symbols + 1)]
        self.details = {each.symbol_id: details(each.symbol_id) for each in self.lights}
        self.archived: list[ProtoOAArchivedSymbol] = []
        self.chain: list[ProtoOALightSymbol] = []
        self.asked: list[Message] = []
        self.fails: Exception | None = None

    async def request(self, request: Any) -> Any:
        await trio.lowlevel.checkpoint()
        self.asked.append(request)
        if self.fails is not None:
            raise self.fails
        return {
            ProtoOAAssetListReq: lambda: ProtoOAAssetListRes(
                ctid_trader_account_id=1, asset=self.assets
            ),
            ProtoOAAssetClassListReq: lambda: ProtoOAAssetClassListRes(
                ctid_trader_account_id=1, asset_class=self.classes
            ),
            ProtoOASymbolCategoryListReq: lambda: ProtoOASymbolCategoryListRes(
                ctid_trader_account_id=1, symbol_category=self.categories
            ),
            ProtoOASymbolsListReq: lambda: ProtoOASymbolsListRes(
                ctid_trader_account_id=1, symbol=self.lights, archived_symbol=self.archived
            ),
            ProtoOASymbolByIdReq: lambda: ProtoOASymbolByIdRes(
                ctid_trader_account_id=1,
                symbol=[self.details[n] for n in request.symbol_id if n in self.details],
            ),
            ProtoOASymbolsForConversionReq: lambda: ProtoOASymbolsForConversionRes(
                ctid_trader_account_id=1, symbol=self.chain
            ),
        }[type(request)]()

    def kinds(self) -> list[str]:
        """What was asked for since the last time."""
        asked, self.asked = self.asked, []
        return [type(each).__name__.removeprefix("ProtoOA").removesuffix("Req") for each in asked]

    def archive(self, symbol_id: int) -> None:
        (gone,) = (each for each in self.lights if each.symbol_id == symbol_id)
        self.lights.remove(gone)
        del self.details[symbol_id]
        self.archived.append(
            ProtoOAArchivedSymbol(
                symbol_id=symbol_id, name=gone.symbol_name or "", utc_last_update_timestamp=0
            )
        )


def light(number: int, **changes: Any) -> ProtoOALightSymbol:
    fields: dict[str, Any] = {
        "symbol_name": f"PAIR{number}",
        "enabled": True,
        "base_asset_id": 1,
        "quote_asset_id": 2,
        "symbol_category_id": 1,
    }
    return ProtoOALightSymbol(symbol_id=number, **(fields | changes))


def details(number: int, **changes: Any) -> ProtoOASymbol:
    schedule = [ProtoOAInterval(start_second=0, end_second=604_800)]
    fields: dict[str, Any] = {"digits": 5, "pip_position": 4, "schedule": schedule}
    return ProtoOASymbol(symbol_id=number, **(fields | changes))
