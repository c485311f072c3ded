"""Those who listen to an account's changes."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterable
from contextlib import contextmanager

import trio

from ..errors import CTraderError, again
from ..net.event_streams import CROWDED
from ..trio_run import TrioRun
from .changes import Change

log = logging.getLogger(__name__)


class Changes(trio.abc.ReceiveChannel[Change]):
    """The changes of an account: `async for change in changes`, or `await changes.receive()`.

    trio.EndOfChannel is the end that the program has made by closing the client; any other is the
    error that it comes from.
    """

    def __init__(
        self,
        channel: trio.MemoryReceiveChannel[Change],
        why: CTraderError | None,
        run: TrioRun,
    ) -> None:
        self._run = run
        self._channel = channel
        self._why = why

    async def receive(self) -> Change:
        """The next change. Waiting can be cancelled, and loses none."""
        self._run.check()
        try:
            return await self._channel.receive()
        except trio.EndOfChannel:
            if self._why is None:
                raise
        raise again(self._why)

    def receive_nowait(self) -> Change:
        """The next change if it is there; trio.WouldBlock if not."""
        self._run.check()
        try:
            return self._channel.receive_nowait()
        except trio.EndOfChannel:
            if self._why is None:
                raise
        raise again(self._why)

    def statistics(self) -> trio.MemoryChannelStatistics:
        """How many changes wait to be fetched: `current_buffer_used`."""
        return self._channel.statistics()

    def close(self) -> None:
        """Hear of no more changes."""
        self._run.check()
        self._channel.close()

    async def aclose(self) -> None:
        """The same, and a checkpoint."""
        self._run.check()
        await self._channel.aclose()

    def end(self, why: CTraderError | None) -> None:
        """There will be no more, because of this; None: because the client was closed."""
        self._why = why


class Listeners:
    """Each of them hears of every change, in order, until it goes or there will be no more.

    None is dropped: what a listener does not fetch waits, and a warning is logged when that becomes
    very much, as for streams of execution events. They listen in `run` alone.
    """

    def __init__(self, run: TrioRun) -> None:
        self._run = run
        self._crowds: dict[trio.MemorySendChannel[Change], int] = {}
        self._changes: dict[trio.MemorySendChannel[Change], Changes] = {}
        self._ended = False
        self._why: CTraderError | None = None

    @contextmanager
    def listen(self) -> Generator[Changes, None, None]:
        """What changes from here on; nothing, if there will be no more."""
        send, receive = trio.open_memory_channel[Change](math.inf)
        changes = Changes(receive, self._why, self._run)
        if not self._ended:
            self._crowds[send] = CROWDED
            self._changes[send] = changes
        with send, receive:
            if self._ended:
                send.close()
            try:
                yield changes
            finally:
                self._crowds.pop(send, None)
                self._changes.pop(send, None)

    def tell(self, changes: Iterable[Change]) -> None:
        """Let all of them know. Never waits."""
        for change in changes:
            for listener in tuple(self._crowds):
                try:
                    listener.send_nowait(change)
                except trio.BrokenResourceError:  # it has closed its end, and may stay in its block
                    del self._crowds[listener]
                    continue
                if listener.statistics().current_buffer_used >= self._crowds[listener]:
                    log.warning(
                        "%d changes of an account wait to be fetched", self._crowds[listener]
                    )
                    self._crowds[listener] *= 2

    def end(self, why: CTraderError | None) -> None:
        """There will be no more: what waits can still be fetched, then it is said why."""
        self._ended, self._why = True, why
        for listener, changes in self._changes.items():
            changes.end(why)
            listener.close()
        self._crowds.clear()
        self._changes.clear()

    def resume(self) -> None:
        """Who listens from now on hears of changes again."""
        self._ended, self._why = False, None
