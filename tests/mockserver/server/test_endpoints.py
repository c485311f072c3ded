"""One server, many doors: the same engine on every wire, and what only JSON clients are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from ctrader_typed import (
    JSON_WEBSOCKET,
    PROTOBUF_TCP,
    PROTOBUF_WEBSOCKET,
    ConnectFailed,
    ConnectionLost,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOATradeSide,
    ServerError,
    connect,
    connect_over,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Connection
from mockserver.box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from mockserver.composition import mock_server
from mockserver.handler import Close, Reset, SendPayload
from mockserver.server.endpoints import ENDPOINTS

KEYS: dict[str, Any] = {
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "access_token": ACCESS_TOKEN,
    "account_id": HEDGED,
}
MEMORY = {"tcp": PROTOBUF_TCP, "ws": PROTOBUF_WEBSOCKET, "json-ws": JSON_WEBSOCKET}


async def buy(api: Any) -> tuple[int, int]:
    """Log in, watch a price, buy: the symbol's id and the position's."""
    await api.auth(**KEYS)
    symbols = await api.symbols_list(ctid_trader_account_id=HEDGED)
    symbol = next(each.symbol_id for each in symbols.symbol if each.symbol_name == "EURUSD")
    async with api.events(ProtoOASpotEvent) as spots:
        await api.subscribe_spots(ctid_trader_account_id=HEDGED, symbol_id=[symbol])
        assert (await anext(spots)).symbol_id == symbol
    event = await api.request(
        ProtoOANewOrderReq(
            ctid_trader_account_id=HEDGED,
            symbol_id=symbol,
            order_type=ProtoOAOrderType.MARKET,
            trade_side=ProtoOATradeSide.BUY,
            volume=100_000,
        )
    )
    return symbol, event.order.order_id


@pytest.mark.parametrize("name", ENDPOINTS)
async def test_the_broker_behind_each_door(name: str) -> None:
    with trio.fail_after(30):
        async with mock_server(Box(), wires=[name]) as server:
            endpoint = ENDPOINTS[name]
            options: dict[str, Any] = {"tls": False}
            if endpoint.tls:
                options = {"ssl_context": server.client_ssl_context()}
            assert server.addresses == {name: server.address}
            async with connect([server.address], wire=endpoint.wire, **options) as api:
                assert all(await buy(api))
            await server.wait_ended()
            assert server.ended[0].number == 1
    assert server.violations == []


async def test_all_doors_lead_to_the_same_broker() -> None:
    with trio.fail_after(60):
        async with mock_server(Box(), wires=ENDPOINTS) as server:
            assert list(server.addresses) == list(ENDPOINTS)
            orders = set()
            for name, address in server.addresses.items():
                options: dict[str, Any] = {"tls": False}
                if ENDPOINTS[name].tls:
                    options = {"ssl_context": server.client_ssl_context()}
                async with connect([address], wire=ENDPOINTS[name].wire, **options) as api:
                    orders.add(await buy(api))
    assert len(orders) == len(ENDPOINTS)


@pytest.mark.parametrize("name", MEMORY)
async def test_through_memory_in_virtual_time(name: str, autojump_clock: object) -> None:
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client(name), wire=MEMORY[name]) as api,
    ):
        await buy(api)
        await trio.sleep(300)
        assert (await api.version()).version


async def test_the_wrong_wire_at_a_door_is_refused_and_disturbs_nobody() -> None:
    with trio.fail_after(40):
        async with mock_server(Box(), wires=["tcp", "ws", "json-ws"]) as server:
            at = server.addresses
            async with connect([at["ws"]], wire=PROTOBUF_WEBSOCKET, tls=False) as other:
                with pytest.raises(ConnectFailed, match="no WebSocket to"):
                    async with connect([at["tcp"]], wire=JSON_WEBSOCKET, tls=False):
                        pytest.fail("it connected")
                async with connect([at["json-ws"]], wire=PROTOBUF_WEBSOCKET, tls=False) as api:
                    with pytest.raises(ConnectionLost):
                        await api.version()
                async with connect([at["ws"]], wire=JSON_WEBSOCKET, tls=False) as api:
                    with pytest.raises(ConnectionLost):
                        await api.version()
                async with connect([at["ws"]], wire=PROTOBUF_TCP, tls=False) as api:
                    with pytest.raises(ConnectionLost):
                        await api.version()
                assert (await other.version()).version


async def exchange(text: str | bytes, **options: Any) -> tuple[list[Any], str]:
    """Say this to the JSON door; what it answers, and why the connection ended."""
    answers: list[Any] = []
    async with mock_server(Box(), wires=["json-ws"], **options) as server:
        stream = await trio.open_tcp_stream(*server.address)
        async with stream, trio.open_nursery() as nursery:
            websocket = await wrap_client_stream(nursery, stream, "localhost", "/")
            with trio.move_on_after(0.5 if len(text) < 1000 else 5):
                try:
                    await websocket.send_message(text)
                    while True:
                        message = await websocket.get_message()
                        assert isinstance(message, str)
                        (event,) = Connection(SCHEMA, JSON_WEBSOCKET).receive_data(message.encode())
                        answers.append(event)
                except ConnectionClosed:
                    pass
            await websocket.aclose()
            await server.wait_ended()
            nursery.cancel_scope.cancel()
        return answers, server.ended[0].reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a":}', "Malformed JSON message at 1:7"),
        ("hello", "Malformed JSON message at 1:6"),
        ('{\n"payloadType": 2104,\n  x', "Malformed JSON message at 3:4"),
        ("{}", "a JSON message: expected an integer as payloadType"),
    ],
)
async def test_malformed_json_is_answered_with_its_position_and_the_end(
    text: str, said: str
) -> None:
    with trio.fail_after(20):
        answers, reason = await exchange(text)
    (answer,) = answers
    assert (answer.message.error_code, answer.message.description) == ("INVALID_REQUEST", said)
    assert answer.client_msg_id is None
    assert reason == f"the client broke the protocol: {said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"payloadType":2121,"clientMsgId":"a"}', "ctidTraderAccountId"),
        (
            '{"payloadType":2126,"clientMsgId":"a","payload":{"ctidTraderAccountId":1,"volume":2}}',
            "executionType",
        ),
    ],
)
async def test_a_wrong_payload_type_is_answered_with_what_is_missing(text: str, said: str) -> None:
    with trio.fail_after(20):
        answers, reason = await exchange(text)
    (answer,) = answers
    assert answer.message.error_code == "INVALID_REQUEST"
    assert answer.message.description == f"Message missing required fields: {said}"
    assert answer.client_msg_id == "a"
    assert reason == "the client closed the connection"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "hello",
            (
                '{"payloadType":2142,"payload":{"errorCode":"INVALID_REQUEST",'
                '"description":"Malformed JSON message at 1:6"}}'
            ),
        ),
        (
            json.dumps(
                {
                    "payloadType": 2100,
                    "payload": {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET},
                }
            ),
            '{"payloadType":2101}',
        ),
    ],
    ids=["garbage", "a message without fields"],
)
async def test_the_json_greeting_is_the_recorded_text(text: str, said: str) -> None:
    with trio.fail_after(20):
        async with mock_server(Box(), wires=["json-ws"]) as server:
            stream = await trio.open_tcp_stream(*server.address)
            async with stream, trio.open_nursery() as nursery:
                websocket = await wrap_client_stream(nursery, stream, "localhost", "/")
                await websocket.send_message(text)
                assert await websocket.get_message() == said
                if text == "hello":
                    with pytest.raises(ConnectionClosed):
                        await websocket.get_message()
                await websocket.aclose()
                nursery.cancel_scope.cancel()


async def test_an_unknown_payload_type_is_unsupported() -> None:
    with trio.fail_after(20):
        answers, _ = await exchange('{"payloadType":4242,"payload":{"x":1},"clientMsgId":"a"}')
    assert answers[0].message.error_code == "UNSUPPORTED_MESSAGE"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\x08\x33", "expected text messages, got a binary one"),
        ("", "expected a message of 1 byte or more, got an empty one"),
        ("x" * (17 << 20), "expected a message of 1 to 16777216 bytes, got more"),
    ],
    ids=["binary", "empty", "17 MiB"],
)
async def test_messages_that_no_json_client_sends(message: str | bytes, said: str) -> None:
    with trio.fail_after(30):
        _, reason = await exchange(message)
    assert reason == f"the client broke the protocol: {said}"


class Says:
    """Does this when it hears anything."""

    def __init__(self, *actions: Any) -> None:
        self.actions = actions

    def __call__(self, client: object) -> Says:
        return self

    def opened(self, now: float) -> list[Any]:
        return []

    def received(self, event: object, now: float) -> list[Any]:
        return list(self.actions)

    def wake_at(self) -> None:
        return None

    def wake(self, now: float) -> list[Any]:
        return []

    def closed(self, now: float) -> None:
        pass


@pytest.mark.parametrize("name", ["ws", "json-ws"])
@pytest.mark.parametrize(
    ("action", "said"),
    [(Close("enough"), "the server closed the connection"), (Reset("enough"), "connection")],
)
async def test_the_ends_that_a_server_makes(name: str, action: Any, said: str) -> None:
    with trio.fail_after(20):
        async with (
            mock_server(Says(action), wires=[name]) as server,
            connect([server.address], wire=ENDPOINTS[name].wire, tls=False) as api,
        ):
            with pytest.raises(ConnectionLost, match=said) as caught:
                await api.version()
            assert caught.value.maybe_delivered


@pytest.mark.parametrize(
    ("payload_type", "payload", "shown"),
    [
        (2105, b"\x12\x0291", {"version": "91"}),
        (2105, b"\xff", "/w=="),
        (4242, b"\x01", "AQ=="),
    ],
)
async def test_recorded_payloads_in_json(payload_type: int, payload: bytes, shown: object) -> None:
    says = Says(SendPayload(payload_type, payload, "a"))
    with trio.fail_after(20):
        async with mock_server(says, wires=["json-ws"]) as server, trio.open_nursery() as nursery:
            stream = await trio.open_tcp_stream(*server.address)
            websocket = await wrap_client_stream(nursery, stream, "localhost", "/")
            await websocket.send_message('{"payloadType":51}')
            answer = json.loads(await websocket.get_message())
            assert answer == {"clientMsgId": "a", "payloadType": payload_type, "payload": shown}
            await websocket.aclose()
            await stream.aclose()
            nursery.cancel_scope.cancel()


async def test_a_door_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="expected one of tls, tcp, wss, ws, json-wss, json-ws"):
        async with mock_server(Box(), wires=["udp"]):
            pytest.fail("it runs")


async def test_refusals_are_the_same_on_json(autojump_clock: object) -> None:
    async with (
        mock_server(Box(), port=None) as server,
        connect_over(server.memory_client("json-ws"), wire=JSON_WEBSOCKET) as api,
    ):
        with pytest.raises(ServerError, match="CH_CLIENT_AUTH_FAILURE"):
            await api.auth(**(KEYS | {"client_secret": "wrong"}))
