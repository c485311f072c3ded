"""What the server refuses of the symbols costs only itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ctrader_typed import (
    AuthError,
    Message,
    ProtoOAAssetClassListReq,
    ProtoOAAssetListReq,
    ProtoOAErrorRes,
    ProtoOASymbolByIdReq,
    ProtoOASymbolCategoryListReq,
    ProtoOASymbolsListReq,
    ServerError,
    UnknownName,
)
from ctrader_typed.symbols import Catalogue
from ctrader_typed.symbols.catalogue import MOST_REFUSED
from tests.ctrader_typed.symbols.markets import Shop, details


class Strict(Shop):
    """Refuses some requests."""

    def __init__(self, symbols: int, refuses: Callable[[Any], bool], code: str = "NEW") -> None:
        super().__init__(symbols)
        self.refuses, self.code = refuses, code

    async def request(self, request: Any) -> Any:
        answer = await super().request(request)
        if self.refuses(request):
            kind = AuthError if self.code == "CH_ACCESS_TOKEN_INVALID" else ServerError
            raise kind(self.code, "not this", request, ProtoOAErrorRes(error_code=self.code))
        return answer


def details_of(*symbols: int) -> Callable[[Any], bool]:
    return lambda request: (
        isinstance(request, ProtoOASymbolByIdReq) and not set(symbols).isdisjoint(request.symbol_id)
    )


async def loaded(shop: Any) -> Catalogue:
    catalogue = Catalogue(1)
    await catalogue.refresh(shop)
    return catalogue


@pytest.mark.parametrize("code", ["SYMBOL_NOT_FOUND", "INVALID_REQUEST", "UNKNOWN_ERROR", "NEW"])
async def test_symbols_whose_details_are_refused_are_left_out_and_all_others_are_there(
    code: str,
) -> None:
    shop: Any = Strict(250, details_of(7, 120), code)
    catalogue = await loaded(shop)
    assert {symbol.id for symbol in catalogue} == set(range(1, 251)) - {7, 120}
    assert set(catalogue.refused) == {7, 120}
    assert catalogue.refused[7].code == code
    name = shop.lights[6].symbol_name
    for key in (7, name):
        with pytest.raises(UnknownName, match=f"has no details.*{code}: not this"):
            catalogue[key]
    assert len(shop.asked) < 40


async def test_refused_details_are_asked_for_with_the_next_change() -> None:
    shop: Any = Strict(3, details_of(2))
    catalogue = await loaded(shop)
    shop.refuses = lambda _: False
    catalogue.changed([1])
    await catalogue.refresh(shop)
    assert len(catalogue) == 3
    assert catalogue.refused == {}


async def test_a_change_that_the_server_does_not_describe_leaves_the_symbol_and_the_others() -> (
    None
):
    shop: Any = Strict(3, lambda _: False)
    catalogue = await loaded(shop)
    shop.refuses = details_of(2)
    shop.details |= {number: details(number, digits=3) for number in (1, 2)}
    catalogue.changed([1, 2])
    await catalogue.refresh(shop)
    assert (catalogue[1].digits, catalogue[2].digits) == (3, 5)
    assert set(catalogue.refused) == {2}
    assert catalogue.fresh


@pytest.mark.parametrize(
    "kind", [ProtoOAAssetListReq, ProtoOAAssetClassListReq, ProtoOASymbolCategoryListReq]
)
async def test_a_refused_list_of_kinds_leaves_symbols_that_have_none(kind: type[Message]) -> None:
    catalogue = await loaded(Strict(3, lambda request: isinstance(request, kind)))
    assert len(catalogue) == 3
    symbol = catalogue[1]
    assert (symbol.base is None) == (kind is ProtoOAAssetListReq)
    assert (symbol.asset_class is None) == (kind is not ProtoOAAssetListReq)


@pytest.mark.parametrize("code", ["CH_ACCESS_TOKEN_INVALID", "CANT_ROUTE_REQUEST"])
async def test_what_refuses_everything_is_raised_at_once(code: str) -> None:
    shop: Any = Strict(100, lambda request: not isinstance(request, ProtoOASymbolsListReq), code)
    with pytest.raises(ServerError, match=code):
        await loaded(shop)
    assert len(shop.asked) == 2


async def test_a_server_that_describes_nothing_is_not_asked_for_each_symbol() -> None:
    shop: Any = Strict(1000, lambda request: isinstance(request, ProtoOASymbolByIdReq))
    with pytest.raises(ServerError, match="not this"):
        await loaded(shop)
    assert len(shop.asked) < 5 + 4 * MOST_REFUSED
