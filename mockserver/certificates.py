"""Certificates made when a server starts: a CA of its own, and what that issues for its names.

Keys are elliptic-curve ones, which take a millisecond to make, and live in memory only.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from datetime import UTC, datetime

from ctrader_typed.keywords import suggest

from .behaviour import Entrance
from .errors import MissingExtra

_ALWAYS = ("localhost", "127.0.0.1", "::1")


@suggest
class Certificates:
    """A certificate authority of its own, and what it issued for `names` and the local host.

    Raises MissingExtra where trustme is not installed.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        try:
            import trustme  # noqa: PLC0415 - an extra; and a server without TLS starts faster
        except ImportError:
            raise MissingExtra(
                "TLS needs the package trustme to make a certificate. Install it with "
                "`pip install 'ctrader-typed[mock]'`, or serve without TLS."
            ) from None
        self._ca = trustme.CA(organization_name="ctrader_typed mock server")
        self._names = tuple(dict.fromkeys([*_ALWAYS, *names]))
        self._issued = self._ca.issue_cert(*self._names)
        self.ca: bytes = self._ca.cert_pem.bytes()
        """The CA's certificate as PEM text: what a client must trust."""

    def server_context(self) -> ssl.SSLContext:
        """What the server's end of a TLS connection needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._issued.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # it takes pyOpenSSL's too
        return context

    def wrong_context(self, entrance: Entrance) -> ssl.SSLContext:
        """What a server shows that ought to be refused: untrusted, expired, or of another name."""
        import trustme  # noqa: PLC0415 - it was there to issue the good one

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if entrance is Entrance.UNTRUSTED:
            issued = trustme.CA(organization_name="nobody knows us").issue_cert(*self._names)
        elif entrance is Entrance.EXPIRED:
            long_ago = datetime(2001, 1, 1, tzinfo=UTC)
            issued = self._ca.issue_cert(*self._names, not_before=long_ago, not_after=long_ago)
        else:
            issued = self._ca.issue_cert("elsewhere.invalid")
        issued.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # it takes pyOpenSSL's too
        return context

    def client_context(self) -> ssl.SSLContext:
        """A context for clients that trusts this CA and nobody else, and verifies the name."""
        return ssl.create_default_context(cadata=self.ca.decode("ascii"))
