"""What every download over a span needs: the span, reads that survive a lost link, progress."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Self, TypeVar

import trio

from ..client import Client
from ..error_codes import Retry
from ..errors import ConnectionLost, InvalidValue, ReconnectAbandoned
from ..message import Message, Request
from ..only_async import OnlyAsyncStream
from ..protocol.errors import ServerError
from ..units import Time, checks, milliseconds, utc
from .paging import LATEST, Pager, Window

R = TypeVar("R", bound=Message)
A = TypeVar("A")
T_co = TypeVar("T_co", covariant=True)

log = logging.getLogger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before a page that the server cannot give at present is asked for again."""

SETTLED = 60_000
"""So many ms after a bar's end it is in history for sure: it took up to a second (seen live), and
this machine's clock may be wrong.
"""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download has come: the rows so far, and how much of the span, from 0 to 1.

    `oldest` and `newest` are the times of the rows so far, in UTC; None while there are none.
    """

    rows: int
    done: float
    oldest: datetime | None
    newest: datetime | None


OnProgress = Callable[[Progress], object]
"""Called after each answer, in the task that downloads; what it raises ends the download."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    """What one request brought: `rows` are all there are in `[start, end)`, oldest first.

    Both in ms since the Unix epoch. Pages go back in time without a gap: each ends where the one
    before it starts, and the last starts where the span does. It is what there was when it was
    asked for: a bar appears up to a second after it has ended (seen live).
    """

    rows: T_co
    start: int
    end: int


class Pages(OnlyAsyncStream, Generic[T_co]):
    """Pages as they come, a request for each: `async for page in pages`. Use it in one task.

    Nothing has to be closed. When a step is cancelled or raises, the next one asks again for what
    that one asked for.
    """

    usage = "`async for page in pages:`"

    def __init__(
        self, pager: Pager, fetch: Callable[[Window], Awaitable[Page[T_co] | None]]
    ) -> None:
        self._pager = pager
        self._fetch = fetch

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Page[T_co]:
        while (window := self._pager.window) is not None:
            page = await self._fetch(window)
            if page is not None:
                return page
        raise StopAsyncIteration


@dataclass(slots=True)
class DownloadProgress:
    """How far a download of `[start, end)` has come; `parts` is how often it is gone over."""

    report: OnProgress | None
    start: int
    end: int
    parts: int = 1
    rows: int = 0
    covered: int = 0
    oldest: int | None = None
    newest: int | None = None

    def __post_init__(self) -> None:
        if self.report is not None:
            checks.function(self.report, "progress", "a function that takes a Progress")

    def went(self, start: int, end: int, times: Sequence[int]) -> None:
        """Over a stretch, with rows of these times, in order."""
        self.covered += end - start
        self.rows += len(times)
        if len(times):
            self.oldest = times[0] if self.oldest is None else min(self.oldest, times[0])
            self.newest = times[-1] if self.newest is None else max(self.newest, times[-1])
        if self.report is not None:
            done = self.covered / (self.parts * (self.end - self.start))
            oldest = None if self.oldest is None else utc(self.oldest)
            newest = None if self.newest is None else utc(self.newest)
            self.report(Progress(self.rows, done, oldest, newest))


def span(start: Time, end: Time | None) -> tuple[int, int]:
    """Both in ms, the end being now if it is None; InvalidValue if they cannot be meant."""
    first = milliseconds(start, "start")
    last = now() if end is None else milliseconds(end, "end")
    if first > last:
        raise InvalidValue(f"start = {start!r} is after end = {utc(last)}")
    return first, min(last, LATEST)


def now() -> int:
    """This machine's clock, in ms since the Unix epoch."""
    return milliseconds(datetime.now(UTC))


async def read(client: Client, ask: Callable[[Request[R]], Awaitable[A]], request: Request[R]) -> A:
    """Ask, again on the next connection if one is lost: a read changes nothing. What the server
    cannot do at present is asked again after `PAUSES`, and its last refusal raised.
    """
    pauses = iter(PAUSES)
    while True:
        try:
            return await ask(request)
        except ServerError as error:
            pause = next(pauses, None) if error.advice.retry is Retry.LATER else None
            if pause is None:
                raise
            log.warning("%s will be asked again in %g s: %s", type(request).__name__, pause, error)
            await trio.sleep(pause)
        except ReconnectAbandoned:
            raise
        except ConnectionLost as lost:
            log.info("%s will be asked again: %s", type(request).__name__, lost)
            await client.connected()
