"""A trading request with a name that no field has is refused, and nothing is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ctrader_typed import EncodeError, ProtoOAAssetListReq, ProtoOANewOrderReq
from mockserver.box import HEDGED
from tests.support.accounts import at_work

ORDER: dict[str, Any] = {
    "ctidTraderAccountId": HEDGED,
    "symbolId": 1,
    "orderType": 1,
    "tradeSide": 1,
    "volume": 100_000,
}


def misspelt_key() -> ProtoOANewOrderReq:
    return ProtoOANewOrderReq.from_dict({**ORDER, "relativeStoploss": 2_000})


def misspelt_attribute() -> ProtoOANewOrderReq:
    order: Any = ProtoOANewOrderReq.from_dict(ORDER)
    order.relative_stop_los = 2_000
    return order


@pytest.mark.parametrize(
    ("make", "nearest"),
    [(misspelt_key, "relativeStopLoss"), (misspelt_attribute, "relative_stop_loss")],
    ids=["key", "attribute"],
)
@pytest.mark.parametrize("endpoint", ["tcp", "json-ws"])
@pytest.mark.parametrize("raw", [False, True], ids=["place", "request"])
async def test_an_order_with_a_misspelt_name_is_not_sent(
    make: Any, nearest: str, endpoint: str, raw: bool, autojump_clock
) -> None:
    async with at_work(endpoint=endpoint) as (api, account, server):
        send = api.request if raw else api.place
        with pytest.raises(EncodeError, match=rf"did you mean {nearest}\?"):
            await send(make())
        server.never(ProtoOANewOrderReq)
        assert account.positions == {}


@pytest.mark.parametrize(
    "unknown",
    [{"stoploss": Decimal("1.08")}, {"stoploss": {1}}, {"stoploss": object()}, {5: 1.08}],
    ids=["decimal", "set", "object", "key"],
)
async def test_an_order_with_an_unknown_key_that_cannot_be_kept_is_not_sent(
    unknown: dict[Any, Any], autojump_clock
) -> None:
    async with at_work() as (api, account, server):
        with pytest.raises(EncodeError, match=r"has no field (stoploss|5)"):
            await api.place(ProtoOANewOrderReq.from_dict({**ORDER, **unknown}))
        server.never(ProtoOANewOrderReq)
        assert account.positions == {}


async def test_a_read_with_an_unknown_key_is_sent(autojump_clock) -> None:
    """Only what trades is refused: a key of a newer schema does no harm to a question."""
    async with at_work() as (api, _, server):
        request = ProtoOAAssetListReq.from_dict({"ctidTraderAccountId": HEDGED, "newKey": 1})
        assert (await api.request(request)).asset
        assert server.received(ProtoOAAssetListReq)
