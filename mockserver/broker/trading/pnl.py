"""Unrealised profit: asked for, and streamed to who subscribed. Reckons nothing itself.

A stream tells a connection an account's profit at once and then whenever it has changed; what is
sent at the subscription is not recorded, so it follows the spot subscription.
"""

from __future__ import annotations

from ctrader_typed.proto import (
    ProtoOAGetPositionUnrealizedPnLRes,
    ProtoOAPositionUnrealizedPnL,
    ProtoOAv1PnLChangeEvent,
    ProtoOAv1PnLChangeSubscribeRes,
    ProtoOAv1PnLChangeUnSubscribeRes,
)

from ..interface import Outgoing
from ..refusals import Refusal
from .account import Account
from .margin import total_unrealised, unrealised
from .state import TradingState


def positions(state: TradingState, account: Account) -> ProtoOAGetPositionUnrealizedPnLRes:
    """The profit of every open position."""
    rows: list[ProtoOAPositionUnrealizedPnL] = []
    for position in account.positions.values():
        gross, net = unrealised(state, account, position)
        rows.append(
            ProtoOAPositionUnrealizedPnL(
                position_id=position.position_id,
                gross_unrealized_pnl=gross,
                net_unrealized_pnl=net,
            )
        )
    return ProtoOAGetPositionUnrealizedPnLRes(
        ctid_trader_account_id=account.account_id,
        position_unrealized_pnl=rows,
        money_digits=account.terms.money_digits,
    )


def subscribe(
    state: TradingState, account: Account, connection: int
) -> ProtoOAv1PnLChangeSubscribeRes:
    """Start a stream. Raises Refusal for a second one."""
    key = connection, account.account_id
    if key in state.books.pnl_streams:
        raise Refusal("ALREADY_SUBSCRIBED", "Already subscribed to the PnL of the account")
    state.books.pnl_streams[key] = None
    return ProtoOAv1PnLChangeSubscribeRes(ctid_trader_account_id=account.account_id)


def unsubscribe(
    state: TradingState, account: Account, connection: int
) -> ProtoOAv1PnLChangeUnSubscribeRes:
    """End a stream. Raises Refusal if there is none."""
    key = connection, account.account_id
    if key not in state.books.pnl_streams:
        raise Refusal("NOT_SUBSCRIBED_TO_PNL", "No subscription to the PnL of the account")
    del state.books.pnl_streams[key]
    return ProtoOAv1PnLChangeUnSubscribeRes(ctid_trader_account_id=account.account_id)


def stream(state: TradingState) -> None:
    """Tell every stream whose account's profit is not what it heard last."""
    streams = state.books.pnl_streams
    for (connection, account_id), heard in streams.items():
        account = state.accounts[account_id]
        profit = total_unrealised(state, account)
        if profit != heard:
            streams[connection, account_id] = profit
            event = ProtoOAv1PnLChangeEvent(
                ctid_trader_account_id=account_id,
                gross_unrealized_pnl=profit[0],
                net_unrealized_pnl=profit[1],
                money_digits=account.terms.money_digits,
            )
            state.out.append(Outgoing(event, connection=connection))


def forget(state: TradingState, connection: int, account_id: int | None = None) -> None:
    """A connection has gone, or has logged out of an account."""
    for key in list(state.books.pnl_streams):
        if key[0] == connection and account_id in (None, key[1]):
            del state.books.pnl_streams[key]
