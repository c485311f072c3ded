"""Every exception: its text, its pickle, and no secret in either."""

import pickle
import traceback

import pytest

import ctrader_typed
from ctrader_typed import (
    AuthError,
    CertificateRefused,
    ConnectFailed,
    ConnectionLost,
    CTraderError,
    DecodeError,
    DuplicateOrder,
    EncodeError,
    InvalidOrder,
    InvalidValue,
    JournalInUse,
    LocalProtocolError,
    MissingLibrary,
    NotFilled,
    NotRouted,
    NotSent,
    OrderError,
    OutcomeUnknown,
    OutsideTrio,
    PagingError,
    ProtoOAAccountAuthReq,
    ProtoOAErrorRes,
    RateLimited,
    ReconnectAbandoned,
    RefreshLost,
    RemoteProtocolError,
    ServerError,
    SlowSubscriber,
    StoreDamaged,
    StoreInUse,
    TokenRefused,
    TokenStoreError,
    UnexpectedReply,
    UnknownName,
)
from ctrader_typed.errors import again

SECRET = "not-for-any-log"
REQUEST = ProtoOAAccountAuthReq(ctid_trader_account_id=1, access_token=SECRET)
REPLY = ProtoOAErrorRes(error_code="CH_ACCESS_TOKEN_INVALID", description="Invalid access token")

EVERY = [
    (DecodeError("cut short"), "cut short"),
    (EncodeError("too large"), "too large"),
    (LocalProtocolError("not now"), "not now"),
    (OutsideTrio("another run"), "another run"),
    (
        DuplicateOrder("mine", "FILLED", 7, 5),
        (
            "the client_order_id 'mine' belongs to order 7 (FILLED, position 5), and nothing was "
            "sent: give another order another id, or none"
        ),
    ),
    (
        DuplicateOrder("mine", "WRITING", None, None),
        (
            "the client_order_id 'mine' belongs to an order without a known id (WRITING), and "
            "nothing was sent: give another order another id, or none"
        ),
    ),
    (InvalidOrder("0.123 lots"), "0.123 lots"),
    (InvalidValue("lots = 0.1 (float)"), "lots = 0.1 (float)"),
    (UnknownName("there is no symbol 7"), "there is no symbol 7"),
    (RemoteProtocolError("a length of 0"), "a length of 0"),
    (
        UnexpectedReply(REQUEST, REPLY, "ProtoOAAccountAuthRes"),
        f"ProtoOAAccountAuthReq: expected ProtoOAAccountAuthRes, got {REPLY!r}",
    ),
    (
        ServerError("MARKET_CLOSED", None, REQUEST, REPLY),
        "ProtoOAAccountAuthReq was refused: MARKET_CLOSED",
    ),
    (
        AuthError("CH_ACCESS_TOKEN_INVALID", "Invalid access token", REQUEST, REPLY),
        "ProtoOAAccountAuthReq was refused: CH_ACCESS_TOKEN_INVALID: Invalid access token",
    ),
    (
        NotRouted("CANT_ROUTE_REQUEST", None, REQUEST, REPLY),
        (
            "ProtoOAAccountAuthReq was refused: CANT_ROUTE_REQUEST; the account is probably of the "
            'other environment (connect to "live" instead of "demo", or the other way round), or '
            "its broker is in maintenance"
        ),
    ),
    (
        RateLimited("BLOCKED_PAYLOAD_TYPE", "slow down", REQUEST, REPLY, 3),
        "ProtoOAAccountAuthReq was refused: BLOCKED_PAYLOAD_TYPE: slow down (retry after 3 s)",
    ),
    (
        OrderError("ORDER_NOT_FOUND", None, REQUEST, REPLY, 5, 6),
        "ProtoOAAccountAuthReq was refused: ORDER_NOT_FOUND",
    ),
    (MissingLibrary("pip install it"), "pip install it"),
    (StoreInUse("another process"), "another process"),
    (StoreDamaged("2026.parquet"), "2026.parquet"),
    (PagingError("asked for rows from 0 to 9"), "asked for rows from 0 to 9"),
    (TokenStoreError("it is a directory"), "it is a directory"),
    (
        RefreshLost("2026-11-20 23:00:00Z"),
        (
            "the reply to the token refresh of 2026-11-20 23:00:00Z is lost, and with it perhaps "
            "both tokens: let the user authorise the application again and save the new tokens"
        ),
    ),
    (TokenRefused("X", None), "no tokens were given: X"),
    (TokenRefused("ACCESS_DENIED", "too late"), "no tokens were given: ACCESS_DENIED: too late"),
    (ConnectFailed("cannot reach it"), "cannot reach it"),
    (CertificateRefused("it has expired"), "it has expired"),
    (ConnectionLost("it broke"), "it broke"),
    (ReconnectAbandoned("gave up after 3 attempts"), "gave up after 3 attempts"),
    (
        ConnectionLost("it broke", maybe_delivered=True),
        "it broke; the request was sent and may have been carried out",
    ),
    (NotSent("the connection was down"), "the connection was down"),
    (
        OutcomeUnknown("it broke", REQUEST),
        "ProtoOAAccountAuthReq: it broke; it may have been carried out",
    ),
    (NotFilled("CANCELLED", 100, 40, 1.5), "the order ended CANCELLED: 40 of 100 were filled"),
    (JournalInUse("another process has it"), "another process has it"),
    (SlowSubscriber(12), "12 events were dropped because the stream was not read fast enough"),
]
ids = [type(error).__name__ for error, _ in EVERY]


def test_none_is_forgotten() -> None:
    exported = {getattr(ctrader_typed, name) for name in ctrader_typed.__all__}
    errors = {x for x in exported if isinstance(x, type) and issubclass(x, Exception)}
    assert errors - {type(error) for error, _ in EVERY} == {ctrader_typed.CodecError, CTraderError}


@pytest.mark.parametrize(("error", "text"), EVERY, ids=ids)
def test_its_text(error: CTraderError, text: str) -> None:
    assert str(error) == text
    assert isinstance(error, CTraderError)


@pytest.mark.parametrize(("error", "text"), EVERY, ids=ids)
def test_it_survives_pickling(error: CTraderError, text: str) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == text
    assert vars(copy) == vars(error)


@pytest.mark.parametrize(("error", "text"), EVERY, ids=ids)
def test_it_shows_no_secret(error: CTraderError, text: str) -> None:
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(error.args)
    assert SECRET not in shown


def test_the_kinds_that_other_code_expects() -> None:
    assert issubclass(DecodeError, ValueError)
    assert issubclass(ConnectionLost, OSError)
    assert issubclass(CertificateRefused, ConnectFailed)
    assert issubclass(NotSent, ConnectionLost)
    assert not issubclass(OutcomeUnknown, ConnectionLost)  # who tries again must not order twice
    for kind in (AuthError, OrderError, RateLimited):
        assert issubclass(kind, ServerError)


@pytest.mark.parametrize(
    "error",
    [
        ServerError("MARKET_CLOSED", "Market is closed", REQUEST, REPLY),
        RateLimited("BLOCKED_PAYLOAD_TYPE", None, REQUEST, REPLY, 3),
        OrderError("NOT_ENOUGH_MONEY", None, REQUEST, REPLY, 5, 6),
        ServerError("A_NEW_CODE", None, REQUEST, REPLY),
        TokenRefused("ACCESS_DENIED", "too late"),
    ],
    ids=lambda error: error.code,
)
def test_advice_stands_once_in_the_traceback_of_each_copy(
    error: ServerError | TokenRefused,
) -> None:
    for each in (error, again(again(error)), pickle.loads(pickle.dumps(error))):
        shown = "".join(traceback.format_exception(each))
        assert shown.count(str(error.advice)) == 1
        assert str(error.advice) not in str(each)
    copy = again(error)
    copy.add_note("of this one alone")
    assert "of this one alone" not in error.__notes__
