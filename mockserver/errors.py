"""Every exception and warning that the mock server raises."""

from __future__ import annotations

from typing import cast

from ctrader_typed.errors import CTraderError


class MockServerError(CTraderError):
    """The root of what this package raises on purpose."""


class CertificateError(MockServerError, OSError):
    """A certificate, its key, or a folder that keeps a CA cannot be used; the text says why."""


class SessionError(MockServerError):
    """A session file cannot be read; the text names the file, the line and what is wrong."""


class SessionDiverged(MockServerError):
    """A client did not do what the session says, or not all of it; the text is the report."""


class MissingExtra(MockServerError):
    """A package is needed that is not installed; the text says how to get it."""


class StaleSession(UserWarning):
    """A session was recorded with another release of the schema than the one it is played with."""


class TornSession(UserWarning):
    """The last line of a session breaks off: its recorder was killed. The rest can be played."""


class ScenarioError(MockServerError):
    """There is no such scenario, or its file cannot be read; the text says what is wrong."""


class InvariantBroken(MockServerError):
    """A client did what none should do; the text lists it."""


def bare(error: BaseException) -> BaseException:
    """The exception inside groups of one; a group of several stays a group."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    inside = list(group.exceptions)
    return bare(inside[0]) if len(inside) == 1 else group
