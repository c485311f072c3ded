"""A cTrader server in a box: the other end of the wire, for tests and demonstrations.

`behaviour` says what a server does, `server` lets it do so over real or in-memory connections.
Recorded sessions (`script`) are one behaviour. Shares `ctrader_typed.wire` with the client and
nothing above it.
"""
