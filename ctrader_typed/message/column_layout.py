"""How the rows of an answer lie in its bytes, known from the schema before any comes in."""

from __future__ import annotations

import re

from .field_values import LIMITS
from .fields import LENGTH, Field


class Layout:
    """What is known of the rows of one class of answers before any comes in."""

    def __init__(self, rows: Field, fields: tuple[Field, ...]) -> None:
        self.attribute = rows.name
        self.fields = fields
        self.tag = rows.number << 3 | LENGTH
        self.column_of_tag = {f.number << 3: column for column, f in enumerate(fields)}
        self.limits = tuple(_limits(f.kind) for f in fields)
        # Present or not, in the order of their numbers; the row's length is checked afterwards.
        body = b"".join(
            b"%b([\x80-\xff]{0,9}[\x00-\x7f])" % re.escape(bytes([f.number << 3]))
            if f.required
            else b"(?:%b([\x80-\xff]{0,9}[\x00-\x7f]))?" % re.escape(bytes([f.number << 3]))
            for f in fields
        )
        self.row = re.compile(
            b"%b([\x00-\x7f])(%b)" % (re.escape(bytes([self.tag])), body), re.DOTALL
        )


def _limits(kind: str) -> tuple[int, int]:
    """The numbers that a column can take as they are: the lowest and the highest."""
    low, above = (0, 2) if kind == "bool" else LIMITS[kind]
    return low, min(above, 1 << 63) - 1
