"""A server that can be away, and that remembers what each connection asked of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio
from trio.testing import memory_stream_pair, wait_all_tasks_blocked
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_server_stream,
)

from ctrader_typed import (
    PROTOBUF_TCP,
    ConnectFailed,
    Message,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAErrorRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
    Wire,
)
from ctrader_typed.proto import SCHEMA
from ctrader_typed.wire.connection import Carrier, Connection
from ctrader_typed.wire.envelope import Envelope

NO_SESSION = ProtoOAErrorRes(
    error_code="INVALID_REQUEST", description="Trading account is not authorized"
)


class Socket:
    """The server's end of a WebSocket, with the names of a stream: each piece is a message."""

    websocket: WebSocketConnection

    def __init__(self, stream: trio.abc.Stream, wire: Wire) -> None:
        self.stream = stream
        self._text = wire.carrier is Carrier.TEXT

    async def accept(self, nursery: trio.Nursery) -> None:
        """Shake hands; what reads lives in the nursery."""
        request = await wrap_server_stream(nursery, self.stream, max_message_size=1 << 26)
        assert request.path == "/"
        self.websocket = await request.accept()

    async def send_all(self, data: bytes) -> None:
        message = data.decode(errors="replace") if self._text else data
        try:
            await self.websocket.send_message(message)
        except ConnectionClosed as error:
            raise trio.BrokenResourceError from error

    async def receive_some(self) -> bytes:
        try:
            message = await self.websocket.get_message()
        except ConnectionClosed:
            return b""
        assert isinstance(message, str) is self._text
        return message.encode() if isinstance(message, str) else message

    async def aclose(self) -> None:
        """With the farewell of WebSockets."""
        await self.websocket.aclose()

    async def send_eof(self) -> None:
        """Nothing more comes: a WebSocket has no other way to say so."""
        await self.aclose()


class Session:
    """One connection as the server sees it; `deaf` takes requests and never answers."""

    def __init__(self, server: Server, stream: Any) -> None:
        self.server = server
        self.stream = stream
        self.wire = Connection(SCHEMA, server.wire)
        self.application = False
        self.accounts: set[int] = set()
        self.subscribed: set[tuple] = set()
        self.got: list[Message] = []
        self.deaf = False
        self.sending = trio.Lock()

    async def run(self) -> None:
        try:
            if isinstance(self.stream, Socket):
                await self.stream.accept(self.server.nursery)
            while data := await self.stream.receive_some():
                for event in self.wire.receive_data(bytes(data)):
                    assert isinstance(event, Envelope)
                    if not self.deaf:
                        await self.handle(event)
        except (trio.BrokenResourceError, trio.ClosedResourceError, HandshakeError):
            pass

    async def handle(self, event: Envelope) -> None:
        request = event.message
        if isinstance(request, ProtoHeartbeatEvent):
            return
        if not isinstance(request, ProtoOAVersionReq):
            self.got.append(request)
        reply = self.server.answer(self, request)
        await trio.sleep(self.server.slow)
        if reply is not None and not self.deaf:
            await self.send(reply, to=event.client_msg_id)

    async def send(self, *messages: Message, to: str | None = None) -> None:
        frames = [self.wire.send(message, to) for message in messages]
        async with self.sending:
            for piece in frames if isinstance(self.stream, Socket) else [b"".join(frames)]:
                await self.stream.send_all(piece)

    @property
    def below(self) -> Any:
        """The stream of bytes that carries this connection."""
        return self.stream.stream if isinstance(self.stream, Socket) else self.stream

    def stop(self) -> None:
        """Answer nothing from now on."""
        self.deaf = True

    async def hang_up(self) -> None:
        """FIN, and time to notice it."""
        await self.stream.aclose()
        await wait_all_tasks_blocked()


class Server:
    """Connections come by `open`; `refusing` sends them away, `stalled` lets them wait."""

    def __init__(self, nursery: trio.Nursery, wire: Wire = PROTOBUF_TCP) -> None:
        self.nursery = nursery
        self.wire = wire
        self.sessions: list[Session] = []
        self.refusing: ConnectFailed | None = None
        self.stalled = False
        self.slow = 0.0
        self.attempts: list[float] = []
        self.refusal: Callable[[Session, Any], Message | None] = lambda session, request: None

    async def open(self) -> trio.abc.Stream:
        self.attempts.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.stalled:
            await trio.sleep_forever()
        if self.refusing is not None:
            raise self.refusing
        ours, theirs = memory_stream_pair()
        in_one_piece = self.wire.carrier is Carrier.BYTES
        session = Session(self, theirs if in_one_piece else Socket(theirs, self.wire))
        self.sessions.append(session)
        self.nursery.start_soon(session.run)
        return ours

    @property
    def now(self) -> Session:
        """The connection that came last."""
        return self.sessions[-1]

    def answer(self, session: Session, request: Any) -> Message | None:
        refusal = self.refusal(session, request)
        if refusal is not None:
            return refusal
        if isinstance(request, ProtoOAVersionReq):
            return ProtoOAVersionRes(version="91")
        if isinstance(request, ProtoOAApplicationAuthReq):
            session.application = True
            return SCHEMA.responses[type(request)]()
        account = request.ctid_trader_account_id
        reply = SCHEMA.responses[type(request)](ctid_trader_account_id=account)
        if isinstance(request, ProtoOAAccountAuthReq):
            if not session.application:
                return ProtoOAErrorRes(error_code="CH_CLIENT_NOT_AUTHENTICATED")
            if account in session.accounts:
                return ProtoOAErrorRes(error_code="ALREADY_LOGGED_IN")
            session.accounts.add(account)
            return reply
        if account not in session.accounts:
            return NO_SESSION
        return self.subscribe(session, request, reply)

    def subscribe(self, session: Session, request: Any, reply: Message) -> Message:
        name = type(request).__name__.removeprefix("ProtoOA").removesuffix("Req")
        symbols = getattr(request, "symbol_id", ())
        symbols = (symbols,) if isinstance(symbols, int) else symbols
        period = getattr(request, "period", None)
        what = name.removeprefix("Uns").removeprefix("S").removeprefix("ubscribe")
        keys = {(what, request.ctid_trader_account_id, symbol, period) for symbol in symbols}
        if name.startswith("Subscribe"):
            for _, _, symbol, _ in keys & session.subscribed:
                said = f"Already subscribed to symbol {symbol}."
                return ProtoOAErrorRes(error_code="INVALID_REQUEST", description=said)
            session.subscribed |= keys
        elif name.startswith("Unsubscribe"):
            session.subscribed -= keys
        elif name == "AccountLogout":
            session.accounts.discard(request.ctid_trader_account_id)
        return reply

    def forget(self, account: int | None = None) -> None:
        """The sessions of all accounts, or of one, are over on the connection that came last."""
        session = self.now
        if account is None:
            session.application = False
            session.accounts.clear()
            session.subscribed.clear()
        else:
            session.accounts.discard(account)
            session.subscribed = {key for key in session.subscribed if key[1] != account}
