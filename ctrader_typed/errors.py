"""Every exception that this package raises. Knows no wire and no loop.

All can be pickled, and their texts show nothing that a message's own repr would mask.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from .error_codes import Advice, advise

if TYPE_CHECKING:
    from .message import Message
    from .orders.order import Order


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


class DuplicateOrder(LocalProtocolError):
    """A new order has the client_order_id of another one of the account; nothing was sent.

    `status` names how that one stands, `order_id` and `position_id` are the server's where they are
    known, and `order` is its handle if this client has it.
    """

    order: Order | None = None

    def __init__(
        self, client_order_id: str, status: str, order_id: int | None, position_id: int | None
    ) -> None:
        super().__init__(client_order_id, status, order_id, position_id)
        self.client_order_id = client_order_id
        self.status = status
        self.order_id = order_id
        self.position_id = position_id

    def __reduce__(self) -> tuple[type[DuplicateOrder], tuple[object, ...]]:
        return type(self), self.args  # without the handle

    def __str__(self) -> str:
        order = "an order without a known id" if self.order_id is None else f"order {self.order_id}"
        position = "" if self.position_id is None else f", position {self.position_id}"
        return (
            f"the client_order_id {self.client_order_id!r} belongs to {order} ({self.status}"
            f"{position}), and nothing was sent: give another order another id, or none"
        )


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


class UnexpectedReply(CTraderError):
    """A request was answered by something that is no answer to it; it may have been carried out.

    `request` is the request and `reply` what came, both as values that may be inspected.
    """

    def __init__(self, request: Message, reply: object, expected: str) -> None:
        super().__init__(request, reply, expected)
        self.request = request
        self.reply = reply
        self.expected = expected

    def __str__(self) -> str:
        return f"{type(self.request).__name__}: expected {self.expected}, got {self.reply!r}"


# --- the server said no ---


class ServerError(CTraderError):
    """The server refused a request.

    `code` is the name of a ProtoOAErrorCode or ProtoErrorCode value, or one that no schema has;
    `description` is the server's text, if any, and `advice` ours. `request` is what was refused
    and `reply` the message that refused it, with whatever else it says (maintenance times, for
    example).
    """

    def __init__(
        self, code: str, description: str | None, request: Message, reply: Message
    ) -> None:
        super().__init__(code, description, request, reply)
        self.code = code
        self.description = description
        self.request = request
        self.reply = reply
        self.add_note(str(self.advice))  # for the traceback

    @property
    def advice(self) -> Advice:
        """What it means and what to do, in plain words; a code that nobody knows has some too."""
        return advise(self.code, self.description, type(self.request).__name__)

    def __str__(self) -> str:
        said = self.code if self.description is None else f"{self.code}: {self.description}"
        return f"{type(self.request).__name__} was refused: {said}"


class AuthError(ServerError):
    """The application, the account or the token is not (or no longer) authorised."""


class NotRouted(ServerError):
    """The server has no way to an account: it is of the other environment, or its broker is away.

    Demo and live are separate systems; `is_live` of the account says to which it belongs. An
    account for play money can be a live one.
    """

    def __str__(self) -> str:
        return (
            f"{super().__str__()}; the account is probably of the other environment (connect to "
            '"live" instead of "demo", or the other way round), or its broker is in maintenance'
        )


class RateLimited(ServerError):
    """Too many requests.

    `retry_after` says for how many seconds this payload type is blocked, if the server said so. A
    longer quota on history exists as well, for which that hint is too short.
    """

    def __init__(
        self,
        code: str,
        description: str | None,
        request: Message,
        reply: Message,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(code, description, request, reply)
        self.args = (code, description, request, reply, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        hint = "" if self.retry_after is None else f" (retry after {self.retry_after} s)"
        return super().__str__() + hint


class OrderError(ServerError):
    """A trading request was rejected.

    `order_id` and `position_id` are the server's where it gave them, the request's otherwise, and
    None where neither has them.
    """

    def __init__(
        self,
        code: str,
        description: str | None,
        request: Message,
        reply: Message,
        order_id: int | None = None,
        position_id: int | None = None,
    ) -> None:
        super().__init__(code, description, request, reply)
        self.args = (code, description, request, reply, order_id, position_id)
        self.order_id = order_id
        self.position_id = position_id


class PagingError(CTraderError):
    """The server's pages of history do not fit together or do not get on; the text says where.

    Nothing was left out without a word: what was given before that is whole.
    """


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


class NotSent(ConnectionLost):
    """A trading request that did not leave: not one byte of it, so nothing has happened."""


class OutcomeUnknown(CTraderError):
    """A trading request left, and nobody can say yet what has become of it. Never send it again.

    It is no ConnectionLost: who tries again after one of those must not place an order twice.
    `reason` says why the answer is missing, `request` what was asked.
    `await error.order.resolved()` waits until the client has found out.
    """

    order: Order
    """The handle. An error that was pickled has none."""

    def __init__(self, reason: str, request: Message) -> None:
        super().__init__(reason, request)
        self.reason = reason
        self.request = request

    def __reduce__(self) -> tuple[type[OutcomeUnknown], tuple[str, Message]]:
        return type(self), (self.reason, self.request)

    def __str__(self) -> str:
        return f"{type(self.request).__name__}: {self.reason}; it may have been carried out"


class NotFilled(CTraderError):
    """An order ended before it was filled wholly: `status` names how.

    `filled_volume` of the `volume` asked for was filled, in 0.01 of a unit, at `average_price` on
    average (None if nothing was).
    """

    def __init__(
        self, status: str, volume: int, filled_volume: int, average_price: float | None
    ) -> None:
        super().__init__(status, volume, filled_volume, average_price)
        self.status = status
        self.volume = volume
        self.filled_volume = filled_volume
        self.average_price = average_price

    def __str__(self) -> str:
        return f"the order ended {self.status}: {self.filled_volume} of {self.volume} were filled"


class JournalInUse(CTraderError, OSError):
    """Another process (or another client of this one) holds the journal of orders."""


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
