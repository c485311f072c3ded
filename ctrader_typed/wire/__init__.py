"""The protocol without a transport: bytes in, values out, and back.

Shared by the client and the mock server. Nothing here knows a socket, a clock, a loop or chance.
"""
