"""Messages one after another in a stream, each after its length as a varint.

What betterproto and Java call "delimited"; not cTrader's framing, whose length has four bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DecodeError
from .encode import varint
from .scan import read_varint

if TYPE_CHECKING:
    from _typeshed import SupportsRead

_MAX_SIZE = (1 << 31) - 1  # protobuf's own limit
_CHUNK = 1 << 20  # a length that lies must not cost its memory


def delimited(data: bytes) -> bytes:
    """The bytes of a message, with their number in front."""
    return varint(len(data)) + data


def read_length(stream: SupportsRead[bytes]) -> int:
    """The length in front of the next message; DecodeError if there is none."""
    head = b""
    while not head or head[-1] >= 128:
        byte = stream.read(1)
        if len(head) == 10 or not byte:
            raise DecodeError(f": no length in the stream after {len(head)} bytes of one")
        head += byte
    return read_varint(head, 0, len(head))[0]


def read_exactly(stream: SupportsRead[bytes], size: int) -> bytes:
    """The next `size` bytes; DecodeError if the stream ends before."""
    if not 0 <= size <= _MAX_SIZE:
        raise DecodeError(f": a message of {size} bytes cannot be")
    parts: list[bytes] = []
    missing = size
    while missing and (part := stream.read(min(missing, _CHUNK))):
        parts.append(part)
        missing -= len(part)
    if missing:
        raise DecodeError(f": {size} bytes expected in the stream, {missing} of them are missing")
    return b"".join(parts)
