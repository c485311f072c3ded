"""Fields that live servers send and no published schema has, for clients to be tried with.

ProtoOADeal carries a field 19, of no length, and ProtoOATrader a field 23 with a small number;
their meaning is not known. Changes nothing else.
"""

from __future__ import annotations

from dataclasses import replace

from ctrader_typed.proto import (
    ProtoOADeal,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListRes,
    ProtoOAExecutionEvent,
    ProtoOAOrderDetailsRes,
    ProtoOATrader,
    ProtoOATraderRes,
    ProtoOATraderUpdatedEvent,
)

from .interface import Outgoing

DEAL_FIELD_19 = bytes.fromhex("9a0100")
TRADER_FIELD_23 = bytes.fromhex("b80104")


def added(outgoing: Outgoing) -> Outgoing:
    """The same with the fields added where its message has a deal or a trader."""
    message = outgoing.message
    if isinstance(message, ProtoOAExecutionEvent):
        if message.deal is None:
            return outgoing
        return replace(outgoing, message=message.__replace__(deal=_deal(message.deal)))
    if isinstance(
        message, ProtoOADealListRes | ProtoOADealListByPositionIdRes | ProtoOAOrderDetailsRes
    ):
        deals = [_deal(deal) for deal in message.deal]
        return replace(outgoing, message=message.__replace__(deal=deals))
    if isinstance(message, ProtoOATraderRes | ProtoOATraderUpdatedEvent):
        trader = ProtoOATrader.FromString(bytes(message.trader) + TRADER_FIELD_23)
        return replace(outgoing, message=message.__replace__(trader=trader))
    return outgoing


def _deal(deal: ProtoOADeal) -> ProtoOADeal:
    return ProtoOADeal.FromString(bytes(deal) + DEAL_FIELD_19)
