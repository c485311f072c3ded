"""A client that is logged in to a mock server, for tests and demonstrations: one line of set-up."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from ctrader_typed import Api, Reconnect, connect_over
from ctrader_typed.keywords import suggest

from .box import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, HEDGED, Box
from .composition import mock_server
from .faults.plan import Plan


@suggest
@asynccontextmanager
async def logged_in_client(
    box: Box | None = None,
    *,
    account_id: int = HEDGED,
    access_token: str = ACCESS_TOKEN,
    faults: Plan | None = None,
    reconnect: Reconnect = Reconnect(),  # noqa: B008 - it is immutable
) -> AsyncGenerator[Api, None]:
    """A client of a mock server that serves `box`, with application and account logged in.

        async with logged_in_client(Box(seed=7)) as api:
            account = await api.account(HEDGED)

    Without a box it is `Box()`. The two talk over memory, so that a test may use the virtual clock;
    a lost connection is replaced, as one of `connect()` is. Leaving the block closes both.

    Raises what `api.auth` does, and what a handler of the server raises.
    """
    served = Box() if box is None else box
    async with mock_server(served, port=None, faults=faults) as server:

        async def dial() -> trio.abc.Stream:
            return server.memory_client()

        async with connect_over(dial, reconnect=reconnect) as api:
            await api.auth(
                client_id=CLIENT_ID,
                client_secret=CLIENT_SECRET,
                access_token=access_token,
                account_id=account_id,
            )
            yield api
