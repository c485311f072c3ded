"""Tables for other libraries: through the Arrow PyCapsule interface, without a copy of the columns.

Each library is an extra, and imported where it is used.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import InvalidValue
from ..units import PRICE_DIGITS, PRICE_SCALE, checks
from . import parquet
from .columns import Column
from .optional_imports import import_extra

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import polars as pl
    import pyarrow as pa  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # untyped without stubs

Prices = Literal["float", "raw"]
"""Prices as floats, each the one nearest to the exact price, or as integers in 1/100000."""

ExactPrices = Literal["float", "raw", "decimal"]
"""The same, or exact decimals."""

DECIMAL_DIGITS = 18
"""As many as a decimal has that Parquet keeps in 64 bits."""


class Frames(ABC):
    """Columns that other libraries read: `polars.DataFrame(table)`, `pyarrow.table(table)`, …

    Whatever takes the Arrow PyCapsule interface (the extra "polars" or "parquet" brings what that
    takes) reads the table's own memory: time as timestamp[ms, UTC], prices and counts as int64,
    prices in 1/100000, as `scale` in the field's metadata says. While such a reader is alive the
    arrays cannot grow or shrink (BufferError).

    The methods raise MissingLibrary where their library is not installed, InvalidValue for prices
    of another kind.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """All columns, the time first."""

    # --- the Arrow PyCapsule interface ---

    def __arrow_c_schema__(self) -> object:
        """The types of the columns, as an ArrowSchema."""
        return _schema(self.columns).__arrow_c_schema__()

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """The columns as an ArrowSchema and an ArrowArray. No other schema is catered for."""
        capsules: tuple[object, object] = _array(self.columns).__arrow_c_array__()
        return capsules

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The columns as a stream of one batch. No other schema is catered for."""
        return _nanoarrow().c_array_stream(_array(self.columns)).__arrow_c_stream__()

    # --- libraries ---

    def to_polars(self, prices: Prices = "float") -> pl.DataFrame:
        """A polars DataFrame; raw prices, times and counts are the table's own memory."""
        _check_prices(prices, get_args(Prices))
        with import_extra("polars"):
            import polars as pl  # noqa: PLC0415 - an extra
        frame = pl.DataFrame(self)
        if prices == "raw":
            return frame
        # By a column: a division by one number is made a multiplication, which rounds otherwise.
        scale = pl.repeat(PRICE_SCALE, len(frame), dtype=pl.Float64, eager=True)
        return frame.with_columns(frame[name] / scale for name in _price_names(self.columns))

    def to_pandas(self, prices: Prices = "float") -> pd.DataFrame:
        """A pandas DataFrame, indexed by time (in UTC).

        Raw prices and counts are the table's own memory, which pandas does not write to; those of
        which some are missing are of the type Int64. Missing floats are NaN.
        """
        with import_extra("pandas"):
            import pandas as pd  # noqa: PLC0415 - an extra
        columns = self.to_numpy(prices)
        index = pd.DatetimeIndex(columns.pop("time"), tz="UTC", name="time")
        missing = {each.name: each.missing for each in self.columns if each.missing}
        series: dict[str, Any] = dict(columns)
        if prices == "raw":
            for name, count in missing.items():
                series[name] = pd.array(columns[name], dtype="Int64")
                series[name][:count] = pd.NA
        return pd.DataFrame(series, index=index, copy=False)

    def to_numpy(self, prices: Prices = "float") -> dict[str, npt.NDArray[Any]]:
        """A numpy array for each column by its name: time as datetime64[ms] (in UTC).

        Raw prices, times and counts are the table's own memory, for reading only; where they are
        missing there is 0. Missing floats are NaN.
        """
        _check_prices(prices, get_args(Prices))
        with import_extra("numpy"):
            import numpy as np  # noqa: PLC0415 - an extra
        arrays: dict[str, npt.NDArray[Any]] = {}
        for each in self.columns:
            values: npt.NDArray[Any] = np.asarray(each.values)
            if each.kind == "time":
                values = values.view("datetime64[ms]")
            values.flags.writeable = False
            if each.kind == "price" and prices == "float":
                values = values / PRICE_SCALE
                values[: each.missing] = np.nan
            arrays[each.name] = values
        return arrays

    def to_arrow(  # pyright: ignore[reportUnknownParameterType]  # known to who has stubs
        self, prices: ExactPrices = "float"
    ) -> pa.Table:  # pyright: ignore[reportUnknownMemberType]  # as above
        """A pyarrow Table; raw prices, times and counts are the table's own memory.

        With "decimal", prices are exact, as decimal128(18, 5).
        """
        return arrow_table(self, self.columns, prices)

    def write_parquet(
        self,
        path: str | os.PathLike[str],
        prices: ExactPrices = "decimal",
    ) -> None:
        """A Parquet file of the table, small and exact: prices as DECIMAL(18, 5).

        pandas reads these as Decimal objects, slowly; "float" is faster there. Raises OSError.
        """
        checks.path(path, "path")
        parquet.write(arrow_table(self, self.columns, prices), os.fspath(path))


def arrow_table(exporter: object, columns: Sequence[Column], prices: str) -> Any:
    """What `to_arrow` gives; MissingLibrary without pyarrow."""
    _check_prices(prices, get_args(ExactPrices))
    with import_extra("parquet"):
        import_module("nanoarrow")
        arrow: Any = import_module("pyarrow")
        compute: Any = import_module("pyarrow.compute")
    table = arrow.table(exporter)
    for at, each in enumerate(columns):
        if each.kind != "price" or prices == "raw":
            continue
        if prices == "decimal":
            made = decimals(each)
        else:
            made = compute.divide(table[at].cast("float64", safe=False), float(PRICE_SCALE))
        table = table.set_column(at, each.name, made)
    return table


def decimals(each: Column) -> Any:
    """A column of prices as a pyarrow array of decimal128(18, 5)."""
    arrow: Any = import_module("pyarrow")
    words = array("q", bytes(16 * len(each.values)))  # of 128 bits, the low 64 first
    words[::2] = each.values
    if min(each.values, default=0) < 0:
        words[1::2] = array("q", (value >> 63 for value in each.values))
    return arrow.Array.from_buffers(
        arrow.decimal128(DECIMAL_DIGITS, PRICE_DIGITS),
        len(each.values),
        [_validity(each, arrow.py_buffer), arrow.py_buffer(words)],
        each.missing,
    )


def _check_prices(prices: str, kinds: tuple[str, ...]) -> None:
    if prices not in kinds:
        raise InvalidValue(f"prices = {prices!r}: expected one of {', '.join(map(repr, kinds))}")


def _nanoarrow() -> Any:
    with import_extra("polars"):
        return import_module("nanoarrow")


def _schema(columns: Sequence[Column]) -> Any:
    nanoarrow = _nanoarrow()
    return nanoarrow.c_schema(
        nanoarrow.struct({each.name: _type(each) for each in columns}, nullable=False)
    )


def _type(each: Column) -> Any:
    nanoarrow, nullable = _nanoarrow(), each.missing > 0
    if each.kind == "time":
        return nanoarrow.c_schema(nanoarrow.timestamp("ms", "UTC", nullable))
    plain = nanoarrow.c_schema(nanoarrow.int64(nullable))
    return plain.modify(metadata={"scale": str(PRICE_SCALE)}) if each.kind == "price" else plain


def _array(columns: Sequence[Column]) -> Any:
    nanoarrow = _nanoarrow()
    children = [
        nanoarrow.c_array_from_buffers(
            _type(each),
            len(each.values),
            [_validity(each), each.values],
            null_count=each.missing,
        )
        for each in columns
    ]
    return nanoarrow.c_array_from_buffers(
        _schema(columns), len(columns[0].values), [None], null_count=0, children=children
    )


def _validity(each: Column, buffer: Callable[[bytes], Any] = bytes) -> Any:
    """A bit for each row, 0 for those that have no value; None if all have one."""
    if not each.missing:
        return None
    rows = len(each.values)
    bits = (1 << rows) - (1 << each.missing)
    return buffer(bits.to_bytes((rows + 7) // 8, "little"))


def _price_names(columns: Iterable[Column]) -> list[str]:
    return [each.name for each in columns if each.kind == "price"]
