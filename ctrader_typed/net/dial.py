"""From a host and a port to an open stream, with TLS or without, and why there is none."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator, Sequence

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

_NO_TLS = (
    "it does not speak TLS on this port; the API does, on 5035 and 5036; a server without TLS on "
    "this machine takes tls=False"
)
_HANDSHAKE = {
    "UNSUPPORTED_PROTOCOL": "it speaks only TLS below 1.2, which is not accepted",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks only TLS below 1.2, which is not accepted",
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "UNEXPECTED_EOF_WHILE_READING": (
        "it hung up during the handshake, as servers do on a port without TLS; such a one on this "
        "machine takes tls=False"
    ),
}
"""What a failed handshake means, by OpenSSL's reason."""

_UNREACHABLE = {
    errno.ECONNREFUSED: "it was refused, so nothing listens on this port",
    errno.ETIMEDOUT: "nobody answered",
}


async def open_tcp(host: str, port: int) -> TcpStream:
    """Connect without TLS, or ConnectFailed. Cancelled, it leaves nothing open."""
    try:
        return TcpStream(await trio.open_tcp_stream(host, port))
    except OSError as error:
        said = dict.fromkeys(map(_why, _causes(error)))  # an address of its own may fail alike
        raise ConnectFailed(f"cannot reach {host}:{port}: {'; '.join(said)}") from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What trio's exception is made of: one error for each address of the host."""
    inner: Sequence[BaseException | None] = getattr(error, "exceptions", (error.__cause__,))
    for each in inner:
        if each is None:
            yield error
        else:
            yield from _causes(each)


def _why(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        return f"no host of this name is known ({error.strerror}); look at its spelling"
    if isinstance(error, OSError) and error.errno is not None:
        return _UNREACHABLE.get(error.errno, os.strerror(error.errno))
    return str(error)


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
