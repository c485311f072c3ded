"""Certificates made when a server starts: a CA of its own, and what that issues for its names.

Keys are elliptic-curve ones, which take a millisecond to make. They live in memory, unless a folder
is given that keeps the CA from one start to the next.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ctrader_typed.keywords import suggest

from ..errors import CertificateError, MissingExtra
from ..handler import ConnectionGreeting

_ORGANISATION = "ctrader_typed mock server"
_ALWAYS = ("localhost", "127.0.0.1", "::1")
_ANY_HOST = {"0.0.0.0", "::", ""}

CA_FILE, KEY_FILE = "ca.pem", "ca-key.pem"
"""What a folder that keeps the CA holds. Whoever has the key can pose as any server to a client
that trusts the CA: only the owner can read it."""


@suggest
class Certificates:
    """A certificate authority of its own, and what it issued for `names` and the local host.

    A name that means every address of the machine ("0.0.0.0", "::") stands for its host name. With
    `folder` the CA is read from there, or made and kept there. `own` are files with a certificate
    (its chain behind it) and its key, which is shown instead; `ca` is then that chain.

    Raises MissingExtra where trustme is not installed, CertificateError for files that do not do.
    """

    def __init__(
        self,
        names: Iterable[str] = (),
        *,
        folder: str | os.PathLike[str] | None = None,
        own: tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None,
    ) -> None:
        try:
            import trustme  # noqa: PLC0415 - an extra; and a server without TLS starts faster
        except ImportError:
            raise MissingExtra(
                "TLS needs the package trustme to make a certificate. Install it with "
                "`pip install 'ctrader-typed[mock]'`, or serve without TLS."
            ) from None
        self._ca: Any = (
            trustme.CA(organization_name=_ORGANISATION)
            if folder is None
            else _kept_ca(Path(folder), trustme.CA)
        )
        self._names = tuple(dict.fromkeys([*_ALWAYS, *_each_name(names)]))
        self._issued = self._ca.issue_cert(*self._names)
        self._own = own
        self.ca: bytes = self._ca.cert_pem.bytes() if own is None else _chain(*own)
        """The CA's certificate as PEM text: what a client must trust."""

    def server_context(self) -> ssl.SSLContext:
        """What the server's end of a TLS connection needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self._own is None:
            self._issued.configure_cert(context)
        else:
            context.load_cert_chain(*self._own)
        return context

    def wrong_context(self, entrance: ConnectionGreeting) -> ssl.SSLContext:
        """What a server shows that ought to be refused: untrusted, expired, or of another name."""
        import trustme  # noqa: PLC0415 - it was there to issue the good one

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if entrance is ConnectionGreeting.UNTRUSTED:
            issued = trustme.CA(organization_name="nobody knows us").issue_cert(*self._names)
        elif entrance is ConnectionGreeting.EXPIRED:
            long_ago = datetime(2001, 1, 1, tzinfo=UTC)
            issued = self._ca.issue_cert(*self._names, not_before=long_ago, not_after=long_ago)
        else:
            issued = self._ca.issue_cert("elsewhere.invalid")
        issued.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # it takes pyOpenSSL's too
        return context

    def client_context(self) -> ssl.SSLContext:
        """A context for clients that trusts this CA and nobody else, and verifies the name."""
        return ssl.create_default_context(cadata=self.ca.decode("ascii"))


def _each_name(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        if name in _ANY_HOST:
            yield from dict.fromkeys([socket.gethostname(), socket.getfqdn()])
        else:
            yield name


def _kept_ca(folder: Path, ca_type: Any) -> Any:
    """The CA that the folder keeps; a new one, kept there, if it has none."""
    certificate, key = folder / CA_FILE, folder / KEY_FILE
    try:
        if certificate.exists():
            return ca_type.from_pem(certificate.read_bytes(), key.read_bytes())
        made = ca_type(organization_name=_ORGANISATION)
        folder.mkdir(parents=True, exist_ok=True)
        # The certificate last, and at once: half of one is never found.
        _write_private(key, made.private_key_pem.bytes())
        part = certificate.with_suffix(f".{os.getpid()}")
        part.write_bytes(made.cert_pem.bytes())
        part.replace(certificate)
    except (OSError, ValueError) as error:
        raise CertificateError(
            f"the folder {folder} cannot keep a CA as {CA_FILE} and {KEY_FILE}: {error}. "
            "Remove both files to have a new CA made"
        ) from error
    return made


def _write_private(path: Path, data: bytes) -> None:
    """A file that only its owner can read, in the place of whatever a start cut short has left."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _chain(certificate: str | os.PathLike[str], key: str | os.PathLike[str]) -> bytes:
    """The certificate as PEM text, once it is known to fit its key."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        return Path(certificate).read_bytes()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise CertificateError(
            f"the certificate {certificate} and the key {key} cannot be used: {error}"
        ) from error
