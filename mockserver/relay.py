"""A proxy between clients and a server: passes every byte on unchanged and has it written down."""

from __future__ import annotations

from collections.abc import Callable

import trio

from ctrader_typed.schema import Schema

from .recording import Direction
from .scribe import Scribe

_CHUNK = 64 * 1024

Write = Callable[[str], object]


async def relay(
    client: trio.abc.Stream, server: trio.abc.Stream, schema: Schema, write: Write, note: str
) -> Scribe:
    """Pass everything on until one side ends the connection; returns what wrote it down.

    Each message is written before it is passed on. Closes both streams, cancelled or not.
    """
    scribe = Scribe(schema)
    write(scribe.header(note))
    async with client, server, trio.open_nursery() as nursery:

        async def pass_on(source: trio.abc.Stream, to: trio.abc.Stream, sender: Direction) -> None:
            try:
                while data := await source.receive_some(_CHUNK):
                    for line in scribe.passes(sender, bytes(data), trio.current_time()):
                        write(line)
                    await to.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # an end like any other: the other side is closed too
            nursery.cancel_scope.cancel()

        nursery.start_soon(pass_on, client, server, Direction.CLIENT)
        nursery.start_soon(pass_on, server, client, Direction.SERVER)
    return scribe
