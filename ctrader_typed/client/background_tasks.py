"""Tasks that live as long as the client."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable

import trio

from ..errors import ConnectionLost, CTraderError, TokenRefused
from ..net.supervisor import Supervisor
from ..protocol.errors import ServerError
from ..tokens.keeper import SessionWatch
from ..trio_run import TrioRun

log = logging.getLogger(__name__)

Task = Callable[[], Awaitable[None]]


class BackgroundTasks:
    """Where a client's own tasks are handed in, and run until it is closed."""

    def __init__(self, run: TrioRun) -> None:
        self._run = run
        self._hand_in, self._handed_in = trio.open_memory_channel[Task](math.inf)

    def start(self, task: Task) -> None:
        """Run it beside the others; it begins at the next checkpoint."""
        self._run.check()
        try:
            self._hand_in.send_nowait(task)
        except trio.BrokenResourceError:
            log.debug("the client is closed: %r is not run", task)

    async def run(self) -> None:
        """Run what is handed in, until cancelled."""
        async with self._handed_in, trio.open_nursery() as nursery:
            async for task in self._handed_in:
                nursery.start_soon(_alone, task)


async def _alone(task: Task) -> None:
    try:
        await task()
    except Exception:
        log.exception("%r has failed", task)


log = logging.getLogger(__name__)


async def keep_authorised(watch: SessionWatch, supervisor: Supervisor) -> None:
    """Until cancelled, or until the client has ended, for this reason or another one."""
    try:
        await watch.run(supervisor.account_refused)
    except ConnectionLost as error:
        log.debug("tokens are not kept any more: %s", error)
    except CTraderError as error:
        advice = f". {error.advice}" if isinstance(error, ServerError | TokenRefused) else ""
        reason = f"tokens cannot be kept: {error}{advice}"
        log.error("%s", reason)
        supervisor.abandon(reason, error)
