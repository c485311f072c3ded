"""A cTrader server in a box: the other end of the wire, for tests and demonstrations.

`handler` says what a server does on a connection, `server` lets it do so over real or in-memory
ones: `composition.mock_server()` puts them together. The simulated `broker` behind its `proxy` is
one handler, a recorded session (`replay`) another.
"""
