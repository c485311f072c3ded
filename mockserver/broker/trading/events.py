"""The messages that trading sends of its own accord or as an answer.

An event that answers a request goes to the requester with its clientMsgId and to the account's
other sessions without; any other event goes to all of them. Server events carry no id.
"""

from __future__ import annotations

from ctrader_typed.message import Message
from ctrader_typed.proto import (
    ProtoOABonusDepositWithdraw,
    ProtoOADeal,
    ProtoOADepositWithdraw,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderErrorEvent,
    ProtoOAPosition,
    ProtoOATraderUpdatedEvent,
)

from ..interface import Outgoing
from .account import Account
from .orders import Order, Requester
from .state import TradingState


class TradingRefusal(Exception):
    """A trading request that fails: answered by ProtoOAOrderErrorEvent.

    The ids are as recorded: an unknown order is named, POSITION_NOT_FOUND and TRADING_BAD_STOPS
    carry zeros, TRADING_BAD_VOLUME carries neither.
    """

    def __init__(
        self,
        error_code: str,
        description: str | None = None,
        *,
        order_id: int | None = None,
        position_id: int | None = None,
    ) -> None:
        super().__init__(error_code, description)
        self.error_code = error_code
        self.description = description
        self.order_id = order_id
        self.position_id = position_id

    def message(self, account_id: int) -> ProtoOAOrderErrorEvent:
        """The answer."""
        return ProtoOAOrderErrorEvent(
            ctid_trader_account_id=account_id,
            error_code=self.error_code,
            order_id=self.order_id,
            position_id=self.position_id,
            description=self.description,
        )


def send(
    state: TradingState, account: Account, message: Message, to: Requester | None = None
) -> None:
    """Queue an event of an account."""
    state.out.append(
        Outgoing(
            message,
            connection=None if to is None else to.connection,
            client_msg_id=None if to is None else to.client_msg_id,
            account_id=account.account_id,
        )
    )


def execution(
    state: TradingState,
    account: Account,
    kind: ProtoOAExecutionType,
    *,
    order: Order | None = None,
    position: ProtoOAPosition | None = None,
    deal: ProtoOADeal | None = None,
    to: Requester | None = None,
    server: bool = False,
    error_code: str | None = None,
    deposit: ProtoOADepositWithdraw | None = None,
    bonus: ProtoOABonusDepositWithdraw | None = None,
) -> None:
    """Queue an execution event."""
    event = ProtoOAExecutionEvent(
        ctid_trader_account_id=account.account_id,
        execution_type=kind,
        position=position,
        order=None if order is None else order.message(),
        deal=deal,
        bonus_deposit_withdraw=bonus,
        deposit_withdraw=deposit,
        error_code=error_code,
        is_server_event=server,
    )
    send(state, account, event, None if server else to)


def trader_changed(state: TradingState, account: Account) -> None:
    """Queue a ProtoOATraderUpdatedEvent, if the broker sends them at all."""
    if state.rules.account_events:
        event = ProtoOATraderUpdatedEvent(
            ctid_trader_account_id=account.account_id, trader=account.trader()
        )
        send(state, account, event)
