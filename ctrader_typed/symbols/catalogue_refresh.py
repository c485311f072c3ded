"""A catalogue that is kept up to date beside its client."""

from __future__ import annotations

import trio

from ..client import Client
from ..errors import ConnectionLost, SlowSubscriber
from ..proto import ProtoOASymbolChangedEvent
from ..protocol.errors import ServerError
from ..protocol.stream_events import Gap
from ..units import checks
from .catalogue import Catalogue

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before what the server refused is asked again, the last of them from then on."""


async def keep_catalogue(
    client: Client,
    account_id: int,
    *,
    task_status: trio.TaskStatus[Catalogue] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Load the symbols of an authorised account, and again what the server says has changed:
    `catalogue = await nursery.start(keep_catalogue, api, account_id)`.

    After a gap all of them, for a change may have been missed. Runs until it is cancelled, or the
    client has ended: then it raises ConnectionLost; or the server has refused the account for good:
    then it raises that refusal. What the server refuses otherwise is asked again after a pause, but
    what it refuses of the first load is raised.
    """
    catalogue = Catalogue(account_id)
    checks.client(client)
    async with client.events(ProtoOASymbolChangedEvent, account=account_id) as stream:
        await catalogue.refresh(client)
        task_status.started(catalogue)
        while True:
            try:
                event = await anext(stream)
                catalogue.changed(None if isinstance(event, Gap) else event.symbol_id)
            except SlowSubscriber:
                catalogue.changed()
            await _refresh(client, catalogue)


async def _refresh(client: Client, catalogue: Catalogue) -> None:
    pauses = iter(PAUSES)
    while not catalogue.fresh:
        try:
            await client.connected()  # raises if there will be none
            await catalogue.refresh(client)
        except ServerError:
            await trio.sleep(next(pauses, PAUSES[-1]))
        except ConnectionLost:
            await client.connected()
