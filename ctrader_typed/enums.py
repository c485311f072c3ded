"""Open enums: a number that the schema does not name is kept, printed and written back."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

_INT32 = range(-(2**31), 2**31)


class Enum(IntEnum):
    """An enum of the schema. Members are ints; they compare, hash, pickle and format as such.

    A server may send numbers that no published schema has. `ProtoOAOrderType(99)` is a value of the
    enum like any other, equal to 99, and called `UNKNOWN_99`. `str()` gives the name alone.
    Raises ValueError for anything that is not a 32-bit integer.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if type(value) is not int or value not in _INT32:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member

    @property
    def is_known(self) -> bool:
        """Whether the schema names this number."""
        return self._name_ in type(self)._member_map_

    @classmethod
    def try_value(cls, value: int = 0) -> Self:
        """The member for `value`, known or not: betterproto's name for `cls(value)`."""
        return cls(value)

    @classmethod
    def from_string(cls, name: str) -> Self:
        """The member called `name`; ValueError names what the enum has."""
        try:
            return cls[name]
        except KeyError:
            known = ", ".join(cls.__members__)
            raise ValueError(f"{cls.__name__} has no {name!r}; it has {known}") from None

    def __str__(self) -> str:
        return self._name_

    def __format__(self, spec: str) -> str:
        # f"{side}" and f"{side:<6}" print the name, f"{side:d}" and f"{side:04x}" the number.
        numeric = spec[-1:] in tuple("bcdoxXeEfFgGn%")
        return format(int(self), spec) if numeric else format(self._name_, spec)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self._name_}: {self._value_}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> tuple[type[Self], tuple[int]]:
        return type(self), (self._value_,)
