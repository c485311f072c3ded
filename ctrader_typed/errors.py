"""Every exception that this package raises.

All can be pickled, and their texts show nothing that a message's own repr would mask.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

from .error_codes import Advice, advise


class CTraderError(Exception):
    """The root: `except CTraderError` catches whatever this package raises on purpose."""


class CodecError(CTraderError, ValueError):
    """A message and its bytes (or JSON) do not fit each other."""


class DecodeError(CodecError):
    """Bytes or JSON that came in are not a valid message of the type that was asked for."""


class EncodeError(CodecError):
    """A message cannot be written: a required field is unset, or a value does not fit its field."""


# --- the protocol broken ---


class LocalProtocolError(CTraderError):
    """We were asked to do what the protocol does not allow; nothing was sent."""


class OutsideTrio(LocalProtocolError, RuntimeError):
    """Called from where the client does not live: without trio, from another thread or another run
    of trio. Nothing was sent; the text says how to call it from there.
    """


class InvalidValue(CTraderError, ValueError):
    """A number, a time or a name that cannot be meant; the text says what would do."""


class UnknownName(InvalidValue, KeyError):
    """A name or an id that nothing has; the text names what is spelt alike."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError shows it with quotes around


class InvalidOrder(InvalidValue):
    """An order that the symbol does not allow; nothing was sent. It says what would do."""


class RemoteProtocolError(CTraderError):
    """The other end did what the protocol does not allow, and the link cannot go on."""


# --- the server said no ---


# --- tokens ---


class TokenStoreError(CTraderError):
    """Tokens cannot be read or kept; the text says why and what to do, and shows none of them."""


class RefreshLost(CTraderError):
    """A refresh was sent and its reply never came, so the refresh token may be used up.

    It can be used only once, and nobody can know whether it was: let the user authorise again, and
    save the new tokens. `sent_at` says when that was, in UTC.
    """

    def __init__(self, sent_at: str) -> None:
        super().__init__(sent_at)
        self.sent_at = sent_at

    def __str__(self) -> str:
        return (
            f"the reply to the token refresh of {self.sent_at} is lost, and with it perhaps both "
            "tokens: let the user authorise the application again and save the new tokens"
        )


class TokenRefused(CTraderError):
    """The authorisation page or the token address said no.

    `code` and `description` are what it says; `advice` is ours.
    """

    def __init__(self, code: str, description: str | None) -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description
        self.add_note(str(self.advice))

    @property
    def advice(self) -> Advice:
        """What it means and what to do, in plain words; a code that nobody knows has some too."""
        return advise(self.code, self.description)

    def __str__(self) -> str:
        said = self.code if self.description is None else f"{self.code}: {self.description}"
        return f"no tokens were given: {said}"


# --- the link ---


class ConnectFailed(CTraderError, OSError):
    """No connection came about.

    The text says what failed and what can be done about it; the cause is chained.
    """


class CertificateRefused(ConnectFailed):
    """The server's certificate was not accepted: untrusted, expired, or of another host."""


class ConnectionLost(CTraderError, OSError):
    """The connection ended, or had ended before.

    `maybe_delivered` says whether the request may have reached the server: False means that not
    one byte of it left, True that nobody can know. Nothing is ever sent again by itself.
    """

    def __init__(self, reason: str, maybe_delivered: bool = False) -> None:
        super().__init__(reason, maybe_delivered)
        self.reason = reason
        self.maybe_delivered = maybe_delivered

    def __str__(self) -> str:
        if not self.maybe_delivered:
            return self.reason
        return f"{self.reason}; the request was sent and may have been carried out"


class ReconnectAbandoned(ConnectionLost):
    """The connection was lost and no other one will follow; the cause is chained.

    Either as many attempts failed as were allowed, or the server refused what no attempt can mend:
    a wrong client secret, a revoked token.
    """


class SlowSubscriber(CTraderError):
    """A stream's buffer was full and `dropped` events were discarded at this point of it."""

    def __init__(self, dropped: int) -> None:
        super().__init__(dropped)
        self.dropped = dropped

    def __str__(self) -> str:
        return f"{self.dropped} events were dropped because the stream was not read fast enough"


# --- the fate of an order ---


# --- what is kept ---


class MissingLibrary(CTraderError, ImportError):
    """A library that is an extra is not installed; the text says how to get it."""


class StoreInUse(CTraderError, OSError):
    """Another process (or another task of this one) is writing the same part of a store."""


class StoreDamaged(CTraderError):
    """A file of a store is not one that a store has written; the text names it."""


def raise_first(errors: Sequence[CTraderError]) -> None:
    """Raise the first of these, if there are any; the texts of the others are its notes."""
    for error in errors[:1]:
        for other in errors[1:]:
            error.add_note(f"and: {other}")
        raise error


E = TypeVar("E", bound=CTraderError)


def again(error: E) -> E:
    """The same error, for one more of those who get it: each has its own traceback."""
    other = copy.copy(error)
    other.__cause__ = error.__cause__
    if (notes := getattr(error, "__notes__", None)) is not None:
        other.__notes__ = [*notes]
    return other
