"""Those who listen to an account's changes. Knows not what a change is about."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterable
from contextlib import contextmanager

import trio

from ..net.subscriptions import CROWD
from .changes import Change

log = logging.getLogger(__name__)


class Listeners:
    """Each of them hears of every change, in order, until it goes or there will be no more.

    None is dropped: what a listener does not fetch waits, and a warning is logged when that becomes
    very much, as for streams of execution events.
    """

    def __init__(self) -> None:
        self._crowds: dict[trio.MemorySendChannel[Change], int] = {}
        self._ended = False

    @contextmanager
    def listen(self) -> Generator[trio.MemoryReceiveChannel[Change], None, None]:
        """What changes from here on; nothing, if there will be no more."""
        send, receive = trio.open_memory_channel[Change](math.inf)
        if not self._ended:
            self._crowds[send] = CROWD
        with send, receive:
            if self._ended:
                send.close()
            try:
                yield receive
            finally:
                self._crowds.pop(send, None)

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

    def end(self) -> None:
        """There will be no more: what waits can still be fetched."""
        self._ended = True
        for listener in self._crowds:
            listener.close()
        self._crowds.clear()
