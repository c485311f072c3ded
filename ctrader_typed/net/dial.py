"""From a host and a port to an open stream, with TLS or without, and why there is none.

Knows nothing of what is sent over it.
"""

from __future__ import annotations

import ssl

import trio

from ..errors import CertificateRefused, ConnectFailed
from .tcp import TcpStream
from .tls import TlsStream, shake_hands
from .transport import broken

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


async def open_tcp(host: str, port: int) -> TcpStream:
    """Connect without TLS, or ConnectFailed. Cancelled, it leaves nothing open."""
    try:
        return TcpStream(await trio.open_tcp_stream(host, port))
    except OSError as error:
        raise ConnectFailed(f"cannot reach {host}:{port}: {error}") from error


async def open_tls(host: str, port: int, context: ssl.SSLContext | None) -> TlsStream:
    """Connect and finish the TLS handshake, with the host's name sent and checked.

    Without a context certificates are verified against this machine's authorities. TLS below 1.2 is
    refused whatever the context allows. Raises CertificateRefused or another ConnectFailed.
    Cancelled, it leaves nothing open.
    """
    if context is None:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
    where = f"{host}:{port}"
    tcp = await open_tcp(host, port)
    try:
        stream = await shake_hands(tcp, context, server_hostname=_spelled(host))
    except trio.BrokenResourceError as error:
        raise _explained(where, error) from error
    version = stream.version()
    if version not in _TRUSTED_TLS:
        await trio.aclose_forcefully(stream)
        raise ConnectFailed(f"{where} chose {version}; at least TLSv1.2 is required")
    return stream


def _spelled(host: str) -> bytes:
    """As the name was looked up: the standard library spells some names otherwise (IDNA 2003)."""
    if host.isascii():
        return host.encode("ascii")
    import idna  # noqa: PLC0415 - slow to import, and few hosts need it; trio brings it

    return idna.encode(host, uts46=True)


def _explained(where: str, error: trio.BrokenResourceError) -> ConnectFailed:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        advice = _ADVICE.get(cause.verify_code, cause.verify_message)
        return CertificateRefused(f"the certificate of {where} was refused: {advice}")
    reason = cause.reason if isinstance(cause, ssl.SSLError) else None
    said = broken(error) if reason is None else _HANDSHAKE.get(reason, str(cause))
    return ConnectFailed(f"no TLS connection to {where}: {said}")
