"""asyncio's streams and google.protobuf in a loop, without a feature: a limit of Python."""

import asyncio

from bare import Bare
from scenario import TOLD, play, ssl_context


async def main():
    reader, writer = await asyncio.open_connection(
        TOLD["host"], TOLD["port"], ssl=ssl_context(), limit=1 << 18
    )

    async def read():
        return await reader.read(1 << 18)

    async def write(data):
        writer.write(data)
        await writer.drain()

    await play(Bare(read, write))
    writer.close()


asyncio.run(main())
