"""Every request of the market side gets its answer; everything else is left to others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    SCHEMA,
    ProtoOAAssetClassListReq,
    ProtoOAAssetListReq,
    ProtoOAGetDynamicLeverageByIDReq,
    ProtoOAGetTickDataReq,
    ProtoOAGetTrendbarsReq,
    ProtoOAQuoteType,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolByIdReq,
    ProtoOASymbolCategoryListReq,
    ProtoOASymbolChangedEvent,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsListReq,
    ProtoOATraderReq,
    ProtoOATrendbarPeriod,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from mockserver.broker.interface import Outgoing
from mockserver.broker.market.market_requests import MarketRequests

ME: dict[str, Any] = {"ctid_trader_account_id": 1_000_001}
SYMBOL: dict[str, Any] = ME | {"symbol_id": [1]}
BAR: dict[str, Any] = ME | {"symbol_id": 1, "period": ProtoOATrendbarPeriod.M1}
# In an order in which each can succeed.
REQUESTS: list[Message] = [
    ProtoOAVersionReq(),
    ProtoOAAssetListReq(**ME),
    ProtoOAAssetClassListReq(**ME),
    ProtoOASymbolCategoryListReq(**ME),
    ProtoOASymbolsListReq(**ME),
    ProtoOASymbolByIdReq(**SYMBOL),
    ProtoOASymbolsForConversionReq(**ME, first_asset_id=5, last_asset_id=7),
    ProtoOAGetDynamicLeverageByIDReq(**ME, leverage_id=1020),
    ProtoOAGetTrendbarsReq(**BAR, count=2),
    ProtoOAGetTickDataReq(**ME, symbol_id=1, type=ProtoOAQuoteType.BID),
    ProtoOASubscribeSpotsReq(**SYMBOL),
    ProtoOASubscribeLiveTrendbarReq(**BAR),
    ProtoOASubscribeDepthQuotesReq(**SYMBOL),
    ProtoOAUnsubscribeDepthQuotesReq(**SYMBOL),
    ProtoOAUnsubscribeLiveTrendbarReq(**BAR),
    ProtoOAUnsubscribeSpotsReq(**SYMBOL),
]
MakeDesk = Callable[..., Any]


def test_every_request_is_answered_by_what_the_schema_says(state: MakeDesk) -> None:
    ours = state()
    assert {type(r) for r in REQUESTS} == set(MarketRequests.answers)
    for request in REQUESTS:
        response, *_ = ours.ask(request)
        assert type(response) is SCHEMA.responses[type(request)]  # type: ignore[index]  # each is a Request
        assert type(response).FromString(bytes(response)) == response
        if not isinstance(response, ProtoOAVersionRes):
            assert response.ctid_trader_account_id == 1_000_001


def test_other_requests_are_left_to_others(state: MakeDesk) -> None:
    assert state().data.received(1, ProtoOATraderReq(**ME), "id") is None


def test_an_answer_without_an_id_has_none(state: MakeDesk) -> None:
    assert state().data.received(3, ProtoOAVersionReq(), None) == [
        Outgoing(ProtoOAVersionRes(version="91"), connection=3)
    ]
    assert state(version="17").ask(ProtoOAVersionReq()) == [ProtoOAVersionRes(version="17")]


def test_archived_symbols_are_listed_on_demand(state: MakeDesk) -> None:
    ours = state()
    (plain,) = ours.ask(ProtoOASymbolsListReq(**ME))
    (all_,) = ours.ask(ProtoOASymbolsListReq(**ME, include_archived_symbols=True))
    assert plain.archived_symbol == []
    assert [s.name for s in all_.archived_symbol] == ["EURRUB"]
    assert plain.symbol == all_.symbol == list(ours.catalogue.light_symbols)


def test_symbols_come_in_batches_archived_ones_apart(state: MakeDesk) -> None:
    ours = state()
    (response,) = ours.ask(ProtoOASymbolByIdReq(**ME, symbol_id=[41, 77, 1]))
    assert [s.symbol_id for s in response.symbol] == [41, 1]
    assert [s.symbol_id for s in response.archived_symbol] == [77]


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (
            ProtoOASymbolByIdReq(**ME, symbol_id=[1, 5_000]),
            "SYMBOL_NOT_FOUND",
            "Symbol not found: 5000",
        ),
        (
            ProtoOASymbolsForConversionReq(**ME, first_asset_id=5, last_asset_id=5_000),
            "ENTITY_NOT_FOUND",
            "Asset not found: 5000",
        ),
        (
            ProtoOAGetDynamicLeverageByIDReq(**ME, leverage_id=5_000),
            "ENTITY_NOT_FOUND",
            "Dynamic leverage not found: 5000",
        ),
    ],
)
def test_refusals(state: MakeDesk, request_: Message, code: str, text: str) -> None:
    assert state().refused(request_) == (code, text)


def test_no_conversion(state: MakeDesk) -> None:
    ours = state()
    ours.data.conversion._neighbours.clear()
    assert ours.refused(
        ProtoOASymbolsForConversionReq(**ME, first_asset_id=5, last_asset_id=7)
    ) == (
        "ENTITY_NOT_FOUND",
        "no chain of symbols leads from EUR to JPY",
    )


def test_the_same_asset_needs_no_symbols(state: MakeDesk) -> None:
    (response,) = state().ask(
        ProtoOASymbolsForConversionReq(**ME, first_asset_id=5, last_asset_id=5)
    )
    assert response.symbol == []


def test_a_changed_symbol_is_told_to_the_accounts(state: MakeDesk) -> None:
    ours = state()
    changed = type(ours.catalogue.symbol(1)).FromString(bytes(ours.catalogue.symbol(1)))
    changed.max_volume = 5
    assert ours.data.change_symbol(changed, [7, 8]) == [
        Outgoing(
            ProtoOASymbolChangedEvent(ctid_trader_account_id=account, symbol_id=[1]),
            account_id=account,
        )
        for account in (7, 8)
    ]
    (response,) = ours.ask(ProtoOASymbolByIdReq(**SYMBOL))
    assert response.symbol == [changed]
