"""TLS over a connected socket: it waits for bytes before it reads, and sends at once what is ready.

Full duplex: what TLS itself has to say while we receive (an answer to a key update) leaves at once
if the kernel takes it, or else before the next bytes that are sent. Nothing waits for it.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from enum import Enum, auto
from typing import NoReturn

import trio

from .tcp import CHUNK, Data, OnlyOne, TcpStream, at_most

PIECE = 262_144
"""Bytes that are encrypted before they are sent, and then the next."""

MOST_UNSENT = 262_144
"""Bytes that TLS itself may owe a peer that asks for more and more and takes nothing."""

_HANDSHAKE_RECORD = 22


class _State(Enum):
    OPEN = auto()
    FINISHED = auto()
    """Our farewell is on its way: nothing can be sent any more."""
    UNSENDABLE = auto()
    """A send was cut short, or failed: the peer has a part. What comes in is still good."""
    BROKEN = auto()
    CLOSED = auto()


async def shake_hands(
    tcp: TcpStream,
    context: ssl.SSLContext,
    *,
    server_hostname: str | bytes | None = None,
    server_side: bool = False,
) -> TlsStream:
    """Finish the handshake, or close `tcp` and say why: cancelled, too.

    Raises trio.BrokenResourceError with what TLS says as its cause, a refused certificate included.
    """
    stream = TlsStream(tcp, context, server_hostname, server_side=server_side)
    try:
        await stream.finish_handshake()
    except BaseException:
        await trio.aclose_forcefully(tcp)
        raise
    return stream


class TlsStream(trio.abc.HalfCloseableStream):
    """An open TLS connection, made by `shake_hands`.

    One task may send and one receive at a time. A cancelled `receive_some` has lost no byte. After
    a cancelled `send_all` that had begun nothing can be sent (trio.BrokenResourceError), but
    receiving goes on. The end of the stream needs no farewell, as everywhere on the web: who frames
    messages sees for himself that one is cut. Renegotiation (TLS 1.2) breaks the connection if the
    context does not refuse it by itself.
    """

    def __init__(
        self,
        tcp: TcpStream,
        context: ssl.SSLContext,
        server_hostname: str | bytes | None,
        *,
        server_side: bool,
    ) -> None:
        self._tcp = tcp
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=server_hostname,
        )
        self._state = _State.OPEN
        self._server_side = server_side
        self._may_renegotiate = False
        self._unsent = b""
        self._decrypted = b""
        self._ended = False
        self._fault: ssl.SSLError | None = None
        self._sending = OnlyOne("sending on this TLS connection")
        self._receiving = OnlyOne("receiving from this TLS connection")

    @property
    def tcp(self) -> TcpStream:
        """What is below."""
        return self._tcp

    def version(self) -> str | None:
        """ "TLSv1.3" and so on."""
        return self._tls.version()

    async def finish_handshake(self) -> None:
        """For `shake_hands`, which closes what this leaves when it raises or is cancelled."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed()
            except ssl.SSLError as error:
                self._fail(error)
            else:
                break
        self._may_renegotiate = self.version() != "TLSv1.3"
        # The tickets of a server wait for its first bytes: who only sends may never receive them.
        if self._may_renegotiate or not self._server_side:
            await self._flush()
        else:
            await trio.lowlevel.checkpoint()

    # --- in ---

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Bytes as soon as there are any; `b""` at the end, with or without a farewell."""
        max_bytes = at_most(max_bytes)
        with self._receiving:
            self._check_receivable()
            if self._ended or self._fault or self._decrypted or self._has_records():
                await trio.lowlevel.checkpoint()
                data = self._take(max_bytes)
            else:
                data = b""
            while not data and not self._ended:
                await self._feed()
                data = self._take(max_bytes)
            return data

    async def _feed(self) -> None:
        """Once it has waited nothing is in its way: a byte that left the kernel is kept."""
        data = await self._tcp.receive_some(CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _has_records(self) -> bool:
        return bool(self._incoming.pending or self._tls.pending())

    def _take(self, max_bytes: int) -> bytes:
        """Up to so many bytes that are here; a fault waits until what came before it is taken."""
        self._check_receivable()
        data = self._decrypted or self._decrypt(max_bytes)
        self._decrypted = data[max_bytes:]
        if not data and self._fault is not None:
            self._fail(self._fault)
        return data[:max_bytes]

    def _decrypt(self, max_bytes: int) -> bytes:
        """All records that are here, up to so many bytes."""
        data = self._read(max_bytes)
        if data and self._has_records():
            parts, size = [data], len(data)
            while size < max_bytes and (data := self._read(max_bytes - size)):
                parts.append(data)
                size += len(data)
            data = b"".join(parts)
        if self._outgoing.pending:
            self._answer()
        return data

    def _read(self, max_bytes: int) -> bytes:
        if self._ended or self._fault is not None:
            return b""
        try:
            data = self._tls.read(max_bytes)
        except ssl.SSLWantReadError:
            return b""
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self._ended = True
            return b""
        except ssl.SSLError as error:
            self._fault = error
            return b""
        self._ended = data == b""
        return data

    def _answer(self) -> None:
        """What TLS itself says goes out without waiting; a sender at work takes it along."""
        if self._may_renegotiate:
            said = self._outgoing.read()
            self._unsent += said
            if said[0] == _HANDSHAKE_RECORD:
                self._state = _State.BROKEN
                raise trio.BrokenResourceError("the peer wants to renegotiate, which is refused")
        if not self._sending.busy and self._state is _State.OPEN:
            with suppress(trio.BrokenResourceError):  # whoever sends next will hear of it
                self._send_ready()
        if len(self._unsent) + self._outgoing.pending > MOST_UNSENT:
            self._state = _State.BROKEN
            raise trio.BrokenResourceError("the peer asks for more and more keys and takes none")

    # --- out ---

    async def send_all(self, data: Data) -> None:
        """Encrypt and send everything, after what `send_now` has left."""
        with self._sending:
            self._check_sendable()
            await trio.lowlevel.checkpoint_if_cancelled()
            if not data and not self._unsent:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return
            try:
                if not data:
                    await self._flush()
                elif len(data) <= PIECE:
                    await self._encrypt(data)
                else:
                    with memoryview(data) as view:
                        for start in range(0, len(view), PIECE):
                            await self._encrypt(view[start : start + PIECE])
            except BaseException:
                if self._state is _State.OPEN:
                    self._state = _State.UNSENDABLE
                raise

    def send_now(self, data: bytes) -> bool:
        """Encrypt `data`, which must not be empty, and send what the kernel takes at once.

        False if that was not all of it: the rest leaves with the next `send_all`, of nothing, too.
        """
        with self._sending:
            self._check_sendable()
            try:
                self._write(data)
                self._send_ready()
            except BaseException:
                if self._state is _State.OPEN:
                    self._state = _State.UNSENDABLE
                raise
            return not self._unsent

    async def _encrypt(self, data: Data) -> None:
        self._write(data)
        await self._flush()

    def _write(self, data: Data) -> None:
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            self._fail(error)

    async def _flush(self) -> None:
        """Send all that is ready, and what becomes so meanwhile."""
        while ready := self._ready():
            await self._tcp.send_all(ready)

    def _send_ready(self) -> None:
        ready = self._ready()
        sent = 0
        try:
            sent = self._tcp.send_now(ready)
        finally:
            self._unsent = ready[sent:]

    def _ready(self) -> bytes:
        ready = self._outgoing.read()
        if self._unsent:
            ready = self._unsent + ready
            self._unsent = b""
        return ready

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes bytes."""
        with self._sending:
            self._check_sendable()
            await self._tcp.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Say farewell; receiving goes on, if the peer takes it for half of one."""
        with self._sending:
            if self._state is _State.FINISHED:
                await trio.lowlevel.checkpoint()
                return
            self._check_sendable()
            await trio.lowlevel.checkpoint_if_cancelled()
            self._say_farewell()
            self._state = _State.FINISHED
            try:
                await self._flush()
            except BaseException:
                self._state = _State.UNSENDABLE
                raise

    def _say_farewell(self) -> None:
        # The library looks for the peer's farewell at once, and may not find anything else.
        while self._has_records() and (data := self._read(CHUNK)):
            self._decrypted += data
        with suppress(ssl.SSLError):  # the peer's farewell is not here yet, or this is its answer
            self._tls.unwrap()

    async def aclose(self) -> None:
        """Say farewell if that makes sense, wait for none, and close. Cancelled, close at once."""
        before, self._state = self._state, _State.CLOSED
        if before is _State.OPEN and not self._sending.busy:
            try:
                await trio.lowlevel.checkpoint_if_cancelled()
                self._say_farewell()
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await self._flush()  # the peer may have gone before
            except BaseException:
                await trio.aclose_forcefully(self._tcp)
                raise
        await self._tcp.aclose()

    # --- both ---

    def _fail(self, error: ssl.SSLError) -> NoReturn:
        """The peer is told why, if that is possible at once."""
        before, self._state = self._state, _State.BROKEN
        if before is _State.OPEN and not self._sending.busy:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                self._send_ready()
        raise trio.BrokenResourceError("TLS failed") from error

    def _check_receivable(self) -> None:
        if self._state is _State.CLOSED:
            raise trio.ClosedResourceError("this TLS connection was closed here")
        if self._state is _State.BROKEN:
            raise trio.BrokenResourceError("this TLS connection broke before")

    def _check_sendable(self) -> None:
        self._check_receivable()
        if self._state is _State.FINISHED:
            raise trio.ClosedResourceError("nothing can follow the farewell that was sent")
        if self._state is _State.UNSENDABLE:
            raise trio.BrokenResourceError("a send failed or was cancelled: the peer has a part")
