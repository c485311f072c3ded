"""What mypy and pyright know of the client. They read the functions; the test runs none of them."""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, assert_type

import trio

import ctrader_typed
from ctrader_typed import (
    Api,
    BadPayload,
    ConnectionLost,
    EventStream,
    Gap,
    Message,
    OrderError,
    ProtoOAClosePositionReq,
    ProtoOADepthEvent,
    ProtoOAExecutionEvent,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOATrailingSLChangedEvent,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    RateLimited,
    ServerError,
    SlowSubscriber,
    UnknownPayload,
    connect,
    connect_over,
)

if TYPE_CHECKING:
    import another_release

    from ctrader_typed.account import Account


async def requests(api: Api) -> None:
    """A request knows its answer, by method and by message."""
    assert_type(await api.version(), ProtoOAVersionRes)
    assert_type(await api.symbols_list(ctid_trader_account_id=1), ProtoOASymbolsListRes)
    assert_type(await api.request(ProtoOAVersionReq()), ProtoOAVersionRes)
    request = ProtoOASymbolsListReq(ctid_trader_account_id=1)
    assert_type(await api.request(request), ProtoOASymbolsListRes)
    close = ProtoOAClosePositionReq(ctid_trader_account_id=1, position_id=1, volume=100)
    assert_type(await api.request(close), ProtoOAExecutionEvent)
    await api.auth(client_id="", client_secret="", access_token="", account_id=1)
    await api.auth(client_id="", client_secret="", access_token="", account_id=[1, 2])


async def mistakes(api: Api) -> None:
    """What is refused before it runs."""
    spot = ProtoOASpotEvent(ctid_trader_account_id=1, symbol_id=1)
    await api.request(spot)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no request
    await api.symbols_list()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no account
    api.events(spot)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # no type


async def streams(api: Api) -> None:
    """A stream yields what was asked for: one type, or the union of several."""
    assert_type(api.events(ProtoOASpotEvent), EventStream[ProtoOASpotEvent])
    async with api.events(ProtoOASpotEvent, buffer=10) as spots:
        assert_type(spots, EventStream[ProtoOASpotEvent])
        async for spot in spots:
            assert_type(spot, ProtoOASpotEvent | Gap)
            if isinstance(spot, Gap):
                assert_type(spot.lost_at, int)
                continue
            assert_type(spot, ProtoOASpotEvent)
            assert_type(spot.bid, int | None)
    async with api.events(ProtoOASpotEvent, ProtoOADepthEvent) as two:
        assert_type(await anext(two), ProtoOASpotEvent | ProtoOADepthEvent | Gap)
    async with api.events(ProtoOASpotEvent, ProtoOADepthEvent, UnknownPayload) as three:
        assert_type(await anext(three), ProtoOASpotEvent | ProtoOADepthEvent | UnknownPayload | Gap)
    async with api.events(
        ProtoOAExecutionEvent,
        ProtoOAOrderErrorEvent,
        ProtoOATrailingSLChangedEvent,
        BadPayload,
        buffer=100,
    ) as four:
        assert_type(
            await anext(four),
            ProtoOAExecutionEvent
            | ProtoOAOrderErrorEvent
            | ProtoOATrailingSLChangedEvent
            | BadPayload
            | Gap,
        )
    async with api.events(Message) as everything:
        assert_type(await anext(everything), Message | Gap)


async def connecting(stream: trio.abc.Stream) -> None:
    """The client is that of the package whose schema is spoken."""
    assert_type(connect("demo"), AbstractAsyncContextManager[Api])
    async with connect("localhost", 5035, heartbeat_interval=5, silence_limit=20) as api:
        assert_type(api, Api)
    async with connect("demo", schema=ctrader_typed) as same:
        assert_type(same, Api)
    async with connect("demo", schema=another_release) as other:
        assert_type(other, another_release.Api)
        assert_type(await other.version_of_old(), ProtoOAVersionRes)
        assert_type(await other.account(1), Account)
    async with connect_over(stream) as over:
        assert_type(over, Api)
    async with connect_over(stream, schema=another_release) as other_over:
        assert_type(other_over, another_release.Api)


def errors(error: Exception) -> None:
    """What the exceptions carry."""
    match error:
        case RateLimited():
            assert_type(error.retry_after, int | None)
        case OrderError():
            assert_type(error.order_id, int | None)
            assert_type(error.position_id, int | None)
        case ServerError():
            assert_type(error.code, str)
            assert_type(error.description, str | None)
            assert_type(error.request, Message)
        case ConnectionLost():
            assert_type(error.maybe_delivered, bool)
        case SlowSubscriber():
            assert_type(error.dropped, int)
        case _:
            pass


def test_this_file_is_for_the_type_checkers() -> None:
    checked: list[Any] = [requests, mistakes, streams, connecting, errors]
    assert all(callable(function) for function in checked)
