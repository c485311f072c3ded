"""Errors that a reply of the server is, or that its replies amount to."""

from __future__ import annotations

from ..error_codes import Advice, advise
from ..errors import CTraderError
from ..message import Message


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
