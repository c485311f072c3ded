"""Bytes over TLS or any other trio stream, and what can go wrong with them in plain words.

Knows nothing of frames or messages.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

import trio

from ..errors import CertificateRefused, ConnectFailed, ConnectionLost

_CHUNK = 65_536
_CLOSING_TIME = 1.0  # seconds for a farewell that a stalled peer may never take

_TRUSTED_TLS = ("TLSv1.2", "TLSv1.3")

_UNTRUSTED = (
    "no authority that this machine trusts vouches for it; if you do, pass ssl_context="
    "ssl.create_default_context(cafile=...) with the authority's certificate"
)
_ADVICE = {
    9: "it is not valid yet; look at this machine's clock",
    10: "it has expired, or this machine's clock is wrong",
    18: f"it is self-signed: {_UNTRUSTED}",
    19: f"its authority is self-signed: {_UNTRUSTED}",
    20: _UNTRUSTED,
    21: _UNTRUSTED,
    62: "it was made for another host; connect by a name that is in it",
    64: "it was made for another address; connect by a name that is in it",
}
"""What to do about a refused certificate, by OpenSSL's X509_V_ERR number."""

_HANDSHAKE = {
    "UNSUPPORTED_PROTOCOL": "it speaks only TLS below 1.2, which is not accepted",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks only TLS below 1.2, which is not accepted",
    "WRONG_VERSION_NUMBER": "it does not speak TLS on this port",
    "UNEXPECTED_EOF_WHILE_READING": "it hung up during the handshake",
}
"""What a failed handshake means, by OpenSSL's reason."""


class Transport:
    """One connection's stream: `receive`, `send` and `aclose`, whose errors are ConnectionLost."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream

    async def receive(self) -> bytes:
        """Some bytes as soon as there are any; `b""` at the end of the stream."""
        try:
            return bytes(await self._stream.receive_some(_CHUNK))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLost(_broken(error)) from error

    async def send(self, data: bytes) -> None:
        """Send everything. Cancelled, it may have sent a part: only close the stream then."""
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionLost(_broken(error)) from error

    async def aclose(self) -> None:
        """Close the stream, politely within a second, or else at once. It cannot be cancelled."""
        deadline = trio.current_time() + _CLOSING_TIME
        broken_before = suppress(trio.BrokenResourceError)
        with trio.CancelScope(shield=True, deadline=deadline), broken_before:
            await self._stream.aclose()


def _broken(error: BaseException) -> str:
    cause = error.__cause__
    return "the connection broke" if cause is None else f"the connection broke: {cause}"


async def open_tls(host: str, port: int, context: ssl.SSLContext | None) -> Transport:
    """Connect and finish the TLS handshake, with the host's name sent and checked.

    Without a context certificates are verified against this machine's authorities. TLS below 1.2 is
    refused whatever the context allows. Raises CertificateRefused or another ConnectFailed.
    Cancelled, it leaves nothing open.
    """
    if context is None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    where = f"{host}:{port}"
    try:
        tcp = await trio.open_tcp_stream(host, port)
    except OSError as error:
        raise ConnectFailed(f"cannot reach {where}: {error}") from error
    # The farewell of TLS adds nothing to length-prefixed frames, and proxies do not wait for it.
    stream = trio.SSLStream(tcp, context, server_hostname=host, https_compatible=True)
    try:
        await stream.do_handshake()
        _check_version(where, stream)
    except BaseException as error:
        await trio.aclose_forcefully(stream)
        if isinstance(error, trio.BrokenResourceError):
            raise _explained(where, error) from error
        raise
    return Transport(stream)


def _check_version(where: str, stream: trio.SSLStream[trio.SocketStream]) -> None:
    version: str | None = stream.version()
    if version not in _TRUSTED_TLS:
        raise ConnectFailed(f"{where} chose {version}; at least TLSv1.2 is required")


def _explained(where: str, error: trio.BrokenResourceError) -> ConnectFailed:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        advice = _ADVICE.get(cause.verify_code, cause.verify_message)
        return CertificateRefused(f"the certificate of {where} was refused: {advice}")
    reason = cause.reason if isinstance(cause, ssl.SSLError) else None
    said = _broken(error) if reason is None else _HANDSHAKE.get(reason, str(cause))
    return ConnectFailed(f"no TLS connection to {where}: {said}")
