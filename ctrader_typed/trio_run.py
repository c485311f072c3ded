"""The trio run that a client lives in, and the check that it is used from no other one.

A task that waits in one run and is woken from another breaks both: trio notices too late, in the
tasks of the client, when an order has left already. So whatever waits, sends or wakes checks first.
"""

from __future__ import annotations

import trio

from .errors import OutsideTrio

NO_TRIO = (
    "ctrader_typed runs on trio, and no trio is running here: start the program with "
    "trio.run(main); from asyncio, or in a notebook, `await asyncio.to_thread(trio.run, main)`"
)

ANOTHER_RUN = (
    "this client lives in another trio run, and nothing was sent: from another thread call it by "
    "trio.from_thread.run(function, *arguments, trio_token=token), with the token that "
    "trio.lowlevel.current_trio_token() gives where the client was made; or give each trio.run a "
    "client of its own"
)


class TrioRun:
    """The run of trio in which it is made; OutsideTrio if there is none."""

    def __init__(self) -> None:
        try:
            self._token = trio.lowlevel.current_trio_token()
        except RuntimeError:
            raise OutsideTrio(NO_TRIO) from None
        self._over = False

    def check(self) -> None:
        """Raise OutsideTrio if this is called from elsewhere: another thread, or another run."""
        try:
            if trio.lowlevel.current_trio_token() is self._token:
                return
        except RuntimeError:
            pass  # no trio here at all
        if not self._over:
            raise OutsideTrio(ANOTHER_RUN)

    def end(self) -> None:
        """Nothing waits there any more: what is left may be looked at from anywhere."""
        self._over = True
