"""Every exception that this package raises. Knows no message, no wire and no loop."""

from __future__ import annotations


class CTraderError(Exception):
    """The root: `except CTraderError` catches whatever this package raises on purpose."""


class CodecError(CTraderError, ValueError):
    """A message and its bytes (or JSON) do not fit each other."""


class DecodeError(CodecError):
    """Bytes or JSON that came in are not a valid message of the type that was asked for."""


class EncodeError(CodecError):
    """A message cannot be written: a required field is unset, or a value does not fit its field."""
