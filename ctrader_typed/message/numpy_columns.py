"""Rows of varints → columns with numpy: 7 to 18 times as fast as plain Python. Needs numpy.

All varints are found at once; every row must then hold the same fields as the first, each tag and
each length is checked, and anything else is left to another way.
"""

from __future__ import annotations

from array import array
from importlib import import_module
from typing import Any

from .column_layout import Layout
from .scan import read_tag, read_varint
from .straight import Irregular

np: Any = import_module("numpy")  # its stubs change from release to release, its arrays do not


def read_rows(layout: Layout, data: bytes, start: int) -> tuple[list[array[int]], int]:
    """The columns of the rows from `start` on, and where they end; raises Irregular."""
    present = _fields_of_first(data, start)
    columns = [layout.column_of_tag.get(tag, -1) for tag in present]
    needed = {i for i, f in enumerate(layout.fields) if f.required}
    if -1 in columns or len({*columns}) < len(columns) or not needed <= {*columns}:
        raise Irregular
    body = np.frombuffer(data, np.uint8, offset=start)
    ends = np.flatnonzero(body < 128)
    begins = np.empty_like(ends)
    begins[0] = 0
    begins[1:] = ends[:-1] + 1
    width = 2 + 2 * len(present)
    count = _alike(layout.tag, present, body, begins, width)
    sizes = ends - begins + 1
    if sizes[: count * width].max() > 10:
        raise Irregular
    end = int(ends[count * width - 1]) + 1
    read = [array("q", bytes(8 * count)) for _ in layout.fields]
    for place, column in enumerate(columns):
        which = slice(3 + 2 * place, count * width, width)
        values = _values(body, begins[which], sizes[which])
        low, high = layout.limits[column]
        if values.min() < low or values.max() > high:
            raise Irregular
        np.frombuffer(read[column], np.int64)[:] = values
    return read, start + end


def _fields_of_first(data: bytes, start: int) -> list[int]:
    """The tags of the first row."""
    end = len(data)
    if start + 2 > end or data[start + 1] > 127:
        raise Irregular
    pos, stop = start + 2, start + 2 + data[start + 1]
    tags: list[int] = []
    while pos < stop:
        tag, pos = read_tag(data, pos, end)
        _, pos = read_varint(data, pos, end)
        tags.append(tag)
    return tags


def _alike(tag: int, present: list[int], body: Any, begins: Any, width: int) -> int:
    """How many rows from the first on are whole, and hold the same fields as it."""
    rows = len(begins) // width
    grid = begins[: rows * width].reshape(rows, width)
    expected = np.array([tag, *present], np.uint8)
    tags_at = grid[:, [0, *range(2, width, 2)]]
    fits = (body[tags_at] == expected).all(axis=1)
    # A tag is one byte, and so is a length: what follows it must be where it says.
    fits &= grid[:, 2] - grid[:, 0] == 2
    after = np.append(
        grid[1:, 0], begins[rows * width] if rows * width < len(begins) else len(body)
    )
    fits &= after - grid[:, 2] == body[grid[:, 1]]
    count = rows if fits.all() else int(fits.argmin())
    if count == 0:
        raise Irregular
    return count


def _values(body: Any, begins: Any, sizes: Any) -> Any:
    """The signed 64-bit numbers of the varints that begin there."""
    values = (body[begins] & 127).astype(np.int64)
    for place in range(1, int(sizes.max())):
        longer = np.flatnonzero(sizes > place)
        part = (body[begins[longer] + place] & 127).astype(np.int64)
        values[longer] |= part << (7 * place)
    return values
