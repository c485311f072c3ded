"""What a reply means for its request."""

import dataclasses
from typing import Any

import pytest

from ctrader_typed import (
    AuthError,
    LocalProtocolError,
    Message,
    OrderError,
    ProtoErrorRes,
    ProtoOAClosePositionReq,
    ProtoOAErrorCode,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrderErrorEvent,
    ProtoOATraderReq,
    ProtoOATraderRes,
    RateLimited,
    ServerError,
    UnexpectedReply,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.protocol import reply_outcome
from ctrader_typed.protocol.message_roles import MessageRoles
from ctrader_typed.wire.envelope import Envelope

ROLES = MessageRoles(SCHEMA)
READ = ProtoOATraderReq(ctid_trader_account_id=1)
TRADE = ProtoOAClosePositionReq(ctid_trader_account_id=1, position_id=5, volume=100)


def judge(request: Any, reply: Message) -> Any:
    return reply_outcome.judge(
        ROLES, request, SCHEMA.responses[type(request)], Envelope(reply, "1")
    )


def error_res(code: str, **rest: Any) -> ProtoOAErrorRes:
    return ProtoOAErrorRes(error_code=code, **rest)


def order_error(code: str, **rest: Any) -> ProtoOAOrderErrorEvent:
    return ProtoOAOrderErrorEvent(ctid_trader_account_id=1, error_code=code, **rest)


def rejection(name: str, **rest: Any) -> ProtoOAExecutionEvent:
    kind = ProtoOAExecutionType[name]
    return ProtoOAExecutionEvent(ctid_trader_account_id=1, execution_type=kind, **rest)


@pytest.mark.parametrize("code", sorted(reply_outcome.RATE_CODES))
@pytest.mark.parametrize("request_", [READ, TRADE])
def test_rate_limits(code: str, request_: Any) -> None:
    error = judge(request_, error_res(code, retry_after=7))
    assert type(error) is RateLimited
    assert (error.code, error.retry_after, error.request) == (code, 7, request_)
    assert str(error).endswith("(retry after 7 s)")
    assert judge(request_, error_res(code)).retry_after is None
    proxy = judge(request_, ProtoErrorRes(error_code=code))
    assert (type(proxy), proxy.retry_after) == (RateLimited, None)


@pytest.mark.parametrize("code", sorted(reply_outcome.AUTH_CODES))
def test_authorisation(code: str) -> None:
    assert type(judge(READ, error_res(code))) is AuthError
    assert type(judge(TRADE, order_error(code))) is AuthError


def test_an_account_without_a_session_as_live_servers_put_it() -> None:
    vague = error_res("INVALID_REQUEST", description="Trading account is not authorized")
    for request in (READ, TRADE):
        error = judge(request, vague)
        assert type(error) is AuthError
        assert error.code == "INVALID_REQUEST"
    assert type(judge(READ, error_res("INVALID_REQUEST", description="No"))) is ServerError


def test_the_codes_are_codes_of_the_schema() -> None:
    known = set(ProtoOAErrorCode.__members__) | {"BLOCKED_PAYLOAD_TYPE", "ACCESS_DENIED"}
    used = reply_outcome.RATE_CODES | reply_outcome.AUTH_CODES | reply_outcome.ALREADY_AUTHORISED
    assert used - known == frozenset()


@pytest.mark.parametrize(
    "reply", [error_res("TRADING_BAD_VOLUME"), order_error("TRADING_BAD_VOLUME")]
)
def test_a_trading_request_is_rejected_by_either_message(reply: Message) -> None:
    error = judge(TRADE, reply)
    assert type(error) is OrderError
    assert (error.code, error.order_id, error.position_id) == ("TRADING_BAD_VOLUME", None, 5)
    assert error.reply is reply


def test_the_servers_ids_come_first_and_its_zeros_are_none() -> None:
    assert judge(TRADE, order_error("X", order_id=3, position_id=4)).order_id == 3
    assert judge(TRADE, order_error("X", order_id=3, position_id=4)).position_id == 4
    zeros = judge(TRADE, order_error("X", order_id=0, position_id=0))
    assert (zeros.order_id, zeros.position_id) == (None, 5)


@pytest.mark.parametrize("name", ["ORDER_REJECTED", "ORDER_CANCEL_REJECTED"])
def test_an_execution_event_that_rejects_is_a_rejection(name: str) -> None:
    event = rejection(name, error_code="NOT_ENOUGH_MONEY")
    error = judge(TRADE, event)
    assert type(error) is OrderError
    assert (error.code, error.reply) == ("NOT_ENOUGH_MONEY", event)
    assert judge(TRADE, rejection(name)).code == name


@pytest.mark.parametrize(
    "kind", [k for k in ProtoOAExecutionType if not k.name.endswith("REJECTED")]
)
def test_every_other_execution_event_is_the_answer(kind: ProtoOAExecutionType) -> None:
    event = rejection(kind.name)
    assert judge(TRADE, event) is event


@pytest.mark.parametrize("kind", ProtoOAExecutionType)
def test_an_execution_event_of_any_type_that_carries_an_error_is_one(
    kind: ProtoOAExecutionType,
) -> None:
    event = rejection(kind.name, error_code="NOT_ENOUGH_MONEY")
    error = judge(TRADE, event)
    assert type(error) is OrderError
    assert (error.code, error.reply) == ("NOT_ENOUGH_MONEY", event)


def test_an_empty_error_code_is_none() -> None:
    event = rejection("ORDER_ACCEPTED", error_code="")
    assert judge(TRADE, event) is event
    assert judge(TRADE, rejection("ORDER_REJECTED", error_code="")).code == "ORDER_REJECTED"


def test_an_execution_type_that_no_schema_has_is_the_answer() -> None:
    event = rejection("ORDER_FILLED")
    event.execution_type = ProtoOAExecutionType(77)
    assert judge(TRADE, event) is event


def test_trading_replies_do_not_answer_a_read() -> None:
    for reply in (order_error("X"), rejection("ORDER_REJECTED")):
        error = judge(READ, reply)
        assert type(error) is UnexpectedReply
        assert error.reply is reply
        assert error.expected == "ProtoOATraderRes"


def test_other_codes_pass_through() -> None:
    error = judge(READ, error_res("SOMETHING_NEW", description="that nobody knows"))
    assert type(error) is ServerError
    assert str(error) == "ProtoOATraderReq was refused: SOMETHING_NEW: that nobody knows"


def test_a_schema_without_a_role() -> None:
    messages = (ProtoOATraderReq, ProtoOATraderRes)
    schema = dataclasses.replace(SCHEMA, release="7", messages=messages)
    with pytest.raises(LocalProtocolError, match="release 7 has no ProtoHeartbeatEvent"):
        MessageRoles(schema)
