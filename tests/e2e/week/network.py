"""The way to the server: memory streams that can be cut, and a net that can be away. For tests."""

from __future__ import annotations

import trio

from ctrader_typed import ConnectFailed
from mockserver.server.server import MockServer


class Network:
    """`dial` is for connect_over; nobody gets through while it is away."""

    def __init__(self, server: MockServer) -> None:
        self._server = server
        self._links: list[trio.abc.Stream] = []
        self._away_until = 0.0
        self.cuts = 0

    @property
    def dialled(self) -> int:
        """How many links there were."""
        return len(self._links)

    async def dial(self) -> trio.abc.Stream:
        """A stream to the server; ConnectFailed while there is no way."""
        if trio.current_time() < self._away_until:
            raise ConnectFailed("the net is away")
        self._links.append(self._server.memory_client())
        return self._links[-1]

    async def cut(self, seconds: float = 0.0) -> None:
        """Cut the link, and let nobody through for so long."""
        self._away_until = trio.current_time() + seconds
        self.cuts += 1
        await trio.aclose_forcefully(self._links[-1])
