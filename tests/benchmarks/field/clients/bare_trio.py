"""trio's streams and google.protobuf in a loop, without a feature: a limit of Python."""

import trio
from bare import Bare
from scenario import TOLD, play, ssl_context


async def main():
    stream = await trio.open_ssl_over_tcp_stream(
        TOLD["host"], TOLD["port"], ssl_context=ssl_context()
    )
    async with stream:
        await stream.do_handshake()
        await play(Bare(stream.receive_some, stream.send_all))


trio.run(main)
